"""The settings of a sentence-transformers folder: pooling, projections, prompts.

Whatever is named there and cannot be exported raises ConfigurationError: a model that is served differently from how it
was trained returns worse vectors without any sign of it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import load_file

from export.packed import DenseLayer
from export.sources import WEIGHT_FILES
from phoserve.contract import Pooling
from phoserve.errors import ConfigurationError

MODULES_FILE: Final = "modules.json"
TRANSFORMER_FILE: Final = "sentence_bert_config.json"
OPTIONS_FILE: Final = "config_sentence_transformers.json"
POOLINGS: Final[dict[str, Pooling]] = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_lasttoken": "last",
    "cls": "cls",
    "mean": "mean",
    "max": "max",
    "lasttoken": "last",
}
ACTIVATIONS: Final = {"Identity": "", "Tanh": "Tanh", "ReLU": "Relu"}
"""ONNX operators by the class of `torch.nn`."""
# As sentence-transformers looks for them in `encode_query` and `encode_document`.
QUERY_PROMPTS: Final = ("query",)
PASSAGE_PROMPTS: Final = ("document", "passage", "corpus")


@dataclass(frozen=True, slots=True)
class SentenceOptions:
    """How a model's token vectors become the vector of a text."""

    pooling: Pooling = "mean"
    dense: tuple[DenseLayer, ...] = ()
    max_tokens: int | None = None
    query_prefix: str = ""
    passage_prefix: str = ""
    unused_prompts: tuple[str, ...] = field(default=())
    """Names of prompts that are neither for queries nor for passages."""


def read_sentence_options(folder: Path) -> SentenceOptions:
    """Read the settings of `folder`; without sentence-transformers' files, the mean of the token vectors.

    Raises ConfigurationError that names the file and the option that cannot be exported.
    """
    modules = _modules(folder)
    pooling = _pooling(folder, modules)
    transformer = read_json(folder / TRANSFORMER_FILE, optional=True)
    if transformer.get("do_lower_case"):
        raise ConfigurationError(f"{folder / TRANSFORMER_FILE}: do_lower_case cannot be exported")
    queries, passages, unused = _prompts(folder)
    dense = tuple(_dense(folder / module["path"]) for module in modules if _kind(module) == "Dense")
    return SentenceOptions(pooling, dense, transformer.get("max_seq_length"), queries, passages, unused)


def read_json(path: Path, *, optional: bool = False) -> Any:
    """The contents of a JSON file; with `optional`, an empty object where there is none."""
    if optional and not path.is_file():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path.parent} is not a model: {path.name} is missing or unreadable") from error
    except ValueError as error:
        raise ConfigurationError(f"{path} is damaged: {error}") from error


def _modules(folder: Path) -> Sequence[Mapping[str, Any]]:
    path = folder / MODULES_FILE
    modules: list[dict[str, Any]] = read_json(path, optional=True) or []
    kinds = [_kind(module) for module in modules]
    foreign = [str(module.get("type")) for module in modules if not str(module["type"]).startswith("sentence_transf")]
    unknown = [kind for kind in kinds if kind not in ("Transformer", "Pooling", "Dense", "Normalize")]
    if foreign or unknown:
        raise ConfigurationError(f"{path} names a module that cannot be exported: {', '.join(foreign or unknown)}")
    order = [kind for kind in kinds if kind != "Dense"]
    if modules and order not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        raise ConfigurationError(f"{path}: the order {', '.join(kinds)} cannot be exported")
    if "Dense" in kinds and not kinds.index("Pooling") < kinds.index("Dense") < len(kinds) - kinds.count("Normalize"):
        raise ConfigurationError(f"{path}: Dense modules can only be exported between Pooling and Normalize")
    return modules


def _kind(module: Mapping[str, Any]) -> str:
    return str(module.get("type", "")).rsplit(".", 1)[-1]


def _pooling(folder: Path, modules: Sequence[Mapping[str, Any]]) -> Pooling:
    where = next((module.get("path", "") for module in modules if _kind(module) == "Pooling"), "1_Pooling")
    config = read_json(folder / where / "config.json", optional=True)
    named = config.get("pooling_mode") or [mode for mode in config if mode.startswith("pooling_mode_") and config[mode]]
    chosen = [named] if isinstance(named, str) else list(named)
    if config.get("include_prompt") is False:
        raise ConfigurationError(
            f"{folder}/{where}: include_prompt false, pooling without the prompt, cannot be exported"
        )
    if not chosen:
        return "mean"
    if len(chosen) > 1 or chosen[0] not in POOLINGS:
        raise ConfigurationError(
            f"{folder}/{where} asks for {' and '.join(chosen)}; only mean, cls, max or lasttoken alone can be exported"
        )
    return POOLINGS[chosen[0]]


def _prompts(folder: Path) -> tuple[str, str, tuple[str, ...]]:
    path = folder / OPTIONS_FILE
    options = read_json(path, optional=True)
    if options.get("truncate_dim"):
        raise ConfigurationError(
            f"{path}: truncate_dim cannot be exported; remove it, and export with --dims {options['truncate_dim']}: "
            "requests then choose the dimension"
        )
    if (similarity := options.get("similarity_fn_name") or "cosine") not in ("cosine", "dot"):
        raise ConfigurationError(f"{path}: vectors are compared by cosine, not by {similarity}")
    prompts = {name: text for name, text in (options.get("prompts") or {}).items() if text}
    default = prompts.get(options.get("default_prompt_name") or "", "")
    queries = next((prompts[name] for name in QUERY_PROMPTS if name in prompts), default)
    passages = next((prompts[name] for name in PASSAGE_PROMPTS if name in prompts), default)
    used = {*QUERY_PROMPTS, *PASSAGE_PROMPTS, options.get("default_prompt_name")}
    return queries, passages, tuple(name for name in prompts if name not in used)


def _dense(folder: Path) -> DenseLayer:
    config = read_json(folder / "config.json")
    activation = str(config.get("activation_function", "torch.nn.modules.activation.Tanh")).rsplit(".", 1)[-1]
    if activation not in ACTIVATIONS:
        raise ConfigurationError(f"{folder}: activation {activation} cannot be exported; {', '.join(ACTIVATIONS)} can")
    names = [config.get(name) or "sentence_embedding" for name in ("module_input_name", "module_output_name")]
    if names != ["sentence_embedding"] * 2:
        raise ConfigurationError(f"{folder}: a projection of {names[0]} cannot be exported, only of the pooled vector")
    file = next((folder / name for name in WEIGHT_FILES if (folder / name).is_file()), None)
    if file is None:
        raise ConfigurationError(f"{folder} has no weights")
    weights = load_file(file) if file.suffix == ".safetensors" else torch.load(file, weights_only=True)
    weight = weights["linear.weight"].float().numpy()
    bias = weights["linear.bias"].float().numpy() if "linear.bias" in weights else weight[:, 0] * 0
    return DenseLayer(weight, bias, ACTIVATIONS[activation], file)
