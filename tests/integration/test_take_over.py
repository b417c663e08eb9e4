"""Records of version 0.1, in the layouts that it wrote, are taken over once and completely."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import qdrant_edge as edge
from qdrant_client import models

from cli.local_registry import open_local_registry
from cli.progress import JsonReporter
from phoserve.adapters.qdrant.records_v01 import QdrantRecords
from phoserve.adapters.sql.database import open_database
from phoserve.adapters.sql.registry import SqlRegistry
from phoserve.adapters.sql.schema import migrate
from phoserve.adapters.sql.take_over import TakeOver
from phoserve.documents.ports import DocumentRegistry
from phoserve.documents.records import DocumentState
from phoserve.errors import ConfigurationError
from tests.support.pages import all_pages
from tests.support.qdrant_server import qdrant_client, qdrant_server
from tests.support.registry import add_collection

DOCUMENTS = 1_500
STATES = ("ready", "queued", "processing", "failed", "deleting")
ERROR = {"code": "empty", "message": "no text", "retryable": False}
ORIGINAL = {"sha256": "0" * 64, "size_bytes": 5, "media_type": "text/plain"}
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def collection_record(name: str, *, deleting: bool = False) -> dict[str, Any]:
    record = {"name": name, "description": f"Mô tả {name}", "created_at": EPOCH.isoformat(), "deleting": deleting}
    return {"kind": "collection", "record": json.dumps(record | {"etag": uuid.uuid4().hex})}


def document_record(number: int) -> dict[str, Any]:
    """What version 0.1 wrote of a document; several are of one moment, as those of one batch may be."""
    collection = "kb" if number % 10 else "luat.x"
    moment = EPOCH + timedelta(seconds=number // 1200)
    record = {
        "collection": collection, "id": f"d{number}", "key": uuid.UUID(int=number + 1).hex, "etag": uuid.uuid4().hex,
        "revision": 1 + number % 3, "live_revision": number % 2, "state": STATES[number % 5], "title": f"Số {number}",
        "metadata": {"year": number, "tags": ["a"]},
        "original": ORIGINAL | {"key": f"{collection}/{number}/o"},
        "fingerprint": "f", "passages": 2, "progress": 0.5, "attempts": 1,
        "error": ERROR if number % 5 == 3 else None,
        "bulk": False, "requests": ["r"], "created_at": moment.isoformat(), "updated_at": moment.isoformat(),
        "due_at": moment.isoformat() if number % 5 in (1, 2, 4) else None,
    }  # fmt: skip
    created_us = int(moment.timestamp() * 1_000_000)
    return {"kind": "document", "collection": collection, "created_us": created_us, "record": json.dumps(record)}


def payloads() -> Iterator[dict[str, Any]]:
    yield from (collection_record(name, deleting=name == "gone") for name in ("kb", "luat.x", "empty", "gone"))
    yield from (document_record(number) | {"sequence": 10**15 + number} for number in range(DOCUMENTS))


async def check(registry: DocumentRegistry) -> None:
    """Everything is there, in its order, under its old keys."""
    found = {each.name: each for each in await registry.collections()}
    assert {name: each.deleting for name, each in found.items()} == {
        "empty": False, "gone": True, "kb": False, "luat.x": False,
    }  # fmt: skip
    assert found["kb"].description == "Mô tả kb"
    for name, numbers in (
        ("kb", [n for n in range(DOCUMENTS) if n % 10]),
        ("luat.x", list(range(0, DOCUMENTS, 10))),
    ):
        documents = await all_pages(registry, found[name].id, limit=200)
        assert sorted(int(each.id[1:]) for each in documents) == numbers
        for each in documents:
            number = int(each.id[1:])
            assert (each.state, each.key) == (STATES[number % 5], uuid.UUID(int=number + 1).hex)
            assert each.original.key == f"{name}/{number}/o"
            assert each.metadata == {"year": number, "tags": ["a"]}
    assert await registry.counts() == dict.fromkeys(DocumentState, DOCUMENTS // 5)


def make_state(folder: Path) -> None:
    config = edge.EdgeConfig(vectors={"none": edge.EdgeVectorParams(size=1, distance=edge.Distance.Dot)})
    (folder / "index" / "documents" / "shard").mkdir(parents=True)
    shard = edge.EdgeShard.create(str(folder / "index" / "documents" / "shard"), config)
    integer = edge.IntegerIndexParams(lookup=False, range=True)
    shard.update(edge.UpdateOperation.create_field_index("kind", edge.PayloadSchemaType.Keyword))
    shard.update(edge.UpdateOperation.create_field_index("sequence", integer))
    points = [edge.Point(id=number, vector={}, payload=each) for number, each in enumerate(payloads())]
    shard.update(edge.UpdateOperation.upsert_points(points))
    shard.close()
    (folder / "index" / "documents" / "made").touch()


async def test_a_state_folder_is_taken_over_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_state(tmp_path)
    async with open_local_registry(tmp_path, JsonReporter()) as registry:
        await check(registry)
        kb = await registry.collection("kb")
        await registry.remove(list((await registry.page(kb.id)).documents))
        left = sum((await registry.counts()).values())
    events = [json.loads(line)["event"] for line in capsys.readouterr().out.splitlines()]
    assert events == ["step", "taken_over"]
    assert (tmp_path / "index" / "documents-0.1" / "shard").is_dir(), "the old records are kept"
    async with open_local_registry(tmp_path, JsonReporter()) as registry:
        assert sum((await registry.counts()).values()) == left, "what was deleted since does not come back"
    assert capsys.readouterr().out == ""


@pytest.fixture
async def records(tmp_path: Path) -> AsyncIterator[QdrantRecords]:
    with qdrant_server(tmp_path / "qdrant") as server:
        async with qdrant_client(server) as client:
            await client.create_collection("documents", vectors_config={})
            points = [
                models.PointStruct(id=str(uuid.uuid4()), vector={}, payload=each) for each in payloads()
            ]  # ids in no order, as those of version 0.1
            for start in range(0, len(points), 100):
                await client.upsert("documents", points[start : start + 100])
            yield QdrantRecords(client)


async def test_a_release_is_taken_over_once(records: QdrantRecords, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'registry'}"
    await migrate(url)
    database = open_database(url)
    registry, job = SqlRegistry(database), TakeOver(database, "qdrant-0.1")
    assert not await job.is_finished()
    seen: list[int] = []
    assert await job.copy(await records.collections(), records.pages(), seen.append) == DOCUMENTS
    assert seen[-1] == DOCUMENTS
    assert await job.is_finished()
    await check(registry)
    await registry.close()


async def test_two_processes_take_over_at_once(records: QdrantRecords, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'registry'}"
    await migrate(url)
    databases = [open_database(url) for _ in range(2)]
    old = await records.collections()
    await asyncio.gather(
        *(TakeOver(each, "qdrant-0.1").copy(old, records.pages(), lambda _: None) for each in databases)
    )
    await check(SqlRegistry(databases[0]))
    for each in databases:
        await each.close()


async def test_documents_of_a_collection_without_record_are_kept(records: QdrantRecords, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'registry'}"
    await migrate(url)
    registry = SqlRegistry(open_database(url))
    old = [each for each in await records.collections() if each.name != "luat.x"]
    await TakeOver(registry.database, "qdrant-0.1").copy(old, records.pages(), lambda _: None)
    kept = await registry.collection("luat.x")
    assert len(await all_pages(registry, kept.id, limit=200)) == DOCUMENTS // 10
    await registry.close()


async def test_a_registry_in_use_refuses_records_of_the_same_names(records: QdrantRecords, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'registry'}"
    await migrate(url)
    database = open_database(url)
    registry = SqlRegistry(database)
    await add_collection(registry, "kb")
    with pytest.raises(ConfigurationError, match="empty registry"):
        await TakeOver(database, "qdrant-0.1").copy(await records.collections(), records.pages(), lambda _: None)
    assert await registry.counts() == {}
    await registry.close()
