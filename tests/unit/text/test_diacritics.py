"""Diacritics of queries, by the shipped model: plain, mixed, Telex, typing errors; nothing else is touched."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoserve.text.diacritics import MODEL_PATH, DiacriticRestorer, pack_keys, shipped_restorer, unpack_keys
from phoserve.text.folding import fold
from phoserve.text.telex import from_telex, from_vni
from training.typed import vni


@pytest.fixture(scope="module")
def restorer() -> DiacriticRestorer:
    return shipped_restorer()


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("nghi phep nam", "nghỉ phép năm"),
        ("NGHI PHEP NAM", "NGHỈ PHÉP NĂM"),
        ("Cong ty co phan", "Công ty cổ phần"),
        ("phong chay chua chay", "phòng cháy chữa cháy"),
        ("gui xe o dau?", "gửi xe ở đâu?"),
        ("cai dat wifi", "cài đặt wifi"),
        ("BHXH la gi", "BHXH là gì"),
        ("ban hành luat đất đai", "ban hành luật đất đai"),
        ("nghir phesp nawm", "nghỉ phép năm"),
        ("nghi pehp nam", "nghỉ phép năm"),
        ("quy dinh ve gio lam viec ko", "quy định về giờ làm việc không"),
        ("phi ship bao nhieu", "phí ship bao nhiêu"),
        ("doi hang trong bao nhieu ngay", "đổi hàng trong bao nhiêu ngày"),
        ("dang ky ket hon co mat tien khong", "đăng ký kết hôn có mất tiền không"),
        ("mat the goi so nao", "mất thẻ gọi số nào"),
        ("order bao lau co hang", "order bao lâu có hàng"),
        ("wifi mat khau la gi", "wifi mật khẩu là gì"),
        ("thong tin ve E-4013 va bao-cao.xlsx", "thông tin về E-4013 và bao-cao.xlsx"),
    ],
)
def test_what_was_meant(restorer: DiacriticRestorer, typed: str, meant: str) -> None:
    restored = restorer.restore(typed)
    assert restored.text == meant
    assert restored.is_confident


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "?",
        "12 345",
        "how to reset the password",
        "can I take annual leave",
        "machine learning",
        "nghỉ phép năm",
        "xe máy gửi ở tầng hầm",
        "LaserJet Pro",
        "x" * 5000,
        "nghi " * 5000,
    ],
)
def test_what_stays(restorer: DiacriticRestorer, typed: str) -> None:
    assert restorer.restore(typed).text == typed


@given(st.text(st.sampled_from("abcdeghiklmnopqrstuvxy đơưêâăéừợ ,.-0"), max_size=40))
def test_any_text_can_be_restored(typed: str) -> None:
    restored = shipped_restorer().restore(typed)
    assert 0 < restored.probability <= 1
    assert len(restored.text.split()) == len(typed.split())


@given(
    st.lists(st.sampled_from(["nghi", "phep", "nam", "cong", "ty", "o", "dau", "gui", "xe"]), min_size=1, max_size=12)
)
def test_only_diacritics_are_added_to_plain_syllables(words: list[str]) -> None:
    typed = " ".join(words)
    assert fold(shipped_restorer().restore(typed).text) == typed


@pytest.mark.parametrize(
    ("keys", "syllable"),
    [
        ("nghir", "nghỉ"),
        ("dduowngf", "đường"),
        ("duongwf", "dường"),
        ("quoocs", "quốc"),
        ("hoaf", "hoà"),
        ("giuwx", "giữ"),
        ("tooi", "tôi"),
        ("nam", "nam"),
        ("xyz", "xyz"),
        ("đã", "đã"),
    ],
)
def test_telex(keys: str, syllable: str) -> None:
    assert from_telex(keys) == syllable


@given(st.lists(st.integers(0, 2**62), unique=True).map(sorted))
def test_keys_survive_packing(keys: list[int]) -> None:
    assert unpack_keys(pack_keys(np.array(keys, np.int64))).tolist() == keys


def test_the_model_is_small() -> None:
    assert MODEL_PATH.stat().st_size <= 5_000_000


@pytest.mark.parametrize(
    ("typed", "spelled"),
    [
        ("nghi3 phe1p na8m", "nghỉ phép năm"),
        ("d9uo7ng2 so61", "đường số"),
        ("nghiphep nam", "nghi phep nam"),
        ("nghỉphép", "nghỉ phép"),
        ("(baohiemxahoi)", "(bao hiem xa hoi)"),
        ("Quyđịnh", "Quy định"),
    ],
)
def test_words_are_spelled_out(restorer: DiacriticRestorer, typed: str, spelled: str) -> None:
    assert restorer.spell_out(typed) == spelled


@pytest.mark.parametrize(
    "typed",
    [
        "taxi video menu camera vitamin online email marketing laptop smartphone",
        "loi database timeout kubernetes astrazeneca techcombank",
        "covid19 h2o b2b q1 to2 mp3 word2vec E4013 51F12345",
        "a@b.vn https://noi-bo.example.vn bao-cao-05.xlsx",
        "nghỉ phép năm 2026",
        "Richelieu và Mahatma Tagore là ai",
        "sông Loire ở Paname, Dominicana",
    ],
)
def test_other_words_stay(restorer: DiacriticRestorer, typed: str) -> None:
    assert restorer.spell_out(typed) == typed


@given(st.text(max_size=200))
def test_spelling_out_keeps_all_but_keys_and_blanks(text: str) -> None:
    spelled = shipped_restorer().spell_out(text)
    assert len(spelled.split()) >= len(text.split())


@pytest.mark.parametrize(
    "query", ["Nghỉ phép năm của nhân viên", "Đường số bảy được mở rộng", "Uỷ ban huyện quyết định"]
)
def test_vni_is_read_back(query: str) -> None:
    assert [from_vni(word) for word in vni(query.lower()).split()] == query.lower().split()
