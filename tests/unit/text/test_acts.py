"""Acts of law: the number and name that a document has, and those that a query names."""

import pytest

from phoserve.text.acts import act_of, acts_asked, is_named
from phoserve.text.query import codes_asked

DECREE = "CHÍNH PHỦ\nSố: 12/2022/NĐ-CP\nCăn cứ Luật số 45/2019/QH14;\nĐiều 1. Phạm vi"


@pytest.mark.parametrize(
    "query",
    ["Điều 5 Nghị định 12/2022/NĐ-CP", "điều 5 nđ 12/2022", "nghị định số 12 năm 2022, điều 5", "dieu 5 nd 12/2022"],
)
def test_the_number_of_an_act_is_that_of_the_document_that_has_it_first(query: str) -> None:
    known = act_of("Nghị định xử phạt", DECREE)
    assert all(forms[0] in known for forms in acts_asked(codes_asked(query)))
    assert acts_asked(codes_asked(query))


@pytest.mark.parametrize(
    "query", ["Điều 5 Luật số 45/2019/QH14", "Điều 5 Nghị định 12/2021", "Điều 5 Thông tư 12/2022"]
)
def test_acts_that_a_document_cites_are_not_its_own(query: str) -> None:
    known = act_of("Nghị định xử phạt", DECREE)
    assert all(forms[0] not in known for forms in acts_asked(codes_asked(query)))
    assert acts_asked(codes_asked(query))


def test_the_number_in_the_title_comes_first() -> None:
    assert {"tt:5/2024", "legal:52024ttbxd"} <= set(act_of("Thông tư 05/2024/TT-BXD", DECREE))
    assert act_of("Ghi chú", "không có số") == ()


@pytest.mark.parametrize(
    ("title", "query", "is_of_it"),
    [
        ("Luật Đất đai", "Điều 5 Luật Đất đai", True),
        ("Luật Đất đai 2024", "dieu 5 luat dat dai", True),
        ("LUẬT ĐẤT ĐAI (sửa đổi)", "điều 5 luật đất đai 2024", True),
        ("Bộ luật Lao động", "điều 5 luật lao động", True),
        ("Bộ luật Lao động", "điều 5 BLLĐ", True),
        ("Luật Doanh nghiệp", "LDN điều 5", True),
        ("Luật Đất đai", "điều 5 luật nhà ở", False),
        ("Luật Nhà ở", "điều 5 luật nhà ở xã hội đen".replace("nhà ở", "nhà"), False),
        ("Sổ tay nhân viên", "điều 5 sổ tay nhân viên", False),
    ],
)
def test_names_of_acts(title: str, query: str, is_of_it: bool) -> None:
    assert is_named(title, query) is is_of_it
