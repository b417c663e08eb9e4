"""Tokenizers of the Hugging Face library, from a model's `tokenizer.json`."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from phoserve.contract import TOKENIZER_FILE
from phoserve.errors import ConfigurationError
from phoserve.text.bpe import TokenBatch


class HuggingFaceTokenizer:
    """Tokenise as `transformers` does with the same `tokenizer.json`. Not safe for concurrent use."""

    def __init__(self, folder: Path) -> None:
        """Read the tokenizer of the model in `folder`.

        Raises ConfigurationError if the file is missing or is not a tokenizer.
        """
        path = folder / TOKENIZER_FILE
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises bare Exception
            raise ConfigurationError(f"{path} is not a tokenizer: {error}; export the model again") from error
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._specials = self._tokenizer.num_special_tokens_to_add(is_pair=False)
        self._leading = _leading_specials(self._tokenizer)

    def encode(self, texts: Sequence[str], *, max_tokens: int) -> TokenBatch:
        """Return the ids of `texts`, each cut to its first tokens so that `max_tokens` remain, specials included."""
        rows = [encoding.ids for encoding in self._encode(texts)]
        truncated = np.array([len(row) > max_tokens for row in rows], bool)
        return _batch([self._cut(row, max_tokens) if len(row) > max_tokens else row for row in rows], truncated)

    def encode_pairs(self, pairs: Sequence[tuple[str, str]], *, max_tokens: int) -> TokenBatch:
        """Return the ids of `pairs`; a pair over `max_tokens` loses the end of its longer text first."""
        self._tokenizer.enable_truncation(max_tokens, strategy="longest_first")
        try:
            encodings = self._encode(pairs)
        finally:
            self._tokenizer.no_truncation()
        truncated = np.array([bool(encoding.overflowing) for encoding in encodings], bool)
        return _batch([encoding.ids for encoding in encodings], truncated)

    def count(self, texts: Sequence[str]) -> NDArray[np.int32]:
        """Return how many tokens each of `texts` is, specials included, nothing cut."""
        return np.array([len(encoding) for encoding in self._encode(texts)], np.int32)

    def count_pieces(self, words: Sequence[str]) -> list[int]:
        """Return how many tokens each of `words` is, without specials."""
        return [len(encoding) for encoding in self._encode(words, add_special_tokens=False)]

    def _encode(self, inputs: Sequence[Any], *, add_special_tokens: bool = True) -> Sequence[Any]:
        encodings: Sequence[Any]
        try:
            encodings = self._tokenizer.encode_batch_fast(list(inputs), add_special_tokens=add_special_tokens)
        except (TypeError, UnicodeEncodeError):  # a lone surrogate, which no UTF-8 text contains
            encodings = self._tokenizer.encode_batch_fast(_well_formed(inputs), add_special_tokens=add_special_tokens)
        return encodings

    def _cut(self, row: list[int], max_tokens: int) -> list[int]:
        trailing = self._specials - self._leading
        return row[: max_tokens - trailing] + row[len(row) - trailing :]


def _leading_specials(tokenizer: Any) -> int:
    """How many special tokens are put before a text."""
    mask = tokenizer.encode("a").special_tokens_mask
    return mask.index(0) if 0 in mask else len(mask)


def _well_formed(inputs: Sequence[Any]) -> list[Any]:
    def replaced(text: str) -> str:
        return text.encode("utf-8", "replace").decode("utf-8")

    return [replaced(item) if isinstance(item, str) else tuple(map(replaced, item)) for item in inputs]


def _batch(rows: Sequence[list[int]], truncated: NDArray[np.bool_]) -> TokenBatch:
    offsets = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    ids = np.fromiter(chain.from_iterable(rows), np.int32, count=int(offsets[-1]))
    return TokenBatch(ids, offsets, truncated)
