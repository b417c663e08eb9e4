"""Word documents typed in .VnTime and VNI-Times, in part or as a whole; and packages that other programs write."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import docx
import pytest
from docx.enum.style import WD_STYLE_TYPE

from ingest.parsing.docx import parse
from ingest.parsing.media import DOCX, media_type_of
from ingest.parsing.word.styles import W
from tests.support.parsed import document_text


@pytest.mark.parametrize("where", ["run", "character style", "paragraph style", "default"])
def test_a_run_in_an_old_font_next_to_unicode(tmp_path: Path, where: str) -> None:
    document = docx.Document()
    paragraph = document.add_paragraph("Bà Võ Lý: " if where in ("run", "character style") else "")
    run = paragraph.add_run("Céng hßa x· héi")
    if where == "run":
        run.font.name = ".VnTime"
    elif where == "character style":
        style = document.styles.add_style("Cũ", WD_STYLE_TYPE.CHARACTER)
        style.font.name = ".VnTimeH"
        run.style = style
    elif where == "paragraph style":
        document.styles["Normal"].font.name = ".VnTime"
    else:
        fonts = document.styles.element.find(f"{W}docDefaults/{W}rPrDefault/{W}rPr/{W}rFonts")
        assert fonts is not None
        fonts.set(f"{W}hAnsi", "VNI-Times")
        run.text = "Coäng hoøa xaõ hoäi"
    document.save(str(tmp_path / "a.docx"))
    found = parse(tmp_path / "a.docx")
    shown = {"run": "Bà Võ Lý: Cộng hòa xã hội", "character style": "Bà Võ Lý: CỘNG HÒA XÃ HỘI"}
    assert document_text(found) == shown.get(where, "Cộng hòa xã hội")
    assert [warning.code for warning in found.warnings] == ["text_repaired"]


def test_unicode_in_an_old_font_is_kept(tmp_path: Path) -> None:
    document = docx.Document()
    document.styles["Normal"].font.name = ".VnTime"
    document.add_paragraph("Cộng hòa xã hội chủ nghĩa, café, résumé")
    document.save(str(tmp_path / "a.docx"))
    assert document_text(parse(tmp_path / "a.docx")) == "Cộng hòa xã hội chủ nghĩa, café, résumé"


@pytest.mark.parametrize(
    "change", [lambda name: name.replace("/", "\\"), str.lower, str.upper, lambda name: f"/{name}"]
)
def test_a_package_with_names_of_parts_as_other_programs_write_them(
    tmp_path: Path, change: Callable[[str], str]
) -> None:
    document = docx.Document()
    document.add_paragraph("Điều 1")
    document.save(str(tmp_path / "b.docx"))
    with zipfile.ZipFile(tmp_path / "b.docx") as source, zipfile.ZipFile(tmp_path / "a.docx", "w") as target:
        for name in source.namelist():
            target.writestr(change(name), source.read(name))
    assert media_type_of(tmp_path / "a.docx", "", "a.docx") == DOCX
    assert document_text(parse(tmp_path / "a.docx")) == "Điều 1"
