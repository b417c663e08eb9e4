"""Presentations, one kind of content a case: visible words once and in order, hidden words nowhere.

Words that begin with "v" are visible, those that begin with "x" are hidden.
"""

# ruff: noqa: E501 (markup is clearer on one line)

import re
from pathlib import Path

import pptx as python_pptx
import pytest
from lxml import etree

from ingest.parsing import pptx
from ingest.parsing.diagrams import diagram_items
from phoserve.text.blocks import Place
from tests.support.parsed import document_text

_NAMES = (
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
    'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main" '
    'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math" '
    'xmlns:a14="http://schemas.microsoft.com/office/drawing/2010/main" '
    'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" '
    'xmlns:dgm="http://schemas.openxmlformats.org/drawingml/2006/diagram" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
)


def sp(*paragraphs: str, at: tuple[int, int] = (0, 0), hidden: bool = False, kind: str = "") -> str:
    """Return a shape; a paragraph is its words or its markup."""
    inner = "".join(f"<a:p>{part if part.startswith('<') else run(part)}</a:p>" for part in paragraphs)
    placeholder = f'<p:ph type="{kind}"/>' if kind else ""
    return (
        f'<p:sp><p:nvSpPr><p:cNvPr id="9" name="s"{" hidden=" + chr(34) + "1" + chr(34) if hidden else ""}/><p:cNvSpPr/><p:nvPr>{placeholder}</p:nvPr></p:nvSpPr>'
        f'<p:spPr><a:xfrm><a:off x="{at[0]}" y="{at[1]}"/><a:ext cx="100" cy="100"/></a:xfrm></p:spPr><p:txBody><a:bodyPr/>{inner}</p:txBody></p:sp>'
    )


def run(text: str) -> str:
    return f"<a:r><a:t>{text}</a:t></a:r>"


def group(*shapes: str, hidden: bool = False) -> str:
    mark = ' hidden="1"' if hidden else ""
    return f'<p:grpSp><p:nvGrpSpPr><p:cNvPr id="8" name="g"{mark}/><p:cNvGrpSpPr/><p:nvPr/></p:nvGrpSpPr><p:grpSpPr/>{"".join(shapes)}</p:grpSp>'


def either(choice: str, fallback: str) -> str:
    return f'<mc:AlternateContent><mc:Choice Requires="a14">{choice}</mc:Choice><mc:Fallback>{fallback}</mc:Fallback></mc:AlternateContent>'


def cell(content: str, attributes: str = "") -> str:
    return f"<a:tc{attributes}><a:txBody><a:bodyPr/><a:p>{content if content.startswith('<') else run(content)}</a:p></a:txBody></a:tc>"


def frame(*rows: str) -> str:
    inner = "".join(f"<a:tr>{one}</a:tr>" for one in rows)
    return f'<p:graphicFrame><p:nvGraphicFramePr><p:cNvPr id="7" name="t"/><p:cNvGraphicFramePr/><p:nvPr/></p:nvGraphicFramePr><a:graphic><a:graphicData><a:tbl><a:tblPr/>{inner}</a:tbl></a:graphicData></a:graphic></p:graphicFrame>'


def math(text: str) -> str:
    return f"<a14:m><m:oMathPara><m:oMath><m:r><m:t>{text}</m:t></m:r></m:oMath></m:oMathPara></a14:m>"


_KINDS = {
    "groups in groups": group(sp("v1"), group(sp("v2", at=(0, 200)))),
    "a hidden shape": sp("v1") + sp("xa", hidden=True) + sp("v2", at=(0, 900)),
    "a hidden shape in a group": group(sp("v1"), sp("xa", hidden=True)),
    "a hidden group": sp("v1") + group(sp("xa"), hidden=True),
    "a formula": sp(f"{run('v1 ')}{math('v2')}{run(' v3')}"),
    "a formula with a picture of it": either(sp(math("v1")), sp("xpicture")) + sp("v2", at=(0, 900)),
    "a formula in a cell": frame(cell("v1") + cell(math("v2")), cell("v3") + cell("v4")),
    "a field": sp('<a:fld type="datetime1"><a:t>v1</a:t></a:fld>'),
    "line breaks": sp(f"{run('v1')}<a:br/>{run('v2')}"),
    "merged cells": frame(cell("v1", ' gridSpan="2"') + cell("xa", ' hMerge="1"'), cell("v2") + cell("v3")),
    "page furniture": sp("v1") + sp("xfooter", kind="ftr") + sp("xdate", kind="dt") + sp("x9", kind="sldNum"),
    "a footer in a group": group(sp("v1"), sp("v2", at=(0, 300))),
    "two columns of shapes": sp("v1") + sp("v2", at=(500, 0)) + sp("v3", at=(0, 500)) + sp("v4", at=(500, 500)),
}


@pytest.mark.parametrize("kind", list(_KINDS))
def test_visible_words_are_read_once_in_order(tmp_path: Path, kind: str) -> None:
    presentation = python_pptx.Presentation()
    slide = presentation.slides.add_slide(presentation.slide_layouts[6])
    for element in etree.fromstring(f"<all {_NAMES}>{_KINDS[kind]}</all>"):
        slide.shapes._spTree.append(element)
    presentation.save(str(tmp_path / "a.pptx"))
    found = re.findall(r"\b[vx][^\W_]+", document_text(pptx.parse(tmp_path / "a.pptx")))
    assert found == sorted(set(re.findall(r"\bv\d\b", _KINDS[kind])))


def smart_art(points: dict[str, str], links: list[tuple[str, str, int]], *, placeholders: str = "") -> etree._Element:
    """Return a data part: texts by id, and which is below which, at which place."""
    shapes = "".join(
        f'<dgm:pt modelId="{name}"><dgm:prSet phldr="{int(name in placeholders)}"/><dgm:t><a:p>{run(text)}</a:p></dgm:t></dgm:pt>'
        for name, text in points.items()
    )
    others = '<dgm:pt modelId="d" type="doc"/><dgm:pt modelId="q" type="pres"><dgm:t><a:p><a:r><a:t>x</a:t></a:r></a:p></dgm:t></dgm:pt>'
    lines = "".join(f'<dgm:cxn srcId="{above}" destId="{below}" srcOrd="{n}"/>' for above, below, n in links)
    lines += '<dgm:cxn type="presOf" srcId="a" destId="q" srcOrd="0"/>'
    return etree.fromstring(
        f"<dgm:dataModel {_NAMES}><dgm:ptLst>{others}{shapes}</dgm:ptLst><dgm:cxnLst>{lines}</dgm:cxnLst></dgm:dataModel>"
    )


def test_smart_art_is_a_list_in_the_order_of_its_outline() -> None:
    points = {"c": "Kho", "a": "Giám đốc", "e": "[Văn bản]", "b": "Kế toán"}
    root = smart_art(points, [("d", "a", 0), ("a", "c", 1), ("a", "b", 0), ("d", "e", 1)], placeholders="e")
    items = list(diagram_items(root, Place()))
    assert [(item.level, item.text) for item in items] == [(1, "Giám đốc"), (2, "Kế toán"), (2, "Kho")]


def test_damaged_smart_art_loses_no_word() -> None:
    root = smart_art({"a": "một", "b": "hai", "c": "ba"}, [("a", "b", 0), ("b", "a", 0), ("d", "c", 0)])
    assert sorted(item.text for item in diagram_items(root, Place())) == ["ba", "hai", "một"]
