"""Compare the vectors of PyTorch, of each exported graph, and of each graph through Triton.

    python -m loadtests.parity_table MODEL [SOURCE] [--queries Q.jsonl.gz --corpus C.jsonl.gz]

MODEL is an exported folder, SOURCE the checkpoint it was made from. The bundled encoder needs no SOURCE: its reference
is computed by PyTorch from the table inside its graph, and its fp32 and fp16 graphs are written from that table.
fp16 of a transformer runs padded on the CPU, as the GPU encoder.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import torch
from google.protobuf import text_format
from onnx import numpy_helper

from export.checkpoint import load_checkpoint
from export.parity import GATES, cosine, measure, parity_texts, reference_vectors, tokenize_texts
from export.repository import Profile, assemble_repository, read_config
from export.retrieval import load_labelled, retrieval_ndcg
from loadtests.padding import use_python_backend
from loadtests.serving import serving
from phoserve.contract import CPU_ENCODER, GPU_ENCODER, PUBLIC_MODEL
from phoserve.serving.encoders import Ids, Vectors
from phoserve.serving.onnx import OnnxEncoder
from phoserve.text import TextPipeline
from training.graph import write_static_graph

PRECISIONS = ("fp32", "int8", "fp16")


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory(dir=arguments.work or arguments.model.parent) as folder:
        model = arguments.model if arguments.source else _with_all_precisions(arguments.model, Path(folder) / "model")
        pipeline = TextPipeline.load(model)
        texts = parity_texts(arguments.texts)
        tokens = tokenize_texts(pipeline, texts)
        if arguments.source:
            reference = reference_vectors(load_checkpoint(arguments.source), tokens)
        else:
            reference = static_reference(static_table(model), tokens)
        labelled = load_labelled(arguments.queries, arguments.corpus) if arguments.queries else None
        sys.stdout.write("| precision | mean | worst | batch invariance | worst through Triton | nDCG@10 | gate |\n")
        sys.stdout.write("|---|--:|--:|--:|--:|--:|---|\n")
        for precision in PRECISIONS:
            graph = model / "onnx" / f"{precision}.onnx"
            row = measure(precision, graph, tokens, reference)
            worst = float(cosine(asyncio.run(_served(model, precision, texts)), reference).min())
            ndcg = f"{retrieval_ndcg(graph, pipeline, labelled):.4f}" if labelled else ""
            passed = "passed" if row.passed and worst >= GATES[precision].worst else "failed"
            figures = " | ".join(f"{value:.6f}" for value in (row.mean, row.worst, row.batch_invariance, worst))
            sys.stdout.write(f"| {precision} | {figures} | {ndcg} | {passed} |\n")
            sys.stdout.flush()


def static_table(model: Path) -> Vectors:
    """Return the rows of a static encoder, float32 (vocabulary, dim), from its int8 graph."""
    constants = {item.name: item for item in onnx.load(model / "onnx" / "int8.onnx").graph.initializer}
    table: Vectors = numpy_helper.to_array(constants["table"]) * numpy_helper.to_array(constants["scales"])
    return table


def static_reference(table: Vectors, texts: list[Ids]) -> Vectors:
    """Compute the vectors in PyTorch: the sum of sqrt(count) x row over each text's distinct tokens, unit length."""
    rows = torch.from_numpy(table)
    found = []
    for ids in texts:
        counts = Counter(ids.tolist())
        weights = torch.tensor(list(counts.values()), dtype=torch.float32).sqrt()
        found.append(torch.nn.functional.normalize(weights @ rows[list(counts)], dim=0).numpy())
    return np.stack(found)


def _with_all_precisions(model: Path, target: Path) -> Path:
    """Copy the static `model` with graphs of its table in every precision."""
    shutil.copytree(model, target)
    table = static_table(model)
    write_static_graph(target / "onnx" / "fp32.onnx", table)
    write_static_graph(target / "onnx" / "fp16.onnx", table.astype(np.float16).astype(np.float32))
    return target


async def _served(model: Path, precision: str, texts: list[str]) -> Vectors:
    on_gpu = OnnxEncoder(model / "onnx" / f"{precision}.onnx").layout == "padded"
    profile: Profile = "gpu" if on_gpu else "local"

    def prepare(target: Path) -> None:
        if not on_gpu:
            assemble_repository(model, target, profile=profile, cpu_precision=precision)
            return
        assemble_repository(model, target, profile=profile)
        use_python_backend(target / GPU_ENCODER, model / "onnx" / f"{precision}.onnx")
        path = target / PUBLIC_MODEL / "configs" / "gpu.pbtxt"
        config = read_config(path)
        config.parameters["encoders"].string_value = GPU_ENCODER  # no fallback, so that only this encoder can answer
        config.parameters["encoder_timeout_s"].string_value = "300"
        config.instance_group[0].count = 1
        path.write_text(text_format.MessageToString(config))
        shutil.rmtree(target / CPU_ENCODER)

    async with serving(model, prepare, profile=profile) as (_, embedder):
        return (await embedder.embed(texts)).vectors


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("source", type=Path, nargs="?")
    parser.add_argument("--queries", type=Path)
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--texts", type=int, default=200)
    parser.add_argument("--work", type=Path, help="folder of the served repository [default: next to the model]")
    return parser.parse_args()


if __name__ == "__main__":
    main()
