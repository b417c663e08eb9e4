"""int8 weights for the CPU graph, with one activation scale a token: a text's vector cannot depend on its neighbours.

ONNX Runtime's own dynamic quantisation scales the activations of the whole batch by its largest value. Here each
token's row is first divided by its own largest value, so that one constant scale fits every row; the fast integer
product is the same.
"""

import numpy as np

from export.graph import Array, GraphWriter

# 7 bits: two products of an unsigned and a signed byte then fit the 16-bit sums of AVX2 machines without VNNI.
WEIGHT_LIMIT = 63
ACTIVATION_LIMIT = 127
ZERO_POINT = 128


def int8_linear(graph: GraphWriter, x: str, name: str, weight: Array) -> str:
    """The product of `x`, float32, with `weight` (in, out) in 7-bit integers, one scale a column."""
    scales = np.maximum(np.abs(weight).max(axis=0), 1e-12) / WEIGHT_LIMIT
    integers = np.clip(np.rint(weight / scales), -WEIGHT_LIMIT, WEIGHT_LIMIT).astype(np.int8)
    unit = graph.constant("activation_scale", np.array(1 / ACTIVATION_LIMIT, np.float32))
    zero_point = graph.constant("activation_zero_point", np.array(ZERO_POINT, np.uint8))
    largest = graph.add("ReduceMax", graph.add("Abs", x), axes=[-1], keepdims=1)
    largest = graph.add("Max", largest, graph.constant("activation_floor", np.array(1e-12, np.float32)))
    rows = graph.add("QuantizeLinear", graph.add("Div", x, largest), unit, zero_point)
    columns = graph.constant(name, integers)
    column_scales = graph.constant(name + ".scales", scales.astype(np.float32))
    product = graph.fused("MatMulIntegerToFloat", rows, columns, unit, column_scales, zero_point)
    return graph.add("Mul", product, largest)
