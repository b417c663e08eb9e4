"""Model folders for tests of the text pipeline: a tiny tokenizer, or PhoBERT's real one."""

from pathlib import Path
from typing import Any

from phoserve.contract import ModelContract, save_contract
from tests.support.shared import shared

VOCAB = "học_sinh 9\nhọc 8\nsinh@@ 7\nh@@ 6\nviên 5\noà 4\n"
MERGES = "h ọ 9\nhọ c 8\nhọ c</w> 7\nhọc _ 6\ns i 5\nsi n 4\nsin h</w> 3\nsin h 3\nhọc_ sinh</w> 2\no à</w> 1\n"


def tiny_model(folder: Path, **overrides: Any) -> Path:
    """Write a model folder with six tokens and return it; ids follow the lines of VOCAB from 4 on."""
    (folder / "vocab.txt").write_text(VOCAB, encoding="utf-8")
    (folder / "bpe.codes").write_text(MERGES, encoding="utf-8")
    return _with_contract(folder, **overrides)


def phobert_model(folder: Path, **overrides: Any) -> Path:
    """Put PhoBERT's tokenizer into `folder`, with a contract, and return it."""
    for name in ("vocab.txt", "bpe.codes"):
        (folder / name).symlink_to(shared("phobert", name))
    return _with_contract(folder, **overrides)


def _with_contract(folder: Path, **overrides: Any) -> Path:
    fields: dict[str, Any] = {"name": "test", "dim": 4, "tokenizer_sha256": "", "weights_sha256": ""} | overrides
    save_contract(ModelContract(**fields), folder)
    return folder
