"""Canonical forms of what is counted by Arabic or Roman numbers: "khóa XV", "thế kỷ 20", "Q.1", "phường 5"."""

import re
from typing import Final

from phoserve.text.readers import ORDINAL_WORDS, Forms, Reader, arabic

_SHORT: Final = {"the ki": "the ky", "tk": "the ky", "q": "quan", "p": "phuong", "mau so": "mau"}
_PLAIN: Final = (
    "khoa", "the ky", "lan", "quan", "phuong", "tap", "quyen", "bai", "cap", "hang", "bac", "loai", "nhom", "ky", "dot",
    "vung", "khu", "giai doan", "ban", "bang", "hinh", "so", "tang", "phong", "lop", "to", "doi", "mau", "phan",
    "chuong", "ca", "thu", "phu luc", "buoc", "cau",
)  # fmt: skip
_NOUNS: Final = {noun: noun for noun in _PLAIN} | _SHORT
NOUN: Final = "|".join(sorted(_NOUNS, key=len, reverse=True))
ROMAN: Final = r"(?:x{1,2}(?:ix|iv|v?i{0,3})|ix|iv|v?i{1,3}|v)"
_ORDINAL: Final = re.compile(
    rf"(?P<noun>{NOUN})(?:(?:\.\s?|\s+)(?:thu\s+|so\s+)?"
    rf"(?P<number>\d{{1,3}}(?![\w%]|[.,/-]\d)|{ROMAN}(?![\w/]))|\s+thu\s+(?P<word>{'|'.join(ORDINAL_WORDS)})(?!\w))"
)
ORDINAL_WORD: Final = re.compile(rf"thu (?<![^\W_]....)(?P<number>(?:{'|'.join(ORDINAL_WORDS)})(?!\w))")


def _read_ordinal(match: re.Match[str]) -> Forms:
    number = match["number"] or str(ORDINAL_WORDS[match["word"]])
    return (f"{_NOUNS[match['noun']]}:{int(number) if number.isdigit() else arabic(number)}",)


def _read_district(match: re.Match[str]) -> Forms:
    return (f"{_NOUNS[match['noun']]}:{int(match['number'])}",)


def _read_room(match: re.Match[str]) -> Forms:
    return (f"phong:{match['number']}",)


_ROOM: Final = re.compile(r"p(?:\.\s?|\s)?(?P<number>\d{3,4})(?!\w|[.,/-]\d)")
_LONG_ROOM: Final = re.compile(r"phong\s+(?:so\s+)?(?P<number>\d{4})(?!\w|[.,/-]\d)")
_DISTRICT: Final = re.compile(r"(?P<noun>[qp])(?:\.\s?|\s)?(?P<number>\d{1,2})(?!\w|[.,/-]\d)")

ORDINAL_READERS: Final = (
    Reader(_ORDINAL, _read_ordinal, "noun", kind="number"),
    Reader(_DISTRICT, _read_district, "noun", kind="number"),
    Reader(_ROOM, _read_room, "noun", kind="number"),
    Reader(_LONG_ROOM, _read_room, "noun", kind="number"),
)
