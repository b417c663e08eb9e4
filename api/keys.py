"""API keys, stored as hashes, each with a role and the collections that it may access."""

import hashlib
import hmac
import stat
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import msgspec
import structlog

from api.clients import is_loopback
from phoserve.administration.keys import ALL_COLLECTIONS, ApiKey, Role, digest_of, new_key
from phoserve.documents.access import READERS, UNRESTRICTED, Audience, validate_access
from phoserve.errors import ConfigurationError, InvalidInput

__all__ = [
    "ALL_COLLECTIONS",
    "AnonymousAccess",
    "ApiKey",
    "FixedKeys",
    "KeyFile",
    "KeyRing",
    "KeySource",
    "Principal",
    "Role",
    "check_bind",
    "new_key",
    "parse_keys",
    "principal_of",
]
LOOK_AGAIN_S: Final = 1.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Principal:
    """The sender of a request."""

    id: str
    role: Role
    collections: frozenset[str] = frozenset({ALL_COLLECTIONS})
    audience: Audience = READERS
    """What it may see of these collections."""

    @property
    def touches_all(self) -> bool:
        """Whether the key may access every collection."""
        return ALL_COLLECTIONS in self.collections

    def may_touch(self, collection: str) -> bool:
        """Return whether the key may access this collection."""
        return self.touches_all or collection in self.collections


class KeyRing(Protocol):
    """A set of API keys."""

    @property
    def is_open(self) -> bool:
        """Whether access needs no key."""
        ...

    async def find(self, key: str | None) -> Principal | None:
        """Return the principal of a key, None for an unknown one."""
        ...


class KeySource(KeyRing, Protocol):
    """Keys that do not come from the registry."""

    def principal(self, key: str | None) -> Principal | None:
        """Return the principal of a key, None for an unknown one."""
        ...

    def entries(self) -> Sequence[ApiKey]:
        """Return what is known of all keys."""
        ...


class AnonymousAccess:
    """No keys: every client that reaches the port has full access, so the API may only listen on loopback."""

    is_open = True

    async def find(self, key: str | None) -> Principal | None:
        return self.principal(key)

    def principal(self, key: str | None) -> Principal | None:  # noqa: ARG002
        return Principal("anonymous", Role.ADMIN, audience=UNRESTRICTED)

    def entries(self) -> Sequence[ApiKey]:
        return ()


class FixedKeys:
    """Keys that do not change while the process runs."""

    is_open = False

    def __init__(self, keys: tuple[ApiKey, ...]) -> None:
        self._entries = keys
        self._keys = [(bytes.fromhex(key.sha256), principal_of(key)) for key in keys]

    async def find(self, key: str | None) -> Principal | None:
        return self.principal(key)

    def entries(self) -> Sequence[ApiKey]:
        return self._entries

    def principal(self, key: str | None) -> Principal | None:
        """Compare with every key in constant time, so that timing reveals nothing."""
        if not key:
            return None
        presented = digest_of(key)
        found = None
        for digest, principal in self._keys:
            if hmac.compare_digest(digest, presented):
                found = principal
        return found


def principal_of(key: ApiKey) -> Principal:
    """Return the principal of an entry. Raises InvalidInput for an unusable group."""
    groups = frozenset(validate_access(key.groups, field="groups"))
    audience = Audience(groups, sees_all=key.role is Role.ADMIN)
    return Principal(key.id, key.role, frozenset(key.collections), audience)


@dataclass(slots=True)
class KeyFile:
    """Keys of a JSON file, read again when it changes; an empty list admits no key, a broken file changes nothing."""

    path: Path
    is_open: bool = False
    is_readable: bool = True
    """Whether the file could be read the last time; while it cannot, the last keys stay in force."""
    _keys: FixedKeys = field(init=False)
    _seen: tuple[int, ...] = ()
    _look_at: float = 0.0

    def __post_init__(self) -> None:
        self._seen = self._stamp()
        self._keys = self._read()

    async def find(self, key: str | None) -> Principal | None:
        return self.principal(key)

    def principal(self, key: str | None) -> Principal | None:
        self._look_again()
        return self._keys.principal(key)

    def entries(self) -> Sequence[ApiKey]:
        self._look_again()
        return self._keys.entries()

    def _look_again(self) -> None:
        if time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + LOOK_AGAIN_S
            self._refresh()

    def _refresh(self) -> None:
        try:
            stamp = self._stamp()
            self.is_readable = True
            if stamp == self._seen:
                return
            self._keys = self._read()
            self._seen = stamp
            log.info("keys_reloaded", path=str(self.path))
        except ConfigurationError as error:
            self.is_readable = False
            log.error("keys_not_reloaded", path=str(self.path), error=str(error))

    def _read(self) -> FixedKeys:
        try:
            return FixedKeys(parse_keys(self.path.read_bytes(), str(self.path)))
        except OSError as error:
            raise ConfigurationError(f"the key file {self.path} cannot be read ({error.strerror})") from error

    def _stamp(self) -> tuple[int, ...]:
        """Return what differs after a change; other content may have the same size and time of modification."""
        try:
            found = self.path.stat()
        except OSError as error:
            raise ConfigurationError(f"the key file {self.path} cannot be read ({error.strerror})") from error
        if not stat.S_ISREG(found.st_mode):  # a pipe would be waited for without end
            raise ConfigurationError(f"the key file {self.path} cannot be read (it is not a regular file)")
        return found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_size


def parse_keys(source: bytes, where: str) -> tuple[ApiKey, ...]:
    """The keys of a JSON list such as `[{"id": "app", "sha256": "...", "role": "reader", "collections": ["kb"]}]`.

    Raises ConfigurationError.
    """
    try:
        keys = msgspec.json.decode(source, type=tuple[ApiKey, ...])
        if any(len(bytes.fromhex(key.sha256)) != hashlib.sha256().digest_size for key in keys):
            raise ValueError("sha256 is 64 hex digits")
        if any(bytes.fromhex(key.sha256) == digest_of("") for key in keys):
            raise ValueError("a sha256 is that of an empty key; the variable with the key was not set")
        for key in keys:
            validate_access(key.groups, field="groups")
    except (msgspec.DecodeError, ValueError, RecursionError, InvalidInput) as error:
        raise ConfigurationError(f"{where} is not a list of keys: {error}; see docs/api.md") from error
    if len({key.id for key in keys}) < len(keys):
        raise ConfigurationError(f"{where} holds an id twice; give every key an id of its own")
    return keys


def check_bind(host: str, keys: KeyRing) -> None:
    """Raise ConfigurationError where `host` is reachable from other machines and no key guards it."""
    if keys.is_open and not is_loopback(host):
        raise ConfigurationError(
            f"listening on {host} would let everyone on the network in, because there are no API keys: "
            "set PHOSERVE_KEYS__FILE or PHOSERVE_KEYS__REQUIRED (see docs/api.md), or listen on 127.0.0.1"
        )
