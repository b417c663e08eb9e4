"""Numbers and codes: every usual spelling has the same canonical form, and other numbers have others."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoserve.text.codes import _READERS, codes_in
from phoserve.text.folding import fold
from phoserve.text.query import codes_asked


def forms(text: str) -> set[str]:
    return {form for code in codes_in(text, query=True) for form in code.forms}


def firsts(text: str) -> set[str]:
    return {code.forms[0] for code in codes_asked(text)}


@pytest.mark.parametrize(
    "spellings",
    [
        ["0912 345 678", "0912.345.678", "0912-345-678", "(+84) 912 345 678", "+84 912345678", "+84912345678"],
        ["(+84) 24-3826-9999", "84 24 3826 9999", "024 3826 9999", "(024) 3826-9999", "0084 24 3826 9999"],
        ["1903 3456 7890 12", "1903.3456.7890.12", "19033456789012"],
        ["4.560.000", "4,560,000", "4 560 000", "4560000", "4.560.000đ", "4,56 triệu", "4 triệu 560 nghìn", "4.56 tr"],
        ["1e6e79b8-8543-4867-ac22-6c9827d272c5", "1E6E79B885434867AC226C9827D272C5"],
        ["E-4013", "E4013", "e4013", "E_4013", "E 4013", "e 4013", "(E-4013)"],
        ["HĐ-2026050", "hđ 2026050", "HD2026050", "hd.2026050"],
        ["3,5%", "3.5 %", "3,50%", "3.5 phần trăm"],
        ["bao-cao-05.xlsx", "bao_cao_05.xlsx", "BaoCao05.xlsx"],
        ["LaserJet-Pro_M404dn", "LaserJet Pro-M404dn".replace(" ", "-")],
    ],
)
def test_spellings_of_one_number_meet(spellings: list[str]) -> None:
    wanted = firsts(spellings[0])
    assert wanted
    for spelling in spellings:
        assert wanted & (forms(spelling) | firsts(spelling)), spelling


@pytest.mark.parametrize(
    ("asked", "written"),
    [
        ("nghị định số 30 năm 2020", "Nghị định 30/2020/NĐ-CP về công tác văn thư"),
        ("Nghị định 30/2020", "theo Nghị định số 30/2020/NĐ-CP"),
        ("30/2020/nd-cp", "Nghị định số: 30/2020/NĐ-CP"),
        ("nghi dinh 30", "30/2020/NĐ-CP"),
        ("quyết định 1234", "Quyết định số 1234/QĐ-BGDĐT"),
        ("luật 45/2019", "Bộ luật số 45/2019/QH14"),
        ("thông tư 78/2021", "78/2021/TT-BTC"),
        ("31-5-2026", "ngày 31 tháng 5 năm 2026"),
        ("31.05.26", "31/05/2026"),
        ("2026-05-31", "31/5/2026"),
        ("tháng 5/2026", "ký ngày 31/05/2026"),
        ("tháng 5 năm 2026", "05/2026"),
        ("ngày 31/5", "ngày 31 tháng 5 năm 2026"),
        ("huong-dan/vpn", "https://noi-bo.example.vn/huong-dan/vpn?ver=2"),
        ("noi-bo.example.vn", "https://noi-bo.example.vn/huong-dan/vpn?ver=2"),
        ("C++", "lập trình C++ 17"),
        ("c#", "C# trên máy trạm"),
        (".NET", "chạy trên .net."),
    ],
)
def test_what_is_asked_finds_what_is_written(asked: str, written: str) -> None:
    assert firsts(asked) & forms(written)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("0912 345 678", "0912 345 679"),
        ("4.560.000", "4.560.001"),
        ("31/05/2026", "30/05/2026"),
        ("30/2020/NĐ-CP", "30/2021/NĐ-CP"),
        ("E-4013", "E-4012"),
        ("3,5%", "3,6%"),
        ("C++", "C#"),
    ],
)
def test_other_numbers_have_other_forms(one: str, other: str) -> None:
    assert firsts(one).isdisjoint(firsts(other))


@pytest.mark.parametrize(
    "text", ["năm 2019 2020", "10 - 20 km", "mục 1.2.3", "", "không có gì", "45/13/2020", "12 tháng"]
)
def test_other_numbers_are_no_codes(text: str) -> None:
    assert [code for code in codes_in(text) if not code.forms[0].startswith("day:")] == []


@given(st.integers(1_000, 10**12))
def test_amounts(amount: int) -> None:
    grouped = f"{amount:,}"
    for spelling in (grouped, grouped.replace(",", "."), grouped.replace(",", " ")):
        assert str(amount) in forms(f"tổng cộng {spelling} đồng")


@given(st.dates(date(2000, 1, 1), date(2099, 12, 31)))
def test_dates(day: date) -> None:
    spellings = [
        day.strftime("%d/%m/%Y"),
        f"{day.day}-{day.month}-{day.year}",
        day.strftime("%d.%m.%y"),
        day.isoformat(),
        f"ngày {day.day} tháng {day.month} năm {day.year}",
        f"ngay {day.day} thang {day.month} nam {day.year}",
    ]
    assert {frozenset(form for form in forms(each) if form.startswith("date:")) for each in spellings} == {
        frozenset([f"date:{day.isoformat()}"])
    }


@given(st.from_regex(r"0[35789][0-9]{8}", fullmatch=True), st.sampled_from(" .-"))
def test_phones(number: str, mark: str) -> None:
    assert number in forms(f"gọi {mark.join([number[:4], number[4:7], number[7:]])} nhé")
    assert number in forms(f"gọi +84{mark}{mark.join([number[1:4], number[4:7], number[7:]])} nhé")


@given(st.text(max_size=300))
def test_any_text_has_spans_within_it(text: str) -> None:
    for code in codes_in(text) + codes_asked(text):
        assert 0 <= code.start < code.end
        assert code.forms
        assert all(code.forms)


PARTS = [
    *("ngày", "mùng", "tháng", "năm", "số", "nghị", "định", "phần", "trăm", "triệu", "tỷ", "k", "QĐ"),
    *("5", "12", "31", "2026", "1.250.000", "12,5", "0912", "345", "679", "%", "/", "-", ".", ","),
]


@given(
    st.lists(
        st.sampled_from(PARTS),
        max_size=12,
    ),
    st.sampled_from(["", " "]),
)
def test_what_a_reader_reads_has_one_of_its_signs(parts: list[str], separator: str) -> None:
    lowered = fold(separator.join(parts).lower())
    for signs, pattern, _, begins, part in _READERS:
        for match in pattern.finditer(lowered):
            assert not signs or any(sign in match[0] for sign in signs)
            assert begins is None or begins.match(lowered, match.start())
            assert part is None or part.search(match[0])
