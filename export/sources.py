"""Find a model: in a folder, or in a repository of the Hugging Face hub."""

import errno
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import huggingface_hub as hub
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from phoserve.contract import MERGES_FILE, TOKENIZER_FILE, VOCAB_FILE
from phoserve.errors import ConfigurationError

DEFAULT_SOURCE: Final = "VoVanPhuc/sup-SimCSE-VietNamese-phobert-base"
TOKENIZER_FILES: Final = (VOCAB_FILE, MERGES_FILE)
WEIGHT_FILES: Final = ("model.safetensors", "pytorch_model.bin")
INDEX_FILES: Final = tuple(f"{name}.index.json" for name in WEIGHT_FILES)
SHARDS: Final = {
    "model.safetensors.index.json": "model-*-of-*.safetensors",
    "pytorch_model.bin.index.json": "pytorch_model-*-of-*.bin",
}
DISK_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
DESCRIPTIONS: Final = (
    "config.json",
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "*_Pooling/config.json",
    "*_Dense/*",
    *TOKENIZER_FILES,
    TOKENIZER_FILE,
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "*.model",  # of SentencePiece
)


@dataclass(frozen=True, slots=True)
class Source:
    """A model's files on disk, and their origin."""

    folder: Path
    name: str
    revision: str | None = None


def find_source(name: str, revision: str | None = None) -> Source:
    """Return the folder `name`, or the downloaded hub repository `name`. An interrupted download resumes.

    Raises ConfigurationError with a one-line message if neither exists, or the hub cannot be reached.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return Source(folder, folder.resolve().name)
    if name.startswith((".", "/", "~")):
        raise ConfigurationError(f"there is no folder {name}")
    try:
        return _download(name, revision)
    except GatedRepoError as error:
        raise ConfigurationError(f"{name} requires you to accept its terms on the hub and to set HF_TOKEN") from error
    except RepositoryNotFoundError as error:
        raise ConfigurationError(f"no folder and no public hub model is called {name}") from error
    except RevisionNotFoundError as error:
        raise ConfigurationError(f"{name} has no revision {revision}") from error
    except EntryNotFoundError as error:
        raise ConfigurationError(f"{name} has no config.json: it is not a transformers model") from error
    except HFValidationError as error:
        raise ConfigurationError(f"{name!r} is neither a folder nor a hub id such as {DEFAULT_SOURCE}") from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise ConfigurationError(f"{name} cannot be downloaded: {_reason(error)}") from error


def _download(name: str, revision: str | None) -> Source:
    info = hub.HfApi().model_info(name, revision=revision)
    files = {item.rfilename for item in info.siblings or ()}
    try:
        folder = hub.snapshot_download(name, revision=info.sha, allow_patterns=[*DESCRIPTIONS, *_weights(name, files)])
    except HfHubHTTPError:
        raise
    except OSError as error:
        if error.errno in DISK_FULL:
            raise ConfigurationError(f"{name} cannot be downloaded: the disk is full") from error
        raise ConfigurationError(
            f"the download of {name} was interrupted; run the same command again to resume it"
        ) from error
    return Source(Path(folder), name, info.sha)


def _weights(name: str, files: set[str]) -> tuple[str, ...]:
    """Patterns of the files that hold the weights. Raises ConfigurationError where there are none."""
    for file in WEIGHT_FILES:
        if file in files:
            return (file,)
    for index in INDEX_FILES:
        if index in files:
            return (index, SHARDS[index])
    only_onnx = "; only ONNX graphs, which lack pooling" if any(file.endswith(".onnx") for file in files) else ""
    raise ConfigurationError(f"{name} has no weights: neither {' nor '.join(WEIGHT_FILES)}{only_onnx}")


def _reason(error: Exception) -> str:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is not None:
        return f"the hub answered {status}"
    return "the hub cannot be reached; check the network, or give a folder"
