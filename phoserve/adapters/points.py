"""What both engines' points have in common."""

from collections.abc import Iterable, Mapping
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

SHARED_METADATA_BYTES: Final = 512
"""Metadata whose JSON is longer is stored with the first passage of a revision alone, apart from what filters match."""
ELSEWHERE: Final[Mapping[str, Any]] = {"": "first passage"}
"""The metadata of a stored passage whose first passage has them: no document's metadata have an empty key."""

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
        "passage": msgspec.json.encode(_without_shared_metadata(passage)).decode(),
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


def places_of_metadata(passages: Iterable[Passage]) -> list[str]:
    """Return the ids of the passages that have the metadata of those read without them."""
    return sorted({_first_id(each) for each in passages if each.metadata == ELSEWHERE})


def fill_metadata(found: Mapping[str, Passage], first: Mapping[str, Passage]) -> dict[str, Passage]:
    """Return the passages with their metadata; `first` has those of `places_of_metadata`, by id.

    A first passage that has been deleted meanwhile leaves them empty: the revision is being replaced.
    """

    def filled(passage: Passage) -> Passage:
        if passage.metadata != ELSEWHERE:
            return passage
        place = first.get(_first_id(passage))
        return msgspec.structs.replace(passage, metadata=place.metadata if place else {})

    return {id_: filled(each) for id_, each in found.items()}


def decode_passages(records: Iterable[Any]) -> dict[str, Passage]:
    """Return the passages of these records by id, whatever their visibility."""
    return {str(each.id): decode_passage(each.payload) for each in records}


def _without_shared_metadata(passage: Passage) -> Passage:
    if not passage.ordinal or len(msgspec.json.encode(passage.metadata)) <= SHARED_METADATA_BYTES:
        return passage
    return msgspec.structs.replace(passage, metadata=dict(ELSEWHERE))


def _first_id(passage: Passage) -> str:
    return msgspec.structs.replace(passage, ordinal=0).id
