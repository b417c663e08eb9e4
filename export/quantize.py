"""int8 weights for the CPU graph with one activation scale per token, so that a vector cannot depend on its batch.

ONNX Runtime's own dynamic quantisation scales the activations of the whole batch by its largest value. Here each
token's row is quantised by its own largest value. The integer kernel is the same, and the scales are multiplied
back afterwards.
"""

import numpy as np

from export.graph import Array, GraphWriter

# 7 bits: two products of an unsigned and a signed byte then fit the 16-bit sums of AVX2 machines without VNNI.
WEIGHT_LIMIT = 63
ACTIVATION_LIMIT = 127
ZERO_POINT = 128


def int8_linear(graph: GraphWriter, x: str, name: str, weight: Array) -> str:
    """Return the product of `x`, float32, with `weight` (in, out) in 7-bit integers, one scale per column."""
    scales = np.maximum(np.abs(weight).max(axis=0), 1e-12) / WEIGHT_LIMIT
    integers = np.clip(np.rint(weight / scales), -WEIGHT_LIMIT, WEIGHT_LIMIT).astype(np.int8)
    # Rows are rounded to integers with one scale per row. The integers then have scale 1.
    row_scales = _row_scales(graph, x)
    zero_point = graph.constant("zero_point", np.array(ZERO_POINT, np.uint8))
    flat = graph.add("Squeeze", row_scales, graph.constant("axis_1", np.array([1])))
    zero_points = graph.add("Expand", zero_point, graph.add("Shape", flat))
    rows = graph.add("QuantizeLinear", x, flat, zero_points, axis=0)
    one = graph.constant("one", np.array(1, np.float32))
    columns = graph.constant(name, integers)
    column_scales = graph.constant(name + ".scales", scales.astype(np.float32))
    product = graph.fused("MatMulIntegerToFloat", rows, columns, one, column_scales, zero_point)
    return graph.add("Mul", product, row_scales)


def _row_scales(graph: GraphWriter, x: str) -> str:
    """Return the largest absolute value of each row divided by the largest integer, float32 (rows, 1)."""
    highest = graph.add("ReduceMax", x, axes=[-1], keepdims=1)
    lowest = graph.add("ReduceMin", x, axes=[-1], keepdims=1)
    floor = graph.constant("activation_floor", np.array(1e-12, np.float32))
    largest = graph.add("Max", highest, graph.add("Neg", lowest), floor)
    return graph.add("Mul", largest, graph.constant("activation_unit", np.array(1 / ACTIVATION_LIMIT, np.float32)))
