"""Presentations: slides in order, each with its title, text in reading order, tables, charts and notes."""

import random
from pathlib import Path

import pptx as python_pptx
import pytest
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.presentation import Presentation
from pptx.util import Cm

from ingest.parsing import pptx
from ingest.parsing.faults import Unreadable
from phoserve.text.blocks import Heading, ListItem, Paragraph, ParsedDocument, Table
from phoserve.text.structure import render_blocks
from tests.support.parsed import document_text, once_in_order, table_of, words_of

TITLE_ONLY, BLANK = 5, 6
WORDS = ["doanh", "thu", "chi", "phí", "lợi", "nhuận", "khách", "hàng", "kế", "hoạch"]


def saved(presentation: Presentation, folder: Path) -> ParsedDocument:
    presentation.save(str(folder / "a.pptx"))
    return pptx.parse(folder / "a.pptx")


def texts(document: ParsedDocument) -> list[str]:
    return document_text(document).split("\n")


def add_box(slide: object, text: str, left: float, top: float) -> None:
    shape = slide.shapes.add_textbox(Cm(left), Cm(top), Cm(8), Cm(1))  # type: ignore[attr-defined]
    shape.text_frame.text = text


def test_titles_notes_and_hidden_slides(tmp_path: Path) -> None:
    presentation = python_pptx.Presentation()
    for title in ("Kế hoạch", "Nháp", "Nhân sự"):
        slide = presentation.slides.add_slide(presentation.slide_layouts[1])
        slide.shapes.title.text = title
        slide.placeholders[1].text = f"Ý của {title}"
        slide.notes_slide.notes_text_frame.text = f"Nói về {title}"
    presentation.slides[1]._element.set("show", "0")
    document = saved(presentation, tmp_path)
    assert texts(document) == [
        "Kế hoạch",
        "Ý của Kế hoạch",
        "Nói về Kế hoạch",
        "Nhân sự",
        "Ý của Nhân sự",
        "Nói về Nhân sự",
    ]
    assert [block.place.slide for block in document.blocks if isinstance(block, Heading)] == [1, 3]
    assert [(warning.code, warning.place.slide) for warning in document.warnings] == [("hidden_content", 2)]
    assert document.title == "Kế hoạch"


def test_shapes_are_read_as_they_are_placed(tmp_path: Path) -> None:
    presentation = python_pptx.Presentation()
    slide = presentation.slides.add_slide(presentation.slide_layouts[TITLE_ONLY])
    for text, left, top in (("d", 12, 10.2), ("b", 12, 5), ("c", 1, 10), ("a", 1, 5.2)):
        add_box(slide, text, left, top)
    slide.shapes.title.text = "Đầu"
    assert texts(saved(presentation, tmp_path)) == ["Đầu", "a", "b", "c", "d"]


def test_groups_levels_and_numbers(tmp_path: Path) -> None:
    presentation = python_pptx.Presentation()
    slide = presentation.slides.add_slide(presentation.slide_layouts[BLANK])
    group = slide.shapes.add_group_shape()
    for n, text in enumerate(["trong nhóm một", "trong nhóm hai"]):
        group.shapes.add_textbox(Cm(1), Cm(1 + 2 * n), Cm(5), Cm(1)).text_frame.text = text
    frame = slide.shapes.add_textbox(Cm(1), Cm(10), Cm(8), Cm(4)).text_frame
    for n, text in enumerate(["Bước", "Con", "Bước nữa"]):
        paragraph = frame.paragraphs[0] if n == 0 else frame.add_paragraph()
        paragraph.text, paragraph.level = text, n % 2
        paragraph._p.get_or_add_pPr().append(
            paragraph._p.makeelement(
                "{http://schemas.openxmlformats.org/drawingml/2006/main}buAutoNum", {"type": "arabicPeriod"}
            )
        )
    document = saved(presentation, tmp_path)
    items = [(block.number, block.text, block.level) for block in document.blocks if isinstance(block, ListItem)]
    assert items == [("1.", "Bước", 1), ("1.", "Con", 2), ("2.", "Bước nữa", 1)]
    assert texts(document)[:2] == ["trong nhóm một", "trong nhóm hai"]


def test_tables_with_merged_cells(tmp_path: Path) -> None:
    presentation = python_pptx.Presentation()
    slide = presentation.slides.add_slide(presentation.slide_layouts[BLANK])
    table = slide.shapes.add_table(3, 3, Cm(1), Cm(1), Cm(20), Cm(5)).table
    for n, text in enumerate(["Vị trí", "Số lượng", "Ghi chú", "Kế toán", "3", "x", "Lái xe", "5", ""]):
        table.cell(n // 3, n % 3).text = text
    table.cell(1, 2).merge(table.cell(2, 2))
    found = table_of(saved(presentation, tmp_path))
    assert (found.header, found.rows) == (
        ("Vị trí", "Số lượng", "Ghi chú"),
        (("Kế toán", "3", "x"), ("Lái xe", "5", "")),
    )


def test_a_chart_is_the_table_of_its_data(tmp_path: Path) -> None:
    presentation = python_pptx.Presentation()
    slide = presentation.slides.add_slide(presentation.slide_layouts[TITLE_ONLY])
    slide.shapes.title.text = "Doanh thu"
    data = CategoryChartData(number_format="0.0%")
    data.categories = ["Quý I", "Quý II"]
    data.add_series("Miền Trung", (0.192, 0.214))
    data.add_series("Miền Nam", (0.3, None))
    frame = slide.shapes.add_chart(XL_CHART_TYPE.LINE, Cm(1), Cm(4), Cm(15), Cm(10), data)
    frame.chart.has_title = True
    frame.chart.chart_title.text_frame.text = "Tăng trưởng"
    found = table_of(saved(presentation, tmp_path))
    assert found.caption == "Tăng trưởng"
    assert found.header == ("", "Miền Trung", "Miền Nam")
    assert found.rows == (("Quý I", "19,2%", "30,0%"), ("Quý II", "21,4%", ""))


def test_a_slide_without_a_title_takes_its_largest_line(tmp_path: Path) -> None:
    presentation = python_pptx.Presentation()
    slide = presentation.slides.add_slide(presentation.slide_layouts[BLANK])
    add_box(slide, "Đơn vị: Phòng Kế toán", 1, 1)
    shape = slide.shapes.add_textbox(Cm(1), Cm(5), Cm(8), Cm(2))
    shape.text_frame.text = "BÁO CÁO QUÝ"
    shape.text_frame.paragraphs[0].runs[0].font.size = Cm(1)
    document = saved(presentation, tmp_path)
    assert document.title == "BÁO CÁO QUÝ"
    assert [type(block) for block in document.blocks] == [Heading, Paragraph]


@pytest.mark.parametrize("seed", range(10))
def test_round_trip_keeps_every_visible_word_once_in_order(tmp_path: Path, seed: int) -> None:
    random_ = random.Random(seed)
    presentation = python_pptx.Presentation()
    expected: list[str] = []

    def sentence() -> str:
        text = (
            " ".join(
                random_.choices(["doanh", "thu", "chi", "phí", "lợi", "nhuận", "khách", "hàng", "kế", "hoạch"], k=6)
            )
            + f" {random_.randint(1, 9999)}"
        )
        expected.extend(words_of(text))
        return text

    for number in range(random_.randint(3, 8)):
        slide = presentation.slides.add_slide(presentation.slide_layouts[1])
        if number % 4 == 3:
            slide.shapes.title.text, slide.placeholders[1].text = "MẬT", "BÍ MẬT"
            slide._element.set("show", "0")
            continue
        slide.shapes.title.text = sentence()
        slide.placeholders[1].text = "\n".join(sentence() for _ in range(3))
        table = slide.shapes.add_table(2, 2, Cm(1), Cm(30), Cm(20), Cm(3)).table
        for cell in (table.cell(row, column) for row in range(2) for column in range(2)):
            cell.text = sentence()
        slide.notes_slide.notes_text_frame.text = sentence()
    text = document_text(saved(presentation, tmp_path))
    assert once_in_order(expected, words_of(text)) >= 0.995
    assert "MẬT" not in text


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\0" * 100])
def test_a_damaged_file_is_unreadable(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.pptx").write_bytes(content)
    with pytest.raises(Unreadable):
        pptx.parse(tmp_path / "a.pptx")


def test_only_tables_are_tables(tmp_path: Path) -> None:
    presentation = python_pptx.Presentation()
    slide = presentation.slides.add_slide(presentation.slide_layouts[BLANK])
    add_box(slide, "chữ", 1, 1)
    assert not any(isinstance(block, Table) for block in saved(presentation, tmp_path).blocks)


def test_text_in_old_fonts_is_read_as_it_is_drawn(tmp_path: Path) -> None:
    presentation = python_pptx.Presentation()
    slide = presentation.slides.add_slide(presentation.slide_layouts[5])
    slide.shapes.title.text = "Mã số Võ Lý"
    paragraph = slide.shapes.add_textbox(Cm(1), Cm(6), Cm(10), Cm(3)).text_frame.paragraphs[0]
    table = slide.shapes.add_table(2, 2, Cm(1), Cm(10), Cm(10), Cm(3)).table
    for (row, column), text in {(0, 0): "A", (0, 1): "B", (1, 0): "x"}.items():
        table.cell(row, column).text = text
    cell = table.cell(1, 1).text_frame.paragraphs[0]
    runs = [(paragraph, "Bà: ", ""), (paragraph, "Céng h", ".VnTime"), (paragraph, "ßa", ".VnTime")]
    for target, text, font in [*runs, (paragraph, " ®éc lËp", ".VnTimeH"), (cell, "Coäng hoøa", "VNI-Times")]:
        run = target.add_run()
        run.text, run.font.name = text, font or None
    presentation.save(str(tmp_path / "a.pptx"))
    document = pptx.parse(tmp_path / "a.pptx")
    assert render_blocks(document.blocks).text == "Mã số Võ Lý\nBà: Cộng hòa ĐỘC LẬP\n\nA | B\nx | Cộng hòa"
    assert [warning.code for warning in document.warnings] == ["text_repaired"]
