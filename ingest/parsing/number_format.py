"""Numbers as a spreadsheet program displays them under a number format: dates, percent, grouping, fractions, text.

The format language is that of ECMA-376 part 1, 18.8.31. Separators follow the language of the document, as the program
does: 12.500.000,5 in Vietnamese, 12,500,000.5 in English.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from functools import lru_cache
from typing import Final

from openpyxl.styles.numbers import BUILTIN_FORMATS
from openpyxl.utils.datetime import MAC_EPOCH, WINDOWS_EPOCH

# Ids whose display depends on the language of the system; a Vietnamese one shows the day first.
_SYSTEM_FORMATS: Final = {
    14: "dd/mm/yyyy",
    22: "dd/mm/yyyy hh:mm",
    5: "#,##0",
    6: "#,##0",
    7: "#,##0.00",
    8: "#,##0.00",
}
_SYSTEM_CODES: Final = {"mm-dd-yy": "dd/mm/yyyy", "m/d/yy h:mm": "dd/mm/yyyy hh:mm", "m/d/yyyy": "dd/mm/yyyy"}
_TOKEN: Final = re.compile(
    r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|_(?P<blank>.)|\*(?P<fill>.)|\[(?P<bracket>[^\]]*)\]|'
    r"(?P<clock>AM/PM|A/P)|(?P<general>General)|(?P<date>[yY]+|[mM]+|[dD]+|[hH]+|[sS]+|[bBgG]+|e(?![+-]))|"
    r"(?P<exponent>[eE][+-])|(?P<digits>[0#?]+)|(?P<point>\.)|(?P<comma>,)|(?P<percent>%)|(?P<slash>/)|(?P<text>@)|(?P<other>.)",
    re.DOTALL,
)
_CONDITION: Final = re.compile(r"(<=|>=|<>|<|>|=)(-?[\d.]+)")
_CURRENCY: Final = re.compile(r"\$([^-]*)(?:-[0-9A-Fa-f]+)?")
_ELAPSED: Final = re.compile(r"h+|m+|s+", re.IGNORECASE)
_MONTHS: Final = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
                  "November", "December")  # fmt: skip
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_DAYS_VI: Final = ("thứ hai", "thứ ba", "thứ tư", "thứ năm", "thứ sáu", "thứ bảy", "chủ nhật")
_WORD: Final = re.compile(r"[^\W\d_]{2}")
_ACCENTED: Final = re.compile(r"[^\W\d_\x00-\x7f]|[\u0300-\u0323]")
_LAST_SERIAL: Final = 2_958_466  # the first day of the year 10000
_MAX_DECIMALS: Final = 30

Token = tuple[str, str]
"""What kind of token, and its text."""


@dataclass(frozen=True, slots=True)
class Style:
    """How a document writes numbers."""

    decimal: str = ","
    group: str = "."
    vietnamese: bool = True
    epoch_1904: bool = False


VIETNAMESE: Final = Style()
ENGLISH: Final = Style(decimal=".", group=",", vietnamese=False)


def style_of(text: str) -> Style:
    """Return how a document with this text writes numbers: the English way if it has words and no accents."""
    return ENGLISH if _WORD.search(text) and not _ACCENTED.search(text) else VIETNAMESE


def builtin_format(number: int) -> str:
    """Return the format code of a built-in id; "General" for an unknown one."""
    return _SYSTEM_FORMATS.get(number) or BUILTIN_FORMATS.get(number, "General")


def display(value: float | int, code: str, style: Style = VIETNAMESE) -> str:
    """Return `value` as displayed under the format `code`; as "General" if the code cannot be understood."""
    sections = _sections(_SYSTEM_CODES.get(code, code) or "General")
    tokens, magnitude = _choose(sections, value)
    if not tokens:
        return ""
    try:
        if any(kind == "date" for kind, _ in tokens) or _is_elapsed(tokens):
            return _date(value, tokens, style)
        return _number(magnitude, tokens, style)
    except (ArithmeticError, ValueError):
        return general(value, style)


def display_text(text: str, code: str) -> str:
    """Return text as displayed under the format `code`, whose fourth section may add words to it."""
    sections = _sections(code or "General")
    if len(sections) < 4 and not any(kind == "text" for kind, _ in sections[-1]):
        return text
    tokens = sections[3] if len(sections) > 3 else sections[-1]
    return "".join(text if kind == "text" else _literal(kind, part) for kind, part in tokens).strip() or text


def general(value: float | int, style: Style = VIETNAMESE) -> str:
    """Return `value` as under "General": up to 11 digits, no grouping."""
    number = Decimal(repr(value))
    if not number.is_finite():
        return str(value)
    if number == 0:
        return "0"
    if number.adjusted() > 20 or number.adjusted() < -9:
        return f"{value:.5E}".replace(".", style.decimal)
    places = max(0, 10 - max(number.adjusted(), 0))
    with localcontext() as context:
        context.prec = 60
        rounded = number.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
    text = f"{rounded:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace(".", style.decimal)


@lru_cache(maxsize=512)
def _sections(code: str) -> tuple[tuple[Token, ...], ...]:
    sections: list[list[Token]] = [[]]
    for match in _TOKEN.finditer(code[:1000]):
        kind, text = match.lastgroup or "other", match[match.lastgroup or 0]
        if kind == "other" and text == ";":
            sections.append([])
        else:
            sections[-1].append((kind, text))
    return tuple(tuple(section) for section in sections)


def _choose(sections: tuple[tuple[Token, ...], ...], value: float) -> tuple[tuple[Token, ...], float]:
    """Return the section for `value`, and the number it shows: without its sign where the section is for negatives."""
    numeric = sections[:3]
    conditions = [_condition(section) for section in numeric]
    if any(conditions):
        for section, condition in zip(numeric, conditions, strict=True):
            if condition is None or _holds(value, *condition):
                return section, value
        return numeric[-1], value
    if value < 0 and len(numeric) > 1:
        return numeric[1], -value
    if value == 0 and len(numeric) > 2:
        return numeric[2], value
    return numeric[0], value


def _condition(section: tuple[Token, ...]) -> tuple[str, float] | None:
    for kind, text in section:
        if kind == "bracket" and (match := _CONDITION.fullmatch(text)):
            return match[1], float(match[2])
    return None


def _holds(value: float, sign: str, limit: float) -> bool:
    return {
        "<": value < limit, ">": value > limit, "=": value == limit,
        "<=": value <= limit, ">=": value >= limit, "<>": value != limit,
    }[sign]  # fmt: skip


def _literal(kind: str, text: str) -> str:
    if kind in ("quoted", "escaped", "other", "slash"):
        return text
    if kind == "blank":
        return " "
    if kind == "bracket" and (currency := _CURRENCY.fullmatch(text)):
        return currency[1]
    return ""


def _is_elapsed(tokens: tuple[Token, ...]) -> bool:
    return any(kind == "bracket" and _ELAPSED.fullmatch(text) for kind, text in tokens)


# ---- numbers


def _number(value: float, tokens: tuple[Token, ...], style: Style) -> str:
    kinds = [kind for kind, _ in tokens]
    if "general" in kinds:
        return "".join(general(value, style) if k == "general" else _literal(k, t) for k, t in tokens).strip()
    if "digits" not in kinds:
        text = "".join(general(value, style) if k == "text" else _literal(k, t) for k, t in tokens)
        return (text.replace("%", "") + "%" if "percent" in kinds else text).strip()
    if "slash" in kinds and "point" not in kinds:
        return _fraction(value, tokens)
    return _decimal(value, tokens, style)


def _decimal(value: float, tokens: tuple[Token, ...], style: Style) -> str:
    first, last = _digit_range(tokens)
    whole, point, decimals = _places(tokens)
    number = Decimal(repr(value)) * 100 ** sum(kind == "percent" for kind, _ in tokens)
    number /= 1000 ** _trailing_commas(tokens, last)
    exponent = ""
    for at, (kind, text) in enumerate(tokens):
        if kind == "exponent":
            power = number.adjusted() if number else 0
            number, exponent = number.scaleb(-power), f"E{'-' if power < 0 else text[1].strip('-')}{abs(power):02d}"
            last = _digit_range(tokens[:at])[1]
            decimals = _places(tokens[:at])[2]
            tokens = (*tokens[:at], *[token for token in tokens[at:] if token[0] not in ("exponent", "digits")])
            break
    with localcontext() as context:
        context.prec = 400
        rounded = number.quantize(Decimal(1).scaleb(-min(len(decimals), _MAX_DECIMALS)), rounding=ROUND_HALF_UP)
    digits, _, places = f"{abs(rounded):f}".partition(".")
    digits = digits.lstrip("0").rjust(sum(character == "0" for character in whole), "0")
    if any(kind == "comma" for kind, _ in tokens[first:last]):
        digits = _grouped(digits, style.group)
    kept = len(places.rstrip("0"))
    places = "".join(d for d, mark in zip(places, decimals, strict=False) if mark == "0" or d != "0" or kept > 0)
    places = places[: max(kept, sum(mark == "0" for mark in decimals))]
    shown = digits + (style.decimal + places if places or (point and decimals == "") else "")
    sign = "-" if rounded < 0 else ""
    before = "".join(_literal(kind, text) for kind, text in tokens[:first])
    after = "".join("%" if kind == "percent" else _literal(kind, text) for kind, text in tokens[last + 1 :])
    lead = "".join("%" for kind, _ in tokens[:first] if kind == "percent")
    return f"{sign}{before}{lead}{shown or ('0' if not before and not after else '')}{exponent}{after}".strip()


def _digit_range(tokens: tuple[Token, ...]) -> tuple[int, int]:
    at = [n for n, (kind, _) in enumerate(tokens) if kind in ("digits", "point")]
    return at[0], at[-1]


def _places(tokens: tuple[Token, ...]) -> tuple[str, bool, str]:
    """Return the marks before the decimal point, whether there is one, and the marks after it."""
    sides, seen = ["", ""], False
    for kind, text in tokens:
        if kind == "point":
            seen = True
        elif kind == "digits":
            sides[seen] += text
    return sides[0], seen, sides[1]


def _trailing_commas(tokens: tuple[Token, ...], last: int) -> int:
    count = 0
    for kind, _ in tokens[last + 1 :]:
        if kind != "comma":
            break
        count += 1
    return count


def _grouped(digits: str, mark: str) -> str:
    head = len(digits) % 3
    parts = [digits[:head]] if head else []
    return mark.join(parts + [digits[at : at + 3] for at in range(head, len(digits), 3)])


def _fraction(value: float, tokens: tuple[Token, ...]) -> str:
    slash = next(n for n, (kind, _) in enumerate(tokens) if kind == "slash")
    wanted = "".join(text for kind, text in tokens[slash + 1 :] if kind in ("digits", "other") and text.strip())
    fixed = int(wanted) if wanted.isdecimal() and int(wanted) else 0
    number = Fraction(abs(value))
    mixed = sum(kind == "digits" for kind, _ in tokens[:slash]) > 1
    whole = int(number) if mixed else 0
    rest = number - whole
    part = Fraction(round(rest * fixed), fixed) if fixed else rest.limit_denominator(10 ** max(1, len(wanted)) - 1)
    top, bottom = (round(rest * fixed), fixed) if fixed else (part.numerator, part.denominator)
    if mixed and top == bottom:
        whole, top = whole + 1, 0
    sign = "-" if value < 0 else ""
    if not top:
        return f"{sign}{whole}"
    return f"{sign}{f'{whole} ' if whole else ''}{top}/{bottom}"


# ---- dates and times


def _date(value: float, tokens: tuple[Token, ...], style: Style) -> str:
    if not 0 <= value < _LAST_SERIAL and not _is_elapsed(tokens):
        raise ValueError("no date")
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
            parts.append(_literal(kind, text))
    return "".join(parts).strip()


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
