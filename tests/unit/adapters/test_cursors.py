"""Cursors show no numbers, and are of one collection."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoserve.adapters.sql.cursors import decode_cursor, encode_cursor
from phoserve.errors import InvalidInput

NUMBERS = st.integers(0, 2**63 - 1)
IDS = st.text(st.characters(), min_size=1, max_size=80)


@given(NUMBERS, IDS)
def test_a_cursor_is_read_again(number: int, collection: str) -> None:
    assert decode_cursor(encode_cursor(number, collection), collection) == number


@given(NUMBERS, st.uuids(), st.uuids())
def test_a_cursor_of_another_collection_is_refused(number: int, one: object, other: object) -> None:
    if one != other:
        with pytest.raises(InvalidInput, match="cursor"):
            decode_cursor(encode_cursor(number, str(one)), str(other))


@given(st.text(st.characters(), max_size=60) | st.text("c1.0AZaz_-=", max_size=60), st.uuids())
def test_any_other_text_is_refused(text: str, collection: object) -> None:
    with pytest.raises(InvalidInput, match="cursor"):
        decode_cursor(text, str(collection))


@given(NUMBERS, st.uuids(), st.data())
def test_a_changed_cursor_is_refused(number: int, collection: object, data: st.DataObject) -> None:
    cursor = encode_cursor(number, str(collection))
    place = data.draw(st.integers(0, len(cursor) - 2))  # the last letter has bits that no byte takes
    letter = data.draw(st.sampled_from("ABCDEFGHIJKLMNOPabcdefghij0123456789-_"))
    if letter != cursor[place]:
        with pytest.raises(InvalidInput, match="cursor"):
            decode_cursor(cursor[:place] + letter + cursor[place + 1 :], str(collection))


def test_cursors_have_neither_the_number_nor_the_collection_nor_an_order() -> None:
    cursors = [encode_cursor(number, "kb") for number in range(1000, 1100)]
    assert not [each for each in cursors if "kb." in each or ("10" in each[2:6] and each.endswith("0"))]
    assert cursors != sorted(cursors)
    assert len({each[:6] for each in cursors}) > 90


def test_a_cursor_of_an_earlier_version_is_read() -> None:
    assert decode_cursor("kb.17", "kb") == 17
    for wrong in ("hr.17", "kb.", "kb.x", "kb.-1", "kb." + "9" * 30):
        with pytest.raises(InvalidInput, match="cursor"):
            decode_cursor(wrong, "kb")
