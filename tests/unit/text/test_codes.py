"""Numbers and codes: every usual spelling has the same canonical form, and other numbers have others."""

import re
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
        ["0966 048 764", "0084966048764", "(+84)966048764", "84966048764", "tel:+84966048764", "+84 (0)966 048 764"],
        ["(028) 3822 1234", "028.3822.1234", "(84-28) 38221234", "+84 28 3822 1234", "(028)3822.1234"],
        ["1900 1234", "1900.1234", "19001234", "1900-12-34"],
        ["0312345678-001", "0312345678 - 001", "03 1234 5678-001", "0312345678–001", "0312345678001"],
        ["500k", "500 nghìn", "500.000đ", "500.000 VNĐ", "500,000 VND", "500.000,00", "500000", "₫500.000", "500 ngan"],
        ["4,5 triệu", "4.5tr", "4tr5", "4tr500", "4 triệu 5", "4 triệu rưỡi", "4.500.000 đồng", "4500000"],
        ["1 tỷ 2", "1,2 tỷ", "1 tỉ 200 triệu", "1.200 triệu", "1.200.000.000"],
        ["US$1,200", "$1,200.00", "1200 USD", "1.200 đô la", "usd1200", "1200$"],
        ["1/5/2026", "01.05.2026", "ngày 1-5-26", "2026-05-01T08:30:00", "1 tháng 5, 2026", "20260501", "May 1, 2026"],
        ["tháng 5/2026", "T5/2026", "05-2026", "2026-05", "thang 5 2026", "tháng 05, năm 2026"],
        ["quý 2 năm 2026", "Quý II/2026", "Q2/2026", "q2 2026", "quy ii nam 2026"],
        ["8h30", "08:30", "8 giờ 30", "8g30", "8 giờ 30 phút", "8 giờ rưỡi", "8:30:00"],
        ["20h30", "8 giờ 30 tối", "8:30 PM"],
        ["5kg", "5 kg", "5.0 kg", "5 ki-lô-gam", "5 KG", "5 ký"],
        ["120m2", "120 m²", "120 mét vuông", "120 met vuong"],
        ["38°C", "38 độ C", "38oC", "38℃"],
        ["v1.2.3", "1.2.3", "phiên bản 1.2.3", "ver. 1.2.3", "version 1.2.3"],
        ["10-15", "10 - 15", "10–15", "10 đến 15", "từ 10 tới 15"],
        ["khóa XV", "khoá 15", "khóa thứ 15", "KHÓA XV"],
        ["thế kỷ XX", "thế kỉ 20", "the ky thu 20"],
        ["Q.1", "Quận 1", "q1", "quan 1"],
        ["TCVN 5574:2018", "TCVN5574-2018", "TCVN-5574:2018", "tcvn 5574 2018"],
        ["51F-123.45", "51F12345", "51f 123.45", "51-F 12345"],
        ["29-H1 123.45", "29H112345", "29h1-123.45"],
        ["00:1A:2B:3C:4D:5E", "00-1a-2b-3c-4d-5e", "001A2B3C4D5E", "00 1a 2b 3c 4d 5e"],
        ["Node.js", "nodejs", "NodeJS", "node js"],
        ["Node.js 18", "NodeJS 18", "node js 18", "nodejs v18"],
        ["C# 12", "C#12", "csharp 12"],
        ["hai mươi lăm triệu đồng", "25 triệu", "25tr", "25.000.000đ", "hai muoi lam trieu", "Hai Mươi Nhăm Triệu"],
        ["năm trăm nghìn", "500k", "500.000", "nam tram ngan"],
        ["một tỷ hai", "1 tỷ 2", "1.200.000.000"],
        ["hai triệu rưỡi", "2,5 triệu", "2.500.000", "hai triệu năm trăm nghìn", "2tr5"],
        ["tám mươi sáu phần trăm", "86%", "86 phần trăm"],
        ["hai mươi ki-lô-gam", "20kg"],
        ["quý hai năm 2026", "Quý II/2026", "Q2/2026", "2Q26", "2Q2026"],
        ["tháng mười hai năm 2026", "12/2026"],
        ["giai đoạn thứ ba", "giai đoạn III", "giai đoạn 3"],
        ["9h-13h", "9h00 đến 13h00", "09:00 - 13:00", "9 giờ đến 13 giờ"],
        ["7/5 - 12/5/2026", "07-12/5/2026", "từ 7/5/2026 đến 12/5/2026", "từ ngày 7 đến ngày 12 tháng 5 năm 2026"],
        ["30-54 kg", "từ 30kg đến 54kg", "30 đến 54 kilogam"],
        ["2034-2035", "2034-35", "2034/2035"],
        ["61 km/h", "61km/giờ", "61 kmh"],
        ["máy lẻ 5134", "ext. 5134", "may le: 5134", "số lẻ 5134"],
        ["số 0017168", "No. 17168", "no.0017168"],
        ["10.16.147.29", "10.16.147.29/24", "10.16.147.29:8080", "http://10.16.147.29/"],
        ["P.308", "phòng 308", "p308"],
        ["DE34 3704 0044 0532 0130 00", "DE34370400440532013000", "de34 3704 0044 0532 0130 00"],
        ["DN4 7976470161", "DN47976470161"],
        ["QCVN 09:2099/BXD", "QCVN09:2099", "qcvn 09-2099"],
        ["20x30", "20 x 30", "20×30 cm", "20*30"],
        ["12,50", "12.5", "12,5"],
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
        ("nd 30 2020", "Nghị định 30/2020/NĐ-CP"),
        ("NĐ30/2020", "30/2020/NĐ-CP"),
        ("30-2020-NĐ-CP", "30/2020/NĐ-CP"),
        ("30/2020", "30/2020/NĐ-CP"),
        ("tt 01 2023", "Thông tư số 01/2023/TT-BNV"),
        ("TT-BNV", "Thông tư số 01/2023/TT-BNV"),
        ("QĐ-UBND 1234", "Quyết định 1234/QĐ-UBND"),
        ("cv 4821", "Công văn số 4821/BGDĐT-GDTH"),
        ("hợp đồng số 015 năm 2024", "015/2024/HĐLĐ"),
        ("AB12-0034", "mã SKU-AB12-0034"),
        ("0912345679", "0912 345 678 - 0913 345 679 - 0912 345 679"),
        ("0912345679", "ĐT: 0912 345 678/0912 345 679"),
        ("0912345678", "ĐT: 0912 345 678/0912 345 679"),
        ("0912345678", "ĐT: 0912.345.678 / 0912.345.679"),
        ("0912345679", "ĐT: 0912345678/0912345679"),
        ("0912345678", "ĐT: 0912345678/0912345679"),
        ("0312345678001", "0312345678 - 001"),
        ("0912345678", "0912 345 678, 0912 345 679"),
        ("0912345679", "0912 345 678; 0912 345 679"),
        ("0912345679", "0912.345.678-0912.345.679"),
        ("máy lẻ 3568", "028 3822 1234 - 3568"),
        ("028 3822 1234", "028 3822 1234 - 3568"),
        ("12/34 Nguyễn Trãi", "số nhà 12/34, đường Nguyễn Trãi"),
        ("www.cty.example.vn/tin/bai-12.html", "https://cty.example.vn/tin/bai-12.html#dau"),
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
        ("1.5", "15"), ("1,5 triệu", "15 triệu"), ("2,5%", "25%"), ("05/06/2026", "06/05/2026"), ("1,25", "125"),
        ("1.234.567", "1.234.56"), ("8h30", "8h03"), ("10h", "10h30"), ("7h", "19h"), ("2tr5", "25tr"),
        ("1 tỷ 2", "12 tỷ"),
        ("500k", "500 triệu"), ("hai mươi lăm", "hai mươi tư"), ("hai trăm linh năm", "hai trăm năm mươi"),
        ("năm mươi nghìn", "mười lăm nghìn"), ("một trăm mười", "một trăm mười một"),
        ("hai triệu rưỡi", "hai triệu ba"),
        ("khóa IX", "khóa XI"), ("quý I/2026", "quý II/2026"), ("tháng một năm 2026", "tháng mười một năm 2026"),
        ("45 km", "45 km/h"), ("5 kg", "5 g"), ("20 m", "20 m2"), ("20 m2", "20 m3"), ("10.1.61.4", "10.16.1.4"),
        ("http://10.1.61.4/", "http://10.16.1.4/"), ("v1.2.3", "v1.23"), ("C# 12", "C# 11"), (".NET 8", ".NET 6"),
        ("Node.js 18", "Vue.js 18"), ("P.308", "P.8"), ("máy lẻ 123", "máy lẻ 1234"), ("số 0012345", "số 0123450"),
        ("2034-35", "2035-36"), ("30-54 kg", "30-45 kg"), ("7-12/5/2026", "7-12/6/2026"), ("9h-13h", "9h-15h"),
        ("51F-123.45", "51F-123.54"), ("1C25TAA", "1K25TAA"), ("84 nghìn", "84 triệu"), ("1.5 GB", "15 GB"),
        ("12 tháng 5", "5 tháng 12"), ("QCVN 09:2019", "QCVN 09:2015"), ("Thông tư 5/2020", "Nghị định 5/2020"),
    ],
)  # fmt: skip
def test_other_numbers_have_other_forms(one: str, other: str) -> None:
    assert firsts(one)
    assert firsts(one).isdisjoint(firsts(other))


@pytest.mark.parametrize("text", ["năm 2019 2020", "", "không có gì", "45/13/2020", "12 tháng"])
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
    *(
        "kg",
        "kilo",
        "ki-lo",
        "met",
        "vuông",
        "m2",
        "độ",
        "C",
        "giờ",
        "h",
        "khóa",
        "thứ",
        "XV",
        "Q",
        "USD",
        "$",
        "x",
        "v",
        "nđ",
    ),
    *("5", "12", "31", "2026", "1.250.000", "12,5", "0912", "345", "679", "%", "/", "-", ".", ","),
]


@given(
    st.lists(
        st.sampled_from([*PARTS, "May", "june", "luật", "báo cáo", "a", "84", "(", "GB", "*", "℃", "_"]), max_size=12
    ),
    st.sampled_from(["", " "]),
)
def test_what_a_reader_reads_is_where_it_is_looked_for(parts: list[str], separator: str) -> None:
    lowered = fold(separator.join(parts).lower())
    for reader in _READERS:
        for match in reader.pattern.finditer(lowered):
            assert not reader.signs or any(sign in match[0] for sign in reader.signs)
            if reader.at == "number" and reader.after:
                [_, following] = re.split(r"^\d+", lowered[match.start() :])
                kind = " " if following[0].isspace() else "a" if following[0].isalpha() else following[0]
                assert kind in reader.after


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("(nghị định 86/2014)", "nd:86/2014"), ("Nghị định30/2020", "nd:30/2020"),
        ("Thông tư liên tịch số: 5/2012", "ttlt:5/2012"),
        ("công văn thứ 2", "thu:2"), ("mã31052026x", "date:2026-05-31"), ("(May 5th, 2026)", "date:2026-05-05"),
        ("ngày/5 may 2026", "date:2026-05-05"), ("the 5th of June, 2026", "date:2026-06-05"),
    ],
)  # fmt: skip
def test_numbers_are_found_among_other_signs(text: str, form: str) -> None:
    assert form in {form for code in codes_in(text) for form in code.forms}
