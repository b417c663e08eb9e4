"""Word segmentation equal to pyvi 0.1.1's `ViTokenizer.tokenize`, a batch at a time.

pyvi asks a linear-chain CRF whether each syllable begins a word (B) or continues one (I). What a syllable adds to its
own score and to its neighbours' is looked up once for each distinct syllable; scoring a batch is then gathers and
additions over arrays. Nearly every label follows from the syllable's own score, whatever its neighbours' labels, so
Viterbi has little left to do (see `_Chain`). If a decision is within rounding errors, `ExactCrf` makes it.
"""

import copy
import re
import string
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import numpy as np
from numpy.typing import NDArray

from phoserve.text.chain import Chain
from phoserve.text.crf import ExactCrf, neighbour_attributes, own_attributes, weights_of
from phoserve.text.lexicon import Lexicon
from phoserve.text.memo import Memo, bounds
from phoserve.text.segmenter_model import SegmenterModel
from phoserve.text.syllables import NEWLINE, blocks, syllables

_BLOCK: Final = re.compile(r"\S+|\n")
_MAX_KEPT: Final = 4_000_000

# Positions of a syllable inside a word that are forced, independent of the CRF.
_NEVER, _LOWER, _TITLE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Syllables:
    """A batch cut into syllables, with pyvi's decisions; text k is the slice offsets[k]:offsets[k + 1]."""

    ids: NDArray[np.int32]
    """int32, shape (syllables,): into the segmenter's `forms`, valid until its next call."""
    joined: NDArray[np.bool_]
    """bool, shape (syllables,): true where a syllable belongs to the word of the one before it."""
    offsets: NDArray[np.int64]
    """int64, shape (texts + 1,)."""


class Segmenter:
    """pyvi's segmenter; remembers the syllables it has seen, up to a bound. Not safe for concurrent use."""

    def __init__(
        self, model: SegmenterModel, *, respell: Callable[[str], str] | None = None, chain: Chain | None = None
    ) -> None:
        """Use the weights of `model`; `respell`, if given, is applied to every syllable before it is looked at."""
        self._respell = respell
        self._weights = model.states
        self._exact = ExactCrf(model)
        self._chain = chain or Chain(model.transitions)
        self._lexicon = Lexicon(model.words)
        self._pair_before, self._pair_after = self._lean(["-1:word.bi_gram()"]), self._lean(["+1:word.bi_gram()"])
        self._triple_before, self._triple_after = self._lean(["-2:word.tri_gram()"]), self._lean(["+2:word.tri_gram()"])
        self._forget()

    def sibling(self) -> "Segmenter":
        """Return a segmenter of the same model that shares the model's data and remembers its own syllables."""
        other = copy.copy(self)
        other._forget()
        return other

    def segment(self, texts: Sequence[str]) -> list[str]:
        """Return `texts` with the syllables of each word joined by "_" and one space between words.

        A text of white space alone comes back as it is, as pyvi's does.
        """
        batch = self.analyse(texts)
        codes = (batch.ids * 2 + batch.joined).tolist()
        bounds = batch.offsets.tolist()
        spell = self._spelled.__getitem__
        return [
            "".join(map(spell, codes[start:end]))[1:] if end > start else text
            for text, start, end in zip(texts, bounds, bounds[1:], strict=False)
        ]

    def words(self, text: str) -> list[tuple[int, int, str]]:
        """Return the span of each word of `text` and how `segment` spells it; newlines are no words.

        Where normal form C changes a run of non-white space, its words are not separated: it is returned as one.
        """
        batch = self.analyse([text])
        codes = iter((batch.ids * 2 + batch.joined).tolist())
        words: list[tuple[int, int, str]] = []
        for block in _BLOCK.finditer(text):
            at = block.start()
            parts = [*islice(codes, len(self._ids_of_block(block.group())))]
            same = "".join(self.forms[code >> 1] for code in parts) == block.group()
            for k, code in enumerate(parts):
                spelled = self._spelled[code]
                end = at + len(spelled) - 1 if same else block.end()
                if code & 1 or (k and not same):
                    words[-1] = (words[-1][0], end, words[-1][2] + spelled)
                else:
                    words.append((at, end, spelled[1:]))
                at = end
        return [word for word in words if word[2] != NEWLINE]

    def analyse(self, texts: Sequence[str]) -> Syllables:
        """Return the syllables of `texts` and which of them continue a word."""
        if self._characters + self._blocks.size > _MAX_KEPT:
            self._forget()
        numbers, ends = self._blocks.numbers(map(blocks, texts))
        counts = self._blocks.counts(numbers)
        ids, offsets = self._blocks.flat(numbers, counts), bounds(counts)[ends]
        if not len(ids):
            return Syllables(ids, np.zeros(0, np.bool_), offsets)
        starts = np.zeros(len(ids) + 1, np.bool_)
        starts[offsets] = True
        joined, doubtful = self._chain.inside(self._leanings(ids, starts), starts)
        for start, end in _texts_of(doubtful, offsets):
            joined[start:end] = self._exact.inside([self.forms[k] for k in ids[start:end]])
        joined &= self._may_join(ids, starts)
        return Syllables(ids, joined, offsets)

    def _leanings(self, ids: NDArray[np.int32], starts: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Each syllable's score for I less that for B; `starts` is true where a text begins, and at the end."""
        apart = starts[1:-1]  # apart[i]: syllables i and i + 1 are not of one text
        terms = self._terms[ids]
        before, after = self._before[ids[:-1]], self._after[ids[1:]]
        pairs = self._lexicon.pairs(terms[:-1], terms[1:])
        before[pairs] += self._pair_before
        after[pairs] += self._pair_after
        before[apart] = 0.0
        after[apart] = 0.0
        leanings: NDArray[np.float64] = self._own[ids]
        leanings[1:] += before
        leanings[:-1] += after
        triples = self._lexicon.triples(terms)
        triples = triples[~(apart[triples] | apart[triples + 1])]
        leanings[triples + 2] += self._triple_before
        leanings[triples] += self._triple_after
        return leanings

    def _may_join(self, ids: NDArray[np.int32], starts: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """pyvi's rules after the CRF: no mark or number inside a word, no capital after a small initial."""
        joins = self._joins[ids]
        may = ~starts[:-1]
        may[1:] &= (joins[:-1] > _NEVER) & (joins[1:] > _NEVER) & (joins[1:] <= joins[:-1])
        return may

    def _forget(self) -> None:
        self.forms: list[str] = []
        """The syllables met so far, by id."""
        self._spelled: list[str] = []  # at 2 * id after a space, at 2 * id + 1 after "_"
        self._ids: dict[str, int] = {}
        self._characters = 0
        self._blocks = Memo(self._ids_of_block)
        self._own = np.zeros(1024)
        self._before = np.zeros(1024)  # what a syllable adds to the one after it
        self._after = np.zeros(1024)  # what a syllable adds to the one before it
        self._terms = np.zeros(1024, np.int32)
        self._joins = np.zeros(1024, np.int8)

    def _ids_of_block(self, block: str) -> list[int]:
        found = syllables(block) if self._respell is None else map(self._respell, syllables(block))
        return [self._ids[syllable] if syllable in self._ids else self._learn(syllable) for syllable in found]

    def _learn(self, syllable: str) -> int:
        number = len(self.forms)
        if number == len(self._own):
            for name in ("_own", "_before", "_after", "_terms", "_joins"):
                setattr(self, name, np.resize(getattr(self, name), 2 * number))
        self._ids[syllable] = number
        self.forms.append(syllable)
        self._characters += len(syllable)
        self._spelled += (" " + syllable, "_" + syllable)
        self._own[number] = self._lean(own_attributes(syllable))
        self._before[number] = self._lean(neighbour_attributes("-1", syllable))
        self._after[number] = self._lean(neighbour_attributes("+1", syllable))
        self._terms[number] = self._lexicon.id_of(syllable.lower())
        self._joins[number] = _how_it_joins(syllable)
        return number

    def _lean(self, attributes: Iterable[str]) -> float:
        """By how much `attributes` speak for I rather than B."""
        weights = [weights_of(self._weights, attribute) for attribute in attributes]
        return sum(weight_i - weight_b for weight_b, weight_i in weights)


def _how_it_joins(syllable: str) -> int:
    if syllable in string.punctuation or syllable[0].isdigit():
        return _NEVER
    return _TITLE if syllable[0].istitle() else _LOWER


def _texts_of(places: NDArray[np.int64], offsets: NDArray[np.int64]) -> list[tuple[int, int]]:
    """The spans of the texts that hold `places`."""
    numbers = np.unique(np.searchsorted(offsets, places, side="right") - 1)
    return [(int(offsets[k]), int(offsets[k + 1])) for k in numbers]
