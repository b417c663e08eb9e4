"""The tokenizer of a checkpoint: which kind it is, and its files for the model folder."""

import shutil
from pathlib import Path
from typing import Any, Final

import transformers

from export.sentence_modules import read_json
from phoserve.contract import MERGES_FILE, TOKENIZER_FILE, TOKENIZER_FILES, VOCAB_FILE, TokenizerKind
from phoserve.errors import ConfigurationError

PHOBERT_SPECIALS: Final = 4  # <s> <pad> </s> <unk> precede the entries of vocab.txt
CONFIG_FILE: Final = "tokenizer_config.json"


def tokenizer_kind(folder: Path, config: dict[str, Any]) -> TokenizerKind:
    """The kind of tokenizer in `folder`, checked against the vocabulary of the model's `config`.

    Raises ConfigurationError that names what is missing or does not fit.
    """
    if _is_phobert(folder, config):
        _check_phobert(folder, config["vocab_size"])
        return "phobert"
    _check_huggingface(folder, config["vocab_size"])
    return "huggingface"


def write_tokenizer(source: Path, target: Path, kind: TokenizerKind) -> tuple[Path, ...]:
    """Write the tokenizer's files into `target` and return their paths."""
    if kind == "phobert":
        for name in TOKENIZER_FILES[kind]:
            shutil.copyfile(source / name, target / name)
    else:
        backend = _load(source).backend_tokenizer
        backend.no_padding()
        backend.no_truncation()
        (target / TOKENIZER_FILE).write_text(backend.to_str(), encoding="utf-8")
    return tuple(target / name for name in TOKENIZER_FILES[kind])


def longest_text(folder: Path) -> int | None:
    """The longest text in tokens that the tokenizer's own configuration names."""
    named = read_json(folder / CONFIG_FILE, optional=True).get("model_max_length")
    return int(named) if named and named < 1e9 else None  # transformers writes 1e30 for none


def _is_phobert(folder: Path, config: dict[str, Any]) -> bool:
    if (folder / MERGES_FILE).is_file():
        return True
    kind = str(read_json(folder / CONFIG_FILE, optional=True).get("tokenizer_class", ""))
    plain_roberta = config.get("model_type") == "roberta" and not (folder / TOKENIZER_FILE).is_file()
    return kind.startswith("Phobert") or (plain_roberta and (folder / VOCAB_FILE).is_file())


def _check_phobert(folder: Path, vocab_size: int) -> None:
    for name in TOKENIZER_FILES["phobert"]:
        if not (folder / name).is_file():
            raise ConfigurationError(f"{folder} has no {name}: PhoBERT's tokenizer needs it")
    entries = len((folder / VOCAB_FILE).read_text(encoding="utf-8").splitlines()) + PHOBERT_SPECIALS
    if not entries <= vocab_size <= entries + 1:  # the one more is <mask>
        raise ConfigurationError(
            f"the tokenizer in {folder} does not belong to the model: {entries} tokens, but embeddings for {vocab_size}"
        )


def _check_huggingface(folder: Path, vocab_size: int) -> None:
    tokenizer = _load(folder)
    if not tokenizer.is_fast:
        raise ConfigurationError(f"{folder}: {type(tokenizer).__name__} has no tokenizer.json form")
    if tokenizer.truncation_side != "right":
        raise ConfigurationError(f"{folder}: truncation_side {tokenizer.truncation_side!r} cannot be served")
    if len(tokenizer) > vocab_size:
        raise ConfigurationError(
            f"the tokenizer in {folder} does not belong to the model: {len(tokenizer)} tokens, "
            f"but embeddings for {vocab_size}"
        )


def _load(folder: Path) -> Any:
    transformers.logging.set_verbosity_error()
    try:
        return transformers.AutoTokenizer.from_pretrained(str(folder), use_fast=True)
    except Exception as error:  # each tokenizer raises its own for a missing or damaged file
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ConfigurationError(f"{folder} has no usable tokenizer (such as {TOKENIZER_FILE}): {reason}") from error
