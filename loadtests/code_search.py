"""Find numbers and codes among neighbours that differ in one digit: `python -m loadtests.code_search`.

Generated documents hold phone and account numbers, amounts, dates, percentages, legal numbers, GUIDs, error codes, file
names and URLs; for each there is one whose number differs in a single digit. Queries write the number in another usual
way, alone or in a few words. Prints recall@1 by kind and mode, with the bundled encoder, searched exactly.
"""

import argparse
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import export.bundled
from phoserve.search.evaluation import Ranking
from training.quality import MODES, Corpus, Encoder, find

SAMPLES: Final = 20
"""How many draws show which places of a code vary."""

MOST_TRIES: Final = 200

Spell = Callable[[str], str]

NAMES: Final = ("Tùng", "Mai", "Hạnh", "Dũng", "Thảo", "Khánh", "Vân", "Lâm", "Ngọc", "Phúc")
PLACES: Final = ("Đống Đa", "Thủ Đức", "Hải Châu", "Ninh Kiều", "Hồng Bàng", "Vinh", "Buôn Ma Thuột", "Long Xuyên")
GOODS: Final = ("máy in", "máy chiếu", "bàn họp", "ghế xoay", "điều hòa", "máy chủ", "điện thoại bàn", "tủ hồ sơ")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of code: how its digits are drawn, how documents and queries write it, and the sentences around it."""

    name: str
    digits: Callable[[random.Random], str]
    in_documents: tuple[Spell, ...]
    in_queries: tuple[Spell, ...]
    sentences: tuple[str, ...]
    questions: tuple[str, ...]
    is_valid: Callable[[str], bool] = lambda _: True


@dataclass(frozen=True, slots=True)
class CodeQuery:
    """A query and the position of the one document that holds its code."""

    kind: str
    text: str
    wanted: int


def draw(pattern: str) -> Callable[[random.Random], str]:
    """Digits for the # of a pattern, hexadecimal digits for its *."""

    def drawn(rng: random.Random) -> str:
        pools = {"#": "0123456789", "*": "0123456789abcdef"}
        return "".join(rng.choice(pools[each]) if each in pools else each for each in pattern)

    return drawn


def cut(*lengths: int, by: str = " ") -> Spell:
    def spelled(digits: str) -> str:
        parts, at = [], 0
        for length in lengths:
            parts.append(digits[at : at + length])
            at += length
        return by.join([*parts, digits[at:]] if digits[at:] else parts)

    return spelled


def thousands(by: str) -> Spell:
    return lambda digits: f"{int(digits):,}".replace(",", by)


def _millions(digits: str) -> str:
    whole, thousands = divmod(int(digits) // 1000, 1000)
    return f"{whole} triệu {thousands} nghìn" if thousands else f"{whole} triệu"


def _date(form: str) -> Spell:
    def spelled(digits: str) -> str:
        day, month, year = digits[:2], digits[2:4], digits[4:]
        return form.format(d=int(day), m=int(month), y=year, dd=day, mm=month)

    return spelled


def _is_date(digits: str) -> bool:
    return 1 <= int(digits[:2]) <= 28 and 1 <= int(digits[2:4]) <= 12


def _form(form: str) -> Spell:
    return lambda digits: form.format(digits, digits[:-4], digits[-4:])


def _guid(by: str) -> Spell:
    return cut(8, 4, 4, 4, 12, by=by)


KINDS: Final = (
    Kind(
        "phone", draw("09########"),
        (cut(4, 3, 3), cut(4, 3, 3, by="."), str, lambda d: "(+84) " + cut(3, 3, 3, by="-")(d[1:])),
        (cut(4, 3, 3), str, cut(4, 3, 3, by="."), cut(3, 3, 4, by="-"), lambda d: "+84" + d[1:],
         lambda d: "84 " + d[1:]),
        ("Liên hệ {name} theo số {code} để nhận {goods}.", "Số điện thoại của {name} ở {place}: {code}."),
        ("{}", "số điện thoại {}", "{} là số của ai"),
    ),
    Kind(
        "account", draw("19############"), (str, cut(4, 4, 4, 2)), (str, cut(4, 4, 4, 2), cut(4, 4, 4, 2, by=".")),
        ("Số tài khoản {code} của {name} mở tại chi nhánh {place}.",), ("{}", "tài khoản {}", "stk {}"),
    ),
    Kind(
        "amount", draw("#####000"), (thousands("."), thousands(","), lambda d: str(int(d))),
        (thousands("."), thousands(","), lambda d: str(int(d)), thousands(" "), _millions),
        ("Hóa đơn {goods} của {name} là {code} đồng.", "Tiền mua {goods} cho {place}: {code} đồng."),
        ("{}", "hóa đơn {} đồng", "{} đồng"), lambda digits: digits[0] != "0",
    ),
    Kind(
        "date", draw("####20##"),
        (_date("{dd}/{mm}/{y}"), _date("ngày {d} tháng {m} năm {y}"), _date("{dd}-{mm}-{y}")),
        (_date("{d}/{m}/{y}"), _date("{dd}-{mm}-{y}"), _date("{dd}.{mm}.{y}"), _date("ngày {d} tháng {m} năm {y}"),
         _date("ngay {d} thang {m} nam {y}"), _date("{y}-{mm}-{dd}")),
        ("Biên bản giao {goods} cho {name} lập {code}.", "{name} bắt đầu làm ở {place} từ {code}."),
        ("{}", "biên bản {}", "việc ngày {}"), _is_date,
    ),
    Kind(
        "legal", draw("###/20##/NĐ-CP"), (str, lambda d: f"Nghị định số {d}"),
        (str, str.lower, lambda d: f"nghị định {d[:8]}", lambda d: f"nghị định số {int(d[:3])} năm {d[4:8]}",
         lambda d: f"nghi dinh {d[:8]}", lambda d: d.replace("NĐ", "ND")),
        ("{name} tra cứu {code} về {goods}.", "Theo {code}, {goods} ở {place} phải kiểm định."),
        ("{}",), lambda digits: digits[0] != "0",
    ),
    Kind(
        "guid", draw("********************************"), (_guid("-"), lambda d: _guid("-")(d).upper()),
        (_guid("-"), str, str.upper), ("Phiếu {goods} {code} của {name} đang chờ.",), ("{}", "phiếu {}"),
    ),
    Kind(
        "error", draw("E####"), (lambda d: f"E-{d[1:]}", str, lambda d: f"E {d[1:]}"),
        (str, str.lower, lambda d: f"E-{d[1:]}", lambda d: f"e {d[1:]}"),
        ("Mã lỗi {code}: {goods} ở {place} mất kết nối.",), ("{}", "lỗi {}", "mã lỗi {} là gì"),
    ),
    Kind(
        "contract", draw("20#####"), (lambda d: f"HĐ-{d}", lambda d: f"HĐ {d}"),
        (lambda d: f"HĐ-{d}", lambda d: f"hd-{d}", lambda d: f"HĐ{d}", lambda d: f"hđ {d}"),
        ("Hợp đồng {code} mua {goods} do {name} phụ trách.",), ("{}", "hợp đồng {} do ai phụ trách"),
    ),
    Kind(
        "file", draw("######"), (lambda d: f"bao-cao-{d}.xlsx", lambda d: f"bao_cao_{d}.xlsx"),
        (lambda d: f"bao-cao-{d}.xlsx", lambda d: f"bao_cao_{d}", lambda d: f"BaoCao{d}.xlsx"),
        ("{name} gửi tệp {code} về {goods}.",), ("{}", "tệp {}"),
    ),
    Kind(
        "url", draw("######"), (lambda d: f"https://noi-bo.example.vn/ho-so/{d}?v=2",),
        (lambda d: f"ho-so/{d}", lambda d: f"noi-bo.example.vn/ho-so/{d}", lambda d: f"https://noi-bo.example.vn/ho-so/{d}"),
        ("Hồ sơ của {name} ở {place}: {code} .",), ("{}",),
    ),
)  # fmt: skip


def generate(
    documents: int, queries: int, *, seed: int = 0, kinds: Sequence[Kind] = KINDS
) -> tuple[list[str], list[CodeQuery]]:
    """Return texts of documents, in pairs one digit apart, and queries for some of them.

    There are fewer documents where a kind has too few values.
    """
    rng = random.Random(seed)  # noqa: S311 - repeatable, not secret
    texts: list[str] = []
    codes: list[tuple[Kind, str, int]] = []
    taken: set[tuple[str, str]] = set()
    for number in range(documents // 2):
        kind = kinds[number % len(kinds)]
        tries = islice(_pairs(kind, rng), MOST_TRIES)
        pair = next((pair for pair in tries if taken.isdisjoint((kind.name, digits) for digits in pair)), None)
        if pair is None:
            continue  # a kind with few values, such as the districts of a city
        taken.update((kind.name, digits) for digits in pair)
        words = {"name": rng.choice(NAMES), "place": rng.choice(PLACES), "goods": rng.choice(GOODS)}
        sentence = rng.choice(kind.sentences)
        for digits in pair:
            codes.append((kind, digits, len(texts)))
            texts.append(sentence.format(code=rng.choice(kind.in_documents)(digits), **words))
    chosen = rng.sample(codes, queries)
    asked = [
        CodeQuery(kind.name, rng.choice(kind.questions).format(rng.choice(kind.in_queries)(digits)), wanted)
        for kind, digits, wanted in chosen
    ]
    return texts, asked


def _pairs(kind: Kind, rng: random.Random) -> Iterator[tuple[str, str]]:
    while True:
        digits = kind.digits(rng)
        others = [kind.digits(rng) for _ in range(SAMPLES)]
        varying = [
            at
            for at, digit in enumerate(digits)
            if digit.isdigit() and any(each[at : at + 1] != digit for each in others)
        ]
        at = rng.choice(varying)
        neighbour = digits[:at] + rng.choice("0123456789".replace(digits[at], "")) + digits[at + 1 :]
        if (kind.name == "amount" and at >= len(digits) - 3) or (kind.name == "phone" and at == 0):
            continue
        if kind.is_valid(digits) and kind.is_valid(neighbour):
            yield digits, neighbour


def recalls(rankings: Sequence[Ranking], asked: Sequence[CodeQuery]) -> dict[str, tuple[int, int]]:
    """Return, by kind, how many queries found their document first, and how many there were."""
    found: dict[str, tuple[int, int]] = {}
    for ranking, query in zip(rankings, asked, strict=True):
        first, every = found.get(query.kind, (0, 0))
        found[query.kind] = first + (ranking[:1] == [query.wanted]), every + 1
    return found


def main(kinds: Sequence[Kind] = KINDS) -> None:
    """Print recall@1 by kind for every mode, and the queries that hybrid search missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=2000)
    parser.add_argument("--queries", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    texts, asked = generate(arguments.documents, arguments.queries, seed=arguments.seed, kinds=kinds)
    encoder = Encoder(Path(export.bundled.__path__[0]))
    found = find(encoder, [query.text for query in asked], Corpus(encoder, texts))
    write = sys.stdout.write
    for mode in MODES:
        rankings = found.rankings(mode, encoder.pipeline.contract.fusion)
        by_kind = recalls(rankings, asked)
        total = sum(first for first, _ in by_kind.values()) / len(asked)
        counts = "  ".join(f"{kind} {first}/{every}" for kind, (first, every) in sorted(by_kind.items()))
        write(f"{mode:8} recall@1 {total:.3f}  {counts}\n")
        if mode == "hybrid":
            for ranking, query in zip(rankings, asked, strict=True):
                if ranking[:1] != [query.wanted]:
                    best = texts[ranking[0]] if ranking else None  # type: ignore[call-overload]
                    write(f"  {query.text!r} wants {texts[query.wanted]!r}, found {best!r}\n")


if __name__ == "__main__":
    main()
