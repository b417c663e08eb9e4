"""What every DocumentRegistry promises."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from phoserve.adapters.edge.registry import EdgeRegistry
from phoserve.adapters.qdrant.registry import QdrantRegistry
from phoserve.adapters.qdrant.server import QdrantOptions
from phoserve.documents.filters import AnyOf, Match
from phoserve.documents.ports import DocumentRegistry
from phoserve.documents.records import Document, DocumentState, Original, new_collection, new_document
from phoserve.errors import CollectionNotFound, DocumentNotFound, InvalidInput
from tests.support.pages import all_pages
from tests.support.qdrant_server import qdrant_client

LEASE = timedelta(seconds=30)


@pytest.fixture(params=["edge", "qdrant"])
async def registry(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[DocumentRegistry]:
    if request.param == "edge":
        edge = EdgeRegistry(tmp_path)
        yield edge
        await edge.close()
    else:
        async with qdrant_client(request.getfixturevalue("qdrant_url")) as client:
            yield QdrantRegistry(client, QdrantOptions())


def document(id_: str, collection: str = "kb", **metadata: object) -> Document:
    original = Original(key=f"{collection}/{id_}", sha256="0" * 64, size_bytes=1, media_type="text/plain")
    return new_document(collection, id_, original, key=f"key-{collection}-{id_}", title=id_, metadata=metadata)


async def saved(registry: DocumentRegistry, *documents: Document) -> list[Document]:
    written = await registry.save(documents)
    assert all(written)
    return [each for each in written if each]


async def test_a_collection_is_added_once(registry: DocumentRegistry) -> None:
    assert await registry.add_collection(new_collection("kb", description="one"))
    assert not await registry.add_collection(new_collection("kb", description="two"))
    assert (await registry.collection("kb")).description == "one"


async def test_only_one_of_two_changes_of_a_collection_wins(registry: DocumentRegistry) -> None:
    await registry.add_collection(new_collection("kb"))
    before = await registry.collection("kb")
    assert await registry.replace_collection(msgspec.structs.replace(before, description="a"))
    assert not await registry.replace_collection(msgspec.structs.replace(before, description="b"))
    assert [each.description for each in await registry.collections()] == ["a"]


async def test_a_removed_collection_is_unknown(registry: DocumentRegistry) -> None:
    await registry.add_collection(new_collection("kb"))
    await registry.remove_collection("kb")
    with pytest.raises(CollectionNotFound):
        await registry.collection("kb")


async def test_a_document_is_found_as_it_was_saved(registry: DocumentRegistry) -> None:
    [written] = await saved(registry, document("d1", year=2024, tags=["a", "b"]))
    assert await registry.get("kb", "d1") == written
    assert await registry.find_keys([written.key]) == {written.key: written}
    with pytest.raises(DocumentNotFound):
        await registry.get("other", "d1")


async def test_only_one_of_two_changes_of_a_document_wins(registry: DocumentRegistry) -> None:
    [before] = await saved(registry, document("d1"))
    [first] = await registry.save([before.claim(LEASE)])
    [second] = await registry.save([before.claim(LEASE)])
    assert first is not None
    assert second is None
    assert await registry.save([document("d1")]) == [None], "a document that exists cannot be added"


async def test_one_id_twice_in_one_batch_is_taken_once(registry: DocumentRegistry) -> None:
    first, second = await registry.save([document("d1"), document("d1")])
    assert first is not None
    assert second is None


async def test_a_record_that_changed_is_not_removed(registry: DocumentRegistry) -> None:
    [before] = await saved(registry, document("d1"))
    [after] = await saved(registry, before.claim(LEASE))
    await registry.remove([before])
    assert await registry.get("kb", "d1") == after
    await registry.remove([after])
    assert await registry.find("kb", ["d1"]) == {}


async def test_pages_hold_every_document_once_newest_first(registry: DocumentRegistry) -> None:
    ids = [f"d{number}" for number in range(25)]
    for id_ in ids:
        await saved(registry, document(id_), document(id_, "other"))
    assert [each.id for each in await all_pages(registry, "kb", limit=10)] == ids[::-1]
    with pytest.raises(InvalidInput, match="cursor"):
        await registry.page("kb", cursor="x")


async def test_pages_can_be_filtered(registry: DocumentRegistry) -> None:
    [a, _, _] = await saved(registry, document("a", draft=True, year=1), document("b", draft=False), document("c"))
    await saved(registry, a.claim(LEASE))

    async def ids(**conditions: object) -> set[str]:
        return {each.id for each in (await registry.page("kb", **conditions)).documents}  # type: ignore[arg-type]

    assert await ids(states=[DocumentState.PROCESSING]) == {"a"}
    assert await ids(where=Match("draft", True)) == {"a"}
    assert await ids(where=AnyOf("draft", (True, False))) == {"a", "b"}
    assert await ids(states=[DocumentState.QUEUED], where=Match("draft", True)) == set()


async def test_counts_by_state(registry: DocumentRegistry) -> None:
    [a, *_] = await saved(registry, document("a"), document("b"), document("c", "other"))
    await saved(registry, a.claim(LEASE))
    assert await registry.counts("kb") == {DocumentState.QUEUED: 1, DocumentState.PROCESSING: 1}
    assert await registry.counts() == {DocumentState.QUEUED: 2, DocumentState.PROCESSING: 1}
    assert await registry.counts("empty") == {}


async def test_what_is_due_comes_longest_overdue_first(registry: DocumentRegistry) -> None:
    a, b, c = await saved(registry, document("a"), document("b"), document("c"))
    await saved(registry, a.claim(LEASE).indexed(1, "f", LEASE).ready(), b.claim(timedelta(hours=1)))
    now = datetime.now(UTC)
    states = [DocumentState.QUEUED, DocumentState.PROCESSING]
    assert [each.id for each in await registry.due(now, states=states, limit=10)] == ["c"]
    later = now + timedelta(hours=2)
    assert [each.id for each in await registry.due(later, states=states, limit=10)] == ["c", "b"]
    assert await registry.due(later, states=states, limit=10, bulk=True) == []
    assert c.due_at is not None


async def test_changes_come_in_order_of_time(registry: DocumentRegistry) -> None:
    before = datetime.now(UTC)
    [a] = await saved(registry, document("a"))
    await saved(registry, document("b"))
    await saved(registry, a.claim(LEASE))
    assert [each.id for each in await registry.changed("kb", since=before)] == ["b", "a"]


async def test_removing_all_documents_of_a_collection_spares_the_others(registry: DocumentRegistry) -> None:
    await registry.add_collection(new_collection("kb"))
    await saved(registry, document("a"), document("b"), document("c", "other"))
    await registry.remove_documents("kb")
    assert await registry.counts() == {DocumentState.QUEUED: 1}
    assert (await registry.collection("kb")).name == "kb"


async def test_what_was_written_is_there_after_a_restart(tmp_path: Path) -> None:
    first = EdgeRegistry(tmp_path)
    [written] = await saved(first, document("d1"))
    await first.close()
    second = EdgeRegistry(tmp_path)
    assert await second.get("kb", "d1") == written
    await second.close()
