"""Random damage of all stores: the doctor finds it and repairs what it can, and the next run finds none."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from api.services import Services
from ingest.doctor import Doctor, Report
from phoserve.adapters.edge.index import EdgePassageIndex
from phoserve.adapters.qdrant.index import QdrantPassageIndex
from phoserve.adapters.qdrant.server import QdrantOptions
from phoserve.adapters.sql.database import open_database
from phoserve.adapters.sql.registry import SqlRegistry
from phoserve.adapters.sql.schema import migrate_now
from phoserve.documents.intake import Draft
from phoserve.documents.ports import IndexedPassage
from phoserve.documents.records import Document, DocumentFailure
from phoserve.documents.texts import text_key
from phoserve.search.ports import PassageIndex
from phoserve.text import SparseVector
from tests.support.embedders import WordHashEmbedder
from tests.support.memory import MemoryQueue, MemorySources
from tests.support.qdrant_server import QdrantServer, qdrant_client
from tests.support.services import index_queued, memory_services

COUNT = 3
LONG = "\n\n".join(f"Điều {n}. Lương tháng mười ba của nhân viên. " * 30 for n in range(4))
FAILURE = DocumentFailure(code="test", message="a test")


@dataclass
class Platform:
    services: Services
    registry: SqlRegistry
    index: PassageIndex
    sources: MemorySources

    async def document(self, number: int) -> Document | None:
        kb = await self.registry.collection("kb")
        return (await self.registry.find(kb.id, [f"d{number}"])).get(f"d{number}")

    async def examine(self, *, repair: bool = False) -> Report:
        stores = self.services.stores
        return await Doctor(stores.registry, stores.indexes, stores.sources, stores.queue).examine(repair=repair)

    async def execute(self, statement: str, **values: object) -> None:
        await self.registry.database.write(lambda each: each.execute(text(statement), values).close())

    async def put_passages(self, document: Document, ordinals: list[int], revision: int, key: str = "") -> None:
        """Replace the passages of a revision, in the index alone."""
        present = await self.index.passages(document.collection_id, document.key)
        if not present:
            return
        model = present[0]
        key = key or document.key
        await self.index.discard(key, up_to=revision)
        vector = np.ones(WordHashEmbedder().contract.dim, np.float32)
        terms = SparseVector(np.array([1], np.uint32), np.ones(1, np.float32))
        made = [
            msgspec.structs.replace(model, document_key=key, revision=revision, ordinal=ordinal) for ordinal in ordinals
        ]
        await self.index.stage([IndexedPassage(each, vector, terms) for each in made])
        await self.index.publish([(key, revision)])


Opened = Callable[[Path], AbstractAsyncContextManager[PassageIndex]]
Damage = Callable[[Platform, Document], Awaitable[object]]


async def lose_passages(platform: Platform, document: Document) -> None:
    await platform.index.discard_many([document.key])


async def lose_one_passage(platform: Platform, document: Document) -> None:
    await platform.put_passages(document, list(range(document.passages - 1)), document.live_revision)


async def add_a_passage(platform: Platform, document: Document) -> None:
    await platform.put_passages(document, list(range(document.passages + 1)), document.live_revision)


async def shift_passages(platform: Platform, document: Document) -> None:
    await platform.put_passages(document, list(range(1, document.passages + 1)), document.live_revision)


async def publish_another_revision(platform: Platform, document: Document) -> None:
    await platform.put_passages(document, [0], document.revision + 3)


async def add_a_stranger(platform: Platform, document: Document) -> None:
    await platform.put_passages(document, [0, 1], 1, key="f" * 32)


async def change_groups(platform: Platform, document: Document) -> None:
    await platform.index.set_access(document.key, ("board",), document.access_version + 5)


async def lose_the_text(platform: Platform, document: Document) -> None:
    await platform.sources.delete([text_key(document, document.live_revision)])


async def lose_the_record(platform: Platform, document: Document) -> None:
    await platform.registry.remove([document])


async def forget_that_it_is_live(platform: Platform, document: Document) -> None:
    await platform.execute("UPDATE documents SET live_revision = 0, passages = 0 WHERE key = :key", key=document.key)


async def forget_that_a_failed_one_was_live(platform: Platform, document: Document) -> None:
    [queued] = await platform.registry.save([document.reindex()])
    if queued is not None:  # else its record is damaged
        await platform.registry.save([queued.failed(FAILURE)])
    await forget_that_it_is_live(platform, document)


async def misplace_groups(platform: Platform, document: Document) -> None:
    await platform.execute("UPDATE documents SET access_key = 'x' WHERE key = :key", key=document.key)


async def damage_the_record(platform: Platform, document: Document) -> None:
    await platform.execute("UPDATE documents SET metadata = '{' WHERE key = :key", key=document.key)


async def damage_the_version(platform: Platform, document: Document) -> None:
    await platform.execute("UPDATE documents SET version = -1 WHERE key = :key", key=document.key)


async def miscount(platform: Platform, document: Document) -> None:
    await platform.execute(
        "UPDATE document_counts SET documents = documents + 2 WHERE collection_id = :id", id=document.collection_id
    )


async def lose_the_counts(platform: Platform, document: Document) -> None:
    await platform.execute("DELETE FROM document_counts WHERE collection_id = :id", id=document.collection_id)


async def lose_filter_keys(platform: Platform, document: Document) -> None:
    del document
    await platform.execute("DELETE FROM filter_keys")


async def leave_an_original(platform: Platform, document: Document) -> None:
    platform.sources._stored[f"{document.collection_id}/left"] = b"x", datetime.now(UTC) - timedelta(days=2)


DAMAGES: list[Damage] = [
    lose_passages,
    lose_one_passage,
    add_a_passage,
    shift_passages,
    publish_another_revision,
    add_a_stranger,
    change_groups,
    lose_the_text,
    lose_the_record,
    forget_that_it_is_live,
    forget_that_a_failed_one_was_live,
    misplace_groups,
    damage_the_record,
    damage_the_version,
    miscount,
    lose_the_counts,
    lose_filter_keys,
    leave_an_original,
]


@pytest.fixture(params=["edge", "qdrant"])
def opened(request: pytest.FixtureRequest) -> Opened:
    server: QdrantServer | None = request.getfixturevalue("qdrant") if request.param == "qdrant" else None
    contract = WordHashEmbedder().contract

    @asynccontextmanager
    async def open_index(folder: Path) -> AsyncIterator[PassageIndex]:
        if server is None:
            index = EdgePassageIndex(folder, contract)
            yield index
            await index.close()
        else:
            async with qdrant_client(server) as client:
                yield QdrantPassageIndex(client, contract, QdrantOptions())

    return open_index


@asynccontextmanager
async def platform_of(opened: Opened) -> AsyncIterator[Platform]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        url = f"sqlite:///{folder / 'registry.sqlite3'}"
        migrate_now(url)
        registry, sources = SqlRegistry(open_database(url)), MemorySources()
        async with opened(folder / "index") as index:
            services = memory_services(folder, registry=registry, index=index, sources=sources)
            await services.library.create_collection("kb")
            drafts = [Draft(LONG.encode(), id=f"d{n}", metadata={"year": 2020 + n}) for n in range(COUNT)]
            await services.intake.submit("kb", drafts)
            await index_queued(services)
            yield Platform(services, registry, index, sources)
        await registry.close()


async def check(platform: Platform, damages: list[tuple[Damage, int]]) -> None:
    assert (await platform.examine()).is_healthy
    done = []
    for damage, number in damages:
        if document := await platform.document(number):
            await damage(platform, document)
            done.append(damage.__name__)
    assert not (await platform.examine()).is_healthy, done
    await platform.examine(repair=True)
    queue = platform.services.stores.queue
    assert isinstance(queue, MemoryQueue)
    queue.tasks = list({each.document_key: each for each in queue.tasks}.values())  # workers skip former revisions
    await index_queued(platform.services)
    report = await platform.examine()
    assert report.is_healthy, (done, report)
    kb = await platform.registry.collection("kb")
    listed = (await platform.registry.page(kb.id)).documents
    assert sum((await platform.registry.counts(kb.id)).values()) == len(listed)
    assert await platform.index.count(kb.id) == sum(each.passages for each in listed)


@pytest.mark.parametrize("opened", ["edge"], indirect=True)
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda each: each.__name__)
async def test_each_damage(opened: Opened, damage: Damage) -> None:
    async with platform_of(opened) as platform:
        await check(platform, [(damage, 1)])


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(DAMAGES), st.integers(0, COUNT - 1)), min_size=2, max_size=6))
@example([(damage, number % COUNT) for number, damage in enumerate(DAMAGES)])
def test_many_damages(opened: Opened, damages: list[tuple[Damage, int]]) -> None:
    async def run() -> None:
        async with platform_of(opened) as platform:
            await check(platform, damages)

    asyncio.run(run())


async def test_an_original_that_is_gone_is_found_every_time(opened: Opened) -> None:
    async with platform_of(opened) as platform:
        document = await platform.document(1)
        assert document is not None
        await platform.sources.delete([document.original.key])
        for repair in (False, True, False):
            assert (await platform.examine(repair=repair)).collections[0].missing_originals == ["d1"]
