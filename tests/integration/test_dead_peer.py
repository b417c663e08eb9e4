"""One Qdrant peer of three is dead: uploads, searches, status and lists continue, because no read asks for consistency.

The stand-in refuses reads with consistency as a cluster with a dead replica does.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.http.exceptions import UnexpectedResponse

from tests.support.deployed import Deployed
from tests.support.polling import eventually
from tests.support.qdrant_server import REAL_URL, QdrantServer, qdrant_client

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(REAL_URL is not None, reason="a server that is not ours loses no replica"),
]


def add(http: httpx.Client, *ids: str) -> None:
    documents = [{"id": id_, "text": f"Điều {id_}. Nghỉ phép mười hai ngày."} for id_ in ids]
    assert http.post("/v1/collections/kb/documents", json={"documents": documents}).status_code == 202


def found(http: httpx.Client, mode: str) -> set[str]:
    answer = http.post("/v1/collections/kb/search", json={"query": "nghỉ phép", "mode": mode}).raise_for_status()
    return {hit["document_id"] for hit in answer.json()["hits"]}


@pytest.mark.parametrize("protocol", ["grpc", "rest"])
async def test_uploads_searches_status_and_lists_continue(platform: Deployed, protocol: str) -> None:
    if protocol == "rest":
        platform.settings["PHOSERVE_QDRANT__GRPC_PORT"] = "0"
    _, http = platform.api()
    worker = platform.worker()
    http.put("/v1/collections/kb").raise_for_status()
    add(http, "a", "b")
    await eventually(lambda: found(http, "hybrid") == {"a", "b"}, timeout_s=60)

    platform.qdrant.kill_replicas(1)
    add(http, "b", "c")
    await eventually(lambda: found(http, "hybrid") == {"a", "b", "c"}, timeout_s=60)
    assert found(http, "dense") == found(http, "lexical") == {"a", "b", "c"}
    status = http.get("/v1/collections/kb").raise_for_status().json()
    assert (status["documents"], status["passages"]) == ({"ready": 3}, 3)
    listed = http.get("/v1/collections/kb/documents").raise_for_status().json()["documents"]
    assert [each["id"] for each in listed] == ["c", "b", "a"]
    assert http.get("/v1/collections/kb/documents/c/passages").raise_for_status().json()["passages"]
    assert http.get("/v1/collections").raise_for_status().json()["collections"]
    assert http.delete("/v1/collections/kb/documents/a").status_code in (202, 204)
    await eventually(lambda: found(http, "lexical") == {"b", "c"}, timeout_s=60)
    assert http.get("/health/ready").status_code == 200
    assert worker.is_alive
    assert platform.run("doctor", "--json")["healthy"] is True
    assert platform.qdrant.kill_replicas(1) == 0, "a read asked for consistency"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[QdrantServer]:
    with QdrantServer(tmp_path / "qdrant") as server:
        yield server


@pytest.mark.parametrize("rest", [False, True], ids=["grpc", "rest"])
async def test_the_stand_in_refuses_what_a_cluster_with_a_dead_replica_refuses(
    server: QdrantServer, rest: bool
) -> None:
    async with qdrant_client(server, rest=rest) as client:
        vectors = models.VectorParams(size=1, distance=models.Distance.DOT)
        await client.create_collection("c", vectors_config=vectors)
        asked: list[Any] = ["majority", "all", "quorum", 3, 2, 1, None]
        assert [await is_answered(client, each) for each in asked] == [True] * 7
        server.kill_replicas(1)
        assert [await is_answered(client, each) for each in asked] == [False, False, True, False, True, True, True]
        await client.upsert("c", [models.PointStruct(id=1, vector=[1.0])])
        assert server.kill_replicas(0) == 21, "the reads with consistency: 12, then 3 refused and 6 answered"
        assert await is_answered(client, "majority")


async def is_answered(client: AsyncQdrantClient, consistency: Any) -> bool:
    kind = consistency
    if isinstance(consistency, str):
        kind = models.ReadConsistencyType(consistency)
    try:
        await client.retrieve("c", [1], consistency=kind)
        await client.scroll("c", consistency=kind)
    except (UnexpectedResponse, grpc.RpcError) as error:
        if "does not have enough active replicas" in str(error):
            return False
        raise
    return True
