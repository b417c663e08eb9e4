"""Web pages, one kind of content a case: visible words once and in order, hidden words nowhere.

Words that begin with "v" are visible, those that begin with "x" are hidden.
"""

# ruff: noqa: E501 (markup is clearer on one line)

import re
from pathlib import Path

import pytest

from ingest.parsing.html import read_html
from ingest.parsing.media import media_type_of
from ingest.parsing.parsers import parse_file
from phoserve.text.blocks import Paragraph, Table
from phoserve.text.structure import render_blocks

_KINDS = {
    "typed values": "<p>v1 <input value=v2> <input type=number value=v3> <input type=date value=v4></p>",
    "values that are not shown": "<p>v1 <input type=hidden value=xa><input type=password value=xb><input type=file value=xc><input type=range value=xd> v2</p>",
    "captions of buttons": "<p>v1</p><input type=submit value=xa><input type=button value=xb><button>xc</button>",
    "a button that opens an answer": "<h3><button aria-expanded=false>v1</button></h3><div>v2</div>",
    "hints of empty fields": "<p>v1 <input placeholder=xa><textarea placeholder=xb></textarea></p>",
    "a chosen option": "<p>v1 <select><option>xa<option selected>v2<option>xb</select> v3</p>",
    "the first option": "<p>v1 <select><option>v2<option>xb</select> v3</p>",
    "the first option that can be chosen": "<p>v1 <select><option disabled>xa<option>v2</select></p>",
    "options in groups": "<p>v1 <select><optgroup label=xg><option>xa<option selected>v2</optgroup></select></p>",
    "several chosen options": "<p>v1 <select multiple><option selected>v2<option>xa<option selected>v3</select></p>",
    "no chosen option": "<p>v1 <select multiple><option>xa<option>xb</select></p>",
    "a typed text": "<label>v1 <textarea>v2 v3</textarea></label>",
    "a named field": "<p>v1</p><input aria-label=Tên value=v2>",
    "tools of the page": "<p>v1</p><textarea>xa</textarea><div><input value=xb></div><form><input type=text value=xc><select><option>xd</select></form>",
    "suggestions": "<p>v1<datalist><option>xa</datalist></p>",
    "a label and its field": "<label>v1 <input value=v2></label><label for=a>v3</label><input id=a value=v4>",
    "fields in a table": "<table><tr><th>v1<th>v2<tr><td><input value=v3><td><select><option>xa<option selected>v4</select></table>",
    "a closed answer": "<details><summary>v1</summary>v2</details>",
    "a template": "<p>v1<template><p>xa</p></template></p>",
    "what is for browsers without scripts": "<p>v1</p><noscript>xa</noscript><noframes>xb</noframes>",
    "hidden until found": '<p>v1</p><div hidden="until-found">v2</div><div hidden>xa</div>',
    "a popover": "<p>v1</p><div popover>xa</div>",
    "hidden from readers aloud": '<p>v1<span aria-hidden="true">xicon</span></p>',
    "off the screen": '<p>v1</p><span style="position:absolute;left:-9999px">xa</span><span style="text-indent:-10000em">xb</span>',
    "cut to nothing": '<p>v1</p><span style="clip: rect(0 0 0 0)">xa</span><span style="clip-path:inset(50%)">xb</span><b style="clip:rect(1px, 1px, 1px, 1px)">xc</b>',
    "moved a little": '<p style="left:-10px">v1</p><p style="text-indent:-20px">v2</p><p style="margin-left:-9999px">v3</p>',
    "off the screen by a rule": "<style>.skip{position:absolute;top:-10000px}</style><p>v1<a class=skip>xa</a></p>",
    "a tab that is open and one that is not": "<style>.pane{display:none}.pane.on{display:block}</style><div role=tablist><a role=tab aria-controls=b>v1</a></div><div class='pane on' role=tabpanel>v2</div><div class=pane role=tabpanel>v3</div>",
    "a panel that a tab opens": "<div role=tab aria-controls=b>v1</div><div id=b hidden>v2</div><div id=c hidden>xa</div>",
    "a region that a button opens": "<h2><button aria-expanded=false aria-controls=b>v1</button></h2><div id=b role=region hidden>v2</div>",
    "a menu that a button opens": "<p>v1</p><button aria-expanded=false aria-controls=b>xmenu</button><ul id=b hidden><li>xa</ul>",
    "an attribute": "<style>[data-off]{display:none}</style><p>v1</p><p data-off>xa</p><p data-on>v2</p>",
    "a value of an attribute": "<style>p[data-s='no']{display:none} [data-s=\"or\"]{display:none}</style><p data-s=no>xa</p><p data-s=yes>v1</p><p data-s=or>xb</p>",
    "parts of a value": "<style>[a^=no]{display:none}[b$=end]{display:none}[c*=mid]{display:none}[d~=one]{display:none}[e|=vi]{display:none}</style><p a=nothing>xa</p><p b=the-end>xb</p><p c=amidst>xc</p><p d='two one'>xd</p><p e=vi-VN>xe</p><p a=on b=enda c=md d=ones e=vie>v1</p>",
    "an attribute with blanks": "<style>[style*='color: red'] .y{display:none}</style><div style='color: red'><p class=y>xa</p></div><p class=y>v1</p>",
    "a class and an attribute": "<style>.a[open]{display:none}</style><p class=a>v1</p><p class=a open>xa</p>",
    "the next sibling": "<style>.a + .b{display:none}</style><p class=a>v1</p><p class=b>xa</p><p class=b>v2</p>",
    "later siblings": "<style>.a ~ .b{display:none}</style><p class=b>v1</p><p class=a>v2</p><p>v3</p><p class=b>xa</p><p class=b>xb</p>",
    "siblings within elements": "<style>.m .a + .b > i{display:none}</style><div class=m><p class=a>v1</p><p class=b><i>xa</i> v2</p></div>",
    "siblings apart": "<style>.a + .b{display:none}</style><div><p class=a>v1</p></div><div><p class=b>v2</p></div>",
    "not of a class": "<style>.tab:not(.on){display:none}</style><p class=tab>xa</p><p class='tab on'>v1</p>",
    "the first and the last": "<style>li:first-child{display:none}.b li:last-child{display:none}</style><ol class=b><li>xa<li>v1<li>xb</ol>",
    "all but the first": "<style>.s:not(:first-child){display:none}</style><div><p class=s>v1</p><p class=s>xa</p></div>",
    "a state": "<style>.a:hover{display:none}.a:focus + .b{display:none}</style><p class=a>v1</p><p class=b>v2</p>",
    "formulas": "<p>v1 <math><semantics><mrow><mi>v2</mi><mo>+</mo><mfrac><mi>v3</mi><mi>v4</mi></mfrac></mrow><annotation encoding='application/x-tex'>xtex</annotation></semantics></math></p>",
    "marks of a ruby": "<ruby>v1<rp>x(</rp><rt>v2</rt><rp>x)</rp></ruby>",
}


def words(html: str) -> list[str]:
    return re.findall(r"(?<!\w)[vx]\w+", render_blocks(read_html(html).blocks).text)


@pytest.mark.parametrize("kind", list(_KINDS))
def test_visible_words_are_read_once_in_order(kind: str) -> None:
    assert words(_KINDS[kind]) == sorted(set(re.findall(r"\bv\d\b", _KINDS[kind])))


def test_boxes_show_whether_they_are_ticked() -> None:
    page = (
        "<p><label><input type=checkbox checked> Có</label></p><p><input type=radio id=a><label for=a>Không</label></p>"
    )
    assert render_blocks(read_html(page).blocks).text == "☒ Có\n\n☐ Không"


def test_formulas_are_one_line() -> None:
    page = "<p><math><msup><mi>x</mi><mn>2</mn></msup><mo>=</mo><mfrac><mi>a</mi><mi>b</mi></mfrac></math></p>"
    assert render_blocks(read_html(page).blocks).text == "x^2=a/b"


@pytest.mark.parametrize("name", ["a.doc", "a.mht", "a.mhtml", "a.docx"])
def test_a_web_archive_is_read_whatever_its_name(tmp_path: Path, name: str) -> None:
    head = "MIME-Version: 1.0\nContent-Type: multipart/related; boundary=b\n\n"
    part = "--b\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n<title>Quyết định</title><p>Điều 1</p>\n"
    picture = "--b\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\nAAAA\n--b--\n"
    (tmp_path / name).write_text(head + part + picture, encoding="utf-8")
    kind = media_type_of(tmp_path / name, "", name)
    found = parse_file(tmp_path / name, kind)
    assert [block.text for block in found.blocks if isinstance(block, Paragraph)] == ["Điều 1"]
    assert found.title == "Quyết định"
    assert not found.warnings


@pytest.mark.parametrize(("words", "is_shown"), [(2000, True), (20, False)])
def test_a_page_that_a_script_shows_is_read(words: int, is_shown: bool) -> None:
    text = " ".join(f"w{n}" for n in range(words))
    page = read_html(f"<style>.late{{visibility:hidden}}</style><p>Menu</p><div class=late><p>{text}</p></div>")
    assert (text in render_blocks(page.blocks).text) == is_shown


@pytest.mark.parametrize("tag", ["td", "th"])
def test_a_header_of_two_rows_with_merged_cells(tag: str) -> None:
    top = "".join(
        f"<{tag} {span}>{text}</{tag}>"
        for text, span in [("STT", "rowspan=2"), ("Lương", "colspan=2"), ("Thực lĩnh", "rowspan=2")]
    )
    below = f"<{tag}>Hệ số</{tag}><{tag}>Phụ cấp</{tag}>"
    rows = "<tr><td>1</td><td>2,34</td><td>500.000</td><td>4.710.600</td></tr>" * 2
    page = read_html(f"<table><tr>{top}</tr><tr>{below}</tr>{rows}</table>")
    (table,) = page.blocks
    assert isinstance(table, Table)
    assert table.header == ("STT", "Lương Hệ số", "Lương Phụ cấp", "Thực lĩnh")
    assert table.rows == (("1", "2,34", "500.000", "4.710.600"),) * 2


@pytest.mark.parametrize(
    ("rows", "header"),
    [
        ([["<b>Mã</b>", "<b>Tên</b>"], ["A1", "Bút"], ["A2", "Sổ"]], ("Mã", "Tên")),
        ([["Họ tên", "An"], ["Tuổi", "30"]], ()),
        ([["<b>Họ tên</b>", "An"], ["<b>Tuổi</b>", "30"]], ()),
    ],
)
def test_a_header_of_plain_cells_is_set_apart(rows: list[list[str]], header: tuple[str, ...]) -> None:
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    (table,) = read_html(f"<table>{body}</table>").blocks
    assert isinstance(table, Table)
    assert table.header == header
