"""Answers through a real OpenAI-compatible server: well, slow, broken, busy, silent, cut off, and left alone."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from api.keys import FixedKeys, KeyFile, Role, new_key
from phoserve.adapters.openai_chat import ChatSettings, OpenAIChat
from phoserve.settings import LimitSettings
from tests.integration.api.conftest import fill
from tests.support.live import live_api, live_services
from tests.support.llm_server import ANSWER, REASONING, USAGE
from tests.support.patience import patient
from tests.support.waiting import wait_until

QUESTION = {"question": "Nhân viên được nghỉ phép mười hai ngày?"}
PATH = "/v1/collections/kb/answers"
CHAT = "/v1/chat/completions"
CHAT_QUESTION = {"model": "collection/kb", "messages": [{"role": "user", "content": QUESTION["question"]}]}
GENERATED = "Nhân viên được nghỉ phép mười hai ngày [1]. Xem thêm sổ tay."
# Behaviour of the server, status over chat completions, code, and a piece of the message.
FAULTS = [
    ("cut", 503, "llm_cut_off", "cut off"),
    ("stalled", 504, "llm_timeout", "in the middle of its reply"),
    ("garbage", 503, "llm_unreadable", "not readable"),
    ("foreign", 503, "llm_unreadable", "not readable"),
    ("late-error", 503, "llm_error", "error in the middle"),
    ("html", 503, "llm_unreadable", "text/html"),
    ("empty", 503, "llm_empty", "empty"),
    ("nothing", 503, "llm_cut_off", "cut off"),
    ("only-thinking", 503, "llm_empty", "PHOSERVE_LLM__MAX_TOKENS"),
    ("broken", 503, "llm_error", "answered 500"),
    ("wrong", 503, "llm_unauthorized", "PHOSERVE_LLM__API_KEY"),
    ("missing", 503, "llm_model_not_found", "PHOSERVE_LLM__MODEL"),
    ("picky", 503, "llm_refused", "PHOSERVE_LLM__CONTEXT_TOKENS"),
    ("busy", 429, "llm_overloaded", "busy"),
    ("moved-301", 503, "llm_error", "PHOSERVE_LLM__URL"),
    ("silent", 504, "llm_timeout", "silent"),
    ("comments", 504, "llm_timeout", "silent"),
    ("flood", 503, "llm_too_long", "max_tokens"),
    ("thinking-flood", 503, "llm_too_long", "max_tokens"),
    ("endless-line", 503, "llm_cut_off", "cut off"),
    ("endless-json", 503, "llm_cut_off", "cut off"),
    ("bomb", 503, "llm_cut_off", "cut off"),
]
SILENT = {model for model, _, code, _ in FAULTS if code == "llm_timeout"}


@pytest.fixture
def model(request: pytest.FixtureRequest) -> str:
    return getattr(request, "param", "good")


@pytest.fixture
def client(tmp_path: Path, llm_url: str, model: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    monkeypatch.setattr("phoserve.adapters.openai_chat.RETRY_WAIT_S", 0.05)
    patience_s = patient(0.6 if model in SILENT else 10)
    chat = OpenAIChat(
        ChatSettings(url=llm_url, model=model, first_token_timeout_s=patience_s, idle_timeout_s=patience_s)
    )
    limits = LimitSettings(max_answers_in_flight=1)
    with live_api(live_services(tmp_path, chat=chat, limits=limits)) as url, httpx.Client(base_url=url) as client:
        fill(url)
        yield client


def events(client: httpx.Client, **more: Any) -> list[tuple[str, dict[str, Any]]]:
    text = client.post(PATH, json=QUESTION | {"stream": True} | more, timeout=patient(20)).text
    blocks = [block.split("\n") for block in text.strip().split("\n\n")]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in blocks]


def chunks(client: httpx.Client, **more: Any) -> list[dict[str, Any]]:
    text = client.post(CHAT, json=CHAT_QUESTION | {"stream": True} | more, timeout=patient(20)).text
    return [json.loads(line.removeprefix("data: ")) for line in text.split("\n\n") if line and "[DONE]" not in line]


def streamed_text(streamed: list[tuple[str, dict[str, Any]]]) -> str:
    """The text as a client shows it at the end."""
    text = ""
    for name, data in streamed:
        if name == "restart":
            text = ""
        elif name == "delta":
            text += data["text"]
    return text


@pytest.mark.parametrize("model", ["good", "slow", "whole", "once-busy"], indirect=True)
def test_whole_and_streamed_are_the_same(client: httpx.Client) -> None:
    whole, streamed = client.post(PATH, json=QUESTION, timeout=patient(20)).json(), events(client)
    assert whole["answer"] == GENERATED
    assert (whole["dropped_citations"], whole["fallback"], whole["finish_reason"]) == (1, False, "stop")
    assert whole["usage"] == USAGE
    assert [data for name, data in streamed if name == "citation"] == whole["citations"] != []
    assert streamed_text(streamed) == whole["answer"]


@pytest.mark.parametrize(("model", "status", "code", "said"), FAULTS, indirect=["model"])
def test_chat_gives_a_problem_for_a_fault(client: httpx.Client, status: int, code: str, said: str) -> None:
    response = client.post(CHAT, json=CHAT_QUESTION, timeout=patient(20))
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert said in response.json()["error"]["message"]
    assert "secret" not in response.text
    assert "sk-123" not in response.text
    last = chunks(client)[-1]
    assert last["error"]["code"] == code


@pytest.mark.parametrize(("model", "status", "code", "said"), FAULTS, indirect=["model"])
def test_answers_fall_back_to_a_quotation(client: httpx.Client, status: int, code: str, said: str) -> None:
    whole = client.post(PATH, json=QUESTION, timeout=patient(20)).json()
    assert (whole["mode"], whole["fallback"], whole["found"]) == ("extractive", True, True)
    assert whole["answer"].startswith("Nhân viên được nghỉ phép mười hai ngày. [")
    [note] = whole["notes"]
    assert note["code"] == "fallback"
    assert code in note["message"]
    assert "secret" not in note["message"]
    streamed = events(client)
    assert [data["code"] for name, data in streamed if name == "restart"] == [code]
    assert streamed[-1][0] == "done"
    assert streamed_text(streamed) == whole["answer"]


@pytest.mark.parametrize("model", ["broken"], indirect=True)
def test_without_fallback_the_problem_is_returned(tmp_path: Path, llm_url: str, model: str) -> None:
    chat = OpenAIChat(ChatSettings(url=llm_url, model=model, max_retries=0))
    services = live_services(tmp_path, chat=chat, falls_back=False)
    with live_api(services) as url, httpx.Client(base_url=url) as client:
        fill(url)
        response = client.post(PATH, json=QUESTION)
        assert (response.status_code, response.json()["code"]) == (503, "llm_error")
        name, problem = events(client)[-1]
        assert (name, problem["code"]) == ("error", "llm_error")


@pytest.mark.parametrize("model", ["broken"], indirect=True)
def test_retries_end_and_the_breaker_opens(client: httpx.Client, llm_url: str) -> None:
    def requests() -> int:
        return int(httpx.get(f"{llm_url}/stats").json()["requests"].get("broken", 0))

    before = requests()
    assert client.post(CHAT, json=CHAT_QUESTION, timeout=patient(20)).status_code == 503
    assert requests() == before + 3
    for _ in range(3):
        client.post(CHAT, json=CHAT_QUESTION, timeout=patient(20))
    refused = client.post(CHAT, json=CHAT_QUESTION)
    assert refused.json()["error"]["code"] == "llm_unavailable"
    assert "answered 500" in refused.json()["error"]["message"]
    assert requests() == before + 9
    health = client.get("/health/ready")
    assert (health.status_code, health.json()["status"]) == (200, "degraded")
    assert not health.json()["dependencies"]["llm"]["ok"]


def test_readiness_names_the_llm(client: httpx.Client) -> None:
    health = client.get("/health/ready").json()
    assert (health["ready"], health["status"], health["dependencies"]["llm"]["detail"]) == (True, "ok", "good")


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", None])
def test_an_llm_that_is_away_degrades(tmp_path: Path, llm_url: str, url: str | None) -> None:
    chat = OpenAIChat(ChatSettings(url=url or llm_url, model="gpt-99"))
    with live_api(live_services(tmp_path, chat=chat)) as api, httpx.Client(base_url=api) as client:
        health = client.get("/health/ready")
    assert (health.status_code, health.json()["status"]) == (200, "degraded")
    assert ("gpt-99" if url is None else "cannot be reached") in health.json()["dependencies"]["llm"]["detail"]


@pytest.mark.parametrize("model", ["short"], indirect=True)
def test_a_cut_answer_is_not_called_complete(client: httpx.Client) -> None:
    whole = client.post(PATH, json=QUESTION).json()
    assert (whole["finish_reason"], [each["code"] for each in whole["notes"]]) == ("length", ["incomplete"])
    assert client.post(CHAT, json=CHAT_QUESTION).json()["choices"][0]["finish_reason"] == "length"
    assert chunks(client)[-1]["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize("model", ["thinking", "unopened", "reasoning"], indirect=True)
def test_reasoning_is_kept_apart(client: httpx.Client) -> None:
    for _ in range(2):
        whole = client.post(PATH, json=QUESTION | {"include_reasoning": True}).json()
        assert (whole["answer"], whole["reasoning"].strip()) == (GENERATED, REASONING)
        streamed = events(client, include_reasoning=True)
        assert streamed_text(streamed) == GENERATED
        assert "".join(data["text"] for name, data in streamed if name == "reasoning").strip() == REASONING
    plain = client.post(PATH, json=QUESTION).json()
    assert (plain["answer"], plain["reasoning"]) == (GENERATED, None)
    message = client.post(CHAT, json=CHAT_QUESTION | {"include_reasoning": True}).json()["choices"][0]["message"]
    assert (message["content"], message["reasoning_content"].strip()) == (GENERATED, REASONING)
    assert "".join(each["choices"][0]["delta"].get("content", "") for each in chunks(client)) == GENERATED


@pytest.mark.parametrize("model", [f"moved-{status}" for status in (300, 301, 302, 303, 307, 308)], indirect=True)
def test_a_redirect_is_not_followed(client: httpx.Client, llm_url: str) -> None:
    """The prompt holds passages, and a client may send the key along."""
    before = httpx.get(f"{llm_url}/stats").json()["followed"]
    refused = client.post(CHAT, json=CHAT_QUESTION, timeout=patient(20))
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "llm_error")
    assert "redirect" in refused.json()["error"]["message"]
    assert httpx.get(f"{llm_url}/stats").json()["followed"] == before


@pytest.mark.parametrize("model", ["image"], indirect=True)
def test_an_image_is_dropped(client: httpx.Client) -> None:
    assert client.post(PATH, json=QUESTION).json()["answer"] == f"x {GENERATED}"


@pytest.mark.parametrize("shape", ["answers", "chat"])
def test_an_answer_ends_when_its_key_is_revoked(
    tmp_path: Path, llm_url: str, shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.auth.RECHECK_S", 0.1)
    path = tmp_path / "keys.json"
    (root, root_entry), (reader, entry) = new_key("root", Role.ADMIN), new_key("app", Role.READER)
    path.write_bytes(msgspec.json.encode([root_entry, entry]))
    (tmp_path / "model").mkdir()
    chat = OpenAIChat(ChatSettings(url=llm_url, model="endless"))
    services = live_services(tmp_path / "model", chat=chat, keys=KeyFile(path))
    where, body = (PATH, QUESTION) if shape == "answers" else (CHAT, CHAT_QUESTION)
    with live_api(services) as url, httpx.Client(base_url=url, timeout=patient(30)) as client:
        fill(url, headers={"Authorization": f"Bearer {root}"})
        headers = {"Authorization": f"Bearer {reader}"}
        with client.stream("POST", where, json=body | {"stream": True}, headers=headers) as response:
            lines = response.iter_lines()
            while "…" not in next(lines):
                pass
            path.write_bytes(msgspec.json.encode([root_entry]))
            *_, last = [line for line in lines if line.startswith("data: ")]
        problem = json.loads(last.removeprefix("data: "))
        assert problem.get("status") == 401 or problem["error"]["type"] == "authentication_error"
        wait_until(lambda: httpx.get(f"{llm_url}/stats").json()["open"] == 0, timeout_s=10)


def test_one_key_does_not_hold_all_answers(tmp_path: Path, llm_url: str) -> None:
    made = [new_key(name, Role.ADMIN) for name in ("greedy", "other", "third")]
    greedy, other, third = (secret for secret, _ in made)
    chat = OpenAIChat(ChatSettings(url=llm_url, model="endless"))
    limits = LimitSettings(max_answers_in_flight=4)
    services = live_services(tmp_path, chat=chat, limits=limits, keys=FixedKeys(tuple(entry for _, entry in made)))
    with live_api(services) as url, httpx.Client(base_url=url, timeout=patient(30)) as client, ExitStack() as stack:
        fill(url, headers={"Authorization": f"Bearer {greedy}"})

        def status(secret: str) -> int:
            """Open an answer without end, which stays open."""
            headers = {"Authorization": f"Bearer {secret}"}
            body = CHAT_QUESTION | {"stream": True}
            return stack.enter_context(client.stream("POST", CHAT, json=body, headers=headers)).status_code

        assert status(other) == 200
        assert [status(greedy) for _ in range(4)] == [200, 200, 429, 429]
        assert status(third) == 200


def test_parameters_reach_the_llm(client: httpx.Client, llm_url: str) -> None:
    parameters = {"temperature": 0.7, "top_p": 0.9, "stop": ["END"], "seed": 7, "frequency_penalty": 0.5}
    response = client.post(CHAT, json=CHAT_QUESTION | parameters | {"max_completion_tokens": 33, "n": 1, "user": "u"})
    assert response.status_code == 200
    sent = httpx.get(f"{llm_url}/last").json()
    assert parameters.items() <= sent.items()
    assert sent["max_tokens"] == 33
    assert "user" not in sent
    client.post(CHAT, json=CHAT_QUESTION | dict.fromkeys(parameters))
    sent = httpx.get(f"{llm_url}/last").json()
    assert (sent["temperature"], sent["max_tokens"], sent.get("seed")) == (0.1, 1024, None)


def test_structured_output_is_left_as_it_is(client: httpx.Client, llm_url: str) -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "days", "schema": {"type": "object"}}}
    response = client.post(CHAT, json=CHAT_QUESTION | {"response_format": schema}).json()
    assert json.loads(response["choices"][0]["message"]["content"]) == {"days": 12, "sources": [1, 9]}
    assert httpx.get(f"{llm_url}/last").json()["response_format"] == schema


@pytest.mark.parametrize("model", ["picky"], indirect=True)
def test_a_parameter_that_the_llm_refuses_is_a_400(client: httpx.Client) -> None:
    response = client.post(CHAT, json=CHAT_QUESTION | {"response_format": {"type": "json_object"}})
    assert (response.status_code, response.json()["error"]["param"]) == (400, "response_format")
    assert "secret" not in response.text


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
    hurried = {"X-Request-Timeout": "0.9"}
    assert client.post(CHAT, json=CHAT_QUESTION, headers=hurried, timeout=patient(20)).status_code == 504
    whole = client.post(PATH, json=QUESTION, headers=hurried, timeout=patient(20)).json()
    assert (whole["fallback"], ANSWER in whole["answer"]) == (True, False)
