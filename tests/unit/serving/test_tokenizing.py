import threading
import time
from collections.abc import Sequence

import numpy as np
import pytest

from phoserve.contract import InputType
from phoserve.errors import DeadlineExceeded, PhoserveError, Unavailable
from phoserve.serving import tokenizing
from phoserve.serving.tokenizing import SLICE_CHARACTERS, Arrival, TokenizerThread, Tokens
from tests.support.patience import patient

NEVER = float("inf")


class Batch:
    def __init__(self, texts: Sequence[str]) -> None:
        self.ids = np.array([ord(letter) for text in texts for letter in text[:3]], np.int32)
        self.offsets = np.cumsum([0, *(len(text[:3]) for text in texts)], dtype=np.int64)
        self.truncated = np.array([len(text) > 3 for text in texts], bool)


class Call:
    def __init__(self, *, is_gone: bool = False) -> None:
        self.error: PhoserveError | None = None
        self.is_gone = is_gone

    def cancelled(self) -> bool:
        return self.is_gone

    def refuse(self, error: PhoserveError) -> None:
        assert self.error is None
        self.error = error


class Bench:
    """A thread whose tokenizer takes `slice_s` a slice and waits until it is opened."""

    def __init__(self, slice_s: float = 0.0) -> None:
        self.slices: list[list[str]] = []
        self.done: list[Arrival[Call, str]] = []
        self.open = threading.Event()
        self._slice_s = slice_s
        self.thread: TokenizerThread[Call, str] = TokenizerThread(self._encode, self.done.extend)

    def _encode(self, texts: Sequence[str], input_type: InputType) -> Tokens:
        self.open.wait(10)
        self.slices.append(list(texts))
        time.sleep(self._slice_s)
        if "broken" in texts:
            raise RuntimeError("broken")
        return Batch(texts)

    def run(self, *arrivals: Arrival[Call, str]) -> None:
        self.thread.add(arrivals)
        self.open.set()
        self.thread.close()


def arrival(*rows: str, kind: InputType = InputType.PASSAGE, deadline_s: float = NEVER) -> Arrival[Call, str]:
    return Arrival(Call(), kind, rows, deadline_s)


LONG = "x" * SLICE_CHARACTERS


def test_every_request_gets_the_tokens_of_its_texts() -> None:
    bench = Bench()
    given = [arrival("abcd", "e"), arrival("fg", kind=InputType.QUERY), arrival(*["hijkl"] * 70_000)]
    bench.run(*given)
    assert {id(each) for each in bench.done} == {id(each) for each in given}
    for each in given:
        assert [ids.tolist() for ids in each.ids] == [[ord(letter) for letter in text[:3]] for text in each.rows]
        assert each.truncated == [len(text) > 3 for text in each.rows]
    assert max(map(len, bench.slices)) < 70_000, "a large request is tokenized in slices"


def test_a_short_request_does_not_wait_for_a_long_one() -> None:
    bench = Bench()
    long, short, query = arrival(*[LONG] * 5), arrival("a"), arrival("b", kind=InputType.QUERY)
    bench.run(long, short, query)
    assert bench.done == [query, short, long]


def test_long_requests_are_served_among_many_short_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizing, "PATIENCE_S", 0.0)
    bench = Bench()
    long = arrival(LONG, LONG)
    bench.run(long, *(arrival("a", kind=InputType.QUERY) for _ in range(10)))
    assert bench.slices[0] == [LONG]


def test_a_late_request_is_refused_and_no_more_of_it_tokenized() -> None:
    bench = Bench(slice_s=0.05)
    late, other = arrival(*[LONG] * 100, deadline_s=time.monotonic() + 0.2), arrival("a")
    started = time.monotonic()
    bench.run(late, other)
    assert time.monotonic() - started < patient(2)
    assert isinstance(late.request.error, DeadlineExceeded)
    assert other in bench.done
    assert len(bench.slices) < 20


def test_an_abandoned_request_is_dropped_between_slices() -> None:
    bench = Bench()
    gone = arrival(*[LONG] * 100)
    gone.request.is_gone = True
    bench.run(gone)
    assert isinstance(gone.request.error, DeadlineExceeded)
    assert len(bench.slices) == 1


def test_an_error_of_the_tokenizer_answers_its_requests_and_the_thread_serves_on() -> None:
    bench = Bench()
    broken, other = arrival("broken"), arrival("a", kind=InputType.QUERY)
    bench.run(broken, other)
    assert isinstance(broken.request.error, Unavailable)
    assert bench.done == [other]
