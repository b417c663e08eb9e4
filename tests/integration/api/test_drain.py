"""A server after SIGTERM: answers in flight are finished in time, and endless streams are closed."""

import threading
import time
from pathlib import Path
from typing import Any, Final

import httpx

from phoserve.adapters.openai_chat import ChatSettings, OpenAIChat
from tests.integration.api.conftest import fill
from tests.support.live import live_api, live_services
from tests.support.patience import patient

ANSWERS: Final = "/v1/collections/kb/answers"
EVENTS: Final = "/v1/collections/kb/events"
QUESTION: Final = {"question": "Được nghỉ phép mấy ngày?", "stream": True}
SOON_S: Final = 5.0


class Follower:
    """A client that reads a stream of events in the background, made once the stream has begun."""

    def __init__(self, method: str, url: str, body: dict[str, Any] | None = None) -> None:
        self.names: list[str] = []
        self.cut = False
        self._begun = threading.Event()
        self._thread = threading.Thread(target=self._read, args=(method, url, body))
        self._thread.start()
        assert self._begun.wait(20)

    def join(self) -> None:
        """Return once the stream has ended, one way or the other."""
        self._thread.join(patient(SOON_S))
        assert not self._thread.is_alive()

    def _read(self, method: str, url: str, body: dict[str, Any] | None) -> None:
        with httpx.stream(method, url, json=body, timeout=patient(60)) as response:
            response.raise_for_status()
            try:
                if method == "GET":  # a stream has no event yet
                    self._begun.set()
                for line in response.iter_lines():
                    if line.startswith("event: "):
                        self.names.append(line.removeprefix("event: "))
                    if "delta" in self.names:
                        self._begun.set()
            except httpx.RemoteProtocolError:
                self.cut = True


def chat(llm_url: str, behaviour: str) -> OpenAIChat:
    return OpenAIChat(ChatSettings(url=llm_url, model=behaviour, idle_timeout_s=5))


def test_an_answer_under_way_is_finished(tmp_path: Path, llm_url: str) -> None:
    with live_api(live_services(tmp_path, chat=chat(llm_url, "slow")), drain_s=20) as url:
        fill(url)
        answer = Follower("POST", url + ANSWERS, QUESTION)
        assert "done" not in answer.names
    answer.join()
    assert answer.names[-1] == "done"
    assert not answer.cut


def test_an_answer_without_end_is_cut_when_the_time_is_over(tmp_path: Path, llm_url: str) -> None:
    with live_api(live_services(tmp_path, chat=chat(llm_url, "endless")), drain_s=1) as url:
        fill(url)
        answer = Follower("POST", url + ANSWERS, QUESTION)
        stopped_at = time.monotonic()
    assert 1 <= time.monotonic() - stopped_at < patient(SOON_S)
    answer.join()
    assert answer.cut
    assert "done" not in answer.names


def test_a_feed_ends_at_once(tmp_path: Path) -> None:
    with live_api(live_services(tmp_path), drain_s=60) as url:
        fill(url)
        feed = Follower("GET", url + EVENTS)
        stopped_at = time.monotonic()
    assert time.monotonic() - stopped_at < patient(SOON_S)
    feed.join()
    assert not feed.cut
