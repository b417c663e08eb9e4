"""Word segmentation equal to pyvi 0.1.1's `ViTokenizer.tokenize`, a batch at a time.

pyvi asks a linear-chain CRF whether each syllable begins a word (B) or continues one (I). What a syllable adds to its
own score and to its neighbours' is looked up once for each distinct syllable; scoring a batch is then gathers and
additions over arrays. Nearly every label follows from the syllable's own score, whatever its neighbours' labels, so
Viterbi has little left to do (see `_Chain`). If a decision is within rounding errors, `ExactCrf` makes it.
"""

import copy
import re
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import numpy as np
from numpy.typing import NDArray

from phoserve.text.chain import Chain
from phoserve.text.crf import ExactCrf
from phoserve.text.lexicon import Lexicon
from phoserve.text.memo import Memo, bounds
from phoserve.text.segmenter_model import SegmenterModel
from phoserve.text.syllables import NEWLINE, blocks, syllables
from phoserve.text.vocabulary import NumberedWords, Vocabulary, number_words

_BLOCK: Final = re.compile(r"\S+|\n")
_SPELLED_WORD: Final = re.compile(r"\S+\n?")
"""A newline that is joined to a word belongs to it, as to PhoBERT's tokenizer."""
_MAX_KEPT: Final = 4_000_000

# Positions of a syllable inside a word that are forced, independent of the CRF.
_NEVER, _LOWER, _TITLE = 0, 1, 2

_UNKNOWN, _LINE_END = -1, -2
"""In the table of words of one syllable: not numbered yet, no word."""


class _Pairs(dict[int, int]):
    """Numbers of words of two syllables, by the ids of both."""

    def __init__(self, forms: list[str], vocabulary: Vocabulary) -> None:
        super().__init__()
        self._forms = forms
        self._vocabulary = vocabulary

    def __missing__(self, ids: int) -> int:
        first, second = self._forms[ids >> 32], self._forms[ids & 0xFFFFFFFF]
        number = self[ids] = self._vocabulary.number_of(f"{first}_{second}")
        return number


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
        self._leans = _Leans(model.states)
        self._exact = ExactCrf(model)
        self._chain = chain or Chain(model.transitions)
        self._lexicon = Lexicon(model.words)
        lean = self._leans.lean
        self._pair_before, self._pair_after = lean("-1:word.bi_gram()"), lean("+1:word.bi_gram()")
        self._triple_before, self._triple_after = lean("-2:word.tri_gram()"), lean("+2:word.tri_gram()")
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
        return self._spell_all(texts, self.analyse(texts))

    def number_words(self, texts: Sequence[str]) -> NumberedWords:
        """Return the words of each text, spelled as by `segment`, by number; newlines are no words."""
        batch = self.analyse(texts)
        ids = batch.ids
        line_ends = ids == self._ids.get(NEWLINE, -1)
        begins = np.flatnonzero(~batch.joined)
        lengths = np.diff(begins, append=len(ids))
        numbers = self._number_single(ids[begins])
        in_words = np.flatnonzero(line_ends & (batch.joined | np.append(batch.joined[1:], False)))
        with_line_ends = np.unique(np.searchsorted(begins, in_words, side="right") - 1)
        of_two = lengths == 2
        of_two[with_line_ends] = False
        [pairs] = np.nonzero(of_two)
        at = begins[pairs]
        keys = (ids[at].astype(np.int64) << 32) | ids[at + 1]
        numbers[pairs] = list(map(self._pairs.__getitem__, keys.tolist()))
        for word in [*np.flatnonzero(lengths > 2).tolist(), *with_line_ends.tolist()]:
            syllable_ids = ids[begins[word] : begins[word] + lengths[word]].tolist()
            spelled = "_".join([self.forms[each] for each in syllable_ids])
            if NEWLINE in spelled:
                parts = _SPELLED_WORD.findall(spelled)
                if len(parts) != 1:  # hardly ever
                    return number_words(map(_SPELLED_WORD.findall, self._spell_all(texts, batch)), self._vocabulary)
                [spelled] = parts
            numbers[word] = self._vocabulary.number_of(spelled)
        is_word = numbers != _LINE_END
        offsets = bounds(is_word)[np.searchsorted(begins, batch.offsets)]
        return NumberedWords(self._vocabulary, numbers[is_word], offsets)

    def _number_single(self, ids: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return the numbers of these syllables as words of their own, `_LINE_END` for newlines."""
        numbers: NDArray[np.int32] = self._alone[ids]
        if (numbers == _UNKNOWN).any():
            for number in np.unique(ids[numbers == _UNKNOWN]).tolist():
                form = self.forms[number]
                self._alone[number] = _LINE_END if form == NEWLINE else self._vocabulary.number_of(form)
            numbers = self._alone[ids]
        return numbers

    def _spell_all(self, texts: Sequence[str], batch: Syllables) -> list[str]:
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
        if self._characters + self._blocks.size + self._vocabulary.size > _MAX_KEPT:
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
        self._vocabulary = Vocabulary()
        self._alone = np.full(1024, _UNKNOWN, np.int32)  # the number of each syllable as a word of its own
        self._pairs = _Pairs(self.forms, self._vocabulary)

    def _ids_of_block(self, block: str) -> list[int]:
        found = syllables(block) if self._respell is None else map(self._respell, syllables(block))
        return [self._ids[syllable] if syllable in self._ids else self._learn(syllable) for syllable in found]

    def _learn(self, syllable: str) -> int:
        number = len(self.forms)
        if number == len(self._own):
            for name in ("_own", "_before", "_after", "_terms", "_joins", "_alone"):
                setattr(self, name, np.resize(getattr(self, name), 2 * number))
        self._ids[syllable] = number
        self.forms.append(syllable)
        self._characters += len(syllable)
        self._spelled += (" " + syllable, "_" + syllable)
        self._own[number], self._before[number], self._after[number] = self._leans.of(syllable)
        self._terms[number] = self._lexicon.id_of(syllable.lower())
        self._joins[number] = _how_it_joins(syllable)
        self._alone[number] = _UNKNOWN
        return number


class _Leans:
    """By how much a syllable's attributes speak for I rather than B: of itself, of the next one, of the one before."""

    def __init__(self, weights: dict[str, tuple[float, float]]) -> None:
        self._of = {name: weight_i - weight_b for name, (weight_b, weight_i) in weights.items()}
        self._of_word = [self._starting(prefix) for prefix in ("word.lower():", "-1:word.lower():", "+1:word.lower():")]
        self._of_shape: dict[tuple[bool, bool, bool], list[float]] = {}

    def lean(self, attribute: str) -> float:
        """Return the lean of one attribute, 0 if it has no weight."""
        return self._of.get(attribute, 0.0)

    def of(self, syllable: str) -> tuple[float, float, float]:
        """Return the sums of the leans of `own_attributes`, and of `neighbour_attributes` of both sides."""
        shape = syllable.istitle(), syllable.isupper(), syllable.isdigit()
        by_shape = self._of_shape.get(shape)
        if by_shape is None:
            by_shape = self._of_shape[shape] = self._shape(*shape)
        # CRFsuite is written in C, so to it a name ends at the first NUL.
        word = syllable.lower().partition("\0")[0]
        own, before, after = self._of_word
        return (
            own.get(word, 0.0) + by_shape[0],
            before.get(word, 0.0) + by_shape[1],
            after.get(word, 0.0) + by_shape[2],
        )

    def _shape(self, is_title: bool, is_upper: bool, is_digit: bool) -> list[float]:
        title, upper = is_title * "word.istitle()", is_upper * "word.isupper()"
        own = self.lean("bias") + self.lean(upper) + self.lean(title) + self.lean(is_digit * "word.isdigit()")
        return [own, *(self.lean(f"{side}:{title}") + self.lean(f"{side}:{upper}") for side in ("-1", "+1"))]

    def _starting(self, prefix: str) -> dict[str, float]:
        return {name.removeprefix(prefix): lean for name, lean in self._of.items() if name.startswith(prefix)}


def _how_it_joins(syllable: str) -> int:
    if syllable in string.punctuation or syllable[0].isdigit():
        return _NEVER
    return _TITLE if syllable[0].istitle() else _LOWER


def _texts_of(places: NDArray[np.int64], offsets: NDArray[np.int64]) -> list[tuple[int, int]]:
    """The spans of the texts that hold `places`."""
    numbers = np.unique(np.searchsorted(offsets, places, side="right") - 1)
    return [(int(offsets[k]), int(offsets[k + 1])) for k in numbers]
