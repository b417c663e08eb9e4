"""How many requests a key may make: in time (a token bucket) and at once."""

import time
from collections import Counter, OrderedDict
from contextlib import suppress
from typing import Final, Protocol

from redis.asyncio import Redis
from redis.exceptions import RedisError

from api.clients import network_of
from phoserve.errors import Overloaded

REMEMBERED_KEYS: Final = 10_000
# The generic cell rate algorithm: one number for each key, the time at which its bucket is full again.
GCRA: Final = """
local now = redis.call('TIME')
now = now[1] + now[2] / 1e6
local full_at = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local wait = full_at + interval - now - burst * interval
if wait > 1e-9 then return tostring(wait) end
redis.call('SET', KEYS[1], string.format('%.6f', full_at + interval), 'PX', math.ceil((burst + 1) * interval * 1000))
return '0'
"""


class RateLimiter(Protocol):
    """Counts requests by key."""

    async def take(self, key_id: str) -> None:
        """Count one request. Raises Overloaded when the key is over its rate."""
        ...

    async def close(self) -> None: ...


class NoLimit:
    """Unlimited requests."""

    async def take(self, key_id: str) -> None:
        """Count nothing."""

    async def close(self) -> None:
        """Close nothing."""


class MemoryRates:
    """Counts in this process, which is enough for one."""

    def __init__(self, per_s: float, burst: int) -> None:
        self._interval_s = 1 / per_s
        self._burst = burst
        self._full_at: OrderedDict[str, float] = OrderedDict()

    async def take(self, key_id: str) -> None:
        self.count(key_id)

    def check(self, key_id: str) -> float:
        """Return when the key's bucket would be full after one more request. Raises Overloaded over its rate."""
        now = time.monotonic()
        full_at = max(self._full_at.get(key_id, now), now) + self._interval_s
        wait = full_at - now - self._burst * self._interval_s
        if wait > 1e-9:
            raise _too_many(wait)
        return full_at

    def count(self, key_id: str) -> None:
        """Count one request. Raises Overloaded."""
        self._full_at[key_id] = self.check(key_id)
        self._full_at.move_to_end(key_id)
        if len(self._full_at) > REMEMBERED_KEYS:
            self._full_at.popitem(last=False)

    async def close(self) -> None:
        """Close nothing."""


class RedisRates:
    """Counts in Redis, for all API processes together; while it is away, each counts for itself."""

    def __init__(self, url: str, per_s: float, burst: int) -> None:
        self._redis = Redis.from_url(url, socket_timeout=1.0, socket_connect_timeout=1.0)
        self._script = self._redis.register_script(GCRA)
        self._interval_s = 1 / per_s
        self._burst = burst
        self._alone = MemoryRates(per_s, burst)

    async def take(self, key_id: str) -> None:
        try:
            wait = float(await self._script(keys=[f"phoserve:rate:{key_id}"], args=[self._interval_s, self._burst]))
        except RedisError:
            await self._alone.take(key_id)
        else:
            if wait > 0:
                raise _too_many(wait)

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()


class FailedKeys:
    """Throttles clients that send wrong keys: an address may fail `per_minute` times, then it waits.

    The addresses of an IPv6 network of 64 bits count together. Keys that were valid at an address before are still
    looked at there: clients behind one proxy or router share its address, and one of them must not lock out the others.
    """

    def __init__(self, per_minute: int) -> None:
        self._rates = MemoryRates(per_minute / 60, per_minute)
        self._proven: OrderedDict[tuple[str, bytes], None] = OrderedDict()

    def check(self, address: str, digest: bytes | None = None) -> None:
        """Raise Overloaded while the address has failed too often, unless the key of this digest was valid there."""
        network = network_of(address)
        if digest is None or (network, digest) not in self._proven:
            self._rates.check(network)

    def count(self, address: str, digest: bytes | None = None) -> None:
        """Count one failure, of the key of this digest."""
        network = network_of(address)
        if digest is not None:
            self._proven.pop((network, digest), None)
        with suppress(Overloaded):
            self._rates.count(network)

    def prove(self, address: str, digest: bytes) -> None:
        """Remember that the key of this digest is valid, and used at this address."""
        proven = network_of(address), digest
        self._proven[proven] = None
        self._proven.move_to_end(proven)
        if len(self._proven) > REMEMBERED_KEYS:
            self._proven.popitem(last=False)


class ConcurrentRequests:
    """Requests in flight, by key."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._in_flight: Counter[str] = Counter()

    def enter(self, key_id: str) -> None:
        """Count one more request. Raises Overloaded at the limit."""
        if self._in_flight[key_id] >= self._limit:
            raise Overloaded(f"this key has {self._limit} requests in flight already", retry_after_s=1.0)
        self._in_flight[key_id] += 1

    def leave(self, key_id: str) -> None:
        """The request is over."""
        self._in_flight[key_id] -= 1
        if not self._in_flight[key_id]:
            del self._in_flight[key_id]


class BodiesInFlight:
    """Bytes of large bodies that are held in memory, by key and in all."""

    def __init__(self, limit: int, limit_per_key: int) -> None:
        self._limit = limit
        self._limit_per_key = limit_per_key
        self._by_key: Counter[str] = Counter()

    def enter(self, key_id: str, size: int) -> None:
        """Count a body of `size` bytes. Raises Overloaded where that is too much; a single body is never too much."""
        if self._by_key[key_id] and self._by_key[key_id] + size > self._limit_per_key:
            raise Overloaded(f"this key has bodies of {self._limit_per_key} bytes in flight already", retry_after_s=1.0)
        if self._by_key.total() and self._by_key.total() + size > self._limit:
            raise Overloaded(f"bodies of {self._limit} bytes are in flight already", retry_after_s=1.0)
        self._by_key[key_id] += size

    def leave(self, key_id: str, size: int) -> None:
        """The request of the body is over."""
        self._by_key[key_id] -= size
        if not self._by_key[key_id]:
            del self._by_key[key_id]


def _too_many(wait_s: float) -> Overloaded:
    return Overloaded("this key makes requests faster than it may", retry_after_s=wait_s)
