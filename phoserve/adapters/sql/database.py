"""Run transactions on SQLite or PostgreSQL from an event loop.

A transaction is a plain function of a SQLAlchemy connection. SQLite runs it on a thread: the only writer has one of its
own and commits what several callers wrote together, so that they share one flush of the disk. PostgreSQL runs it on a
pooled connection.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import msgspec
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    DBAPIError,
    DisconnectionError,
    NoSuchModuleError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from phoserve.concurrency.batcher import Batcher
from phoserve.documents.filters import moment_us, title_key, title_words
from phoserve.errors import ConfigurationError, Unavailable

T = TypeVar("T")
Work = Callable[[Connection], T]

SQLITE_READERS: Final = 4
SQLITE_LOCK_TIMEOUT_S: Final = 10.0
_SQLITE_PRAGMAS: Final = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "wal_autocheckpoint=4000",  # pages: a new document changes a few dozen, and a checkpoint flushes twice
    "foreign_keys=ON",
    "cache_size=-32768",
)
WORK_PER_COMMIT: Final = 64
ATTEMPTS: Final = 3
CANCEL_TIMEOUT_S: Final = 6.0
"""A little more than the driver waits for the server to cancel a statement."""
_RETRIED: Final = {"40001", "40P01"}
"""Serialization failure and deadlock: the transaction may succeed when repeated."""
_MOVED: Final = {"25006"}
"""Read-only: the server is no longer the primary, so connections to it are of no use."""
_NOT_RESPONDING: Final = ("08", "53", "57", "58")
"""Classes of PostgreSQL's error codes: connection, resources, operator intervention, system."""
_FAULTS: Final = (
    (
        ("28000", "28P01"),
        ("authentication failed", "no pg_hba.conf entry", "no password supplied", "certificate", "not support SSL"),
        "refuses the connection; check user, password and TLS in PHOSERVE_REGISTRY__URL",
    ),
    (("3D000",), ("does not exist",), "has no such database or user; check PHOSERVE_REGISTRY__URL"),
    (
        ("53300",),
        ("too many",),
        "has no connections left; raise its max_connections or lower PHOSERVE_REGISTRY__POOL_SIZE",
    ),
    (("53100",), (), "has no disk space left"),
    (("57014",), (), "took too long for a statement"),
    (("57P03",), ("starting up", "shutting down", "recovery mode"), "is starting, stopping or in recovery"),
    (
        ("25006",),
        ("read-only",),
        "is read-only at this address, as a standby or a former primary is; list all hosts in PHOSERVE_REGISTRY__URL, "
        "with target_session_attrs=read-write",
    ),
    (("42501",), (), "denies the role of PHOSERVE_REGISTRY__URL the rights to the registry's tables"),
    (
        ("42P01", "42703", "42883"),
        (),
        "has the registry's schema of another release: run `phoserve migrate`, or deploy that release",
    ),
)
"""Codes, words of messages without one, and the sentence for each."""


@dataclass(frozen=True, slots=True)
class DatabaseOptions:
    """Limits of a PostgreSQL connection pool."""

    pool_size: int = 10
    timeout_s: float = 10.0
    """For one transaction, including the wait for a connection."""
    connect_timeout_s: float = 5.0
    """For one host; less where the time limit would not leave as much for each of the hosts."""
    password_file: Path | None = None
    """Read for every new connection, in place of the URL's password."""


class Database(Protocol):
    """Runs functions in transactions. Both methods raise Unavailable while the database does not respond."""

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        ...

    async def read(self, work: Work[T]) -> T:
        """Return the result of `work`, which changes nothing."""
        ...

    async def write(self, work: Work[T]) -> T:
        """Return the result of `work` once it is committed; an exception in it rolls it back.

        `work` may run several times.
        """
        ...

    async def close(self) -> None: ...


def open_database(url: str, options: DatabaseOptions | None = None) -> Database:
    """Open the database at `sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST/NAME`; nothing is sent yet.

    Raises ConfigurationError for any other URL.
    """
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite":
        return SqliteDatabase(Path(parsed.database or ""))
    return PostgresDatabase(parsed, options or DatabaseOptions())


def parse_url(url: str) -> URL:
    """Parse the URL of a registry, with the driver that is used. Raises ConfigurationError without the password."""
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except (ArgumentError, NoSuchModuleError, ValueError):
        parsed, backend = None, ""
    if parsed is None or backend not in {"sqlite", "postgresql"} or not parsed.database:
        raise ConfigurationError(
            "the registry's URL is postgresql://USER:PASSWORD@HOST:5432/NAME, or sqlite:///FILE on one machine; "
            "check PHOSERVE_REGISTRY__URL"
        )
    return parsed.set(drivername="sqlite" if backend == "sqlite" else "postgresql+psycopg")


class SqliteDatabase:
    """A file, in WAL mode and flushed at every commit: what was committed survives a power cut."""

    dialect = "sqlite"

    def __init__(self, file: Path) -> None:
        self._file = file
        self._writer = sqlite_engine(file, begin="BEGIN IMMEDIATE")
        self._reader = sqlite_engine(file, begin="BEGIN")
        self._writing = ThreadPoolExecutor(1, "registry-writer")
        self._reading = ThreadPoolExecutor(SQLITE_READERS, "registry-reader")
        self._commit: Batcher[Work[Any], _Outcome] = Batcher(self._write_together, max_items=WORK_PER_COMMIT)
        self._identity: tuple[int, int] | None = None
        """Of the file, as the first transaction found it."""

    async def read(self, work: Work[T]) -> T:
        def read() -> T:
            with _sqlite_errors(), self._reader.begin() as connection:
                return work(connection)

        return await asyncio.get_running_loop().run_in_executor(self._reading, read)

    async def write(self, work: Work[T]) -> T:
        [outcome] = await self._commit([work])
        if outcome.error is not None:
            raise outcome.error
        result: T = outcome.value
        return result

    async def close(self) -> None:
        """Wait for running transactions and close the file."""
        for executor in (self._writing, self._reading):
            await asyncio.to_thread(executor.shutdown)
        for engine in (self._reader, self._writer):
            await asyncio.to_thread(engine.dispose)

    async def _write_together(self, works: Sequence[Work[Any]]) -> "list[_Outcome]":
        return await asyncio.get_running_loop().run_in_executor(self._writing, self._run_all, works)

    def _run_all(self, works: Sequence[Work[Any]]) -> "list[_Outcome]":
        """Run all in one transaction; one that fails is rolled back alone."""
        if len(works) == 1:
            return [self._run(works[0])]
        with self._begin_writing() as connection:
            return [_outcome(connection, work) for work in works]

    def _run(self, work: Work[Any]) -> "_Outcome":
        try:
            with self._begin_writing() as connection:
                return _Outcome(work(connection))
        except Unavailable:
            raise
        except Exception as error:
            return _Outcome(error=error)

    @contextlib.contextmanager
    def _begin_writing(self) -> Iterator[Connection]:
        with _sqlite_errors(), self._writer.begin() as connection:
            yield connection
            self._check_place()

    def _check_place(self) -> None:
        """Raise Unavailable if the file was removed, moved or replaced: what is committed to it would not be found."""
        with contextlib.suppress(FileNotFoundError):
            found = self._file.stat()
            self._identity = self._identity or (found.st_dev, found.st_ino)
            if self._identity == (found.st_dev, found.st_ino):
                return
        raise Unavailable(
            "registry",
            f"the registry's file {self._file} was removed, moved or replaced while in use: put it back, or stop "
            "the platform and start it with the state folder of your choice",
        )


@dataclass(frozen=True, slots=True)
class _Outcome:
    value: Any = None
    error: Exception | None = None


def _outcome(connection: Connection, work: Work[Any]) -> _Outcome:
    try:
        with connection.begin_nested():
            return _Outcome(work(connection))
    except Exception as error:
        if is_of_the_file(error):
            raise
        return _Outcome(error=error)


class PostgresDatabase:
    """A PostgreSQL server, through a pool of connections."""

    dialect = "postgresql"

    def __init__(self, url: URL, options: DatabaseOptions) -> None:
        self._options = options
        self._engine: AsyncEngine = create_async_engine(
            url,
            pool_size=options.pool_size,
            max_overflow=0,
            pool_timeout=options.timeout_s / 2,
            pool_recycle=1800,
            pool_use_lifo=True,
            connect_args=connect_arguments(url, options),
            **_JSON_CODEC,
        )
        prepare_connections(self._engine.sync_engine, options)
        self._generation = 0
        """Of connections: those of an earlier one are replaced before they are used."""
        event.listen(self._engine.sync_engine, "connect", self._stamp)
        event.listen(self._engine.sync_engine, "checkout", self._refuse_old)
        self._reader = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._abandoned: set[asyncio.Task[Any]] = set()

    async def read(self, work: Work[T]) -> T:
        async def attempt() -> T:
            async with self._reader.connect() as connection:
                return await connection.run_sync(work)

        return await self._retried(attempt, _Progress())

    async def write(self, work: Work[T]) -> T:
        progress = _Progress()

        async def attempt() -> T:
            async with self._engine.connect() as connection:
                async with connection.begin() as transaction:
                    result = await connection.run_sync(work)
                    progress.is_committing = True
                    await transaction.commit()
                return result

        return await self._retried(attempt, progress)

    async def close(self) -> None:
        """Close all connections."""
        if self._abandoned:
            await asyncio.wait(set(self._abandoned), timeout=CANCEL_TIMEOUT_S)
        await self._engine.dispose()

    async def _retried(self, attempt: Callable[[], Awaitable[T]], progress: "_Progress") -> T:
        """Return the attempt's result within the time limit, repeating what failed before its commit was sent.

        Whether a commit that was not answered took place is unknown: the caller gets Unavailable.
        """
        task = asyncio.create_task(self._attempts(attempt, progress))
        try:
            await asyncio.wait({task}, timeout=self._options.timeout_s)
            if not task.done():
                self._generation += 1  # a firewall may have dropped the other connections just as silently
                raise _unanswered(self._options)
            return task.result()
        except DBAPIError as error:
            raise _translated(error) from error
        except PoolTimeoutError as error:
            raise Unavailable(
                "registry", f"all {self._options.pool_size} connections to PostgreSQL are in use; try again"
            ) from error
        except (TimeoutError, OSError) as error:
            raise _unanswered(self._options) from error
        finally:
            if not task.done():
                self._abandon(task)

    async def _attempts(self, attempt: Callable[[], Awaitable[T]], progress: "_Progress") -> T:
        for remaining in reversed(range(ATTEMPTS)):
            try:
                return await attempt()
            except DBAPIError as error:
                if progress.is_committing or not remaining or not self._may_succeed(error):
                    raise
        raise AssertionError("unreachable")

    def _abandon(self, task: "asyncio.Task[Any]") -> None:
        """Cancel the task without waiting for it: the driver asks the server to cancel too, which may not respond."""
        task.cancel()
        self._abandoned.add(task)
        task.add_done_callback(self._abandoned.discard)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())

    def _stamp(self, _connection: Any, record: ConnectionPoolEntry) -> None:
        record.info["generation"] = self._generation

    def _refuse_old(self, _connection: Any, record: ConnectionPoolEntry, _proxy: PoolProxiedConnection) -> None:
        """Have the pool replace a connection of an earlier generation."""
        if record.info.get("generation") != self._generation:
            raise DisconnectionError

    def _may_succeed(self, error: DBAPIError) -> bool:
        state = sql_state(error)
        if state in _MOVED:
            self._generation += 1
        # A connection that was cut: SQLAlchemy has dropped the others that are as old, so the next one is new.
        return error.connection_invalidated or state in _RETRIED | _MOVED


@dataclass(slots=True)
class _Progress:
    is_committing: bool = False


def connect_arguments(url: URL, options: DatabaseOptions) -> dict[str, Any]:
    """Return libpq's parameters: no connection hangs longer than the options allow."""
    timeout_ms = round(options.timeout_s * 1000)
    hosts = sum(each.count(",") + 1 for each in url.normalized_query.get("host", ("",)))
    return {
        "connect_timeout": max(2, int(min(options.connect_timeout_s, options.timeout_s / hosts))),
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": timeout_ms,
        "application_name": "phoserve",
    }


def prepare_connections(engine: Engine, options: DatabaseOptions) -> None:
    """Limit the time of statements and of idle transactions of the engine's new connections; read their password.

    Where a pooler such as PgBouncer may give every transaction another session, nothing is kept in a session: neither
    these limits nor prepared statements, whose names would be those of other clients' statements.
    """
    timeout_ms = f"{round(options.timeout_s * 1000)}"
    file = options.password_file
    if file is not None:

        @event.listens_for(engine, "do_connect")
        def read_password(_dialect: Any, _record: Any, _arguments: Any, parameters: dict[str, Any]) -> None:
            parameters["password"] = password_of(file)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, record: ConnectionPoolEntry) -> None:
        session: Any = record.driver_connection
        cursor = connection.cursor()
        cursor.execute("SELECT pg_backend_pid()")
        if cursor.fetchone()[0] == session.info.backend_pid:
            for name in ("statement_timeout", "idle_in_transaction_session_timeout"):
                cursor.execute("SELECT set_config(%s, %s, false)", (name, timeout_ms))
        else:
            session.prepare_threshold = None
        cursor.close()
        connection.commit()


def password_of(file: Path) -> str:
    """Return the password in a file. Raises Unavailable."""
    try:
        return file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeError) as error:
        raise Unavailable("registry", f"the password file of PostgreSQL, {file}, cannot be read: {error}") from error


def _encode_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def decode_json(text: str) -> Any:
    """Return the JSON value in `text`, or the text itself if it is no JSON: no column of ours holds a bare string."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return text


_JSON_CODEC: Final[dict[str, Any]] = {"json_serializer": _encode_json, "json_deserializer": decode_json}


def sqlite_engine(file: Path, *, begin: str) -> Engine:
    """Return an engine whose transactions start with the statement `begin`."""
    engine = create_engine(
        f"sqlite:///{file}",
        pool_size=SQLITE_READERS,
        connect_args={"timeout": SQLITE_LOCK_TIMEOUT_S, "check_same_thread": False},
        **_JSON_CODEC,
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # `start` begins transactions
        connection.text_factory = _decode_text
        for pragma in _SQLITE_PRAGMAS:
            connection.execute(f"PRAGMA {pragma}").close()
        connection.create_function("phoserve_moment_us", 1, _moment_us, deterministic=True)
        connection.create_function("phoserve_title_key", 1, _title_key, deterministic=True)
        connection.create_function("phoserve_title_words", 1, _title_words, deterministic=True)

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _decode_text(text: bytes) -> str:
    """Return the text, with surrogates for bytes that are not UTF-8: one damaged row is read like its neighbours."""
    return text.decode("utf-8", "surrogateescape")


def _title_key(title: bytes) -> str:
    return title_key(title.decode(errors="replace"))


def _title_words(title: bytes) -> str:
    return "  ".join(title_words(title.decode(errors="replace")))


def _moment_us(value: bytes | None) -> int | None:
    return None if value is None else moment_us(value.decode(errors="replace"))


@contextlib.contextmanager
def _sqlite_errors() -> Iterator[None]:
    try:
        yield
    except DatabaseError as error:
        if not is_of_the_file(error):
            raise
        raise Unavailable("registry", sqlite_fault(error)) from error


def is_of_the_file(error: Exception) -> bool:
    """Return whether SQLite cannot use its file, whatever the statement."""
    return isinstance(error, OperationalError) or type(error) is DatabaseError


def sqlite_fault(error: DBAPIError) -> str:
    """Return a sentence about a file that is locked, full, read-only or damaged."""
    if isinstance(error, OperationalError):
        return f"the registry's file cannot be used: {error.orig}"
    return (
        f"the registry's file is damaged ({error.orig}): stop the platform and restore the state folder from a backup, "
        "or recover what can be read with `sqlite3 FILE .recover`"
    )


def sql_state(error: DBAPIError) -> str:
    """Return PostgreSQL's code of the error, "" without one."""
    return str(getattr(error.orig, "sqlstate", None) or "")


def _unanswered(options: DatabaseOptions) -> Unavailable:
    return Unavailable("registry", f"PostgreSQL does not respond within {options.timeout_s:g} s")


def _translated(error: DBAPIError) -> Exception:
    state = sql_state(error)
    is_connecting = not state and isinstance(error, OperationalError)  # libpq has no code for these
    for states, words, sentence in _FAULTS:
        if state in states or (is_connecting and any(each in str(error.orig) for each in words)):
            return Unavailable("registry", f"PostgreSQL {sentence}")
    is_away = is_connecting or error.connection_invalidated or state in _RETRIED | _MOVED
    if is_away or state.startswith(_NOT_RESPONDING):
        return Unavailable("registry", "PostgreSQL does not respond")
    return error
