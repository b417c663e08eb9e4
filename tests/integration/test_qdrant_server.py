"""What only a shared store has: several writers, outages, an alias, a key that can be wrong."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from qdrant_client import AsyncQdrantClient

from phoserve.adapters.qdrant.index import QdrantPassageIndex
from phoserve.adapters.qdrant.registry import QdrantRegistry
from phoserve.adapters.qdrant.server import QdrantOptions, connect
from phoserve.contract import ModelContract
from phoserve.documents.records import Document, Original, new_collection, new_document
from phoserve.errors import Unavailable
from tests.support.pages import all_pages
from tests.support.qdrant_server import REAL_URL, QdrantServer, qdrant_client, qdrant_server


def contract(weights: str) -> ModelContract:
    return ModelContract(name="tiny", dim=4, tokenizer_sha256="a" * 64, weights_sha256=weights * 64)


def document(id_: str) -> Document:
    original = Original(key=f"kb/{id_}", sha256="0" * 64, size_bytes=1, media_type="text/plain")
    return new_document("kb", id_, original, key=f"key-{id_}", title=id_, metadata={})


@pytest.fixture
def server(tmp_path: Path) -> Iterator[QdrantServer]:
    with qdrant_server(tmp_path / "qdrant") as server:
        yield server


@pytest.fixture
async def client(server: QdrantServer) -> AsyncIterator[AsyncQdrantClient]:
    async with qdrant_client(server.url) as client:
        yield client


async def test_of_many_writers_at_once_one_wins(client: AsyncQdrantClient, server: QdrantServer) -> None:
    others = [connect(server.url) for _ in range(4)]
    registries = [QdrantRegistry(each, QdrantOptions()) for each in (client, *others)]
    added = await asyncio.gather(*(each.save([document("d1"), document("d2")]) for each in registries))
    for position in (0, 1):
        [first] = [versions[position] for versions in added if versions[position]]
        assert first
        changed = await asyncio.gather(*(each.save([first.deleting(timedelta(seconds=30))]) for each in registries))
        assert sum(version is not None for [version] in changed) == 1
    names = await asyncio.gather(*(each.add_collection(new_collection("kb")) for each in registries))
    assert names.count(True) == 1
    await asyncio.gather(*(each.close() for each in others))


async def test_pages_take_documents_of_the_same_moment_in_turn(client: AsyncQdrantClient) -> None:
    registry = QdrantRegistry(client, QdrantOptions())
    one = document("d0")
    await registry.save([one, *(same_moment(one, f"d{number}") for number in range(1, 7))])
    seen = [each.id for each in await all_pages(registry, "kb", limit=2)]
    assert sorted(seen) == [f"d{number}" for number in range(7)]


async def test_the_alias_names_the_model_that_serves(client: AsyncQdrantClient) -> None:
    blue, green = (QdrantPassageIndex(client, contract(weights), QdrantOptions()) for weights in "bc")
    assert await blue.active_model() is None
    await blue.activate()
    assert await green.active_model() == blue.fingerprint
    await green.activate()
    assert await blue.active_model() == green.fingerprint


@pytest.mark.skipif(REAL_URL is not None, reason="somebody else's server is not killed")
async def test_an_outage_is_said_and_passes(client: AsyncQdrantClient, server: QdrantServer) -> None:
    registry = QdrantRegistry(client, QdrantOptions())
    [saved] = await registry.save([document("d1")])
    server.kill()
    with pytest.raises(Unavailable, match="Qdrant does not answer"):
        await registry.get("kb", "d1")
    server.start()
    assert await registry.get("kb", "d1") == saved


async def test_a_dropped_collection_is_made_again(client: AsyncQdrantClient) -> None:
    registry = QdrantRegistry(client, QdrantOptions())
    await registry.save([document("d1")])
    await client.delete_collection("documents")
    with pytest.raises(Unavailable, match=r"404|NOT_FOUND"):
        await registry.counts()
    assert await registry.counts() == {}


def test_grpc_is_spoken_where_a_port_is_given() -> None:
    rest, grpc = connect("http://127.0.0.1:1"), connect("http://127.0.0.1:1", grpc_port=6334, api_key="k")
    assert not rest._client._prefer_grpc  # type: ignore[attr-defined]
    assert grpc._client._prefer_grpc  # type: ignore[attr-defined]


def same_moment(one: Document, id_: str) -> Document:
    return msgspec.structs.replace(document(id_), created_at=one.created_at)
