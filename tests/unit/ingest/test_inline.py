"""The local task queue: interactive before bulk, and a slow collection does not stop the others."""

import asyncio
from typing import Any, cast

from ingest.inline import InlineWorkers
from ingest.pipeline import Pipeline
from phoserve.documents.ports import IndexingTask


class SlowCollection:
    """A pipeline on which documents of `slow` never end."""

    def __init__(self, slow: str = "") -> None:
        self.slow = slow
        self.begun: list[IndexingTask] = []

    async def process(self, task: IndexingTask) -> None:
        self.begun.append(task)
        if task.collection_id == self.slow:
            await asyncio.Event().wait()


async def run(pipeline: SlowCollection, tasks: list[IndexingTask]) -> InlineWorkers:
    workers = InlineWorkers()
    await workers.enqueue(tasks)
    workers.start(cast(Pipeline, cast(Any, pipeline)))
    for _ in range(100):
        await asyncio.sleep(0)
    return workers


async def test_documents_of_a_slow_collection_do_not_delay_the_others() -> None:
    pipeline = SlowCollection("hostile")
    hostile = [IndexingTask("hostile", f"h{n}", 1) for n in range(10)]
    others = [IndexingTask("kb", f"k{n}", 1) for n in range(5)]
    workers = await run(pipeline, hostile + others)
    begun = [task.document_key for task in pipeline.begun if task.collection_id == "kb"]
    assert begun == [f"k{n}" for n in range(5)]
    assert await workers.depth() == 8
    await workers.stop()


async def test_interactive_work_goes_first_and_collections_take_turns() -> None:
    pipeline = SlowCollection()
    bulk = [IndexingTask("a", f"bulk{n}", 1, bulk=True) for n in range(3)]
    interactive = [IndexingTask(name, f"{name}{n}", 1) for name in "ab" for n in range(2)]
    workers = await run(pipeline, bulk + interactive)
    keys = [task.document_key for task in pipeline.begun]
    assert set(keys[:4]) == {"a0", "a1", "b0", "b1"}
    assert keys.index("b0") < keys.index("a1")
    assert keys[4:] == ["bulk0", "bulk1", "bulk2"]
    await workers.stop()


async def test_a_task_is_queued_once() -> None:
    workers = InlineWorkers()
    task = IndexingTask("kb", "k", 1)
    await workers.enqueue([task, task])
    await workers.enqueue([task])
    assert await workers.depth() == 1
    assert await workers.depth(bulk=True) == 0
