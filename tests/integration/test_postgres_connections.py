"""Connections to PostgreSQL as operators make them: through a pooler, with TLS, with any password; and a full disk."""

import asyncio
import os
import pwd
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from phoserve.adapters.sql.database import DatabaseOptions, open_database
from phoserve.adapters.sql.registry import SqlRegistry
from phoserve.adapters.sql.schema import migrate, newest_version
from phoserve.composition import open_registry_database, registry_url
from phoserve.documents.collections import Collection, new_collection
from phoserve.documents.records import Document, DocumentState, Original, new_document
from phoserve.errors import Unavailable
from phoserve.settings import RegistrySettings
from tests.support.postgres_server import PASSWORD, USER, PostgresServer, running_postgres
from tests.support.waiting import wait_until

OPTIONS = DatabaseOptions(pool_size=6, timeout_s=20)
WRITERS, DOCUMENTS = 10, 12
PASSWORD_ODD = "p@ss:w/rd%#? &='\"ü"


def document(collection: Collection, id_: str) -> Document:
    original = Original(key=f"{collection.id}/{id_}", sha256="0" * 64, size_bytes=1, media_type="text/plain")
    return new_document(collection, id_, original, metadata={"text": "x" * 2000})


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    with running_postgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@contextmanager
def folder_of_the_server() -> Iterator[Path]:
    """A folder that the server's user can read and write."""
    folder = Path(tempfile.mkdtemp(prefix="phoserve-connections-"))
    if os.geteuid() == 0:
        os.chown(folder, pwd.getpwnam("postgres").pw_uid, -1)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["", "max_client_conn=200\nserver_reset_query=DISCARD ALL"])
def pooler(request: pytest.FixtureRequest, postgres: PostgresServer) -> Iterator[int]:
    """The port of a PgBouncer with fewer connections than the registry uses, a transaction at a time."""
    if shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin") is None:
        pytest.skip("PgBouncer is not installed; `make test` installs Debian's package `pgbouncer`")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with folder_of_the_server() as folder:
        (folder / "users").write_text(f'"{USER}" "{PASSWORD}"\n')
        (folder / "pgbouncer.ini").write_text(
            f"[databases]\n* = host=127.0.0.1 port={postgres.port}\n[pgbouncer]\nlisten_addr=127.0.0.1\n"
            f"listen_port={port}\nauth_type=scram-sha-256\nauth_file={folder}/users\npool_mode=transaction\n"
            f"default_pool_size=3\nunix_socket_dir=\n{request.param}\n"
        )
        for file in folder.iterdir():
            file.chmod(0o644)
        process = subprocess.Popen(
            ["/usr/sbin/pgbouncer", "--quiet", str(folder / "pgbouncer.ini")],
            user="postgres" if os.geteuid() == 0 else None,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until(lambda: is_listening(port), timeout_s=30)
            yield port
        finally:
            process.terminate()
            process.wait()


def is_listening(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


async def test_a_pooler_that_gives_every_transaction_another_session(pooler: int, postgres: PostgresServer) -> None:
    direct = postgres.new_database()
    url = direct.replace(f":{postgres.port}/", f":{pooler}/")
    assert await migrate(url) == (None, newest_version())
    registry = SqlRegistry(open_database(url, OPTIONS))
    kb = await registry.add_collection(new_collection("kb"))
    assert kb is not None

    async def write(writer: int) -> None:
        for number in range(DOCUMENTS):
            id_ = f"{writer}-{number}"
            [saved] = await registry.save([document(kb, id_)])
            assert saved is not None
            assert list(await registry.find(kb.id, [id_])) == [id_]
            assert (await registry.page(kb.id, limit=5)).documents
            assert await registry.counts(kb.id)

    await asyncio.gather(*map(write, range(WRITERS)))
    assert await registry.counts(kb.id) == {DocumentState.QUEUED: WRITERS * DOCUMENTS}
    await registry.close()
    assert await migrate(url) == (newest_version(), newest_version())
    with psycopg.connect(direct) as connection:
        assert connection.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchall() == [(0,)]


async def test_without_a_pooler_the_server_limits_statements(postgres: PostgresServer) -> None:
    database = open_database(postgres.new_database(), OPTIONS)
    shown = await database.read(lambda each: each.execute(text("SHOW statement_timeout")).scalar())
    idle = await database.read(lambda each: each.execute(text("SHOW idle_in_transaction_session_timeout")).scalar())
    await database.close()
    assert (shown, idle) == ("20s", "20s")


async def test_any_password(postgres: PostgresServer) -> None:
    url = postgres.new_database()
    quoted = PASSWORD_ODD.replace("'", "''")
    postgres.execute(f"CREATE ROLE odd SUPERUSER LOGIN PASSWORD '{quoted}'")
    encoded = "".join(f"%{byte:02X}" for byte in PASSWORD_ODD.encode())
    url = re.sub(r"//[^@]+@", f"//odd:{encoded}@", url)
    assert await migrate(url) == (None, newest_version())
    for refused in (url.replace(encoded, "wrong"), url.replace(f":{encoded}", ""), f"{url}?sslmode=require"):
        database = open_database(refused, OPTIONS)
        with pytest.raises(Unavailable, match="check user, password and TLS") as error:
            await SqlRegistry(database).ping()
        await database.close()
        assert "wrong" not in str(error.value)


async def test_a_password_that_is_rotated(postgres: PostgresServer, tmp_path: Path) -> None:
    url = postgres.new_database()
    file = tmp_path / "password"
    postgres.execute("CREATE ROLE rotated SUPERUSER LOGIN PASSWORD 'first'")
    settings = RegistrySettings(url=SecretStr(re.sub(r"//[^@]+@", "//rotated:wrong@", url)), password_file=file)
    with pytest.raises(Unavailable, match="password file of PostgreSQL"):
        registry_url(settings)
    file.write_text("first\n")
    assert await migrate(registry_url(settings)) == (None, newest_version())
    registry = SqlRegistry(open_registry_database(settings))
    await registry.ping()
    postgres.execute("ALTER ROLE rotated PASSWORD 'second'")
    await registry.ping()
    postgres.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'rotated'")
    with pytest.raises(Unavailable, match="check user, password and TLS"):
        await registry.ping()
    file.unlink()
    with pytest.raises(Unavailable, match="password file of PostgreSQL"):
        await registry.ping()
    file.write_text("second")
    await registry.ping()
    await registry.close()


async def test_a_server_that_is_verified_by_its_own_authority(postgres: PostgresServer) -> None:
    url = postgres.new_database().replace("127.0.0.1", "localhost")
    with folder_of_the_server() as folder:
        make_certificate(folder)
        for name, value in (("ssl_cert_file", "server.crt"), ("ssl_key_file", "server.key")):
            postgres.execute(f"ALTER SYSTEM SET {name} = '{folder / value}'")
        postgres.execute("ALTER SYSTEM SET ssl = on")
        postgres.execute("SELECT pg_reload_conf()")
        try:
            verified = f"{url}?sslmode=verify-full&sslrootcert={folder / 'server.crt'}"
            wait_until(lambda: is_encrypted(verified), timeout_s=30)
            assert await migrate(verified) == (None, newest_version())
            for refused in (
                verified.replace("localhost", "127.0.0.1"),  # not the name of the certificate
                verified.replace("server.crt", "other.crt"),
                verified.replace("server.crt", "missing.crt"),
            ):
                database = open_database(refused, OPTIONS)
                with pytest.raises(Unavailable, match="check user, password and TLS in PHOSERVE_REGISTRY__URL"):
                    await SqlRegistry(database).ping()
                await database.close()
        finally:
            postgres.execute("ALTER SYSTEM RESET ALL")
            postgres.execute("SELECT pg_reload_conf()")


def is_encrypted(url: str) -> bool:
    with suppress(psycopg.OperationalError), psycopg.connect(url) as connection:
        return connection.pgconn.ssl_in_use
    return False


def make_certificate(folder: Path) -> None:
    request = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    )
    for name in ("server", "other"):
        files = ["-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.crt")]
        subprocess.run([*request.split(), *files], check=True, capture_output=True)
    (folder / "server.key").chmod(0o600)
    if os.geteuid() == 0:
        os.chown(folder / "server.key", pwd.getpwnam("postgres").pw_uid, -1)


@pytest.fixture
def small_disk() -> Iterator[Path]:
    with folder_of_the_server() as folder:
        disk = folder / "disk"
        disk.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)]
        if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
            pytest.skip("a small file system is mounted as root only")
        os.chown(disk, pwd.getpwnam("postgres").pw_uid, -1)
        yield disk
        subprocess.run(["umount", "-l", disk], check=True)


async def test_a_full_disk_of_the_server(postgres: PostgresServer, small_disk: Path) -> None:
    url = postgres.new_database()
    await migrate(url)
    postgres.execute(f"CREATE TABLESPACE small LOCATION '{small_disk}'")
    move = "ALTER TABLE documents SET TABLESPACE {}"
    postgres.execute(move.format("small"), url.rpartition("/")[2])
    registry = SqlRegistry(open_database(url, OPTIONS))
    kb = await registry.add_collection(new_collection("kb"))
    assert kb is not None
    saved = 0

    async def fill() -> None:
        nonlocal saved
        for number in range(3000):
            saved += len(await registry.save([document(kb, f"{number}-{each}") for each in range(50)]))

    with pytest.raises(Unavailable, match="PostgreSQL has no disk space left"):
        await fill()
    assert saved
    assert await registry.counts(kb.id) == {DocumentState.QUEUED: saved}, "nothing acknowledged is lost"
    postgres.execute(move.format("pg_default"), url.rpartition("/")[2])
    assert await registry.save([document(kb, "later")]) != [None]
    await registry.close()
    postgres.execute("DROP TABLESPACE small")
