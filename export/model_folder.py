"""Export a model: graphs in every precision that passes its gate, a contract, and a card with the parity table."""

import itertools
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec

from export.checkpoint import Checkpoint, load_checkpoint
from export.model_card import write_model_card
from export.packed import exact_linear, write_packed_graph
from export.padded import write_half_graph, write_plain_graph
from export.parity import SENTENCES, Parity, measure, parity_texts, reference_vectors, tokenize_texts
from export.quantize import int8_linear
from export.retrieval import LabelledSet, retrieval_ndcg
from export.sources import DISK_FULL, TOKENIZER_FILES, Source
from phoserve.contract import ModelContract, Segmenter, Task, load_contract, save_contract, sha256_of
from phoserve.errors import ConfigurationError
from phoserve.serving.encoders import Ids
from phoserve.text import TextPipeline
from phoserve.text.pairs import PairPipeline

Say = Callable[[str], None]

CPU_PRECISIONS: Final = ("fp32", "int8")
GPU_PRECISIONS: Final = ("fp16",)
PLAIN_GRAPH: Final = "plain"
# Disk space for the graphs, in multiples of the source's weights.
ROOM_CPU: Final = 1.6
ROOM_GPU: Final = 1.6


def export_model(
    source: Source,
    target: Path,
    *,
    gpu: bool = False,
    task: Task = "embed",
    segmenter: Segmenter = "pyvi-0.1.1",
    labelled: LabelledSet | None = None,
    say: Say = lambda _: None,
) -> list[Parity]:
    """Export `source` to the model folder `target`, with `gpu` also for GPUs. Return the parity table.

    The export runs in a sibling folder that is renamed at the end. A failed export leaves nothing behind, an
    interrupted one resumes. A precision that fails its gate is omitted and noted in the card. Raises
    ConfigurationError.
    """
    if target.exists():
        raise ConfigurationError(f"{target} already exists; choose another folder, or remove it first")
    partial = target.with_name(f".{target.name}.partial")
    try:
        table = _export(source, partial, gpu=gpu, task=task, segmenter=segmenter, labelled=labelled, say=say)
        partial.rename(target)
    except ConfigurationError:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    except Exception as error:
        shutil.rmtree(partial, ignore_errors=True)
        if isinstance(error, OSError) and error.errno in DISK_FULL:
            raise ConfigurationError(f"the disk is full: {target} was not written") from error
        raise
    return table


def _export(
    source: Source,
    partial: Path,
    *,
    gpu: bool,
    task: Task,
    segmenter: Segmenter,
    labelled: LabelledSet | None,
    say: Say,
) -> list[Parity]:
    say(f"reading {source.name}")
    checkpoint = load_checkpoint(source.folder, task)
    _begin(source, checkpoint, partial, gpu=gpu, segmenter=segmenter)
    texts = _parity_tokens(partial)
    say("computing the reference vectors")
    reference = reference_vectors(checkpoint, texts)
    table = []
    for precision in (*CPU_PRECISIONS, *(GPU_PRECISIONS if gpu else ())):
        say(f"writing {precision}")
        graph = _graph(checkpoint, partial, precision)
        say(f"checking {precision} against PyTorch")
        table.append(measure(precision, graph, texts, reference, task))
    if labelled is not None:
        say("comparing retrieval on the labelled set")
        table = _with_retrieval(partial, table, labelled)
    passed = _keep_passing(partial, table)
    contract = _with_precisions(partial, passed)
    write_model_card(partial / "README.md", source, contract, table)
    return table


def _parity_tokens(folder: Path) -> list[Ids]:
    pipeline, texts = TextPipeline.load(folder), parity_texts()
    if pipeline.contract.task == "embed":
        return tokenize_texts(pipeline, texts)
    return tokenize_texts(PairPipeline(pipeline), list(zip(itertools.cycle(SENTENCES), texts, strict=False)))


def _begin(source: Source, checkpoint: Checkpoint, partial: Path, *, gpu: bool, segmenter: Segmenter) -> None:
    """Create the folder. Graphs of an interrupted export of the same weights are kept."""
    contract = ModelContract(
        name=source.name,
        dim=1 if checkpoint.shape.pooling == "classifier" else checkpoint.shape.dim,
        max_tokens=checkpoint.max_tokens,
        pooling=checkpoint.shape.pooling,
        segmenter=segmenter,
        tokenizer_sha256=sha256_of(*(source.folder / name for name in TOKENIZER_FILES)),
        weights_sha256=sha256_of(checkpoint.weights_file),
        length_buckets=_buckets(checkpoint.max_tokens),
    )
    if not _continues(partial, contract):
        shutil.rmtree(partial, ignore_errors=True)
    space = checkpoint.weights_file.stat().st_size * (ROOM_CPU + (ROOM_GPU if gpu else 0))
    partial.parent.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(partial.parent).free < space:
        raise ConfigurationError(f"the disk is too full: about {space / 1e9:.1f} GB are needed in {partial.parent}")
    (partial / "onnx").mkdir(parents=True, exist_ok=True)
    for name in TOKENIZER_FILES:
        shutil.copyfile(source.folder / name, partial / name)
    save_contract(contract, partial)


def _continues(partial: Path, contract: ModelContract) -> bool:
    try:
        return load_contract(partial).fingerprint == contract.fingerprint
    except ConfigurationError:
        return False


def _graph(checkpoint: Checkpoint, folder: Path, precision: str) -> Path:
    path = folder / "onnx" / f"{precision}.onnx"
    if path.is_file():
        return path
    unfinished = path.with_suffix(".unfinished")
    if precision == "fp16":
        plain = _plain(checkpoint, folder)
        write_half_graph(unfinished, plain, checkpoint)
    else:
        linear = int8_linear if precision == "int8" else exact_linear
        write_packed_graph(unfinished, checkpoint.shape, checkpoint.weights(), linear)
    return unfinished.rename(path)


def _plain(checkpoint: Checkpoint, folder: Path) -> Path:
    path = folder / "onnx" / f"{PLAIN_GRAPH}.onnx"
    if not path.is_file():
        unfinished = path.with_suffix(".unfinished")
        write_plain_graph(unfinished, checkpoint)
        unfinished.rename(path)
    return path


def _with_retrieval(folder: Path, table: Sequence[Parity], labelled: LabelledSet) -> list[Parity]:
    pipeline = TextPipeline.load(folder)
    found = [retrieval_ndcg(folder / "onnx" / f"{row.precision}.onnx", pipeline, labelled) for row in table]
    return [replace(row, ndcg_loss=found[0] - ndcg) for row, ndcg in zip(table, found, strict=True)]


def _keep_passing(folder: Path, table: Sequence[Parity]) -> tuple[str, ...]:
    for row in table:
        if row.passed:
            continue
        if row.precision == "fp32":
            raise ConfigurationError(
                f"the exported graph differs from the model: worst agreement with PyTorch {row.worst:.6f}"
            )
        (folder / "onnx" / f"{row.precision}.onnx").unlink()
    return tuple(row.precision for row in table if row.passed)


def _with_precisions(folder: Path, precisions: tuple[str, ...]) -> ModelContract:
    contract = msgspec.structs.replace(load_contract(folder), precisions=precisions)
    save_contract(contract, folder)
    return contract


def _buckets(max_tokens: int) -> tuple[int, ...]:
    powers = [2**power for power in range(4, 16) if 2**power < max_tokens]
    return (*powers, max_tokens)
