"""The version of the registry's schema: migrate it, or refuse to work with another one."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError, InternalError, OperationalError

from phoserve.adapters.sql.database import (
    Database,
    DatabaseOptions,
    connect_arguments,
    is_of_the_file,
    parse_url,
    prepare_connections,
    sql_state,
    sqlite_engine,
    sqlite_fault,
)
from phoserve.adapters.sql.key_search import count_unkeyed, fill_keys
from phoserve.adapters.sql.tables import UNKEYED, UNKEYED_INDEX, tables
from phoserve.errors import ConfigurationError, Unavailable

_MIGRATIONS: Final = Path(__file__).parent / "migrations"
MIGRATION_TIMEOUT_S: Final = 3600.0
WAIT_S: Final = 1.0
LOCK_TIMEOUT_S: Final = 2.0
"""How long a migration waits for a table that others use. Their next statements wait behind it: it gives up first."""
_LOCK: Final = 7_245_001_962
"""Of PostgreSQL's advisory locks: one process migrates, the others wait."""
_INDEX_LOCK: Final = _LOCK + 1
_IS_VALID: Final = text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)")
_BUILT_ONLINE: Final = {
    "documents_access": "documents (collection_id, access_key, sequence)",
    "documents_access_due": "documents (access_due_us) WHERE access_due_us IS NOT NULL",
    UNKEYED_INDEX: f"documents (collection_id, sequence) WHERE {UNKEYED}",
}
"""Indexes of tables that may be large when they are migrated, on PostgreSQL."""
_HOLDER: Final = text(
    "SELECT pid, application_name, extract(epoch FROM now() - xact_start)::bigint AS age_s "
    "FROM pg_locks JOIN pg_stat_activity USING (pid) "
    "WHERE granted AND pid <> pg_backend_pid() AND pg_locks.database = "
    "(SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND relation = ANY (SELECT to_regclass(unnest(CAST(:names AS text[])))) ORDER BY xact_start NULLS LAST LIMIT 1"
)
"""The session whose transaction has used one of these tables for the longest time."""
_LOCKED, _DEADLOCK, _DENIED = "55P03", "40P01", "42501"
Seen = Callable[[int, int], None]

log = structlog.get_logger(__name__)


def newest_version() -> str:
    """Return the schema version that this release works with."""
    return str(ScriptDirectory(str(_MIGRATIONS)).get_current_head())


async def check_schema(database: Database) -> None:
    """Check that the database has this release's schema. Raises ConfigurationError, Unavailable."""
    found = await database.read(_version)
    wanted = newest_version()
    if found == wanted:
        return
    _refuse_newer(found)
    raise ConfigurationError(
        f"the registry's schema is at version {found or 'none'}, this release needs {wanted}: run `phoserve migrate`"
    )


async def wait_for_schema(database: Database) -> None:
    """Wait until the database responds, then check its schema. Raises ConfigurationError."""
    while True:
        try:
            return await check_schema(database)
        except Unavailable as error:
            log.warning("waiting_for_registry", error=str(error))
            await asyncio.sleep(WAIT_S)


async def migrate(url: str, seen: Seen | None = None) -> tuple[str | None, str]:
    """Bring the schema to this release's version and return the versions before and after.

    `seen` is called from another thread with the number of documents that a migration has rewritten and their total.
    On PostgreSQL the keys of documents are filled afterwards, also those of documents that an older release wrote since
    the last time, in transactions of their own: readers and writers continue, and what is interrupted is continued by
    the next call. Several processes may migrate at once.

    Raises ConfigurationError for a schema of a newer release or a role without the rights, Unavailable if the database
    does not respond or a long transaction, such as that of a backup, uses a table that changes: nothing has changed
    then.
    """
    return await asyncio.to_thread(migrate_now, url, seen)


def migrate_now(url: str, seen: Seen | None = None) -> tuple[str | None, str]:
    """See `migrate`."""
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _migrate_sqlite(Path(str(parsed.database)), seen)
    options = DatabaseOptions(timeout_s=MIGRATION_TIMEOUT_S)
    engine = create_engine(parsed, connect_args=connect_arguments(parsed, options))
    prepare_connections(engine, options)
    try:
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            lock_timeout = f"{round(LOCK_TIMEOUT_S * 1000)}"
            connection.execute(text("SELECT set_config('lock_timeout', :timeout, true)"), {"timeout": lock_timeout})
            before = _version(connection)
            _upgrade(connection, before, seen)
        for name, columns in _BUILT_ONLINE.items():
            _build_index(engine, name, columns)
        _fill_keys(engine, seen)
    except DBAPIError as error:
        raise _postgres_fault(error, engine) from error
    finally:
        engine.dispose()
    return before, newest_version()


def _migrate_sqlite(file: Path, seen: Seen | None) -> tuple[str | None, str]:
    file.parent.mkdir(parents=True, exist_ok=True)
    engine = sqlite_engine(file, begin="BEGIN IMMEDIATE")
    try:
        with engine.begin() as connection:
            before = _version(connection)
            _upgrade(connection, before, seen)
    except OperationalError as error:
        raise Unavailable("registry", f"the registry cannot be migrated: {error.orig}") from error
    except DBAPIError as error:
        if not is_of_the_file(error):
            raise
        raise Unavailable("registry", sqlite_fault(error)) from error
    finally:
        engine.dispose()
    return before, newest_version()


def _postgres_fault(error: DBAPIError, engine: Engine) -> Exception:
    state = sql_state(error)
    if state == _DENIED:
        return ConfigurationError(
            f"the registry cannot be migrated: {_first_line(error)}; the role in PHOSERVE_REGISTRY__URL must own the "
            "tables, and needs the right CREATE on the schema"
        )
    if state in {_LOCKED, _DEADLOCK}:
        return Unavailable(
            "registry",
            f"the registry cannot be migrated while {_find_holder(engine)} uses its tables; nothing was changed: "
            "try again when that transaction, for example of a backup, has ended",
        )
    if isinstance(error, OperationalError | InternalError):
        return Unavailable("registry", f"the registry cannot be migrated: {_first_line(error)}")
    return error


def _find_holder(engine: Engine) -> str:
    """Return in words who uses the tables."""
    try:
        with engine.connect() as connection:
            found = connection.execute(_HOLDER, {"names": list(tables.tables)}).first()
    except DBAPIError:
        found = None
    if found is None:
        return "another session"
    age = "" if found.age_s is None else f", {found.age_s} s old"
    return f"a transaction of {found.application_name or 'another program'} (server process {found.pid}{age})"


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).partition("\n")[0]


def _build_index(engine: Engine, name: str, columns: str) -> None:
    """Build an index while others write: a plain CREATE INDEX would lock them out for its whole time.

    An index that an interrupted call left invalid is built again.
    """
    with engine.connect() as holder, engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if connection.execute(_IS_VALID, {"name": name}).scalar():
            return
        # Polled: the index waits for all statements, and so for one that waits for the lock. The lock is a
        # transaction's, as a pooler such as PgBouncer gives every transaction another session.
        while not holder.execute(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": _INDEX_LOCK}).scalar():
            holder.rollback()
            time.sleep(WAIT_S)
        # It waits as long as the index takes. Another statement also ends the snapshot of the last one.
        holder.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        is_valid = connection.execute(_IS_VALID, {"name": name}).scalar()
        if is_valid is False:
            connection.execute(text(f"DROP INDEX CONCURRENTLY {name}"))
        if not is_valid:
            connection.execute(text(f"CREATE INDEX CONCURRENTLY {name} ON {columns}"))
        holder.rollback()


def _fill_keys(engine: Engine, seen: Seen | None) -> None:
    with engine.connect() as connection:
        total = count_unkeyed(connection)
    if not total:
        return
    done, after = 0, ("", 0)
    while True:
        with engine.begin() as connection:
            filled = fill_keys(connection, after)
        if filled is None:
            break
        done, after = done + filled[0], filled[1]
        if seen:
            seen(done, max(done, total))
    with engine.begin() as connection:
        connection.execute(text("ANALYZE filter_keys, documents"))  # a new table has no statistics to plan with


def _refuse_newer(found: str | None) -> None:
    known = {script.revision for script in ScriptDirectory(str(_MIGRATIONS)).walk_revisions()}
    if found is not None and found not in known:
        raise ConfigurationError(
            f"the registry's schema is at version {found}, which is newer than this release's {newest_version()}: "
            "deploy the newer release, or restore a backup made before the upgrade"
        )


def _version(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _upgrade(connection: Connection, found: str | None, seen: Seen | None) -> None:
    """Run the migrations after the version `found`. Raises ConfigurationError for a newer one."""
    _refuse_newer(found)
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    config.attributes["seen"] = seen
    command.upgrade(config, "head")
