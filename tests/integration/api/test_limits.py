"""Limits of a key counted in a real Redis, for all processes together; the log of writes; fields with odd names."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import structlog

from api.composition import open_rates
from api.keys import FixedKeys, Role, new_key
from api.rates import MemoryRates, RedisRates
from phoserve.errors import Overloaded
from phoserve.settings import LimitSettings
from tests.integration.api.conftest import fill
from tests.support.live import live_api, live_services
from tests.support.redis_server import RedisServer

SECRET, ENTRY = new_key("app", Role.ADMIN)
OTHER, OTHER_ENTRY = new_key("other", Role.READER)
BURST = 5


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path) as server:
        yield server


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


async def test_two_processes_share_one_count_in_redis(redis: RedisServer) -> None:
    one, two = (RedisRates(redis.url, 0.01, BURST) for _ in range(2))
    for turn in range(BURST):
        await (one, two)[turn % 2].take("app")
    for rates in (one, two):
        with pytest.raises(Overloaded) as refused:
            await rates.take("app")
        assert refused.value.retry_after_s == pytest.approx(100, abs=5)
        await rates.take("other")
    redis.stop()
    for rates in (one, two):  # each for itself, and with the same limit
        for _ in range(BURST):
            await rates.take("other")
        with pytest.raises(Overloaded):
            await rates.take("other")
    redis.start()
    await one.close()
    await two.close()


def test_redis_counts_where_it_is_set(redis: RedisServer) -> None:
    limits = LimitSettings(requests_per_s=1.0)
    assert isinstance(open_rates(limits, redis.url), RedisRates)
    assert isinstance(open_rates(limits, None), MemoryRates)


def test_every_write_leaves_a_line_without_content(tmp_path: Path) -> None:
    services = live_services(tmp_path, keys=FixedKeys((ENTRY, OTHER_ENTRY)))
    with structlog.testing.capture_logs() as lines, live_api(services) as url:
        fill(url, headers=bearer(SECRET))
        httpx.delete(f"{url}/v1/collections/kb/documents/pay", headers=bearer(SECRET)).raise_for_status()
        httpx.post(f"{url}/v1/collections/kb/search", json={"query": "lương"}, headers=bearer(OTHER)).raise_for_status()
        httpx.delete(f"{url}/v1/collections/kb", headers=bearer(SECRET)).raise_for_status()
    audit = [line for line in lines if line["event"] == "audit"]
    assert [line["action"] for line in audit] == [
        "put_collection",
        "add_documents",
        "delete_document",
        "delete_collection",
    ]
    assert {(line["key"], line["collection"], line["outcome"]) for line in audit} == {("app", "kb", "done")}
    assert "Lương" not in str(audit)
    assert SECRET not in str(lines)


def test_fields_with_odd_names(api_url: str) -> None:
    metadata = {"năm xuất bản": 2024.0, "ghi chú [1]": "a"}
    documents = {"documents": [{"id": "odd", "text": "nghỉ phép", "metadata": metadata}]}
    httpx.put(f"{api_url}/v1/collections/odd").raise_for_status()
    httpx.post(f"{api_url}/v1/collections/odd/documents", json=documents).raise_for_status()
    fill(api_url, collection="odd")  # waits for all

    def ids(where: object) -> list[str]:
        body = {"query": "nghỉ phép", "filter": where}
        answer = httpx.post(f"{api_url}/v1/collections/odd/search", json=body).raise_for_status().json()
        return [hit["document_id"] for hit in answer["hits"]]

    assert ids({"năm xuất bản": 2024}) == ids({"ghi chú [1]": "a"}) == ids({"ghi chú [1]": {"exists": True}}) == ["odd"]
    refused = httpx.post(f"{api_url}/v1/collections/odd/search", json={"query": "a", "filter": {"a\\": 1}})
    assert refused.status_code == 422
    assert "backslash" in refused.json()["detail"]
