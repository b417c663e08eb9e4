"""Web pages: what style sheets hide is not text of the page."""

import time
from pathlib import Path

import pytest

from ingest.parsing.html import parse, read_html
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


@pytest.mark.parametrize(
    "style",
    [
        "opacity:0",
        "opacity: 0.00 !important",
        "opacity:0%",
        "font-size:0",
        "font: 0/0 serif",
        "line-height:1;font-size:0px",
        "visibility:hidden",
        "display/* so */:none",
        "filter:opacity(0)",
        "content-visibility:hidden",
        "position:absolute;left:-9999px",
        "position:fixed;top:-200vh",
        "position:absolute;left:-500px",
        "transform:translateX(-9999px)",
        "transform: scale(0)",
        "clip-path:circle(0)",
        "clip-path:polygon(0 0, 0 0, 0 0)",
        "position:absolute;clip:rect(0,0,0,0)",
        "height:0;overflow:hidden",
        "max-height:0px;overflow:hidden",
        "position:absolute;width:1px;height:1px;overflow:hidden",
        "text-indent:100%;white-space:nowrap;overflow:hidden",
        "color:transparent",
        "color:rgba(0, 0, 0, 0)",
        "color:#fff;background:white",
        "color:#336699;background-color:#336699",
        "color:white",
    ],
)
def test_a_style_that_hides_text_hides_it_wherever_it_is_declared(style: str) -> None:
    rest = "<p>thấy</p><table><tr><th>A<th>B<tr><td>1<td>2</table>"
    assert shown(f'<p style="{style}">ẨN</p>{rest}') == "thấy\n\nA | B\n1 | 2"
    assert shown(f"<style>.x{{{style}}}</style><div class=x><p>ẨN<b>ẨN</b></p></div>{rest}") == "thấy\n\nA | B\n1 | 2"


@pytest.mark.parametrize(
    "page",
    [
        '<p style="opacity:.5">HIỆN</p>',
        '<p style="opacity:0;transition:opacity 1s">HIỆN</p>',
        "<style>.x{opacity:0;animation:enter 1s forwards}</style><p class=x>HIỆN</p>",
        '<p style="font-size:0.8em">HIỆN</p>',
        '<div style="font-size:0"><p style="font-size:16px">HIỆN</p></div>',
        '<div style="visibility:hidden"><p style="visibility:visible">HIỆN</p></div>',
        "<style>.g{font-size:0}.g p{font-size:14px}</style><div class=g><p>HIỆN</p></div>",
        '<p style="max-height:0;overflow:hidden;transition:max-height 1s">HIỆN</p>',
        "<style>.x{height:0;overflow:hidden}.x{height:auto}</style><p class=x>HIỆN</p>",
        '<p style="color:#fff;background:#003366">HIỆN</p>',
        '<div style="background:#003366"><p style="color:#fff">HIỆN</p></div>',
        "<table><tr bgcolor=navy><td><font color=white>HIỆN</font><td>b<tr><td>c<td>d</table>",
        '<img src=a alt=""><p style="color:#fff">HIỆN</p>',
        '<p style="color:rgb(0,0,0)">HIỆN</p>',
        '<p style="color:#auto;background-color:#auto">HIỆN</p>',
        '<p style="color:transparent;background-clip:text">HIỆN</p>',
        '<p style="left:-10px">HIỆN</p>',
        '<p hidden style="display:block">HIỆN</p>',
        "<style>.x{display:none}@media(min-width:768px){.x{display:block}}</style><p class=x>HIỆN</p>",
        "<style>.x{color:red}.x{display:none}.x{display:block;color:blue}</style><p class=x>HIỆN</p>",
        "<style>@media not screen{.x{display:none}}</style><p class=x>HIỆN</p>",
        "<style>@supports not (display:grid){.x{display:none}}</style><p class=x>HIỆN</p>",
    ],
)
def test_text_that_a_reader_sees_is_kept_whatever_its_style(page: str) -> None:
    assert shown(f"<p>thấy</p>{page}").count("HIỆN") == 1


@pytest.mark.parametrize(
    "rule",
    [
        ".x:nth-child(2n)",
        "p:nth-child(even)",
        "p:nth-child(-n+2):not(:first-child)",
        "p:nth-last-child(2)",
        "p:nth-of-type(2)",
        "p:last-of-type",
        ":is(.x, .q)",
        "p:where(.q, .x)",
        ":root .x",
        "div > *:nth-child(2)",
        ".x:not(.y, .z)",
        ".md\\:off",
        ".\\31 st",
    ],
)
def test_a_rule_selects_by_place_and_alternatives(rule: str) -> None:
    page = f"<style>{rule}{{display:none}}</style><div><p>thấy</p><p class='x md:off 1st'>ẨN</p><ol><li>rõ</ol></div>"
    assert shown(page) == "thấy\n1. rõ"


@pytest.mark.parametrize(
    ("sheet", "is_shown"),
    [
        (".x{display:none!important}#y{display:block}", False),
        (".a{.x{display:none}}", False),
        (".a{& .x{display:none}}", False),
        (".a{color:red;@media print{.x{display:none}}}", True),
        ("<!-- .x{display:none} -->", False),
        ("@media screen and (min-width:600px){.x{display:none}}", False),
        ("@media (width < 600px){.x{display:none}}", True),
        ("@media print, screen{.x{display:none}}", False),
        (".x{visibility:hidden}.x{color:red}", False),
        (".x{visibility:hidden}.x{visibility:visible}", True),
        (".x{opacity:0}.x{display:block}", False),
    ],
)
def test_each_property_is_decided_on_its_own(sheet: str, *, is_shown: bool) -> None:
    page = f"<style>{sheet}</style><p>thấy</p><div class=a><p class=x id=y>RÕ</p></div>"
    assert ("RÕ" in shown(page)) is is_shown


def test_a_cell_that_is_not_visible_keeps_its_place() -> None:
    page = '<table><tr><th>A<th>B<th>C<tr><td>1<td style="visibility:hidden">ẨN<td>3<tr><td>4<td>5<td>6</table>'
    assert shown(page) == "A | B | C\n1 |  | 3\n4 | 5 | 6"


def test_the_foot_of_a_table_is_read_last() -> None:
    page = "<table><tfoot><tr><td>Tổng<td>3</tfoot><tbody><tr><td>x<td>1</tbody><thead><tr><th>A<th>B</thead></table>"
    assert shown(page) == "A | B\nx | 1\nTổng | 3"


def test_what_a_drawing_does_not_draw_is_left_out() -> None:
    drawing = (
        "<svg><defs><text>ẨN</text></defs><text display=none>ẨN</text><text style='visibility:hidden'>ẨN</text>"
        "<foreignObject><p>Bước 1</p></foreignObject><text>xong</text></svg>"
    )
    assert shown(f"<p>Trước</p>{drawing}") == "Trước\n\nBước 1 xong"


@pytest.mark.parametrize(
    ("encoding", "text"),
    [("shift_jis", "日本語の文書"), ("windows-1251", "Привет мир"), ("gb2312", "中文文档"), ("iso-2022-jp", "日本語")],
)
def test_a_page_is_read_in_the_encoding_that_it_declares(tmp_path: Path, encoding: str, text: str) -> None:
    (tmp_path / "a.html").write_bytes(f"<meta charset={encoding}><p>{text}".encode(encoding))
    assert render_blocks(parse(tmp_path / "a.html").blocks).text == text


def test_a_page_in_utf_8_is_read_as_such_whatever_it_declares(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_bytes("<meta charset=shift_jis><p>Cộng hòa".encode())
    assert render_blocks(parse(tmp_path / "a.html").blocks).text == "Cộng hòa"


def test_a_short_page_in_the_vietnamese_code_page(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_bytes("<meta charset=windows-1258><p>xa\u0303 hô\u0323i".encode("cp1258"))
    assert render_blocks(parse(tmp_path / "a.html").blocks).text == "xã hội"


@pytest.mark.parametrize(
    "page",
    [
        "<p style='font-family:.VnTime'>{}</p>",
        "<p style='font-family:\".VnTime\",serif'>{}</p>",
        "<font face=.VnTime>{}</font>",
        "<style>p.a{{font-family:.VnTime}}</style><p class=a>{}</p>",
        "<style>body{{font:12pt .VnTime}}</style><p>{}</p>",
        "<style>.a span{{font-family:'.VnTime'}}</style><p class=a><span>{}</span></p>",
    ],
)
def test_text_in_an_old_font_is_read_as_it_is_drawn(page: str) -> None:
    found = read_html(page.format("Céng hßa x· héi") + "<p style='font-family:Arial'>Bà Võ Lý, Mã số</p>")
    assert render_blocks(found.blocks).text == "Cộng hòa xã hội\n\nBà Võ Lý, Mã số"
    assert [warning.code for warning in found.warnings] == ["text_repaired"]


def test_fonts_of_capitals_and_of_vni() -> None:
    capitals = "<b style='font-family:.VnTimeH'>®éc lËp</b> <i style='font-family:VNI-Times'>tö<u> do</u></i>"
    assert shown(f"<p>Đây: {capitals}</p>") == "Đây: ĐỘC LẬP tư do"


def test_unicode_in_an_old_font_is_kept() -> None:
    assert shown("<p style='font-family:.VnTime'>Cộng hòa xã hội, café, résumé") == "Cộng hòa xã hội, café, résumé"


@pytest.mark.parametrize("selector", [".b:not(.n{})", "*:nth-child({}n)", ":is(.b,.n{}):nth-last-of-type(odd)"])
def test_hostile_rules_of_one_element_take_bounded_time(selector: str) -> None:
    rules = "".join(f"{selector.format(n)}{{opacity:0}}" for n in range(10_000))
    page = f"<style>{rules}</style>" + "<p class='b c n1' d=e>y</p><!-- -->" * 10_000
    began = time.process_time()
    read_html(page)
    assert time.process_time() - began < patient(20)


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<ol reversed><li>a<li>b<li>c</ol>", "3. a\n2. b\n1. c"),
        ("<ol reversed start=10><li>a<li>b</ol>", "10. a\n9. b"),
        ("<ol start=-1><li>a<li>b<li>c</ol>", "-1. a\n0. b\n1. c"),
        ("<ol><li type=a>a<li>b</ol>", "a. a\n2. b"),
        ('<ol style="list-style-type: upper-roman"><li>a<li>b</ol>', "I. a\nII. b"),
        ('<ol style="list-style: lower-alpha inside"><li>a<li>b</ol>', "a. a\nb. b"),
        ('<ul style="list-style-type:decimal"><li>a<li>b</ul>', "1. a\n2. b"),
        ('<ol style="list-style:none"><li>a<li>b</ol>', "- a\n- b"),
        ("<ol type=1><li>a<ul type=square><li>b</ul></ol>", "1. a\n- b"),
    ],
)
def test_numbers_of_lists_are_those_that_a_browser_shows(page: str, text: str) -> None:
    assert shown(f"<p>thấy</p>{page}") == f"thấy\n{text}"


def test_quotations_have_their_marks() -> None:
    assert shown("<p>Ông nói <q>đồng ý</q> rồi.</p>") == "Ông nói “đồng ý” rồi."
