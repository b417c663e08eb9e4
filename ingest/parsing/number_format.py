"""Numbers as a spreadsheet program displays them under a number format: dates, percent, grouping, fractions, text.

The format language is that of ECMA-376 part 1, 18.8.31. Separators follow the language of the document, as the program
does: 12.500.000,5 in Vietnamese, 12,500,000.5 in English.
"""

import re
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from typing import Final

from openpyxl.styles.numbers import BUILTIN_FORMATS

from ingest.parsing.date_format import display_date, is_date
from ingest.parsing.number_codes import ENGLISH, VIETNAMESE, Style, Token, literal, split_sections

# Ids whose display depends on the language of the system; a Vietnamese one shows the day first. Those from 27 to 36 and
# from 50 to 58 are dates and times of East Asian editions, which WPS Office writes too.
_SYSTEM_FORMATS: Final = {
    14: "dd/mm/yyyy",
    22: "dd/mm/yyyy hh:mm",
    5: "#,##0",
    6: "#,##0",
    7: "#,##0.00",
    8: "#,##0.00",
    47: "mm:ss.0",
    **dict.fromkeys((*range(27, 32), 36, *range(50, 55), 57, 58), "dd/mm/yyyy"),
    **dict.fromkeys((*range(32, 36), 55, 56), "hh:mm:ss"),
}
_SYSTEM_CODES: Final = {"mm-dd-yy": "dd/mm/yyyy", "m/d/yy h:mm": "dd/mm/yyyy hh:mm", "m/d/yyyy": "dd/mm/yyyy"}
_CONDITION: Final = re.compile(r"(<=|>=|<>|<|>|=)(-?[\d.]+)")
_WORD: Final = re.compile(r"[^\W\d_]{2}")
_ACCENTED: Final = re.compile(r"[^\W\d_\x00-\x7f]|[\u0300-\u0323]")
_MAX_DECIMALS: Final = 30


def style_of(text: str) -> Style:
    """Return how a document with this text writes numbers: the English way if it has words and no accents."""
    return ENGLISH if _WORD.search(text) and not _ACCENTED.search(text) else VIETNAMESE


def builtin_format(number: int) -> str:
    """Return the format code of a built-in id; "General" for an unknown one."""
    return _SYSTEM_FORMATS.get(number) or BUILTIN_FORMATS.get(number, "General")


def display(value: float | int, code: str, style: Style = VIETNAMESE) -> str:
    """Return `value` as displayed under the format `code`; as "General" if the code cannot be understood."""
    sections = split_sections(_SYSTEM_CODES.get(code, code) or "General")
    tokens, magnitude = _choose(sections, value)
    if not tokens:
        return ""
    try:
        if is_date(tokens):
            return display_date(value, tokens, style)
        return _number(magnitude, tokens, style)
    except (ArithmeticError, ValueError):
        return general(value, style)


def display_text(text: str, code: str) -> str:
    """Return text as displayed under the format `code`, whose fourth section may add words to it."""
    sections = split_sections(code or "General")
    if len(sections) < 4 and not any(kind == "text" for kind, _ in sections[-1]):
        return text
    tokens = sections[3] if len(sections) > 3 else sections[-1]
    return "".join(text if kind == "text" else literal(kind, part) for kind, part in tokens).strip()


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


def _number(value: float, tokens: tuple[Token, ...], style: Style) -> str:
    kinds = [kind for kind, _ in tokens]
    if "general" in kinds:
        return "".join(general(value, style) if k == "general" else literal(k, t) for k, t in tokens).strip()
    if "digits" not in kinds:
        text = "".join(general(value, style) if k == "text" else literal(k, t) for k, t in tokens)
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
    at = next((n for n, (kind, _) in enumerate(tokens) if kind == "exponent"), None)
    if at is not None:
        number, exponent = _scaled(number, whole, tokens[at:])
        last = _digit_range(tokens[:at])[1]
        decimals = _places(tokens[:at])[2]
        tokens = (*tokens[:at], *[token for token in tokens[at:] if token[0] not in ("exponent", "digits")])
    with localcontext() as context:
        context.prec = 400
        rounded = number.quantize(Decimal(1).scaleb(-min(len(decimals), _MAX_DECIMALS)), rounding=ROUND_HALF_UP)
    digits, _, places = f"{abs(rounded):f}".partition(".")
    digits = digits.lstrip("0").rjust(sum(character == "0" for character in whole), "0")
    if any(kind == "comma" for kind, _ in tokens[first:last]):
        digits = _grouped(digits, style.group)
    else:
        digits = _interleaved(digits, tokens[first : last + 1])
    kept = len(places.rstrip("0"))
    places = "".join(d for d, mark in zip(places, decimals, strict=False) if mark == "0" or d != "0" or kept > 0)
    places = places[: max(kept, sum(mark == "0" for mark in decimals))]
    shown = digits + (style.decimal + places if places or (point and decimals == "") else "")
    sign = "-" if rounded < 0 else ""
    before = "".join(literal(kind, text) for kind, text in tokens[:first])
    after = "".join("%" if kind == "percent" else literal(kind, text) for kind, text in tokens[last + 1 :])
    lead = "".join("%" for kind, _ in tokens[:first] if kind == "percent")
    return f"{sign}{before}{lead}{shown}{exponent}{after}".strip()


def _scaled(number: Decimal, whole: str, tokens: tuple[Token, ...]) -> tuple[Decimal, str]:
    """Return a number's mantissa and its exponent as displayed, a multiple of the places before the point."""
    step = max(1, len(whole))
    power = number.adjusted() // step * step if number else 0
    sign = "-" if power < 0 else tokens[0][1][1].strip("-")
    places = sum(len(text) for kind, text in tokens[1:2] if kind == "digits")
    return number.scaleb(-power), f"E{sign}{abs(power):0{places}d}"


def _interleaved(digits: str, tokens: tuple[Token, ...]) -> str:
    """Return the digits before the decimal point with what the format puts between them, as in "0000 000 000"."""
    end = next((at for at, (kind, _) in enumerate(tokens) if kind == "point"), len(tokens))
    whole = tokens[:end]
    shown = ""
    for at in range(len(whole) - 1, -1, -1):
        kind, text = whole[at]
        if kind != "digits":
            shown = literal(kind, text) + shown if digits else shown
            continue
        cut = max(0, len(digits) - len(text)) if any(kind == "digits" for kind, _ in whole[:at]) else 0
        shown, digits = digits[cut:] + shown, digits[:cut]
    return shown


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
