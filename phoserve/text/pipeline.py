"""Raw text to token ids, as one model's contract defines it: the only way to an encoder."""

import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from phoserve.contract import InputType, ModelContract, load_contract
from phoserve.errors import ConfigurationError
from phoserve.text.bpe import TokenBatch, WordPieces
from phoserve.text.capitals import lower_shouting
from phoserve.text.huggingface import HuggingFaceTokenizer
from phoserve.text.leaders import collapse_leaders
from phoserve.text.normalise import compose
from phoserve.text.segmentation import Segmenter
from phoserve.text.segmenter_model import load_segmenter_model
from phoserve.text.tones import modern_tones
from phoserve.text.vocabulary import NumberedWords, RecentWords, Vocabulary, number_words

_RUN: Final = re.compile(r"\S+")
_MAX_KEPT: Final = 4_000_000


class Word(NamedTuple):
    """A word's span in the text it was found in, and how many tokens it is."""

    start: int
    end: int
    tokens: int


class TextTokenizer(Protocol):
    """A tokenizer of one model, for texts that are normalized and segmented already."""

    def encode(self, texts: Sequence[str], *, max_tokens: int) -> TokenBatch:
        """Return the ids of `texts`, each cut to `max_tokens` tokens, specials included."""
        ...

    def count(self, texts: Sequence[str]) -> NDArray[np.int32]:
        """Return how many tokens each of `texts` is, specials included, nothing cut."""
        ...

    def count_pieces(self, words: Sequence[str]) -> list[int]:
        """Return how many tokens each of `words` is, without specials."""
        ...


class TextPipeline:
    """Normalizes, segments and tokenizes texts for one model. Safe to share between threads.

    Calls wait for each other, except that `segment_query` never waits for the batches of the other methods: a search
    calls it on the event loop, while ingestion holds the lock for a tenth of a second at a time.
    """

    def __init__(self, contract: ModelContract, pieces: TextTokenizer, segmenter: Segmenter | None) -> None:
        self.contract = contract
        self._pieces = pieces
        self._segmenter = segmenter
        self._vocabulary = Vocabulary()  # of a pipeline without a segmenter
        self._recent = RecentWords()
        self._lock = threading.Lock()
        self._query_segmenter = segmenter.sibling() if segmenter else None
        self._query_lock = threading.Lock()

    @classmethod
    def load(cls, folder: Path) -> "TextPipeline":
        """Read the contract and the tokenizer of the model in `folder`.

        Raises ConfigurationError if a file is missing or malformed.
        """
        contract = load_contract(folder)
        respell = modern_tones if contract.modern_tones else None
        segmenter = None if contract.segmenter == "none" else Segmenter(load_segmenter_model(), respell=respell)
        pieces = WordPieces(folder) if contract.tokenizer == "phobert" else HuggingFaceTokenizer(folder)
        return cls(contract, pieces, segmenter)

    def segment(self, texts: Sequence[str]) -> list[str]:
        """Return `texts` as the model's tokenizer takes them: words, their syllables joined by "_"."""
        with self._lock:
            return self._segment(texts, self._segmenter)

    def segment_query(self, texts: Sequence[str]) -> list[str]:
        """Return the same as `segment`, without waiting for calls of the other methods."""
        with self._query_lock:
            return self._segment(texts, self._query_segmenter)

    def encode(self, texts: Sequence[str], input_type: InputType = InputType.PASSAGE) -> TokenBatch:
        """Return the token ids of `texts`, prefixed for their type, cut at the contract's `max_tokens`."""
        prepared = self._prefixed(texts, input_type)
        with self._lock:
            if self._segmenter is not None and isinstance(self._pieces, WordPieces):
                words = self._segmenter.number_words(prepared)
                return self._pieces.encode_words(words, max_tokens=self.contract.max_tokens)
            segmented = self._segment(prepared, self._segmenter)
            return self._pieces.encode(segmented, max_tokens=self.contract.max_tokens)

    def tokenize(self, segmented: Sequence[str]) -> TokenBatch:
        """Return the token ids of texts that `segment` has segmented; no prefix is added."""
        with self._lock:
            return self._pieces.encode(segmented, max_tokens=self.contract.max_tokens)

    def tokenize_pairs(self, pairs: Sequence[tuple[str, str]]) -> TokenBatch:
        """Return the token ids of raw `pairs` with the tokenizer's own template for pairs.

        Raises ConfigurationError for PhoBERT's tokenizer, which has none.
        """
        if not isinstance(self._pieces, HuggingFaceTokenizer):
            raise ConfigurationError(f"the tokenizer of {self.contract.name} has no template for pairs")
        with self._lock:
            texts = self._segment([text for pair in pairs for text in pair], self._segmenter)
            segmented = list(zip(texts[::2], texts[1::2], strict=True))
            return self._pieces.encode_pairs(segmented, max_tokens=self.contract.max_tokens)

    def count_tokens(self, texts: Sequence[str], input_type: InputType = InputType.PASSAGE) -> NDArray[np.int32]:
        """Return how many tokens each text is, shape (texts,), prefix and specials included, nothing cut."""
        with self._lock:
            return self._count(self._prefixed(texts, input_type))

    def number_words(self, texts: Sequence[str]) -> NumberedWords:
        """Return the words of each text, spelled as by `segment`, by number."""
        with self._lock:
            return self._number_words(texts)

    def number_words_counted(
        self, texts: Sequence[str], counted: Sequence[int]
    ) -> tuple[NumberedWords, NDArray[np.int32]]:
        """Return what `number_words` returns, and what `count_tokens` returns for the passages at `counted`.

        A text that the model takes unchanged is segmented once.
        """
        chosen = [texts[number] for number in counted]
        prepared = self._prefixed(chosen, InputType.PASSAGE)
        with self._lock:
            words = self._number_words(texts)
            if not isinstance(self._pieces, WordPieces):
                return words, self._count(prepared) if prepared else np.zeros(0, np.int32)
            counts = self._pieces.count_words(words)[np.array(counted, np.int64)]
            changed = [at for at, (text, other) in enumerate(zip(chosen, prepared, strict=True)) if text != other]
            if changed:
                counts[changed] = self._count([prepared[at] for at in changed])
            return words, counts

    def words(self, text: str) -> list[Word]:
        """Return the words of `text`, as the segmenter finds them; without one, the runs of non-white space."""
        with self._lock:
            if self._segmenter is not None:
                words = self._segmenter.words(text)
            else:
                words = [(*match.span(), self._segment([match.group()], None)[0]) for match in _RUN.finditer(text)]
            spellings = [spelled for _, _, spelled in words]
            if self.contract.collapse_leaders:
                spellings = [collapse_leaders(spelled) for spelled in spellings]
            counts = self._pieces.count_pieces(spellings)
        return [Word(start, end, tokens) for (start, end, _), tokens in zip(words, counts, strict=True)]

    def _prefixed(self, texts: Sequence[str], input_type: InputType) -> Sequence[str]:
        # The steps below know composed letters, and surplus marks would cost each of them time.
        texts = [compose(text) for text in texts]
        if self.contract.lowercase_shouting:
            texts = [lower_shouting(text) for text in texts]
        if self.contract.collapse_leaders:
            texts = [collapse_leaders(text) for text in texts]
        prefix = self.contract.prefix(input_type)
        return [prefix + text for text in texts] if prefix else texts

    def _count(self, texts: Sequence[str]) -> NDArray[np.int32]:
        if self._segmenter is not None and isinstance(self._pieces, WordPieces):
            words = self._segmenter.number_words(texts)
            self._recent.add(texts, words)
            return self._pieces.count_words(words)
        return self._pieces.count(self._segment(texts, self._segmenter))

    def _number_words(self, texts: Sequence[str]) -> NumberedWords:
        if self._segmenter is not None:
            return self._recent.number(texts, self._segmenter.number_words)
        if self._vocabulary.size > _MAX_KEPT:
            self._vocabulary = Vocabulary()
        return number_words((text.split() for text in self._segment(texts, None)), self._vocabulary)

    def _segment(self, texts: Sequence[str], segmenter: Segmenter | None) -> list[str]:
        if segmenter is not None:
            return segmenter.segment(texts)
        composed = [compose(text) for text in texts]
        return [modern_tones(text) for text in composed] if self.contract.modern_tones else composed
