"""How many documents a process works on at once: a few long ones, or many short ones that share calls."""

import asyncio
from typing import Final

from phoserve.documents.ports import IndexingTask

SHORT_PER_LONG: Final = 8
"""A long document may be a thousand pages, held in memory, and a parser's process."""


class DocumentSlots:
    """Places for so many long documents, or eight times as many short ones; in the order of asking."""

    def __init__(self, long_documents: int) -> None:
        self._free = asyncio.Semaphore(SHORT_PER_LONG * long_documents)
        self._turn = asyncio.Lock()  # two long ones must not each hold half of what both need

    async def enter(self, task: IndexingTask) -> None:
        """Wait until there is room for the task's document."""
        taken = 0
        try:
            async with self._turn:
                while taken < _places(task):
                    await self._free.acquire()
                    taken += 1
        except asyncio.CancelledError:
            self._give_back(taken)
            raise

    def leave(self, task: IndexingTask) -> None:
        """Give back what `enter` took for the task."""
        self._give_back(_places(task))

    def _give_back(self, places: int) -> None:
        for _ in range(places):
            self._free.release()


def _places(task: IndexingTask) -> int:
    return 1 if task.light else SHORT_PER_LONG
