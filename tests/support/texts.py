"""Texts that have broken embedding services before, and enough ordinary ones around them."""

import random

ODD_TEXTS = (
    ".",
    "?!…",
    "\u200b",
    "a",
    "Ờ",
    "😀",
    "👨‍👩‍👧‍👦 gia đình 🇻🇳🇻🇳",
    "https://example.vn/tin-tuc?id=123&trang=2#binh-luan",
    "liên hệ: ho.tro@example.vn hoặc 0909.123.456",
    "1.000.000 đồng, 12,5%, 3/4, 2024-05-06, 23:59:59",
    "Điều 5. Khoản 2, điểm a) của Nghị định 30/2020/NĐ-CP",
    "x" * 3000,
    "việt nam " * 2500,
    "The quick brown fox jumps over con chó lười biếng",
    "日本語とタイ語 ภาษาไทย và tiếng Việt, русский язык, العربية",
    "Nga\u0300y mai tro\u031b\u0300i na\u0306\u0301ng",  # decomposed
    "hòa bình, hoà bình, thủy, thuỷ, khỏe, khoẻ",
    "từ_ghép đã_có gạch_dưới __ _ a_",
    "<s> </s> <pad> <unk> <mask> @@ </w>",
    "tab\tvà xuống\ndòng\r\n\n  nhiều   khoảng trắng  ",
    "\u202emệnh lệnh từ phải sang trái\u202c",
    "ＡＢＣ１２３ ﬁ ½ ² ™",
    "HÀ NỘI, TP. HỒ CHÍ MINH, ĐÀ NẴNG",
    "\ufeffdấu thứ tự byte ở đầu",
    "e\u0301" * 100,
)
_SYLLABLES = (
    "công ty chúng tôi cung cấp dịch vụ bảo hành sản phẩm điện tử tại hà nội và thành phố hồ chí minh khách hàng "
    "có thể liên hệ trực tiếp với nhân viên hỗ trợ kỹ thuật trong giờ hành chính để được tư vấn miễn phí"
)


def many_texts(count: int, *, seed: int = 0) -> list[str]:
    """All odd texts first, then made-up Vietnamese of 1 to 150 syllables."""
    rng = random.Random(seed)
    syllables = _SYLLABLES.split()
    made = [" ".join(rng.choices(syllables, k=rng.randint(1, 150))).capitalize() for _ in range(count)]
    return [*ODD_TEXTS, *made][:count]
