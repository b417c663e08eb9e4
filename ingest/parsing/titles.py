"""The title of a Vietnamese administrative document: its kind in capitals, and what it is about."""

import re
from collections.abc import Sequence
from typing import Final

from phoserve.text.blocks import Block, Heading, Paragraph
from phoserve.text.normalise import compose

_LAWS: Final = "LUẬT|BỘ LUẬT|PHÁP LỆNH|LỆNH|SẮC LỆNH"
_KINDS: Final = (
    "QUYẾT ĐỊNH|NGHỊ ĐỊNH|THÔNG TƯ|THÔNG TƯ LIÊN TỊCH|NGHỊ QUYẾT|NGHỊ QUYẾT LIÊN TỊCH|CHỈ THỊ|TỜ TRÌNH|BÁO CÁO|KẾ HOẠCH"
    "|THÔNG BÁO|THÔNG CÁO|HƯỚNG DẪN|CHƯƠNG TRÌNH|PHƯƠNG ÁN|ĐỀ ÁN|DỰ ÁN|QUY CHẾ|QUY ĐỊNH|QUY TRÌNH|NỘI QUY|ĐIỀU LỆ"
    "|BIÊN BẢN|HỢP ĐỒNG|PHỤ LỤC HỢP ĐỒNG|CÔNG ĐIỆN|BẢN GHI NHỚ|BẢN THỎA THUẬN|GIẤY|PHIẾU|ĐƠN"
)
_KIND: Final = re.compile(
    rf"(?:DỰ THẢO )?(?:(?P<law>{_LAWS})|{_KINDS})(?: [A-ZĐÀ-Ỹ0-9][A-ZĐÀ-Ỹ0-9 ,\-–/()]{{0,150}})?[:.]?"
)
_NO_SUBJECT: Final = re.compile(
    r"(?:kính gửi|căn cứ|số|hôm nay|xét|theo|điều|chúng tôi|tôi|bên|họ và tên|phần|chương)\b.*"
    r"|.*\bngày\b.*\d.*|.*[.:;,…]",
    re.IGNORECASE,
)
_APPENDIX: Final = re.compile(r"phụ lục\b(?! hợp đồng)", re.IGNORECASE)
_MOTTO: Final = re.compile(r"cộng h(?:òa|oà) x[ãẳ] hội chủ nghĩa|độc lập\W+tự do\W+hạnh phúc", re.IGNORECASE)
_ARTICLE: Final = re.compile(r"điều \d+\b", re.IGNORECASE)
_WITHIN: Final = 25
"""Blocks from the beginning within which the kind is looked for: the letterhead comes before it."""
_LONGEST: Final = 300
_LONGEST_SUBJECT: Final = 220


def administrative_title(blocks: Sequence[Block]) -> str:
    """Return the kind of a document and its subject, such as "QUYẾT ĐỊNH Về việc nâng lương"; "" if it has none."""
    lines = _lines(blocks)
    for at, line in enumerate(lines):
        if _APPENDIX.match(line):
            return ""
        kind = _KIND.fullmatch(line)
        if kind is None:
            continue
        subject = lines[at + 1] if at + 1 < len(lines) else ""
        is_subject = 0 < len(subject) <= _LONGEST_SUBJECT and not _NO_SUBJECT.fullmatch(subject)
        is_subject = is_subject and (not subject.isupper() or kind["law"] is not None)
        title = f"{line.rstrip(':.')} {subject}" if is_subject else line.rstrip(":.")
        return title[:_LONGEST]
    return ""


def better_title(title: str, blocks: Sequence[Block]) -> str:
    """Return the administrative title of a document that has no title, or a line of its letterhead for one."""
    is_none = _MOTTO.search(compose(title)) is not None or _ARTICLE.match(compose(title)) is not None
    found = administrative_title(blocks)
    if not found:
        return "" if is_none else title
    known = " ".join(compose(title).split()).casefold()
    lines = [line.casefold() for line in _lines(blocks)]
    above = lines[: next((n for n, line in enumerate(lines) if line and found.casefold().startswith(line)), 0)]
    continues = known.startswith(found.casefold()) and known != found.casefold()
    return found if not known or is_none or known in above or continues else title


def _lines(blocks: Sequence[Block]) -> list[str]:
    texts = (block.text for block in blocks[:_WITHIN] if isinstance(block, Heading | Paragraph))
    return [" ".join(compose(line).split()) for text in texts for line in text.split("\n")]
