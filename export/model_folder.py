"""Export a model: graphs in every precision that passes its gate, a contract, and a card with the parity table."""

import itertools
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import msgspec

from export.checkpoint import Checkpoint, load_checkpoint
from export.model_card import write_model_card
from export.packed import exact_linear, write_packed_graph
from export.padded import write_half_graph, write_plain_graph
from export.parity import SENTENCES, Parity, measure, parity_texts, reference_vectors, tokenize_texts
from export.processor import instruction_set
from export.quantize import int8_schemes
from export.retrieval import LabelledSet, retrieval_ndcg
from export.sources import DISK_FULL, Source
from export.tokenizer_source import write_tokenizer
from phoserve.contract import ModelContract, Segmenter, Task, load_contract, save_contract, sha256_of
from phoserve.errors import ConfigurationError
from phoserve.serving.encoders import Ids
from phoserve.text import TextPipeline
from phoserve.text.pairs import PairPipeline

Say = Callable[[str], None]

PLAIN_GRAPH: Final = "plain"
INT8_GRAPH: Final = "int8"
# Disk space for the graphs, in multiples of the source's weights.
ROOM_CPU: Final = 1.6
ROOM_GPU: Final = 1.6


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """Options of an export. None means the setting of the source's folder."""

    gpu: bool = False
    """Also write the graphs for GPUs."""
    task: Task = "embed"
    name: str | None = None
    segmenter: Segmenter | None = None
    """None: pyvi for PhoBERT's tokenizer, none for others."""
    query_prefix: str | None = None
    passage_prefix: str | None = None
    dims: tuple[int, ...] = ()
    """Shorter dimensions that the model was trained for (Matryoshka)."""
    max_tokens: int | None = None


def export_model(
    source: Source,
    target: Path,
    options: ExportOptions | None = None,
    *,
    labelled: LabelledSet | None = None,
    say: Say = lambda _: None,
) -> list[Parity]:
    """Make `target` a model folder of `source` and return the parity table.

    Works in a sibling folder that is renamed at the end: an export that fails leaves nothing, one that is interrupted
    resumes. A precision that fails its gate is omitted and noted in the card. Raises
    ConfigurationError.
    """
    options = options or ExportOptions()
    if target.exists():
        raise ConfigurationError(f"{target} already exists; choose another folder, or remove it first")
    partial = target.with_name(f".{target.name}.partial")
    try:
        table = _export(source, partial, options, labelled=labelled, say=say)
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
    source: Source, partial: Path, options: ExportOptions, *, labelled: LabelledSet | None, say: Say
) -> list[Parity]:
    say(f"reading {source.name}")
    checkpoint = load_checkpoint(source.folder, options.task, max_tokens=options.max_tokens)
    if unused := checkpoint.options.unused_prompts:
        say(f"prompts that are neither for queries nor for passages are left out: {', '.join(unused)}")
    _begin(source, checkpoint, partial, options)
    texts = _parity_tokens(partial)
    say("computing the reference vectors")
    reference = reference_vectors(checkpoint, texts)

    def check(precision: str, graph: Path) -> Parity:
        say(f"checking {precision} against PyTorch")
        return measure(precision, graph, texts, reference, options.task, padding_id=checkpoint.padding_id)

    table = list(_graphs(checkpoint, partial, check, say, gpu=options.gpu))
    if labelled is not None:
        say("comparing retrieval on the labelled set")
        table = _with_retrieval(partial, table, labelled)
    _keep_passing(partial, table)
    contract = _with_precisions(partial, table)
    write_model_card(partial / "README.md", source, contract, table)
    return table


def _graphs(
    checkpoint: Checkpoint, folder: Path, check: Callable[[str, Path], Parity], say: Say, *, gpu: bool
) -> Iterator[Parity]:
    """Write the graphs of every precision, yielding the parity of each; of the int8 schemes, until one passes."""
    say("writing fp32")
    yield check("fp32", _exact_graph(checkpoint, folder))
    if checkpoint.layout == "packed":
        yield from _int8_graphs(checkpoint, folder, check, say)
    if gpu:
        say("writing plain and fp16")
        yield check(PLAIN_GRAPH, _plain_graph(checkpoint, folder))
        yield check("fp16", _half_graph(checkpoint, folder))


def _int8_graphs(
    checkpoint: Checkpoint, folder: Path, check: Callable[[str, Path], Parity], say: Say
) -> Iterator[Parity]:
    path = folder / "onnx" / f"{INT8_GRAPH}.onnx"
    for scheme in int8_schemes(exact_bytes=instruction_set().adds_bytes_exactly):
        say(f"writing int8, {scheme.name}")
        write_packed_graph(path, checkpoint.shape, checkpoint.weights(), scheme.linear)
        parity = replace(check(INT8_GRAPH, path), scheme=scheme.name, bits=scheme.bits)
        yield parity
        if parity.passed:
            return


def _parity_tokens(folder: Path) -> list[Ids]:
    pipeline, texts = TextPipeline.load(folder), parity_texts()
    if pipeline.contract.task == "embed":
        return tokenize_texts(pipeline, texts)
    return tokenize_texts(PairPipeline(pipeline), list(zip(itertools.cycle(SENTENCES), texts, strict=False)))


def _begin(source: Source, checkpoint: Checkpoint, partial: Path, options: ExportOptions) -> None:
    """Lay out the folder; graphs of an interrupted export of the same weights stay."""
    room = sum(file.stat().st_size for file in checkpoint.weights_files) * (ROOM_CPU + (ROOM_GPU if options.gpu else 0))
    partial.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=partial.parent, prefix=f"{partial.name}.") as scratch:
        files = write_tokenizer(source.folder, Path(scratch), checkpoint.tokenizer)
        contract = _contract(source, checkpoint, options, sha256_of(*files))
        if not _continues(partial, contract):
            shutil.rmtree(partial, ignore_errors=True)
        if shutil.disk_usage(partial.parent).free < room:
            raise ConfigurationError(f"the disk is too full: about {room / 1e9:.1f} GB are needed in {partial.parent}")
        (partial / "onnx").mkdir(parents=True, exist_ok=True)
        for file in files:
            shutil.copyfile(file, partial / file.name)
    save_contract(contract, partial)


def _contract(source: Source, checkpoint: Checkpoint, options: ExportOptions, tokenizer_sha256: str) -> ModelContract:
    found = checkpoint.options
    queries = found.query_prefix if options.query_prefix is None else options.query_prefix
    passages = found.passage_prefix if options.passage_prefix is None else options.passage_prefix
    if wrong := [dim for dim in options.dims if not 0 < dim < checkpoint.dim]:
        raise ConfigurationError(f"dims {wrong}: a shorter dimension is between 1 and {checkpoint.dim - 1}")
    if options.task == "embed" and is_e5(source.name) and not (queries or passages or options.query_prefix == ""):
        raise ConfigurationError(
            f"{source.name}: E5 models are trained with prefixes, which its folder does not name; "
            "give --query-prefix 'query: ' --passage-prefix 'passage: ', or --query-prefix '' for none"
        )
    segmenter: Segmenter = options.segmenter or ("pyvi-0.1.1" if checkpoint.tokenizer == "phobert" else "none")
    return ModelContract(
        name=options.name or source.name,
        family=checkpoint.family,
        dim=checkpoint.dim,
        dims=tuple(sorted(set(options.dims))),
        dense=tuple(layer.weight.shape[0] for layer in checkpoint.shape.dense),
        dtype=checkpoint.dtype,
        max_tokens=checkpoint.max_tokens,
        pooling=checkpoint.shape.pooling,
        tokenizer=checkpoint.tokenizer,
        segmenter=segmenter,
        query_prefix=queries,
        passage_prefix=passages,
        tokenizer_sha256=tokenizer_sha256,
        weights_sha256=sha256_of(*checkpoint.weights_files),
        length_buckets=_buckets(checkpoint.max_tokens),
        layout=checkpoint.layout,
        padding_id=checkpoint.padding_id,
    )


def is_e5(name: str) -> bool:
    """Whether `name` is that of an E5 model, whose prefixes only its card describes."""
    return re.search(r"(^|[/_-])(multilingual-)?e5([_-]|$)", name.lower()) is not None


def _continues(partial: Path, contract: ModelContract) -> bool:
    try:
        return load_contract(partial).fingerprint == contract.fingerprint
    except ConfigurationError:
        return False


def _exact_graph(checkpoint: Checkpoint, folder: Path) -> Path:
    def write(path: Path) -> None:
        if checkpoint.layout == "packed":
            write_packed_graph(path, checkpoint.shape, checkpoint.weights(), exact_linear)
        else:
            write_plain_graph(path, checkpoint)

    return _once(folder / "onnx" / "fp32.onnx", write)


def _plain_graph(checkpoint: Checkpoint, folder: Path) -> Path:
    return _once(folder / "onnx" / f"{PLAIN_GRAPH}.onnx", lambda path: write_plain_graph(path, checkpoint))


def _half_graph(checkpoint: Checkpoint, folder: Path) -> Path:
    plain = _plain_graph(checkpoint, folder)
    return _once(folder / "onnx" / "fp16.onnx", lambda path: write_half_graph(path, plain, checkpoint))


def _once(path: Path, write: Callable[[Path], None]) -> Path:
    """Write the graph unless an interrupted export did."""
    if path.is_file():
        return path
    unfinished = path.with_suffix(".unfinished")
    write(unfinished)
    return unfinished.rename(path)


def _with_retrieval(folder: Path, table: Sequence[Parity], labelled: LabelledSet) -> list[Parity]:
    pipeline = TextPipeline.load(folder)
    found = {
        row.precision: retrieval_ndcg(folder / "onnx" / f"{row.precision}.onnx", pipeline, labelled)
        for row in table
        if row.passed
    }
    exact = found.get("fp32", 0.0)
    return [replace(row, ndcg_loss=exact - found[row.precision]) if row.passed else row for row in table]


def _keep_passing(folder: Path, table: Sequence[Parity]) -> None:
    kept = {row.precision for row in table if row.passed}
    for row in table:
        if row.precision in kept:
            continue
        if row.precision == "fp32":
            raise ConfigurationError(
                f"the exported graph differs from the model: worst agreement with PyTorch {row.worst:.6f}"
            )
        (folder / "onnx" / f"{row.precision}.onnx").unlink(missing_ok=True)


def _with_precisions(folder: Path, table: Sequence[Parity]) -> ModelContract:
    passed = [row for row in table if row.passed and row.precision != PLAIN_GRAPH]
    bits = next((row.bits for row in passed if row.precision == INT8_GRAPH), 7)
    contract = msgspec.structs.replace(
        load_contract(folder), precisions=tuple(row.precision for row in passed), int8_bits=bits
    )
    save_contract(contract, folder)
    return contract


def _buckets(max_tokens: int) -> tuple[int, ...]:
    powers = [2**power for power in range(4, 16) if 2**power < max_tokens]
    return (*powers, max_tokens)
