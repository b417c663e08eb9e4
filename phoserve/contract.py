"""The model contract: the description of a model that all parts share.

`export` writes it as `contract.json` next to the weights. The text pipeline, the Triton models, the API and the index
read it.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final, Literal, NamedTuple

import msgspec

from phoserve.errors import ConfigurationError

CONTRACT_FILE: Final = "contract.json"
VOCAB_FILE: Final = "vocab.txt"
MERGES_FILE: Final = "bpe.codes"
TOKENIZER_FILE: Final = "tokenizer.json"

# Public Triton model and its tensors. Other teams depend on these names, so they never change.
PUBLIC_MODEL: Final = "phobert_simcse"
GPU_ENCODER: Final = "phobert_encoder"
CPU_ENCODER: Final = "phobert_encoder_cpu"
TEXT: Final = "TEXT"
EMBEDDING: Final = "EMBEDDING"
TOKENS: Final = "TOKENS"
TRUNCATED: Final = "TRUNCATED"
# The encoder that computed each vector. A tensor, because Triton 24.10's Python backend cannot set response parameters.
SERVED_BY: Final = "SERVED_BY"
# The same for the optional cross-encoder.
RERANKER: Final = "phobert_reranker"
GPU_CROSS_ENCODER: Final = "phobert_cross_encoder"
CPU_CROSS_ENCODER: Final = "phobert_cross_encoder_cpu"
QUERY: Final = "QUERY"
PASSAGE: Final = "PASSAGE"
SCORE: Final = "SCORE"
# Tensors of the encoders: token ids in, EMBEDDING out, or LOGIT of a cross-encoder.
INPUT_IDS: Final = "INPUT_IDS"
LENGTHS: Final = "LENGTHS"
LOGIT: Final = "LOGIT"
# Request parameter: "query" or "passage" (the default).
INPUT_TYPE_PARAMETER: Final = "input_type"
# Request parameter: the fingerprint of the expected model. Servers with another model reject it. Without it, any
# serves.
FINGERPRINT_PARAMETER: Final = "fingerprint"
OTHER_MODEL: Final = "this server has the model"

Pooling = Literal["mean", "cls", "last", "max", "pooler", "sqrt_tf", "classifier"]
"""How token vectors become one; `last` is that of the last token.

`classifier` is the head of a cross-encoder: one logit for a query and a passage read together.
"""
TokenizerKind = Literal["phobert", "huggingface"]
"""`phobert`: PhoBERT's BPE from `vocab.txt` and `bpe.codes`; `huggingface`: a `tokenizer.json`."""
TOKENIZER_FILES: Final[dict[TokenizerKind, tuple[str, ...]]] = {
    "phobert": (VOCAB_FILE, MERGES_FILE),
    "huggingface": (TOKENIZER_FILE,),
}
Task = Literal["embed", "rerank"]
Layout = Literal["packed", "padded"]
Segmenter = Literal["pyvi-0.1.1", "none"]


class TritonNames(NamedTuple):
    """The Triton models that serve one model."""

    public: str
    """The model that clients call."""
    gpu_encoder: str
    cpu_encoder: str


# Names from before encoders were named after their public model.
_PUBLISHED_NAMES: Final = {
    PUBLIC_MODEL: TritonNames(PUBLIC_MODEL, GPU_ENCODER, CPU_ENCODER),
    RERANKER: TritonNames(RERANKER, GPU_CROSS_ENCODER, CPU_CROSS_ENCODER),
}


def triton_names(public: str) -> TritonNames:
    """The Triton models of the public model `public`."""
    return _PUBLISHED_NAMES.get(public) or TritonNames(public, f"{public}_encoder", f"{public}_encoder_cpu")


def runs_on_gpu(encoder: str) -> bool:
    """Whether the Triton model `encoder` is a GPU encoder, by its name."""
    return not encoder.endswith("_cpu")


class InputType(StrEnum):
    """The purpose of a text. Models trained with instructions have a prefix for each."""

    QUERY = "query"
    PASSAGE = "passage"


class Fusion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Weights of min-max normalised dense and BM25 scores in hybrid search with this model."""

    dense: float = 0.3
    lexical: float = 0.7


class ModelContract(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a model takes and returns. Lengths are in tokens, special tokens included."""

    name: str
    family: str = "roberta"
    """The architecture, as `model_type` in the source's `config.json`."""
    dim: int
    dims: tuple[int, ...] = ()
    """Shorter dimensions that a vector may be cut to (Matryoshka), ascending; none if it was not trained for any."""
    dense: tuple[int, ...] = ()
    """Output widths of the projections after pooling."""
    dtype: str = "float32"
    """In which the source's weights are stored. Graphs of precision fp32 compute in float32 either way."""
    tokenizer: TokenizerKind = "phobert"
    max_tokens: int = 256
    pooling: Pooling = "mean"
    normalise: bool = True
    segmenter: Segmenter = "pyvi-0.1.1"
    modern_tones: bool = False
    lowercase_shouting: bool = False
    """Words in capitals are embedded in small letters where two or more follow each other (`phoserve.text.capitals`).
    Not part of the fingerprint: vectors made with and without it compare, so older passages stay where they are."""
    collapse_leaders: bool = False
    """Rows of dots in forms are embedded as "..." (`phoserve.text.leaders`). Not part of the fingerprint either."""
    query_prefix: str = ""
    passage_prefix: str = ""
    tokenizer_sha256: str
    weights_sha256: str
    """Hash of the source weights. All exported precisions share the fingerprint, so a fallback may answer."""
    length_buckets: tuple[int, ...] = (16, 32, 64, 128, 256)
    layout: Layout = "packed"
    """Of the CPU graphs. packed: INPUT_IDS INT32 (tokens of all texts,), LENGTHS INT32 (texts,); padded: INPUT_IDS
    INT32 (texts, longest). GPU graphs are always padded: TensorRT plans want fixed lengths."""
    padding_id: int = 1
    """What fills up the rows of a padded graph. -1, which no vocabulary has, cannot be confused with a token."""
    precisions: tuple[str, ...] = ("fp32",)
    int8_bits: Literal[7, 8] = 7
    """Of the weights of the int8 graph. 8 bits are exact only on processors with VNNI (or NEON dot products)."""
    fusion: Fusion = Fusion()

    @property
    def served_lengths(self) -> tuple[int, ...]:
        """The length buckets of the model, in tokens, ascending; the last one is `max_tokens`."""
        return (*sorted({length for length in self.length_buckets if length < self.max_tokens}), self.max_tokens)

    @property
    def tokenizer_files(self) -> tuple[str, ...]:
        """The names of the tokenizer's files in the model folder."""
        return TOKENIZER_FILES[self.tokenizer]

    @property
    def task(self) -> Task:
        """The task of the model."""
        return "rerank" if self.pooling == "classifier" else "embed"

    @property
    def fingerprint(self) -> str:
        """Sixteen hex digits that change exactly when the vectors do; part of the physical collection's name."""
        decisive: tuple[object, ...] = (
            self.name,
            self.dim,
            self.max_tokens,
            self.pooling,
            self.normalise,
            self.segmenter,
            self.modern_tones,
            self.query_prefix,
            self.passage_prefix,
            self.tokenizer_sha256,
            self.weights_sha256,
        )
        if self.tokenizer != "phobert":  # contracts from before this field keep their fingerprints
            decisive = (*decisive, self.tokenizer)
        return hashlib.sha256(msgspec.json.encode(decisive)).hexdigest()[:16]

    def prefix(self, input_type: InputType) -> str:
        """Return the prefix of inputs of this type."""
        return self.query_prefix if input_type is InputType.QUERY else self.passage_prefix


# Models that are served as `phobert_simcse` whatever else there is: PhoBERT SimCSE and the bundled default.
DEFAULT_MODELS: Final = frozenset({"sup-SimCSE-VietNamese-phobert-base", "phoserve-bundled-vi", PUBLIC_MODEL})


def served_names(contracts: Sequence[ModelContract]) -> list[str]:
    """Return the name of the public Triton model of each of `contracts`, which are served together.

    A model is named for itself. `phobert_simcse` is PhoBERT SimCSE or the bundled default, else the first embedding
    model with PhoBERT's tokenizer; `phobert_reranker` is the first cross-encoder with PhoBERT's tokenizer. Raises
    ConfigurationError if two models have one name.
    """
    names = [slug(contract.name) for contract in contracts]
    for task, published in (("embed", PUBLIC_MODEL), ("rerank", RERANKER)):
        own = [i for i, each in enumerate(contracts) if each.task == task and each.tokenizer == "phobert"]
        own.sort(key=lambda index: names[index] not in DEFAULT_MODELS)
        if own:
            names[own[0]] = published
    taken = Counter(triton for name in names for triton in triton_names(name))
    if doubled := [name for name in names if max(taken[triton] for triton in triton_names(name)) > 1]:
        raise ConfigurationError(
            f"two models are served as {doubled[0]}: export one of them with another name (`phoserve export --name`)"
        )
    return names


def slug(name: str) -> str:
    """The last part of `name` in characters that a Triton model's name may have."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name.rstrip("/").rsplit("/", 1)[-1]).strip("-.") or "model"


def load_contract(folder: Path) -> ModelContract:
    """Read the contract of the model in `folder`.

    Raises ConfigurationError if the file is missing or is not a contract.
    """
    path = folder / CONTRACT_FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=ModelContract)
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read ({error.strerror}); create a model with `phoserve export`, and name its folder "
            "with PHOSERVE_MODEL__FOLDER or --model"
        ) from error
    except msgspec.DecodeError as error:
        raise ConfigurationError(f"{path} is not a model contract: {error}; export the model again") from error


def save_contract(contract: ModelContract, folder: Path) -> None:
    """Write `contract.json` into `folder`."""
    (folder / CONTRACT_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(contract)) + b"\n")


def sha256_of(*paths: Path) -> str:
    """Return the hex SHA-256 of the files' contents in the given order."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
