"""Tokenize the texts of requests in slices, on a thread of its own: short requests never wait for long ones."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from phoserve.contract import InputType
from phoserve.errors import DeadlineExceeded, PhoserveError, Unavailable
from phoserve.serving.encoders import Ids

SLICE_CHARACTERS: Final = 65_536
"""Characters that are tokenized between two looks at deadlines and callers: a tenth of a second at most."""


class Tokens(Protocol):
    """Token ids of a batch of texts: `ids` int32 (total,), `offsets` int64 (texts + 1,), `truncated` bool (texts,)."""

    @property
    def ids(self) -> Ids: ...
    @property
    def offsets(self) -> NDArray[np.int64]: ...
    @property
    def truncated(self) -> NDArray[np.bool_]: ...


PATIENCE_S: Final = 2.0
"""A request that has waited longer is served before shorter ones."""
Row = TypeVar("Row")
Encode = Callable[[Sequence[Row], InputType], Tokens]


class Caller(Protocol):
    """The request whose texts are tokenized."""

    def cancelled(self) -> bool: ...
    def refuse(self, error: PhoserveError) -> None: ...


C = TypeVar("C", bound=Caller)


@dataclass(eq=False, slots=True)
class Arrival(Generic[C, Row]):
    """A request and the tokens of its first rows, as far as they are known."""

    request: C
    input_type: InputType
    rows: Sequence[Row]
    deadline_s: float
    """On the monotonic clock."""
    arrived_s: float = field(default_factory=time.monotonic)
    ids: list[Ids] = field(default_factory=list)
    truncated: list[bool] = field(default_factory=list)

    @property
    def rest(self) -> Sequence[Row]:
        """The rows that are not tokenized yet."""
        return self.rows[len(self.ids) :]


class TokenizerThread(Generic[C, Row]):
    """Calls `done` with each request whose texts are tokenized, and refuses those that are late or abandoned.

    The requests with the fewest rows left are served first, those of one input type together.
    """

    def __init__(self, encode: "Encode[Row]", done: Callable[[list[Arrival[C, Row]]], None]) -> None:
        self._encode = encode
        self._done = done
        self._pending: list[Arrival[C, Row]] = []
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="tokenizer", daemon=True)
        self._thread.start()

    def add(self, arrivals: Sequence[Arrival[C, Row]]) -> None:
        """Queue requests; returns before they are tokenized."""
        with self._changed:
            self._pending += arrivals
            self._changed.notify()

    def close(self) -> None:
        """Finish what is queued and stop."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._pending or self._closing)
                if not self._pending:
                    return
                waiting = list(self._pending)
            left = {id(each) for each in waiting if self._refuse_late(each)}
            rows = _slice([each for each in waiting if id(each) not in left])
            if rows:
                left |= self._tokenize(rows)
            with self._changed:
                self._pending = [each for each in self._pending if id(each) not in left]

    def _refuse_late(self, arrival: Arrival[C, Row]) -> bool:
        if time.monotonic() > arrival.deadline_s:
            arrival.request.refuse(DeadlineExceeded("the time limit passed before the texts were tokenized"))
        elif arrival.ids and arrival.request.cancelled():  # between slices: each check is a message to the server
            arrival.request.refuse(DeadlineExceeded("the caller left before the texts were tokenized"))
        else:
            return False
        return True

    def _tokenize(self, taken: list[tuple[Arrival[C, Row], Sequence[Row]]]) -> set[int]:
        """Tokenize one slice and return the requests that are complete or have failed."""
        try:
            tokens = self._encode([row for _, rows in taken for row in rows], taken[0][0].input_type)
        except Exception as error:  # every request must be answered
            for arrival, _ in taken:
                arrival.request.refuse(error if isinstance(error, PhoserveError) else Unavailable("text", repr(error)))
            return {id(arrival) for arrival, _ in taken}
        number = 0
        for arrival, rows in taken:
            for _ in rows:
                arrival.ids.append(tokens.ids[tokens.offsets[number] : tokens.offsets[number + 1]])
                arrival.truncated.append(bool(tokens.truncated[number]))
                number += 1
        complete = [arrival for arrival, _ in taken if not arrival.rest]
        if complete:
            self._done(complete)
        return {id(arrival) for arrival in complete}


def _slice(waiting: Sequence[Arrival[C, Row]]) -> list[tuple[Arrival[C, Row], Sequence[Row]]]:
    """Return the next rows to tokenize together, at least one: those of the shortest requests of one type first."""
    if not waiting:
        return []
    patient_since = time.monotonic() - PATIENCE_S

    def urgency(arrival: Arrival[C, Row]) -> tuple[bool, float, int]:
        if arrival.arrived_s <= patient_since:
            return False, arrival.arrived_s, 0
        return True, arrival.input_type is not InputType.QUERY, len(arrival.rest)

    ordered = sorted(waiting, key=urgency)
    kind = ordered[0].input_type
    taken: list[tuple[Arrival[C, Row], Sequence[Row]]] = []
    room = SLICE_CHARACTERS
    for arrival in (each for each in ordered if each.input_type is kind):
        count = 0
        for row in arrival.rest:
            if room <= 0:
                break
            room -= _characters(row)
            count += 1
        if count or not arrival.rows:
            taken.append((arrival, arrival.rest[:count]))
        if room <= 0:
            break
    return taken


def _characters(row: Any) -> int:
    return len(row) if isinstance(row, str) else sum(map(len, row))
