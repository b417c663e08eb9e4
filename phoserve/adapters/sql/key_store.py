"""API keys in the registry's database."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import structlog
from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from phoserve.adapters.sql.database import Database
from phoserve.adapters.sql.rows import microseconds, moment_of
from phoserve.adapters.sql.tables import api_keys
from phoserve.administration.keys import MAX_KEYS, ApiKey, StoredKey
from phoserve.documents.access import validate_access
from phoserve.errors import Conflict, InvalidInput

_VALID: Final = select(api_keys).where(api_keys.c.revoked_us.is_(None)).order_by(api_keys.c.sequence)
_VERSION: Final = select(func.count(), func.count(api_keys.c.revoked_us)).select_from(api_keys)

log = structlog.get_logger(__name__)


class SqlKeyStore:
    """A `KeyStore` that processes share through a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, key: StoredKey) -> None:
        """Store a key. Raises Conflict if a valid one has its id, or if there are `MAX_KEYS`."""
        row = {
            "id": key.key.id,
            "sha256": key.key.sha256,
            "role": key.key.role.value,
            "collections": list(key.key.collections),
            "groups": list(key.key.groups),
            "created_us": microseconds(key.created_at),
            "created_by": key.created_by,
            "expires_us": None if key.expires_at is None else microseconds(key.expires_at),
        }

        def write(connection: Connection) -> None:
            added, revoked = connection.execute(_VERSION).one()
            if added - revoked >= MAX_KEYS:
                raise Conflict(f"there are {MAX_KEYS} keys already; revoke those that are not needed")
            try:
                with connection.begin_nested():
                    connection.execute(insert(api_keys), row)
            except IntegrityError:
                raise Conflict(f"the key id {key.key.id!r} is taken; choose another one") from None

        await self._database.write(write)

    async def revoke(self, key_id: str, *, by: str) -> bool:
        """Revoke the valid key of this id for good; False if there is none."""
        statement = (
            update(api_keys)
            .where(api_keys.c.id == key_id, api_keys.c.revoked_us.is_(None))
            .values(revoked_us=microseconds(datetime.now(UTC)), revoked_by=by)
        )
        return await self._database.write(lambda connection: bool(connection.execute(statement).rowcount))

    async def keys(self) -> Sequence[StoredKey]:
        """Return the keys that are not revoked, the oldest first. One that cannot be read is not valid."""
        rows = await self._database.read(lambda connection: connection.execute(_VALID).mappings().all())
        return [key for row in rows if (key := _key_of(row)) is not None]

    async def version(self) -> tuple[int, int]:
        """Return how many keys were added and how many revoked, ever."""
        added, revoked = await self._database.read(lambda connection: connection.execute(_VERSION).one())
        return added, revoked


def _key_of(row: Mapping[Any, Any]) -> StoredKey | None:
    fields = {name: row[name] for name in ("id", "sha256", "role", "collections", "groups")}
    try:
        bytes.fromhex(row["sha256"])
        validate_access(row["groups"])
        return StoredKey(
            key=msgspec.convert(fields, ApiKey),
            created_at=moment_of(row["created_us"]),
            created_by=row["created_by"],
            expires_at=None if row["expires_us"] is None else moment_of(row["expires_us"]),
        )
    except (msgspec.ValidationError, InvalidInput, TypeError, ValueError, OverflowError) as error:
        log.error("key_unreadable", key=str(row["id"]), error=str(error))
        return None
