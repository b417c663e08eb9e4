"""Every change of a collection's documents is watched, whatever its time and the order of commits."""

import asyncio
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from phoserve.documents import library as library_module
from phoserve.documents.library import Library
from phoserve.documents.passages import PassageStores
from phoserve.documents.records import Document, Original, new_document
from tests.support.memory import MemoryIndex, MemoryQueue, MemoryRegistry, MemorySources

SKEWS = (0.0, -0.2, -0.4, 0.4, 20.0, -0.3, 0.0, 20.0, -0.4)
"""Seconds by which the clocks of the writers differ from this one, or their commits are late."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library_module, "POLL_S", 0.01)
    monkeypatch.setattr(library_module, "LATE_AT_MOST", timedelta(seconds=4))
    monkeypatch.setattr(library_module, "CHANGES_PER_READ", 50)


async def test_late_changes_and_other_clocks() -> None:
    registry = MemoryRegistry()
    library = Library(registry, PassageStores([MemoryIndex("f")]), MemorySources(), MemoryQueue())
    kb, _ = await library.create_collection("kb")

    async def save(id_: str, skew_s: float) -> Document:
        original = Original(key=id_, sha256="0", size_bytes=1, media_type="text/plain")
        at = datetime.now(UTC) + timedelta(seconds=skew_s)
        [saved] = await registry.save([msgspec.structs.replace(new_document(kb, id_, original), updated_at=at)])
        assert saved is not None
        return saved

    await save("before", -0.2)
    found: list[str] = []

    async def watch() -> None:
        async for document in library.watch("kb"):
            found.append(document.id)  # noqa: PERF401 - it never ends

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0.05)
    saved = []
    async with asyncio.timeout(60):
        for number, skew_s in enumerate(SKEWS):
            saved.append((await save(f"d{number}", skew_s)).id)
            while saved[-1] not in found:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        saved += [(await save(f"batch{number}", 0)).id for number in range(120)]
        while len(found) < len(saved):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await asyncio.sleep(2.2)  # looks back once more
    watching.cancel()
    assert sorted(found) == sorted(saved), "each change once, and none from before"
