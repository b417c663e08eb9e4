"""The task queue of several machines: Celery over Redis, used as a wake-up only."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from celery import Celery
from kombu.exceptions import OperationalError
from kombu.pools import ProducerPool
from kombu.transport import TRANSPORT_ALIASES
from kombu.transport.redis import Channel, Transport
from opentelemetry import propagate
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from phoserve.documents.ports import IndexingTask
from phoserve.errors import Unavailable

INDEX_TASK: Final = "phoserve.index"
INTERACTIVE_QUEUE: Final = "interactive"
BULK_QUEUE: Final = "bulk"
QUEUES: Final = (INTERACTIVE_QUEUE, BULK_QUEUE)
CONNECT_TIMEOUT_S: Final = 2.0
MAX_CONNECTIONS: Final = 10


class SteadyChannel(Channel):  # type: ignore[misc]  # kombu has no types
    """Raises an error that a worker survives if the connection is lost.

    kombu 5.7 fails on a missing attribute instead.
    """

    def _connparams(self, *arguments: Any, **named: Any) -> Any:
        if self.connection is None or self.connection.client is None:
            raise RedisConnectionError("the connection to Redis is lost")
        return super()._connparams(*arguments, **named)


class SteadyTransport(Transport):  # type: ignore[misc]
    """Kombu's for Redis, of such channels."""

    Channel = SteadyChannel


# A connection that is made again takes its transport from the URL, whatever it had before.
TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), f"{__name__}:{SteadyTransport.__name__}"))


def broker_app(url: str, *, visibility_timeout_s: int = 900) -> Celery:
    """The Celery application both sides share: JSON ids as arguments, acknowledged late, one task fetched at a time.

    `visibility_timeout_s` must exceed the time limit of a task, because Redis then delivers the task again.
    """
    app = Celery("phoserve", broker=url)
    app.conf.update(
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        task_default_queue=INTERACTIVE_QUEUE,
        task_create_missing_queues=True,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        # Standard output and the root logger stay as the worker's own program set them up.
        worker_redirect_stdouts=False,
        worker_hijack_root_logger=False,
        broker_transport_options={
            "visibility_timeout": visibility_timeout_s,
            "socket_connect_timeout": CONNECT_TIMEOUT_S,
            "socket_timeout": 30.0,
            "socket_keepalive": True,
            # Several queues on one connection: interactive work is asked for first.
            "queue_order_strategy": "priority",
        },
    )
    return app


class CeleryQueue:
    """The `TaskQueue` that sends ids through a broker; the workers are elsewhere (`ingest.worker`)."""

    def __init__(self, url: str) -> None:
        self._app = broker_app(url)
        # Celery's own pools are shared by all applications of one URL, and never closed.
        self._connections = self._app.connection_for_write().Pool(MAX_CONNECTIONS)
        self._producers = ProducerPool(self._connections, MAX_CONNECTIONS)
        self._redis: Redis = Redis.from_url(
            url, socket_connect_timeout=CONNECT_TIMEOUT_S, socket_timeout=CONNECT_TIMEOUT_S
        )

    async def enqueue(self, tasks: Sequence[IndexingTask]) -> None:
        """Send `tasks`. Raises Unavailable while the broker does not answer."""
        if tasks:
            await self.depth()  # a dead broker shows here at once; Celery's own connection would try for seconds
            await asyncio.to_thread(self._send, tasks)

    async def depth(self, *, bulk: bool | None = None) -> int:
        """How many tasks wait in a queue, or in both. Raises Unavailable while the broker does not answer."""
        queues = QUEUES if bulk is None else (_queue(bulk),)
        try:
            lengths = [await self._length(queue) for queue in queues]
        except RedisError as error:
            raise _unavailable(error) from error
        return sum(lengths)

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()
        await asyncio.to_thread(self._close_app)

    def _close_app(self) -> None:
        self._producers.force_close_all()
        self._connections.force_close_all()
        self._app.close()

    async def _length(self, queue: str) -> int:
        length: Any = self._redis.llen(queue)
        return int(await length)

    def _send(self, tasks: Sequence[IndexingTask]) -> None:
        headers: dict[str, str] = {}
        propagate.inject(headers)
        try:
            with self._producers.acquire(block=True) as producer:
                for task in tasks:
                    self._app.send_task(
                        INDEX_TASK,
                        args=[task.collection_id, task.document_key, task.revision, task.bulk, task.is_small],
                        queue=_queue(task.bulk),
                        headers=headers,
                        producer=producer,
                        retry=False,
                    )
        except (OperationalError, RedisError, OSError) as error:
            raise _unavailable(error) from error


def _queue(bulk: bool) -> str:
    return BULK_QUEUE if bulk else INTERACTIVE_QUEUE


def _unavailable(error: Exception) -> Unavailable:
    return Unavailable("redis", f"the task queue does not answer ({type(error).__name__})")
