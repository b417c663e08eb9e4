"""A second embedding server answers while the first does not."""

import pytest

from phoserve.embedding.fallback import FallbackEmbedder
from phoserve.errors import InvalidInput, Overloaded, Unavailable
from tests.support.embedders import WordHashEmbedder


class Bench:
    """Two servers and a frozen clock."""

    def __init__(self) -> None:
        self.now = 100.0
        self.first, self.second = WordHashEmbedder(), WordHashEmbedder()
        self.both = FallbackEmbedder(self.first, self.second, pause_s=5.0, clock=lambda: self.now)

    async def embed(self) -> tuple[int, int]:
        """Embed a text; how often each has been asked so far."""
        await self.both.embed(["xin chào"], timeout_s=1.0)
        return len(self.first.calls), len(self.second.calls)


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_the_second_is_not_asked_while_the_first_answers(bench: Bench) -> None:
    assert await bench.embed() == (1, 0)


async def test_a_silent_first_is_left_alone_for_a_while(bench: Bench) -> None:
    bench.first.failure = Unavailable("triton", "away")
    assert await bench.embed() == (1, 1)
    assert await bench.embed() == (1, 2), "requests do not wait for it again and again"
    bench.first.failure = None
    bench.now += 5.0
    assert await bench.embed() == (2, 2), "then it is asked again"


async def test_a_full_first_is_asked_again_at_once(bench: Bench) -> None:
    bench.first.failure = Overloaded("full")
    assert await bench.embed() == (1, 1)
    assert await bench.embed() == (2, 2)


async def test_bad_input_is_bad_for_both(bench: Bench) -> None:
    bench.first.failure = InvalidInput("not text")
    with pytest.raises(InvalidInput):
        await bench.embed()
    assert not bench.second.calls


async def test_the_second_gets_only_the_time_that_is_left(bench: Bench) -> None:
    async def slow(*_: object, **__: object) -> None:
        bench.now += 0.4
        raise Unavailable("triton", "away")

    bench.first.embed = slow  # type: ignore[assignment]
    await bench.both.embed(["xin chào"], timeout_s=1.0)
    assert bench.second.calls[0][2] == pytest.approx(0.6)


async def test_where_neither_answers_the_second_says_so(bench: Bench) -> None:
    bench.first.failure = bench.second.failure = Unavailable("triton", "away")
    with pytest.raises(Unavailable):
        await bench.embed()
