"""CSV files: what ends a cell, and cells of any length."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.parsing.csv_table import LONGEST_CELL, read_csv
from phoserve.text.blocks import Table

CELLS = st.text("abcđê 12,;\n\"'", min_size=1, max_size=8).map(lambda cell: f"x{cell}x")


@given(rows=st.lists(st.tuples(CELLS, CELLS), min_size=2, max_size=6), separator=st.sampled_from(",;\t|"))
def test_every_cell_is_read_as_it_was_written(rows: list[tuple[str, str]], separator: str) -> None:
    content = io.StringIO()
    writer = csv.writer(content, delimiter=separator, lineterminator="\n")
    writer.writerows([("Mã", "Tên"), *rows])
    [table] = read_csv(f"sep={separator}\n{content.getvalue()}".encode()).blocks
    assert isinstance(table, Table)
    assert table.header == ("Mã", "Tên")
    assert list(table.rows) == rows


@pytest.mark.parametrize("quote", ["", '"'])
def test_a_cell_may_be_longer_than_what_may_be_quoted(quote: str) -> None:
    long = "dài " * LONGEST_CELL
    [table] = read_csv(f"Mã;Ghi chú\n1;{quote}{long}{quote}\n2;ngắn\n".encode()).blocks
    assert isinstance(table, Table)
    assert table.rows == (("1", f"{quote}{long.strip()}{' ' * bool(quote)}{quote}"), ("2", "ngắn"))
