"""What both engines' points have in common."""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import msgspec

from phoserve.documents.filters import title_key, title_words
from phoserve.documents.records import Passage

DENSE: Final = "dense"
BM25: Final = "bm25"
STAGED: Final = "staged"
LIVE: Final = "live"
TITLE_KEY: Final = "title_key"
TITLE_WORDS: Final = "title_words"
SHOWN: Final = ["passage", "visibility"]
"""The fields that a search reads: visibility and content."""


AS_STORED: Final = 0
"""The dimension of a model of which nothing but its index is known."""


class VectorSpace(NamedTuple):
    """All that an index needs to know of a model."""

    fingerprint: str
    dim: int


def passage_payload(passage: Passage, metadata: Any) -> dict[str, Any]:
    """A passage's payload, staged; `metadata` in the form the engine filters."""
    return {
        "collection": passage.collection,
        "document_key": passage.document_key,
        "document_id": passage.document_id,
        "revision": passage.revision,
        "visibility": STAGED,
        "metadata": metadata,
        **title_payload(passage.title),
        "passage": msgspec.json.encode(passage).decode(),
    }


def title_payload(title: str) -> dict[str, Any]:
    """Return what filters on titles match."""
    return {TITLE_KEY: title_key(title), TITLE_WORDS: list(title_words(title))}


def decode_passage(payload: Any) -> Passage:
    """The passage a payload was made from."""
    return msgspec.json.decode(payload["passage"], type=Passage)


def published_passages(collection: str, records: Iterable[Any]) -> dict[str, Passage]:
    """By id, the passages of those records, read with `SHOWN`, that searches of the collection may show."""
    live = {str(each.id): decode_passage(each.payload) for each in records if each.payload["visibility"] == LIVE}
    return {id_: passage for id_, passage in live.items() if passage.collection == collection}
