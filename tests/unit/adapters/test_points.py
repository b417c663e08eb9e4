from types import SimpleNamespace
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from phoserve.adapters.points import (
    SHARED_METADATA_BYTES,
    decode_passages,
    fill_metadata,
    passage_payload,
    places_of_metadata,
)
from phoserve.documents.records import Passage

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=400),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(min_size=1, max_size=9), inner, max_size=4),
    max_leaves=12,
)


def passages(count: int, metadata: dict[str, Any]) -> list[Passage]:
    return [
        Passage(
            collection="kb",
            document_id="d",
            document_key="0" * 32,
            revision=3,
            ordinal=ordinal,
            title="Tiêu đề",
            text="đoạn",
            start=0,
            end=4,
            metadata=metadata,
        )
        for ordinal in range(count)
    ]


def records(stored: list[Passage]) -> list[Any]:
    return [SimpleNamespace(id=each.id, payload=passage_payload(each, each.metadata)) for each in stored]


@given(st.dictionaries(st.text(min_size=1, max_size=9), VALUES, max_size=6), st.sets(st.integers(0, 4), min_size=1))
def test_metadata_are_read_as_they_were_stored(metadata: dict[str, Any], chosen: set[int]) -> None:
    stored = passages(5, metadata)
    kept = records(stored)
    found = decode_passages(kept[each] for each in chosen)
    places = places_of_metadata(found.values())
    first = decode_passages(each for each in kept if each.id in places)
    assert list(fill_metadata(found, first).values()) == [stored[each] for each in chosen]


@given(st.integers(0, 16_000))
def test_a_passage_keeps_little_metadata_apart_from_what_filters_match(length: int) -> None:
    first, *others = records(passages(3, {"a": "x" * length}))
    bare = len(records(passages(1, {}))[0].payload["passage"])
    assert len(first.payload["passage"]) >= bare + length
    assert all(len(each.payload["passage"]) <= bare + SHARED_METADATA_BYTES for each in others)


def test_passages_of_earlier_versions_have_their_own_metadata() -> None:
    stored = passages(3, {"a": "x" * 5000})
    kept = records(stored)
    for record, each in zip(kept, stored, strict=True):
        record.payload["passage"] = msgspec.json.encode(each).decode()  # as it was stored before
    found = decode_passages(kept)
    assert not places_of_metadata(found.values())
    assert list(fill_metadata(found, {}).values()) == stored
