"""PhoBERT's byte-pair encoding, equal to `transformers.PhobertTokenizer`, a batch at a time.

Each distinct word goes through Hugging Face `tokenizers` (Rust) once; its ids are then kept in flat arrays, so that a
batch is one dictionary look-up a word and a gather.
"""

import re
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from tokenizers.models import BPE

from phoserve.contract import MERGES_FILE, VOCAB_FILE
from phoserve.errors import ConfigurationError

BOS, PAD, EOS, UNK = 0, 1, 2, 3
_END: Final = "</w>"
_UNKNOWN_SYMBOL: Final = "<unk>"
_MAX_KNOWN: Final = 500_000
_MAX_KEPT_WORD: Final = 64


@dataclass(frozen=True, slots=True)
class TokenBatch:
    """Token ids of a batch; text k is the slice offsets[k]:offsets[k + 1], `<s>` and `</s>` included."""

    ids: NDArray[np.int32]
    """int32, shape (total,)."""
    offsets: NDArray[np.int64]
    """int64, shape (texts + 1,)."""
    truncated: NDArray[np.bool_]
    """bool, shape (texts,): true where the text was longer than the model takes."""


class WordPieces:
    """PhoBERT's tokenizer; remembers the words it has seen, up to a bound. Not safe for concurrent use."""

    def __init__(self, folder: Path) -> None:
        """Read `vocab.txt` and `bpe.codes` of the model in `folder`.

        Raises ConfigurationError if they are missing or are not PhoBERT's format.
        """
        vocabulary = _read_vocabulary(folder / VOCAB_FILE)
        # As the reference does, `<mask>` takes the id after the last.
        self._specials = {"<s>": BOS, "<pad>": PAD, "</s>": EOS, "<unk>": UNK}
        self._specials["<mask>"] = vocabulary.get("<mask>", len(vocabulary))
        self._split_specials = re.compile("(" + "|".join(map(re.escape, self._specials)) + ")")
        self._model, self._id_of_symbol = _build(vocabulary, _read_merges(folder / MERGES_FILE))
        self.size = max(self._specials["<mask>"] + 1, len(vocabulary))
        self._forget()

    def encode(self, texts: Sequence[str], *, max_tokens: int) -> TokenBatch:
        """Return the ids of segmented `texts`, each cut after its first `max_tokens` tokens (specials included)."""
        words, offsets = self._words(texts)
        counts = self._counts[words]
        ends = np.concatenate((np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)))
        full = np.diff(ends[offsets])
        kept = np.minimum(full, max_tokens - 2)
        bounds = np.concatenate((np.zeros(1, np.int64), np.cumsum(kept + 2)))
        # Every token of the batch in one gather, then the first `kept` of each text between its specials.
        pieces = self._pieces[_ranges(self._starts[words], counts)]
        ids = np.empty(bounds[-1], np.int32)
        ids[_ranges(bounds[:-1] + 1, kept)] = pieces[_ranges(ends[offsets[:-1]], kept)]
        ids[bounds[:-1]] = BOS
        ids[bounds[1:] - 1] = EOS
        return TokenBatch(ids, bounds, full > kept)

    def count(self, texts: Sequence[str]) -> NDArray[np.int32]:
        """Return how many tokens each of the segmented `texts` is, specials included, nothing cut."""
        words, offsets = self._words(texts)
        ends = np.concatenate((np.zeros(1, np.int64), np.cumsum(self._counts[words], dtype=np.int64)))
        return (np.diff(ends[offsets]) + 2).astype(np.int32)

    def _words(self, texts: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        if len(self._numbers) > _MAX_KNOWN:
            self._forget()
        found = array("i")
        offsets = np.zeros(len(texts) + 1, np.int64)
        known = self._numbers.__getitem__
        for k, text in enumerate(texts, start=1):
            found.extend(map(known, self._split(text)))
            offsets[k] = len(found)
        return np.frombuffer(found, np.int32) if found else np.zeros(0, np.int32), offsets

    def _split(self, text: str) -> Iterable[str]:
        if "<" not in text and "\n" not in text:
            return text.split()
        # The reference finds specials anywhere in a text, and takes a newline at the end of a word as part of it.
        return (
            word
            for part in self._split_specials.split(text)
            for word in ([part] if part in self._specials else re.findall(r"\S+\n?", part))
        )

    def _forget(self) -> None:
        self._numbers = _Numbers(self)
        self._starts = np.zeros(1024, np.int64)
        self._counts = np.zeros(1024, np.int32)
        self._pieces = np.zeros(4096, np.int32)
        self._known = 0
        self._end = 0

    def learn(self, word: str) -> int:
        """Keep the ids of `word` and return its number."""
        ids = self._ids(word)
        number, start, end = self._known, self._end, self._end + len(ids)
        if number == len(self._starts):
            self._starts = np.resize(self._starts, 2 * number)
            self._counts = np.resize(self._counts, 2 * number)
        if end > len(self._pieces):
            self._pieces = np.resize(self._pieces, 2 * end)
        self._starts[number] = start
        self._counts[number] = len(ids)
        self._pieces[start:end] = ids
        self._known, self._end = number + 1, end
        return number

    def _ids(self, word: str) -> list[int]:
        special = self._specials.get(word)
        if special is not None:
            return [special]
        return [self._id_of_symbol[token.id] for token in self._model.tokenize(word)]


class _Numbers(dict[str, int]):
    """Words -> their numbers, filled as they are asked for."""

    def __init__(self, pieces: WordPieces) -> None:
        self._owner = pieces

    def __missing__(self, word: str) -> int:
        number = self._owner.learn(word)
        if len(word) <= _MAX_KEPT_WORD:
            self[word] = number
        return number


def _ranges(starts: NDArray[np.int64], counts: NDArray[np.int32] | NDArray[np.int64]) -> NDArray[np.int64]:
    """The numbers starts[k], starts[k] + 1, ... (counts[k] of them) of every k, one after the other."""
    ends = np.cumsum(counts, dtype=np.int64)
    total = int(ends[-1]) if len(ends) else 0
    numbers: NDArray[np.int64] = np.repeat(starts - ends + counts, counts) + np.arange(total)
    return numbers


def _read_vocabulary(path: Path) -> dict[str, int]:
    """Tokens and their ids, as PhobertTokenizer reads them: four specials first, then a token a line with its count."""
    vocabulary = {"<s>": BOS, "<pad>": PAD, "</s>": EOS, "<unk>": UNK}
    for line in _read(path).removesuffix("\n").split("\n"):
        token, space, _ = line.strip().rpartition(" ")
        if not space:
            raise ConfigurationError(f"{path} is not a PhoBERT vocabulary: expected 'token count', found {line[:40]!r}")
        vocabulary[token] = len(vocabulary)
    return vocabulary


def _read_merges(path: Path) -> list[tuple[str, str]]:
    """The pairs of `bpe.codes`, best first.

    Some of PhoBERT's lines hold a no-break space and are no pair when split at white space; the reference never
    applies them and neither do we.
    """
    lines = [line.split()[:-1] for line in _read(path).split("\n")[:-1]]
    merges = [(line[0], line[1]) for line in lines if len(line) == 2]
    made: set[str] = set()
    parts: set[str] = set()
    for first, second in merges:
        # Only then does the order of merging not matter, and Rust's queue gives what the reference's loop does.
        if first + second in made or first + second in parts:
            raise ConfigurationError(f"{path}: {first + second!r} is made by two merges or used before it is made")
        made.add(first + second)
        parts.update((first, second))
    return merges


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read ({error}); export the model again") from error


def _build(vocabulary: dict[str, int], merges: list[tuple[str, str]]) -> tuple[BPE, list[int]]:
    """The Rust model over all symbols that merging can make, and each symbol's id in the vocabulary (or `<unk>`'s)."""
    symbols = dict.fromkeys([_UNKNOWN_SYMBOL])
    for first, second in merges:
        symbols.update(dict.fromkeys((first, second, first + second)))
    for token in vocabulary:
        letter = token.removesuffix("@@")
        symbols.update(dict.fromkeys(symbol for symbol in (token + _END, letter) if len(letter) == 1))
    numbers = {symbol: number for number, symbol in enumerate(symbols)}
    ids = [
        vocabulary.get(symbol.removesuffix(_END) if symbol.endswith(_END) else symbol + "@@", UNK) for symbol in symbols
    ]
    ids[0] = UNK
    model = BPE(numbers, merges, cache_capacity=0, unk_token=_UNKNOWN_SYMBOL, end_of_word_suffix=_END)
    return model, ids
