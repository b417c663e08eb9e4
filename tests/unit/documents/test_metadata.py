"""Metadata within the limits passes; anything else is refused with the field that is wrong."""

import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoserve.documents.metadata import MAX_BYTES, MAX_DEPTH, MAX_KEY_CHARACTERS, MAX_KEYS, validate_metadata
from phoserve.errors import InvalidInput

LEAVES = st.none() | st.booleans() | st.integers(-(2**80), 2**80) | st.floats() | st.text(max_size=40)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4))


def nested(depth: int) -> dict[str, Any]:
    """Metadata of `depth` objects inside each other."""
    inner: Any = 1
    for _ in range(depth):
        inner = {"a": inner}
    assert isinstance(inner, dict)
    return inner


@pytest.mark.parametrize(
    ("metadata", "field"),
    [
        (nested(MAX_DEPTH + 1), "metadata" + ".a" * MAX_DEPTH),
        ({"a": [[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}, "metadata.a" + "[0]" * (MAX_DEPTH - 1)),
        ({f"k{n}": n for n in range(MAX_KEYS + 1)}, "metadata"),
        ({"k" * (MAX_KEY_CHARACTERS + 1): 1}, "metadata"),
        ({"a": {"": 1}}, "metadata.a"),
        ({"a\n": 1}, "metadata"),
        ({"text": "ữ" * MAX_BYTES}, "metadata"),
        ({"year": 2**63}, "metadata.year"),
        ({"list": [1, math.inf]}, "metadata.list[1]"),
        ({"name": "a\x00b"}, "metadata.name"),
        ({"name": "\ud800"}, "metadata.name"),
        ({"when": {1, 2}}, "metadata.when"),
    ],
)
def test_what_is_over_a_limit_is_named(metadata: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        validate_metadata(metadata)
    assert refused.value.field == field


def test_thousands_of_levels_are_refused_without_recursion() -> None:
    with pytest.raises(InvalidInput, match="nested"):
        validate_metadata(nested(100_000))


@pytest.mark.parametrize("metadata", [{}, nested(MAX_DEPTH), {"năm": 2024, "nhãn": ["a", None, True, -0.5, 2**63 - 1]}])
def test_what_is_within_the_limits_passes(metadata: dict[str, Any]) -> None:
    validate_metadata(metadata)


@given(st.dictionaries(st.text(), VALUES, max_size=6))
def test_whatever_passes_survives_json(metadata: dict[str, Any]) -> None:
    try:
        validate_metadata(metadata)
    except InvalidInput:
        return
    encoded = msgspec.json.encode(metadata)
    assert len(encoded) <= MAX_BYTES
    assert msgspec.json.decode(encoded) == json.loads(encoded) == metadata
