"""The caches of searches are kept apart by key: the time of a search does not show what another key asked."""

from dataclasses import replace
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from api.app import create_app
from api.keys import FixedKeys, Role, new_key
from api.services import Services
from phoserve.contract import InputType
from phoserve.documents.intake import Draft
from tests.support.embedders import WordHashEmbedder
from tests.support.services import index_queued, memory_services

KEYS = [new_key(name, Role.READER, ("kb",)) for name in ("first", "second")]
QUERY = "nghỉ phép mấy ngày"
REQUESTS = {
    "search": ("/v1/collections/kb/search", {"query": QUERY}),
    "filtered": ("/v1/collections/kb/search", {"query": QUERY, "filter": {"year": 2024}}),
    "answer": ("/v1/collections/kb/answers", {"question": QUERY}),
    "chat": ("/v1/chat/completions", {"model": "collection/kb", "messages": [{"role": "user", "content": QUERY}]}),
    "embedding": ("/v1/embeddings", {"input": QUERY, "input_type": "query"}),
}


@pytest.fixture
async def services(tmp_path: Path) -> tuple[Services, WordHashEmbedder]:
    embedder = WordHashEmbedder()
    services = memory_services(tmp_path, embedder, keys=FixedKeys(tuple(entry for _, entry in KEYS)))
    await services.library.create_collection("kb")
    await services.intake.submit(
        "kb", [Draft("Nhân viên được nghỉ phép mười hai ngày.".encode(), metadata={"year": 2024})]
    )
    await index_queued(services)
    return services, embedder


def queries(embedder: WordHashEmbedder) -> int:
    return sum(kind is InputType.QUERY for _, kind, _ in embedder.calls)


@pytest.mark.parametrize("name", REQUESTS)
async def test_the_query_of_another_key_is_computed_again(
    services: tuple[Services, WordHashEmbedder], name: str
) -> None:
    (path, body), (made, embedder) = REQUESTS[name], services
    with TestClient[Litestar](create_app(made), base_url="http://kb.example") as client:
        computed = []
        for secret, _ in (*KEYS, *KEYS):
            before = queries(embedder)
            client.post(path, json=body, headers={"Authorization": f"Bearer {secret}"}).raise_for_status()
            computed.append(queries(embedder) - before)
    first, second, *again = computed
    assert first == second >= 1
    assert again == [0, 0]


async def test_a_new_key_of_a_former_id_shares_nothing_with_the_former_one(
    services: tuple[Services, WordHashEmbedder],
) -> None:
    (path, body), (made, embedder) = REQUESTS["search"], services
    [secret, entry], [other, renamed] = KEYS[0], new_key(KEYS[0][1].id, Role.READER, ("kb",))
    computed = []
    for key, entries in ((secret, entry), (other, renamed), (secret, entry)):
        made = replace(made, keys=FixedKeys((entries,)))
        with TestClient[Litestar](create_app(made), base_url="http://kb.example") as client:
            before = queries(embedder)
            client.post(path, json=body, headers={"Authorization": f"Bearer {key}"}).raise_for_status()
            computed.append(queries(embedder) - before)
    assert computed[0] == computed[1] >= 1
    assert computed[2] == 0


async def test_fields_that_another_key_filtered_by_are_looked_up_again(
    services: tuple[Services, WordHashEmbedder],
) -> None:
    (path, body), (made, _) = REQUESTS["filtered"], services
    [answerer] = made.answerers.values()
    known = answerer.retriever._known_fields
    with TestClient[Litestar](create_app(made), base_url="http://kb.example") as client:
        for count, (secret, _) in enumerate(KEYS, start=1):
            client.post(path, json=body, headers={"Authorization": f"Bearer {secret}"}).raise_for_status()
            assert len(known) == count
