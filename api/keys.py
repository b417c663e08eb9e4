"""API keys, stored as hashes, each with a role and the collections that it may access."""

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol

import msgspec
import structlog

from api.clients import is_loopback
from phoserve.documents.access import READERS, UNRESTRICTED, Audience, validate_access
from phoserve.errors import ConfigurationError, InvalidInput

KEY_PREFIX: Final = "pho_"
ALL_COLLECTIONS: Final = "*"
LOOK_AGAIN_S: Final = 1.0

log = structlog.get_logger(__name__)


class Role(StrEnum):
    """The role of a key. Each role includes the permissions of those before it."""

    READER = "reader"
    WRITER = "writer"
    ADMIN = "admin"

    def includes(self, other: "Role") -> bool:
        """Return whether this role includes `other`."""
        order = list(Role)
        return order.index(self) >= order.index(other)


class ApiKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of the key file. The key has 256 random bits, so a plain hash of it cannot be guessed back."""

    id: str
    sha256: str
    role: Role = Role.READER
    collections: tuple[str, ...] = (ALL_COLLECTIONS,)
    groups: tuple[str, ...] = ()
    """The key sees documents of these groups too; a key of an administrator sees all."""


@dataclass(frozen=True, slots=True)
class Principal:
    """The sender of a request."""

    id: str
    role: Role
    collections: frozenset[str] = frozenset({ALL_COLLECTIONS})
    audience: Audience = READERS
    """What it may see of these collections."""

    def may_touch(self, collection: str) -> bool:
        """Return whether the key may access this collection."""
        return ALL_COLLECTIONS in self.collections or collection in self.collections


class KeyRing(Protocol):
    """A set of API keys."""

    @property
    def is_open(self) -> bool:
        """Whether access needs no key."""
        ...

    def principal(self, key: str | None) -> Principal | None:
        """Return the principal of a key, None for an unknown one."""
        ...


class AnonymousAccess:
    """No keys: every client that reaches the port has full access, so the API may only listen on loopback."""

    is_open = True

    def principal(self, key: str | None) -> Principal | None:  # noqa: ARG002
        return Principal("anonymous", Role.ADMIN, audience=UNRESTRICTED)


class FixedKeys:
    """Keys that do not change while the process runs."""

    is_open = False

    def __init__(self, keys: tuple[ApiKey, ...]) -> None:
        self._keys = [(bytes.fromhex(key.sha256), principal_of(key)) for key in keys]

    def principal(self, key: str | None) -> Principal | None:
        """Compare with every key in constant time, so that timing reveals nothing."""
        presented = hashlib.sha256((key or "").encode()).digest()
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
    _seen: tuple[int, int] = (0, 0)
    _look_at: float = 0.0

    def __post_init__(self) -> None:
        self._seen = self._stamp()
        self._keys = FixedKeys(parse_keys(self.path.read_bytes(), str(self.path)))

    def principal(self, key: str | None) -> Principal | None:
        if time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + LOOK_AGAIN_S
            self._refresh()
        return self._keys.principal(key)

    def _refresh(self) -> None:
        try:
            stamp = self._stamp()
            self.is_readable = True
            if stamp == self._seen:
                return
            self._keys = FixedKeys(parse_keys(self.path.read_bytes(), str(self.path)))
            self._seen = stamp
            log.info("keys_reloaded", path=str(self.path))
        except (ConfigurationError, OSError) as error:
            self.is_readable = False
            log.error("keys_not_reloaded", path=str(self.path), error=str(error))

    def _stamp(self) -> tuple[int, int]:
        try:
            found = self.path.stat()
        except OSError as error:
            raise ConfigurationError(f"the key file {self.path} cannot be read ({error.strerror})") from error
        return found.st_mtime_ns, found.st_size


def parse_keys(source: bytes, where: str) -> tuple[ApiKey, ...]:
    """The keys of a JSON list such as `[{"id": "app", "sha256": "...", "role": "reader", "collections": ["kb"]}]`.

    Raises ConfigurationError.
    """
    try:
        keys = msgspec.json.decode(source, type=tuple[ApiKey, ...])
        if any(len(bytes.fromhex(key.sha256)) != hashlib.sha256().digest_size for key in keys):
            raise ValueError("sha256 is 64 hex digits")
        for key in keys:
            validate_access(key.groups, field="groups")
    except (msgspec.DecodeError, ValueError, InvalidInput) as error:
        raise ConfigurationError(f"{where} is not a list of keys: {error}; see docs/api.md") from error
    if len({key.id for key in keys}) < len(keys):
        raise ConfigurationError(f"{where} holds an id twice; give every key an id of its own")
    return keys


def new_key(
    key_id: str, role: Role, collections: tuple[str, ...] = (ALL_COLLECTIONS,), groups: tuple[str, ...] = ()
) -> tuple[str, ApiKey]:
    """Return a new secret, which is shown once, and the entry to store. Raises InvalidInput for an unusable group."""
    secret = KEY_PREFIX + secrets.token_urlsafe(32)
    digest = hashlib.sha256(secret.encode()).hexdigest()
    access = validate_access(groups, field="groups")
    return secret, ApiKey(id=key_id, sha256=digest, role=role, collections=collections, groups=access)


def check_bind(host: str, keys: KeyRing) -> None:
    """Raise ConfigurationError where `host` is reachable from other machines and no key guards it."""
    if keys.is_open and not is_loopback(host):
        raise ConfigurationError(
            f"listening on {host} would let everyone on the network in, because there are no API keys: "
            "set PHOSERVE_KEYS__FILE (see docs/api.md), or listen on 127.0.0.1"
        )
