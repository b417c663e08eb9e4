import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoserve.text import sentences


def split(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


@pytest.mark.parametrize(
    "parts",
    [
        ["Trời mưa.", "Tôi ở nhà!", "Còn bạn?", "Ừ…", "Vậy thôi."],
        ["Tôi sống ở TP. Hồ Chí Minh.", "ThS. Nguyễn Văn A. Bình và PGS.TS. Trần B. cũng vậy."],
        ["Giá là 1.000.000 đồng.", "Nó tăng 3.5% năm 2024.", "Rồi giảm."],
        ["Điều 5. Phạm vi điều chỉnh"],
        ["Theo quy định tại khoản 2 Điều 5.", "Trường hợp khác thì không."],
        ["1. Nguyên tắc chung.", "Mọi người bình đẳng."],
        ["“Anh đi đâu?”", "Tôi hỏi.", "(Không ai đáp.)", "Im lặng..."],
        ["Có gạo, ngô, v.v.", "Ngoài ra có khoai."],
        ["Anh ấy nói... rồi thôi.", "Hết."],
        ["Xem www.moh.gov.vn để biết.", "Gửi a@b.vn."],
        ["你好。", "再见！"],
        ["Dòng một", "Dòng hai"],
        ["Dòng này còn\ntiếp ở đây.", "Hết"],
    ],
)
def test_sentences(parts: list[str]) -> None:
    assert split(" ".join(parts)) == parts or split("\n".join(parts)) == parts


def test_a_blank_line_ends_a_sentence() -> None:
    assert split("một\n \nhai") == ["một", "hai"]


@given(st.text(st.sampled_from('aA.!?…"”) \n1。') | st.characters(exclude_categories=["Cs"]), max_size=80))
def test_all_but_white_space_is_in_one_sentence(text: str) -> None:
    spans = sentences(text)
    assert "".join("".join(text[start:end].split()) for start, end in spans) == "".join(text.split())
    assert all(text[start:end].strip() == text[start:end] != "" for start, end in spans)
    assert spans == sorted(spans)
