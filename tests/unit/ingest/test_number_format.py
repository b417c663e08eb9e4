"""Numbers as displayed: against what Excel shows for its own formats."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.parsing.number_codes import ENGLISH, VIETNAMESE, Style
from ingest.parsing.number_format import builtin_format, display, display_text, general, style_of


@pytest.mark.parametrize(
    ("value", "code", "shown"),
    [
        (0.08, "0%", "8%"),
        (0.085, "0.0%", "8,5%"),
        (12500000.5, "#,##0", "12.500.001"),
        (1234.5, "#,##0.00", "1.234,50"),
        (1234.5, "General", "1234,5"),
        (21.4, "General", "21,4"),
        (100, "General", "100"),
        (1e-05, "General", "0,00001"),
        (0.1 + 0.2, "General", "0,3"),
        (-1234, "#,##0;(#,##0)", "(1.234)"),
        (-1234, "#,##0", "-1.234"),
        (0, '#,##0;-#,##0;"-"', "-"),
        (1500000, '#,##0 "đ"', "1.500.000 đ"),
        (1500000, "#,##0\\ [$₫-42A]", "1.500.000 ₫"),
        (1500000, "[$$-409]#,##0.00", "$1.500.000,00"),
        (1234567, "#,##0,", "1.235"),
        (5, "00000", "00005"),
        (7, '"HĐ-"000', "HĐ-007"),
        (0.5, "# ?/?", "1/2"),
        (2.25, "# ?/?", "2 1/4"),
        (1.75, "# ??/??", "1 3/4"),
        (12345, "0.00E+00", "1,23E+04"),
        (12345, "##0.0E+0", "12,3E+3"),
        (5e-07, "0.0E-0", "5,0E-7"),
        (0, "0.0E+0", "0,0E+0"),
        (1234567.891, '_-* #,##0.00\\ "₫"_-;\\-* #,##0.00\\ "₫"_-', "1.234.567,89 ₫"),
        (12.5, "[$€-2] #,##0.00", "€ 12,50"),
        (12345, '[<1000]0;[<1000000]0.0,"K";0.0,,"M"', "12,3K"),
        (0, '"Có";"Không";"Không"', "Không"),
        (2, '[=1]"Nam";[=2]"Nữ";General', "Nữ"),
        (5, ";;;", ""),
        (0, "0;-0;;@", ""),
        (0.333, "# ?/8", "3/8"),
        (0.04166666, "[m]", "60"),
        (0.5, '[hh]"h"mm"ph"', "12h00ph"),
        (44926, "yyyy\\-mm\\-dd;@", "2022-12-31"),
        (0.5, "#,##0.##", "0,5"),
        (3, "0.##", "3"),
        (912345679, "0000\\ 000\\ 000", "0912 345 679"),
        (5, "[<10]0;[>=10]#,##0", "5"),
        (12.5, "GENERAL", "12,5"),
        (7, 'general" m²"', "7 m²"),
        (0, "#,###", ""),
        (0, "#", ""),
        (46026, "[$-409]d\\-mmm\\-yy;@", "4-Jan-26"),
        (46026, "[$-0409]mmmm dd, yyyy", "January 04, 2026"),
        (46026.75, "[$-409]h:mm AM/PM", "6:00 PM"),
        (46026.75, "h:mm AM/PM", "6:00 CH"),
        (46026, "dd/mm/yyyy", "04/01/2026"),
        (46026, "d/m/yy", "4/1/26"),
        (46026, "mm-dd-yy", "04/01/2026"),
        (46026, "yyyy-mm-dd", "2026-01-04"),
        (46026, '"Ngày "dd" tháng "mm" năm "yyyy', "Ngày 04 tháng 01 năm 2026"),
        (46026, "[$-42A]dd mmmm yyyy", "04 Tháng 1 2026"),
        (46026.5, "dd/mm/yyyy hh:mm", "04/01/2026 12:00"),
        (0.75, "h:mm AM/PM", "6:00 CH"),
        (0.30208333, "hh:mm:ss", "07:15:00"),
        (1.5, "[h]:mm", "36:00"),
        (0.0001, "mm:ss.0", "00:08,6"),
    ],
)
def test_a_number_is_shown_as_excel_shows_it(value: float, code: str, shown: str) -> None:
    assert display(value, code, VIETNAMESE) == shown


@pytest.mark.parametrize(
    ("value", "code", "shown"),
    [
        (1234567.891, "#,##0.00", "1,234,567.89"),
        (46026, "dddd, mmmm d, yyyy", "Sunday, January 4, 2026"),
        (46026, "d-mmm-yy", "4-Jan-26"),
        (0.75, "h:mm AM/PM", "6:00 PM"),
    ],
)
def test_an_english_document_has_english_separators_and_names(value: float, code: str, shown: str) -> None:
    assert display(value, code, ENGLISH) == shown


def test_the_date_system_of_old_macintosh_files() -> None:
    assert display(44564, "dd/mm/yyyy", Style(epoch_1904=True)) == "04/01/2026"


def test_text_formats_add_their_words() -> None:
    assert display_text("kho A", '0;0;0;"Tại: "@') == "Tại: kho A"
    assert display_text("kho A", "@") == "kho A"
    assert display_text("kho A", "#,##0") == "kho A"


def test_the_language_of_a_document_decides_on_separators() -> None:
    assert style_of("Monthly sales by region") == ENGLISH
    assert style_of("Doanh thu theo quý") == VIETNAMESE
    assert style_of("2026 12 31") == VIETNAMESE


@given(st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=30))
def test_no_format_fails(value: float, code: str) -> None:
    assert isinstance(display(value, code), str)


@given(st.integers(-(10**15), 10**15))
def test_grouping_loses_no_digit(value: int) -> None:
    assert display(value, "#,##0").replace(".", "") == str(value)


@given(st.decimals(-(10**6), 10**6, places=2))
def test_two_places_are_those_of_the_number(value: float) -> None:
    number = float(value)
    assert float(display(number, "0.00").replace(",", ".")) == pytest.approx(round(number, 2), abs=0.011)
    assert float(general(number).replace(",", ".")) == pytest.approx(number, rel=1e-9, abs=1e-9)


def test_a_format_fixed_to_a_language_names_months_in_it() -> None:
    assert display(46026, "[$-42A]d mmmm", ENGLISH) == "4 Tháng 1"
    assert display(46026, "[$-409]d mmmm", VIETNAMESE) == "4 January"
    assert display(46026, "[$-407]d mmmm", ENGLISH) == "4 January"


@pytest.mark.parametrize(
    ("number", "shown"), [(58, "04/01/2026"), (31, "04/01/2026"), (32, "12:00:00"), (47, "00:00,0")]
)
def test_built_in_formats_of_other_editions(number: int, shown: str) -> None:
    assert display(46026.5, builtin_format(number)) == shown
