"""Build pairs of a query and a relevant passage from unlabelled documents."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count
from typing import Final

import numpy as np

from training.corpus import TokenisedDocument, Tokens

LONGEST_QUERY: Final = 40
LONGEST_PASSAGE: Final = 1024
SHORTEST_SENTENCE: Final = 6
SHORTEST_VIEWED: Final = 10

# Question phrases, mixed into queries so that the model learns to ignore them.
QUESTION_PHRASES: Final[Sequence[str]] = [
    *("là gì", "là ai", "ai là", "ai", "bao_nhiêu", "bao nhiêu", "mấy", "khi nào", "năm nào", "bao_lâu", "bao lâu"),
    *("ở đâu", "nơi nào", "tại sao", "vì sao", "làm sao", "như thế_nào", "thế_nào", "nào", "gì", "có", "không"),
    *("được không", "trong trường_hợp nào", "theo quy_định", "cho hỏi", "tôi", "mình", "nhận_định"),
]


@dataclass(frozen=True, slots=True)
class PairRecipe:
    """Parameters of query generation. Probabilities and shares are between 0 and 1."""

    sentences: int = 2
    """Number of sentences of each document that become queries."""
    keep_at_least: float = 0.5
    """A query keeps a share of its tokens, uniform between this and 1."""
    question_phrases: float = 0.7
    """Probability of adding one or two question phrases to a query."""
    remove_sentence: float = 0.5
    """Probability of removing the query's sentence from the passage. Otherwise common words are learnt."""
    views: int = 0
    """Number of sentences of each document whose two views, each without some tokens, become a pair.

    The other sentences of the document are negatives, so the model learns more than the topic.
    """
    keep_in_view: float = 0.6
    """A view keeps a share of its sentence's tokens, uniform between this and 1."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Token ids of a query and of its passage."""

    query: Tokens
    passage: Tokens
    document: int
    """The position of their document, or below 0. Pairs of one document are no negatives of each other, two
    views of a sentence are negatives of all other pairs."""


def make_pairs(
    documents: Sequence[TokenisedDocument], phrases: Sequence[Tokens], recipe: PairRecipe, *, seed: int
) -> Iterator[Pair]:
    """Yield the pairs of `documents` in order. The same seed gives the same pairs."""
    maker = _PairMaker(phrases, recipe, np.random.default_rng(seed))
    # Start below -1, which no document uses, so that every pair of views has its own document.
    own = count(-2, -1)
    for index, document in enumerate(documents):
        for query, passage in maker.pairs(document):
            if len(query) >= 2 and len(passage) >= 4:
                yield Pair(query, passage[:LONGEST_PASSAGE], index)
        for one, other in maker.views(document):
            if len(one) >= 2 and len(other) >= 2:
                yield Pair(one, other, next(own))


class _PairMaker:
    def __init__(self, phrases: Sequence[Tokens], recipe: PairRecipe, random: np.random.Generator) -> None:
        self._phrases = phrases
        self._recipe = recipe
        self._random = random

    def pairs(self, document: TokenisedDocument) -> Iterator[tuple[Tokens, Tokens]]:
        sentences = list(chain.from_iterable(document.parts))
        if not sentences:
            return
        if len(document.title):
            query = self._drop_tokens(document.title) if self._happens(0.5) else document.title
            yield query, np.concatenate(sentences)
        if len(document.parts) > 1 and document.parts[0] and self._happens(0.6):
            yield self._lead_pair(document)
        if len(sentences) > 1:
            for _ in range(self._recipe.sentences):
                yield from self._sentence_pair(document.title, sentences)

    def views(self, document: TokenisedDocument) -> Iterator[tuple[Tokens, Tokens]]:
        """Yield two incomplete copies of some sentences."""
        sentences = [each for each in chain.from_iterable(document.parts) if len(each) >= SHORTEST_VIEWED]
        for chosen in self._random.permutation(len(sentences))[: self._recipe.views]:
            yield self._part(sentences[chosen]), self._part(sentences[chosen])

    def _lead_pair(self, document: TokenisedDocument) -> tuple[Tokens, Tokens]:
        """Return a lead and the following text, sometimes with the title."""
        lead, rest = document.parts[0], list(chain.from_iterable(document.parts[1:]))
        title = [document.title] if self._happens(0.3) else []
        return self._drop_tokens(np.concatenate(lead)), _concatenate([*title, *rest])

    def _sentence_pair(self, title: Tokens, sentences: list[Tokens]) -> Iterator[tuple[Tokens, Tokens]]:
        chosen = int(self._random.integers(len(sentences)))
        query = sentences[chosen]
        if len(query) < SHORTEST_SENTENCE:
            return
        if len(query) > LONGEST_QUERY:
            start = int(self._random.integers(len(query) - LONGEST_QUERY + 1))
            query = query[start : start + LONGEST_QUERY]
        removed = self._happens(self._recipe.remove_sentence)
        rest = sentences[:chosen] + sentences[chosen + 1 :] if removed else sentences
        yield self._drop_tokens(query), _concatenate([title, *rest])

    def _drop_tokens(self, query: Tokens) -> Tokens:
        """Drop some tokens of the query and possibly add question phrases."""
        keep = self._random.uniform(self._recipe.keep_at_least, 1)
        query = query[self._random.random(len(query)) < keep]
        if self._phrases and self._happens(self._recipe.question_phrases):
            chosen = self._random.integers(len(self._phrases), size=self._random.integers(1, 3))
            query = np.concatenate([query, *(self._phrases[index] for index in chosen)])
        return query

    def _part(self, sentence: Tokens) -> Tokens:
        return sentence[self._random.random(len(sentence)) < self._random.uniform(self._recipe.keep_in_view, 1)]

    def _happens(self, probability: float) -> bool:
        return bool(self._random.random() < probability)


def _concatenate(sentences: Sequence[Tokens]) -> Tokens:
    return np.concatenate(sentences) if sentences else np.empty(0, np.int32)
