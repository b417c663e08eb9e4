"""How many documents a process works on at a time: a few long ones, or many small ones that share calls."""

import asyncio
from collections import Counter
from enum import Enum, auto
from typing import Final

from phoserve.documents.ports import IndexingTask

SMALL_PER_LONG: Final = 8
"""A long document may be a thousand pages, held in memory, and a parser's process."""


class Entry(Enum):
    """The answer to a task that asks for slots."""

    GRANTED = auto()
    FULL = auto()
    """Not enough slots are free."""
    OVER_SHARE = auto()
    """The collection has its share already; another collection's task may pass."""


class DocumentSlots:
    """Slots for `long_documents` long documents, or `small_per_long` times as many small ones.

    One collection takes all but one long document's slots at most, so that its slow documents never stop the others.
    With a single long document at a time there is nothing to keep free.
    """

    def __init__(self, long_documents: int, small_per_long: int = SMALL_PER_LONG) -> None:
        self._small_per_long = small_per_long
        self._free = small_per_long * long_documents
        self._share = small_per_long * max(1, long_documents - 1)
        self._taken: Counter[str] = Counter()
        self._waiting: list[tuple[IndexingTask, asyncio.Future[None]]] = []

    def taken_by(self, collection_id: str) -> int:
        """Return how many slots the collection's documents take now."""
        return self._taken[collection_id]

    def try_enter(self, task: IndexingTask) -> Entry:
        """Take the task's slots if they are free and within its collection's share."""
        slots = self._slots(task)
        if self._taken[task.collection_id] + slots > self._share:
            return Entry.OVER_SHARE
        if slots > self._free:
            return Entry.FULL
        self._free -= slots
        self._taken[task.collection_id] += slots
        return Entry.GRANTED

    async def enter(self, task: IndexingTask) -> None:
        """Wait for the task's slots. Collections take turns: the one with the fewest slots goes first."""
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((task, granted))
        self._grant()
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                self.leave(task)
            else:
                self._waiting = [each for each in self._waiting if each[1] is not granted]
                self._grant()
            raise

    def leave(self, task: IndexingTask) -> None:
        """Give back the slots of a task that has entered."""
        self._free += self._slots(task)
        self._taken[task.collection_id] -= self._slots(task)
        if not self._taken[task.collection_id]:
            del self._taken[task.collection_id]
        self._grant()

    def _grant(self) -> None:
        while self._waiting and self._grant_next():
            pass

    def _grant_next(self) -> bool:
        """Grant the next task its slots; a long one that does not fit yet is not overtaken by small ones."""
        over_share: set[str] = set()
        for task, granted in sorted(self._waiting, key=lambda each: self._taken[each[0].collection_id]):
            if task.collection_id in over_share:
                continue
            entry = self.try_enter(task)
            if entry is Entry.GRANTED:
                self._waiting = [each for each in self._waiting if each[1] is not granted]
                granted.set_result(None)
                return True
            if entry is Entry.FULL:
                return False
            over_share.add(task.collection_id)
        return False

    def _slots(self, task: IndexingTask) -> int:
        return 1 if task.is_small else self._small_per_long
