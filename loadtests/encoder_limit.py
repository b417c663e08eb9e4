"""Throughput through Triton against the limit: the same graph in bare ONNX Runtime, length-sorted, best batch size.

    python -m loadtests.encoder_limit MODEL --questions Q.jsonl.gz --passages P.jsonl.gz \
        [--precision int8] [--max-concurrent-calls 1]

Limit and server are interleaved on the same texts with the same number of threads, the limit once per batch size. The
medians of the rounds are compared, the server's with the limit's best batch size.
"""

import argparse
import asyncio
import gzip
import json
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from export.parity import cosine, tokenize_texts
from export.repository import assemble_repository
from loadtests.benchmark.memory import resident_bytes
from loadtests.serving import serving
from phoserve.adapters.triton.embedder import TritonEmbedder
from phoserve.serving.encoders import Ids, Vectors
from phoserve.serving.onnx import OnnxEncoder
from phoserve.text import TextPipeline

PASSAGES_A_REQUEST = 32


def main() -> None:
    arguments = _arguments()
    asyncio.run(_compare(arguments))


async def _compare(arguments: argparse.Namespace) -> None:
    random = np.random.default_rng(arguments.seed)
    questions = sample(random, read_texts(arguments.questions, "query"), arguments.count)
    passages = sample(random, read_texts(arguments.passages, "text"), arguments.passage_count)
    pipeline = TextPipeline.load(arguments.model)
    encoder = OnnxEncoder(arguments.model / "onnx" / f"{arguments.precision}.onnx")
    rates: dict[str, list[float]] = defaultdict(list)

    def prepare(repository: Path) -> None:
        assemble_repository(arguments.model, repository, profile="local", cpu_precision=arguments.precision)
        set_concurrency(repository, arguments.max_concurrent_calls)

    async with serving(arguments.model, prepare) as (server, embedder):
        bare(encoder, tokenize_texts(pipeline, questions[:8]), 8)
        await served(embedder, questions[:8], clients=1, size=1)
        for _ in range(arguments.rounds):
            for name, texts, runs in (
                ("questions", questions, ((8, 1), (32, 1))),
                ("passages", passages, ((2, PASSAGES_A_REQUEST),)),
            ):
                tokens = tokenize_texts(pipeline, texts)
                for batch in arguments.limit_batches:
                    seconds, expected = bare(encoder, tokens, batch)
                    rates[f"{name}, limit, batches of {batch}"].append(len(texts) / seconds)
                for clients, size in runs:
                    seconds, vectors = await served(embedder, texts, clients=clients, size=size)
                    rates[f"{name}, {clients} clients, {size} a request"].append(len(texts) / seconds)
                    check(vectors, expected)
        assert server.pid is not None  # noqa: S101 - it is running
        memory = resident_bytes(server.pid) / 1e6
    _print(rates, memory)


def set_concurrency(repository: Path, max_concurrent_calls: int) -> None:
    """Set the number of concurrent calls of the encoders in `repository`. 0 means one per core."""
    for file in repository.glob("*/configs/local.pbtxt"):
        config = text_format.Parse(file.read_text(), model_config_pb2.ModelConfig())
        if "max_concurrent_calls" in config.parameters:
            config.parameters["max_concurrent_calls"].string_value = str(max_concurrent_calls)
            file.write_text(text_format.MessageToString(config))


def bare(encoder: OnnxEncoder, texts: Sequence[Ids], size: int) -> tuple[float, Vectors]:
    """Return seconds and vectors of bare ONNX Runtime, length-sorted, `size` texts per call, without tokenising."""
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    batches = [order[start : start + size] for start in range(0, len(order), size)]
    started = time.perf_counter()
    parts = [
        encoder.encode(
            np.concatenate([texts[index] for index in batch]), np.array([len(texts[i]) for i in batch], np.int32)
        )
        for batch in batches
    ]
    seconds = time.perf_counter() - started
    return seconds, np.concatenate(parts)[np.argsort(order)]


async def served(embedder: TritonEmbedder, texts: Sequence[str], *, clients: int, size: int) -> tuple[float, Vectors]:
    """Return seconds and vectors of a closed loop of `clients`, `size` texts per request, with tokenising."""
    waiting = list(range(0, len(texts), size))[::-1]
    found: dict[int, Vectors] = {}

    async def client() -> None:
        while waiting:
            start = waiting.pop()
            found[start] = (await embedder.embed(texts[start : start + size], timeout_s=600)).vectors

    started = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    seconds = time.perf_counter() - started
    return seconds, np.concatenate([found[start] for start in sorted(found)])


def check(vectors: Vectors, expected: Vectors) -> None:
    worst = cosine(vectors, expected).min()
    if worst < 0.9999:
        raise SystemExit(f"the server's vectors differ from the graph's: worst cosine {worst:.6f}")


def _print(rates: dict[str, list[float]], memory: float) -> None:
    limits: dict[str, float] = defaultdict(float)
    for name, values in rates.items():
        if "limit" in name:
            kind = name.split(",")[0]
            limits[kind] = max(limits[kind], statistics.median(values))
    for name, values in rates.items():
        middle = statistics.median(values)
        share = middle / limits[name.split(",")[0]]
        rounds = " ".join(f"{value:.2f}" for value in values)
        sys.stdout.write(f"{name:36} {middle:8.2f} texts/s {share:7.0%}   rounds: {rounds}\n")
    sys.stdout.write(f"resident memory of the server: {memory:.0f} MB\n")


def read_texts(path: Path, field: str) -> list[str]:
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        return [json.loads(line)[field] for line in file]


def sample(random: np.random.Generator, texts: Sequence[str], count: int) -> list[str]:
    return [texts[index] for index in random.permutation(len(texts))[:count]]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--questions", type=Path, required=True)
    parser.add_argument("--passages", type=Path, required=True)
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--max-concurrent-calls", type=int, default=0, help="concurrent calls; one per core by default")
    parser.add_argument("--count", type=int, default=160, help="questions per round")
    parser.add_argument("--passage-count", type=int, default=64, help="passages per round")
    parser.add_argument(
        "--limit-batches", type=int, nargs="+", default=[4, 8, 16, 32], help="texts per call of the limit"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
