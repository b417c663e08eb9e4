"""int8 weights for the CPU graph with one activation scale per token, so that a vector cannot depend on its batch.

ONNX Runtime's own dynamic quantisation scales the activations of the whole batch by its largest value. Here each
token's row is quantised by its own largest value. The integer kernel is the same, and the scales are multiplied
back afterwards.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from export.graph import Array, GraphWriter
from export.packed import exact_linear

Bits = Literal[7, 8]

# 7 bits: two products of an unsigned and a signed byte then fit the 16-bit sums of AVX2 machines without VNNI.
WEIGHT_LIMITS: dict[Bits, int] = {7: 63, 8: 127}
ACTIVATION_LIMIT = 127
ZERO_POINT = 128


@dataclass(frozen=True, slots=True)
class Int8Scheme:
    """A way to write the int8 graph."""

    bits: Bits
    exact_ffn_output: bool = False
    """Keep the second product of each feed-forward block in float32: its inputs have the largest outliers."""

    @property
    def name(self) -> str:
        """For the parity table."""
        return f"{self.bits}-bit weights" + (", feed-forward outputs in float32" if self.exact_ffn_output else "")

    def linear(self, graph: GraphWriter, x: str, name: str, weight: Array) -> str:
        """See `export.packed.Linear`."""
        if self.exact_ffn_output and name.endswith(".output.dense") and not name.endswith("attention.output.dense"):
            return exact_linear(graph, x, name, weight)
        return int8_linear(graph, x, name, weight, bits=self.bits)


def int8_schemes(*, exact_bytes: bool) -> tuple[Int8Scheme, ...]:
    """The schemes to try, fastest first; 8 bits only where this processor adds products of bytes exactly."""
    wide = (Int8Scheme(8),) if exact_bytes else ()
    return (Int8Scheme(7), *wide, Int8Scheme(7, exact_ffn_output=True))


def int8_linear(graph: GraphWriter, x: str, name: str, weight: Array, *, bits: Bits = 7) -> str:
    """Write the product of `x`, float32, with `weight` (in, out) in integers of `bits`, one scale a column."""
    limit = WEIGHT_LIMITS[bits]
    scales = np.maximum(np.abs(weight).max(axis=0), 1e-12) / limit
    integers = np.clip(np.rint(weight / scales), -limit, limit).astype(np.int8)
    # Rounded to whole numbers by a scale a row; the integers themselves then count as having scale 1.
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
