"""Convert a Hugging Face folder to one with onnx/model.onnx, which Infinity's optimum engine requires.

PYTHON onnx_folder.py SOURCE TARGET; the script runs in the peers' environment and imports nothing of this project.
"""

import json
import shutil
import sys
from pathlib import Path

import torch
from transformers import AutoModel


class LastHiddenState(torch.nn.Module):
    """The encoder's output without pooling, which the server adds."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.encoder = AutoModel.from_pretrained(folder, add_pooling_layer=False, attn_implementation="eager").eval()

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """float32 (batch, sequence, dim)."""
        return self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state


def main(source: Path, target: Path) -> None:
    """Copy the tokenizer and configuration, export the weights."""
    (target / "onnx").mkdir(parents=True)
    for path in source.iterdir():
        if path.is_file() and path.suffix != ".safetensors" and path.name != "contract.json":
            shutil.copy2(path, target)
    config = json.loads((target / "config.json").read_text())
    # RoBERTa's positions start at 2, and Infinity truncates texts at this number: without the offset it exceeds the
    # table.
    if config["model_type"] != "bert":
        config["max_position_embeddings"] -= 2
    (target / "config.json").write_text(json.dumps(config))
    names = ["input_ids", "attention_mask"]
    ids = torch.tensor([[0, 5, 6, 2], [0, 7, 2, 1]])
    torch.onnx.export(
        LastHiddenState(source),
        (ids, (ids != 1).long()),
        target / "onnx" / "model.onnx",
        input_names=names,
        output_names=["last_hidden_state"],
        dynamic_axes={name: {0: "batch", 1: "sequence"} for name in [*names, "last_hidden_state"]},
        opset_version=17,
        dynamo=False,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
