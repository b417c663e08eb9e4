"""Wait for a condition instead of sleeping for a guess."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable


async def eventually(
    condition: Callable[[], object] | Callable[[], Awaitable[object]], *, timeout_s: float = 30.0, every_s: float = 0.05
) -> None:
    """Return once `condition()` is true; fail after `timeout_s`."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_s
    while True:
        result = condition()
        if inspect.isawaitable(result):
            result = await result
        if result:
            return
        assert loop.time() < deadline, f"not true within {timeout_s:g} s"
        await asyncio.sleep(every_s)
