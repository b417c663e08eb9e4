"""Queries as people type them, against small collections, with the bundled encoder: each finds its passage first."""

from collections.abc import Sequence
from pathlib import Path

import pytest

import export.bundled
from loadtests.code_kinds import MORE_KINDS
from loadtests.code_search import KINDS, Kind, generate, recalls
from loadtests.spelled_kinds import SPELLED_KINDS
from phoserve.search.highlights import highlights
from phoserve.text import Chunker
from training.quality import Corpus, Encoder, find

HANDBOOK = {
    "np": "Nghỉ phép\nNhân viên có mười hai ngày nghỉ phép mỗi năm, báo trước ba ngày.",
    "bh": "Bảo hiểm\nBảo hiểm y tế được mua cho mọi lao động từ tháng đầu tiên.",
    "gx": "Gửi xe\nXe máy gửi ở tầng hầm hai, thẻ gửi xe làm tại lễ tân.",
    "dl": "Đi làm\nGiờ đi làm là tám giờ sáng, được trễ mười phút.",
    "dg": "Đường\nCông trình trên đường số bảy đã hoàn thành.",
    "tl": "Thưởng\nThưởng lễ Quốc khánh là một triệu đồng.",
    "ma": "Ma\nChiếc ma túy bị thu giữ tại cửa khẩu.",
    "mua": "Mua\nMùa mưa năm nay đến sớm.",
    "kn": "Khiếu nại\nKhiếu nại về lương gửi cho phòng Nhân sự trong năm ngày.",
    "tt": "Thanh toán\nThanh toán qua chuyển khoản ngân hàng.",
}
TYPED = {
    "nghi phep": "np",
    "nghi phep nam": "np",
    "nghir phesp": "np",
    "NGHI PHEP": "np",
    "gio di lam": "dl",
    "duong so bay": "dg",
    "thuong le quoc khanh": "tl",
    "khieu nai luong": "kn",
    "gui xe o dau": "gx",
    "bao hiem y te": "bh",
    "chuyen khoan": "tt",
    "nghi3 phe1p": "np",
    "nghiphep": "np",
    "bảohiểm ytế": "bh",
    "BHYT": "bh",
    "the bhyt": "bh",
    "quyđịnh gửixe": "gx",
    "d9uo7ng2 so61 bay3": "dg",
    "GIO DI LAM ⏰": "dl",
}
CODES = {
    "g1": "Phiếu thiết bị 1e6e79b8-8543-4867-ac22-6c9827d272c5 đang chờ sửa.",
    "g2": "Phiếu thiết bị 1e6e79b8-8543-4867-ac22-6c9827d272c6 đã sửa xong.",
    "c1": "Quyết định số 1234/QĐ-BGDĐT ngày 05/06/2024 về tuyển sinh.",
    "c2": "Quyết định số 1235/QĐ-BGDĐT ngày 05/06/2024 về học phí.",
    "c3": "Nghị định 30/2020/NĐ-CP về công tác văn thư.",
    "p1": "Liên hệ anh Tùng theo số 0912 345 678 để nhận hàng.",
    "p2": "Liên hệ chị Mai theo số 0912.345.679 để trả hàng.",
    "p3": "Tổng đài hỗ trợ: (+84) 24-3826-9999.",
    "e1": "Mã lỗi E-4012: mất kết nối với máy in. Khởi động lại máy chủ in.",
    "e2": "Mã lỗi E-4013: hết giấy. Nạp thêm giấy vào khay.",
    "s1": "Số tài khoản 19033456789012 mở tại chi nhánh Đống Đa.",
    "m1": "Hóa đơn 4.560.000 đồng của tháng chín.",
    "l1": "Máy in HP LaserJet-Pro_M404dn đặt ở tầng ba.",
    "u1": "Hướng dẫn tại https://noi-bo.example.vn/huong-dan/vpn?ver=2 cho người mới.",
    "cp": "Cài đặt C++ 17 và C# trên máy trạm .NET.",
}
ASKED = {
    "0912 345 679": ("p2", "0912.345.679"),
    "0912345679": ("p2", "0912.345.679"),
    "0912.345.679": ("p2", "0912.345.679"),
    "0912.345.678": ("p1", "0912 345 678"),
    "+84 912 345 679": ("p2", "0912.345.679"),
    "84 24 3826 9999": ("p3", "(+84) 24-3826-9999"),
    "4560000": ("m1", "4.560.000"),
    "4,560,000": ("m1", "4.560.000"),
    "1903 3456 7890 12": ("s1", "19033456789012"),
    "huong-dan/vpn": ("u1", "https://noi-bo.example.vn/huong-dan/vpn?ver=2"),
    "E4013": ("e2", "E-4013"),
    "e 4012": ("e1", "E-4012"),
    "1e6e79b885434867ac226c9827d272c6": ("g2", "1e6e79b8-8543-4867-ac22-6c9827d272c6"),
    "quyết định 1235": ("c2", "Quyết định số 1235/QĐ-BGDĐT"),
    "nghị định số 30 năm 2020": ("c3", "Nghị định 30/2020/NĐ-CP"),
    "c#": ("cp", "C#"),
}


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(Path(export.bundled.__path__[0]))


def firsts(encoder: Encoder, texts: Sequence[str], queries: Sequence[str], mode: str) -> list[str]:
    found = find(encoder, queries, Corpus(encoder, texts))
    return [texts[ranking[0]] for ranking in found.rankings(mode, encoder.pipeline.contract.fusion)]  # type: ignore[call-overload]


@pytest.mark.parametrize("mode", ["hybrid", "lexical"])
def test_queries_without_diacritics(encoder: Encoder, mode: str) -> None:
    found = firsts(encoder, list(HANDBOOK.values()), list(TYPED), mode)
    assert dict(zip(TYPED, found, strict=True)) == {query: HANDBOOK[wanted] for query, wanted in TYPED.items()}


@pytest.mark.parametrize("mode", ["hybrid", "lexical"])
def test_numbers_and_codes(encoder: Encoder, mode: str) -> None:
    found = firsts(encoder, list(CODES.values()), list(ASKED), mode)
    assert dict(zip(ASKED, found, strict=True)) == {query: CODES[wanted] for query, (wanted, _) in ASKED.items()}


@pytest.mark.parametrize(("query", "wanted"), ASKED.items())
def test_the_number_itself_is_marked(query: str, wanted: tuple[str, str]) -> None:
    text = CODES[wanted[0]]
    assert wanted[1] in [text[start:end] for start, end in highlights(query, text, query)]


@pytest.mark.parametrize(
    ("query", "holds"),
    [
        ("Điều 11 quy định về gì?", "Điều 11. "),
        ("khoản 6 Điều 4", "6. Khoản 6 của điều 4."),
        ("Điểm b khoản 3 Điều 9", "b) Điểm b, khoản 3, điều 9."),
        ("dieu 9 khoan 2", "2. Khoản 2 của điều 9."),
    ],
)
def test_articles(encoder: Encoder, query: str, holds: str) -> None:
    filler = "Nội dung áp dụng thống nhất trong toàn hệ thống thư viện, trừ trường hợp có quyết định khác. " * 3

    def article(number: int) -> str:
        clauses = [f"{clause}. Khoản {clause} của điều {number}. {filler}" for clause in range(1, 8)]
        clauses[2] += f"\na) Điểm a, khoản 3, điều {number}.\nb) Điểm b, khoản 3, điều {number}."
        return f"Điều {number}. Nội dung thứ {number}\n" + "\n".join(clauses)

    chunks = Chunker(encoder.pipeline, max_tokens=224).chunk("\n".join(article(number) for number in range(1, 13)))
    texts = ["\n".join((*chunk.headings, chunk.text)) for chunk in chunks]
    assert holds in firsts(encoder, texts, [query], "hybrid")[0]


@pytest.mark.parametrize(
    ("seed", "kinds"), [(1, KINDS), (2, KINDS), (3, MORE_KINDS), (4, MORE_KINDS), (5, SPELLED_KINDS)]
)
def test_the_exact_number_comes_before_its_neighbour(encoder: Encoder, seed: int, kinds: Sequence[Kind]) -> None:
    texts, asked = generate(400, 200, seed=seed, kinds=kinds)
    found = find(encoder, [query.text for query in asked], Corpus(encoder, texts))
    for mode in ("hybrid", "lexical"):
        by_kind = recalls(found.rankings(mode, encoder.pipeline.contract.fusion), asked)
        assert sum(first for first, _ in by_kind.values()) >= 0.98 * len(asked)
