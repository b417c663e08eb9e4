"""Embedding through the REST API, interleaved with the peers and the limit in one run."""

import asyncio
import json
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, product
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cli.progress import Reporter
from loadtests.benchmark.contenders import ONNX_FOLDER, BareRuntime, Contender, infinity, platform, seed
from loadtests.benchmark.load import Request, closed_loop
from loadtests.benchmark.processes import Server
from loadtests.benchmark.processor import core_ms, processor_seconds
from loadtests.benchmark.results import Measurement, Results
from loadtests.benchmark.texts import Texts
from loadtests.benchmark.workloads import Kind, Workload, workloads
from phoserve.contract import load_contract
from phoserve.errors import ConfigurationError
from phoserve.text import TextPipeline

SUITE: Final = "embedding"
CHECKED: Final = 6
WORST_COSINE: Final = {"fp32": 0.999, "int8": 0.98}
"""Minimum cosine between two servers with the same weights.

With random weights, two texts have a cosine of 0.94 to 0.97.
"""

Turn = Callable[[Workload, int], Iterator[Measurement]]
"""Measures one contender: a workload, and the number of the round."""


@dataclass(frozen=True, slots=True)
class Peers:
    """The peers' Python, and the Hugging Face folder of the exported model."""

    python: Path
    source: Path


@dataclass(frozen=True, slots=True)
class EmbeddingPlan:
    """The contenders, workloads and rounds of a benchmark."""

    model: Path
    precisions: Sequence[str]
    kinds: Sequence[Kind]
    clients: Sequence[int]
    rounds: int
    seconds: float
    peers: Peers | None


def measure(plan: EmbeddingPlan, texts: Texts, work: Path, results: Results, report: Reporter) -> None:
    """Add the measurements to `results`. Raises ConfigurationError if a contender serves other vectors."""
    asked = workloads(plan.kinds, texts, plan.clients, TextPipeline.load(plan.model))
    with ExitStack() as stack:
        contenders = _start_servers(plan, work, report, stack)
        _check_same_vectors(contenders, plan.model, plan.precisions[0], texts.queries[:CHECKED])
        turns: list[Turn] = [partial(_measure_server, each, plan.seconds) for each in contenders]
        with report.step("Finding the limit's best batch sizes"):
            turns += [_limit(plan.model, precision, asked) for precision in plan.precisions]
        for round_ in range(plan.rounds):
            with report.step(f"Round {round_ + 1} of {plan.rounds}"):
                for workload, turn in product(asked, rotate(turns, round_)):
                    results.measurements += turn(workload, round_)


def rotate(turns: Sequence[Turn], round_: int) -> list[Turn]:
    """Rotate the contenders, so that none always follows the same one."""
    first = round_ % len(turns)
    return [*turns[first:], *turns[:first]]


def _start_servers(plan: EmbeddingPlan, work: Path, report: Reporter, stack: ExitStack) -> list[Contender]:
    contenders: list[Contender] = []
    for precision in plan.precisions:
        with report.step(f"Starting phoserve, {precision}"):
            contenders.append(stack.enter_context(platform(plan.model, work / precision, precision=precision)))
    if plan.peers:
        segmenter = load_contract(plan.model).segmenter
        with report.step("Starting the seed style"):
            contenders.append(stack.enter_context(seed(plan.peers.python, plan.peers.source, work, segmenter)))
        with report.step("Starting Infinity"):
            pipeline = TextPipeline.load(plan.model)
            folder = _onnx_folder(plan.peers)
            server = infinity(plan.peers.python, folder, work, lambda text: pipeline.segment([text])[0])
            contenders.append(stack.enter_context(server))
    return contenders


def _limit(model: Path, precision: str, asked: Sequence[Workload]) -> Turn:
    """Choose batch sizes before the rounds, because the best of several per round would be biased."""
    limit = BareRuntime(model, precision)
    sizes = {each.name: limit.best_batch(each.of_the_limit(0)) for each in asked}

    def turn(workload: Workload, round_: int) -> Iterator[Measurement]:
        texts = workload.of_the_limit(round_)
        figures = limit.figures(texts, batch=sizes[workload.name])
        yield Measurement(SUITE, limit.name, workload.name, 0, round_, figures | workload.figures())

    return turn


def _measure_server(contender: Contender, seconds: float, workload: Workload, round_: int) -> Iterator[Measurement]:
    prepared = replace(workload, texts=contender.prepared(workload.texts))
    for clients in workload.clients:
        requests = map(contender.request, prepared.requests(round_))
        figures = asyncio.run(_after_one(contender.server, requests, clients, seconds))
        memory = {"resident_mb": contender.server.resident_bytes() / 1e6}
        figures |= memory | workload.figures()
        yield Measurement(SUITE, contender.name, workload.name, clients, round_, figures)


async def _after_one(server: Server, requests: Iterator[Request], clients: int, seconds: float) -> dict[str, float]:
    """Send the first request twice: once to warm up, once measured."""
    first = next(requests)
    await closed_loop(server.url, iter([first]), clients=1, seconds=0)
    before = _spent(server)
    outcome = await closed_loop(server.url, chain([first], requests), clients=clients, seconds=seconds)
    return outcome.figures() | core_ms(before, _spent(server), wall_s=outcome.wall_s, texts=outcome.texts)


def _spent(server: Server) -> dict[str, float]:
    return {"client": time.process_time(), **processor_seconds(server.pid)}


def _check_same_vectors(contenders: Sequence[Contender], model: Path, precision: str, texts: Sequence[str]) -> None:
    limit = BareRuntime(model, precision)
    expected = limit.vectors(texts)
    for each in contenders:
        request = each.request(each.prepared(texts))
        reply = asyncio.run(closed_loop(each.server.url, iter([request]), clients=1, seconds=0, keep=True)).bodies[0]
        found: NDArray[np.float32] = np.array([item["embedding"] for item in json.loads(reply)["data"]], np.float32)
        cosines = (found * expected).sum(1) / np.linalg.norm(found, axis=1)
        least = WORST_COSINE["int8" if "int8" in each.name or "int8" in limit.name else "fp32"]
        if cosines.min() < least:
            raise ConfigurationError(f"{each.name} serves other vectors than {limit.name}: cosine {cosines.min():.4f}")


def _onnx_folder(peers: Peers) -> Path:
    """Create the ONNX folder once, in the peers' environment."""
    folder = peers.python.absolute().parents[1] / f"{peers.source.name}-onnx"
    if not folder.exists():
        command = [str(peers.python), str(ONNX_FOLDER), str(peers.source), str(folder)]
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - the project's own script
    return folder
