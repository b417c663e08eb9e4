"""The programs whose answers the text pipeline must give: pyvi and transformers' PhoBERT tokenizer."""

import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any


@cache
def pyvi_tokenize() -> Callable[[str], str]:
    """pyvi's segmenter; its import and its pickle warn, which is no concern of ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pyvi.ViTokenizer import ViTokenizer

    tokenize: Callable[[str], str] = ViTokenizer.tokenize
    return tokenize


@cache
def phobert_tokenizer(folder: Path) -> Any:
    """transformers' tokenizer over the files in `folder`."""
    from transformers import PhobertTokenizer

    return PhobertTokenizer(str(folder / "vocab.txt"), str(folder / "bpe.codes"))
