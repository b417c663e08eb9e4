"""Compare ways to batch texts of mixed length: throughput and share of padding.

    python -m loadtests.padding MODEL --questions Q.jsonl.gz --passages P.jsonl.gz [--bare | --served]

MODEL is a folder exported with `--gpu`; everything runs in float32 on the CPU. First in bare ONNX Runtime, then
through Triton: the packed graph, the padded graph with batches of the cost model, and the packed graph with Triton's
ragged batching.
"""

import argparse
import asyncio
import contextlib
import shutil
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from google.protobuf import text_format
from onnxruntime.transformers.optimizer import optimize_model

from cli.triton_process import TritonProcess
from export.parity import tokenize_texts
from export.repository import TEMPLATES, Profile, assemble_repository, read_config
from loadtests.encoder_limit import read_texts, sample, served
from loadtests.serving import serving
from phoserve.adapters.triton.embedder import TritonEmbedder
from phoserve.contract import CONTRACT_FILE, CPU_ENCODER, GPU_ENCODER, MERGES_FILE, PUBLIC_MODEL, VOCAB_FILE
from phoserve.serving.batch_policy import PaddedBatchPolicy, Rows
from phoserve.serving.encoders import Ids
from phoserve.serving.onnx import OnnxEncoder
from phoserve.text import TextPipeline

RAGGED = Path(__file__).parent / "ragged"
BATCH_TOKENS = 1024
CALL_TOKENS = 16  # fixed cost of a call on two cores in float32: the intercept of its time over its tokens
BATCH = 16
PASSAGES_A_REQUEST = 32
Figures = dict[tuple[str, str], list[float]]


def main() -> None:
    arguments = _arguments()
    random = np.random.default_rng(0)
    questions = sample(random, read_texts(arguments.questions, "query"), arguments.count)
    passages = sample(random, read_texts(arguments.passages, "text"), arguments.count // 4)
    kinds = {"questions": questions, "passages": passages, "both": questions + passages}
    with tempfile.TemporaryDirectory(dir=arguments.model.parent) as folder:
        padded = Path(folder) / "padded.onnx"
        _fuse(arguments.model, padded)
        if not arguments.served:
            _bare(arguments, kinds, padded)
        if not arguments.bare:
            asyncio.run(_through_triton(arguments, kinds, padded))


def _fuse(model: Path, target: Path) -> None:
    """Return the padded float32 graph with ONNX Runtime's transformer fusions."""
    fused: Any = optimize_model(str(model / "onnx" / "plain.onnx"), model_type="bert", opt_level=0)
    fused.save_model_to_file(str(target))


def _bare(arguments: argparse.Namespace, kinds: dict[str, list[str]], padded: Path) -> None:
    pipeline = TextPipeline.load(arguments.model)
    graphs = {"padded": OnnxEncoder(padded), "packed": OnnxEncoder(arguments.model / "onnx" / "fp32.onnx")}
    rates: Figures = defaultdict(list)
    waste: dict[tuple[str, str], float] = {}
    for _ in range(arguments.rounds):
        for kind, texts in kinds.items():
            tokens = tokenize_texts(pipeline, texts)
            lengths = np.array([len(ids) for ids in tokens], np.int32)
            for name, (layout, batches) in _plans(lengths).items():
                started = time.perf_counter()
                for batch in batches:
                    graphs[layout].encode(np.concatenate([tokens[row] for row in batch]), lengths[batch])
                rates[name, kind].append(len(texts) / (time.perf_counter() - started))
                waste[name, kind] = _waste(lengths, batches) if layout == "padded" else 0.0
    sys.stdout.write("bare ONNX Runtime\n")
    _print(rates, waste)


def _plans(lengths: Ids) -> dict[str, tuple[str, list[Rows]]]:
    """Name -> (graph, batches as rows of the texts)."""
    as_they_come = np.arange(len(lengths))
    by_length = np.argsort(lengths, kind="stable")
    return {
        "padded, unsorted": ("padded", _slices(as_they_come)),
        "padded, sorted": ("padded", _slices(by_length)),
        "padded, cost model": ("padded", list(_cut(lengths))),
        "packed, unsorted": ("packed", _slices(as_they_come)),
        "packed, sorted": ("packed", _slices(by_length)),
    }


def _slices(order: Rows) -> list[Rows]:
    return [order[start : start + BATCH] for start in range(0, len(order), BATCH)]


def _cut(lengths: Ids) -> Iterator[Rows]:
    cut, waiting = PaddedBatchPolicy(BATCH_TOKENS, CALL_TOKENS), np.arange(len(lengths))
    while len(waiting):
        rows = cut.rows(lengths[waiting])
        yield waiting[rows]
        waiting = np.delete(waiting, rows)


def _waste(lengths: Ids, batches: Sequence[Rows]) -> float:
    cells = sum(int(lengths[batch].max()) * len(batch) for batch in batches)
    return 1 - float(lengths.sum()) / cells


async def _through_triton(arguments: argparse.Namespace, kinds: dict[str, list[str]], padded: Path) -> None:
    model = arguments.model
    ways = {"packed": _prepare_packed, "padded, cost model": _prepare_padded, "ragged batching": _prepare_ragged}
    rates: Figures = defaultdict(list)
    waste: dict[tuple[str, str], float] = {}
    async with contextlib.AsyncExitStack() as stack:
        servers = {}
        for name, prepare in ways.items():
            profile: Profile = "local" if name != "padded, cost model" else "gpu"
            started = serving(model, partial(prepare, model, padded), profile=profile)
            servers[name] = await stack.enter_async_context(started)
            await served(servers[name][1], kinds["questions"][:8], clients=1, size=1)
        for _ in range(arguments.rounds):
            for kind in kinds:
                for name, (server, embedder) in servers.items():
                    before = await _tokens(server)
                    started_s = time.perf_counter()
                    await _load(embedder, kinds, kind)
                    rates[name, kind].append(len(kinds[kind]) / (time.perf_counter() - started_s))
                    waste[name, kind] = _share(before, await _tokens(server))
    sys.stdout.write("through Triton\n")
    _print(rates, waste)


async def _load(embedder: TritonEmbedder, kinds: dict[str, list[str]], kind: str) -> None:
    """Send questions from 8 clients, one per request, and passages from 2 clients, many per request."""
    loads = []
    if kind != "passages":
        loads.append(served(embedder, kinds["questions"], clients=8, size=1))
    if kind != "questions":
        loads.append(served(embedder, kinds["passages"], clients=2, size=PASSAGES_A_REQUEST))
    await asyncio.gather(*loads)


def _prepare_packed(model: Path, _: Path, target: Path) -> None:
    assemble_repository(model, target, profile="local", cpu_precision="fp32")


def _prepare_padded(model: Path, padded: Path, target: Path) -> None:
    """Assemble the gpu profile with a padded graph on this CPU as the GPU encoder."""
    assemble_repository(model, target, profile="gpu", cpu_precision="fp32")
    shutil.rmtree(target / CPU_ENCODER)
    path = target / PUBLIC_MODEL / "configs" / "gpu.pbtxt"
    config = read_config(path)
    settings = {"encoders": GPU_ENCODER, "batch_tokens": BATCH_TOKENS, "call_tokens": CALL_TOKENS}
    for key, value in settings.items():
        config.parameters[key].string_value = str(value)
    config.parameters["encoder_timeout_s"].string_value = "120"
    config.instance_group[0].count = 1
    path.write_text(text_format.MessageToString(config))
    use_python_backend(target / GPU_ENCODER, padded)


def use_python_backend(encoder: Path, graph: Path, *, profile: str = "gpu") -> None:
    """Run `graph` of the padded `encoder` in the Python backend, because the server from PyPI has no other."""
    path = encoder / "configs" / f"{profile}.pbtxt"
    config = read_config(path)
    config.backend = "python"
    config.instance_group[0].kind = config.instance_group[0].KIND_CPU
    config.instance_group[0].count = 1
    config.parameters["threads"].string_value = "0"
    path.write_text(text_format.MessageToString(config))
    shutil.copy(TEMPLATES / "cpu_encoder" / "model.py", encoder / "1")
    (encoder / "1" / "model.onnx").unlink()
    shutil.copy(graph, encoder / "1" / "model.onnx")


def _prepare_ragged(model: Path, _: Path, target: Path) -> None:
    shutil.copytree(RAGGED, target)
    for name in (CONTRACT_FILE, VOCAB_FILE, MERGES_FILE):
        shutil.copy(model / name, target / PUBLIC_MODEL / "1")
    shutil.copy(model / "onnx" / "fp32.onnx", target / GPU_ENCODER / "1" / "model.onnx")


async def _tokens(server: TritonProcess) -> dict[str, float]:
    async with httpx.AsyncClient() as client:
        text = (await client.get(server.ports.metrics_url)).text
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("phoserve_")]
    return {
        name: sum(float(value) for key, value in lines if key.startswith(f"phoserve_{name}_total{{"))
        for name in ("tokens", "padding_tokens")
    }


def _share(before: dict[str, float], after: dict[str, float]) -> float:
    padding, tokens = (after[name] - before[name] for name in ("padding_tokens", "tokens"))
    return padding / (padding + tokens) if tokens else 0.0


def _print(rates: Figures, waste: dict[tuple[str, str], float]) -> None:
    for (name, kind), values in rates.items():
        rounds = " ".join(f"{value:.2f}" for value in values)
        share = f"{waste[name, kind]:6.1%}"
        sys.stdout.write(f"{kind:10} {name:24} {statistics.median(values):8.2f} texts/s  padding {share}  ({rounds})\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--questions", type=Path, required=True)
    parser.add_argument("--passages", type=Path, required=True)
    parser.add_argument("--count", type=int, default=128, help="questions; a quarter as many passages")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--bare", action="store_true", help="only bare ONNX Runtime")
    parser.add_argument("--served", action="store_true", help="only through Triton")
    return parser.parse_args()


if __name__ == "__main__":
    main()
