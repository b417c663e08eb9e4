"""While the registry is away, searches, answers and embeddings continue from what is known; writes get 503."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from litestar.testing import TestClient

from api.app import create_app
from phoserve.documents.collection_cache import FRESH_S, KEPT_S
from phoserve.errors import Unavailable
from tests.support.memory import MemoryRegistry
from tests.support.services import index_queued, memory_services

TEN_MINUTES_S = 600


class Away(MemoryRegistry):
    """A registry that stops responding."""

    is_away = False

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name.startswith("_") or not asyncio.iscoroutinefunction(found) or not self.is_away:
            return found
        return self._refuse

    async def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise Unavailable("registry", "PostgreSQL does not respond")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def registry() -> Away:
    return Away()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(tmp_path: Path, registry: Away, clock: Clock) -> Iterator[TestClient[Any]]:
    services = memory_services(tmp_path, registry=registry)
    services.library._known._clock = clock
    with TestClient(create_app(services)) as client:
        client.put("/v1/collections/kb").raise_for_status()
        documents = [{"id": "d1", "text": "Nhân viên được nghỉ phép mười hai ngày."}]
        client.post("/v1/collections/kb/documents", json={"documents": documents}).raise_for_status()
        with client.portal() as portal:
            portal.call(index_queued, services)
        client.post("/v1/collections/kb/search", json={"query": "nghỉ phép"}).raise_for_status()
        yield client


def reads(client: TestClient[Any]) -> list[int]:
    """Return the statuses of a search, an answer and an embedding."""
    search = client.post("/v1/collections/kb/search", json={"query": "nghỉ phép"})
    answer = client.post("/v1/collections/kb/answers", json={"question": "nghỉ phép mấy ngày?"})
    embedding = client.post("/v1/embeddings", json={"model": "phoserve", "input": "nghỉ phép"})
    if search.is_success:
        assert [hit["document_id"] for hit in search.json()["hits"]] == ["d1"]
    return [search.status_code, answer.status_code, embedding.status_code]


def test_reads_continue_and_writes_are_refused(client: TestClient[Any], registry: Away, clock: Clock) -> None:
    assert reads(client) == [200, 200, 200]
    registry.is_away = True
    for _ in range(int(TEN_MINUTES_S / FRESH_S / 20) + 1):
        clock.now += 20 * FRESH_S
        assert reads(client) == [200, 200, 200]
    document = {"documents": [{"id": "d2", "text": "Văn bản."}]}
    for refused in (
        client.post("/v1/collections/kb/documents", json=document),
        client.put("/v1/collections/other"),
        client.delete("/v1/collections/kb/documents/d1"),
    ):
        assert refused.status_code == 503
        assert "PostgreSQL does not respond" in refused.json()["detail"]
    clock.now += KEPT_S
    assert reads(client) == [503, 503, 200]
    registry.is_away = False
    assert reads(client) == [200, 200, 200]
    assert client.post("/v1/collections/kb/documents", json=document).status_code == 202
