"""The padded encoder graph: one matrix of token ids in, pooled unit vectors out.

GPUs run it for every model, CPUs for the families that the padding-free writer does not know. Optimum's configuration
of the family patches the model where tracing needs it; pooling, projections and normalisation are part of the graph.
"""

import contextlib
import warnings
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import torch
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.optimizer import optimize_model
from torch.nn.functional import normalize

from export.checkpoint import Checkpoint
from export.graph import OPSET
from export.packed import DenseLayer
from phoserve.contract import EMBEDDING, INPUT_IDS, LOGIT
from phoserve.errors import ConfigurationError

# Pooling and normalisation stay in float32: in float16 ONNX Runtime 1.19 returns infinite vectors.
POOLING_OPERATORS: Final = ["Clip", "Div", "Expand", "ReduceL2", "ReduceSum"]
ACTIVATIONS: Final = {"": lambda x: x, "Tanh": torch.tanh, "Relu": torch.relu}
LOWEST: Final = -1e30


class PooledEncoder(torch.nn.Module):
    """The reference: attention mask from the padding id, the checkpoint's pooling and projections, L2."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__()
        self.model = checkpoint.model
        self.pooling = checkpoint.shape.pooling
        self.padding_id = checkpoint.padding_id
        self.dense = torch.nn.ModuleList(_Projection(layer) for layer in checkpoint.shape.dense)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Return vectors float32 (texts, dim) of `ids` int32 (texts, longest), filled up with the padding id.

        A cross-encoder returns logits (pairs, 1).
        """
        mask = ids != self.padding_id
        if self.padding_id < 0:  # the model needs an id of its vocabulary there; RoBERTa counts positions by it
            ids = torch.where(mask, ids, self.model.config.pad_token_id or 0)
        output = self.model(input_ids=ids.long(), attention_mask=mask.long())
        if self.pooling == "classifier":
            logits: torch.Tensor = output["logits"]
            return logits
        if self.pooling == "pooler":
            return normalize(output["pooler_output"], dim=1)
        vectors = _pool(output["last_hidden_state"], mask, self.pooling)
        for layer in self.dense:
            vectors = layer(vectors)
        return normalize(vectors, dim=1)


class _Projection(torch.nn.Module):
    def __init__(self, layer: DenseLayer) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.from_numpy(np.array(layer.weight)))
        self.bias = torch.nn.Parameter(torch.from_numpy(np.array(layer.bias)))
        self.activation = ACTIVATIONS[layer.activation]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.activation(torch.nn.functional.linear(x, self.weight, self.bias))
        return result


def _pool(hidden: torch.Tensor, mask: torch.Tensor, pooling: str) -> torch.Tensor:
    column = mask.unsqueeze(-1)
    if pooling == "cls":
        return hidden[:, 0]
    if pooling == "max":
        return torch.where(column, hidden, torch.full_like(hidden, LOWEST)).amax(1)
    if pooling == "last":
        last = (mask.long().sum(1) - 1)[:, None, None].expand(-1, 1, hidden.shape[-1])
        return hidden.gather(1, last)[:, 0]
    weights = column.to(hidden.dtype)
    return (hidden * weights).sum(1) / weights.sum(1)


def write_plain_graph(path: Path, checkpoint: Checkpoint) -> None:
    """Write the float32 graph in standard operators only: what TensorRT parses.

    Raises ConfigurationError if Optimum has no configuration for the family.
    """
    output = LOGIT if checkpoint.shape.pooling == "classifier" else EMBEDDING
    example = torch.full((2, 16), 5, dtype=torch.int32)
    example[1, 11:] = checkpoint.padding_id
    with torch.no_grad(), _patched(checkpoint), warnings.catch_warnings():
        # The newer exporter writes graphs that ONNX Runtime's attention fusion does not recognise.
        # The exporter warns about branches on tensor values, which are constant here.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            PooledEncoder(checkpoint),
            (example,),
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=[INPUT_IDS],
            output_names=[output],
            dynamic_axes={INPUT_IDS: {0: "texts", 1: "longest"}, output: {0: "texts"}},
        )


def write_half_graph(path: Path, plain: Path, checkpoint: Checkpoint) -> None:
    """Write the float16 graph, from the `plain` one, with ONNX Runtime's fused operators where it knows the family.

    Unfused, it runs several times slower. Inputs and outputs keep their types.
    """
    if checkpoint.layout == "padded":
        model = onnx.load(str(plain))
        onnx.save(convert_float_to_float16(model, keep_io_types=True, op_block_list=POOLING_OPERATORS), path)
        return
    shape = checkpoint.shape
    fused: Any = optimize_model(
        str(plain), model_type="bert", num_heads=shape.heads, hidden_size=shape.dim, opt_level=0
    )
    missing = shape.layers - fused.get_fused_operator_statistics()["Attention"]
    if missing:
        raise RuntimeError(f"{missing} attention layers were not fused: ONNX Runtime's patterns do not match the graph")
    fused.convert_float_to_float16(keep_io_types=True, op_block_list=POOLING_OPERATORS)
    onnx.save(fused.model, path)


def _patched(checkpoint: Checkpoint) -> contextlib.AbstractContextManager[Any]:
    """Optimum's patches of the model while it is traced; none for the families that trace as they are."""
    if checkpoint.layout == "packed":
        return contextlib.nullcontext()
    import optimum.exporters.onnx.model_configs  # noqa: F401 - registers the families
    from optimum.exporters.tasks import TasksManager

    task = "text-classification" if checkpoint.shape.pooling == "classifier" else "feature-extraction"
    try:
        configure = TasksManager.get_exporter_config_constructor(
            exporter="onnx", model=checkpoint.model, task=task, library_name="transformers"
        )
    except (KeyError, ValueError) as error:
        raise ConfigurationError(f"Optimum cannot export {checkpoint.family} for {task}") from error
    patch: contextlib.AbstractContextManager[Any] = configure(checkpoint.model.config).patch_model_for_export(
        checkpoint.model
    )
    return patch
