import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoserve.text.blocks import Block, Heading, Paragraph
from phoserve.text.leaders import collapse_leaders, is_mostly_leaders
from phoserve.text.structure import render_blocks


@pytest.mark.parametrize(
    ("text", "collapsed"),
    [
        ("Họ và tên: ..............................", "Họ và tên: ..."),
        ("Họ và tên:…………………… Ngày sinh: ___________", "Họ và tên:... Ngày sinh: ..."),
        ("Số: ….. /QĐ-.......", "Số: ... /QĐ-..."),
        ("Ngày .... tháng .... năm ......", "Ngày ... tháng ... năm ..."),
        ("Chương 1 ........................ 5", "Chương 1 ... 5"),
        (". . . . . . . .", "..."),
        ("........... ........... ………… ......", "..."),
        ("----------\nNơi nhận:", "...\nNơi nhận:"),
        ("ông A… và bà B... đã đến.", "ông A… và bà B... đã đến."),
        ("1.2.3.4 và 2024-05-31 -- v.v.", "1.2.3.4 và 2024-05-31 -- v.v."),
        ("C:\\\\file_name__x.py a..b", "C:\\\\file_name__x.py a..b"),
    ],
)
def test_leaders_become_an_ellipsis(text: str, collapsed: str) -> None:
    assert collapse_leaders(text) == collapsed


@given(st.text(alphabet="aă1 .…_-\n", max_size=60))
def test_everything_else_is_kept(text: str) -> None:
    collapsed = collapse_leaders(text)
    assert [each for each in collapsed if each.isalnum()] == [each for each in text if each.isalnum()]
    assert collapsed.count("\n") == text.count("\n")
    assert collapse_leaders(collapsed) == collapsed


@pytest.mark.parametrize(
    "hostile", ["." * 1_000_000, ". " * 500_000, "…a" * 300_000, "._" * 400_000, "..  " * 250_000, "... " * 250_000]
)
def test_long_leaders_take_linear_time(hostile: str) -> None:
    began = time.process_time()
    collapse_leaders(hostile)
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    ("heading", "names_nothing"),
    [
        ("................... 1 ...................", True),
        ("Ban hành (Phê duyệt) ……….5 ……………", True),
        ("QUY TRÌNH ...", False),
        ("Điều 5. Trách nhiệm của ……", False),
        ("1", False),
        ("", False),
    ],
)
def test_a_heading_of_leaders_names_nothing(heading: str, names_nothing: bool) -> None:
    assert is_mostly_leaders(heading) is names_nothing


def test_the_section_before_a_heading_of_leaders_continues() -> None:
    blocks: list[Block] = [
        Heading(text="Mẫu 1.4", level=2),
        Heading(text="........ 1 ........", level=1),
        Paragraph(text="Căn cứ luật"),
    ]
    elements = render_blocks(blocks).elements
    assert elements[-1].headings == ("Mẫu 1.4",)
