"""Tasks in the background, of which the event loop itself keeps no reference."""

import asyncio
from collections.abc import Coroutine
from typing import Any


class TaskSet:
    """Tasks in flight, kept until they end."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[object]] = set()

    def begin(self, work: Coroutine[Any, Any, object]) -> None:
        """Start a task. It handles its errors itself."""
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def cancel(self) -> None:
        """Cancel the tasks in flight, and those that they begin meanwhile, and wait for their end."""
        while running := list(self._running):
            for each in running:
                each.cancel()
            await asyncio.gather(*running, return_exceptions=True)
