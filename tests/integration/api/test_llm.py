"""Answers through a real OpenAI-compatible server: well, slow, broken, busy, silent, cut off, and left alone."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from phoserve.adapters.openai_chat import OpenAIChat
from phoserve.settings import LimitSettings
from tests.integration.api.conftest import fill
from tests.support.live import live_api, live_services
from tests.support.waiting import wait_until

QUESTION = {"question": "Được nghỉ phép mấy ngày?"}
PATH = "/v1/collections/kb/answers"


@pytest.fixture
def model(request: pytest.FixtureRequest) -> str:
    return getattr(request, "param", "good")


@pytest.fixture
def client(tmp_path: Path, llm_url: str, model: str) -> Iterator[httpx.Client]:
    chat = OpenAIChat(f"{llm_url}/v1", model, idle_timeout_s=0.5)
    limits = LimitSettings(max_answers_in_flight=1)
    with live_api(live_services(tmp_path, chat=chat, limits=limits)) as url, httpx.Client(base_url=url) as client:
        fill(url)
        yield client


def events(client: httpx.Client) -> list[tuple[str, dict[str, Any]]]:
    text = client.post(PATH, json=QUESTION | {"stream": True}, timeout=20).text
    blocks = [block.split("\n") for block in text.strip().split("\n\n")]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in blocks]


@pytest.mark.parametrize("model", ["good", "slow"], indirect=True)
def test_whole_and_streamed_are_the_same(client: httpx.Client) -> None:
    whole, streamed = client.post(PATH, json=QUESTION, timeout=20).json(), events(client)
    assert whole["answer"] == "Nhân viên được nghỉ phép mười hai ngày [1]. Xem thêm sổ tay."
    assert whole["dropped_citations"] == 1
    assert whole["usage"] == {"prompt_tokens": 50, "completion_tokens": 9, "total_tokens": 59}
    assert [data for name, data in streamed if name == "citation"] == whole["citations"] != []
    assert "".join(data["text"] for name, data in streamed if name == "delta") == whole["answer"]


@pytest.mark.parametrize(
    ("model", "status", "said"),
    [
        ("cut", 503, "cut off"),
        ("garbage", 503, "not readable"),
        ("broken", 503, "answered 500"),
        ("wrong", 503, "answered 401"),
        ("busy", 429, "busy"),
        ("silent", 504, "silent"),
    ],
    indirect=["model"],
)
def test_an_llm_in_trouble_is_said_plainly(client: httpx.Client, status: int, said: str) -> None:
    response = client.post(PATH, json=QUESTION, timeout=20)
    assert response.status_code == status
    assert said in response.json()["detail"]
    assert "secret" not in response.text
    assert "sk-123" not in response.text
    name, problem = events(client)[-1]
    assert (name, problem["status"]) == ("error", status)


@pytest.mark.parametrize("model", ["endless"], indirect=True)
def test_a_client_that_leaves_stops_the_llm_and_frees_its_place(client: httpx.Client, llm_url: str) -> None:
    def stats() -> dict[str, int]:
        return dict(httpx.get(f"{llm_url}/stats").json())

    before = stats()["abandoned"]
    with client.stream("POST", PATH, json=QUESTION | {"stream": True}) as response:
        lines = response.iter_lines()
        while "delta" not in next(lines):
            pass
        assert stats()["open"] == 1
        assert client.post(PATH, json=QUESTION).status_code == 429
    wait_until(lambda: stats()["open"] == 0, timeout_s=5)
    assert stats()["abandoned"] == before + 1
    gate = 'phoserve_gate_in_use{gate="answers"} 0.0'
    wait_until(lambda: gate in client.get("/metrics").text, timeout_s=5)


@pytest.mark.parametrize("model", ["endless"], indirect=True)
def test_the_deadline_ends_an_endless_reply(client: httpx.Client) -> None:
    response = client.post(PATH, json=QUESTION, headers={"X-Request-Timeout": "0.7"}, timeout=20)
    assert response.status_code == 504
