"""Hostile text ends quickly: time grows with its length, not with the square."""

import time
from collections.abc import Callable

import pytest

from phoserve.text import Chunker, TextPipeline, passage_terms, sentences
from tests.support.models import phobert_model

UNITS = {
    "no space": "a",
    "combining marks": "\u0301",
    "marks on letters": "a\u0301",
    "nested quotes": "“",
    "zero width": "\u200b",
    "right to left": "\u200fא",
    "dashes": "-",
    "half addresses": "a.",
    "hosts": "a@b.",
    "dots": ".",
    "short sentences": "A. ",
    "numbers": "1_1.",
    "newlines": "\n",
    "headings": "# a\n",
    "chapters": "Chương I\nA\n",
    "cells": "| a ",
    "specials": "<s>",
    "undecided": "học sinh ",
    "emoji": "👩\u200d",
    "hangul letters": "\u1100\u1161\u11a8",
}
SHORT, TIMES = 10_000, 8


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> TextPipeline:
    return TextPipeline.load(phobert_model(tmp_path_factory.mktemp("model")))


def seconds(work: Callable[[], object]) -> float:
    """Of three runs the least, in CPU time: others use this machine too."""
    runs = []
    for _ in range(3):
        start = time.process_time()
        work()
        runs.append(time.process_time() - start)
    return min(runs)


@pytest.mark.parametrize("unit", UNITS.values(), ids=UNITS.keys())
def test_time_is_linear(pipeline: TextPipeline, unit: str) -> None:
    chunker = Chunker(pipeline)

    def work(length: int) -> Callable[[], object]:
        text = unit * (length // len(unit))
        return lambda: (pipeline.encode([text]), chunker.chunk(text), passage_terms(pipeline, [text]), sentences(text))

    short, long = seconds(work(SHORT)), seconds(work(SHORT * TIMES))
    # Linear is 8 times, quadratic 64; a short run may be all fixed cost, or lucky.
    assert long < 3 * TIMES * max(short, 0.002)


def test_a_megabyte_without_a_space(pipeline: TextPipeline) -> None:
    text = "abcđ" * 250_000
    start = time.process_time()
    chunks = Chunker(pipeline).chunk(text)
    assert time.process_time() - start < 20
    assert "".join(chunk.text for chunk in chunks) == text
    assert max(chunk.tokens for chunk in chunks) <= 256
