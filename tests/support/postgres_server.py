"""A PostgreSQL server of one test run: Debian's package, started as an unprivileged user in a temporary folder."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Self
from uuid import uuid4

import psycopg

from tests.support.waiting import wait_until

USER: Final = "phoserve"
PASSWORD: Final = "only-for-tests"
_OPTIONS: Final = ("fsync=off", "synchronous_commit=off", "max_connections=60", "unix_socket_directories=")


def postgres_programs() -> Path | None:
    """The folder of the newest installed server's programs."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda each: int(each.parts[-3]))
    if versions:
        return versions[-1].parent
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else None


class PostgresServer:
    """A server on a free loopback port, keeping its data in `folder` from one start to the next."""

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        programs = postgres_programs()
        if programs is None:
            raise FileNotFoundError("PostgreSQL is not installed; `make test` installs Debian's package `postgresql`")
        self._programs = programs
        self._owner = _unprivileged()
        folder = folder if self._owner is None else _folder_of(self._owner)
        self._data = folder / "data"
        self._options = [] if durable else [f"-c{each}" for each in _OPTIONS]
        folder.mkdir(parents=True, exist_ok=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])

    def url(self, database: str = "postgres", *, port: int | None = None) -> str:
        """The URL of a database."""
        return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{port or self.port}/{database}"

    def start(self) -> Self:
        """Make the cluster if there is none, start it and wait until it answers."""
        if not self._data.exists():
            self._make()
        command = [str(self._programs / "postgres"), "-D", str(self._data), "-p", str(self.port), "-h", "127.0.0.1"]
        self._process = subprocess.Popen(
            [*command, "-cunix_socket_directories=", *self._options],
            user=self._owner, group=None if self._owner is None else pwd.getpwuid(self._owner).pw_gid, cwd="/",
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait_until(self._answers, timeout_s=60)
        return self

    def stop(self) -> None:
        """Stop it, cutting all connections (a fast shutdown)."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(60)

    def kill(self) -> None:
        """Kill it and its children at once."""
        for pid in self._pids():  # backends are in sessions of their own
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait(60)
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove all data."""
        shutil.rmtree(self._data.parent, ignore_errors=True)

    def pause(self) -> None:
        """Let nothing answer, without closing a connection."""
        for pid in self._pids():
            os.kill(pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let everything answer again."""
        for pid in self._pids():
            os.kill(pid, signal.SIGCONT)

    def _pids(self) -> list[int]:
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children")
        return [pid, *map(int, children.read_text().split())] if children.exists() else [pid]

    def execute(self, statement: str, database: str = "postgres") -> None:
        """Run one statement as the owner."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            connection.execute(statement.encode())

    def new_database(self) -> str:
        """Create an empty database and return its URL."""
        name = f"d{uuid4().hex}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    @contextmanager
    def standby(self, folder: Path) -> "Iterator[PostgresServer]":
        """A running copy that has every commit before it is acknowledged."""
        copy = PostgresServer(folder, durable=True)
        subprocess.run(
            [self._programs / "pg_basebackup", "-D", copy._data, "-d", self.url(), "-R", "--checkpoint=fast"],
            user=copy._owner, cwd="/", check=True, capture_output=True,
        )  # fmt: skip
        copy.start()
        self.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.execute("SELECT pg_reload_conf()")
        try:
            yield copy
        finally:
            copy.kill()
            copy.remove()

    def promote(self) -> None:
        """Make a standby the primary."""
        self.execute("SELECT pg_promote()")
        # The old primary is gone: nothing copies this one.
        self.execute("ALTER SYSTEM SET synchronous_standby_names = ''")
        self.execute("SELECT pg_reload_conf()")

    def is_standby(self) -> bool:
        """Whether it is still a copy of another server."""
        with psycopg.connect(self.url()) as connection:
            return connection.execute("SELECT pg_is_in_recovery()").fetchone() == (True,)

    def url_of_both(self, standby: "PostgresServer", database: str) -> str:
        """The URL of a database on whichever of the two can be written."""
        hosts = f"host=127.0.0.1:{self.port}&host=127.0.0.1:{standby.port}&target_session_attrs=read-write"
        return f"postgresql://{USER}:{PASSWORD}@/{database}?{hosts}"

    def _make(self) -> None:
        # initdb reads the password from a file that its user may read.
        password = self._data.parent / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        subprocess.run(
            [self._programs / "initdb", "-D", self._data, "-U", USER, "-A", "scram-sha-256", "--pwfile", password,
             "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"],
            user=self._owner, cwd="/", check=True, capture_output=True,
        )  # fmt: skip

    def _answers(self) -> bool:
        try:
            with psycopg.connect(self.url(), connect_timeout=2):
                return True
        except psycopg.OperationalError:
            return False


@contextmanager
def running_postgres(folder: Path, *, durable: bool = False) -> Iterator[PostgresServer]:
    """A server that is stopped at the end."""
    server = PostgresServer(folder, durable=durable).start()
    try:
        yield server
    finally:
        server.kill()
        server.remove()


def _folder_of(owner: int) -> Path:
    """A new folder of that user, outside pytest's: pytest keeps other users out of those, again and again."""
    folder = Path(tempfile.mkdtemp(prefix="phoserve-postgres-"))
    os.chown(folder, owner, -1)
    return folder


def _unprivileged() -> int | None:
    """The user to run as: the server refuses to run as root."""
    return pwd.getpwnam("postgres").pw_uid if os.geteuid() == 0 else None
