"""Web pages: what style sheets hide is not text of the page."""

import time

import pytest

from ingest.parsing.html import read_html
from phoserve.text.structure import render_blocks
from tests.support.patience import patient


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


@pytest.mark.parametrize(
    "rule",
    [
        ".menu .secret { display: none }",
        ".menu > .secret { display: none }",
        "body div.menu>.secret{visibility:hidden}",
        "html body #top .menu .secret { display: none }",
        "section > .menu > div { display: none }",
        ".menu .secret { display: none } .secret { display: block }",
        "p + .secret { display: none }",
    ],
)
def test_an_element_that_a_rule_about_several_elements_hides_is_left_out(rule: str) -> None:
    page = f"<style>{rule}</style><section id=top><div class=menu><p>Thấy</p><div class=secret>ẨN</div></div></section>"
    assert render_blocks(read_html(page).blocks).text == "Thấy"


@pytest.mark.parametrize(
    "rule",
    [
        ".other .secret { display: none }",
        ".menu:hover .secret { display: none }",
        ".menu .secret { display: none } .menu div.secret { display: block }",
        ".menu .secret { display: none } #one { display: block }",
        "@media print { .menu .secret { display: none } }",
        ".menu .secret::before { display: none }",
        ".menu >>> .secret { display: none }",
        "body > .secret { display: none }",
        ".menu > p .secret { display: none }",
        "p ~ p + .secret { display: none }",
    ],
)
def test_an_element_that_such_a_rule_does_not_hide_is_kept(rule: str) -> None:
    page = f"<style>{rule}</style><div class=menu><p>Thấy</p><div id=one class=secret>rõ</div></div>"
    assert render_blocks(read_html(page).blocks).text == "Thấy\n\nrõ"


def test_every_description_has_its_terms() -> None:
    page = "<dl><dt>Phí</dt><dd>10</dd><dd>20</dd><dt>Hạn</dt><dt>Mức</dt><dd>mai</dd><dt>Trống</dt></dl><p>Sau</p>"
    assert render_blocks(read_html(page).blocks).text == "Phí: 10\n\nPhí: 20\n\nHạn, Mức: mai\n\nTrống\n\nSau"


def test_hostile_rules_about_several_elements_take_bounded_time() -> None:
    rules = "".join(".b .c .d > .e { display: none }" for n in range(20_000))
    page = f"<style>{rules}</style>" + "<div class='b c d e'>" * 900 + "x " * 1000 + "<p class='b c d e'>y</p>" * 20_000
    began = time.process_time()
    read_html(page)
    assert time.process_time() - began < patient(20)


@pytest.mark.parametrize(
    "selector", [".b ~ .c + [d]", ".b:not(.e) ~ [d]:last-child", ".b", "[d^=e]", ":first-child > .b:first-child"]
)
def test_hostile_rules_about_siblings_and_attributes_take_bounded_time(selector: str) -> None:
    rules = "".join(f"{selector}{{display:none}} .n{n} {selector}{{display:none}}" for n in range(10_000))
    page = f"<style>{rules}</style>" + "<p class='b c n1' d=e>y</p><!-- -->" * 10_000
    began = time.process_time()
    read_html(page)
    assert time.process_time() - began < patient(20)


def test_words_in_a_drawing_are_kept() -> None:
    drawing = "<svg><title>tên</title><text>Quý I</text><g><text>21,4</text></g><style>.a{}</style></svg>"
    assert shown(f"<p>Trước</p>{drawing}<p>Sau</p>") == "Trước\n\nQuý I 21,4\n\nSau"
