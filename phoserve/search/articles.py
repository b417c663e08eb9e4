"""Order hits of a query that names an article of a law: that article of that law comes first."""

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from msgspec.structs import replace

from phoserve.documents.records import Passage
from phoserve.search.ports import ScoredId
from phoserve.search.records import Candidate
from phoserve.text.acts import act_of, is_named
from phoserve.text.articles import parts_of
from phoserve.text.query import ReadQuery

ACT_DEPTH: Final = 50
"""How many passages with an act's number are looked at for the document that has it as its own."""
ARTICLE_DEPTH: Final = 200
"""How many passages with the article are looked at for those of the act."""
_FIRST_PASSAGES: Final = 2
_ELSEWHERE: Final = 0.25
"""Of the score of other passages, in the act or not; less than the least of those with the article."""
_WIDER: Final = 0.2
_CONTINUED: Final = 0.475
_TITLE_PAGE: Final = 0.4
"""Of the score of a title page without articles, which has the name of the law and its year."""


def documents_of_act(asked: ReadQuery, passages: Collection[Passage]) -> set[str]:
    """Return the keys of the documents that are an act whose number the query names, by passages with the number."""
    wanted = {forms[0] for forms in asked.acts}
    return {
        passage.document_key
        for passage in passages
        if passage.ordinal < _FIRST_PASSAGES and not wanted.isdisjoint(act_of(passage.title, passage.text))
    }


def documents_by_name(asked: ReadQuery, passages: Collection[Passage]) -> set[str]:
    """Return the keys of the documents that are an act whose name the query has; those with the longest name."""
    titles = {passage.title for passage in passages}
    named = [title for title in titles if is_named(title, asked.text) or is_named(title, asked.meant)]
    longest = max(map(len, named), default=0)
    return {passage.document_key for passage in passages if passage.title in named and len(passage.title) == longest}


def prefer_articles(
    asked: ReadQuery,
    candidates: Sequence[Candidate],
    more: Sequence[ScoredId],
    passages: Mapping[str, Passage],
    documents: Collection[str],
) -> list[Candidate]:
    """Return the candidates, best first, with the article of `documents` before all others.

    `more` are passages with the article, of which those of `documents` are added; `passages` has those that were read.
    Where no document is the act, only title pages lose.
    """
    known = {each.id for each in candidates}
    added = [
        Candidate(id=each.id, score=0.0, lexical_score=each.score)
        for each in more
        if each.id not in known and each.id in passages and passages[each.id].document_key in documents
    ]
    top = max((each.score for each in candidates), default=0.0)
    wanted = {term for terms in asked.articles for term in terms}
    specific = {terms[0] for terms in asked.articles}
    held = {id_: _parts(passage) for id_, passage in passages.items()}
    begins = _first_with(specific, [passages[id_] for id_ in held if passages[id_].document_key in documents], held)

    def score(candidate: Candidate) -> float:
        passage = passages.get(candidate.id)
        if not documents:
            is_title_page = passage is not None and passage.ordinal == 0 and not held[candidate.id]
            return candidate.score * (_TITLE_PAGE if is_title_page else 1.0)
        if passage is None or passage.document_key not in documents:
            return candidate.score * _ELSEWHERE
        if candidate.id in begins:
            return top
        if held[candidate.id] & specific:
            return (candidate.score + top) * _CONTINUED
        return candidate.score * _ELSEWHERE + (top * _WIDER if held[candidate.id] & wanted else 0.0)

    ranked = [replace(each, score=score(each)) for each in (*candidates, *added)]
    return sorted(ranked, key=lambda each: -each.score)


def _first_with(terms: AbstractSet[str], passages: Sequence[Passage], held: Mapping[str, Collection[str]]) -> set[str]:
    """Return the ids of the passages, one a document, where what `terms` name begins."""
    first: dict[str, Passage] = {}
    for passage in passages:
        known = first.get(passage.document_key)
        if not terms.isdisjoint(held[passage.id]) and (known is None or passage.ordinal < known.ordinal):
            first[passage.document_key] = passage
    return {passage.id for passage in first.values()}


def _parts(passage: Passage) -> set[str]:
    labels = [unit.label for unit in passage.units if unit.label]
    return set(parts_of("\n".join((*passage.headings, *labels, passage.text))))
