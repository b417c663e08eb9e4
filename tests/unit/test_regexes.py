"""No regular expression of the project takes more than linear time, whatever is repeated.

Each pattern searches texts in which one piece is repeated: those that patterns backtrack over. Where that takes longer
than most linear patterns need, a text of four times the length shows how the time grows: 4 times if it is linear, 16
times if it is quadratic. Time is that of the process, the shortest of several.
"""

import importlib
import pkgutil
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import api
import cli
import export
import ingest
import phoserve

LENGTH = 2000
SUSPICIOUS_S = 0.001
LONGER = 4
MOST_GROWTH = 9
TOO_LONG_S = 1.0
"""The longer text is not tried: an exponential pattern would not end."""
PIECES = [
    *" \t\nA a10.,-_/()[]<>&#*`|:;=+%'\"@đạ\u0301\u200b\xa0\\~!?xe$",
    *["a ", "1.", "1,", "a-", "1-", "- ", "1 ", "a.", "A.", "a/", "1/", "a_", "<a", "&a", "a\n", "\n ", "\n\n", "| "],
    *["|-", "# ", "* ", "1) ", "a: ", "a=", "[a](", "[1, ", "Điều 1 ", "khoản 1 ", "a@", "@a.", "00", "+1", "x1", "a,"],
    *["1a", "Aa", "nghỉ ", " \n", "\t ", "|\n", "- - ", "__", "``", "**", "[[", "](", "<!--", "-->", "<![", "::", "0x"],
    *["%2", "1e", "==", "một ", "thì sao ", "ngày 1 ", "1 triệu ", "![", "<img ", "<think", "</", "tiền "],
    *["![a](", "![a][", "<a", "](a", "(a", "[a", '="', "{{", "}}", "a:b", "//", "a\r\n", "1 a", "A1", "%a", "\ta"],
]
ENDS = ["", "\x01"]
ANCHORED = frozenset({"match", "fullmatch"})
ALSO_ANCHORED = {
    "ingest.parsing.alternative._FILE": "fullmatch in a loop over patterns",
    "ingest.parsing.alternative._IDENTIFIER": "fullmatch in a loop over patterns",
    "ingest.parsing.alternative._NUMBERED": "fullmatch in a loop over patterns",
    "phoserve.answers.units._BULLET": "match in a loop over patterns",
    "phoserve.answers.units._LETTER": "match in a loop over patterns",
    "phoserve.answers.units._NUMBER": "match in a loop over patterns",
}
BOUNDED = {
    "ingest.parsing.number_codes._TOKEN": "reads 1,000 characters",
    "phoserve.text.telex._TYPED": "reads letters only, of which it takes all",
    "phoserve.text.sentences._LAST_WORD": "reads 40 characters",
    "phoserve.text.sentences._NUMBERING": "reads 40 characters",
}


def modules() -> Iterator[str]:
    for root in (phoserve, api, ingest, cli, export):
        for each in pkgutil.walk_packages(root.__path__, f"{root.__name__}."):
            if not each.name.endswith((".__main__", "migrations.env")):
                yield each.name


def patterns_in(value: Any, depth: int = 3) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif depth and isinstance(value, dict):
        yield from patterns_in([*value.keys(), *value.values()], depth)
    elif depth and isinstance(value, list | tuple | set | frozenset):
        for each in value:
            yield from patterns_in(each, depth - 1)


def all_patterns() -> dict[str, list[re.Pattern[Any]]]:
    """The patterns by the first name that has them."""
    found: dict[str, list[re.Pattern[Any]]] = {}
    seen: set[tuple[Any, int]] = set()
    for name in modules():
        for attribute, value in vars(importlib.import_module(name)).items():
            for pattern in patterns_in(value):
                if (kind := (pattern.pattern, pattern.flags)) not in seen:
                    seen.add(kind)
                    found.setdefault(f"{name}.{attribute}", []).append(pattern)
    return found


PATTERNS = all_patterns()


def methods_of(name: str) -> frozenset[str]:
    """The methods of a pattern that its module calls; those of a pattern in a list or a table are not known."""
    module, _, attribute = name.rpartition(".")
    if name in ALSO_ANCHORED:
        return frozenset({"fullmatch"})
    source = Path(str(importlib.import_module(module).__file__)).read_text(encoding="utf-8")
    return frozenset(re.findall(rf"(?<![\w.]){re.escape(attribute)}\.(\w+)\(", source))


def spent_s(pattern: re.Pattern[Any], text: str, methods: frozenset[str]) -> float:
    subject = text.encode() if isinstance(pattern.pattern, bytes) else text
    begun = time.process_time()
    if methods and methods <= ANCHORED:
        for each in methods:
            getattr(pattern, each)(subject)
    else:
        for _ in pattern.finditer(subject):
            pass
    return time.process_time() - begun


def is_slow(pattern: re.Pattern[Any], piece: str, end: str = "", methods: frozenset[str] = frozenset()) -> bool:
    """Return whether time grows faster than the length of a text of repeated pieces."""

    def shortest_s(length: int, times: int) -> float:
        text = piece * (length // len(piece)) + end
        return min(spent_s(pattern, text, methods) for _ in range(times))

    def grows() -> bool:
        short_s = shortest_s(LENGTH, 3)
        return short_s > TOO_LONG_S or shortest_s(LENGTH * LONGER, 3) > MOST_GROWTH * short_s

    if shortest_s(LENGTH, 1) < SUSPICIOUS_S or shortest_s(LENGTH, 3) < SUSPICIOUS_S:
        return False
    return all(grows() for _ in range(3))  # one measurement may be disturbed


def test_all_patterns_are_found() -> None:
    assert len(PATTERNS) > 120
    assert {*ALSO_ANCHORED, *BOUNDED} <= PATTERNS.keys()


@pytest.mark.parametrize("name", sorted(PATTERNS.keys() - BOUNDED.keys()))
def test_time_is_linear(name: str) -> None:
    methods = methods_of(name)
    slow = [
        (pattern.pattern[:80], piece, end)
        for pattern in PATTERNS[name]
        for piece in PIECES
        for end in ENDS
        if is_slow(pattern, piece, end, methods)
    ]
    assert not slow[:3]


def test_a_quadratic_pattern_is_seen() -> None:
    assert is_slow(re.compile(r"\s+$"), " ", "x")
    assert is_slow(re.compile(r"!\[[^\]\n]*\]\("), "![")
    assert not is_slow(re.compile(r"\s++$"), "a ", "x")
