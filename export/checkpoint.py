"""A checkpoint on disk: read, checked, and described as the graphs need it."""

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
import transformers

from export.graph import Array
from export.packed import EncoderShape
from export.sentence_modules import SentenceOptions, read_json, read_sentence_options
from export.sources import INDEX_FILES, WEIGHT_FILES
from export.tokenizer_source import longest_text, tokenizer_kind
from phoserve.contract import Layout, Pooling, Task, TokenizerKind
from phoserve.errors import ConfigurationError
from phoserve.serving.encoders import PAD_ID

PHOBERT_TOKENS: Final = 256  # what PhoBERT was trained on
ROBERTA_FAMILIES: Final = ("roberta", "xlm-roberta", "camembert")
PACKED_FAMILIES: Final = (*ROBERTA_FAMILIES, "bert")
"""Post-LN encoders of one shape, which the padding-free writer knows. Optimum exports the others."""
NO_TOKEN: Final = -1
SIZES: Final = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The model and the settings of its folder."""

    folder: Path
    model: Any
    """A `transformers.PreTrainedModel` in float32."""
    family: str
    shape: EncoderShape
    layout: Layout
    """Of the CPU graphs: packed where the family allows it."""
    tokenizer: TokenizerKind
    options: SentenceOptions
    max_tokens: int
    padding_id: int
    dtype: str

    @property
    def dim(self) -> int:
        """The numbers of a vector; 1 for a cross-encoder."""
        if self.shape.pooling == "classifier":
            return 1
        return self.shape.dense[-1].weight.shape[0] if self.shape.dense else self.shape.dim

    @property
    def weights_files(self) -> tuple[Path, ...]:
        """The files that hold the weights, those of projections after the model's."""
        return (*weights_files(self.folder), *(layer.file for layer in self.shape.dense))

    def weights(self) -> dict[str, Array]:
        """Return the float32 parameters with their names in `transformers.RobertaModel`; a head has `classifier.*`."""
        return {name.removeprefix("roberta."): value.numpy() for name, value in self.model.state_dict().items()}


def load_checkpoint(folder: Path, task: Task = "embed", *, max_tokens: int | None = None) -> Checkpoint:
    """Read the model in `folder`, in the layout of `transformers` or of sentence-transformers.

    `max_tokens` shortens the longest text. Raises ConfigurationError that names what is missing, damaged or of a shape
    that cannot be exported.
    """
    config = read_json(folder / "config.json")
    family = _family(config, folder)
    weights_files(folder)
    tokenizer = tokenizer_kind(folder, config)
    options = read_sentence_options(folder) if task == "embed" else SentenceOptions()
    pooling: Pooling = options.pooling if task == "embed" else "classifier"
    packed = family in PACKED_FAMILIES and _is_post_ln(config, family)
    if task == "rerank" and family == "bert":
        raise ConfigurationError(f"{folder}: a BERT cross-encoder needs token types, which are not served yet")
    return Checkpoint(
        folder=folder,
        model=_model(folder, pooling, packed=packed),
        family=family,
        shape=EncoderShape(
            dim=config["hidden_size"],
            layers=config["num_hidden_layers"],
            heads=config["num_attention_heads"],
            layer_norm_eps=config.get("layer_norm_eps", 1e-12 if family == "bert" else 1e-5),
            pooling=pooling,
            normalise=task == "embed",
            position_offset=2 if family in ROBERTA_FAMILIES else 0,
            dense=options.dense,
        ),
        layout="packed" if packed else "padded",
        tokenizer=tokenizer,
        options=options,
        max_tokens=_max_tokens(folder, config, tokenizer, options, max_tokens),
        padding_id=PAD_ID if tokenizer == "phobert" and packed else NO_TOKEN,
        dtype=str(config.get("torch_dtype") or config.get("dtype") or "float32"),
    )


def weights_files(folder: Path) -> tuple[Path, ...]:
    """The files that hold the weights: one, or the shards that an index names. Raises ConfigurationError."""
    for name in WEIGHT_FILES:
        if (folder / name).is_file():
            return (folder / name,)
    for name in INDEX_FILES:
        if (folder / name).is_file():
            shards = sorted({str(file) for file in read_json(folder / name).get("weight_map", {}).values()})
            if missing := [shard for shard in shards if not (folder / shard).is_file()]:
                raise ConfigurationError(f"{folder / name} names shards that are missing: {', '.join(missing)}")
            return tuple(folder / shard for shard in shards)
    hint = ""
    if (folder / "adapter_config.json").is_file():
        hint = "; it is an adapter: merge it into its base model first"
    elif any(folder.rglob("*.onnx")):
        hint = "; its ONNX graphs cannot be served: they lack pooling, export from the PyTorch weights"
    raise ConfigurationError(f"{folder} has no weights: neither {' nor '.join(WEIGHT_FILES)}{hint}")


def _family(config: dict[str, Any], folder: Path) -> str:
    family = config.get("model_type")
    if config.get("auto_map"):
        raise ConfigurationError(f"{folder} needs code of its own (auto_map); only models of transformers are exported")
    if not family or family not in transformers.CONFIG_MAPPING:
        raise ConfigurationError(f"{folder}: its config has model_type {family!r}, which transformers does not support")
    if missing := [name for name in SIZES if not isinstance(config.get(name), int)]:
        raise ConfigurationError(f"{folder}/config.json lacks {', '.join(missing)}")
    if family in PACKED_FAMILIES and not isinstance(config.get("max_position_embeddings"), int):
        raise ConfigurationError(f"{folder}/config.json lacks max_position_embeddings")
    return str(family)


def _is_post_ln(config: dict[str, Any], family: str) -> bool:
    """Whether the padding-free writer computes exactly this model."""
    wanted = {"hidden_act": "gelu", "position_embedding_type": "absolute", "is_decoder": False}
    if family in ROBERTA_FAMILIES:
        wanted["pad_token_id"] = 1
    return all(config.get(name, value) == value for name, value in wanted.items())


def _max_tokens(
    folder: Path, config: dict[str, Any], tokenizer: TokenizerKind, options: SentenceOptions, chosen: int | None
) -> int:
    positions = config.get("max_position_embeddings") or 512
    if config["model_type"] in ROBERTA_FAMILIES:
        positions -= 2
    usual = PHOBERT_TOKENS if tokenizer == "phobert" else longest_text(folder)
    most = min(options.max_tokens or usual or positions, positions)
    if chosen is not None and not 8 <= chosen <= most:
        raise ConfigurationError(f"--max-tokens {chosen}: choose from 8 to {most}, the most this model takes")
    return chosen or most


def _model(folder: Path, pooling: Pooling, *, packed: bool) -> Any:
    transformers.logging.set_verbosity_error()
    kind = transformers.AutoModelForSequenceClassification if pooling == "classifier" else transformers.AutoModel
    options: dict[str, Any] = {"output_loading_info": True, "torch_dtype": torch.float32}
    if packed:
        options["attn_implementation"] = "eager"
        if pooling != "classifier":
            options["add_pooling_layer"] = False
    try:
        model, info = kind.from_pretrained(str(folder), **options)
    except Exception as error:  # safetensors, pickle, zip and torch each raise their own for a damaged file
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        names = ", ".join(file.name for file in weights_files(folder))
        raise ConfigurationError(
            f"the weights in {folder} ({names}) cannot be read; are the files complete? ({reason})"
        ) from error
    missing = [name for name in info["missing_keys"] if not name.startswith("pooler.")]
    if missing:
        raise ConfigurationError(f"the weights in {folder} lack {len(missing)} tensors, such as {min(missing)}")
    if pooling == "classifier" and model.config.num_labels != 1:
        raise ConfigurationError(
            f"{folder} distinguishes {model.config.num_labels} classes: a reranker returns one score"
        )
    return _plain(model.eval())


def _plain(model: Any) -> Any:
    """Switch off what only speeds up PyTorch and cannot be traced."""
    if hasattr(model.config, "reference_compile"):
        model.config.reference_compile = False
    if "use_cache" in inspect.signature(type(model).forward).parameters:
        model.config.use_cache = False
    return model
