"""Find the words of a query in a passage."""

import re
import unicodedata
from collections.abc import Sequence, Set
from functools import lru_cache
from typing import Final, NamedTuple

from phoserve.text.abbreviations import abbreviations_in, meanings_in
from phoserve.text.code_runs import compact
from phoserve.text.codes import Code
from phoserve.text.folding import fold, has_diacritics
from phoserve.text.normalise import visible_text
from phoserve.text.query import LONG, codes_asked, without_codes
from phoserve.text.tones import modern_tones

# Combining marks too: a text may come decomposed.
WORD: Final = re.compile(r"(?:[^\W_]|[\u0300-\u036f])+")
GAP: Final = re.compile(r"[ \t\u00a0_-]{0,2}")
# Syllables that are in most texts and distinguish none: marking them would hide what matters.
FUNCTION_SYLLABLES: Final = frozenset(
    """
    ai ấy bao bị bởi các cái cần chỉ cho có còn của cũng cùng đã đang đâu để đều đến đi đó do được em gì hay hãy hơn
    khi không là lại làm lúc mà mình mỗi một muốn nào này nên nếu nhiêu như những nhưng nữa ở phải qua ra rất rồi sao
    sau sẽ tại tất tôi thế thì trên trong trước từ tới và vào vẫn vì về với vậy đây thể bằng theo lên xuống người
    """.split()  # noqa: SIM905
)

Span = tuple[int, int]


def highlights(query: str, text: str, meant: str | None = None) -> list[Span]:
    """Return the spans of `text` that match `query`, in order; neighbouring words share a span.

    Case, placement of tone marks and invisible characters do not matter. A word typed without diacritics matches what
    it stands for in `meant`, the query with diacritics restored, or without that every word that folds to it. Numbers
    and codes match in any usual spelling. A query of function words only is matched as it is.
    """
    view = visible_text(text)
    visible = view.text
    codes = _codes_of(query)
    found = _code_spans(codes, visible)
    # Parts of a code mark nothing where the code itself was found.
    wanted = _wanted(query, meant, is_found=bool(found))
    spans = _joined(sorted([*found, *_word_spans(wanted, visible)]), visible)
    return [view.span(start, end) for start, end in spans]


def content_syllables(text: str) -> frozenset[str]:
    """Return the folded syllables of `text` without function words; all of them if there is nothing else."""
    syllables = frozenset(folded(word) for word in WORD.findall(text))
    return syllables - FUNCTION_SYLLABLES or syllables


@lru_cache(maxsize=1 << 16)
def folded(syllable: str) -> str:
    """Return `syllable` as spelled for comparison: lower case, new-style tone placement."""
    return modern_tones(unicodedata.normalize("NFC", syllable.lower()))


class _Wanted(NamedTuple):
    """The syllables of a query to mark."""

    exact: frozenset[str]
    plain: frozenset[str]
    """Those that stand for every syllable that folds to them."""
    folded: frozenset[str]
    """All of `exact` without diacritics: what a text without diacritics may hold."""


# A page of hits asks for the same query again and again.
@lru_cache(maxsize=256)
def _codes_of(query: str) -> tuple[Code, ...]:
    return tuple(codes_asked(query))


@lru_cache(maxsize=256)
def _wanted(query: str, meant: str | None, *, is_found: bool) -> _Wanted:
    words = without_codes(query, _codes_of(query), keep=["words"]) if is_found else query
    if is_found and meant is not None:
        meant = without_codes(meant, codes_asked(meant), keep=["words"])
    exact = content_syllables(words) if words.strip(" ,") else frozenset()
    if meant is not None and meant != words:
        exact |= content_syllables(meant)
    for other in (*meanings_in(meant or words), *abbreviations_in(meant or words)):
        exact |= content_syllables(other)
    # Without restoration, a word of a query without diacritics stands for all that fold to it.
    is_plain = meant in {None, words} and not has_diacritics(words)
    return _Wanted(exact, exact if is_plain else frozenset(), frozenset(map(fold, exact)))


def _code_spans(codes: Sequence[Code], visible: str) -> list[Span]:
    if not codes:
        return []
    written = codes_asked(visible, query=False)
    exact = {code.forms[0] for code in codes}
    parts = [_part_span(code, exact, visible) for code in written if not exact.isdisjoint(code.forms)]
    if parts:
        return parts
    # A passage may name it in a shorter way: "Nghị định 30/2020" is 30/2020/NĐ-CP.
    wider = {form for code in codes for form in code.forms[1:]}
    spans = [code for code in written if code.forms[0] in wider]
    if not spans:
        long = {form for form in wider if len(form) >= LONG and ":" not in form}
        spans = [code for code in written if not long.isdisjoint(code.forms)]
    return [(code.start, min(code.end, len(visible))) for code in spans]


def _part_span(code: Code, exact: Set[str], visible: str) -> Span:
    """The span of `code`, or of the words in it that make up one of `exact`: the file's name in an address."""
    end = min(code.end, len(visible))
    if code.forms[0] in exact or "/" in visible[code.start : end]:
        return code.start, end
    words = [(word.start(), word.end(), compact(word[0])) for word in WORD.finditer(visible, code.start, end)]
    for first, (start, _, _) in enumerate(words):
        joined = ""
        for _, stop, word in words[first:]:
            joined += word
            if joined in exact:
                return start, stop
    return code.start, end


def _word_spans(wanted: _Wanted, visible: str) -> list[Span]:
    loose = wanted.plain if has_diacritics(visible) else wanted.folded
    spans = []
    for word in WORD.finditer(visible):
        spelled = folded(word.group())
        if spelled in wanted.exact or (loose and fold(spelled) in loose):
            spans.append(word.span())
    return spans


def _joined(spans: list[Span], visible: str) -> list[Span]:
    joined: list[Span] = []
    for start, end in spans:
        if joined and (start < joined[-1][1] or GAP.fullmatch(visible, joined[-1][1], start)):
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined
