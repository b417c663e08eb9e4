"""The sizing tables of docs/deploy-aws.md are what their formulas give for the figures measured elsewhere."""

import math
import re
from typing import Final

import pytest

from tests.support.chart import ROOT

AWS: Final = (ROOT / "docs" / "deploy-aws.md").read_text()
TRITON: Final = (ROOT / "docs" / "triton.md").read_text()
PASSAGE_TOKENS, QUESTION_TOKENS = 160, 15
REACHED: Final = 0.4
PROCESSES: Final = 4
QUESTION_S, PASSAGE_S = 1.0e-3, 0.54e-3
GROWTH: Final = 1.5
VECTOR, TERMS, REST, INT8, ALL = 3073, 1621, 224, 768, 8047


def row(start: str) -> list[str]:
    """The cells of the table row of docs/deploy-aws.md that begins so, after the first."""
    (line,) = [line for line in AWS.splitlines() if line.startswith(f"| {start}")]
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def number(cell: str) -> float:
    """A figure of a table, whatever its unit; GB and TB as GB."""
    value = float(cell.replace(",", "").split()[0])
    return value * 1000 if cell.endswith("TB") else value


def flop(tokens: int) -> float:
    """Of one text through PhoBERT-base."""
    return tokens * (169.9e6 + 36_864 * tokens)


def measured(start: str) -> float:
    """Texts/s of int8 in the table of docs/triton.md."""
    (found,) = re.findall(rf"^\| {start} \| ([\d.]+) \|", TRITON, flags=re.MULTILINE)
    return float(found)


def test_two_cores_are_what_was_measured() -> None:
    _, passages, questions = row("2 cores with AVX512-VNNI")
    assert number(passages) == pytest.approx(measured("passages, 32 a request"), rel=0.01)
    assert number(questions) == pytest.approx(measured("questions, 32 clients"), rel=0.01)


def test_more_cores() -> None:
    _, passages, questions = row("c7i.4xlarge, 16 vCPU")
    assert number(passages) == pytest.approx(8 * measured("passages, 32 a request"), rel=0.01)
    assert number(questions) == pytest.approx(8 * measured("questions, 32 clients"), rel=0.01)


@pytest.mark.parametrize(("start", "peak_tflops"), [("g6.2xlarge, one L4", 121), ("one H200", 790)])
def test_cards(start: str, peak_tflops: float) -> None:
    said, *rates = row(start)
    card = [REACHED * peak_tflops * 1e12 / flop(tokens) for tokens in (PASSAGE_TOKENS, QUESTION_TOKENS)]
    stated = re.findall(r"([\d,]+) (?:passages|questions)", said)
    assert [number(each) for each in stated] == pytest.approx(card, rel=0.01)
    front = [PROCESSES / PASSAGE_S, PROCESSES / QUESTION_S]
    expected = [min(pair) for pair in zip(card, front, strict=True)]
    assert [number(rate) for rate in rates] == pytest.approx(expected, rel=0.02)


def test_a_gpu_pod_has_as_many_processes_as_the_sizing_says() -> None:
    text = (ROOT / "model_repository" / "public_model" / "gpu.pbtxt").read_text()
    assert re.search(rf"instance_group {{ kind: KIND_CPU count: {PROCESSES} }}", text)


@pytest.mark.parametrize("millions", [1, 10, 100])
def test_memory_and_disk(millions: int) -> None:
    in_memory, quantised, disk = (number(cell) for cell in row(f"{millions} million "))
    graph = 32 * math.log2(millions * 1e6) / 8
    thousand_bytes = millions * GROWTH / 1000
    assert in_memory == pytest.approx((VECTOR + graph + TERMS + REST) * thousand_bytes, rel=0.01)
    assert quantised == pytest.approx((INT8 + REST) * thousand_bytes, rel=0.02)
    assert disk == pytest.approx(ALL * thousand_bytes, rel=0.02)


def test_the_parts_of_a_passage_add_up() -> None:
    table = AWS[AWS.index("| dense vector, float32") : AWS.index("| **all, measured**")]
    parts = [number(line.strip("|").split("|")[-1].strip()) for line in table.strip().splitlines()]
    graph_at_a_million, graph_measured = 80, 56
    assert sum(parts) - graph_at_a_million + graph_measured == pytest.approx(ALL, abs=2)


@pytest.mark.parametrize(
    ("start", "machine"), [("g6.2xlarge, 0.98", "g6.2xlarge, one L4"), ("c7i.4xlarge, 0.71", "c7i.4xlarge, 16 vCPU")]
)
def test_cost_of_a_million_passages(start: str, machine: str) -> None:
    (line,) = [line for line in AWS.splitlines() if line.startswith(f"| {start}")]
    price = float(re.findall(r"([\d.]+) \$/h", line)[0])
    hours = 1e6 / number(row(machine)[1]) / 3600
    assert number(row(start)[-1]) == pytest.approx(price * hours, rel=0.04)
