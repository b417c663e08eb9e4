"""PostgreSQL stopped, killed, hanging, moved, or out of connections: 503 with a sentence, nothing lost, no restart."""

import asyncio
import socket
import struct
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import pytest
from sqlalchemy import text

from phoserve.adapters.sql.database import DatabaseOptions, PostgresDatabase, open_database
from phoserve.adapters.sql.registry import SqlRegistry
from phoserve.adapters.sql.schema import migrate
from phoserve.documents.collections import Collection, new_collection
from phoserve.documents.library import Library
from phoserve.documents.passages import PassageStores
from phoserve.documents.records import Document, Original, new_document
from phoserve.errors import Unavailable
from tests.support.memory import MemoryIndex, MemoryQueue, MemorySources
from tests.support.pages import all_pages
from tests.support.patience import patient
from tests.support.postgres_server import PostgresServer, running_postgres
from tests.support.tcp_proxy import tcp_proxy
from tests.support.waiting import wait_until

NO_ENCRYPTION = struct.pack("!i", 80877103)
"""A client asks whether the server encrypts."""
OPTIONS = DatabaseOptions(pool_size=4, timeout_s=2.0, connect_timeout_s=2.0)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PostgresServer]:
    with running_postgres(tmp_path / "postgres", durable=True) as server:
        yield server


@pytest.fixture
async def registry(server: PostgresServer) -> AsyncIterator[SqlRegistry]:
    url = server.new_database()
    await migrate(url)
    registry = SqlRegistry(open_database(url, OPTIONS))
    yield registry
    await registry.close()


def document(collection: Collection, number: int) -> Document:
    original = Original(key=f"{collection.id}/{number}", sha256="0" * 64, size_bytes=1, media_type="text/plain")
    return new_document(collection, f"d{number}", original)


class Writer:
    """Adds documents one after the other, and knows which were acknowledged."""

    def __init__(self, registry: SqlRegistry, collection: Collection) -> None:
        self.acknowledged: list[str] = []
        self.errors: list[Unavailable] = []
        self.slowest_s = 0.0
        self._registry = registry
        self._collection = collection
        self._is_stopped = False

    async def run(self, first: int) -> None:
        number = first
        while not self._is_stopped:
            started = time.monotonic()
            try:
                [saved] = await self._registry.save([document(self._collection, number)])
            except Unavailable as error:
                self.errors.append(error)
                await asyncio.sleep(0.05)
            else:
                if saved:
                    self.acknowledged.append(saved.id)
            self.slowest_s = max(self.slowest_s, time.monotonic() - started)
            number += 1

    def stop(self) -> None:
        self._is_stopped = True


async def added(registry: SqlRegistry) -> Collection:
    collection = await registry.add_collection(new_collection("kb"))
    assert collection is not None
    return collection


async def written_during(registry: SqlRegistry, collection: Collection, *outages: object) -> list[Writer]:
    """Write with several writers while the outages happen in turn; they recover by themselves afterwards."""
    writers = [Writer(registry, collection) for _ in range(3)]
    tasks = [asyncio.create_task(each.run(n * 1_000_000)) for n, each in enumerate(writers)]
    for outage in outages:
        await progress(writers)
        await asyncio.to_thread(outage)  # type: ignore[arg-type]
    await progress(writers)
    for each in writers:
        each.stop()
    await asyncio.gather(*tasks)
    return writers


async def progress(writers: list[Writer]) -> None:
    """Wait until every writer had a document acknowledged."""
    before = [len(each.acknowledged) for each in writers]
    async with asyncio.timeout(30):
        while any(len(e.acknowledged) <= count + 2 for e, count in zip(writers, before, strict=True)):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def check(registry: SqlRegistry, collection: Collection, writers: list[Writer]) -> None:
    acknowledged = {id_ for each in writers for id_ in each.acknowledged}
    stored = {each.id for each in await all_pages(registry, collection.id, limit=500)}
    assert acknowledged <= stored
    assert sum((await registry.counts(collection.id)).values()) == len(stored), "counts are of the same transactions"
    for error in (error for each in writers for error in each.errors):
        assert error.dependency == "registry"
        assert "PostgreSQL" in str(error)


async def test_stopped_and_started(server: PostgresServer, registry: SqlRegistry) -> None:
    collection = await added(registry)

    def restart() -> None:
        server.stop()
        time.sleep(1.5)
        server.start()

    writers = await written_during(registry, collection, restart, restart)
    assert any(each.errors for each in writers)
    await check(registry, collection, writers)


async def test_killed_and_started(server: PostgresServer, registry: SqlRegistry) -> None:
    collection = await added(registry)

    def crash() -> None:
        server.kill()
        server.start()

    await check(registry, collection, await written_during(registry, collection, crash, crash))


async def test_connections_cut_in_the_middle_of_transactions(server: PostgresServer, registry: SqlRegistry) -> None:
    collection = await added(registry)

    def cut() -> None:
        for _ in range(20):
            server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'phoserve'")
            time.sleep(0.02)

    await check(registry, collection, await written_during(registry, collection, cut))


async def test_a_server_that_hangs_is_given_up_in_time(server: PostgresServer, registry: SqlRegistry) -> None:
    collection = await added(registry)

    def hang() -> None:
        server.pause()
        time.sleep(3 * OPTIONS.timeout_s)
        server.resume()

    writers = await written_during(registry, collection, hang)
    assert all(each.errors for each in writers)
    assert max(each.slowest_s for each in writers) < 3 * OPTIONS.timeout_s
    await check(registry, collection, writers)


async def test_failed_over_to_another_address(server: PostgresServer, tmp_path: Path) -> None:
    database = server.new_database().rpartition("/")[2]
    with server.standby(tmp_path / "standby") as standby:
        url = server.url_of_both(standby, database)
        await migrate(url)
        registry = SqlRegistry(open_database(url, OPTIONS))
        collection = await added(registry)

        def fail_over() -> None:
            server.kill()
            standby.promote()

        writers = await written_during(registry, collection, fail_over)
        await check(registry, collection, writers)
        await registry.close()
        server.start()  # the fixture ends it


async def test_connections_that_stay_read_only_are_replaced(server: PostgresServer, registry: SqlRegistry) -> None:
    """A demoted primary keeps the connections it has: they must not be used indefinitely."""
    collection = await added(registry)
    await registry._database.read(lambda each: each.execute(text("SET default_transaction_read_only = on")).close())
    for number in range(OPTIONS.pool_size + 2):
        assert await registry.save([document(collection, number)]) != [None]


async def test_no_connection_left_in_the_pool(server: PostgresServer, registry: SqlRegistry) -> None:
    database = registry._database
    assert isinstance(database, PostgresDatabase)
    async with AsyncExitStack() as held:
        for _ in range(OPTIONS.pool_size):
            await held.enter_async_context(database._engine.connect())
        with pytest.raises(Unavailable, match=r"4 connections to PostgreSQL are in use"):
            await registry.ping()
    await registry.ping()


async def test_the_server_has_no_connection_left(server: PostgresServer, registry: SqlRegistry) -> None:
    user = "limited"
    server.execute(f"CREATE ROLE {user} LOGIN PASSWORD 'x' CONNECTION LIMIT 0")
    limited = SqlRegistry(open_database(f"postgresql://{user}:x@127.0.0.1:{server.port}/postgres", OPTIONS))
    with pytest.raises(Unavailable, match="no connections left"):
        await limited.ping()
    await limited.close()
    wrong = SqlRegistry(open_database(f"postgresql://{user}:y@127.0.0.1:{server.port}/postgres", OPTIONS))
    with pytest.raises(Unavailable, match="PHOSERVE_REGISTRY__URL"):
        await wrong.ping()
    await wrong.close()


async def test_connections_that_a_firewall_dropped_cost_one_request(server: PostgresServer) -> None:
    url = server.new_database()
    await migrate(url)
    with tcp_proxy(server.port) as proxy:
        limit_s = min(patient(2), 10)
        options = DatabaseOptions(pool_size=4, timeout_s=limit_s, connect_timeout_s=limit_s)
        registry = SqlRegistry(open_database(url.replace(f":{server.port}", f":{proxy.port}"), options))
        collection = await added(registry)
        wait = text("SELECT pg_sleep(0.3)")
        await asyncio.gather(*(registry.database.read(lambda each: each.execute(wait).close()) for _ in range(4)))
        proxy.drop()
        writer = Writer(registry, collection)
        task = asyncio.create_task(writer.run(0))
        await progress([writer])
        writer.stop()
        await task
        assert len(writer.errors) <= 1, "the other connections of the pool are as old"
        await check(registry, collection, [writer])
        await registry.close()


async def test_hosts_that_do_not_respond_leave_time_for_the_last_one(server: PostgresServer) -> None:
    url = server.new_database()
    await migrate(url)
    with ExitStack() as silent:
        ports = [silent.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for _ in range(2)]
        hosts = "&".join(f"host=127.0.0.1:{port}" for port in (*ports, server.port))
        limit_s = min(max(12, patient(6)), 30)
        options = DatabaseOptions(pool_size=1, timeout_s=limit_s, connect_timeout_s=limit_s / 2)
        registry = SqlRegistry(open_database(url.replace(f"127.0.0.1:{server.port}", "") + f"?{hosts}", options))
        await registry.ping()
        await registry.close()


@pytest.mark.parametrize("query", ["", "?target_session_attrs=read-write"])
async def test_a_standby_is_no_place_to_write_to(server: PostgresServer, tmp_path: Path, query: str) -> None:
    database = server.new_database().rpartition("/")[2]
    await migrate(server.url(database))
    with server.standby(tmp_path / "standby") as standby:
        url = standby.url(database) + query
        registry = SqlRegistry(open_database(url, OPTIONS))
        with pytest.raises(Unavailable, match=r"read-only at this address.*target_session_attrs=read-write"):
            await registry.add_collection(new_collection("kb"))
        server.kill()
        standby.promote()
        wait_until(lambda: not standby.is_standby(), timeout_s=60)
        await added(registry)
        await registry.close()
        server.start()  # the fixture ends it


async def test_a_server_that_starts_is_waited_for() -> None:
    """Crash recovery may take minutes, and the server answers meanwhile."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            [length] = struct.unpack("!i", await reader.readexactly(4))
            request = await reader.readexactly(length - 4)
            if request != NO_ENCRYPTION:
                break
            writer.write(b"N")
        fields = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0"
        writer.write(b"E" + struct.pack("!i", len(fields) + 4) + fields)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as fake:
        port = fake.sockets[0].getsockname()[1]
        url = f"postgresql://user:x@127.0.0.1:{port}/phoserve?gssencmode=disable"
        registry = SqlRegistry(open_database(url, OPTIONS))
        for attempt in (registry.ping(), migrate(url)):
            with pytest.raises(Unavailable, match="start"):
                await attempt
        with pytest.raises(Unavailable, match="PostgreSQL is starting, stopping or in recovery"):
            await registry.add_collection(new_collection("kb"))
        await registry.close()


async def test_collections_stay_known_while_it_is_away(server: PostgresServer, registry: SqlRegistry) -> None:
    library = Library(registry, PassageStores([MemoryIndex("f")]), MemorySources(), MemoryQueue())
    kb, _ = await library.create_collection("kb")
    await library.collection("kb")
    server.stop()
    started = time.monotonic()
    while time.monotonic() - started < 3:
        asked = time.monotonic()
        assert await library.collection("kb") == kb
        assert time.monotonic() - asked < patient(1.0)
        await asyncio.sleep(0.1)
    with pytest.raises(Unavailable, match="PostgreSQL"):
        await library.create_collection("new")
    server.start()
    await library.create_collection("new")
