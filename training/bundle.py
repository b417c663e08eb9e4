"""Write a static table and its tokenizer as a model folder."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec
import numpy as np

from export.graph import Array
from phoserve.contract import MERGES_FILE, VOCAB_FILE, Fusion, ModelContract, load_contract, save_contract, sha256_of
from training.graph import write_static_graph

# A sum over a bag of words keeps its quality on long texts, unlike attention: a text may be a whole section.
MAX_TOKENS: Final = 512
# The row of <s>: negligible in a text with words, the whole vector of a text without words.
START_NORM: Final = 1e-4

Precision = Literal["fp32", "int8"]


def write_model(
    folder: Path,
    name: str,
    tokenizer: Path,
    table: Array,
    *,
    fusion: Fusion,
    precisions: Sequence[Precision] = ("int8",),
    max_tokens: int = MAX_TOKENS,
) -> ModelContract:
    """Write `contract.json`, the tokenizer's files and one packed graph per precision to `folder`.

    `table` is float32 (vocabulary with PhoBERT's four special tokens first, dim). The graphs are replaced. Other files
    in `folder` are kept.
    """
    graphs = folder / "onnx"
    shutil.rmtree(graphs, ignore_errors=True)
    graphs.mkdir(parents=True)
    for file in (VOCAB_FILE, MERGES_FILE):
        if (tokenizer / file).resolve() != (folder / file).resolve():
            shutil.copyfile(tokenizer / file, folder / file)
    rows = with_special_rows(table)
    for precision in precisions:
        write_static_graph(graphs / f"{precision}.onnx", rows, int8=precision == "int8")
    contract = ModelContract(
        name=name,
        dim=table.shape[1],
        max_tokens=max_tokens,
        pooling="sqrt_tf",
        modern_tones=True,
        lowercase_shouting=True,
        collapse_leaders=True,
        tokenizer_sha256=sha256_of(folder / VOCAB_FILE, folder / MERGES_FILE),
        weights_sha256=sha256_of(*(graphs / f"{precision}.onnx" for precision in precisions)),
        length_buckets=tuple(bucket for bucket in (16, 32, 64, 128, 256, 512, 1024) if bucket <= max_tokens),
        precisions=tuple(precisions),
        fusion=fusion,
    )
    save_contract(contract, folder)
    return contract


def ship(source: Path, target: Path, *, fusion: Fusion, precision: Precision = "int8") -> ModelContract:
    """Copy the served files of the model folder `source`, one graph and the tokenizer, to `target`.

    Other files are kept.
    """
    graph = target / "onnx" / f"{precision}.onnx"
    shutil.rmtree(graph.parent, ignore_errors=True)
    graph.parent.mkdir(parents=True)
    for name in (VOCAB_FILE, MERGES_FILE, f"onnx/{precision}.onnx"):
        shutil.copyfile(source / name, target / name)
    contract = msgspec.structs.replace(
        load_contract(source), weights_sha256=sha256_of(graph), precisions=(precision,), fusion=fusion
    )
    save_contract(contract, target)
    return contract


def with_special_rows(table: Array) -> Array:
    """Return `table` with zero rows for `<pad>`, `</s>`, `<unk>` and `<mask>`, and a tiny row for `<s>`."""
    rows = np.vstack([table, np.zeros_like(table[:1])]).astype(np.float32)
    rows[:4] = 0
    mean = rows.mean(axis=0)
    rows[0] = START_NORM * mean / max(float(np.linalg.norm(mean)), 1e-12)
    return rows
