"""API keys: role, collections and groups of each, and where they are stored. Only hashes of the secrets are."""

import hashlib
import re
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, Protocol

import msgspec

from phoserve.documents.access import validate_access
from phoserve.errors import InvalidInput

KEY_PREFIX: Final = "pho_"
ALL_COLLECTIONS: Final = "*"
MAX_KEYS: Final = 10_000
"""Valid keys in the registry: every API process holds them all."""
MAX_COLLECTIONS: Final = 100
"""Of one key."""
_SECRET: Final = re.compile(rf"({KEY_PREFIX}[A-Za-z0-9_-]{{4}})[A-Za-z0-9_-]{{16,}}")
_KEY_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


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
    """What a key may do; one entry of the key file. The key has 256 random bits: its hash cannot be guessed back."""

    id: str
    sha256: str
    role: Role = Role.READER
    collections: tuple[str, ...] = (ALL_COLLECTIONS,)
    groups: tuple[str, ...] = ()
    """The key sees documents of these groups too; a key of an administrator sees all."""


class StoredKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key of the registry."""

    key: ApiKey
    created_at: datetime
    created_by: str
    """The id of the key that created it, or `cli`."""
    expires_at: datetime | None = None


class KeyStore(Protocol):
    """Stores keys. A key never changes: it is added and revoked. Raises Unavailable while it does not respond."""

    async def add(self, key: StoredKey) -> None:
        """Store a key. Raises Conflict if a valid one has its id, or if there are `MAX_KEYS`."""
        ...

    async def revoke(self, key_id: str, *, by: str) -> bool:
        """Revoke the valid key of this id for good; False if there is none. The id may be given to a new key."""
        ...

    async def keys(self) -> Sequence[StoredKey]:
        """Return the keys that are not revoked, the oldest first."""
        ...

    async def version(self) -> tuple[int, int]:
        """Return a value that differs after every key that was added or revoked."""
        ...


def new_key(
    key_id: str, role: Role, collections: tuple[str, ...] = (ALL_COLLECTIONS,), groups: tuple[str, ...] = ()
) -> tuple[str, ApiKey]:
    """Return a new secret, which is shown once, and the entry to store. Raises InvalidInput for an unusable group."""
    secret = KEY_PREFIX + secrets.token_urlsafe(32)
    access = validate_access(groups, field="groups")
    return secret, ApiKey(id=key_id, sha256=digest_of(secret).hex(), role=role, collections=collections, groups=access)


def digest_of(secret: str) -> bytes:
    """Return what is stored of a secret: its SHA-256."""
    return hashlib.sha256(secret.encode(errors="surrogatepass")).digest()


def hide_secrets(text: str) -> str:
    """Return `text` with its keys cut: who revokes a key by its secret must not write that into logs."""
    return _SECRET.sub(r"\1...", text) if KEY_PREFIX in text else text


def validate_key(key_id: str, collections: Sequence[str]) -> None:
    """Raise InvalidInput, with the field, for what a key of the registry cannot have; `new_key` checks its groups."""
    if not _KEY_ID.fullmatch(key_id):
        raise InvalidInput(
            "a key's id is 1 to 64 ASCII letters, digits, '.', '_', '@' or '-', and starts with a letter or digit",
            field="id",
        )
    if not 0 < len(collections) <= MAX_COLLECTIONS:
        raise InvalidInput(f"a key has 1 to {MAX_COLLECTIONS} collections, or '*' for all", field="collections")
    for position, name in enumerate(collections):
        if name != ALL_COLLECTIONS:
            _validate_name(name, field=f"collections[{position}]")


def validate_expiry(expires_at: datetime | None, now: datetime) -> datetime | None:
    """Return the time in UTC. Raises InvalidInput if it is past, or has none."""
    if expires_at is None:
        return None
    try:
        in_utc = expires_at.astimezone(UTC)
    except OverflowError:
        raise InvalidInput("expires_at is out of range", field="expires_at") from None
    if in_utc <= now:
        raise InvalidInput("expires_at is in the past", field="expires_at")
    return in_utc


def _validate_name(name: str, *, field: str) -> None:
    from phoserve.documents.collections import validate_collection_name

    try:
        validate_collection_name(name or " ")
    except InvalidInput as error:
        raise InvalidInput(str(error), field=field) from None
