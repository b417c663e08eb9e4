"""A lease in Redis: one of several processes does a piece of periodic work."""

from redis.asyncio import Redis
from redis.exceptions import RedisError

from phoserve.errors import Unavailable

CONNECT_TIMEOUT_S = 2.0


class RedisLease:
    """A named lease that expires by itself."""

    def __init__(self, url: str, name: str) -> None:
        self._key = f"phoserve:turn:{name}"
        self._redis: Redis = Redis.from_url(
            url, socket_connect_timeout=CONNECT_TIMEOUT_S, socket_timeout=CONNECT_TIMEOUT_S
        )

    async def acquire(self, for_s: float) -> bool:
        """Acquire the lease for `for_s` seconds; False if another process holds it. Raises Unavailable."""
        try:
            return bool(await self._redis.set(self._key, "1", nx=True, px=int(for_s * 1000)))
        except RedisError as error:
            raise Unavailable("redis", f"the task queue is unavailable ({type(error).__name__})") from error

    async def close(self) -> None:
        """Close the connection."""
        await self._redis.aclose()
