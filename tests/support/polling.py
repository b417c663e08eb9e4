"""Wait for a condition instead of sleeping for a guess."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable

from tests.support.patience import patient


async def eventually(
    condition: Callable[[], object] | Callable[[], Awaitable[object]], *, timeout_s: float = 30.0, every_s: float = 0.05
) -> None:
    """Return once `condition()` is true; fail after `timeout_s`, or longer on a loaded machine."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    limit_s = timeout_s
    while True:
        result = condition()
        if inspect.isawaitable(result):
            result = await result
        if result:
            return
        limit_s = max(limit_s, patient(timeout_s))
        assert loop.time() - begun < limit_s, f"not true within {limit_s:.0f} s"
        await asyncio.sleep(every_s)
