"""The contenders: the platform in its precisions, the peers, and bare ONNX Runtime as the limit."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from loadtests.benchmark.load import Request
from loadtests.benchmark.processes import Server, free_port, running
from loadtests.benchmark.processor import core_ms
from phoserve.contract import CONTRACT_FILE
from phoserve.errors import ConfigurationError
from phoserve.serving.encoders import Ids
from phoserve.serving.onnx import OnnxEncoder
from phoserve.text import TextPipeline

EMBEDDINGS: Final = "/v1/embeddings"
NO_CACHE: Final = {"PHOSERVE_LIMITS__QUERY_CACHE_ENTRIES": "0"}
"""A benchmark repeats texts, which a cache would answer for free."""
SEED_SERVER: Final = Path(__file__).parent / "peers" / "seed_server.py"
ONNX_FOLDER: Final = Path(__file__).parent / "peers" / "onnx_folder.py"
MAX_TEXTS: Final = 32
PLATFORM: Final = "phoserve"
RUNTIME: Final = "onnxruntime"
LIMIT_BATCHES: Final = (4, 8, 16, 32)


@dataclass(frozen=True, slots=True)
class Contender:
    """An embedding server under test."""

    name: str
    server: Server
    model: str
    prepare: Callable[[str], str] = field(default=str)
    """Prepares texts outside the measured time: peers without word segmentation receive segmented texts."""

    def prepared(self, texts: Sequence[str]) -> list[str]:
        """Prepare texts for `request`."""
        return [self.prepare(text) for text in texts]

    def request(self, prepared: Sequence[str]) -> Request:
        """Build the request for prepared texts."""
        body = {"model": self.model, "input": prepared}
        return Request(EMBEDDINGS, json.dumps(body, ensure_ascii=False).encode(), len(prepared))


@contextmanager
def platform(
    model: Path, work: Path, *, precision: str | None = None, more: dict[str, str] | None = None
) -> Iterator[Contender]:
    """`phoserve up` with an empty store and without the cache. `precision` None means its default."""
    folder = one_precision(model, work / "model", precision) if precision else model
    port = free_port()
    command = [sys.executable, "-m", "cli", "up", "--json", "--no-samples", "--port", str(port)]
    command += ["--state", str(work / "state"), "--model", str(folder)]
    environment = {**NO_CACHE, **(more or {})}
    work.mkdir(parents=True, exist_ok=True)
    with running(command, port, ready="/health/ready", log=work / "up.log", environment=environment) as server:
        yield Contender(f"{PLATFORM} {precision or ''}".strip(), server, PLATFORM)


@contextmanager
def seed(python: Path, source: Path, work: Path, segmenter: str) -> Iterator[Contender]:
    """FastAPI, pyvi (`segmenter` "pyvi", else none) and sentence-transformers."""
    port = free_port()
    command = [str(python), str(SEED_SERVER), str(source), str(port), segmenter]
    with running(command, port, ready="/health", log=work / "seed.log", environment={}) as server:
        yield Contender("seed style fp32", server, "seed")


@contextmanager
def infinity(python: Path, folder: Path, work: Path, segment: Callable[[str], str]) -> Iterator[Contender]:
    """Infinity's optimum engine on a folder made by `onnx_folder.py`. It receives segmented texts."""
    port = free_port()
    command = [str(python.parent / "infinity_emb"), "v2", "--model-id", str(folder), "--engine", "optimum"]
    command += ["--device", "cpu", "--port", str(port), "--host", "127.0.0.1", "--url-prefix", "/v1"]
    command += ["--served-model-name", folder.name, "--pooling-method", "mean", "--batch-size", str(MAX_TEXTS)]
    environment = {"DO_NOT_TRACK": "1", "INFINITY_ANONYMOUS_USAGE_STATS": "0", "HF_HUB_OFFLINE": "1"}
    with running(command, port, ready="/health", log=work / "infinity.log", environment=environment) as server:
        yield Contender("Infinity optimum fp32", server, folder.name, segment)


class BareRuntime:
    """The limit: the same graph in bare ONNX Runtime, with tokenised texts sorted by length, without a server."""

    def __init__(self, model: Path, precision: str) -> None:
        self.name = f"{RUNTIME} {precision}"
        self._encoder = OnnxEncoder(model / "onnx" / f"{precision}.onnx")
        self._pipeline = TextPipeline.load(model)

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """float32 (texts, dim)."""
        tokens = self._pipeline.encode(list(texts))
        return self._encoder.encode(tokens.ids, np.diff(tokens.offsets).astype(np.int32))

    def best_batch(self, texts: Sequence[str]) -> int:
        """Return the fastest number of texts per call."""
        return max(LIMIT_BATCHES, key=lambda batch: self.figures(texts, batch=batch)["texts_per_s"])

    def figures(self, texts: Sequence[str], *, batch: int) -> dict[str, float]:
        """Return texts/s and CPU time without tokenising, with `batch` texts per call."""
        tokens = self._pipeline.encode(list(texts))
        rows: list[Ids] = [
            tokens.ids[start:end] for start, end in zip(tokens.offsets[:-1], tokens.offsets[1:], strict=True)
        ]
        rows.sort(key=len)
        begun, before = time.perf_counter(), time.process_time()
        for first in range(0, len(rows), batch):
            part = rows[first : first + batch]
            self._encoder.encode(np.concatenate(part), np.array([len(row) for row in part], np.int32))
        wall_s, after = time.perf_counter() - begun, time.process_time()
        spent = core_ms({RUNTIME: before}, {RUNTIME: after}, wall_s=wall_s, texts=len(texts))
        return {"texts_per_s": len(texts) / wall_s} | spent


def one_precision(model: Path, target: Path, precision: str) -> Path:
    """Create a model folder with the weights of `precision` only, so that the platform serves it."""
    contract = json.loads((model / CONTRACT_FILE).read_text())
    if precision not in contract["precisions"]:
        raise ConfigurationError(f"{model} has no {precision} weights, only {', '.join(contract['precisions'])}")
    (target / "onnx").mkdir(parents=True, exist_ok=True)
    (target / CONTRACT_FILE).write_text(json.dumps(contract | {"precisions": [precision]}))
    tokenizer = [path.name for path in model.iterdir() if path.is_file() and path.name != CONTRACT_FILE]
    for name in (*tokenizer, f"onnx/{precision}.onnx"):
        if not (target / name).exists():
            (target / name).symlink_to((model / name).absolute())
    return target
