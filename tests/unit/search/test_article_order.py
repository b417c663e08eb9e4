"""The order of hits for a query that names an article of an act."""

from uuid import NAMESPACE_URL, uuid5

import numpy as np

from phoserve.documents.records import Passage
from phoserve.search.articles import documents_by_name, documents_of_act, prefer_articles
from phoserve.search.ports import ScoredId
from phoserve.search.records import Candidate
from phoserve.text import ReadQuery, SparseVector

NO_TERMS = SparseVector(np.zeros(0, np.uint32), np.zeros(0, np.float32))
ASKED = ReadQuery(
    "điều 5 nghị định 12/2022", "điều 5 nghị định 12/2022", NO_TERMS,
    articles=(("article:5",),), acts=(("nd:12/2022", "number:12/2022"),),
)  # fmt: skip


def key(document: str) -> str:
    return uuid5(NAMESPACE_URL, document).hex


def passage(document: str, ordinal: int, text: str, title: str = "") -> Passage:
    return Passage(
        collection="c",
        document_id=document,
        document_key=key(document),
        revision=1,
        ordinal=ordinal,
        title=title or document,
        text=text,
        start=0,
        end=len(text),
    )


HEAD = passage("decree", 0, "Số: 12/2022/NĐ-CP")
ARTICLE = passage("decree", 3, "Điều 5. Mức phạt\n1. Phạt tiền.")
OTHER = passage("law", 4, "Điều 5. Phạm vi theo Nghị định 12/2022/NĐ-CP")
CITING = passage("circular", 0, "Số: 1/2023/TT-BTC\nCăn cứ Nghị định 12/2022/NĐ-CP")
PASSAGES = {each.id: each for each in (HEAD, ARTICLE, OTHER, CITING)}


def order(asked: ReadQuery, documents: set[str], more: list[ScoredId]) -> list[Passage]:
    candidates = [Candidate(id=each.id, score=score) for each, score in ((HEAD, 1.0), (OTHER, 0.6), (CITING, 0.5))]
    ranked = prefer_articles(asked, candidates, more, PASSAGES, documents)
    assert [each.score for each in ranked] == sorted((each.score for each in ranked), reverse=True)
    return [PASSAGES[each.id] for each in ranked]


def test_the_act_is_the_document_that_has_the_number_not_one_that_cites_it() -> None:
    assert documents_of_act(ASKED, [HEAD, CITING, OTHER]) == {key("decree")}


def test_the_article_of_the_act_comes_first_even_if_the_search_did_not_find_it() -> None:
    assert order(ASKED, {key("decree")}, [ScoredId(ARTICLE.id, 3.0), ScoredId(OTHER.id, 3.0)])[0] == ARTICLE


def test_without_the_act_only_title_pages_lose() -> None:
    assert order(ASKED, set(), []) == [OTHER, HEAD, CITING]


def test_the_longest_name_is_the_act() -> None:
    land, plan = (
        passage("land", 1, "Điều 5.", "Luật Đất đai"),
        passage("plan", 1, "Điều 5.", "Luật Đất đai và quy hoạch"),
    )
    asked = ReadQuery("điều 5 luật đất đai và quy hoạch", "điều 5 luật đất đai và quy hoạch", NO_TERMS)
    assert documents_by_name(asked, [land, plan]) == {key("plan")}
    asked = ReadQuery("dieu 5 luat dat dai", "dieu 5 luat dat dai", NO_TERMS)
    assert documents_by_name(asked, [land, plan]) == {key("land")}
