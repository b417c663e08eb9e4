"""The stored text of a revision: written again the same, kept as long as it is needed, readable for old documents."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoserve.documents.collections import new_collection
from phoserve.documents.passages import PassageStores
from phoserve.documents.records import Document, DocumentState, Original, new_document
from phoserve.documents.removal import remove_marked, sweep_originals
from phoserve.documents.texts import store_text, stream_text, text_key
from phoserve.errors import NotFound
from tests.support.memory import MemoryIndex, MemoryRegistry, MemorySources

FAR = timedelta(minutes=1)


async def stored_document(sources: MemorySources, content: bytes, media_type: str = "text/plain") -> Document:
    taken = await sources.put("c/original", content, max_bytes=1000)
    original = Original(key=taken.key, sha256=taken.sha256, size_bytes=len(content), media_type=media_type)
    return new_document(new_collection("kb"), "d", original, title="", metadata={})


async def read_text(document: Document, sources: MemorySources, start: int = 0, end: int | None = None) -> str:
    return "".join([part async for part in await stream_text(document, sources, start, end)])


class SplitSources(MemorySources):
    """Stores that return content in parts of a few bytes, also within characters."""

    async def stream(self, key: str, *, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        content = (await self.read(key))[start:end]

        async def parts() -> AsyncIterator[bytes]:
            for begin in range(0, len(content), 3):
                yield content[begin : begin + 3]

        return parts()


def live(document: Document) -> Document:
    return msgspec.structs.replace(document, live_revision=document.revision, state=DocumentState.READY)


async def test_the_live_revision_is_read_while_a_newer_one_is_indexed() -> None:
    sources = MemorySources()
    document = live(await stored_document(sources, b"x"))
    await store_text(document, "Bản một", sources)
    newer = document.reindex()
    await store_text(newer, "Bản hai", sources)
    assert await read_text(newer, sources) == "Bản một"
    assert await read_text(live(newer), sources) == "Bản hai"


@given(
    text=st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    start=st.integers(0, 45),
    end=st.none() | st.integers(0, 45),
)
async def test_a_stretch_of_the_text_is_that_of_its_characters(text: str, start: int, end: int | None) -> None:
    sources = SplitSources()
    document = live(await stored_document(sources, b"x"))
    await store_text(document, text, sources)
    assert await read_text(document, sources, start, end) == text[start:end]


async def test_what_follows_a_stretch_is_not_read() -> None:
    read: list[bytes] = []

    class CountingSources(SplitSources):
        async def stream(self, key: str, *, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
            async def parts() -> AsyncIterator[bytes]:
                async for part in await super_stream(key, start=start, end=end):
                    read.append(part)
                    yield part

            super_stream = super().stream
            return parts()

    sources = CountingSources()
    document = live(await stored_document(sources, b"x"))
    await store_text(document, "dài " * 1000, sources)
    assert await read_text(document, sources, 2, 7) == "i dài"
    assert len(read) < 6


async def test_a_text_that_is_the_original_stays_readable_when_the_original_is_replaced() -> None:
    sources = MemorySources()
    document = live(await stored_document(sources, "Bản một".encode()))
    await store_text(document, "Bản một", sources, is_original=True)
    await sources.put(document.original.key, "Bản hai".encode(), max_bytes=1000)
    assert await read_text(document, sources) == "Bản một"


async def test_text_that_version_0_1_did_not_store_is_that_of_the_file() -> None:
    sources = MemorySources()
    document = live(await stored_document(sources, "Xã".encode()))
    assert await read_text(document, sources) == "Xã"
    with pytest.raises(NotFound, match="reindex"):
        await read_text(live(await stored_document(sources, b"%PDF-", "application/pdf")), sources)


async def test_a_document_that_is_not_indexed_has_no_text_yet() -> None:
    sources = MemorySources()
    with pytest.raises(NotFound, match="queued"):
        await read_text(await stored_document(sources, b"x"), sources)


async def test_texts_are_swept_once_no_revision_needs_them_and_go_with_their_document() -> None:
    registry, sources = MemoryRegistry(), MemorySources()
    collection = new_collection("kb")
    await registry.add_collection(collection)
    taken = await sources.put(f"{collection.id}/original", b"x", max_bytes=10)
    original = Original(key=taken.key, sha256=taken.sha256, size_bytes=1, media_type="text/plain")
    [saved] = await registry.save([new_document(collection, "d", original, title="", metadata={})])
    assert saved is not None
    old = text_key(saved, 1)
    await store_text(saved, "cũ", sources)
    [saved] = await registry.save([live(saved.reindex())])
    assert saved is not None
    await store_text(saved, "mới", sources)
    assert await sweep_originals(registry, sources, stored_before=datetime.now(UTC) + FAR) == 1
    kept = [key async for key, _ in sources.keys("")]
    assert old not in kept
    assert await read_text(saved, sources) == "mới"
    await remove_marked([saved], registry, PassageStores([MemoryIndex("f")]), sources)
    assert [key async for key, _ in sources.keys("")] == []
