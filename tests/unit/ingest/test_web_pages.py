"""Web pages: what style sheets hide is not text of the page."""

import time

import pytest

from ingest.parsing.html import read_html
from phoserve.text.structure import render_blocks


def shown(html: str) -> str:
    return render_blocks(read_html(html).blocks).text


@pytest.mark.parametrize(
    "rule",
    [
        ".x { display: none }",
        "p.x{color:red;visibility:hidden}",
        "#y{display:none !important}",
        "h1, .a.x , h2 {display:none}",
        "@media screen { .x { display:none } }",
        "/* .q{ */ .x{DISPLAY:NONE}",
        ".x{display:block} .x{display:none}",
        "@import url(a.css); .x{display:none}",
    ],
)
def test_an_element_that_a_rule_hides_is_left_out(rule: str) -> None:
    page = f'<style>{rule}</style><p>thấy</p><p class="a x" id="y">ẨN</p><table><tr><th>A<th>B<tr><td>1<td>2</table>'
    assert shown(page) == "thấy\n\nA | B\n1 | 2"


@pytest.mark.parametrize(
    "rule",
    [
        "@media print { .x { display:none } }",
        "@media (max-width: 600px) { .x { display:none } }",
        ".x:hover{display:none}",
        ".x .y{display:none}",
        ".x{display:none} .x{display:block}",
        "#y{display:block} .x{display:none}",
        ".x-more{display:none}",
        ".x::before{display:none}",
        ".x{display:none",
    ],
)
def test_an_element_that_a_reader_sees_is_kept(rule: str) -> None:
    assert "HIỆN" in shown(f'<style>{rule}</style><p>thấy</p><p class="a x" id="y">HIỆN</p>')


def test_rules_hide_rows_and_cells_of_tables() -> None:
    page = "<style>tr.x,td.x,th.x{display:none}</style><table><tr><th>A<th class=x>ẨN<th>B<tr><td>1<td class=x>ẨN<td>2"
    assert shown(page + "<tr class=x><td>ẨN<td>ẨN<td>ẨN</table>") == "A | B\n1 | 2"


def test_a_style_of_its_own_shows_an_element() -> None:
    assert "HIỆN" in shown('<style>.x{display:none}</style><p class="x" style="display:block">HIỆN</p>')


def test_items_have_the_numbers_that_a_browser_shows() -> None:
    page = "<ol start=3 type=a><li>một<li>hai</ol><p>x</p><ol type=I><li>ba<li value=7>bốn<li>năm</ol>"
    assert shown(page) == "c. một\nd. hai\n\nx\nI. ba\nVII. bốn\nVIII. năm"


def test_a_closed_dialog_is_not_seen() -> None:
    assert shown("<p>thấy</p><dialog>ẨN</dialog><dialog open>HIỆN</dialog>") == "thấy\n\nHIỆN"


def test_a_page_that_a_script_shows_is_read() -> None:
    assert shown("<style>body{visibility:hidden}</style><p>nội dung</p>") == "nội dung"


def test_hostile_style_sheets_take_linear_time() -> None:
    begun = time.process_time()
    for sheet in (
        "{" * 300_000,
        "/*" * 300_000,
        ".x{display:none}" * 50_000,
        "a" * 1_000_000,
        ".a" * 300_000 + "{display:none}",
    ):
        shown(f"<style>{sheet}</style><p class=x>a</p><p>nội dung</p>")
    assert time.process_time() - begun < 10
