"""What only a Qdrant server has: outages, an alias, dropped collections."""

import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from qdrant_client import AsyncQdrantClient
from structlog.testing import capture_logs

from phoserve.adapters.qdrant.index import QdrantPassageIndex
from phoserve.adapters.qdrant.server import QdrantOptions, reachable_grpc_port
from phoserve.composition import open_qdrant
from phoserve.contract import ModelContract
from phoserve.errors import Unavailable
from phoserve.settings import QdrantSettings
from tests.support.qdrant_server import REAL_URL, QdrantServer, qdrant_client, qdrant_server


def contract(weights: str) -> ModelContract:
    return ModelContract(name="tiny", dim=4, tokenizer_sha256="a" * 64, weights_sha256=weights * 64)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[QdrantServer]:
    with qdrant_server(tmp_path / "qdrant") as server:
        yield server


@pytest.fixture
async def client(server: QdrantServer) -> AsyncIterator[AsyncQdrantClient]:
    async with qdrant_client(server) as client:
        yield client


async def test_the_alias_names_the_model_that_serves(client: AsyncQdrantClient) -> None:
    blue, green = (QdrantPassageIndex(client, contract(weights), QdrantOptions()) for weights in "bc")
    assert await blue.active_model() is None
    await blue.activate()
    assert await green.active_model() == blue.fingerprint
    await green.activate()
    assert await blue.active_model() == green.fingerprint


@pytest.mark.skipif(REAL_URL is not None, reason="somebody else's server is not killed")
async def test_an_outage_is_reported_and_passes(client: AsyncQdrantClient, server: QdrantServer) -> None:
    index = QdrantPassageIndex(client, contract("b"), QdrantOptions())
    await index.ping()
    server.kill()
    with pytest.raises(Unavailable, match="Qdrant does not"):
        await index.ping()
    server.start()
    await index.ping()


async def test_a_dropped_collection_is_made_again(client: AsyncQdrantClient) -> None:
    index = QdrantPassageIndex(client, contract("b"), QdrantOptions())
    await index.ping()
    await client.delete_collection(f"passages@{index.fingerprint}")
    with pytest.raises(Unavailable, match=r"404|NOT_FOUND"):
        await index.count()
    assert await index.count() == 0


def protocol_of(index: QdrantPassageIndex) -> str:
    return "gRPC" if index._client._client._prefer_grpc else "REST"  # type: ignore[attr-defined]


async def test_grpc_is_the_default_and_rest_an_option(server: QdrantServer) -> None:
    assert QdrantSettings().grpc_port == 6334
    for port, expected in ((server.grpc_port, "gRPC"), (0, "REST")):
        async with open_qdrant(QdrantSettings(url=server.url, grpc_port=port), contract("b")) as index:
            await index.publish([])  # a batch of no operations, which Qdrant refuses over gRPC
            assert (await index.count(), protocol_of(index)) == (0, expected)


async def test_a_server_behind_an_http_proxy_is_used_with_rest(server: QdrantServer) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        settings = QdrantSettings(url=server.url, grpc_port=closed.getsockname()[1])
        with capture_logs() as logged:
            async with open_qdrant(settings, contract("b")) as index:
                assert (await index.count(), protocol_of(index)) == (0, "REST")
        assert [each["event"] for each in logged] == ["qdrant_grpc_unreachable"]
        # A server that is not up yet: the port stays, for later.
        assert await reachable_grpc_port(f"http://127.0.0.1:{settings.grpc_port}", settings.grpc_port)


async def test_one_graph_is_built_and_an_older_collection_is_changed(server: QdrantServer) -> None:
    """Qdrant builds a graph for each indexed field unless it is switched off; searches need the tenant's alone."""
    async with qdrant_client(server) as client:
        index = QdrantPassageIndex(client, contract("b"), QdrantOptions())
        asked: dict[str, object] = {}
        create = client.create_payload_index

        async def recorded(name: str, field_name: str, field_schema: object, **more: object) -> object:
            asked[field_name] = field_schema
            return await create(name, field_name, field_schema=field_schema, **more)  # type: ignore[arg-type]

        client.create_payload_index = recorded  # type: ignore[method-assign, assignment]
        await index.ping()
        graphs = [name for name, schema in asked.items() if getattr(schema, "enable_hnsw", None) is not False]
        assert graphs == ["collection"]
        asked.clear()
        await QdrantPassageIndex(client, contract("b"), QdrantOptions()).ping()
        assert set(asked) == {"collection", "document_key", "visibility", "revision", "access"}
