"""PhoBERT's byte-pair encoding, equal to `transformers.PhobertTokenizer`, a batch at a time.

Each distinct word goes through Hugging Face `tokenizers` (Rust) once; its ids are then kept in flat arrays, so that a
batch is one dictionary look-up a word and a gather.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from tokenizers.models import BPE

from phoserve.contract import MERGES_FILE, VOCAB_FILE
from phoserve.errors import ConfigurationError
from phoserve.text.memo import Memo, bounds, ranges
from phoserve.text.vocabulary import NumberedWords, RaggedColumn, Vocabulary

BOS, PAD, EOS, UNK = 0, 1, 2, 3
_END: Final = "</w>"
_UNKNOWN_SYMBOL: Final = "<unk>"
_MAX_KEPT: Final = 2_000_000


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
        self._memo = Memo(self._ids)
        self._vocabulary = Vocabulary()
        self._pieces = RaggedColumn(np.int32)  # the ids of each word of the vocabulary

    def encode(self, texts: Sequence[str], *, max_tokens: int) -> TokenBatch:
        """Return the ids of segmented `texts`, each cut after its first `max_tokens` tokens (specials included)."""
        words, offsets = self._words(texts)
        counts = self._memo.counts(words)
        # Every token of the batch in one gather.
        return _cut(self._memo.flat(words, counts), bounds(counts)[offsets], max_tokens)

    def encode_words(self, words: NumberedWords, *, max_tokens: int) -> TokenBatch:
        """Return the same as `encode` for texts whose words are numbered."""
        pieces = self._pieces_of(words.vocabulary)
        counts = pieces.counts(words.numbers)
        return _cut(pieces.flat(words.numbers, counts), bounds(counts)[words.offsets], max_tokens)

    def count(self, texts: Sequence[str]) -> NDArray[np.int32]:
        """Return how many tokens each of the segmented `texts` is, specials included, nothing cut."""
        words, offsets = self._words(texts)
        return (np.diff(bounds(self._memo.counts(words))[offsets]) + 2).astype(np.int32)

    def count_words(self, words: NumberedWords) -> NDArray[np.int32]:
        """Return the same as `count` for texts whose words are numbered."""
        counts = self._pieces_of(words.vocabulary).counts(words.numbers)
        return (np.diff(bounds(counts)[words.offsets]) + 2).astype(np.int32)

    def _pieces_of(self, vocabulary: Vocabulary) -> RaggedColumn:
        """Return the ids of each word of the vocabulary."""
        if vocabulary is not self._vocabulary:
            self._vocabulary, self._pieces = vocabulary, RaggedColumn(np.int32)
        known = len(self._pieces)
        if known < len(vocabulary.words):
            self._pieces.extend([self._ids_of_word(word) for word in vocabulary.words[known:]])
        return self._pieces

    def count_pieces(self, words: Sequence[str]) -> list[int]:
        """Return how many tokens each of the segmented `words` is, without specials."""
        counts: list[int] = (self.count(words) - 2).tolist()
        return counts

    def _ids_of_word(self, word: str) -> list[int]:
        if "<" not in word:
            return [self._id_of_symbol[token.id] for token in self._model.tokenize(word)]
        return [each for part in self._split(word) for each in self._ids(part)]

    def _words(self, texts: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """The memo's numbers of all words, and where each text's begin."""
        if self._memo.size > _MAX_KEPT:
            self._memo = Memo(self._ids)
        return self._memo.numbers(map(self._split, texts))

    def _split(self, text: str) -> Iterable[str]:
        if "<" not in text and "\n" not in text:
            return text.split()
        # The reference finds specials anywhere in a text, and takes a newline at the end of a word as part of it.
        return (
            word
            for part in self._split_specials.split(text)
            for word in ([part] if part in self._specials else re.findall(r"\S+\n?", part))
        )

    def _ids(self, word: str) -> list[int]:
        special = self._specials.get(word)
        if special is not None:
            return [special]
        return [self._id_of_symbol[token.id] for token in self._model.tokenize(word)]


def _cut(pieces: NDArray[np.int32], starts: NDArray[np.int64], max_tokens: int) -> TokenBatch:
    """Put the first `max_tokens` - 2 of each text's `pieces`, which begin at `starts`, between `<s>` and `</s>`."""
    full = np.diff(starts)
    kept = np.minimum(full, max_tokens - 2)
    ends = bounds(kept + 2)
    ids = np.empty(ends[-1], np.int32)
    ids[ranges(ends[:-1] + 1, kept)] = pieces if (full == kept).all() else pieces[ranges(starts[:-1], kept)]
    ids[ends[:-1]] = BOS
    ids[ends[1:] - 1] = EOS
    return TokenBatch(ids, ends, full > kept)


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
