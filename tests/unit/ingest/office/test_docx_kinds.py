"""Word documents, one kind of content a case: visible words once and in order, hidden words nowhere.

Words that begin with "v" are visible, those that begin with "x" are hidden.
"""

# ruff: noqa: E501 - a case a line

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.parsing import docx
from phoserve.text.blocks import ParsedDocument
from tests.support import hostile
from tests.support.parsed import document_text

_SPACES = {
    "w": "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
    "m": "http://schemas.openxmlformats.org/officeDocument/2006/math",
    "mc": "http://schemas.openxmlformats.org/markup-compatibility/2006",
    "wp": "http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing",
    "a": "http://schemas.openxmlformats.org/drawingml/2006/main",
    "wps": "http://schemas.microsoft.com/office/word/2010/wordprocessingShape",
    "wpg": "http://schemas.microsoft.com/office/word/2010/wordprocessingGroup",
    "wpc": "http://schemas.microsoft.com/office/word/2010/wordprocessingCanvas",
    "w14": "http://schemas.microsoft.com/office/word/2010/wordml",
    "v": "urn:schemas-microsoft-com:vml",
    "o": "urn:schemas-microsoft-com:office:office",
    "r": "http://schemas.openxmlformats.org/officeDocument/2006/relationships",
}
_NAMES = " ".join(f'xmlns:{prefix}="{name}"' for prefix, name in _SPACES.items() if prefix != "w")
_BY = 'w:id="1" w:author="A"'


def t(text: str, properties: str = "") -> str:
    """Return a run."""
    return f'<w:r><w:rPr>{properties}</w:rPr><w:t xml:space="preserve"> {text} </w:t></w:r>'


def p(*content: str) -> str:
    """Return a paragraph of runs; words become a run."""
    return f"<w:p>{''.join(part if part.startswith('<') else t(part) for part in content)}</w:p>"


def mark(kind: str, inner: str = "") -> str:
    return f'<w:r><w:fldChar w:fldCharType="{kind}">{inner}</w:fldChar></w:r>'


def code(text: str) -> str:
    return f"<w:r><w:instrText> {text} </w:instrText></w:r>"


def complex_field(instruction: str, result: str) -> str:
    return f"{mark('begin')}{code(instruction)}{mark('separate')}{result}{mark('end')}"


def form_field(kind: str, data: str, result: str = "") -> str:
    shown = f"{mark('separate')}{result}" if result else ""
    return f"{mark('begin', f'<w:ffData>{data}</w:ffData>')}{code(kind)}{shown}{mark('end')}"


def control(properties: str, content: str) -> str:
    return f"<w:sdt><w:sdtPr>{properties}</w:sdtPr><w:sdtContent>{content}</w:sdtContent></w:sdt>"


def drawing(*shapes: str, group: str = "") -> str:
    inner = "".join(shapes)
    inner = f"<wpg:{group}>{inner}</wpg:{group}>" if group else inner
    return f"<w:r><w:drawing><wp:anchor><a:graphic><a:graphicData>{inner}</a:graphicData></a:graphic></wp:anchor></w:drawing></w:r>"


def shape(*paragraphs: str) -> str:
    return f"<wps:wsp><wps:txbx><w:txbxContent>{''.join(paragraphs)}</w:txbxContent></wps:txbx></wps:wsp>"


def vml(*paragraphs: str) -> str:
    return f"<v:shape><v:textbox><w:txbxContent>{''.join(paragraphs)}</w:txbxContent></v:textbox></v:shape>"


def either(choice: str, fallback: str, *, requires: str = "wps") -> str:
    return (
        f'<mc:AlternateContent><mc:Choice Requires="{requires}">{choice}</mc:Choice>'
        f"<mc:Fallback>{fallback}</mc:Fallback></mc:AlternateContent>"
    )


def row(*cells: str, properties: str = "") -> str:
    filled = "".join(f"<w:tc>{cell if cell.startswith('<') else p(cell)}</w:tc>" for cell in cells)
    return f"<w:tr><w:trPr>{properties}</w:trPr>{filled}</w:tr>"


def table(*rows: str) -> str:
    return f"<w:tbl><w:tblPr><w:tblBorders><w:top w:val='single'/></w:tblBorders></w:tblPr>{''.join(rows)}</w:tbl>"


def math(content: str) -> str:
    return f"<m:oMath>{content}</m:oMath>"


def mt(text: str) -> str:
    return f"<m:r><m:t>{text}</m:t></m:r>"


def e(name: str, text: str) -> str:
    return f"<m:{name}>{mt(text)}</m:{name}>"


_DELETED = f"<w:del {_BY}><w:r><w:delText> xgone </w:delText></w:r></w:del>"
_BOX = shape(p("v2 v3"))
_BOTH_BOXES = either(_BOX, "<w:pict>" + vml(p("v2 v3")) + "</w:pict>")
_CELL_IN_CONTROL = control("", "<w:tc>" + p("v1") + "</w:tc>")
_SMART_TAG = "<w:smartTag>" + t("v2") + "</w:smartTag>"
_KINDS = {
    "text box of old and new Word": p("v1", f"<w:r>{_BOTH_BOXES}</w:r>", "v1b"),
    "two boxes in one group": p("v1", drawing(shape(p("v2")), shape(p("v3")), group="wgp")),
    "a group of groups": p(drawing(f"<wpg:grpSp>{shape(p('v1'))}<wpg:grpSp>{shape(p('v2'))}</wpg:grpSp></wpg:grpSp>", group="wgp")),
    "a box in a box": p("v1", drawing(shape(p("v2", drawing(shape(p("v3"))))))),
    "a box in a cell": table(row("v1", p("v2", drawing(shape(p("v3"))))), row("v4", "v5")),
    "a box that only old Word has": p("v1", f"<w:r><w:pict>{vml(p('v2'))}</w:pict></w:r>"),
    "a group of old Word": p(f"<w:r><w:pict><v:group>{vml(p('v1'))}<v:group>{vml(p('v2'))}</v:group></v:group></w:pict></w:r>"),
    "old WordArt": p("v1", '<w:r><w:pict><v:shape><v:textpath string="v2 v3"/></v:shape></w:pict></w:r>'),
    "runs with alternatives": p("v1", either(t("v2"), t("v2"), requires="w14"), "v3"),
    "texts with alternatives": p("v1", f'<w:r>{either("<w:t> v2 </w:t>", "<w:t> v2 </w:t>", requires="w14")}</w:r>', "v3"),
    "an emoji with alternatives": p("v1", f'<w:r>{either("<w14:symEx/>", "<w:t> v2 </w:t>", requires="w14")}</w:r>', "v3"),
    "blocks with alternatives": either(p("v1"), p("v1"), requires="w14") + p("v2"),
    "a control around paragraphs": control("<w:text/>", p("v1") + p("v2")) + p("v3"),
    "controls within controls": control("", control("", p("v1", control("", t("v2"))))) + p("v3"),
    "a control in a line": p("v1", control("<w:date/>", t("v2")), "v3"),
    "a control around a row": table(row("v1", "v2"), control("", row("v3", "v4")), row("v5", "v6")),
    "a control around a cell": table(f"<w:tr>{_CELL_IN_CONTROL}<w:tc>{p('v2')}</w:tc></w:tr>", row("v3", "v4")),
    "a control that is not filled in": p("v1", control("<w:showingPlcHdr/>", t("xplaceholder")), "v2"),
    "a chosen entry": p(control('<w:dropDownList><w:listItem w:displayText="xother" w:value="1"/></w:dropDownList>', t("v1"))),
    "a repeated section": control("<w:repeatingSection/>", control("<w:repeatingSectionItem/>", table(row("v1", "v2"), row("v3", "v4")))),
    "a field with its result": p("v1", complex_field("REF xname \\h", t("v2")), "v3"),
    "fields within fields": p(complex_field(f"IF </w:instrText></w:r>{complex_field('MERGEFIELD xa', t('xb'))}<w:r><w:instrText> = 1 xyes", t("v1")), "v2"),
    "a field without a result": p("v1", f"{mark('begin')}{code('XE xindex')}{mark('end')}", "v2"),
    "a simple field": p('<w:fldSimple w:instr="DOCPROPERTY xp">' + t("v1") + "</w:fldSimple>", "v2"),
    "a typed form field": p("v1", form_field("FORMTEXT", '<w:textInput><w:default w:val="xdefault"/></w:textInput>', t("v2")), "v3"),
    "a chosen form field": p("v1", form_field("FORMDROPDOWN", '<w:ddList><w:result w:val="1"/><w:listEntry w:val="xa"/><w:listEntry w:val="v2"/></w:ddList>'), "v3"),
    "a form field at its first entry": p("v1", form_field("FORMDROPDOWN", '<w:ddList><w:listEntry w:val="v2"/><w:listEntry w:val="xb"/></w:ddList>'), "v3"),
    "a hyperlink": p("v1", f'<w:hyperlink r:id="r1">{t("v2")}</w:hyperlink>', "v3"),
    "a ruby": p(f"<w:r><w:ruby><w:rt>{t('xguide')}</w:rt><w:rubyBase>{t('v1')}</w:rubyBase></w:ruby></w:r>", "v2"),
    "a row of hidden texts": table(row("v1", "v2"), row(p(t("xa", "<w:vanish/>")), p(t("xb", "<w:vanish/>")), properties="<w:hidden/>"), row("v3", "v4")),
    "a deleted row": table(row("v1", "v2"), row("xa", "xb", properties=f"<w:del {_BY}/>"), row("v3", "v4")),
    "an inserted row": table(row("v1", "v2"), row("v3", "v4", properties=f"<w:ins {_BY}/>")),
    "changes in a cell": table(row("v1", p(_DELETED, f"<w:ins {_BY}>{t('v2')}</w:ins>")), row("v3", "v4")),
    "a deleted cell": table(row("v1", "v2"), f"<w:tr><w:tc>{p('v3')}</w:tc><w:tc><w:tcPr><w:cellDel {_BY}/></w:tcPr>{p('xa')}</w:tc></w:tr>"),
    "a moved row": table(row("v1", "v2"), row(p(f"<w:moveFrom {_BY}>{t('xa')}</w:moveFrom>"), p(f"<w:moveFrom {_BY}>{t('xb')}</w:moveFrom>"), properties=f"<w:del {_BY}/>"), row(p(f"<w:moveTo {_BY}>{t('v3')}</w:moveTo>"), "v4", properties=f"<w:ins {_BY}/>")),
    "deleted boxes": p("v1", f"<w:del {_BY}>{drawing(shape(p('xa')))}</w:del>", "v2"),
    "changes in a formula": p("v1", math(f"{mt('v2')}<w:del {_BY}>{mt(' xa')}</w:del><w:ins {_BY}>{mt('+v3')}</w:ins>")),
    "a matrix": p(math(f"<m:m><m:mr>{e('e', 'v1')}{e('e', 'v2')}</m:mr><m:mr>{e('e', 'v3')}{e('e', 'v4')}</m:mr></m:m>")),
    "equations below each other": p(math(f"<m:eqArr>{e('e', 'v1')}{e('e', 'v2')}</m:eqArr>")),
    "limits and functions": p(math(f"<m:func><m:fName><m:limLow>{e('e', 'v1')}{e('lim', 'v2')}</m:limLow></m:fName>{e('e', 'v3')}</m:func>")),
    "scripts before": p(math(f"<m:sPre>{e('sub', 'v1')}{e('sup', 'v2')}{e('e', 'v3')}</m:sPre>")),
    "accents, bars and boxes": p(math(f"<m:acc>{e('e', 'v1')}</m:acc><m:bar>{e('e', '+v2')}</m:bar><m:box>{e('e', '+v3')}</m:box>")),
    "parentheses": p(math(f'<m:d><m:dPr><m:begChr m:val="["/></m:dPr>{e("e", "v1")}{e("e", "v2")}</m:d>')),
    "a formula of its own": f"<w:p><m:oMathPara>{math(mt('v1'))}</m:oMathPara></w:p>{p('v2')}",
    "a formula in a cell": table(row(p(math(mt("v1"))), "v2"), row("v3", "v4")),
    "a formula in a hyperlink": p(f'<w:hyperlink r:id="r1">{math(mt("v1"))}</w:hyperlink>', "v2"),
    "hidden marks of paragraphs": f"<w:p><w:pPr><w:rPr><w:vanish/><w:specVanish/></w:rPr></w:pPr>{t('v1')}</w:p>{p('v2')}",
    "hidden text in a cell": table(row("v1", p(t("xa", "<w:vanish/>"), "v2")), row("v3", "v4")),
    "hidden text in a box": p("v1", drawing(shape(p(t("xa", "<w:vanish/>"), "v2")))),
    "hidden on the web alone": p(t("v1", "<w:webHidden/>")),
    "a hidden drawing": p("v1", t("v2"), f"<w:r><w:rPr><w:vanish/></w:rPr>{drawing(shape(p('xa')))[5:]}", "v3"),
    "a comment's range": p(f'<w:commentRangeStart w:id="0"/>{t("v1")}<w:commentRangeEnd w:id="0"/>', '<w:r><w:commentReference w:id="0"/></w:r>', "v2"),
    "a frame": f"<w:p><w:pPr><w:framePr w:w='100'/></w:pPr>{t('v1')}</w:p>{p('v2')}",
    "directions of text": p(f"<w:bdo w:val='ltr'>{t('v1')}</w:bdo><w:dir w:val='ltr'>{t('v2')}</w:dir>", "v3"),
    "custom markup": f"<w:customXml>{p('v1')}</w:customXml>{p(_SMART_TAG, 'v3')}",
}  # fmt: skip


def read(folder: Path, xml: str) -> ParsedDocument:
    body = re.sub(r"<w:(p|tbl|sdt|customXml)\b", rf"<w:\1 {_NAMES}", xml)
    body = body.replace("<mc:AlternateContent>", f"<mc:AlternateContent {_NAMES}>")
    (folder / "a.docx").write_bytes(hostile.docx(body))
    return docx.parse(folder / "a.docx")


def words(document: ParsedDocument) -> list[str]:
    return re.findall(r"[vx][^\W_]+", document_text(document))


@pytest.mark.parametrize("kind", list(_KINDS))
def test_visible_words_are_read_once_in_order(tmp_path: Path, kind: str) -> None:
    expected = set(re.findall(r"\bv\d+b?\b", _KINDS[kind]))
    assert words(read(tmp_path, _KINDS[kind])) == sorted(expected)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(sorted(_KINDS)), min_size=2, max_size=25))
def test_kinds_after_each_other_keep_every_visible_word_once_in_order(tmp_path: Path, kinds: list[str]) -> None:
    bodies, expected = [], []
    for number, kind in enumerate(kinds):
        bodies.append(re.sub(r"\bv(\d)", rf"v{number:02d}\1", _KINDS[kind]))
        expected += sorted(set(re.findall(r"\bv\d+b?\b", bodies[-1])))
    assert words(read(tmp_path, "".join(bodies))) == expected


@pytest.mark.parametrize(
    ("opening", "closing", "depth"),
    [
        ("<w:tbl><w:tr><w:tc><w:p><w:r><w:t> v{} </w:t></w:r></w:p>", "</w:tc></w:tr></w:tbl>", 80),
        ("<w:sdt><w:sdtContent><w:p><w:r><w:t> v{} </w:t></w:r></w:p>", "</w:sdtContent></w:sdt>", 110),
        ("<w:ins><w:p><w:r><w:t> v{} </w:t></w:r></w:p>", "</w:ins>", 200),
    ],
    ids=["table", "control", "insertion"],
)
def test_nothing_is_too_deep_to_be_read(tmp_path: Path, opening: str, closing: str, depth: int) -> None:
    nested = "".join(opening.format(number) for number in range(depth)) + closing * depth
    assert sorted(words(read(tmp_path, nested))) == sorted(f"v{number}" for number in range(depth))
