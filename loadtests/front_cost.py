"""What a text costs Triton's processes before and behind the encoder: seconds of a core, and texts a second.

    python -m loadtests.front_cost --questions Q.jsonl.gz --passages P.jsonl.gz

Served is the bundled encoder, whose own cost is next to nothing, in a closed loop; a first round is not counted.
"""

import argparse
import asyncio
import os
import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

import export.bundled
from export.repository import assemble_repository
from loadtests.encoder_limit import read_texts, sample, served
from loadtests.serving import serving
from phoserve.adapters.triton import TritonEmbedder

MODEL = Path(export.bundled.__path__[0])
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


async def measure(questions: Sequence[str], passages: Sequence[str], rounds: int) -> None:
    """Print a line for each way of asking: medians of the rounds."""
    ways = {"questions, one a request, 32 clients": (questions, 32, 1), "passages, 32 a request": (passages, 4, 32)}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    async with serving(MODEL, _assemble) as (_, embedder):
        for _ in range(rounds + 1):
            for name, (texts, clients, size) in ways.items():
                found[name].append(await _round(embedder, texts, clients, size))
    for name, measured in found.items():
        rates, costs = zip(*measured[1:], strict=True)
        sys.stdout.write(
            f"{name}: {statistics.median(rates):.0f} texts/s, {statistics.median(costs):.2f} ms of a core\n"
        )


async def _round(embedder: TritonEmbedder, texts: Sequence[str], clients: int, size: int) -> tuple[float, float]:
    before = _children_cpu_s()
    seconds, _ = await served(embedder, texts, clients=clients, size=size)
    return len(texts) / seconds, (_children_cpu_s() - before) / len(texts) * 1000


def _assemble(repository: Path) -> None:
    assemble_repository(MODEL, repository, profile="local")


def _children_cpu_s() -> float:
    """User and system time of the processes below this one: Triton and its Python backend."""
    return sum(_descendants_ticks(os.getpid())) / TICKS_PER_S


def _descendants_ticks(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
            yield int(fields[11]) + int(fields[12])
            yield from _descendants_ticks(int(child))


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
