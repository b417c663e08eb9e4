"""The static encoder as an ONNX graph: rows of a table, summed with the square root of each token's count."""

from pathlib import Path
from typing import Final

import numpy as np

from export.graph import Array, GraphWriter
from phoserve.contract import EMBEDDING, INPUT_IDS, LENGTHS, Layout

INT64: Final = 7
FLOAT: Final = 1
BYTE_LIMIT: Final = 127


def write_static_graph(path: Path, table: Array, *, layout: Layout = "packed", int8: bool = False) -> None:
    """Write the graph of `table`, float32 (vocabulary, dim), to `path`.

    The vector of a text is the sum of sqrt(count) * table[token] over its distinct tokens, scaled to unit length. Rows
    of padding and of `</s>` should be zero and that of `<s>` tiny: it is the vector of a text without known words.
    With `int8` each row is stored as bytes and one scale.
    """
    graph = GraphWriter()
    rows = _packed_rows(graph) if layout == "packed" else _padded_rows(graph)
    texts = graph.add("Shape", LENGTHS if layout == "packed" else INPUT_IDS, start=0, end=1)
    row, token, weight = _distinct(graph, rows, len(table))
    vectors = graph.add("Mul", _vectors(graph, token, table, int8=int8), graph.add("Unsqueeze", weight, _last(graph)))
    width = graph.constant("width", np.array([table.shape[1]]))
    zeros = graph.add("Expand", graph.constant("zero", np.zeros((), np.float32)), _join(graph, texts, width))
    # Tokens are sorted within each text, so a sum never depends on the batch.
    index = graph.add("Unsqueeze", row, _last(graph))
    pooled = graph.add("ScatterND", zeros, index, vectors, reduction="add")
    floor = graph.constant("norm_floor", np.array(1e-12, np.float32))
    unit = graph.add("Div", pooled, graph.add("Max", graph.add("ReduceL2", pooled, axes=[1]), floor))
    packed = {INPUT_IDS: ("tokens",), LENGTHS: ("texts",)}
    inputs = packed if layout == "packed" else {INPUT_IDS: ("texts", "longest")}
    graph.save(path, inputs, (unit, EMBEDDING, ("texts", table.shape[1])))


def _packed_rows(graph: GraphWriter) -> str:
    """Return the text of each token, int64 (tokens,)."""
    zero, one = (graph.constant(f"int_{value}", np.array(value, np.int32)) for value in (0, 1))
    longest = graph.add("ReduceMax", LENGTHS, keepdims=0)
    column = graph.add("Unsqueeze", graph.add("Range", zero, longest, one), graph.constant("first", np.array([0])))
    cells = graph.add("Less", column, graph.add("Unsqueeze", LENGTHS, _last(graph)))
    return _row_of(graph, cells)


def _padded_rows(graph: GraphWriter) -> str:
    cells = graph.add("GreaterOrEqual", INPUT_IDS, graph.constant("int_0", np.array(0, np.int32)))
    return _row_of(graph, cells)


def _row_of(graph: GraphWriter, cells: str) -> str:
    zero = graph.constant("row", np.array(0))
    return graph.add("Gather", graph.add("NonZero", cells), zero, axis=0)


def _distinct(graph: GraphWriter, rows: str, vocabulary: int) -> tuple[str, str, str]:
    """Return each text's distinct tokens: text and token, int64 (pairs,), and the square root of the count, float32."""
    size = graph.constant("vocabulary", np.array(vocabulary))
    flat = graph.add("Reshape", INPUT_IDS, graph.constant("flat", np.array([-1])))
    keys = graph.add("Add", graph.add("Mul", rows, size), graph.add("Cast", flat, to=INT64))
    key, _, _, count = graph.add_many("Unique", 4, keys, sorted=1)
    weight = graph.add("Sqrt", graph.add("Cast", count, to=FLOAT))
    return graph.add("Div", key, size), graph.add("Mod", key, size), weight


def _vectors(graph: GraphWriter, token: str, table: Array, *, int8: bool) -> str:
    if not int8:
        return graph.add("Gather", graph.constant("table", table.astype(np.float32)), token)
    integers, scales = quantise_rows(table)
    rows = graph.add("Cast", graph.add("Gather", graph.constant("table", integers), token), to=FLOAT)
    return graph.add("Mul", rows, graph.add("Gather", graph.constant("scales", scales[:, None]), token))


def quantise_rows(table: Array) -> tuple[Array, Array]:
    """Return int8 rows (vocabulary, dim) and float32 scales (vocabulary,) whose product approximates `table`."""
    scales = np.maximum(np.abs(table).max(axis=1), 1e-12) / BYTE_LIMIT
    return np.rint(table / scales[:, None]).astype(np.int8), scales.astype(np.float32)


def _last(graph: GraphWriter) -> str:
    return graph.constant("last", np.array([-1]))


def _join(graph: GraphWriter, *parts: str) -> str:
    return graph.add("Concat", *parts, axis=0)
