"""Load a PhoBERT-shaped checkpoint from disk, check it, and describe it for the graph writers."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
import transformers
from transformers import RobertaForSequenceClassification, RobertaModel

from export.graph import Array
from export.packed import POSITION_OFFSET, EncoderShape
from export.sources import TOKENIZER_FILES, WEIGHT_FILES
from phoserve.contract import VOCAB_FILE, Pooling, Task
from phoserve.errors import ConfigurationError

SPECIALS: Final = 4  # <s> <pad> </s> <unk> precede the entries of vocab.txt
MODEL_TOKENS: Final = 256  # PhoBERT's limit in training
POOLINGS: Final[dict[str, Pooling]] = {"pooling_mode_cls_token": "cls", "pooling_mode_mean_tokens": "mean"}


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The model and the settings of its folder."""

    folder: Path
    model: RobertaModel | RobertaForSequenceClassification
    shape: EncoderShape
    max_tokens: int

    @property
    def weights_file(self) -> Path:
        return weights_file(self.folder)

    def weights(self) -> dict[str, Array]:
        """Return the float32 parameters with their names in `transformers.RobertaModel`; a head has `classifier.*`."""
        return {name.removeprefix("roberta."): value.numpy() for name, value in self.model.state_dict().items()}


def load_checkpoint(folder: Path, task: Task = "embed") -> Checkpoint:
    """Read the model in `folder`, in the layout of `transformers` or of sentence-transformers.

    Raises ConfigurationError that names a missing, damaged or unsupported part.
    """
    config = _json(folder / "config.json")
    _check_shape(config, folder)
    _check_tokenizer(folder, config["vocab_size"])
    pooling = _pooling(folder) if task == "embed" else "classifier"
    longest = config["max_position_embeddings"] - POSITION_OFFSET
    named = _json(folder / "sentence_bert_config.json", optional=True).get("max_seq_length") or MODEL_TOKENS
    return Checkpoint(
        folder=folder,
        model=_model(folder, pooling),
        shape=EncoderShape(
            dim=config["hidden_size"],
            layers=config["num_hidden_layers"],
            heads=config["num_attention_heads"],
            layer_norm_eps=config.get("layer_norm_eps", 1e-5),
            pooling=pooling,
            normalise=task == "embed",
        ),
        max_tokens=min(named, longest),
    )


def weights_file(folder: Path) -> Path:
    """Return the file with the weights. Raises ConfigurationError if there is none."""
    for name in WEIGHT_FILES:
        if (folder / name).is_file():
            return folder / name
    raise ConfigurationError(f"{folder} has no weights: neither {' nor '.join(WEIGHT_FILES)}")


def _json(path: Path, *, optional: bool = False) -> Any:
    if optional and not path.is_file():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path.parent} is not a model: {path.name} is missing or unreadable") from error
    except ValueError as error:
        raise ConfigurationError(f"{path} is damaged: {error}") from error


def _check_shape(config: dict[str, Any], folder: Path) -> None:
    wanted = {"model_type": "roberta", "hidden_act": "gelu", "position_embedding_type": "absolute", "pad_token_id": 1}
    for name, value in wanted.items():
        found = config.get(name, value if name != "model_type" else None)
        if found != value:
            raise ConfigurationError(f"{folder} is not PhoBERT-shaped: its config has {name} {found!r}, not {value!r}")
    needed = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "max_position_embeddings")
    if missing := [name for name in needed if not isinstance(config.get(name), int)]:
        raise ConfigurationError(f"{folder}/config.json lacks {', '.join(missing)}")


def _check_tokenizer(folder: Path, vocab_size: int) -> None:
    for name in TOKENIZER_FILES:
        if not (folder / name).is_file():
            raise ConfigurationError(f"{folder} has no {name}: only models with PhoBERT's tokenizer can be served")
    entries = len((folder / VOCAB_FILE).read_text(encoding="utf-8").splitlines()) + SPECIALS
    if not entries <= vocab_size <= entries + 1:  # one more: <mask>
        raise ConfigurationError(
            f"the tokenizer in {folder} does not belong to the model: {entries} tokens, but embeddings for {vocab_size}"
        )


def _pooling(folder: Path) -> Pooling:
    """Return the pooling of `modules.json` and its pooling module, like sentence-transformers; the mean by default."""
    modules = _json(folder / "modules.json", optional=True) or []
    kinds = [str(module.get("type", "")).rsplit(".", 1)[-1] for module in modules]
    if unknown := set(kinds) - {"Transformer", "Pooling", "Normalize"}:
        raise ConfigurationError(f"{folder}/modules.json names a module that cannot be exported: {', '.join(unknown)}")
    where = next((module.get("path", "") for module in modules if module["type"].endswith("Pooling")), "1_Pooling")
    config = _json(folder / where / "config.json", optional=True)
    chosen = [mode for mode, on in config.items() if mode.startswith("pooling_mode_") and on is True]
    if not chosen:
        return "mean"
    if len(chosen) > 1 or chosen[0] not in POOLINGS:
        raise ConfigurationError(
            f"{folder}/{where} requests {' and '.join(chosen)} pooling; only mean or cls can be exported"
        )
    return POOLINGS[chosen[0]]


def _model(folder: Path, pooling: Pooling) -> RobertaModel | RobertaForSequenceClassification:
    transformers.logging.set_verbosity_error()
    path = weights_file(folder)
    options: dict[str, Any] = {
        "output_loading_info": True,
        "attn_implementation": "eager",
        "torch_dtype": torch.float32,
    }
    try:
        if pooling == "classifier":
            model, info = RobertaForSequenceClassification.from_pretrained(str(folder), **options)
        else:
            model, info = RobertaModel.from_pretrained(str(folder), add_pooling_layer=pooling == "pooler", **options)
    except Exception as error:  # safetensors, pickle, zip and torch raise different errors for a damaged file
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ConfigurationError(f"the weights in {path} cannot be read; is the file complete? ({reason})") from error
    if info["missing_keys"]:
        raise ConfigurationError(
            f"{path} lacks {len(info['missing_keys'])} tensors, such as {min(info['missing_keys'])}"
        )
    if pooling == "classifier" and model.config.num_labels != 1:
        raise ConfigurationError(f"{folder} has {model.config.num_labels} classes: a reranker has a single score")
    return model.eval()
