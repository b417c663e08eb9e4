"""Answer a question about an article, clause or point of a law with that part itself, if a passage holds it."""

import re
from collections.abc import Sequence
from itertools import takewhile
from typing import Final

from phoserve.answers.citations import Citation, citation
from phoserve.documents.records import Passage, PassageUnit
from phoserve.search.highlights import FUNCTION_SYLLABLES, content_syllables
from phoserve.search.retrieval import Hit
from phoserve.text.articles import ArticleReference, asked_parts, references_in

MAX_CHARACTERS: Final = 1500
"""Of a quoted article; a longer one is cut where a clause or paragraph ends."""
CONFIDENCE: Final = 0.95
"""Of an answer that is the very part asked for: it can be wrong in the law that was meant only."""
# The words around the reference in "Điều 3 quy định gì?" or "nội dung của Điều 4 là gì", which add nothing to it.
_ASKING: Final = frozenset(
    "quy định nói nội dung nêu ghi thế nào gì sao xem cho biết hỏi luật văn bản".split()  # noqa: SIM905
)


def quote_cited_part(question: str, hits: Sequence[Hit]) -> Citation | None:
    """Return the citation of the part that `question` asks for by its number; None if it asks for anything else.

    Markers count from 1 over `hits`.
    """
    references = references_in(question)
    if not references:
        return None
    rest = _without_references(question)
    for marker, hit in enumerate(hits, start=1):
        if not _asks_only(rest, hit.passage):
            continue
        for reference in references:
            if (span := span_of(reference, hit.passage)) is not None:
                return citation(marker, hit.passage, *span)
    return None


def span_of(reference: ArticleReference, passage: Passage) -> tuple[int, int] | None:
    """Return the span of the passage's text that is the article, clause or point; None if it is not there."""
    cited = [unit for unit in passage.units if unit.label and _belongs(unit, reference)]
    if reference.clause or reference.point:
        return (cited[0].start, cited[-1].end) if cited else None
    heading = next((unit for unit in passage.units if _is_heading_of(unit, reference, passage.text)), None)
    if heading is None and not cited:
        return None
    start = heading.start if heading else cited[0].start
    following = (unit for unit in passage.units if unit.start >= start)
    ends = [unit.end for unit in takewhile(lambda unit: not _is_other(unit, reference, passage.text), following)]
    return start, max((end for end in ends if end - start <= MAX_CHARACTERS), default=ends[0])


def _belongs(unit: PassageUnit, reference: ArticleReference) -> bool:
    return any(
        label.article == reference.article
        and reference.clause in {None, label.clause}
        and reference.point in {None, label.point}
        for label in references_in(unit.label)
    )


def _is_heading_of(unit: PassageUnit, reference: ArticleReference, text: str) -> bool:
    return unit.kind == "heading" and _article_of_heading(text[unit.start : unit.end]) == reference.article


def _is_other(unit: PassageUnit, reference: ArticleReference, text: str) -> bool:
    """Return whether the unit is part of another article."""
    if unit.kind == "heading":
        return _article_of_heading(text[unit.start : unit.end]) != reference.article
    return bool(unit.label) and not _belongs(unit, ArticleReference(reference.article))


def _article_of_heading(heading: str) -> str | None:
    found = re.match(r"[#*_>\s]*điều\s+(\d{1,4}[a-zđ]?)\b", heading, re.IGNORECASE)
    return found[1].lower() if found else None


def _without_references(question: str) -> str:
    for part in sorted(asked_parts(question), key=lambda each: -each.start):
        question = f"{question[: part.start]} {question[part.end :]}"
    return question


def _asks_only(rest: str, passage: Passage) -> bool:
    """Return whether the question without its reference only names the document, if anything."""
    known = content_syllables("\n".join((passage.title, *passage.headings)))
    return not {each for each in content_syllables(rest) if each[0].isalpha()} - _ASKING - FUNCTION_SYLLABLES - known
