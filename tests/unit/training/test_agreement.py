"""Precisions and batches of one folder held against each other, and its speed, on a small model."""

import gzip
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from export.graph import Array
from phoserve.contract import Fusion
from training.agreement import largest_batch_difference, precisions_agree
from training.bundle import write_model
from training.graph import write_static_graph
from training.labelled import SETS
from training.quality import Encoder
from training.speed import speeds
from training.tokenizer import learn, save

TEXTS = ["học_sinh đi học ở trường", "Hà_Nội có nhiều hồ đẹp", "giá cà_phê tăng mạnh", "trời mưa to ở Huế"]


@pytest.fixture
def table(tmp_path: Path) -> Array:
    pieces = save(tmp_path, learn(TEXTS * 8, 80), Counter(" ".join(TEXTS).split()), size=200)
    made: Array = np.random.default_rng(0).normal(size=(len(pieces) + 4, 16)).astype(np.float32)
    write_model(tmp_path, "small", tmp_path, made, fusion=Fusion(), precisions=("fp32", "int8"))
    return made


@pytest.fixture
def evaluation(tmp_path: Path) -> Path:
    passages = [{"id": str(number), "title": "", "text": text} for number, text in enumerate(TEXTS)]
    queries = [{"query": each["text"], "positive_id": each["id"], "split": "test"} for each in passages]
    for name in SETS:
        for path, lines in ((f"corpus_{name}", passages), (f"retrieval_{name}", queries)):
            with gzip.open(tmp_path / f"{path}.jsonl.gz", "wt", encoding="utf-8") as file:
                file.writelines(json.dumps(line) + "\n" for line in lines)
    return tmp_path


def encoders(folder: Path) -> dict[str, Encoder]:
    return {precision: Encoder(folder, precision=precision) for precision in ("fp32", "int8")}


def test_precisions_of_one_table_agree(table: Array, evaluation: Path) -> None:
    lines = list(precisions_agree(encoders(evaluation), evaluation))
    assert [line.name for line in lines] == list(SETS)
    assert all(line.points == pytest.approx(0, abs=0.3) for line in lines)
    assert all(figure >= 0.9 for line in lines for figure in line.figures.values())


def test_precisions_of_different_tables_are_told_apart(table: Array, evaluation: Path) -> None:
    write_static_graph(evaluation / "onnx" / "int8.onnx", np.vstack([np.ones_like(table), table[:1]]), int8=True)
    assert all(line.points > 5 for line in precisions_agree(encoders(evaluation), evaluation))


def test_alone_is_as_in_a_batch(table: Array, tmp_path: Path) -> None:
    assert largest_batch_difference(Encoder(tmp_path), TEXTS) == 0


def test_speed_is_told_for_every_way_to_encode(table: Array, tmp_path: Path) -> None:
    measured = list(speeds(Encoder(tmp_path), TEXTS, rounds=3))
    assert len({each.name for each in measured}) == 4
    assert all(0 < each.slowest <= each.median <= each.fastest for each in measured)
