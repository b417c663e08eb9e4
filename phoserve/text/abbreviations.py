"""Abbreviations of offices and laws, and what they stand for: "BHXH" is "bảo hiểm xã hội", "TP.HCM" a city."""

import re
from typing import Final

from phoserve.text.folding import fold
from phoserve.text.tones import modern_tones

_MEANINGS: Final = {
    "bhxh": "bảo hiểm xã hội",
    "bhyt": "bảo hiểm y tế",
    "bhtn": "bảo hiểm thất nghiệp",
    "hđlđ": "hợp đồng lao động",
    "nlđ": "người lao động",
    "nsdlđ": "người sử dụng lao động",
    "tnlđ": "tai nạn lao động",
    "bllđ": "bộ luật lao động",
    "ubnd": "ủy ban nhân dân",
    "hđnd": "hội đồng nhân dân",
    "hđqt": "hội đồng quản trị",
    "đhđcđ": "đại hội đồng cổ đông",
    "cccd": "căn cước công dân",
    "cmnd": "chứng minh nhân dân",
    "cmtnd": "chứng minh thư nhân dân",
    "gtgt": "giá trị gia tăng",
    "tncn": "thu nhập cá nhân",
    "tndn": "thu nhập doanh nghiệp",
    "mst": "mã số thuế",
    "đkkd": "đăng ký kinh doanh",
    "tnhh": "trách nhiệm hữu hạn",
    "tmcp": "thương mại cổ phần",
    "dnnn": "doanh nghiệp nhà nước",
    "cbcnv": "cán bộ công nhân viên",
    "cbnv": "cán bộ nhân viên",
    "ctv": "cộng tác viên",
    "ktv": "kỹ thuật viên",
    "khcn": "khoa học công nghệ",
    "cntt": "công nghệ thông tin",
    "csdl": "cơ sở dữ liệu",
    "csgt": "cảnh sát giao thông",
    "pccc": "phòng cháy chữa cháy",
    "atgt": "an toàn giao thông",
    "attp": "an toàn thực phẩm",
    "vsattp": "vệ sinh an toàn thực phẩm",
    "atvslđ": "an toàn vệ sinh lao động",
    "bvmt": "bảo vệ môi trường",
    "qsdđ": "quyền sử dụng đất",
    "gcnqsdđ": "giấy chứng nhận quyền sử dụng đất",
    "kcn": "khu công nghiệp",
    "kpcđ": "kinh phí công đoàn",
    "ktx": "ký túc xá",
    "ttxvn": "thông tấn xã việt nam",
    "thpt": "trung học phổ thông",
    "thcs": "trung học cơ sở",
    "gdđt": "giáo dục đào tạo",
    "đhqg": "đại học quốc gia",
    "hssv": "học sinh sinh viên",
    "gplx": "giấy phép lái xe",
    "nhnn": "ngân hàng nhà nước",
    "vbqppl": "văn bản quy phạm pháp luật",
    "qppl": "quy phạm pháp luật",
    "xhcn": "xã hội chủ nghĩa",
    "mttq": "mặt trận tổ quốc",
    "tand": "tòa án nhân dân",
    "vksnd": "viện kiểm sát nhân dân",
    "blhs": "bộ luật hình sự",
    "blds": "bộ luật dân sự",
    "sđt": "số điện thoại",
    "stk": "số tài khoản",
    "đtdđ": "điện thoại di động",
    "tphcm": "thành phố hồ chí minh",
}
_CITY: Final = re.compile(r"\btp\s?[.,]?\s?hcm\b")
_WORD: Final = re.compile(r"[^\W_]+")
_BY_ABBREVIATION: Final = {fold(short): meaning for short, meaning in _MEANINGS.items()}
_BY_MEANING: Final = {fold(modern_tones(meaning)): short for short, meaning in _MEANINGS.items()}
_MEANING: Final = re.compile(rf"(?<!\w)(?:{'|'.join(sorted(_BY_MEANING, key=len, reverse=True))})(?!\w)")


_KNOWN: Final = frozenset({*_BY_ABBREVIATION, "tp", "hcm", "tphcm"})


def is_abbreviation(word: str) -> bool:
    """Return whether `word` is an abbreviation that is known here, in any case and with or without diacritics."""
    return fold(word.lower()) in _KNOWN


def meanings_in(text: str) -> list[str]:
    """Return what the abbreviations in `text` stand for, in any case and with or without diacritics, each once."""
    plain = _CITY.sub("tphcm", fold(text.lower()))
    found = [_BY_ABBREVIATION[word] for word in _WORD.findall(plain) if word in _BY_ABBREVIATION]
    return [modern_tones(meaning) for meaning in dict.fromkeys(found)]


def abbreviations_in(text: str) -> list[str]:
    """Return the abbreviations of what `text` has in full, each once: of "thành phố Hồ Chí Minh" also "hcm"."""
    plain = fold(modern_tones(text.lower()))
    found = list(dict.fromkeys(_BY_MEANING[match[0]] for match in _MEANING.finditer(plain)))
    return [*found, "hcm"] if "tphcm" in found else found
