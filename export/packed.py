"""The padding-free encoder graph: the tokens of all texts are concatenated, only attention uses a matrix per text.

97% of the work is in the linear layers, which are independent of text boundaries. Attention gathers the tokens into a
(texts, longest) view and gathers them back.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from export.graph import Array, GraphWriter
from phoserve.contract import EMBEDDING, INPUT_IDS, LENGTHS, LOGIT, Pooling

POSITION_OFFSET = 2  # RoBERTa counts positions from padding id + 1, BERT from 0


@dataclass(frozen=True, slots=True)
class DenseLayer:
    """A projection after pooling: `activation(x @ weight.T + bias)`."""

    weight: Array
    """float32 (out, in)."""
    bias: Array
    """float32 (out,)."""
    activation: str
    """An ONNX operator, or nothing."""
    file: Path


@dataclass(frozen=True, slots=True)
class EncoderShape:
    """What of a configuration of BERT or RoBERTa the graph needs."""

    dim: int
    layers: int
    heads: int
    layer_norm_eps: float
    pooling: Pooling
    normalise: bool
    position_offset: int = POSITION_OFFSET
    dense: tuple[DenseLayer, ...] = ()


class Linear(Protocol):
    """Write `x @ weight`, weight float32 (in, out), without the bias."""

    def __call__(self, graph: GraphWriter, x: str, name: str, weight: Array) -> str: ...


def exact_linear(graph: GraphWriter, x: str, name: str, weight: Array) -> str:
    """The product in float32."""
    return graph.add("MatMul", x, graph.constant(name, weight))


def write_packed_graph(
    path: Path, shape: EncoderShape, weights: Mapping[str, Array], linear: Linear = exact_linear
) -> None:
    """Write the graph to `path`; `weights` are named as in `transformers.RobertaModel`, float32."""
    graph = GraphWriter()
    view = _View(graph)
    x = _embeddings(graph, view, shape, weights)
    for layer in range(shape.layers):
        prefix = f"encoder.layer.{layer}."
        own = {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
        x = _layer(graph, view, shape, prefix, own, x, linear)
    pooled = _pool(graph, view, shape, weights, x)
    inputs = {INPUT_IDS: ("tokens",), LENGTHS: ("texts",)}
    dim = shape.dense[-1].weight.shape[0] if shape.dense else shape.dim
    name, width = (LOGIT, 1) if shape.pooling == "classifier" else (EMBEDDING, dim)
    graph.save(path, inputs, (pooled, name, ("texts", width)))


class _View:
    """The indices between packed tokens and the (texts, longest) matrix."""

    def __init__(self, graph: GraphWriter) -> None:
        zero, one = (graph.constant(f"int_{value}", np.array(value, np.int32)) for value in (0, 1))
        first, last = (graph.constant(f"axis_{axis}", np.array([axis])) for axis in (0, 1))
        self.flat = graph.constant("shape_flat", np.array([-1]))
        self.longest = graph.add("ReduceMax", LENGTHS, keepdims=0)
        column = graph.add("Unsqueeze", graph.add("Range", zero, self.longest, one), first)
        lengths = graph.add("Unsqueeze", LENGTHS, last)
        self.valid = graph.add("Less", column, lengths)  # bool (texts, longest)
        self.starts = graph.add("CumSum", LENGTHS, zero, exclusive=1)  # int32 (texts,)
        clipped = graph.add("Min", column, graph.add("Sub", lengths, one))
        # Cells past the end of a text repeat its last token, and attention masks them.
        self.to_matrix = graph.add("Add", graph.add("Unsqueeze", self.starts, last), clipped)
        cells = graph.add("NonZero", graph.add("Reshape", self.valid, self.flat))
        self.to_packed = graph.add("Reshape", cells, self.flat)  # int64 (tokens,)
        self.mask = graph.add("Cast", self.valid, to=6)  # int32: 1 where there is a token
        self.lengths_column = graph.add("Cast", lengths, to=1)

    def positions(self, graph: GraphWriter) -> str:
        """The index of each token in its text, int64 (tokens,)."""
        return graph.add("Mod", self.to_packed, graph.add("Cast", self.longest, to=7))


def _embeddings(graph: GraphWriter, view: _View, shape: EncoderShape, weights: Mapping[str, Array]) -> str:
    prefix = "embeddings."
    # Every token has type 0: its row belongs to every position.
    rows = weights[prefix + "position_embeddings.weight"] + weights[prefix + "token_type_embeddings.weight"][0]
    words = graph.constant("words", weights[prefix + "word_embeddings.weight"])
    positions = graph.constant("positions", rows[shape.position_offset :])
    x = graph.add("Add", graph.add("Gather", words, INPUT_IDS), graph.add("Gather", positions, view.positions(graph)))
    gamma = graph.constant("embeddings.gamma", weights[prefix + "LayerNorm.weight"])
    beta = graph.constant("embeddings.beta", weights[prefix + "LayerNorm.bias"])
    return graph.add("LayerNormalization", x, gamma, beta, axis=-1, epsilon=shape.layer_norm_eps)


def _layer(
    graph: GraphWriter, view: _View, shape: EncoderShape, prefix: str, own: Mapping[str, Array], x: str, linear: Linear
) -> str:
    def bias(name: str) -> str:
        return graph.constant(prefix + name + ".bias", own[name + ".bias"])

    def norm(hidden: str, skip: str, dense: str, name: str) -> str:
        gamma = graph.constant(prefix + name + ".gamma", own[name + ".weight"])
        parts = (hidden, skip, gamma, bias(name), bias(dense))
        return graph.fused("SkipLayerNormalization", *parts, epsilon=shape.layer_norm_eps)

    def product(value: str, name: str) -> str:
        return linear(graph, value, prefix + name, own[name + ".weight"].T)

    attended = product(_attention(graph, view, shape, prefix, own, x, linear), "attention.output.dense")
    x = norm(attended, x, "attention.output.dense", "attention.output.LayerNorm")
    inner = graph.fused("BiasGelu", product(x, "intermediate.dense"), bias("intermediate.dense"))
    return norm(product(inner, "output.dense"), x, "output.dense", "output.LayerNorm")


def _attention(
    graph: GraphWriter, view: _View, shape: EncoderShape, prefix: str, own: Mapping[str, Array], x: str, linear: Linear
) -> str:
    names = [f"attention.self.{role}" for role in ("query", "key", "value")]
    weight = np.concatenate([own[name + ".weight"].T for name in names], axis=1)
    bias = graph.constant(prefix + "qkv.bias", np.concatenate([own[name + ".bias"] for name in names]))
    parts = graph.add_many("Split", 3, linear(graph, x, prefix + "qkv", weight), axis=-1)
    matrices = [graph.add("Gather", part, view.to_matrix) for part in parts]
    attended = graph.fused("MultiHeadAttention", *matrices, bias, view.mask, num_heads=shape.heads)
    tokens = graph.add("Reshape", attended, graph.constant("shape_tokens", np.array([-1, shape.dim])))
    return graph.add("Gather", tokens, view.to_packed)


def _pool(graph: GraphWriter, view: _View, shape: EncoderShape, weights: Mapping[str, Array], x: str) -> str:
    pooled = _token_pooled(graph, view, shape.pooling, x)
    if shape.pooling == "pooler":
        pooled = graph.add("Tanh", _dense(graph, weights, "pooler.dense", pooled))
    if shape.pooling == "classifier":
        hidden = graph.add("Tanh", _dense(graph, weights, "classifier.dense", pooled))
        return _dense(graph, weights, "classifier.out_proj", hidden)
    for index, layer in enumerate(shape.dense):
        own = {f"projection_{index}.weight": layer.weight, f"projection_{index}.bias": layer.bias}
        pooled = _dense(graph, own, f"projection_{index}", pooled)
        if layer.activation:
            pooled = graph.add(layer.activation, pooled)
    if not shape.normalise:
        return pooled
    norm = graph.add("ReduceL2", pooled, axes=[1])
    floor = graph.constant("norm_floor", np.array(1e-12, np.float32))
    return graph.add("Div", pooled, graph.add("Max", norm, floor))


def _dense(graph: GraphWriter, weights: Mapping[str, Array], name: str, x: str) -> str:
    weight, bias = (graph.constant(f"{name}.{part}", weights[f"{name}.{part}"]) for part in ("weight", "bias"))
    return graph.add("Gemm", x, weight, bias, transB=1)


def _token_pooled(graph: GraphWriter, view: _View, pooling: Pooling, x: str) -> str:
    """The vector of each text from those of its tokens; that of the first token where a head follows."""
    if pooling == "mean":
        return _mean(graph, view, x)
    if pooling == "max":  # cells beyond a text repeat its last token, which changes no maximum
        return graph.add("ReduceMax", graph.add("Gather", x, view.to_matrix), axes=[1], keepdims=0)
    if pooling == "last":
        one = graph.constant("int_1", np.array(1, np.int32))
        return graph.add("Gather", x, graph.add("Sub", graph.add("Add", view.starts, LENGTHS), one))
    return graph.add("Gather", x, view.starts)


def _mean(graph: GraphWriter, view: _View, x: str) -> str:
    last = graph.constant("axis_2", np.array([2]))
    mask = graph.add("Unsqueeze", graph.add("Cast", view.valid, to=1), last)
    masked = graph.add("Mul", graph.add("Gather", x, view.to_matrix), mask)
    axis = graph.constant("axis_1", np.array([1]))
    return graph.add("Div", graph.add("ReduceSum", masked, axis, keepdims=0), view.lengths_column)
