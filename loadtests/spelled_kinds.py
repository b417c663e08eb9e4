"""Fifty further kinds of numbers and codes: `python -m loadtests.spelled_kinds`.

Numbers in words, amounts in teencode, invoice signs, account and SWIFT codes, times of day, parts of documents,
technical names. They were written before any of them was tried. Otherwise as `loadtests.code_search`.
"""

import random
from collections.abc import Callable
from typing import Final

from loadtests.code_kinds import ROMAN
from loadtests.code_search import Kind, Spell, cut, draw, main, thousands

_DIGIT_WORDS: Final = ("không", "một", "hai", "ba", "bốn", "năm", "sáu", "bảy", "tám", "chín")


def _below_hundred(number: int) -> str:
    tens, ones = divmod(number, 10)
    if not tens:
        return _DIGIT_WORDS[ones]
    if tens == 1:
        return "mười" + ("" if not ones else " lăm" if ones == 5 else f" {_DIGIT_WORDS[ones]}")
    last = {0: "", 1: " mốt", 5: " lăm"}.get(ones, f" {_DIGIT_WORDS[ones]}")
    return f"{_DIGIT_WORDS[tens]} mươi{last}"


def _below_thousand(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    if not hundreds:
        return _below_hundred(rest)
    after = "" if not rest else f" lẻ {_DIGIT_WORDS[rest]}" if rest < 10 else f" {_below_hundred(rest)}"
    return f"{_DIGIT_WORDS[hundreds]} trăm{after}"


def in_words(number: int) -> str:
    """Return a number below a thousand billion in Vietnamese words."""
    parts = []
    for scale, name in ((10**9, "tỷ"), (10**6, "triệu"), (10**3, "nghìn"), (1, "")):
        part, number = divmod(number, scale)
        if part:
            parts.append(f"{_below_thousand(part)} {name}".strip())
    return " ".join(parts) or "không"


def _as_int(form: str, times: int = 1) -> Spell:
    """With the number as {n}, in words as {words}, grouped as {dots} and {commas}, Roman as {roman}."""

    def spelled(digits: str) -> str:
        number = int(digits) * times
        return form.format(
            n=number, words=in_words(number), dots=thousands(".")(str(number)), commas=thousands(",")(str(number)),
            roman=ROMAN[number - 1] if 0 < number <= len(ROMAN) else "?", d=digits, raw=int(digits),
        )  # fmt: skip

    return spelled


def _forms(*forms: str, times: int = 1) -> tuple[Spell, ...]:
    return tuple(_as_int(form, times) for form in forms)


def _split(at: int, *forms: str) -> tuple[Spell, ...]:
    """Two numbers: {a} and {b} as written, {x} and {y} without leading zeros."""

    def one(form: str) -> Spell:
        return lambda digits: form.format(a=digits[:at], b=digits[at:], x=int(digits[:at]), y=int(digits[at:]))

    return tuple(one(form) for form in forms)


def _text(*forms: str) -> tuple[Spell, ...]:
    """The code as {0}, in small letters as {low}, its pieces as {p[0]}, {p[1]}..."""

    def one(form: str) -> Spell:
        return lambda code: form.format(
            code, low=code.lower(), up=code.upper(), bare="".join(c for c in code if c.isalnum()),
            p=code.replace("/", "-").replace(".", "-").replace(" ", "-").replace(":", "-").replace("_", "-").split("-"),
        )  # fmt: skip

    return tuple(one(form) for form in forms)


def _between(low: int, high: int) -> Callable[[str], bool]:
    return lambda digits: low <= int(digits) <= high


def _pick(*choices: str) -> Callable[[random.Random], str]:
    """A choice with # drawn."""
    return lambda rng: draw(rng.choice(choices))(rng)


SPELLED_KINDS: Final = (
    Kind(
        "million words", draw("##"),
        _forms("{words} đồng", "{dots} đồng", "{dots}đ ({words} đồng)", "{raw} triệu đồng", times=1_000_000),
        _forms("{words}", "{words} đồng", "{raw} triệu", "{raw}tr", "{dots}", "{n}", "{raw} trieu dong", "{commas} VND", times=1_000_000),
        ("Học phí khóa {goods} ở {place} là {code}.", "{name} đặt cọc {code} cho {goods}."), ("{}", "khoản {}", "tiền {}"),
        _between(11, 99),
    ),
    Kind(
        "hundred thousand words", draw("#"),
        _forms("{words} đồng", "{dots} đồng", "{raw}00k", "{raw}00 nghìn đồng", "{raw}00.000đ", times=100_000),
        _forms("{words}", "{words} đồng", "{raw}00k", "{dots}", "{n}", "{raw}00 ngàn", "{dots}đ", "{raw}00 nghin", times=100_000),
        ("Phạt {name} {code} vì làm hỏng {goods}.", "Phí gửi xe tháng ở {place}: {code}."), ("{}", "mức {}", "tiền {}"), _between(1, 9),
    ),
    Kind(
        "thousands words", draw("##"),
        _forms("{words} đồng", "{dots} đồng", "{raw}k", "{raw} nghìn đồng", times=1000),
        _forms("{words}", "{words} đồng", "{raw}k", "{raw} ngàn", "{dots}đ", "{n}", times=1000),
        ("Vé {goods} đi {place}: {code}.",), ("{}", "vé {}"), _between(11, 99),
    ),
    Kind(
        "billion words", draw("##"),
        _forms("{words} đồng", "{raw} tỷ đồng", "{dots} đồng", times=10**9),
        _forms("{words} đồng", "{raw} tỷ", "{raw} ti", "{dots}", "{raw}ty", "{raw} tỉ đồng", "{raw}.000 triệu", times=10**9),
        ("Dự án {goods} ở {place} có vốn {code}.",), ("{}", "vốn {}", "dự án {}"), _between(11, 99),
    ),
    Kind(
        "mixed words", draw("##5"),
        _forms("{words} đồng", "{dots} đồng", times=100_000),
        (*_forms("{words}", "{words} đồng", "{dots}", "{n}", times=100_000), lambda d: f"{int(d) // 10},5 triệu", lambda d: f"{int(d) // 10}tr5",
         lambda d: f"{int(d) // 10} triệu rưỡi", lambda d: f"{int(d) // 10} triệu 500 nghìn", lambda d: f"{int(d) // 10}tr500"),
        ("Thù lao của {name}: {code}.",), ("{}", "thù lao {}"), lambda d: int(d) > 110,
    ),
    Kind(
        "days in words", draw("##"), _forms("{words} ngày", "{n} ngày", "{d} ngày", "{n} ({words}) ngày"),
        _forms("{words} ngày", "{n} ngày", "{n} ngay"),
        ("Hồ sơ {goods} xử lý trong {code} ở {place}.", "{name} nghỉ {code}."), ("{}", "thời hạn {}", "tìm {}"), _between(11, 99),
    ),
    Kind(
        "percent in words", draw("##"), _forms("{words} phần trăm", "{n}%", "{n} %", "{n},0%"),
        _forms("{words} phần trăm", "{n}%", "{n} phần trăm", "{n} phan tram"),
        ("{goods} ở {place} giảm giá {code}.",), ("{}", "giảm {}"), _between(11, 99),
    ),
    Kind(
        "invoice sign", _pick("1C##TAA", "1K##TBB", "2C##MAB", "6C##NAA"), _text("{0}", "{low}", "{0}"),
        _text("{0}", "{low}", "ký hiệu {0}", "ky hieu {low}"),
        ("Hóa đơn ký hiệu {code} mua {goods} của {name}.", "Mẫu hóa đơn {code} dùng ở {place}."), ("{}", "hóa đơn {}", "hoa don {}"),
    ),
    Kind(
        "invoice", draw("00#####"), (str, lambda d: f"No. {d}", lambda d: f"số {d}", lambda d: f"số {int(d)}"),
        (str, lambda d: f"số {int(d)}", lambda d: f"số {d}", lambda d: f"No {d}", lambda d: f"no.{int(d)}"),
        ("Hóa đơn {code} mua {goods} của {name}.",), ("hóa đơn {}", "hoa don {}"), lambda d: d.startswith("00") and d[2] != "0",
    ),
    Kind(
        "iban", draw("DE##370400440532013000"), (str, cut(4, 4, 4, 4, 4, 2)), (str, cut(4, 4, 4, 4, 4, 2), str.lower, cut(4, 4, 4, 4, 4, 2, by="-")),
        ("Chuyển tiền {goods} qua IBAN {code} cho {name}.",), ("{}", "IBAN {}", "iban cua {}"),
    ),
    Kind(
        "swift", _pick("BFTVVNV#", "ICBVVNV#", "VTCBVNV#", "BIDVVNV#XXX", "MSCBVNV#"), (str, lambda d: f"SWIFT: {d}"),
        (str, str.lower, lambda d: f"swift {d}", lambda d: f"mã swift {d.lower()}"),
        ("Ngân hàng của {name} có mã {code}.",), ("{}", "ngân hàng {}"),
    ),
    Kind(
        "card", draw("9704############"), (str, cut(4, 4, 4, 4), cut(4, 4, 4, 4, by="-")),
        (str, cut(4, 4, 4, 4), cut(4, 4, 4, 4, by="-"), cut(4, 4, 4, 4, by=".")),
        ("Thẻ ATM {code} của {name}.",), ("{}", "thẻ {}", "so the {}"), lambda d: d.startswith("9704"),
    ),
    Kind(
        "ip", draw("10.##.1##.2#"), (str, lambda d: f"{d}/24", lambda d: f"{d}:8080", lambda d: f"http://{d}/"), (str, lambda d: f"ip {d}", lambda d: f"http://{d}"),
        ("Máy {goods} ở {place} dùng địa chỉ {code}.",), ("{}", "địa chỉ {}", "may nao {}"), lambda d: d[3] != "0",
    ),
    Kind(
        "semver", draw("#.##.##"), (str, lambda d: f"v{d}", lambda d: f"v{d}-beta", lambda d: f"phiên bản {d}"), (str, lambda d: f"v{d}", lambda d: f"ver {d}", lambda d: f"ban {d}"),
        ("Phần mềm {goods} {code} phát hành ở {place}.",), ("{}", "cập nhật {}"), lambda d: d[2] != "0" and d[5] != "0",
    ),
    Kind(
        "framework", _pick("C++1#", "C++2#", ".NET #", "C# 1#", "F# #", "Java 1#", "Python 3.#", "ASP.NET #", "Vue.js #", "Objective-C 2.#"),
        (str,), (str, str.lower, str.upper), ("{name} viết {goods} bằng {code}.", "Tuyển người biết {code} ở {place}."),
        ("{}", "lập trình {}", "dùng {}", "ai biết {}"),
    ),
    Kind(
        "node", _pick("Node.js 1#", "Node.js 2#", "Next.js 1#", "Vue.js #"), (str, lambda d: d.replace(".js", "JS"), str.lower),
        (str, str.lower, lambda d: d.replace(".js", "js").lower(), lambda d: d.replace(".js", " js").lower()), ("{goods} của {name} chạy {code}.",), ("{}", "chạy {}"),
    ),
    Kind(
        "chapter", draw("##"), _forms("Chương {roman}", "Chương {n}", "CHƯƠNG {roman}", "chương {roman}"),
        _forms("Chương {roman}", "chương {n}", "chuong {n}", "chuong {roman}", "CHƯƠNG {n}", "chương thứ {n}"),
        ("Nội quy của {place}, {code}: {goods}.", "{name} soạn {code} về {goods}."), ("{}", "{} nói gì", "nội dung {}"), _between(1, 20),
    ),
    Kind(
        "annex", draw("##"), _forms("Phụ lục {roman}", "Phụ lục {n}", "phụ lục số {n}", "PHỤ LỤC {roman}"),
        _forms("phụ lục {roman}", "phụ lục {n}", "phu luc {n}", "Phụ lục số {n}", "phu luc {roman}"),
        ("{code} liệt kê {goods} ở {place}.", "Xem {code} do {name} lập."), ("{}", "{} có gì"), _between(1, 20),
    ),
    Kind(
        "phase", draw("#"), _forms("giai đoạn {n}", "Giai đoạn {roman}", "giai đoạn {roman}", "giai đoạn thứ {n}"),
        _forms("giai đoạn {n}", "giai doan {n}", "giai đoạn {roman}", "giai đoạn thứ {words}"),
        ("Dự án {goods} {code} ở {place}.",), ("{}", "dự án {}"), _between(2, 9),
    ),
    Kind(
        "clock", draw("####"), _split(2, "{x}h{b}", "{a}:{b}", "{x} giờ {b} phút", "{a} giờ {b}", "{a}g{b}", "{a}h{b}p"),
        _split(2, "{x}h{b}", "{x}:{b}", "{a}:{b}", "{a} giờ {b}", "{x} giờ {b} phút", "{x} gio {b}", "{x}g{b}", "{x}H{b}", "luc {x}h{b}"),
        ("{name} họp về {goods} lúc {code}.", "Tàu đi {place} chạy {code}."), ("{}", "tìm {}", "lich {}"),
        lambda d: int(d[:2]) <= 23 and 0 < int(d[2:]) <= 59,
    ),
    Kind(
        "whole hour", draw("##"), _forms("{n}h", "{n} giờ", "{d}:00", "{n}h00", "{d}h00", "{n} giờ 00"),
        _forms("{n}h", "{n} giờ", "{n}:00", "{n} gio", "{n}h00", "{d}h", "{d} giờ"),
        ("Quán {goods} ở {place} mở cửa lúc {code}.", "{name} đến lúc {code}."), ("{}", "lúc {}", "luc {}"), _between(3, 23),
    ),
    Kind(
        "time range", draw("####"), _split(2, "{x}h-{y}h", "từ {x}h đến {y}h", "{a}:00 - {b}:00", "{x} giờ đến {y} giờ", "{x}h00–{y}h00"),
        _split(2, "{x}h-{y}h", "từ {x} giờ đến {y} giờ", "{a}:00-{b}:00", "{x}h đến {y}h", "tu {x}h den {y}h", "{x}h - {y}h"),
        ("Giờ làm ở {place}: {code}.", "{name} trực {code}."), ("{}", "lịch {}"), lambda d: 5 <= int(d[:2]) < int(d[2:]) <= 23,
    ),
    Kind(
        "date range", draw("####"), _split(2, "{x}/5 - {y}/5/2026", "từ {x}/5 đến {y}/5/2026", "từ ngày {x} đến ngày {y} tháng 5 năm 2026", "{a}/05/2026 - {b}/05/2026", "{a}-{b}/5/2026"),
        _split(2, "từ {x}/5/2026 đến {y}/5/2026", "{a}/05/2026-{b}/05/2026", "{x}/5 - {y}/5/2026", "{x}/5-{y}/5/2026", "tu ngay {x}/5 den ngay {y}/5"),
        ("Hội chợ {goods} ở {place} mở {code}.", "{name} nghỉ {code}."), ("{}", "lịch {}"), lambda d: 1 <= int(d[:2]) < int(d[2:]) <= 28,
    ),
    Kind(
        "year range", draw("20##"), (lambda d: f"{d}-{int(d) + 1}", lambda d: f"{d} - {int(d) + 1}", lambda d: f"{d}–{int(d) + 1}", lambda d: f"{d}/{int(d) + 1}"),
        (lambda d: f"{d}-{int(d) + 1}", lambda d: f"{d} - {int(d) + 1}", lambda d: f"{d}–{int(d) + 1}", lambda d: f"{d}-{(int(d) + 1) % 100:02}"),
        ("Năm học {code} ở {place}: {goods}.",), ("năm học {}", "nam hoc {}", "{}"), lambda d: d.startswith("20") and int(d[2:]) < 90,
    ),
    Kind(
        "year", draw("20##"), (lambda d: f"năm {d}", lambda d: f"năm {d}"), (lambda d: f"năm {d}", lambda d: f"nam {d}", str),
        ("Báo cáo {goods} {code} của {place}.",), ("{}", "báo cáo {}", "bao cao {}"), lambda d: d.startswith("20"),
    ),
    Kind(
        "month word", draw("##20##"),
        (lambda d: f"tháng {int(d[:2])}/{d[2:]}", lambda d: f"tháng {d[:2]}/{d[2:]}", lambda d: f"tháng {in_words(int(d[:2]))} năm {d[2:]}", lambda d: f"T{d[:2]}/{d[2:]}", lambda d: f"tháng {int(d[:2])}-{d[2:]}"),
        (lambda d: f"tháng {int(d[:2])}/{d[2:]}", lambda d: f"{int(d[:2])}/{d[2:]}", lambda d: f"tháng {in_words(int(d[:2]))} năm {d[2:]}", lambda d: f"thang {d[:2]} nam {d[2:]}", lambda d: f"T{int(d[:2])}/{d[2:]}"),
        ("Lương {code} của {name}.", "Hàng {goods} bán ở {place} {code}."), ("{}", "tìm {}", "cuoi {}"), lambda d: int(d[:2]) in {2, 3, 5, 6, 7, 8, 9, 10, 11, 12} and d[2:4] == "20",
    ),
    Kind(
        "quarter roman", draw("#20##"),
        (lambda d: f"quý {ROMAN[int(d[0]) - 1]}/{d[1:]}", lambda d: f"quý {in_words(int(d[0]))} năm {d[1:]}", lambda d: f"Q{d[0]}-{d[1:]}", lambda d: f"quý {d[0]}, {d[1:]}"),
        (lambda d: f"quý {d[0]}/{d[1:]}", lambda d: f"quý {ROMAN[int(d[0]) - 1]} năm {d[1:]}", lambda d: f"Q{d[0]} {d[1:]}", lambda d: f"quy {d[0]} nam {d[1:]}", lambda d: f"{d[0]}Q{d[3:]}"),
        ("Lợi nhuận {goods} {code} ở {place}.",), ("{}", "lợi nhuận {}"), lambda d: 1 < int(d[0]) <= 4 and d[1:3] == "20",
    ),
    Kind(
        "weight range", draw("####"), _split(2, "{x}-{y} kg", "{x} – {y}kg", "từ {x} đến {y} kg", "từ {x}kg đến {y}kg"),
        _split(2, "{x}-{y}kg", "{x} - {y} kg", "{x} đến {y} kg", "từ {x}kg đến {y}kg", "{x}kg-{y}kg"),
        ("Bao {goods} nặng {code}.",), ("{}", "bao nặng {}"), lambda d: 10 <= int(d[:2]) < int(d[2:]),
    ),
    Kind(
        "grams", draw("#5"), _forms("{n}0g", "{n}0 g", "{n}0 gam", "{n}0 gram"), _forms("{n}0g", "{n}0 gam", "{n}0gr", "{n}0 gram", "{n}0G"),
        ("Gói {goods} {code} bán ở {place}.",), ("{}", "gói {}"), _between(15, 99),
    ),
    Kind(
        "litres", draw("##"), _forms("{n} lít", "{n}L", "{n} l", "{n},0 lít"), _forms("{n} lít", "{n}l", "{n} lit", "{n}L"),
        ("Bình {goods} {code} của {name}.",), ("{}", "bình {}"), _between(11, 99),
    ),
    Kind(
        "distance", draw("##"), _forms("{n} km", "{n}km", "{n} ki-lô-mét", "{n} cây số"), _forms("{n}km", "{n} km", "{n} kilomet", "{n} cây số", "{n} cay so"),
        ("Từ {place} đến kho {goods} dài {code}.",), ("{}", "dài {}", "cach {}"), _between(11, 99),
    ),
    Kind(
        "hectare", draw("##"), _forms("{n} ha", "{n}ha", "{n} hecta", "{n} héc-ta"), _forms("{n} ha", "{n}ha", "{n} héc ta", "{n} hec ta", "{n} hecta"),
        ("Khu {goods} ở {place} rộng {code}.",), ("{}", "rộng {}"), _between(11, 99),
    ),
    Kind(
        "speed", draw("##"), _forms("{n} km/h", "{n}km/h", "{n} km/giờ"), _forms("{n} km/h", "{n}km/h", "{n}km/giờ", "{n} kmh", "{n} KM/H"),
        ("Xe {goods} chạy tối đa {code} ở {place}.",), ("{}", "tốc độ {}"), _between(11, 99),
    ),
    Kind(
        "people", draw("1##"), _forms("{n} người", "{n} nguoi", "{words} người"), _forms("{n} người", "{n} nguoi", "{words} người"),
        ("Phòng {goods} ở {place} chứa {code}.",), ("{}", "chứa {}"), _between(100, 199),
    ),
    Kind(
        "decision dotted", draw("####/QĐ-TTg"), (str, lambda d: f"Quyết định số {d}", lambda d: f"Quyết định {d} của Thủ tướng"),
        (str, str.lower, lambda d: f"quyết định {d[:4]}", lambda d: f"qd {d[:4]} ttg", lambda d: f"QĐ {d[:4]}/TTg", lambda d: f"quyet dinh so {d[:4]}"),
        ("{code} phê duyệt {goods} ở {place}.",), ("{}", "{} về gì"), lambda d: d[0] != "0",
    ),
    Kind(
        "joint circular", draw("##/20##/TTLT-BLĐTBXH-BTC"), (str, lambda d: f"Thông tư liên tịch số {d}", lambda d: f"Thông tư liên tịch {d[:7]}"),
        (str, lambda d: f"thông tư liên tịch {d[:7]}", lambda d: f"ttlt {d[:7]}", lambda d: f"thong tu lien tich so {d[:2]} nam {d[3:7]}", lambda d: f"TTLT {int(d[:2])}/{d[3:7]}"),
        ("{code} áp dụng cho {goods} của {name}.",), ("{}", "{} quy định gì"), lambda d: int(d[:2]) > 0,
    ),
    Kind(
        "resolution", draw("###/20##/NQ-HĐND"), (str, lambda d: f"Nghị quyết số {d}", lambda d: f"NQ {d}"),
        (str, lambda d: f"nghị quyết {d[:8]}", lambda d: f"nq {d[:8]}", lambda d: f"nghi quyet so {d[:3]} nam {d[4:8]}", lambda d: f"{d[:3]}/{d[4:8]}/nq-hdnd"),
        ("{place} thi hành {code} về {goods}.",), ("{}",), lambda d: d[0] != "0",
    ),
    Kind(
        "dated decree", draw("##/20##/NĐ-CP"), (lambda d: f"Nghị định {d} ngày 05/3/{d[3:7]}", lambda d: f"Nghị định số {d} ngày 5 tháng 3 năm {d[3:7]} của Chính phủ"),
        (str, lambda d: f"nghị định {int(d[:2])}/{d[3:7]}", lambda d: f"ND {d[:7]}", lambda d: f"nghị định {d[:2]} năm {d[3:7]}", lambda d: f"nghị định số {d} của Chính phủ"),
        ("Căn cứ {code} về {goods};",), ("{}", "{} còn hiệu lực không"), lambda d: int(d[:2]) > 9,
    ),
    Kind(
        "ministry letter", draw("####/TCT-CS"), (lambda d: f"Công văn {d}", lambda d: f"Công văn số {d}", lambda d: f"CV số {d}"),
        (str, lambda d: f"công văn {d[:4]}", lambda d: f"cv {d[:4]}/tct-cs", lambda d: f"cong van {d[:4]} tct", lambda d: f"cv{d[:4]}"),
        ("{code} trả lời {name} về {goods}.",), ("{}", "{} trả lời gì"), lambda d: d[0] != "0",
    ),
    Kind(
        "standard part", draw("QCVN 0#:20##/BXD"), (str, lambda d: d.replace(" ", "")), (str, str.lower, lambda d: d[:12], lambda d: d.replace(" ", ""), lambda d: d[:12].lower()),
        ("{goods} theo {code} ở {place}.",), ("{}", "quy chuẩn {}"), lambda d: d[6] != "0",
    ),
    Kind(
        "car", draw("30K#####"), (lambda d: f"{d[:3]}-{d[3:6]}.{d[6:]}", lambda d: f"{d[:3]} {d[3:]}", lambda d: f"{d[:3]}{d[3:]}", lambda d: f"{d[:3]}-{d[3:]}"),
        (lambda d: f"{d[:3]}-{d[3:6]}.{d[6:]}", lambda d: f"{d[:3].lower()}{d[3:]}", lambda d: f"{d[:3]} {d[3:6]}.{d[6:]}", lambda d: f"{d[:3]} {d[3:]}", lambda d: f"{d[:3]}-{d[3:]}"),
        ("Ô tô {code} của {name} chở {goods}.",), ("{}", "xe {}", "bien so {}"), lambda d: d.startswith("30K"),
    ),
    Kind(
        "insurance", draw("DN4 79########"), (str, lambda d: d.replace(" ", ""), lambda d: f"{d[:3]}-{d[4:]}"), (str, lambda d: d.replace(" ", ""), str.lower, lambda d: d.replace(" ", "").lower()),
        ("Thẻ BHYT {code} của {name}.",), ("{}", "thẻ bhyt {}"), lambda d: d.startswith("DN4"),
    ),
    Kind(
        "passport", draw("C#######"), (str, lambda d: f"{d[0]} {d[1:]}"), (str, str.lower, lambda d: f"{d[0]} {d[1:]}", lambda d: f"{d[0].lower()} {d[1:]}"),
        ("Hộ chiếu {code} của {name}.",), ("{}", "hộ chiếu {}", "ho chieu so {}"), lambda d: d[1] != "0",
    ),
    Kind(
        "order", draw("DH-2026-0####"), (str, lambda d: d.replace("-", ""), lambda d: d.replace("-", "/"), lambda d: d.replace("-", "_")),
        (str, str.lower, lambda d: d.replace("-", ""), lambda d: d.replace("-", "/"), lambda d: d.replace("-", " "), lambda d: d.replace("-", ".")),
        ("Đơn hàng {code} mua {goods} gửi {place}.",), ("{}", "đơn hàng {}", "don hang {} den dau roi"), lambda d: d.startswith("DH-2026-0"),
    ),
    Kind(
        "ticket", draw("PRJ-####"), (str, lambda d: f"[{d}]", lambda d: f"#{d}"), (str, str.lower, lambda d: d.replace("-", ""), lambda d: d.replace("-", " "), lambda d: f"#{d}"),
        ("{code}: {goods} hỏng ở {place}.",), ("{}", "ticket {}"), lambda d: d[4] != "0",
    ),
    Kind(
        "issue number", draw("####"), _forms("#{n}", "# {n}", "#{n}"), _forms("#{n}", "số {n}", "{n}"), ("Yêu cầu {code} về {goods} do {name} mở.",), ("{}", "yêu cầu {}"),
        lambda d: d[0] not in "012",
    ),
    Kind(
        "commit", draw("********"), (str, lambda d: f"commit {d}", lambda d: f"({d})"), (str, str.upper, lambda d: f"commit {d}"),
        ("{name} sửa {goods} trong {code}.",), ("{}", "bản {}"), lambda d: any(c.isalpha() for c in d) and any(c.isdigit() for c in d),
    ),
    Kind(
        "image file", draw("IMG_20260###_1#####.jpg"), (str,), (str, str.lower, lambda d: d[:-4], lambda d: d.replace("_", "-"), lambda d: d.replace("_", " ")),
        ("{name} chụp {goods}: {code}",), ("{}", "ảnh {}"), lambda d: d.startswith("IMG_20260") and d[12:14] == "_1",
    ),
    Kind(
        "path", draw("/data/kho-#/bao_cao_###.csv"), (str, lambda d: f"s3:/{d}", lambda d: d.replace("/", "\\")), (str, lambda d: d.split("/")[-1], lambda d: d.replace("/", "\\"), lambda d: "/".join(d.split("/")[2:])),
        ("{goods} của {place} lưu ở {code}",), ("{}", "tệp {}"), lambda d: d.startswith("/data/kho-7"),
    ),
    Kind(
        "url query", draw("https://shop.example.vn/sp?id=#####&ref=fb"), (str, lambda d: d.replace("https://", "")), (str, lambda d: d.replace("https://", ""), lambda d: d.replace("https://", "http://www."), lambda d: d.split("&")[0]),
        ("Mua {goods} ở {place}: {code}",), ("{}", "link {}"),
    ),
    Kind(
        "e-mail", draw("kinhdoanh##@cong-ty.example.com.vn"), (str, str.upper, lambda d: f"({d})"), (str, str.lower, lambda d: d.split("@")[0], lambda d: f"mailto:{d}"),
        ("{name} nhận thư ở {code} về {goods}.",), ("{}", "email {}", "thu gui {}"),
    ),
    Kind(
        "room", draw("P.#0#"), (str, lambda d: f"phòng {d[2:]}", lambda d: f"Phòng {d[2:]}", lambda d: f"P{d[2:]}"), (str, lambda d: f"phòng {d[2:]}", lambda d: f"p{d[2:]}", lambda d: f"phong {d[2:]}", lambda d: f"P {d[2:]}"),
        ("{name} họp ở {code} về {goods}.",), ("{}", "họp ở {}"), lambda d: d[2] != "0" and d[3] == "0",
    ),
    Kind(
        "class", draw("1#A#"), (str, lambda d: f"lớp {d}", lambda d: f"{d[:2]}/{d[2:]}"), (lambda d: f"lớp {d}", lambda d: f"lop {d.lower()}", str, lambda d: d.lower()),
        ("Học sinh {code} ở {place} mượn {goods}.",), ("{}", "học sinh {}"), lambda d: d[1] in "012" and d[3] != "0",
    ),
    Kind(
        "landline code", draw("024 3### ####"), (str, lambda d: d.replace(" ", "."), lambda d: f"(024) {d[4:]}", lambda d: f"(84-24) {d[4:]}", lambda d: d.replace(" ", "-")),
        (str, lambda d: d.replace(" ", ""), lambda d: f"(024){d[4:]}", lambda d: f"+84 24 {d[4:]}", lambda d: d.replace(" ", "."), lambda d: f"02{d[2:3]}-{d[4:8]}{d[9:]}"),
        ("Điện thoại {place}: {code}.",), ("{}", "số {}", "so may {}"), lambda d: d.startswith("024 3"),
    ),
    Kind(
        "phone extension", draw("028 3822 1234 (####)"), (lambda d: f"028 3822 1234 (máy lẻ {d[15:19]})", lambda d: f"028 3822 1234 - {d[15:19]}", lambda d: f"028.3822.1234 máy lẻ {d[15:19]}", lambda d: f"(028) 3822 1234 ext {d[15:19]}"),
        (lambda d: f"máy lẻ {d[15:19]}", lambda d: f"ext {d[15:19]}", lambda d: f"may le {d[15:19]}", lambda d: f"028 3822 1234 máy lẻ {d[15:19]}"),
        ("Gọi {name}: {code}.",), ("{}",), lambda d: d.startswith("028 3822 1234 (") and d[15] not in "012",
    ),
    Kind(
        "decimal percent", draw("#,##%"), (str, lambda d: d.replace(",", "."), lambda d: d.replace("%", " %"), lambda d: d.replace("%", " phần trăm")),
        (str, lambda d: d.replace(",", "."), lambda d: d.replace("%", " %"), lambda d: d.replace("%", " phan tram")),
        ("Lãi suất {goods} ở {place}: {code}.",), ("{}", "lãi suất {}", "lai suat {}"), lambda d: d[-2] != "0" and d[2] != "0",
    ),
    Kind(
        "usd", draw("1#.5"), (lambda d: f"{d} USD", lambda d: f"${d}0", lambda d: f"{d.replace('.', ',')} đô la Mỹ", lambda d: f"US$ {d}"),
        (lambda d: f"{d} USD", lambda d: f"${d}", lambda d: f"{d} đô", lambda d: f"{d} usd", lambda d: f"{d.replace('.', ',')} đô la"),
        ("Giá {goods} ở {place}: {code}.",), ("{}", "giá {}"), lambda d: d[0] == "1",
    ),
)  # fmt: skip

if __name__ == "__main__":
    main(SPELLED_KINDS)
