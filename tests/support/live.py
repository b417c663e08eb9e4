"""The real application on a real socket, in a thread of its own."""

import asyncio
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from api.app import create_app
from api.keys import AnonymousAccess
from api.registry_keys import RegistryKeys
from api.services import Services
from cli.serving_loop import ApiServer
from phoserve.adapters.edge.index import EdgePassageIndex
from phoserve.adapters.sql.audit_log import SqlAuditLog
from phoserve.adapters.sql.key_store import SqlKeyStore
from phoserve.documents.ports import IndexingTask
from tests.support.embedders import WordHashEmbedder
from tests.support.registry import sqlite_registry
from tests.support.services import index_one, memory_services


class IndexingQueue:
    """A `TaskQueue` that does the work itself, soon."""

    def __init__(self) -> None:
        self.services: Services | None = None
        self._running: set[asyncio.Task[None]] = set()

    async def enqueue(self, tasks: Sequence[IndexingTask]) -> None:
        assert self.services is not None
        for task in tasks:
            running = asyncio.create_task(index_one(self.services, task.document_key))
            self._running.add(running)
            running.add_done_callback(self._running.discard)

    async def depth(self, *, bulk: bool | None = None) -> int:
        return len(self._running)


def live_services(folder: Path, **more: Any) -> Services:
    """Services on the real engine, in `folder`, whose documents are ready a moment after they were sent.

    `state` is the folder of a registry that another API has, too.
    """
    queue, embedder = IndexingQueue(), more.pop("embedder", None) or WordHashEmbedder()
    registry = sqlite_registry(more.pop("state", None) or folder)
    key_store = SqlKeyStore(registry.database)
    keys = more.pop("keys", None) or AnonymousAccess()
    if not keys.is_open:
        keys = RegistryKeys(keys, key_store, outage_s=3600)
    stores = {
        "index": EdgePassageIndex(folder / "passages", embedder.contract),
        "registry": registry,
        "key_store": key_store,
        "audit": SqlAuditLog(registry.database, keep_days=90, max_events=100_000),
    }
    services = memory_services(folder, embedder, queue=queue, keys=keys, **(stores | more))
    queue.services = services
    return services


@contextmanager
def live_api(services: Services, *, drain_s: int = 2) -> Iterator[str]:
    """The base URL of the application, while it runs."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    loops: list[asyncio.AbstractEventLoop] = []
    server = ApiServer(create_app(services), sock, lambda: loops.append(asyncio.get_running_loop()), drain_s=drain_s)
    thread = threading.Thread(target=lambda: asyncio.run(server.run()), daemon=True)
    thread.start()
    while not loops:
        thread.join(0.01)
        assert thread.is_alive(), "the server did not start"
    try:
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
    finally:
        loops[0].call_soon_threadsafe(server.stop)
        thread.join(drain_s + 10)
        sock.close()
