"""Lexical search against an independent BM25 on the same terms."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import bm25s
import numpy as np
import pytest

from cli.evaluation import CorpusRow, QueryRow, labels_of
from cli.rows import read_rows
from phoserve.adapters.edge.index import EdgePassageIndex
from phoserve.documents.ports import IndexedPassage
from phoserve.documents.records import Passage
from phoserve.search.evaluation import evaluate
from phoserve.text import SparseVector, TextPipeline, passage_terms
from phoserve.text.lexical import AVERAGE_TERMS, K1, B, segmented_terms
from tests.support.shared import shared

BUNDLED = Path(__file__).parents[2] / "export" / "bundled"
KEY = "0" * 32


@pytest.mark.parametrize("name", ["mailong25_viqa", "alqac2022"])
async def test_lexical_search_is_as_good_as_a_reference(name: str, tmp_path: Path) -> None:
    corpus = read_rows(shared("data", "eval", f"corpus_{name}.jsonl.gz"), CorpusRow)
    labels = labels_of(read_rows(shared("data", "eval", f"retrieval_{name}.jsonl.gz"), QueryRow), corpus)
    text = TextPipeline.load(BUNDLED)
    ours = evaluate(await engine_rankings(text, corpus, list(labels), tmp_path), labels)["ndcg@10"].mean
    reference = evaluate(reference_rankings(text, corpus, list(labels)), labels)["ndcg@10"].mean
    assert reference > 0.6
    assert abs(ours - reference) <= 0.01, f"ours {ours:.4f}, reference {reference:.4f}"


def texts_of(corpus: Sequence[CorpusRow]) -> list[str]:
    return [f"{row.title}\n{row.text}" if row.title else row.text for row in corpus]


async def engine_rankings(
    text: TextPipeline, corpus: Sequence[CorpusRow], queries: Sequence[str], folder: Path
) -> Mapping[str, Sequence[str]]:
    index = EdgePassageIndex(folder, text.contract)
    vector = np.eye(1, text.contract.dim, dtype=np.float32)[0]
    terms = passage_terms(text, texts_of(corpus))
    await index.stage(
        [
            IndexedPassage(
                Passage(
                    collection="c",
                    document_id=row.id,
                    document_key=KEY,
                    revision=1,
                    ordinal=ordinal,
                    title="",
                    text="",
                    start=0,
                    end=0,
                ),
                vector,
                each,
            )
            for ordinal, (row, each) in enumerate(zip(corpus, terms, strict=True))
        ]
    )
    await index.publish([(KEY, 1)])
    found = {}
    for query, segmented in zip(queries, text.segment(queries), strict=True):
        # What BM25 knows, each once: other terms of our queries have no counterpart there.
        asked = np.unique(np.array(segmented_terms(segmented)[0], np.uint32))
        hits = await index.matching("c", SparseVector(asked, np.ones(len(asked), np.float32)), limit=100)
        passages = await index.find("c", [hit.id for hit in hits])
        found[query] = [passages[hit.id].document_id for hit in hits]
    await index.close()
    return found


def reference_rankings(
    text: TextPipeline, corpus: Sequence[CorpusRow], queries: Sequence[str]
) -> Mapping[str, Sequence[str]]:
    def tokens(texts: Sequence[str]) -> list[list[str]]:
        return [[str(term) for term in segmented_terms(segmented)[0]] for segmented in text.segment(texts)]

    reference = bm25s.BM25(k1=K1, b=B, method="lucene")
    documents = tokens(texts_of(corpus))
    # The reference measures lengths against the corpus's own mean, we against a fixed one, because a collection grows.
    # A padding document that matches no query makes both means equal if the corpus is shorter.
    missing = int(AVERAGE_TERMS) * (len(documents) + 1) - sum(map(len, documents))
    reference.index([*documents, [f"filler{n}" for n in range(missing)] or ["filler"]], show_progress=False)
    asked = [sorted(set(each)) for each in tokens(queries)]
    positions, _ = reference.retrieve(asked, k=100, show_progress=False)
    return {
        query: [corpus[i].id for i in row if i < len(corpus)]
        for query, row in zip(queries, positions.tolist(), strict=True)
    }
