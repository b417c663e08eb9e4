"""Canonical forms of dates, months, quarters and times of day.

A day has those of its month and of the day of any year, so that "tháng 5/2026" also finds "31/05/2026".
"""

import re
from typing import Final

from phoserve.text.readers import END, EXACTLY, ORDINAL_WORDS, START, YEAR, Forms, Reader, arabic

_MONTHS: Final = 12
_LONGEST_MONTH: Final = 31
_NOON: Final = 12
ENGLISH_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_ENGLISH_MONTH: Final = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)"
)
_ORDINAL: Final = ("mot", "hai", "ba", "bon", "nam", "sau", "bay", "tam", "chin", "muoi")

_DAY: Final = re.compile(
    rf"(?P<day>\d{{1,2}})(?P<mark>[/.-]|_| [/-] )(?P<month>\d{{1,2}})(?P=mark)(?P<year>\d{{4}}|\d{{2}}){END}"
)
_ISO_DAY: Final = re.compile(
    r"(?P<year>\d{4})(?P<mark>[-/.])(?P<month>\d{1,2})(?P=mark)(?P<day>\d{1,2})(?!\d|[/.,-]\d)"
)
_SPELLED: Final = (
    r"(?P<day>\d{1,2})(?:\s*,?\s*(?:thang|th)\s+|\s*/)(?P<month>\d{1,2})"
    rf"(?:\s*,?\s*nam\s+(?P<year>\d{{4}})|\s*[/-]\s*(?P<slash>\d{{4}})|\s*,?\s+(?P<bare>{YEAR}))?{END}"
)
_SPELLED_DAY: Final = re.compile(_SPELLED)
_NAMED_DAY: Final = re.compile(rf"(?:ngay|mung|mong|hom)\s+{_SPELLED}")
_SHORT_DAY: Final = re.compile(
    r"(?:ngay|mung|mong|hom)\s+(?P<day>\d{1,2})[/.-](?P<month>\d{1,2})(?:\s+nam\s+(?P<year>\d{4}))?(?![\w/-]|[.,]\d)"
)
_BARE_DAY: Final = re.compile(rf"(?P<day>\d{{1,2}})[-.](?P<month>\d{{1,2}}){END}")
_COMPACT_DAY: Final = re.compile(
    rf"(?:(?P<day>0[1-9]|[12]\d|3[01])(?<!\d..)(?P<month>0[1-9]|1[0-2])(?P<year>{YEAR})"
    rf"|(?P<year2>{YEAR})(?<!\d....)(?P<month2>0[1-9]|1[0-2])(?P<day2>0[1-9]|[12]\d|3[01]))(?!\d)"
)
_ENGLISH_DAY: Final = re.compile(
    rf"\b(?:(?P<name>{_ENGLISH_MONTH})\.?\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?"
    rf"|(?P<day2>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?(?P<name2>{_ENGLISH_MONTH})\.?,?)\s+(?P<year>{YEAR}){END}"
)
_MONTH: Final = re.compile(
    rf"(?:(?P<month>0?[1-9]|1[0-2])(?:/|-|\.)(?P<year>{YEAR})|(?P<year2>{YEAR})-(?P<month2>0[1-9]|1[0-2])){END}"
)
_NAMED_MONTH: Final = re.compile(
    rf"(?:thang\s+|t\.?)(?P<month>\d{{1,2}})(?:\s*[/.-]\s*|\s+nam\s+|\s*,\s*(?:nam\s+)?|\s+)(?P<year>{YEAR}){END}"
)
_QUARTER: Final = re.compile(
    r"(?:quy\s+(?:thu\s+)?|(?P<short>q))(?P<quarter>iv|i{1,3}|[1-4])"
    rf"(?:(?:\s*[/.-]\s*|\s+nam\s+|\s*,?\s+)(?P<year>{YEAR})|(?(short)(?!)|)){END}"
)
_WORD: Final = "|".join(ORDINAL_WORDS)
_MONTH_IN_WORDS: Final = re.compile(
    rf"\bthang\s+(?P<month>muoi\s+(?:mot|hai)|{_WORD})\s*,?\s+(?:nam\s+)?(?P<year>{YEAR}){END}"
)
_QUARTER_IN_WORDS: Final = re.compile(
    rf"\bquy\s+(?:thu\s+)?(?P<quarter>nhat|mot|hai|ba|tu|bon)(?:\s*,?\s+(?:nam\s+)?(?P<year>{YEAR}){END}|(?!\s?\w*\d)\b)"
)
_YEAR_BEFORE_QUARTER: Final = re.compile(rf"{START}(?P<quarter>[1-4])q(?P<year>{YEAR}|\d\d){END}")
_TO: Final = r"(?:\s?[-~]\s?|\s+(?:den|toi)\s+(?:het\s+)?)(?:ngay\s+)?"
_DAYS: Final = re.compile(
    rf"{START}(?P<low>\d{{1,2}})(?:[/.](?P<low_month>\d{{1,2}})(?:[/.](?P<low_year>\d{{4}}))?)?{_TO}"
    rf"(?P<high>\d{{1,2}})(?:[/.]|\s+thang\s+)(?P<month>\d{{1,2}})(?:(?:[/.]|\s+nam\s+)(?P<year>\d{{4}}))?{END}"
)
_LUNAR_DAY: Final = re.compile(rf"(?:mung|mong)\s+(?P<day>\d{{1,2}}|{'|'.join(_ORDINAL)})\b(?![/.-]\d)")
_TIME: Final = re.compile(
    r"(?<![\w/.,:-])(?P<hour>[01]?\d|2[0-4])"
    r"(?:\s?(?:h|gio|g(?=[0-5]\d))(?:\s?(?P<minute>[0-5]\d|\d(?=\s?(?:p|phut)\b))|\s(?P<half>ruoi)\b|(?=\s|\W|\Z))"
    r"|:(?P<clock>[0-5]\d)(?::[0-5]\d)?)(?:\s?(?:phut|ph|p|'))?(?:\s?(?P<late>chieu|toi|pm)\b)?(?![\w:]|[.,/-]\d)"
)


def _clock(number: int) -> str:
    return (
        rf"(?P<hour{number}>[01]?\d|2[0-4])(?:\s?(?:h|gio|g(?=[0-5]\d))(?:\s?(?P<minute{number}>[0-5]\d)(?!\d))?"
        rf"|:(?P<clock{number}>[0-5]\d)(?!\d))(?:\s?(?:phut|ph|p|')(?![a-z]))?"
    )


_TIMES: Final = re.compile(rf"(?<![\w/.,:-]){_clock(1)}(?:\s?[-~]\s?|\s+(?:den|toi)\s+){_clock(2)}(?![\w:]|[.,/-]\d)")


def _read_day(match: re.Match[str]) -> Forms:
    groups = match.groupdict()
    day, month = int(groups["day"] or groups["day2"]), int(groups["month"] or groups["month2"])
    return _day_forms(day, month, next((groups[name] for name in _YEARS if groups.get(name)), None))


_YEARS: Final = ("year", "slash", "bare", "year2")


def _day_forms(day: int, month: int, year: str | None) -> Forms:
    if not (1 <= day <= _LONGEST_MONTH and 1 <= month <= _MONTHS):
        return ()
    if not year:
        return (f"day:{month:02}-{day:02}",)
    year = year if len(year) == 4 else f"20{year}"
    return (f"date:{year}-{month:02}-{day:02}", f"month:{year}-{month:02}", f"day:{month:02}-{day:02}")


def _read_english_day(match: re.Match[str]) -> Forms:
    month = ENGLISH_MONTHS.index((match["name"] or match["name2"])[:3]) + 1
    return _day_forms(int(match["day"] or match["day2"]), month, match["year"])


def _read_month(match: re.Match[str]) -> Forms:
    groups = match.groupdict()
    return _month_forms(int(groups["month"] or groups["month2"]), groups["year"] or groups["year2"])


def _month_forms(month: int, year: str) -> Forms:
    """Return the form that a month shares with its days, and its own, by which it comes before them."""
    forms = f"month:{year}-{month:02}", f"{EXACTLY}month:{year}-{month:02}"
    return forms if 1 <= month <= _MONTHS else ()


def _read_month_in_words(match: re.Match[str]) -> Forms:
    month = re.sub(r"\s+", " ", match["month"])
    number = {"muoi mot": 11, "muoi hai": 12}.get(month) or ORDINAL_WORDS[month]
    return _month_forms(number, match["year"])


def _read_quarter_in_words(match: re.Match[str]) -> Forms:
    return _quarter_forms(ORDINAL_WORDS[match["quarter"]], match["year"])


def _read_year_before_quarter(match: re.Match[str]) -> Forms:
    year = match["year"]
    return _quarter_forms(int(match["quarter"]), year if len(year) == 4 else f"20{year}")


def _read_days(match: re.Match[str]) -> Forms:
    """Return forms of a range of days, then of both days; the first takes its month and year from the last."""
    year, month = match["year"], int(match["month"])
    low = _day_forms(int(match["low"]), int(match["low_month"] or month), match["low_year"] or year)
    high = _day_forms(int(match["high"]), month, year)
    if not low or not high or low[-1] >= high[-1]:
        return ()
    days = f"days:{low[-1][4:]}..{high[-1][4:]}"
    return (f"{days}/{year}", days, *low, *high) if year else (days, *low, *high)


def _read_quarter(match: re.Match[str]) -> Forms:
    written, year = match["quarter"], match["year"]
    return _quarter_forms(int(written) if written.isdigit() else arabic(written), year)


def _quarter_forms(quarter: int, year: str | None) -> Forms:
    return (f"quarter:{year}-{quarter}", f"quarter:{quarter}") if year else (f"quarter:{quarter}",)


def _read_lunar_day(match: re.Match[str]) -> Forms:
    day = match["day"]
    return (f"mung:{int(day) if day.isdigit() else _ORDINAL.index(day) + 1}",)


def _read_times(match: re.Match[str]) -> Forms:
    """Return forms of a range of times, then of both."""
    groups = match.groupdict()
    first, last = (
        f"{int(groups[f'hour{n}'])}h{int(groups[f'minute{n}'] or groups[f'clock{n}'] or 0):02}" for n in (1, 2)
    )
    return (f"times:{first}-{last}", first, last)


def _read_time(match: re.Match[str]) -> Forms:
    hour = int(match["hour"])
    minute = 30 if match["half"] else int(match["minute"] or match["clock"] or 0)
    time = f"{hour}h{minute:02}"
    if match["late"] and hour < _NOON:
        late = f"{hour + _NOON}h{minute:02}"
        return (late, f"{EXACTLY}{late}", time)
    # From 10:00 to 12:00 is not at 10:00.
    return (time, f"{EXACTLY}{time}")


DATE_READERS: Final = (
    Reader(_DAY, _read_day, after="/.-_ "),
    Reader(_ISO_DAY, _read_day, after="-/."),
    Reader(_SPELLED_DAY, _read_day, after=" ,/a"),
    Reader(_NAMED_DAY, _read_day, "noun"),
    Reader(_SHORT_DAY, _read_day, "noun"),
    Reader(_BARE_DAY, _read_day, kind="number", query_only=True, after="-."),
    Reader(_COMPACT_DAY, _read_day, "eight digits"),
    Reader(_ENGLISH_DAY, _read_english_day, "dated in words"),
    Reader(_MONTH_IN_WORDS, _read_month_in_words, "dated in words"),
    Reader(
        _QUARTER_IN_WORDS,
        _read_quarter_in_words,
        "anywhere",
        ("quy nhat", "quy mot", "quy hai", "quy ba", "quy tu", "quy bon", "quy thu"),
        kind="number",
    ),
    Reader(_YEAR_BEFORE_QUARTER, _read_year_before_quarter, after="a"),
    Reader(_DAYS, _read_days, after="/.-~ "),
    Reader(_MONTH, _read_month, after="/-."),
    Reader(_NAMED_MONTH, _read_month, "noun"),
    Reader(_QUARTER, _read_quarter, "noun"),
    Reader(_LUNAR_DAY, _read_lunar_day, "noun", kind="number"),
    Reader(_TIME, _read_time, after=": a"),
    Reader(_TIMES, _read_times, after=": a-~"),
)
