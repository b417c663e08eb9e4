"""What the benchmark counts, keeps and compares."""

import os
import subprocess
import sys
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pytest

from cli.commands.up import BUNDLED_MODEL
from loadtests.benchmark.embedding import rotate
from loadtests.benchmark.load import Outcome
from loadtests.benchmark.processor import core_ms, processor_seconds
from loadtests.benchmark.results import Measurement, Results, compare
from loadtests.benchmark.texts import Texts, truncate
from loadtests.benchmark.workloads import LENGTHS, Kind, batches, workloads
from phoserve.serving.encoders import cores
from phoserve.text import TextPipeline


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
    assert compare(read, results)[0][1:] == ("texts_per_s", 2.0, 2.0)


def test_ratios_are_those_of_a_round_with_as_many_clients_or_the_limit() -> None:
    results = Results({})
    for round_, speed in enumerate((1.0, 2.0, 9.0)):  # of the machine
        for name, clients, rate in (("a", 8, 30.0), ("b", 8, 10.0), ("b", 1, 7.0), ("limit", 0, 60.0)):
            figures = {"texts_per_s": speed * rate}
            results.measurements.append(Measurement("embedding", name, "query", clients, round_, figures))
    ratios = results.ratios()
    assert ratios["embedding", "query", "a", 8] == {"b": 3.0, "limit": 0.5}
    assert ratios["embedding", "query", "b", 1] == {"limit": pytest.approx(7 / 60)}
    assert ("embedding", "query", "limit", 0) not in ratios


def test_the_samples_give_texts_enough_each_once() -> None:
    texts = Texts.load(None, None)
    assert len(texts.queries) == len(set(texts.queries)) > 1000
    assert len(texts.passages) == len(set(texts.passages)) > 32
    assert texts.queries == Texts.load(None, None).queries


def test_batches_start_anywhere_and_again_where_the_texts_end() -> None:
    assert list(islice(batches(["a", "b", "c"], 2), 2)) == [["a", "b"], ["c", "a"]]
    assert next(batches(["a", "b", "c"], 2, start=4)) == ["b", "c"]


@pytest.mark.parametrize("tokens", [8, 64])
def test_texts_are_cut_to_a_number_of_tokens_and_hardly_below(tokens: int) -> None:
    pipeline = TextPipeline.load(BUNDLED_MODEL)
    counts = pipeline.count_tokens(truncate(Texts.load(None, None).passages, tokens, 20, pipeline.count_tokens))
    assert len(counts) == 20
    assert (counts <= tokens).all()
    assert counts.mean() > 0.9 * tokens


def test_every_workload_is_asked_from_the_same_place_in_a_round_by_servers_and_limit() -> None:
    texts = Texts.load(None, None)
    asked = workloads(list(Kind), texts, [1, 8], TextPipeline.load(BUNDLED_MODEL))
    assert [each.name for each in asked] == ["query", "32 passages", *(f"{tokens} tokens" for tokens in LENGTHS)]
    for each in asked:
        few = each.of_the_limit(1)
        assert list(islice(chain.from_iterable(each.requests(1)), len(few))) == few != each.of_the_limit(0)


def test_everybody_begins_a_round_once() -> None:
    turns: list[Any] = ["a", "b", "c"]
    assert [rotate(turns, round_) for round_ in range(4)] == [["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"], turns]


def test_processor_time_counts_what_a_process_started() -> None:
    program = "import time\nwhile time.process_time() < 0.3: pass\nprint('done', flush=True); input()"
    started = processor_seconds(os.getpid())["server"]
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert 0.25 < processor_seconds(child.pid)["server"] < 3
        assert processor_seconds(os.getpid())["server"] - started > 0.25
        child.kill()


def test_what_nobody_did_is_what_is_left_of_the_cores() -> None:
    figures = core_ms({"server": 1.0}, {"server": 2.0, "client": 0.5}, wall_s=4.0, texts=10)
    left = 4000 * cores() - 1500
    assert figures == {"core_ms_server": 100.0, "core_ms_client": 50.0, "core_ms_unused": max(0, left) / 10}


@pytest.mark.parametrize("wall", [0.5, 4.0])
def test_rates_are_per_second(wall: float) -> None:
    outcome = Outcome(wall_s=wall)
    outcome.add(200, 1.0, 8)
    assert outcome.figures()["texts_per_s"] == 8 / wall
