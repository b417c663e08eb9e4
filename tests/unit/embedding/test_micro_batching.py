"""Single texts of concurrent requests share a call."""

import asyncio
from collections.abc import Sequence
from contextvars import ContextVar

import numpy as np
import pytest

from phoserve.contract import InputType
from phoserve.embedding.micro_batching import MicroBatchingEmbedder
from phoserve.embedding.ports import Embeddings
from phoserve.errors import DeadlineExceeded, InvalidInput, Overloaded, PhoserveError
from tests.support.embedders import WordHashEmbedder

request_id: ContextVar[str] = ContextVar("request_id", default="nobody's")


class HeldEmbedder(WordHashEmbedder):
    """Answers when released, and rejects the text `bad`."""

    def __init__(self) -> None:
        super().__init__()
        self.open = asyncio.Event()
        self.asked_by: list[str] = []

    async def embed(
        self, texts: Sequence[str], *, input_type: InputType = InputType.PASSAGE, timeout_s: float | None = None
    ) -> Embeddings:
        self.asked_by.append(request_id.get())
        answer = await super().embed(texts, input_type=input_type, timeout_s=timeout_s)
        await self.open.wait()
        if "bad" in texts:
            raise InvalidInput("bad is not embedded", field="input")
        return answer

    @property
    def groups(self) -> list[tuple[str, ...]]:
        return [texts for texts, _, _ in self.calls]


async def settled() -> None:
    """Let every task go as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def asked(grouping: MicroBatchingEmbedder, *texts: str) -> list[asyncio.Task[Embeddings]]:
    """One request for each text, one after the other."""
    tasks = []
    for text in texts:
        tasks.append(asyncio.create_task(grouping.embed([text])))
        await settled()
    return tasks


async def test_who_comes_meanwhile_travels_together_and_gets_its_own_vector() -> None:
    held = HeldEmbedder()
    tasks = await asked(MicroBatchingEmbedder(held, max_concurrency=2), "một", "hai", "ba bốn", "năm")
    assert held.groups == [("một",), ("hai",)]  # no call waits for a full batch
    held.open.set()
    answers = await asyncio.gather(*tasks)
    assert held.groups == [("một",), ("hai",), ("ba bốn", "năm")]
    alone = await WordHashEmbedder().embed(["một", "hai", "ba bốn", "năm"])
    assert np.array_equal(np.concatenate([answer.vectors for answer in answers]), alone.vectors)
    assert [answer.tokens.tolist() for answer in answers] == [[3], [3], [4], [3]]
    assert {answer.vectors.base is None for answer in answers} == {True}  # none keeps its neighbours alive


async def test_a_group_has_a_largest_size() -> None:
    held = HeldEmbedder()
    tasks = await asked(MicroBatchingEmbedder(held, max_concurrency=1, max_items=2), *"abcde")
    held.open.set()
    await asyncio.gather(*tasks)
    assert held.groups == [("a",), ("b", "c"), ("d", "e")]


async def test_queries_passages_and_lists_do_not_mix() -> None:
    held = HeldEmbedder()
    grouping = MicroBatchingEmbedder(held, max_concurrency=1)
    tasks = await asked(grouping, "a", "b")
    tasks += [asyncio.create_task(grouping.embed(["q"], input_type=InputType.QUERY))]
    tasks += [asyncio.create_task(grouping.embed(["c", "d"]))]
    await settled()
    held.open.set()
    await asyncio.gather(*tasks)
    passage, query = InputType.PASSAGE, InputType.QUERY
    assert {call[:2] for call in held.calls} == {
        (("a",), passage),
        (("b",), passage),
        (("c", "d"), passage),
        (("q",), query),
    }


async def test_a_bad_text_fails_alone() -> None:
    held = HeldEmbedder()
    tasks = await asked(MicroBatchingEmbedder(held, max_concurrency=1), "a", "b", "bad", "c")
    held.open.set()
    failed = [type(result) for result in await asyncio.gather(*tasks, return_exceptions=True)]
    assert failed == [Embeddings, Embeddings, InvalidInput, Embeddings]


async def test_an_overloaded_server_is_not_asked_again_for_each_text() -> None:
    held = HeldEmbedder()
    tasks = await asked(MicroBatchingEmbedder(held, max_concurrency=1), "a", "b", "c")
    held.failure = Overloaded("full")
    held.open.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(result, PhoserveError) for result in results] == [False, True, True]
    assert held.groups == [("a",), ("b", "c")]


async def test_each_waits_as_long_as_it_said_and_the_call_as_long_as_the_last() -> None:
    held = HeldEmbedder()
    grouping = MicroBatchingEmbedder(held, max_concurrency=1)
    first = await asked(grouping, "a")
    short, long, left = (
        asyncio.create_task(grouping.embed([text], timeout_s=timeout_s))
        for text, timeout_s in (("b", 0.02), ("c", 30), ("d", 20))
    )
    with pytest.raises(DeadlineExceeded, match=r"0\.02 s"):
        await short
    left.cancel()
    await settled()
    held.open.set()
    await asyncio.gather(*first, long)
    [_, (texts, _, timeout_s)] = held.calls
    assert texts == ("c",)  # nothing is computed for those who have left
    assert timeout_s is not None
    assert 29 < timeout_s < 30


async def test_a_call_belongs_to_the_request_that_came_first() -> None:
    held = HeldEmbedder()
    grouping = MicroBatchingEmbedder(held, max_concurrency=1)

    async def request(name: str) -> None:
        request_id.set(name)
        await grouping.embed([name])

    tasks = [asyncio.create_task(request(name)) for name in ("first", "second", "third")]
    await settled()
    held.open.set()
    await asyncio.gather(*tasks)
    assert held.asked_by == ["first"]
    await grouping.embed(["x"])  # in the test's own context
    assert held.asked_by == ["first", "nobody's"]


async def test_what_is_asked_for_in_the_same_moment_is_one_call() -> None:
    held = HeldEmbedder()
    held.open.set()
    grouping = MicroBatchingEmbedder(held)
    await asyncio.gather(*(grouping.embed([text]) for text in "abcd"))
    assert held.groups == [tuple("abcd")]
