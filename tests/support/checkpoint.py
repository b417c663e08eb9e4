"""A tiny PhoBERT-shaped checkpoint with random weights, as `phoserve export` takes it."""

import json
from pathlib import Path

import torch
from transformers import RobertaConfig, RobertaForSequenceClassification, RobertaModel

from phoserve.contract import VOCAB_FILE
from tests.support.model_folder import SPECIALS, write_tiny_tokenizer

LAYERS = 2
MODULES = (("Transformer", ""), ("Pooling", "1_Pooling"))


def write_checkpoint(
    folder: Path, *, pooling: str | None = None, labels: int | None = None, seed: int = 0, **config: object
) -> None:
    """Write config, weights and tokenizer to `folder`; `pooling` as sentence-transformers names its mode.

    With `labels`, it is a classifier of pairs with this number of classes; 1 is a cross-encoder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_tiny_tokenizer(folder)
    words = len((folder / VOCAB_FILE).read_text(encoding="utf-8").splitlines()) + SPECIALS + 1
    shape = {
        "vocab_size": words,
        "hidden_size": 64,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 4,
        "intermediate_size": 128,
        "max_position_embeddings": 258,
        "type_vocab_size": 1,
        "layer_norm_eps": 1e-5,
        "initializer_range": 0.1,
    }
    torch.manual_seed(seed)
    kind, head = (RobertaModel, {}) if labels is None else (RobertaForSequenceClassification, {"num_labels": labels})
    kind(RobertaConfig(**(shape | head | config))).save_pretrained(folder)
    if pooling is not None:
        modules = [{"type": f"sentence_transformers.models.{name}", "path": path} for name, path in MODULES]
        (folder / "modules.json").write_text(json.dumps(modules))
        (folder / "1_Pooling").mkdir()
        modes = {"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": False, "pooling_mode_max_tokens": False}
        (folder / "1_Pooling" / "config.json").write_text(json.dumps({**modes, f"pooling_mode_{pooling}": True}))
