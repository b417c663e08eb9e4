"""What the benchmark counts, keeps and compares."""

from pathlib import Path

import pytest

from cli.benchmark.load import Outcome
from cli.benchmark.results import Measurement, Results, compared
from cli.benchmark.texts import Texts, batches


def test_refusals_are_neither_answers_nor_errors() -> None:
    outcome = Outcome(wall_s=2.0)
    for status, ms in ((200, 10.0), (200, 30.0), (429, 1.0), (503, 5.0), (0, 9.0)):
        outcome.add(status, ms, 4)
    figures = outcome.figures()
    assert figures["texts_per_s"] == 4.0
    assert (figures["requests_per_s"], figures["refused"], figures["errors"]) == (1.0, 1, 2)
    assert (figures["ms_p50"], figures["refused_ms_p50"]) == (20.0, 1.0)


def test_results_come_back_as_they_were_written_with_the_median_of_the_rounds(tmp_path: Path) -> None:
    results = Results({"rounds": 3})
    for round_, rate in enumerate((1.0, 9.0, 2.0)):
        results.measurements.append(Measurement("embedding", "phoserve", "query", 8, round_, {"texts_per_s": rate}))
    results.write(tmp_path)
    read = Results.read(tmp_path)
    assert read == results
    assert read.medians() == {("embedding", "query", "phoserve", 8): {"texts_per_s": 2.0}}
    assert (tmp_path / "results.csv").read_text().count("\n") == 4
    assert compared(read, results)[0][1:] == ("texts_per_s", 2.0, 2.0)


def test_the_samples_give_texts_enough_each_once() -> None:
    texts = Texts.load(None, None)
    assert len(texts.queries) == len(set(texts.queries)) > 1000
    assert len(texts.passages) == len(set(texts.passages)) > 32
    assert texts.queries == Texts.load(None, None).queries


def test_batches_start_again_where_the_texts_end() -> None:
    source = batches(["a", "b", "c"], 2)
    assert [next(source), next(source)] == [["a", "b"], ["c", "a"]]


@pytest.mark.parametrize("wall", [0.5, 4.0])
def test_rates_are_per_second(wall: float) -> None:
    outcome = Outcome(wall_s=wall)
    outcome.add(200, 1.0, 8)
    assert outcome.figures()["texts_per_s"] == 8 / wall
