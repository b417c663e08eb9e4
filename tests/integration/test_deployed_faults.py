"""API and workers as processes, real Redis, real Triton: whatever dies, every acknowledged document ends as it should.

That is: ready exactly once in its newest revision, or failed with a reason; no passages without a document; and nothing
stuck for longer than a worker's lease and one interval of `reconcile` (here 3 s and 1 s).
"""

import asyncio
import os
import signal
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from cli.triton_process import TritonProcess
from phoserve.adapters.celery_queue import CeleryQueue
from phoserve.adapters.qdrant.index import QdrantPassageIndex
from phoserve.composition import open_qdrant, open_registry
from phoserve.documents.ports import DocumentRegistry, IndexingTask
from phoserve.documents.records import DocumentState
from phoserve.settings import QdrantSettings, RegistrySettings
from phoserve.text import TextPipeline
from tests.support.deployed import MODEL, Deployed, Process
from tests.support.patience import patient
from tests.support.polling import eventually

DOCUMENTS = 12
LONG = "\n\n".join(
    f"# Mục {n}\n\n" + f"Điều {n}: nhân viên được nghỉ phép mười hai ngày mỗi năm. " * 40 for n in range(150)
)
"""Many batches of passages: enough to be caught in the middle."""
STUCK_S = 60.0

pytestmark = pytest.mark.asyncio(loop_scope="module")


def send(http: httpx.Client, documents: list[dict[str, Any]]) -> None:
    http.put("/v1/collections/kb").raise_for_status()
    http.post("/v1/collections/kb/documents", json={"documents": documents}).raise_for_status()


def short(revision: int = 1) -> list[dict[str, Any]]:
    return [{"id": f"d{n}", "text": f"Điều {n} bản {revision}. Nghỉ phép mười hai ngày."} for n in range(DOCUMENTS)]


def states(http: httpx.Client) -> dict[str, int]:
    counts: dict[str, int] = http.get("/v1/collections/kb").raise_for_status().json()["documents"]
    return counts


async def all_ready(http: httpx.Client, count: int = DOCUMENTS, *, timeout_s: float = STUCK_S) -> None:
    await eventually(lambda: states(http) == {"ready": count}, timeout_s=timeout_s, every_s=0.2)


async def under_way(http: httpx.Client, document_id: str = "long") -> None:
    def begun() -> bool:
        record = http.get(f"/v1/collections/kb/documents/{document_id}").json()
        return bool(record["state"] == "processing" and 0 < record["progress"] < 0.8)

    await eventually(begun, timeout_s=STUCK_S, every_s=0.02)


async def check(platform: Deployed, expected: set[str]) -> None:
    """Every document is there once, in its newest revision, with its own passages and no others in the index."""
    async with registry_of(platform) as registry, index_of(platform) as index:
        await eventually(lambda: _nothing_staged(index), timeout_s=5)
        page = await registry.page((await registry.collection("kb")).id, limit=200)
        assert {each.id for each in page.documents} == expected
        for each in page.documents:
            assert (each.state, each.live_revision) == (DocumentState.READY, each.revision), each.error
            passages = await index.passages(each.collection_id, each.key)
            assert [passage.ordinal for passage in passages] == list(range(each.passages))
            assert {passage.revision for passage in passages} == {each.revision}
        assert await index.count() == sum(each.passages for each in page.documents)
        originals = [path for path in (platform.folder / "originals").rglob("*") if path.is_file()]
        assert {each.original.key for each in page.documents} <= {
            path.relative_to(platform.folder / "originals").as_posix() for path in originals
        }


def registry_of(platform: Deployed) -> AbstractAsyncContextManager[DocumentRegistry]:
    return open_registry(RegistrySettings(url=SecretStr(platform.database_url)))


def index_of(platform: Deployed) -> AbstractAsyncContextManager[QdrantPassageIndex]:
    return open_qdrant(QdrantSettings(url=platform.qdrant.url), TextPipeline.load(MODEL).contract)


async def _nothing_staged(index: QdrantPassageIndex) -> bool:
    return await index.staged() == []


async def test_a_worker_killed_in_the_middle_of_a_document(platform: Deployed) -> None:
    _, http = platform.api()
    worker = platform.worker()
    send(http, [{"id": "long", "text": LONG}])
    await under_way(http)
    worker.kill()
    assert states(http) == {"processing": 1}
    platform.worker()
    await all_ready(http, 1)
    await check(platform, {"long"})


async def test_nothing_waits_longer_than_a_lease_and_an_interval(platform: Deployed) -> None:
    lease_s, interval_s, slack_s = 3.0, 4.0, 1.5  # a look at whose turn it is, and a busy machine
    platform.settings |= {
        "PHOSERVE_WORKER__LEASE_S": str(lease_s),
        "PHOSERVE_WORKER__RECONCILE_EVERY_S": str(interval_s),
    }
    _, http = platform.api()
    first, second = platform.worker(), platform.worker()
    send(http, short())
    await all_ready(http)

    for worker in (first, second):
        os.kill(worker.pid, signal.SIGSTOP)
    send(http, [{"id": "forgotten", "text": LONG}])
    platform.redis.flush()
    for worker in (first, second):
        os.kill(worker.pid, signal.SIGCONT)
    await eventually(lambda: states(http).get("queued", 0) == 0, timeout_s=interval_s + slack_s, every_s=0.05)

    async with registry_of(platform) as registry:

        async def begun_again() -> bool:
            return (await registry.get(await registry.collection("kb"), "forgotten")).attempts == 2

        await under_way(http, "forgotten")
        (await busiest([first, second])).kill()
        assert (await registry.get(await registry.collection("kb"), "forgotten")).state is DocumentState.PROCESSING
        await eventually(begun_again, timeout_s=lease_s + interval_s + slack_s, every_s=0.05)


async def busiest(workers: list[Process]) -> Process:
    """Whichever takes the most processor time just now: it has the document."""

    def ticks(worker: Process) -> int:
        return sum(map(int, Path(f"/proc/{worker.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]))

    before = [ticks(worker) for worker in workers]
    await asyncio.sleep(0.5)
    spent = [ticks(worker) - start for worker, start in zip(workers, before, strict=True)]
    return workers[spent.index(max(spent))]


async def test_redis_loses_everything_and_restarts_empty(platform: Deployed) -> None:
    _, http = platform.api()
    send(http, short())
    platform.redis.flush()
    platform.worker()
    await all_ready(http)
    send(http, short(2))
    platform.redis.stop()
    send(http, short(3))  # acknowledged although no worker can be notified
    platform.redis.start()
    await all_ready(http)
    await check(platform, {f"d{n}" for n in range(DOCUMENTS)})


async def test_the_same_task_three_times_at_once(platform: Deployed) -> None:
    _, http = platform.api()
    send(http, short())
    queue = CeleryQueue(platform.redis.url)
    async with registry_of(platform) as registry:
        page = await registry.page((await registry.collection("kb")).id, limit=DOCUMENTS)
    await queue.enqueue([IndexingTask.of(each) for each in page.documents for _ in range(2)])
    assert await queue.depth() == 3 * DOCUMENTS
    await queue.close()
    platform.worker()
    platform.worker()
    await all_ready(http)
    await check(platform, {f"d{n}" for n in range(DOCUMENTS)})


async def test_the_api_killed_between_storing_and_waking_a_worker(platform: Deployed) -> None:
    """With Redis frozen, the API hangs after the record is written and before a worker is notified."""
    api, http = platform.api()
    http.put("/v1/collections/kb").raise_for_status()
    platform.redis.freeze()
    body = {"documents": short()}
    posting = asyncio.create_task(asyncio.to_thread(_post_and_lose, str(http.base_url), body))
    async with registry_of(platform) as registry:
        await eventually(lambda: _queued(registry, DOCUMENTS), timeout_s=10, every_s=0.02)
    api.kill()
    platform.redis.thaw()
    await posting
    _, http = platform.api()
    assert states(http) == {"queued": DOCUMENTS}
    platform.worker()
    await all_ready(http)
    await check(platform, {f"d{n}" for n in range(DOCUMENTS)})


def _post_and_lose(base_url: str, body: dict[str, Any]) -> None:
    with pytest.raises(httpx.TransportError):
        httpx.post(f"{base_url}/v1/collections/kb/documents", json=body, timeout=patient(30))


async def _queued(registry: DocumentRegistry, count: int) -> bool:
    return (await registry.counts()).get(DocumentState.QUEUED) == count


async def test_deleted_or_replaced_while_being_processed(platform: Deployed) -> None:
    _, http = platform.api()
    platform.worker()
    send(http, [{"id": "long", "text": LONG}])
    await under_way(http)
    assert http.delete("/v1/collections/kb/documents/long").status_code == 204
    send(http, [{"id": "long", "text": LONG}])
    await under_way(http)
    send(http, [{"id": "long", "text": "Chỉ còn một câu."}])
    await all_ready(http, 1)
    await check(platform, {"long"})
    assert http.get("/v1/collections/kb").json()["passages"] == 1


async def test_qdrant_away_for_twenty_seconds(platform: Deployed) -> None:
    if not hasattr(platform.qdrant, "_process"):
        pytest.skip("a Qdrant server that is not ours is not killed")
    _, http = platform.api()
    worker = platform.worker()
    send(http, [{"id": "long", "text": LONG}, *short()])
    await under_way(http)
    platform.qdrant.kill()
    assert http.get("/v1/collections/kb").status_code == 503
    await asyncio.sleep(20)  # the outage itself
    platform.qdrant.start()
    await all_ready(http, DOCUMENTS + 1, timeout_s=60)
    assert worker.is_alive
    await check(platform, {"long", *(f"d{n}" for n in range(DOCUMENTS))})


async def test_triton_killed_for_twenty_seconds(platform: Deployed, triton: TritonProcess) -> None:
    _, http = platform.api()
    worker = platform.worker()
    send(http, [{"id": "long", "text": LONG}])
    await under_way(http)
    await triton.stop()
    send(http, short())
    await asyncio.sleep(20)  # the outage itself
    waiting = http.get("/v1/collections/kb/documents/long").json()
    assert waiting["state"] in {"queued", "processing"}
    await triton.start()
    await triton.wait_ready()
    await all_ready(http, DOCUMENTS + 1, timeout_s=60)
    assert worker.is_alive
    await check(platform, {"long", *(f"d{n}" for n in range(DOCUMENTS))})


async def test_the_command_reconcile_hands_out_what_redis_forgot(platform: Deployed) -> None:
    _, http = platform.api()
    send(http, short())
    platform.redis.flush()
    assert platform.run("reconcile", "--json")["queued"] == DOCUMENTS
    queue = CeleryQueue(platform.redis.url)
    assert await queue.depth() == DOCUMENTS
    await queue.close()
