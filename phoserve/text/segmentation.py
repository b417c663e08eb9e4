"""Word segmentation equal to pyvi 0.1.1's `ViTokenizer.tokenize`, a batch at a time.

pyvi asks a linear-chain CRF whether each syllable begins a word (B) or continues one (I). A syllable's scores are sums
of weights that depend on it, on its neighbours and on whether they form dictionary words, so each distinct syllable
is turned into a row of numbers once; a batch is then gathers and additions over arrays. The additions keep
CRFsuite's order, in double precision, so that every score is the same number to the last bit.
"""

import re
import string
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import chain, islice
from operator import add
from typing import Final

import numpy as np
from numpy.typing import NDArray

from phoserve.text.lexicon import Lexicon
from phoserve.text.segmenter_model import SegmenterModel
from phoserve.text.syllables import NEWLINE, blocks, syllables

_BLOCK: Final = re.compile(r"\S+|\n")

_MAX_KNOWN: Final = 200_000
_MAX_KEPT_BLOCK: Final = 64

# Columns of a syllable's row, each a pair (B, I), in the order in which CRFsuite adds them.
_OWN, _BEFORE, _AFTER = (
    slice(0, 2),
    (slice(2, 4), slice(4, 6), slice(6, 8)),
    (slice(8, 10), slice(10, 12), slice(12, 14)),
)
_COLUMNS: Final = 14

# How a syllable may stand inside a word, whatever the CRF says.
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

    def __init__(self, model: SegmenterModel, *, respell: Callable[[str], str] | None = None) -> None:
        """Use the weights of `model`; `respell`, if given, is applied to every syllable before it is looked at."""
        self._respell = respell
        self._weights = model.states
        self._transitions = model.transitions
        self._bigram = self._pair("-1:word.bi_gram()"), self._pair("+1:word.bi_gram()")
        self._trigram = self._pair("-2:word.tri_gram()"), self._pair("+2:word.tri_gram()")
        self._lexicon = Lexicon(model.words)
        self._forget()

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

        Where normal form C changes a run of non-white space, its words are not told apart: it comes as one.
        """
        batch = self.analyse([text])
        codes = iter((batch.ids * 2 + batch.joined).tolist())
        words: list[tuple[int, int, str]] = []
        for block in _BLOCK.finditer(text):
            at = block.start()
            same = "".join(self.forms[k] for k in self._blocks[block.group()]) == block.group()
            for k, code in enumerate(islice(codes, len(self._blocks[block.group()]))):
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
        if len(self.forms) > _MAX_KNOWN:
            self._forget()
        found = array("i")
        offsets = np.zeros(len(texts) + 1, np.int64)
        known = self._blocks.__getitem__
        for k, text in enumerate(texts, start=1):
            found.extend(chain.from_iterable(map(known, blocks(text))))
            offsets[k] = len(found)
        ids = np.frombuffer(found, np.int32) if found else np.zeros(0, np.int32)
        inside = self._decode(self._scores(ids, offsets), offsets)
        return Syllables(ids, inside & self._may_join(ids, offsets), offsets)

    def _scores(self, ids: NDArray[np.int32], offsets: NDArray[np.int64]) -> NDArray[np.float64]:
        """The CRF's state scores, shape (syllables, 2)."""
        rows = self._rows[ids]
        terms = self._lexicon_ids[ids]
        # 2 beyond either end of each text no word of the dictionary reaches across.
        begins = np.zeros(len(ids) + 3, np.bool_)
        begins[offsets] = True
        pair = np.zeros(len(ids) + 1, np.bool_)  # pair[i]: syllables i - 1 and i are a word
        pair[1:-1] = self._lexicon.pairs(terms[:-1], terms[1:]) & ~begins[1 : len(ids)]
        triple = np.zeros(len(ids) + 2, np.bool_)  # triple[i]: syllables i - 2, i - 1 and i are a word
        triple[2:-2] = (
            self._lexicon.triples(terms[:-2], terms[1:-1], terms[2:])
            & ~begins[1 : len(ids) - 1]
            & ~begins[2 : len(ids)]
        )
        begin, end = begins[: len(ids)], begins[1 : len(ids) + 1]
        scores: NDArray[np.float64] = rows[:, _OWN].copy()
        for columns in _BEFORE:
            scores[1:] += np.where(begin[1:, None], 0.0, rows[:-1, columns])
        scores += np.where(pair[:-1, None], self._bigram[0], 0.0)
        scores += np.where(triple[:-2, None], self._trigram[0], 0.0)
        for columns in _AFTER:
            scores[:-1] += np.where(end[:-1, None], 0.0, rows[1:, columns])
        scores += np.where(pair[1:, None], self._bigram[1], 0.0)
        scores += np.where(triple[2:, None], self._trigram[1], 0.0)
        return scores

    def _decode(self, scores: NDArray[np.float64], offsets: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Viterbi: true where the best path labels a syllable I."""
        inside = bytearray()
        states = scores.tolist()
        for start, end in zip(offsets.tolist(), offsets[1:].tolist(), strict=False):
            if end > start:
                inside += self._best_path(states[start:end])
        return np.frombuffer(inside, np.bool_)

    def _best_path(self, states: list[list[float]]) -> bytearray:
        (bb, bi), (ib, ii) = self._transitions
        best_b, best_i = states[0]
        back = bytearray(len(states))  # bit 0: where B comes from, bit 1: where I comes from
        for t in range(1, len(states)):
            state_b, state_i = states[t]
            # A tie goes to the label B, as in CRFsuite.
            b_from_b, b_from_i = best_b + bb, best_i + ib
            i_from_b, i_from_i = best_b + bi, best_i + ii
            choice = 0
            if b_from_b < b_from_i:
                b_from_b = b_from_i
                choice = 1
            if i_from_b < i_from_i:
                i_from_b = i_from_i
                choice |= 2
            back[t] = choice
            best_b, best_i = b_from_b + state_b, i_from_b + state_i
        label = int(best_b < best_i)
        for t in range(len(states) - 1, -1, -1):
            choice = back[t]
            back[t] = label
            label = choice >> label & 1
        return back

    def _may_join(self, ids: NDArray[np.int32], offsets: NDArray[np.int64]) -> NDArray[np.bool_]:
        """pyvi's rules after the CRF: no mark or number inside a word, no capital after a small initial."""
        joins = self._joins[ids]
        may = np.zeros(len(ids), np.bool_)
        may[1:] = (joins[:-1] > _NEVER) & (joins[1:] > _NEVER) & (joins[1:] <= joins[:-1])
        may[offsets[:-1][offsets[:-1] < len(ids)]] = False
        return may

    def _forget(self) -> None:
        self.forms: list[str] = []
        """The syllables met so far, by id."""
        self._spelled: list[str] = []  # at 2 * id after a space, at 2 * id + 1 after "_"
        self._ids: dict[str, int] = {}
        self._blocks = _Blocks(self)
        self._rows = np.zeros((1024, _COLUMNS))
        self._lexicon_ids = np.zeros(1024, np.int32)
        self._joins = np.zeros(1024, np.int8)

    def id_of(self, syllable: str) -> int:
        """The id of `syllable`, a new one if it has not been met."""
        if self._respell is not None:
            syllable = self._respell(syllable)
        number = self._ids.get(syllable)
        return self._learn(syllable) if number is None else number

    def _learn(self, syllable: str) -> int:
        number = len(self.forms)
        if number == len(self._rows):
            self._rows = np.concatenate((self._rows, np.zeros_like(self._rows)))
            self._lexicon_ids = np.concatenate((self._lexicon_ids, np.zeros_like(self._lexicon_ids)))
            self._joins = np.concatenate((self._joins, np.zeros_like(self._joins)))
        self._ids[syllable] = number
        self.forms.append(syllable)
        self._spelled += (" " + syllable, "_" + syllable)
        lower = syllable.lower()
        self._rows[number] = list(chain.from_iterable(self._row(syllable, lower)))
        self._lexicon_ids[number] = self._lexicon.id_of(lower)
        self._joins[number] = _how_it_joins(syllable)
        return number

    def _row(self, syllable: str, lower: str) -> Iterator[tuple[float, float]]:
        upper, title, digits = syllable.isupper(), syllable.istitle(), syllable.isdigit()
        own = [self._pair("bias"), self._pair("word.lower():" + lower)]
        own += [self._pair(name) for name, holds in zip(_OWN_FLAGS, (upper, title, digits), strict=True) if holds]
        # From left to right: sum() of Python 3.12 compensates, CRFsuite does not.
        yield reduce(add, (pair[0] for pair in own)), reduce(add, (pair[1] for pair in own))
        for side in ("-1:", "+1:"):
            yield self._pair(f"{side}word.lower():{lower}")
            yield self._pair(f"{side}word.istitle()") if title else (0.0, 0.0)
            yield self._pair(f"{side}word.isupper()") if upper else (0.0, 0.0)

    def _pair(self, attribute: str) -> tuple[float, float]:
        # CRFsuite is written in C: to it an attribute ends at the first NUL.
        return self._weights.get(attribute.partition("\0")[0], (0.0, 0.0))


_OWN_FLAGS: Final = ("word.isupper()", "word.istitle()", "word.isdigit()")


class _Blocks(dict[str, tuple[int, ...]]):
    """Runs of non-white space -> ids of their syllables, filled as they are asked for."""

    def __init__(self, segmenter: Segmenter) -> None:
        self._segmenter = segmenter

    def __missing__(self, block: str) -> tuple[int, ...]:
        ids = tuple(map(self._segmenter.id_of, syllables(block)))
        if len(block) <= _MAX_KEPT_BLOCK:
            self[block] = ids
        return ids


def _how_it_joins(syllable: str) -> int:
    if syllable in string.punctuation or syllable[0].isdigit():
        return _NEVER
    return _TITLE if syllable[0].istitle() else _LOWER
