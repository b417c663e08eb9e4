"""What a query asks for: its weighted lexical terms, and the text that is embedded.

Exact words, syllables and pairs weigh 1. What was typed without diacritics also finds every word that folds to it, at
a lower weight; numbers and codes are asked for in their canonical form; articles of a law by their number.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np

from phoserve.text.abbreviations import abbreviations_in, meanings_in
from phoserve.text.acts import acts_asked
from phoserve.text.articles import asked_parts
from phoserve.text.codes import Code, codes_in
from phoserve.text.diacritics import DiacriticRestorer, Lattice, Readings, Restored
from phoserve.text.folding import fold, has_diacritics
from phoserve.text.lexical import SparseVector, folded_hash, pair_hash, segmented_terms, term_hash
from phoserve.text.normalise import compose, strip_invisible
from phoserve.text.pipeline import TextPipeline
from phoserve.text.readers import EXACTLY, Kind
from phoserve.text.tones import modern_tones

# A code that is written in one piece: at least five characters, or letters and digits.
_PLAIN_CODE: Final = re.compile(r"(?<![\w/.,-])(?=[^\W_]*\d)(?:[^\W_]{5,}|(?=\w*[^\W\d_])[^\W_]{3,})(?![\w/]|[.,-]\d)")
_CODE_PART: Final = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class TermWeights:
    """Weights of a query's terms; an exact word, syllable or pair weighs 1. Chosen by measurement: docs/text.md."""

    typed: float = 0.2
    """Of what was typed, where something else was meant: passages may be written without diacritics too."""
    reading: float = 1.0
    """Of another reading of a syllable, times its probability."""
    folded_syllable: float = 1.0
    """Of all syllables that fold to one typed without diacritics, times the doubt about what it stands for."""
    folded_pair: float = 2.0
    least_folded: float = 0.1
    """The same where the restoration is certain."""
    most_folded: float = 0.9
    """Below 1: what is spelled as it was typed comes first."""

    def folded(self, weight: float, doubt: float) -> float:
        """Return the weight of a folded term."""
        return min(max(self.least_folded, weight * doubt), self.most_folded)

    plain_syllable: float = 0.1
    """Of a syllable typed with diacritics, in a query of at most SHORT syllables: passages that have none."""
    plain_pair: float = 0.1
    code: float = 3.0
    """Of a number or code in its most specific canonical form."""
    long_code: float = 5.0
    """The same of LONG characters or more: words around a phone number must not outweigh it."""
    exactly: float = 2.5
    """Of what is no part of more: a time of day, not one of a range."""
    wider_code: float = 0.5
    all_wider: float = 2.0
    """At most of all wider forms of a code together."""
    numbered_document: float = 2.0
    """Of a number and year without the issuer: 30/2020 of 30/2020/NĐ-CP."""
    number: float = 3.0
    """Of what is counted or measured, whose words weigh too."""
    meaning: float = 0.7
    """Of each word that an abbreviation of the query stands for."""
    abbreviation: float = 3.0
    """Of the abbreviation of several words of the query."""
    joined_word: float = 1.0
    """Of words joined by marks, such as "Anh-Việt", without the marks."""
    code_part: float = 1.0
    """Of all parts of a code together, which other codes share; passages indexed by version 0.1 have nothing else."""
    article: float = 6.0
    """Of the very article, clause or point that is asked for."""
    wider_article: float = 3.0


WEIGHTS: Final = TermWeights()
LONG: Final = 8
LONG_MIXED: Final = 6
"""The same of letters and digits."""
SHORT: Final = 3
"""A longer query finds passages without diacritics by its pairs of syllables."""


@dataclass(frozen=True, slots=True)
class ReadQuery:
    """A query as search uses it."""

    text: str
    """As typed, in normal form C, without invisible characters."""
    meant: str
    """What is embedded: `text` with its diacritics restored, where that is certain enough."""
    terms: SparseVector
    lattice: Lattice | None = field(default=None, compare=False, repr=False)
    """What syllables without diacritics may stand for; None where none is ambiguous."""
    articles: tuple[tuple[str, ...], ...] = ()
    """Terms of each article of a law that is asked for, the most specific first."""
    acts: tuple[tuple[str, ...], ...] = ()
    """Canonical forms of each number of an act, where an article is asked for."""


class QueryReader:
    """Reads queries for one model. Safe to share between threads."""

    def __init__(self, pipeline: TextPipeline, restorer: DiacriticRestorer | None = None) -> None:
        """Read for the model of `pipeline`; without `restorer` queries are taken as they were typed."""
        self._pipeline = pipeline
        self._restorer = restorer

    def read(self, text: str) -> ReadQuery:
        """Return what `text` asks for."""
        typed = compose(strip_invisible(text))
        if self._restorer is None:
            return self._read(typed, Restored(typed, 1.0), None)
        spelled = self._restorer.spell_out(typed)
        lattice = self._restorer.lattice(spelled)
        restored = self._restorer.choose(lattice) if lattice else Restored(spelled, 1.0)
        if not restored.is_confident:
            restored = Restored(spelled, 1.0)
        return self._read(typed, restored, lattice)

    def read_again(self, asked: ReadQuery, found: Sequence[tuple[str, float]]) -> ReadQuery:
        """Return what was asked for, judged by passages with their scores, best first, that a search for it found.

        `asked` itself if they show nothing else.
        """
        if self._restorer is None or asked.lattice is None:
            return asked
        restored = self._restorer.choose(asked.lattice, found)
        if restored.text == asked.meant or not restored.is_confident:
            return asked
        return self._read(asked.text, restored, asked.lattice)

    def _read(self, typed: str, restored: Restored, lattice: Lattice | None) -> ReadQuery:
        if not restored.is_confident:
            restored = Restored(typed, 1.0)
        (terms,) = query_terms(self._pipeline, [typed], [restored])
        articles = tuple(code.forms for code in asked_parts(typed) if code.forms[-1].startswith("article:"))
        acts = acts_asked(codes_asked(typed)) if articles else ()
        return ReadQuery(typed, restored.text, terms, lattice, articles, acts)


def query_terms(
    pipeline: TextPipeline,
    texts: Sequence[str],
    restored: Sequence[Restored] | None = None,
    weights: TermWeights = WEIGHTS,
) -> list[SparseVector]:
    """Return the weighted terms of each query; `restored` are the queries with their diacritics restored."""
    visible = [strip_invisible(text) for text in texts]
    meant = restored or [Restored(text, 1.0) for text in visible]
    codes = [codes_asked(text) + asked_parts(text) for text in visible]
    typed = [without_codes(text, found) for text, found in zip(visible, codes, strict=True)]
    full = [without_codes(each.text, codes_asked(each.text) + asked_parts(each.text)) for each in meant]
    others = [" , ".join(meanings_in(each.text)) for each in meant]
    # Few are distinct: a query with its diacritics is what was meant.
    distinct = list(dict.fromkeys([*typed, *full, *others]))
    segmented = dict(zip(distinct, pipeline.segment_query(distinct), strict=True))
    return [
        _vector(
            [
                *_words(segmented[rest], segmented[whole], each.readings, weights),
                *_each(segmented_terms(segmented[other])[0], weights.meaning),
                *_each(map(term_hash, abbreviations_in(each.text)), weights.abbreviation),
                *(term for code in found for term in _of_code(code, text, weights)),
            ]
        )
        for text, rest, whole, each, other, found in zip(visible, typed, full, meant, others, codes, strict=True)
    ]


def _words(typed: str, meant: str, readings: Readings, weights: TermWeights) -> Iterator[tuple[int, float]]:
    yield from _each(segmented_terms(meant)[0], 1.0)
    if meant != typed:
        yield from _each(segmented_terms(typed)[0], weights.typed)
    for reading in readings.values():
        yield from ((term_hash(syllable), weights.reading * probability) for syllable, probability in reading[1:])
    yield from _folded(typed, readings, weights)


def _folded(typed: str, readings: Readings, weights: TermWeights) -> Iterator[tuple[int, float]]:
    """Terms of passages whose diacritics are not those of the query."""
    syllables = list(_syllables(typed))
    # Without a restoration, a word without diacritics has none in a query that has some.
    is_accented = has_diacritics(typed)
    before: _Folded | None = None
    for syllable in syllables:
        this = _Folded.of(syllable, readings, float(not is_accented and not readings))
        if this is None:
            before = None
            continue
        if not this.is_accented:
            yield this.folded, weights.folded(weights.folded_syllable, this.doubt)
        elif len(syllables) <= SHORT:
            yield this.exact, weights.plain_syllable
        if before is not None:
            if this.is_accented and before.is_accented:
                yield pair_hash(before.exact, this.plain), weights.plain_pair
            else:
                doubt = 1 - (1 - before.doubt) * (1 - this.doubt)
                yield pair_hash(before.folded, this.plain), weights.folded(weights.folded_pair, doubt)
        before = this


class _Folded(NamedTuple):
    """A typed syllable without its diacritics."""

    plain: str
    exact: int
    folded: int
    is_accented: bool
    doubt: float
    """Probability that it was restored wrongly; 1 if it was not restored."""

    @classmethod
    def of(cls, syllable: str, readings: Readings, otherwise: float) -> "_Folded | None":
        spelled = modern_tones(syllable.lower())
        plain = fold(spelled)
        if not any(map(str.isalnum, plain)):
            return None
        doubt = 1 - readings[spelled][0][1] if spelled in readings else otherwise
        return cls(plain, term_hash(plain), folded_hash(plain), plain != spelled, doubt)


def _of_code(code: Code, text: str, weights: TermWeights) -> Iterator[tuple[int, float]]:
    if code.kind == "words":
        yield from _each(map(term_hash, code.forms), weights.joined_word)
        return
    if code.kind == "number":
        yield term_hash(code.forms[0]), weights.number
        yield from _each(map(term_hash, code.forms[1:]), weights.wider_code)
        return
    own, wider = (
        (weights.article, weights.wider_article) if code.kind == "article" else (weights.code, weights.wider_code)
    )
    if code.kind == "code" and _is_long(code.forms[0]):
        own = weights.long_code
    yield term_hash(code.forms[0]), own
    wider = min(wider, weights.all_wider / len(code.forms))
    for form in code.forms[1:]:
        yield term_hash(form), _weight_of_other_form(form, code.kind, weights, wider)
    spelled = modern_tones(text[code.start : code.end].lower())
    yield term_hash(spelled), weights.code_part
    parts = _CODE_PART.findall(spelled)
    yield from _each(map(term_hash, parts), weights.code_part / max(len(parts), 1))


def _weight_of_other_form(form: str, kind: Kind, weights: TermWeights, wider: float) -> float:
    if form.startswith(EXACTLY):
        return weights.exactly
    # A number of a legal document without its issuer is as specific as with it.
    return weights.numbered_document if "/" in form and kind == "code" else wider


def _is_long(form: str) -> bool:
    """Whether words around a code must not outweigh it: a phone number, an invoice sign such as 1C25TAA."""
    is_mixed = form.isalnum() and not form.isdigit()
    return ":" not in form and len(form) >= (LONG_MIXED if is_mixed else LONG)


def terms_for(forms: Iterable[str]) -> SparseVector:
    """Return a query for passages that have one of these terms."""
    return _vector(_each(map(term_hash, forms), 1.0))


def _syllables(segmented: str) -> Iterator[str]:
    for word in segmented.split():
        yield from (syllable for syllable in word.split("_") if syllable)


def _each(terms: Iterable[int], weight: float) -> Iterator[tuple[int, float]]:
    return ((term, weight) for term in terms)


def _vector(weighted: Iterable[tuple[int, float]]) -> SparseVector:
    """The terms with the largest weight that each was given."""
    terms: dict[int, float] = {}
    for term, weight in weighted:
        if weight > terms.get(term, 0.0):
            terms[term] = weight
    indices = sorted(terms)
    return SparseVector(np.array(indices, np.uint32), np.array([terms[each] for each in indices], np.float32))


def codes_asked(text: str, *, query: bool = True) -> list[Code]:
    """Return the numbers and codes of a query, or of a passage, also those written in one piece."""
    codes = codes_in(text, query=query)
    plain = (Code(*match.span(), (fold(match[0].lower()),)) for match in _PLAIN_CODE.finditer(text))
    return codes + [each for each in plain if not any(c.start <= each.start and each.end <= c.end for c in codes)]


def without_codes(text: str, codes: Sequence[Code], keep: Collection[Kind] = ("words", "number")) -> str:
    """Return `text` with a mark in place of each number and code, so that no pair of words crosses it.

    Codes of the kinds `keep` stay.
    """
    kept, at = [], 0
    for code in sorted(codes, key=lambda each: each.start):
        if code.kind in keep:
            continue
        if code.start >= at:
            kept.append(text[at : code.start])
        at = max(at, code.end)
    return " , ".join([*kept, text[at:]]) if kept else text
