"""Dates and times as a spreadsheet program displays them."""

import re
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from openpyxl.utils.datetime import MAC_EPOCH, WINDOWS_EPOCH

from ingest.parsing.number_codes import Style, Token, literal

_ELAPSED: Final = re.compile(r"h+|m+|s+", re.IGNORECASE)
_LANGUAGE: Final = re.compile(r"\$[^-]*-([0-9A-Fa-f]{1,8})")
_PRIMARY: Final = 0x3FF
_ENGLISH, _VIETNAMESE = 0x09, 0x2A
_LANGUAGES: Final = (_ENGLISH, _VIETNAMESE)
"""Primary languages of Windows (MS-LCID)."""
_MONTHS: Final = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
                  "November", "December")  # fmt: skip
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_DAYS_VI: Final = ("thứ hai", "thứ ba", "thứ tư", "thứ năm", "thứ sáu", "thứ bảy", "chủ nhật")
_LAST_SERIAL: Final = 2_958_466  # the first day of the year 10000


def is_date(tokens: tuple[Token, ...]) -> bool:
    """Return whether the tokens of a format code show a date, a time or a duration."""
    return _is_elapsed(tokens) or any(kind == "date" for kind, _ in tokens)


def _is_elapsed(tokens: tuple[Token, ...]) -> bool:
    return any(kind == "bracket" and _ELAPSED.fullmatch(text) for kind, text in tokens)


def display_date(value: float, tokens: tuple[Token, ...], style: Style) -> str:
    """Return a day number as displayed. Raises ValueError for a number that is no date."""
    if not 0 <= value < _LAST_SERIAL and not _is_elapsed(tokens):
        raise ValueError("no date")
    style = _in_language(tokens, style)
    fraction_marks = _second_places(tokens)
    seconds = Decimal(repr(value)) * 86400
    seconds = seconds.quantize(Decimal(1).scaleb(-fraction_marks), rounding=ROUND_HALF_UP)
    moment = None if _is_elapsed(tokens) else _moment(seconds, style)
    twelve = any(kind == "clock" for kind, _ in tokens)
    parts: list[str] = []
    for at, (kind, text) in enumerate(tokens):
        if kind == "bracket" and _ELAPSED.fullmatch(text):
            unit = {"h": 3600, "m": 60, "s": 1}[text[0].lower()]
            parts.append(str(int(seconds // unit)).zfill(len(text)))
        elif kind == "date":
            minutes = text[0] in "mM" and len(text) <= 2 and _means_minutes(tokens, at)
            parts.append(_date_part(moment, seconds, text, minutes=minutes, twelve=twelve, style=style))
        elif kind == "clock":
            hour = int(seconds // 3600) % 24
            names = ("SA", "CH") if style.vietnamese else ("AM", "PM")
            parts.append(names[hour >= 12])
        elif kind == "digits" and at and tokens[at - 1][0] == "point":
            parts.append(f"{seconds % 1:f}".partition(".")[2][: len(text)].ljust(len(text), "0"))
        elif kind in ("point", "comma"):
            followed = at + 1 < len(tokens) and tokens[at + 1][0] == "digits"
            parts.append(style.decimal if followed else "." if kind == "point" else ",")
        else:
            parts.append(literal(kind, text))
    return "".join(parts).strip()


def _in_language(tokens: tuple[Token, ...], style: Style) -> Style:
    """Return the style with names in the language that a format such as "[$-409]mmm" is fixed to."""
    for kind, text in tokens:
        if kind == "bracket" and (match := _LANGUAGE.fullmatch(text)):
            language = int(match[1], 16) & _PRIMARY
            return replace(style, vietnamese=language == _VIETNAMESE) if language in _LANGUAGES else style
    return style


def _second_places(tokens: tuple[Token, ...]) -> int:
    for at, (kind, text) in enumerate(tokens):
        if kind == "digits" and at and tokens[at - 1][0] == "point":
            return min(len(text), 3)
    return 0


def _moment(seconds: Decimal, style: Style) -> datetime:
    epoch = MAC_EPOCH if style.epoch_1904 else WINDOWS_EPOCH
    days, rest = divmod(seconds, 86400)
    if not style.epoch_1904 and days < 60:
        days += 1  # Excel counts a 29 February 1900
    return epoch + timedelta(days=int(days), seconds=float(rest))


def _means_minutes(tokens: tuple[Token, ...], at: int) -> bool:
    """Whether an "m" means minutes: after hours, or before seconds."""

    def unit(token: Token) -> str:
        kind, text = token
        return text[0].lower() if kind == "date" or (kind == "bracket" and _ELAPSED.fullmatch(text)) else ""

    before = next((unit(token) for token in reversed(tokens[:at]) if unit(token)), "")
    after = next((unit(token) for token in tokens[at + 1 :] if unit(token)), "")
    return before == "h" or after == "s"


def _date_part(
    moment: datetime | None, seconds: Decimal, text: str, *, minutes: bool, twelve: bool, style: Style
) -> str:
    letter, length = text[0].lower(), len(text)
    if minutes or letter in "hs":
        hour = int(seconds // 3600) % 24
        number = {"h": (hour + 11) % 12 + 1 if twelve else hour, "m": int(seconds // 60) % 60, "s": int(seconds) % 60}
        return str(number[letter]).zfill(min(length, 2))
    if moment is None:
        return ""
    if letter == "y" or letter == "e":
        return f"{moment.year:04d}" if length > 2 or letter == "e" else f"{moment.year % 100:02d}"
    if letter == "m":
        return _month(moment, length, style)
    if letter == "d":
        return _day(moment, length, style)
    return ""


def _month(moment: datetime, length: int, style: Style) -> str:
    if length <= 2:
        return str(moment.month).zfill(length)
    if style.vietnamese:
        return f"Thg {moment.month}" if length == 3 else f"Tháng {moment.month}"
    name = _MONTHS[moment.month - 1]
    return name[:3] if length == 3 else name[:1] if length == 5 else name


def _day(moment: datetime, length: int, style: Style) -> str:
    if length <= 2:
        return str(moment.day).zfill(length)
    names = _DAYS_VI if style.vietnamese else _DAYS
    name = names[moment.weekday()]
    return name if length > 3 or style.vietnamese else name[:3]
