"""The padded encoder graph for GPUs: one matrix of token ids in, pooled unit vectors out."""

import warnings
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import torch
from onnxruntime.transformers.optimizer import optimize_model
from torch.nn.functional import normalize

from export.checkpoint import Checkpoint
from export.graph import OPSET
from phoserve.contract import EMBEDDING, INPUT_IDS, LOGIT
from phoserve.serving.encoders import PAD_ID

# Pooling and normalisation stay in float32: in float16 ONNX Runtime 1.19 returns infinite vectors.
POOLING_OPERATORS: Final = ["Clip", "Div", "Expand", "ReduceL2", "ReduceSum"]


class PooledEncoder(torch.nn.Module):
    """The reference: attention mask from the padding id, the checkpoint's pooling, L2 normalisation."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__()
        self.model = checkpoint.model
        self.pooling = checkpoint.shape.pooling

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Return vectors, float32 (texts, dim), of `ids`, int32 (texts, longest), padded with the padding id.

        A cross-encoder returns logits (pairs, 1).
        """
        mask = ids != PAD_ID
        output = self.model(ids.long(), attention_mask=mask.long())
        if self.pooling == "classifier":
            logits: torch.Tensor = output.logits
            return logits
        hidden = output.last_hidden_state
        if self.pooling == "pooler":
            return normalize(output.pooler_output, dim=1)
        if self.pooling == "cls":
            return normalize(hidden[:, 0], dim=1)
        weights = mask.unsqueeze(-1).to(hidden.dtype)
        return normalize((hidden * weights).sum(1) / weights.sum(1), dim=1)


def write_plain_graph(path: Path, checkpoint: Checkpoint) -> None:
    """Write the float32 graph in standard operators only: what TensorRT parses."""
    output = LOGIT if checkpoint.shape.pooling == "classifier" else EMBEDDING
    example = torch.tensor(np.full((2, 16), 5), dtype=torch.int32)
    with torch.no_grad(), warnings.catch_warnings():
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
    """Write the float16 graph with ONNX Runtime's fused transformer operators, from the `plain` one.

    Unfused, it runs several times slower. Inputs and outputs keep their types.
    """
    shape = checkpoint.shape
    fused: Any = optimize_model(
        str(plain), model_type="bert", num_heads=shape.heads, hidden_size=shape.dim, opt_level=0
    )
    missing = shape.layers - fused.get_fused_operator_statistics()["Attention"]
    if missing:
        raise RuntimeError(f"{missing} attention layers were not fused: ONNX Runtime's patterns do not match the graph")
    fused.convert_float_to_float16(keep_io_types=True, op_block_list=POOLING_OPERATORS)
    onnx.save(fused.model, path)
