"""A small writer of ONNX graphs: every call adds one node and returns the name of its output."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

# Readable by ONNX Runtime 1.19, the version in Triton 24.10.
OPSET = 17
IR_VERSION = 8
CONTRIB = "com.microsoft"

Array = NDArray[Any]


class GraphWriter:
    """Collect nodes and constants, then write them as one model file."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}

    def constant(self, name: str, value: Array) -> str:
        """Add a constant tensor. A repeated name returns the same tensor."""
        if name not in self._constants:
            self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def add(self, operator: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add a node and return its output."""
        return self.add_many(operator, 1, *inputs, domain=domain, **attributes)[0]

    def add_many(self, operator: str, outputs: int, *inputs: str, domain: str = "", **attributes: Any) -> list[str]:
        """Add a node and return its outputs."""
        names = [f"{operator}_{len(self._nodes)}_{index}" for index in range(outputs)]
        self._nodes.append(helper.make_node(operator, list(inputs), names, domain=domain, **attributes))
        return names

    def fused(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node of one of ONNX Runtime's own operators and return its output."""
        return self.add(operator, *inputs, domain=CONTRIB, **attributes)

    def save(
        self, path: Path, inputs: Mapping[str, Sequence[str]], output: tuple[str, str, Sequence[str | int]]
    ) -> None:
        """Write the graph: int32 `inputs` (name -> shape), one float32 `output` (value, public name, shape)."""
        value, name, shape = output
        self._nodes.append(helper.make_node("Identity", [value], [name]))
        graph = helper.make_graph(
            self._nodes,
            "encoder",
            [helper.make_tensor_value_info(key, TensorProto.INT32, list(dims)) for key, dims in inputs.items()],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))],
            list(self._constants.values()),
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIB, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="phoserve")
        onnx.save(model, path)
