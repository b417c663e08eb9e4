"""CPU time per text of Triton's processes around the encoder: seconds of a core, and texts/s.

    python -m loadtests.front_cost --questions Q.jsonl.gz --passages P.jsonl.gz

The script serves the bundled encoder, whose own cost is negligible, in a closed loop. A warm-up round is not counted.
"""

import argparse
import asyncio
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import export.bundled
from cli.triton_process import TritonProcess
from export.repository import assemble_repository
from loadtests.benchmark.processor import processor_seconds
from loadtests.encoder_limit import read_texts, sample, served
from loadtests.serving import serving
from phoserve.adapters.triton.embedder import TritonEmbedder

MODEL = Path(export.bundled.__path__[0])


async def measure(questions: Sequence[str], passages: Sequence[str], rounds: int) -> None:
    """Print a line for each request shape: medians of the rounds."""
    ways = {"questions, one a request, 32 clients": (questions, 32, 1), "passages, 32 a request": (passages, 4, 32)}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    async with serving(MODEL, _assemble) as (server, embedder):
        for _ in range(rounds + 1):
            for name, (texts, clients, size) in ways.items():
                found[name].append(await _round(server, embedder, texts, clients, size))
    for name, measured in found.items():
        rates, costs = zip(*measured[1:], strict=True)
        sys.stdout.write(
            f"{name}: {statistics.median(rates):.0f} texts/s, {statistics.median(costs):.2f} ms of a core\n"
        )


async def _round(
    server: TritonProcess, embedder: TritonEmbedder, texts: Sequence[str], clients: int, size: int
) -> tuple[float, float]:
    before = _core_s(server)
    seconds, _ = await served(embedder, texts, clients=clients, size=size)
    return len(texts) / seconds, (_core_s(server) - before) / len(texts) * 1000


def _assemble(repository: Path) -> None:
    assemble_repository(MODEL, repository, profile="local")


def _core_s(server: TritonProcess) -> float:
    """Return the CPU seconds so far of Triton and its Python backend."""
    assert server.pid is not None  # noqa: S101 - it is running
    return sum(processor_seconds(server.pid).values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=Path, required=True)
    parser.add_argument("--passages", type=Path, required=True)
    parser.add_argument("--count", type=int, default=2000, help="questions; a quarter as many passages")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    random = np.random.default_rng(0)
    questions = sample(random, read_texts(arguments.questions, "query"), arguments.count)
    passages = sample(random, read_texts(arguments.passages, "text"), arguments.count // 4)
    asyncio.run(measure(questions, passages, arguments.rounds))


if __name__ == "__main__":
    main()
