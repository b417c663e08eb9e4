"""The keys of the registry, in addition to those of another source."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import structlog

from api.keys import KeySource, Principal, principal_of
from phoserve.administration.keys import KeyStore, digest_of
from phoserve.errors import Unavailable

FRESH_S: Final = 1.0
"""A key that another process revokes is refused after this time, and the time of one query."""
PATIENCE_S: Final = 0.25
"""How long a request waits for a registry that does not respond."""
RETRY_S: Final = 1.0
"""How often an unresponsive registry is asked again."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Known:
    principal: Principal
    expires_at: datetime | None


class RegistryKeys:
    """Keys of `source` and of the registry. Those of the registry are known to every process of a deployment.

    All are read when a request arrives and the last read is older than `FRESH_S`, if any was added or revoked since.
    While the registry does not respond, the last ones stay valid for `outage_s`, so that its outage does not end
    searches. Keys of `source` do not depend on the registry.
    """

    is_open = False

    def __init__(
        self, source: KeySource, store: KeyStore, *, outage_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.source = source
        self._store = store
        self._outage_s = outage_s
        self._clock = clock
        self._known: Mapping[bytes, _Known] = {}
        self._version: tuple[int, int] | None = None
        self._read_at = -float("inf")
        self._silent_until = -float("inf")
        self._reading: asyncio.Task[None] | None = None

    async def find(self, key: str | None) -> Principal | None:
        """Return the principal of a key, None for an unknown, revoked or expired one.

        Raises Unavailable if the registry's keys are not known, or were read too long ago.
        """
        found = self.source.principal(key)
        if found is not None or key is None:
            return found
        await self._freshen()
        if self._clock() - self._read_at > self._outage_s + FRESH_S:
            raise Unavailable("registry", "the registry does not respond, so keys cannot be checked; try again")
        # Looked up by hash: the time it takes depends on no part of a secret.
        known = self._known.get(digest_of(key))
        if known is None or (known.expires_at is not None and known.expires_at <= datetime.now(UTC)):
            return None
        return known.principal

    async def refresh(self) -> None:
        """Read the keys now, after a change by this process: it is in force when this returns. Raises Unavailable."""
        while self._reading is not None and not self._reading.done():
            await asyncio.wait([self._reading])  # it may have begun before the change
        await asyncio.shield(self._start_reading())

    def forget(self, key_id: str) -> None:
        """Stop to accept the registry's key of this id in this process."""
        self._known = {digest: each for digest, each in self._known.items() if each.principal.id != key_id}
        self._version = None

    async def _freshen(self) -> None:
        if self._clock() - self._read_at < FRESH_S or self._clock() < self._silent_until:
            return
        reading = self._reading
        if reading is None or reading.done():
            reading = self._start_reading()
        await asyncio.wait([reading], timeout=PATIENCE_S)
        if not reading.done() or reading.exception() is not None:
            self._silent_until = self._clock() + RETRY_S

    def _start_reading(self) -> "asyncio.Task[None]":
        self._reading = asyncio.create_task(self._read())
        self._reading.add_done_callback(_log_failure)
        return self._reading

    async def _read(self) -> None:
        begun = self._clock()
        version = await self._store.version()
        if version != self._version:
            stored = await self._store.keys()
            self._known = {
                bytes.fromhex(each.key.sha256): _Known(principal_of(each.key), each.expires_at) for each in stored
            }
            self._version = version
            self._warn_of_equal_ids()
        self._read_at = begun
        self._silent_until = -float("inf")

    def _warn_of_equal_ids(self) -> None:
        """Log ids that two keys have: they share logs, limits and audit events."""
        of_settings = {each.id for each in self.source.entries()}
        if twice := sorted({each.principal.id for each in self._known.values()} & of_settings):
            log.warning("key_ids_twice", ids=twice[:10], count=len(twice))


def _log_failure(reading: "asyncio.Task[None]") -> None:
    if reading.cancelled():
        return
    error = reading.exception()
    if isinstance(error, Unavailable):
        log.warning("registry_keys_not_read", error=str(error))
    elif error is not None:
        log.error("registry_keys_not_read", exc_info=error)
