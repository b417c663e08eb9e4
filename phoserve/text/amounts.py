"""Canonical forms of amounts, phone and account numbers, percentages, measures, ranges and sizes.

Forms without a colon are written as a syllable would be, so `4.560.000` also finds a plain `4560000`.
"""

import re
from typing import Final

from phoserve.text.readers import END, NUMBER, START, YEAR, Forms, Reader, plain_number

_LEAST_GROUPED_DIGITS: Final = 8
_MOST_GROUPED_DIGITS: Final = 24
_HOTLINES: Final = frozenset({"1800", "1900"})
_SCALES: Final = {
    "nghin": 1_000, "ngan": 1_000, "k": 1_000, "trieu": 1_000_000, "tr": 1_000_000,
    "ty": 1_000_000_000, "ti": 1_000_000_000,
}  # fmt: skip
SCALE: Final = "nghin|ngan|trieu|tr|ty|ti|k"
_UNITS: Final = {
    "kg": "kg|kilogam|kilogram|ki ?-?lo ?-?gam|ki ?-?lo|ky",
    "g": "gam|gram|gr|g",
    "mg": "mg|miligam|mi ?-?li ?-?gam",
    "t": "tan",
    "m": "met|m",
    "cm": "cm|centimet|xentimet|xen ?-?ti ?-?met|xang ?-?ti ?-?met",
    "mm": "mm|milimet|mi ?-?li ?-?met",
    "km": "km|kilomet|ki ?-?lo ?-?met|cay so",
    "km/h": "km/h|kmh|km/gio|km gio",
    "m2": "m2|met vuong|m vuong",
    "m3": "m3|met khoi|m khoi",
    "km2": "km2|kilomet vuong|ki ?-?lo ?-?met vuong|km vuong",
    "ha": "hecta|hec ?-?ta|ha",
    "l": "lit|l",
    "ml": "ml|mililit|mi ?-?li ?-?lit",
    "kb": "kb|kilobyte",
    "mb": "mb|megabyte",
    "gb": "gb|gigabyte|gig",
    "tb": "tb|terabyte",
    "mbps": "mbps",
    "w": "w|oat|watt",
    "kw": "kw|kilowatt",
    "kwh": "kwh|so dien",
    "kva": "kva",
    "v": "v|von|volt",
    "hp": "hp|ma luc",
    "mah": "mah",
    "°c": "° ?c|oc|do c|℃|°",
    "inch": "inch",
    "px": "px|pixel",
    "mp": "mp|megapixel",
}
_UNIT_OF: Final = {
    re.sub(r"[ ?-]", "", spelling): unit for unit, spellings in _UNITS.items() for spelling in spellings.split("|")
}
"""By spelling without blanks and hyphens."""
UNIT: Final = "|".join(sorted((each for spellings in _UNITS.values() for each in spellings.split("|")), key=len)[::-1])
MONEY: Final = r"(?:vnd|dong|usd|eur|do la|d\b|[$€₫])"
_PERCENT: Final = re.compile(rf"{START}(?P<number>\d+(?:[.,]\d+)?)\s*(?:%|(?:phan tram|percent)\b)")
_SHARE: Final = re.compile(rf"{START}0[.,](?P<part>\d{{2,4}}){END}")
_SCALED: Final = re.compile(
    rf"{START}\d{{1,6}}(?:[.,]\d{{1,3}})*\s?(?:{SCALE})(?![a-z])(?:\s?\d{{1,3}}\s?(?:nghin|ngan|trieu|tr|k)(?![a-z\d]))*"
    rf"(?:(?:(?<=tr)|(?<=ty)|(?<=ti))\d{{1,3}}(?![\w.,/-])"
    rf"|\s\d{{1,3}}(?=\s*(?:{MONEY}|[;)!?]|[.,](?!\d)|\Z))|\s?ruoi\b)?"
)
_SCALED_PART: Final = re.compile(rf"(?P<number>\d[\d.,]*)\s?(?P<scale>{SCALE})?|(?P<half>ruoi)")
_AMOUNT: Final = re.compile(
    r"(?P<whole>\d{1,3}(?:(?P<mark>[., \u00a0\u202f])\d{3})(?:(?P=mark)\d{3})*)(?:[.,](?P<part>\d{1,2}))?"
    r"(?=\s?(?:d|vnd|dong|usd|[$€₫])?(?!\w|[.,/-]\d| \d{3}\b))"
)
_DOLLARS: Final = re.compile(
    rf"(?:(?<!\w)(?:us\$|usd|\$)\s?(?P<number>{NUMBER})"
    rf"|{START}(?P<number2>{NUMBER.replace('by', 'by2')})\s?(?:usd|us\$|\$|do la))(?!\w|[.,/-]\d)"
)
_LOOSE_DOLLARS: Final = re.compile(rf"{START}(?P<number>{NUMBER})\s?do(?: my)?\b")
_PLAIN_AMOUNT: Final = re.compile(
    rf"{START}(?P<digits>\d{{3,18}})(?:[.,]00)?\s?(?:d|vnd|dong|usd|us\$|eur|[$€₫])(?!\w)"
)
_MARKED_AMOUNT: Final = re.compile(rf"(?:(?:vnd|eur)(?<![^\W_]...)\s?|[€₫]\s?)(?P<number>{NUMBER})(?!\w|[.,/-]\d)")
_DECIMAL: Final = re.compile(rf"{START}(?P<whole>\d+)[.,](?P<part>\d{{1,2}}|\d{{4,}}){END}")
_MORE_DIGITS: Final = r"(?:(?:[ .\u00a0-]{1,3}\(?|(?<=\))|[ ]?\()\d+\)?)"
_GROUPED: Final = re.compile(rf"(?<![\w/,.+-])(?:\d+{_MORE_DIGITS}+|(?:00)?84\d{{9,10}}){END}")
_MARKED_GROUPED: Final = re.compile(
    rf"(?:[(](?<![\w/,.+-].)\s?\+?\d{{1,4}}(?:[ .-]\d{{1,3}})?\s?\){_MORE_DIGITS}+"
    rf"|\+(?<![\w/,.-].)(?:\d+{_MORE_DIGITS}+|\d{{8,15}})){END}"
)
_EXTENDED: Final = re.compile(r"(?!\d{10} )(?P<phone>[(]?0\d(?:[ .)(]{0,3}\d){8,9}) - (?P<extension>\d{2,5})")
"""A phone number and its extension."""
_PHONE: Final = r"0\d(?:[ .]?\d){8,9}"
_PHONES: Final = re.compile(rf"{START}{_PHONE}(?:\s?[/-]\s?{_PHONE})+(?!\w)")
_MEASURE: Final = re.compile(rf"{START}(?P<number>{NUMBER})\s?(?P<unit>{UNIT})(?![\w-]|[.,/]\d)")
_DEGREES: Final = re.compile(rf"{START}(?P<number>\d{{1,3}}(?:[.,]\d)?)\s?do\b(?! la\b| c\b)")
_RANGE: Final = re.compile(
    rf"{START}(?P<low>\d{{1,4}}(?:[.,]\d)?)(?:\s?(?P<low_unit>%|{UNIT}))?(?:\s?[-~]\s?|\s+(?:den|toi)\s+)"
    rf"(?P<high>\d{{1,4}}(?:[.,]\d)?)(?!\d|[.,/-]\d)(?:\s?(?P<unit>%|(?:{UNIT})(?![\w-])))?"
)
_SIZE: Final = re.compile(rf"{START}\d+(?:[.,]\d+)?(?:\s?[x*]\s?\d+(?:[.,]\d+)?){{1,2}}(?![\d]|[.,/-]\d)")
_VERSION: Final = re.compile(rf"{START}(?P<version>\d{{1,6}}(?:\.\d{{1,6}}){{2,7}}){END}")
_NAMED_VERSION: Final = re.compile(
    rf"(?:v(?:er(?:sion)?)?\.?\s?|phien ban\s+(?:so\s+)?)(?P<version>\d+(?:\.\d+)+){END}"
)
_YEAR: Final = re.compile(YEAR)
_YEARS: Final = re.compile(rf"{START}(?P<first>{YEAR})/(?P<last>{YEAR}){END}")
_MOST_BYTE: Final = 255
_EXTENSION: Final = re.compile(
    r"(?:may\s(?:le|nhanh|phu)|so\sle|noi bo|ext(?:ension)?)\b\.?\s?(?:so\s)?:?\s?(?P<number>\d{1,5})(?!\w|[.,/-]\d)"
)
_NUMBERED: Final = re.compile(r"(?:so|no|n°|№)(?:\s?[.:]){0,2}\s?(?P<number>\d{4,8})(?!\w|[ .,/-]\d)")
_FILLED: Final = re.compile(rf"{START}0{{2,7}}(?P<number>[1-9]\d{{1,7}})(?<!\d{{10}}){END}")
_ADDRESS: Final = re.compile(
    rf"{START}(?P<address>\d{{1,3}}(?:\.\d{{1,3}}){{3}})(?:/\d{{1,2}}(?![\w/])|:\d{{1,5}}(?!\w)|/(?!\w))"
)


def _read_percent(match: re.Match[str]) -> Forms:
    return (f"{plain_number(match['number'])}%",)


def _read_share(match: re.Match[str]) -> Forms:
    percent = f"{int(match['part']) / 10 ** (len(match['part']) - 2):g}"
    return (f"{percent}%",)


def _read_scaled(match: re.Match[str]) -> Forms:
    """ "4 triệu 560 nghìn", "4tr5", "1 tỷ 2", "2 triệu rưỡi": what follows a scale alone is a part of it."""
    total, last = 0.0, 1
    for part in _SCALED_PART.finditer(match[0]):
        if part["half"]:
            total += last / 2
        elif part["scale"]:
            last = _SCALES[part["scale"]]
            total += _number_before_scale(part["number"]) * last
        else:
            total += int(part["number"]) * last / 10 ** len(part["number"])
    return (str(round(total)),)


def _number_before_scale(written: str) -> float:
    """ "1.200" triệu are 1200, "1,200" and "1,2" are 1.2: the dot groups thousands, the comma begins decimals."""
    if re.fullmatch(r"\d{1,3}(?:\.\d{3})+", written):
        return int(written.replace(".", ""))
    whole, _, part = written.replace(",", ".").partition(".")
    return float(f"{whole}.{part.replace('.', '') or 0}")


def _read_amount(match: re.Match[str]) -> Forms:
    whole, part = re.sub(r"\D", "", match["whole"]), (match["part"] or "").rstrip("0")
    return (f"{whole}.{match['part']}", whole) if part else (whole,)


def _read_dollars(match: re.Match[str]) -> Forms:
    number = plain_number(match["number"] or match["number2"])
    return (f"usd:{number}", number)


def _read_loose_dollars(match: re.Match[str]) -> Forms:
    return (f"usd:{plain_number(match['number'])}",)


def _read_plain_amount(match: re.Match[str]) -> Forms:
    return (match["digits"],)


def _read_marked_amount(match: re.Match[str]) -> Forms:
    return (plain_number(match["number"]),)


def _read_decimal(match: re.Match[str]) -> Forms:
    part = match["part"].rstrip("0")
    return (f"{match['whole']}.{part}" if part else match["whole"],)


def _read_grouped(match: re.Match[str]) -> Forms:
    if extended := _EXTENDED.fullmatch(match[0]):
        return (re.sub(r"\D", "", extended["phone"]), f"ext:{extended['extension']}")
    groups = re.findall(r"\d+", match[0])
    digits = "".join(groups)
    if not _LEAST_GROUPED_DIGITS <= len(digits) <= _MOST_GROUPED_DIGITS or _dates_or_years(groups):
        return ()
    national = digits.removeprefix("00")
    # +84 is Vietnam's country code; in the country a 0 stands for it.
    if national.startswith("84") and len(national) in {11, 12}:
        local = national[2:]
        return (local if local.startswith("0") else f"0{local}", digits)
    return (digits,)


def _dates_or_years(groups: list[str]) -> bool:
    """Whether groups of digits are years, or dates from and to; 1900 and 1800 begin numbers of hotlines."""
    years = sum(_YEAR.fullmatch(group) is not None for group in groups)
    if groups[0] in _HOTLINES and years < len(groups):
        return False
    if years == 1 and len(groups) == 3 and sorted(map(len, groups))[1] <= 2:
        return True
    if years == len(groups):
        return groups[0] not in _HOTLINES
    return years > 1 and len("".join(groups)) >= 2 * _LEAST_GROUPED_DIGITS


def _read_phones(match: re.Match[str]) -> Forms:
    """Return the numbers of several phones."""
    return tuple(dict.fromkeys(re.sub(r"\D", "", phone) for phone in re.split(r"[/-]", match[0])))


def _read_measure(match: re.Match[str]) -> Forms:
    return (f"{plain_number(match['number'])}{unit_of(match['unit'])}",)


def unit_of(written: str) -> str:
    """Return the canonical name of a unit of `UNIT`: "kg" of "ki lo"."""
    return _UNIT_OF[re.sub(r"[\s-]", "", written)]


def _read_extension(match: re.Match[str]) -> Forms:
    return (f"ext:{match['number']}",)


def _read_numbered(match: re.Match[str]) -> Forms:
    number = match["number"].lstrip("0")
    return (f"no:{number}", number)


def _read_filled(match: re.Match[str]) -> Forms:
    return (match["number"],)


def _read_address(match: re.Match[str]) -> Forms:
    return (match["address"],) if all(int(part) <= _MOST_BYTE for part in match["address"].split(".")) else ()


def _read_degrees(match: re.Match[str]) -> Forms:
    return (f"{plain_number(match['number'])}°c",)


def _read_range(match: re.Match[str]) -> Forms:
    """Return forms of a range, then of both numbers with their unit."""
    low, high = plain_number(match["low"]), plain_number(match["high"])
    if _YEAR.fullmatch(low) and len(high) == 2 and high > low[2:]:
        high = low[:2] + high
    unit = match["unit"] or match["low_unit"]
    if unit is None:
        return (f"range:{low}-{high}",)
    named = unit if unit == "%" else unit_of(unit)
    return (f"range:{low}-{high}{named}", f"range:{low}-{high}", f"{low}{named}", f"{high}{named}")


def _read_years(match: re.Match[str]) -> Forms:
    first, last = match["first"], match["last"]
    return (f"range:{first}-{last}",) if int(last) == int(first) + 1 else ()


def _read_size(match: re.Match[str]) -> Forms:
    return ("x".join(plain_number(each) for each in re.findall(r"\d[\d.,]*", match[0])),)


def _read_version(match: re.Match[str]) -> Forms:
    written = match["version"]
    if _dates_or_years(written.split(".")):
        return ()
    return (written,) if written.count(".") > 1 else (f"v{written}",)


AMOUNT_READERS: Final = (
    Reader(_PERCENT, _read_percent, after=".,% a"),
    Reader(_SHARE, _read_share, kind="number", query_only=True, after=".,"),
    Reader(_SCALED, _read_scaled, after="., a"),
    Reader(_DOLLARS, _read_dollars, "anywhere", ("$", "usd", "do la")),
    Reader(_LOOSE_DOLLARS, _read_loose_dollars, kind="number", query_only=True, after="., a"),
    Reader(_AMOUNT, _read_amount, after="., "),
    Reader(_PLAIN_AMOUNT, _read_plain_amount, after="., $€₫a"),
    Reader(_MARKED_AMOUNT, _read_marked_amount, "anywhere", ("vnd", "eur", "€", "₫")),
    Reader(_DECIMAL, _read_decimal, after=".,"),
    Reader(_GROUPED, _read_grouped),
    Reader(_MARKED_GROUPED, _read_grouped, "anywhere", ("(", "+")),
    Reader(_PHONES, _read_phones, after=" ./-"),
    Reader(_MEASURE, _read_measure, after="., °℃a"),
    Reader(_DEGREES, _read_degrees, kind="number", after="., a"),
    Reader(_RANGE, _read_range, after=".,%-~ °℃a"),
    Reader(_SIZE, _read_size, after="., *a"),
    Reader(_VERSION, _read_version, after="."),
    Reader(_NAMED_VERSION, _read_version, "noun"),
    Reader(_EXTENSION, _read_extension, "noun"),
    Reader(_NUMBERED, _read_numbered, "noun", kind="number"),
    Reader(_FILLED, _read_filled),
    Reader(_ADDRESS, _read_address, after="."),
    Reader(_YEARS, _read_years, after="/"),
)
