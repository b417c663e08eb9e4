"""The time by which a request must be answered, passed down through every call."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Self, TypeVar

from phoserve.errors import DeadlineExceeded

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Deadline:
    """The time of the event loop's clock, in seconds, at which the caller stops waiting."""

    at: float
    timeout_s: float

    @classmethod
    def after(cls, timeout_s: float) -> Self:
        """Return the deadline `timeout_s` from now."""
        return cls(asyncio.get_running_loop().time() + timeout_s, timeout_s)

    def left_s(self) -> float:
        """Return the remaining seconds. Raises DeadlineExceeded if there are none."""
        left = self.at - asyncio.get_running_loop().time()
        if left <= 0:
            raise self.exceeded()
        return left

    async def keep(self, work: Awaitable[T]) -> T:
        """Return the result of `work`, cancelled at the deadline. Raises DeadlineExceeded."""
        try:
            async with asyncio.timeout_at(self.at):
                return await work
        except TimeoutError:
            raise self.exceeded() from None

    def exceeded(self) -> DeadlineExceeded:
        """Return the error for an exceeded deadline."""
        return DeadlineExceeded(f"the request was not completed within {self.timeout_s:g} s")
