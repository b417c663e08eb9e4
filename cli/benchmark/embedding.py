"""Embedding through the REST API, beside peers and the limit, by turns in one run."""

import asyncio
import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cli.benchmark.contenders import ONNX_FOLDER, BareRuntime, Contender, infinity, platform, seed
from cli.benchmark.load import Request, closed_loop
from cli.benchmark.results import Measurement, Results
from cli.benchmark.texts import Texts, batches
from cli.progress import Reporter
from phoserve.errors import ConfigurationError
from phoserve.text import TextPipeline

SUITE: Final = "embedding"
LIMIT_BATCHES: Final = (4, 8, 16, 32)
PASSAGES_A_REQUEST: Final = 32
CHECKED: Final = 6
WORST_COSINE: Final = {"fp32": 0.999, "int8": 0.95}
"""Below it, two servers do not serve the same weights; parity of precisions is the export's business."""


@dataclass(frozen=True, slots=True)
class Peers:
    """Where the peers' Python is, the Hugging Face folder the model was exported from, and which of them take part."""

    python: Path
    source: Path


@dataclass(frozen=True, slots=True)
class EmbeddingPlan:
    """What is measured."""

    model: Path
    precisions: Sequence[str]
    clients: Sequence[int]
    rounds: int
    seconds: float
    peers: Peers | None


def measure(plan: EmbeddingPlan, texts: Texts, work: Path, results: Results, report: Reporter) -> None:
    """Add the measurements to `results`. Raises ConfigurationError if a contender serves other vectors."""
    with ExitStack() as stack:
        contenders = _started(plan, work, report, stack)
        limits = [BareRuntime(plan.model, precision) for precision in plan.precisions]
        _check_same_vectors(contenders, limits[0], texts.queries[:CHECKED])
        sources = {each.name: batches(texts.queries, 1) for each in contenders}
        passages = {each.name: batches(texts.passages, PASSAGES_A_REQUEST) for each in contenders}
        for round_ in range(plan.rounds):
            with report.step(f"Round {round_ + 1} of {plan.rounds}"):
                for limit in limits:
                    results.measurements += _limit(limit, texts, round_)
                for each in contenders:
                    runs = [("query", sources[each.name], clients) for clients in plan.clients]
                    runs.append((f"{PASSAGES_A_REQUEST} passages", passages[each.name], 1))
                    for workload, source, clients in runs:
                        results.measurements.append(_served(each, workload, source, clients, plan.seconds, round_))


def _started(plan: EmbeddingPlan, work: Path, report: Reporter, stack: ExitStack) -> list[Contender]:
    contenders: list[Contender] = []
    for precision in plan.precisions:
        with report.step(f"Starting phoserve, {precision}"):
            contenders.append(stack.enter_context(platform(plan.model, work / precision, precision=precision)))
    if plan.peers:
        with report.step("Starting the seed style"):
            contenders.append(stack.enter_context(seed(plan.peers.python, plan.peers.source, work)))
        with report.step("Starting Infinity"):
            pipeline = TextPipeline.load(plan.model)
            folder = _onnx_folder(plan.peers)
            server = infinity(plan.peers.python, folder, work, lambda text: pipeline.segment([text])[0])
            contenders.append(stack.enter_context(server))
    return contenders


def _limit(limit: BareRuntime, texts: Texts, round_: int) -> list[Measurement]:
    """The best batch size on about as many texts as a server gets through."""
    asked = (("query", texts.queries, 64), (f"{PASSAGES_A_REQUEST} passages", texts.passages, PASSAGES_A_REQUEST))
    found = []
    for workload, source, count in asked:
        start = round_ * count % max(1, len(source) - count)
        part = source[start : start + count]
        best = max(limit.rate(part, batch=batch) for batch in LIMIT_BATCHES)
        found.append(Measurement(SUITE, limit.name, workload, 0, round_, {"texts_per_s": best}))
    return found


def _served(
    contender: Contender, workload: str, source: Iterator[list[str]], clients: int, seconds: float, round_: int
) -> Measurement:
    requests = map(contender.request, source)
    outcome = asyncio.run(_after_one(contender.server.url, requests, clients, seconds))
    memory = {"resident_mb": contender.server.resident_bytes() / 1e6}
    return Measurement(SUITE, contender.name, workload, clients, round_, {**outcome, **memory})


async def _after_one(url: str, requests: Iterator[Request], clients: int, seconds: float) -> dict[str, float]:
    warm_up = next(requests)
    await closed_loop(url, iter([warm_up]), clients=1, seconds=0)
    return (await closed_loop(url, requests, clients=clients, seconds=seconds)).figures()


def _check_same_vectors(contenders: Sequence[Contender], limit: BareRuntime, texts: Sequence[str]) -> None:
    expected = limit.vectors(texts)
    for each in contenders:
        reply = asyncio.run(
            closed_loop(each.server.url, iter([each.request(texts)]), clients=1, seconds=0, keep=True)
        ).bodies[0]
        found: NDArray[np.float32] = np.array([item["embedding"] for item in json.loads(reply)["data"]], np.float32)
        cosines = (found * expected).sum(1) / np.linalg.norm(found, axis=1)
        least = WORST_COSINE["int8" if "int8" in each.name or "int8" in limit.name else "fp32"]
        if cosines.min() < least:
            raise ConfigurationError(f"{each.name} serves other vectors than {limit.name}: cosine {cosines.min():.4f}")


def _onnx_folder(peers: Peers) -> Path:
    """Made once, inside the peers' environment."""
    folder = peers.python.absolute().parents[1] / f"{peers.source.name}-onnx"
    if not folder.exists():
        command = [str(peers.python), str(ONNX_FOLDER), str(peers.source), str(folder)]
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - the project's own script
    return folder
