"""Fifty more kinds of numbers and codes, in the spellings that people use: `python -m loadtests.code_kinds`.

They were written before the code that reads them, as a check of it. Otherwise as `loadtests.code_search`.
"""

from collections.abc import Callable
from typing import Final

from loadtests.code_search import Kind, Spell, cut, draw, main, thousands

ROMAN: Final = tuple("I II III IV V VI VII VIII IX X XI XII XIII XIV XV XVI XVII XVIII XIX XX".split())  # noqa: SIM905


def _one_of(*forms: str) -> tuple[Spell, ...]:
    """Spellings by forms with the digits as {0} and their places as {d[0]}, {d[1]}..."""
    return tuple(_form(form) for form in forms)


def _form(form: str) -> Spell:
    return lambda digits: form.format(digits, d=digits, n=int(digits) if digits.isdigit() else 0)


def _date(form: str) -> Spell:
    def spelled(digits: str) -> str:
        day, month, year = digits[:2], digits[2:4], digits[4:]
        return form.format(d=int(day), m=int(month), y=year, dd=day, mm=month, yy=year[2:])

    return spelled


def _is_date(digits: str) -> bool:
    return 1 <= int(digits[:2]) <= 28 and 1 <= int(digits[2:4]) <= 12


def _month(form: str) -> Spell:
    return lambda digits: form.format(m=int(digits[:2]), mm=digits[:2], y=digits[2:])


def _quarter(form: str) -> Spell:
    return lambda digits: form.format(q=digits[0], r=ROMAN[int(digits[0]) - 1], y=digits[1:])


def _time(form: str) -> Spell:
    return lambda digits: form.format(h=int(digits[:2]), hh=digits[:2], mm=digits[2:])


def _tenths(form: str, mark: str = ".") -> Spell:
    """A number of tenths, such as 45 for 4.5; a whole number without its zero."""

    def spelled(digits: str) -> str:
        whole, part = divmod(int(digits), 10)
        return form.format(f"{whole}{mark}{part}" if part else whole, w=whole, p=part)

    return spelled


def _count(form: str) -> Spell:
    return lambda digits: form.format(n=int(digits), roman=ROMAN[int(digits) - 1] if 0 < int(digits) <= 20 else "?")


def _pair(form: str) -> Spell:
    """Two numbers of two digits, such as 10 and 15."""
    return lambda digits: form.format(a=int(digits[:2]), b=int(digits[2:]))


def _in_range(low: int, high: int) -> Callable[[str], bool]:
    return lambda digits: low <= int(digits) <= high


def _grouped_amount(form: str, by: str = ".") -> Spell:
    return lambda digits: form.format(thousands(by)(digits))


MORE_KINDS: Final = (
    Kind(
        "phone abroad", draw("09########"),
        (cut(4, 3, 3), lambda d: "+84 " + cut(3, 3, 3)(d[1:]), lambda d: "0084" + d[1:], lambda d: "84" + d[1:],
         lambda d: "(+84)" + d[1:], lambda d: "(84) " + cut(3, 3, 3, by=".")(d[1:]), cut(3, 3, 4)),
        (str, cut(3, 3, 4), lambda d: "0084" + d[1:], lambda d: "0084 " + cut(3, 3, 3)(d[1:]),
         lambda d: "+84-" + cut(3, 3, 3, by="-")(d[1:]), lambda d: "(+84)" + d[1:], lambda d: "84" + d[1:],
         lambda d: "tel:+84" + d[1:], lambda d: "+84 (0)" + cut(3, 3, 3)(d[1:]), cut(4, 2, 2, 2),
         lambda d: cut(4, 3, 3, by=" . ")(d), lambda d: cut(4, 3, 3, by=" - ")(d), cut(5, 5), cut(4, 6)),
        ("Gọi {name} ở {place} qua {code}.", "ĐT: {code} ({name}).", "Hotline {goods}: {code}"),
        ("{}", "sđt {}", "so dien thoai {}", "ai có số {} vậy"), lambda d: d[1] == "9",
    ),
    Kind(
        "landline", draw("028########"),
        (lambda d: f"({d[:3]}) {d[3:7]} {d[7:]}", lambda d: f"{d[:3]}.{d[3:7]}.{d[7:]}", lambda d: f"{d[:3]}-{d[3:]}",
         lambda d: f"+84 28 {d[3:7]} {d[7:]}", lambda d: f"(84-28) {d[3:]}", lambda d: f"({d[:3]}){d[3:]}"),
        (lambda d: f"({d[:3]}) {d[3:7]} {d[7:]}", str, lambda d: f"{d[:3]} {d[3:]}", lambda d: f"({d[:3]}){d[3:7]}.{d[7:]}",
         lambda d: f"+8428{d[3:]}", lambda d: f"{d[:3]}-{d[3:7]}-{d[7:]}", lambda d: f"(84.28) {d[3:7]} {d[7:]}",
         lambda d: f"028.{d[3:5]}.{d[5:7]}.{d[7:9]}.{d[9:]}"),
        ("Văn phòng {place}: {code}.", "Điện thoại cố định của {name} là {code}."), ("{}", "số máy bàn {}"),
        lambda d: d.startswith("028"),
    ),
    Kind(
        "hotline", draw("1900####"), (str, cut(4, 4), cut(4, 4, by="."), cut(4, 2, 2)),
        (str, cut(4, 4), cut(4, 4, by="-"), cut(4, 4, by="."), cut(4, 2, 2), cut(4, 2, 2, by=".")),
        ("Tổng đài {place}: {code}.",), ("{}", "tổng đài {}"), lambda d: d.startswith("1900"),
    ),
    Kind(
        "cccd", draw("0792########"), (str, cut(3, 3, 3, 3), cut(3, 3, 6, by="."), cut(4, 4, 4)),
        (str, cut(3, 3, 3, 3), cut(3, 9), cut(4, 4, 4), cut(3, 3, 3, 3, by="."), cut(3, 3, 3, 3, by="-")),
        ("CCCD số {code} cấp cho {name} tại {place}.", "Căn cước công dân: {code}"), ("{}", "cccd {}", "số căn cước {}"),
    ),
    Kind(
        "tax", draw("03########-0##"),
        (str, lambda d: f"{d[:10]} - {d[11:]}", lambda d: f"{d[:2]} {d[2:6]} {d[6:10]}-{d[11:]}"),
        (str, lambda d: f"{d[:10]} - {d[11:]}", lambda d: d.replace("-", ""), lambda d: d.replace("-", " "),
         lambda d: f"{d[:10]}–{d[11:]}", lambda d: d.replace("-", ".")),
        ("MST: {code} (chi nhánh {place}).", "Mã số thuế {code} của công ty {name}."), ("{}", "mst {}", "mã số thuế {}"),
    ),
    Kind(
        "tax company", draw("03########"), (str, lambda d: f"{d[:2]} {d[2:9]} {d[9]}", cut(4, 3, 3), cut(2, 8)),
        (str, cut(4, 3, 3), cut(2, 8), cut(4, 3, 3, by=".")), ("MST {code}, công ty {name}.",), ("{}", "mst {}"),
    ),
    Kind(
        "thousands", draw("###000"),
        (_grouped_amount("{}đ"), _grouped_amount("{} đ"), _grouped_amount("{} VNĐ"), _grouped_amount("{} VND", ","),
         lambda d: f"{int(d) // 1000}k", lambda d: f"{int(d) // 1000} nghìn đồng", lambda d: f"{int(d) // 1000}.000,00 đồng",
         _grouped_amount("VND {}"), _grouped_amount("₫{}"), lambda d: f"{int(d) // 1000}K"),
        (lambda d: f"{int(d) // 1000}k", lambda d: f"{int(d) // 1000}K", lambda d: f"{int(d) // 1000} nghìn",
         lambda d: f"{int(d) // 1000} ngàn đồng", lambda d: f"{int(d)}", _grouped_amount("{}đ"), _grouped_amount("{}vnđ"),
         _grouped_amount("{},00"), _grouped_amount("{} VND", ","), lambda d: f"{int(d)}đ", lambda d: f"{int(d)} VND",
         lambda d: f"{int(d) // 1000} ngan", lambda d: f"{int(d)}vnd", _grouped_amount("₫{}"), lambda d: f"{int(d) // 1000} k"),
        ("Phí gửi {goods} ở {place} là {code} mỗi lần.", "{name} nộp {code} tiền {goods}."),
        ("{}", "tìm {}", "có gì về {}"), lambda d: d[0] != "0",
    ),
    Kind(
        "millions", draw("##"),
        (_tenths("{} triệu", ","), _tenths("{} triệu đồng", ","), lambda d: f"{int(d) * 100_000:,}".replace(",", ".") + "đ",
         lambda d: f"{int(d) * 100_000}", _tenths("{}tr"), lambda d: f"{int(d) * 100_000:,} VND"),
        (_tenths("{} triệu", ","), _tenths("{}tr"), _tenths("{} tr", ","), _tenths("{w}tr{p}"), _tenths("{w} triệu {p}"),
         lambda d: f"{int(d) * 100_000:,}".replace(",", ".") + "đ", lambda d: f"{int(d) * 100_000}", _tenths("{} trieu"),
         lambda d: f"{int(d) * 100_000:,} VND", lambda d: f"{int(d) * 100_000} dong", _tenths("{w}tr{p}00"),
         _tenths("{w} triệu {p}00 nghìn")),
        ("Lương của {name} ở {place}: {code}.",), ("{}", "lương {}"), lambda d: d[0] != "0" and d[1] != "0",
    ),
    Kind(
        "billions", draw("##"),
        (_tenths("{} tỷ", ","), _tenths("{} tỷ đồng", ","), lambda d: f"{int(d) * 100:,}.000.000 đồng".replace(",", "."),
         _tenths("{} tỉ", ".")),
        (_tenths("{} tỷ", ","), _tenths("{w} tỷ {p}"), _tenths("{w}tỷ{p}"), _tenths("{} ti"), _tenths("{w} tỉ {p}00 triệu"),
         lambda d: f"{int(d) * 100_000_000}", lambda d: f"{int(d) * 100:,}.000.000đ".replace(",", "."), _tenths("{}ty", ","),
         lambda d: f"{int(d) * 100} triệu"),
        ("Gói thầu {goods} ở {place} trị giá {code}.",), ("{}", "gói thầu {}"), lambda d: d[0] != "0" and d[1] != "0",
    ),
    Kind(
        "dollars", draw("#,###"),
        (lambda d: f"US${d}", lambda d: f"${d}.00", lambda d: f"{d} USD", lambda d: f"{d.replace(',', '.')} đô la",
         lambda d: f"{d.replace(',', '')} USD"),
        (lambda d: f"US${d}", lambda d: f"${d}", lambda d: f"{d.replace(',', '')} USD", lambda d: f"{d.replace(',', '.')} đô",
         lambda d: f"USD {d}", lambda d: f"{d.replace(',', '')}$", lambda d: f"usd{d.replace(',', '')}", lambda d: f"{d}.00 USD"),
        ("Tiền thuê {goods}: {code} một năm ({name}).",), ("{}", "thuê {}"), lambda d: d[0] != "0",
    ),
    Kind(
        "date short", draw("####20##"),
        (_date("{d}/{m}/{y}"), _date("{dd}.{mm}.{y}"), _date("ngày {dd} tháng {mm} năm {y}"), _date("{d}-{m}-{yy}"),
         _date("{dd}/{mm}/{yy}"), _date("{y}/{mm}/{dd}"), _date("ngày {d}/{m}/{y}"), _date("{d} tháng {m}, {y}"),
         _date("Ngày {dd} Tháng {mm} Năm {y}"), _date("{dd} / {mm} / {y}"), _date("{y}-{mm}-{dd}T08:30:00")),
        (_date("ngày {d}-{m}-{yy}"), _date("{dd}/{mm}/{y}"), _date("{d}/{m}/{yy}"), _date("{y}/{m}/{d}"),
         _date("{y}.{mm}.{dd}"), _date("{d} tháng {m} năm {y}"), _date("mùng {d} tháng {m} năm {y}"),
         _date("ngày {d} tháng {m}/{y}"), _date("ngày {d}/{m} năm {y}"), _date("{d} thang {m} {y}"), _date("{dd}{mm}{y}"),
         _date("{y}{mm}{dd}"), _date("ngày {d}, tháng {m}, năm {y}"), _date("{d} - {m} - {y}"), _date("{d} / {m} / {y}"),
         _date("{dd}_{mm}_{y}")),
        ("{name} nộp hồ sơ {goods} {code}.", "Hạn bảo hành {goods} ở {place}: {code}."), ("{}", "tìm {}", "có gì về {}"), _is_date,
    ),
    Kind(
        "month", draw("##20##"),
        (_month("tháng {m}/{y}"), _month("tháng {m} năm {y}"), _month("{mm}/{y}"), _month("{mm}-{y}"), _month("T{m}/{y}"),
         _month("Tháng {mm}.{y}"), _month("{y}-{mm}")),
        (_month("tháng {m}/{y}"), _month("tháng {mm} năm {y}"), _month("{m}/{y}"), _month("T{m}/{y}"), _month("t{m} {y}"),
         _month("thang {m} {y}"), _month("tháng {m}-{y}"), _month("{mm}-{y}"), _month("{mm}.{y}"), _month("tháng {m}, {y}")),
        ("Bảng lương {code} của {place}.", "Báo cáo {goods} {code} do {name} lập."), ("{}", "tìm {}", "có gì về {}"),
        lambda d: 1 <= int(d[:2]) <= 12,
    ),
    Kind(
        "quarter", draw("#20##"),
        (_quarter("quý {q} năm {y}"), _quarter("Quý {r}/{y}"), _quarter("quý {q}/{y}"), _quarter("Quý {r} năm {y}"),
         _quarter("Q{q}/{y}")),
        (_quarter("quý {q} năm {y}"), _quarter("quý {r} {y}"), _quarter("Q{q}/{y}"), _quarter("q{q} {y}"), _quarter("quy {q} {y}"),
         _quarter("quý {q}-{y}"), _quarter("quý {r}/{y}"), _quarter("quý thứ {q} năm {y}")),
        ("Kế hoạch {code} của {place}.", "Doanh thu {goods} {code}: {name} tổng hợp."), ("{}", "tìm {}", "có gì về {}"),
        lambda d: 1 <= int(d[0]) <= 4,
    ),
    Kind(
        "day", draw("####"),
        tuple(_date(f) for f in ("ngày {d}/{m}", "mùng {d} tháng {m}", "ngày {d} tháng {m}", "{d}/{m} hằng năm", "ngày {dd}-{mm}")),
        tuple(_date(f) for f in ("{d}/{m}", "ngày {d}/{m}", "mùng {d}/{m}", "ngày {d} tháng {m}", "{dd}/{mm}", "ngay {d} thang {m}",
                                 "{d}-{m}", "{dd}-{mm}", "hôm {d}/{m}", "{d} th {m}", "{d}.{m}", "ngày {d}.{m}")),
        ("Lễ của {place} vào {code}.", "{name} trực {code}."), ("{}", "tìm {}", "có gì về {}"), _is_date,
    ),
    Kind(
        "percent", draw("###"),
        (_tenths("{}%"), _tenths("{} %", ","), _tenths("{} phần trăm", ","), _tenths("{w},{p}%"), _tenths("{w}.{p}0 %")),
        (_tenths("{}%"), _tenths("{} %", ","), _tenths("{w},{p}%"), _tenths("{} phan tram"), _tenths("{w}.{p}0%"),
         _tenths("{} percent"), _tenths("{w}.{p} %")),
        ("Thuế suất cho {goods} là {code}.", "{name} được chiết khấu {code} ở {place}."), ("{}", "tìm {}", "có gì về {}"),
        _in_range(1, 999),
    ),
    Kind(
        "time", draw("####"),
        (_time("{h}h{mm}"), _time("{hh}:{mm}"), _time("{h} giờ {mm}"), _time("{h}g{mm}"), _time("{h} giờ {mm} phút"),
         _time("{h}:{mm}"), _time("{hh}h{mm}’"), _time("{hh}H{mm}")),
        (_time("{h}h{mm}"), _time("{h}:{mm}"), _time("{hh}:{mm}"), _time("{h} giờ {mm}"), _time("{h} gio {mm}"), _time("{h}g{mm}"),
         _time("{h} giờ {mm} phút"), _time("{hh}h{mm}"), _time("{h}H{mm}"), _time("{h} h {mm}"), _time("{h}h{mm}p"),
         _time("{h}:{mm}:00"), _time("{hh}h{mm}'")),
        ("Xe đi {place} xuất bến lúc {code}.", "{name} vào ca lúc {code}."), ("{}", "tìm {}", "có gì về {}"),
        lambda d: int(d[:2]) <= 23 and int(d[2:]) <= 59 and d[2:] != "00",
    ),
    Kind(
        "weight", draw("##"),
        tuple(_count(f) for f in ("{n}kg", "{n} kg", "{n},0 kg", "{n} ki-lô-gam", "{n} KG", "{n}.0kg")),
        tuple(_count(f) for f in ("{n}kg", "{n} kg", "{n}.0 kg", "{n} Kg", "{n},0kg", "{n} ký", "{n} kilogam", "{n}KG")),
        ("Bao {goods} nặng {code} gửi {place}.",), ("{}", "bao {}", "nặng {}"), _in_range(2, 99),
    ),
    Kind(
        "area", draw("###"),
        tuple(_count(f) for f in ("{n}m2", "{n} m²", "{n} m2", "{n}m²", "{n} mét vuông")),
        tuple(_count(f) for f in ("{n}m2", "{n} m²", "{n} m2", "{n}m²", "{n} mét vuông", "{n} met vuong", "{n} M2", "{n}.0 m2")),
        ("Kho {place} rộng {code}.", "Phòng của {name}: {code}."), ("{}", "tìm {}", "có gì về {}"), _in_range(10, 999),
    ),
    Kind(
        "size", draw("##"),
        (*tuple(_tenths(f, ",") for f in ("{} cm", "{}cm", "{} xăng-ti-mét")), _tenths("{} cm")),
        (*tuple(_tenths(f) for f in ("{} cm", "{}cm", "{}CM")), _tenths("{}cm", ","), _tenths("{} xentimét", ",")),
        ("Ống của {goods} dày {code} ({place}).",), ("{}", "dày {}"), lambda d: d[1] != "0",
    ),
    Kind(
        "memory", draw("##"), tuple(_count(f) for f in ("{n}GB", "{n} GB", "{n}Gb")),
        tuple(_count(f) for f in ("{n}GB", "{n} gb", "{n} GB", "{n}gb", "{n} gigabyte")),
        ("{goods} của {name} có {code} bộ nhớ.",), ("{}", "bộ nhớ {}", "máy {}"), _in_range(2, 99),
    ),
    Kind(
        "version", draw("#.##.#"), (lambda d: f"v{d}", str, lambda d: f"phiên bản {d}", lambda d: f"version {d}", lambda d: f"V{d}"),
        (lambda d: f"v{d}", str, lambda d: f"phiên bản {d}", lambda d: f"V{d}", lambda d: f"ver {d}", lambda d: f"version {d}",
         lambda d: f"phien ban {d}", lambda d: f"v.{d}", lambda d: f"v {d}", lambda d: f"ver.{d}"),
        ("Bản cập nhật {code} sửa lỗi {goods}.", "Phần mềm {goods} {code} phát hành cho {place}."), ("{}", "tìm {}", "có gì về {}"),
        lambda d: d[2] != "0",
    ),
    Kind(
        "range", draw("####"), tuple(_pair(f) for f in ("{a}-{b}", "{a} - {b}", "{a}–{b}", "từ {a} đến {b}", "{a} – {b}", "{a} đến {b}")),
        tuple(_pair(f) for f in ("{a}-{b}", "{a} - {b}", "{a}–{b}", "từ {a} đến {b}", "{a} đến {b}", "tu {a} den {b}", "{a}~{b}",
                                 "{a} tới {b}", "{a}—{b}", "{a} -{b}")),
        ("Lớp {goods} nhận {code} người ở {place}.", "{name} làm trong {code} ngày."), ("{}", "tìm {}", "có gì về {}"),
        lambda d: 10 <= int(d[:2]) < int(d[2:]),
    ),
    Kind(
        "decree", draw("###/20##/NĐ-CP"),
        (str, lambda d: f"Nghị định số {d}", lambda d: f"Nghị định {d[:3]}/{d[4:8]}", lambda d: f"NĐ {d}",
         lambda d: f"NĐ số {d[:8]}", lambda d: f"Nghị định số: {d}", lambda d: f"Nghị định {d[:3]} năm {d[4:8]}",
         lambda d: f"Nghị định số {d[:3]}/{d[4:8]}/NĐ - CP", lambda d: f"{d[:8]}/NĐCP"),
        (str, lambda d: f"NĐ {d}", lambda d: f"nd {d[:3]} {d[4:8]}", lambda d: f"nghị định {d[:8]}", lambda d: f"nđ {d[:8]}",
         lambda d: f"nghi dinh {d[:3]} nam {d[4:8]}", lambda d: f"nđ{d[:8]}", lambda d: f"nghị định {d[:3]}-{d[4:8]}",
         lambda d: f"{d[:3]}/{d[4:8]}/nđcp", lambda d: f"{d[:3]}-{d[4:8]}-NĐ-CP", lambda d: f"{d[:3]}.{d[4:8]}.NĐ-CP",
         lambda d: f"{d[:8]}/ND/CP", lambda d: f"nghị định {d[:3]} {d[4:8]}", lambda d: f"NĐ-CP {d[:8]}",
         lambda d: f"Nghị định số {d[:3]}/{d[4:8]} của Chính phủ", lambda d: f"{d[:3]}/{d[4:8]}/NĐ - CP", lambda d: f"{d[:8]}"),
        ("{name} áp dụng {code} cho {goods}.", "{code} có hiệu lực ở {place}.", "Căn cứ {code};"), ("{}", "theo {}"),
        lambda d: d[0] != "0",
    ),
    Kind(
        "circular", draw("##/20##/TT-BTC"),
        (str, lambda d: f"Thông tư số {d}", lambda d: f"Thông tư {int(d[:2])}/{d[3:7]}/TT-BTC", lambda d: f"TT {d[:7]}"),
        (str, lambda d: f"thông tư {d[:7]}", lambda d: f"TT {d}", lambda d: f"tt {int(d[:2])} {d[3:7]}", lambda d: f"tt{d[:7]}",
         lambda d: f"thông tư số {d[:2]} năm {d[3:7]} của Bộ Tài chính", lambda d: f"thong tu {d[:2]}/{d[3:7]}/tt btc",
         lambda d: f"{int(d[:2])}/{d[3:7]}/TT-BTC", lambda d: f"TT số {d[:7]}", lambda d: f"TT-BTC {d[:7]}",
         lambda d: f"thông tư {d[:7]} BTC"),
        ("{name} tra {code} về {goods}.", "Theo {code}, {place} phải nộp."), ("{}", "{} về gì"), lambda d: int(d[:2]) > 0,
    ),
    Kind(
        "decision", draw("####/QĐ-UBND"),
        (str, lambda d: f"Quyết định số {d}", lambda d: f"QĐ số {d}", lambda d: f"Quyết định {d[:4]}/QĐ-UBND", lambda d: f"QĐ {d}"),
        (str, lambda d: f"QĐ {d}", lambda d: f"quyết định {d[:4]}", lambda d: f"qd {d[:4]}", lambda d: f"qđ {d[:4]} ubnd",
         lambda d: f"{d[:4]}/qd-ubnd", lambda d: f"quyết định số {d[:4]} của UBND", lambda d: f"QĐ-UBND {d[:4]}",
         lambda d: f"{d[:4]} QĐ-UBND", lambda d: f"QĐ{d[:4]}", lambda d: f"{d[:4]}/QĐ/UBND"),
        ("{code} giao {goods} cho {place}.", "{name} thực hiện {code}."), ("{}", "nội dung {}"), lambda d: d[0] != "0",
    ),
    Kind(
        "act", draw("##/20##/QH14"),
        (lambda d: f"Luật số {d}", lambda d: f"Bộ luật {d}", lambda d: f"Luật {d}"),
        (str, lambda d: f"luật {d[:7]}", lambda d: f"luật số {d[:2]} năm {d[3:7]}", str.lower, lambda d: f"luat {d[:7]}",
         lambda d: d.replace("/QH", "-QH"), lambda d: f"luật số {d}"),
        ("{code} quy định về {goods}.", "Theo {code}, {name} được hưởng."), ("{}", "{} quy định gì"), lambda d: d[0] != "0",
    ),
    Kind(
        "dispatch", draw("####/BGDĐT-GDTH"),
        (lambda d: f"Công văn số {d}", lambda d: f"công văn {d}", lambda d: f"CV {d}"),
        (str, lambda d: f"cv {d[:4]}", lambda d: f"công văn {d[:4]}", lambda d: f"cong van so {d[:4]}", lambda d: f"CV số {d[:4]}"),
        ("{code} hướng dẫn {goods} ({place}).",), ("{}",), lambda d: d[0] != "0",
    ),
    Kind(
        "standard", draw("TCVN ####:20##"), (str, lambda d: d.replace(" ", "-"), lambda d: d.replace(":", "-"), lambda d: d.replace(" ", "")),
        (str, str.lower, lambda d: d.replace(":", "-"), lambda d: d.replace(" ", ""), lambda d: d.replace(":", " "), lambda d: d.replace(":", ": ")),
        ("{goods} đạt {code}.",), ("{}", "tiêu chuẩn {}"), lambda d: d[5] != "0",
    ),
    Kind(
        "plate", draw("51F#####"),
        (lambda d: f"{d[:3]}-{d[3:6]}.{d[6:]}", str, lambda d: f"{d[:3]} {d[3:6]}.{d[6:]}", lambda d: f"{d[:3]}-{d[3:]}"),
        (lambda d: f"{d[:3]}-{d[3:6]}.{d[6:]}", str, str.lower, lambda d: f"{d[:3]} {d[3:]}", lambda d: f"{d[:3]}-{d[3:]}",
         lambda d: f"{d[:3].lower()} {d[3:6]}.{d[6:]}", lambda d: f"{d[:2]}-{d[2]} {d[3:]}", lambda d: f"{d[:3]} {d[3:6]} {d[6:]}",
         lambda d: f"{d[:3]}.{d[3:6]}.{d[6:]}", lambda d: f"{d[:2]} {d[2]} {d[3:]}"),
        ("Xe {code} của {name} đỗ ở {place}.",), ("{}", "xe {}", "biển số {}"), lambda d: d.startswith("51F"),
    ),
    Kind(
        "motorbike", draw("29H1#####"),
        (lambda d: f"29-H1 {d[4:7]}.{d[7:]}", lambda d: f"29H1-{d[4:7]}.{d[7:]}", str),
        (str, lambda d: f"29H1 {d[4:]}", lambda d: f"29-H1 {d[4:7]}.{d[7:]}", lambda d: f"29h1-{d[4:]}", lambda d: f"29h1 {d[4:7]}.{d[7:]}",
         lambda d: f"29-H1-{d[4:]}"),
        ("Xe máy {code} của {name}.",), ("{}", "biển số {}"), lambda d: d.startswith("29H1"),
    ),
    Kind(
        "sku", draw("AB##-####"), (lambda d: f"SKU-{d}", str, lambda d: f"SKU {d}", lambda d: d.replace("-", "_"), lambda d: f"SKU: {d}"),
        (str, lambda d: f"sku-{d.lower()}", lambda d: f"SKU {d}", lambda d: d.replace("-", ""), lambda d: d.replace("-", " "),
         lambda d: d.replace("-", "/"), lambda d: f"SKU{d}", lambda d: d.replace("-", ".")),
        ("{goods} mã {code} còn ở {place}.",), ("{}", "mã hàng {}", "còn {} không"),
    ),
    Kind(
        "guid", draw("********-****-****-****-************"), (str, str.upper, lambda d: "{" + d + "}", lambda d: f"urn:uuid:{d}"),
        (str, lambda d: "{" + d.upper() + "}", lambda d: d.replace("-", ""), lambda d: d.replace("-", " "), lambda d: f"urn:uuid:{d}"),
        ("Tiến trình {code} của {name}.",), ("{}", "id {}"),
    ),
    Kind(
        "e-mail", draw("nguyen.van.a##@cty.example.vn"), (str, lambda d: f"<{d}>", lambda d: f"mailto:{d}", str.upper, lambda d: f"{d}."),
        (str, str.upper, lambda d: f"mailto:{d}", lambda d: d.split("@")[0], lambda d: f"<{d}>"),
        ("Thư của {name}: {code}", "Gửi {goods} qua {code}"), ("{}", "email {}", "ai dùng {}"),
    ),
    Kind(
        "file", draw("v##_20##"),
        (lambda d: f"QuyChe_{d}.docx", lambda d: f"quy-che-{d}.docx", lambda d: f"Quy chế {d}.docx", lambda d: f"C:\\tai-lieu\\quy_che_{d}.docx"),
        (lambda d: f"QuyChe_{d}.docx", lambda d: f"quy-che-{d}", lambda d: f"quyche{d}.docx", lambda d: f"quy_che_{d}.DOCX",
         lambda d: f"quy-che-{d}.pdf", lambda d: f"quy che {d}.docx"),
        ("{name} lưu {code} ở {place}.",), ("{}", "file {}", "tệp {}"),
    ),
    Kind(
        "url", draw("####"),
        (lambda d: f"https://www.cty.example.vn/tin-tuc/bai-{d}.html", lambda d: f"http://cty.example.vn/tin-tuc/bai-{d}.html#dau",
         lambda d: f"cty.example.vn/tin-tuc/bai-{d}.html"),
        (lambda d: f"https://cty.example.vn/tin-tuc/bai-{d}.html", lambda d: f"www.cty.example.vn/tin-tuc/bai-{d}.html", lambda d: f"bai-{d}.html",
         lambda d: f"tin-tuc/bai-{d}", lambda d: f"/tin-tuc/bai-{d}.html", lambda d: f"cty.example.vn/tin-tuc/bai-{d}",
         lambda d: f"https://www.cty.example.vn/tin-tuc/bai-{d}.html?utm=a"),
        ("Tin về {goods}: {code} .", "{name} đăng {code} hôm nay."), ("{}",),
    ),
    Kind(
        "ip", draw("192.168.##.1##"), (str, lambda d: f"http://{d}/", lambda d: f"{d}:8080"),
        (str, lambda d: f"http://{d}", lambda d: f"ip {d}"), ("{goods} ở {place}: {code}",), ("{}", "địa chỉ {}"),
        lambda d: d.split(".")[2][0] != "0" and int(d.split(".")[2]) < 100 and d.startswith("192.168.") and 100 <= int(d.split(".")[3]) < 200,
    ),
    Kind(
        "mac", draw("00:1A:##:##:##:##"), (str, lambda d: d.replace(":", "-"), str.lower, lambda d: d.replace(":", "")),
        (str, str.lower, lambda d: d.replace(":", "-").lower(), lambda d: d.replace(":", ""), lambda d: d.replace(":", " ")),
        ("{goods} của {name} có MAC {code}.",), ("{}", "mac {}"), lambda d: d.startswith("00:1"),
    ),
    Kind(
        "hashtag", lambda rng: "#TetViet" + draw("####")(rng), (str, lambda d: d[1:], str.lower), (str, lambda d: d[1:], str.lower, str.upper),
        ("{name} dùng {code} cho {goods}.",), ("{}", "bài {}"),
    ),
    Kind(
        "district", draw("##"), tuple(_count(f) for f in ("Quận {n}", "Q.{n}", "Q{n}", "quận {n}", "Q. {n}")),
        tuple(_count(f) for f in ("Quận {n}", "Q.{n}", "q{n}", "quan {n}", "Q {n}", "q. {n}", "QUẬN {n}")),
        ("Chi nhánh {code} bán {goods}.", "{name} làm ở {code}."), ("{}", "tìm {}", "có gì về {}"), _in_range(1, 20),
    ),
    Kind(
        "ward", draw("##"), tuple(_count(f) for f in ("Phường {n}", "P.{n}", "P{n}", "phường {n}")),
        tuple(_count(f) for f in ("Phường {n}", "P.{n}", "p{n}", "phuong {n}", "P. {n}", "P {n}")),
        ("Trạm {code} nhận {goods}.", "{name} ở {code}."), ("{}", "tìm {}", "có gì về {}"), _in_range(1, 20),
    ),
    Kind(
        "house", draw("##/##"), (lambda d: f"{d} Nguyễn Trãi", lambda d: f"số {d} đường Nguyễn Trãi", lambda d: f"số nhà {d}, Nguyễn Trãi"),
        (lambda d: f"{d} Nguyễn Trãi", lambda d: f"số {d} nguyen trai", lambda d: f"nhà {d} nguyễn trãi"),
        ("{name} sống ở {code}.", "Giao {goods} đến {code}."), ("{}", "tìm {}", "có gì về {}"), lambda d: d[0] > "3" and d[3] > "1",
    ),
    Kind(
        "roman", draw("##"), tuple(_count(f) for f in ("khóa {roman}", "Khóa {n}", "khoá {roman}", "khóa thứ {n}")),
        tuple(_count(f) for f in ("khóa {roman}", "khóa {n}", "khoá {n}", "khoa {roman}", "Khóa {roman}", "khóa thứ {n}")),
        ("Đại biểu {name} {code} ở {place}.",), ("{}", "đại biểu {}"), _in_range(1, 20),
    ),
    Kind(
        "century", draw("##"), tuple(_count(f) for f in ("thế kỷ {roman}", "thế kỷ {n}", "thế kỷ thứ {n}")),
        tuple(_count(f) for f in ("thế kỷ {roman}", "thế kỷ {n}", "the ky {n}", "thế kỉ {roman}", "thế kỷ thứ {n}", "TK {roman}", "thế kỷ {roman}")),
        ("Đình {place} xây từ {code}.",), ("{}", "xây từ {}"), _in_range(1, 20),
    ),
    Kind(
        "congress", draw("##"), tuple(_count(f) for f in ("lần thứ {roman}", "lần thứ {n}", "lần {n}")),
        tuple(_count(f) for f in ("lần thứ {roman}", "lần thứ {n}", "lần {n}", "lan thu {roman}", "lần {roman}")),
        ("Đại hội {place} {code}.",), ("{}", "đại hội {}"), _in_range(1, 20),
    ),
    Kind(
        "language", lambda rng: rng.choice(["Node.js 1#", "Vue.js 1#", ".NET 1#", "C# 1#", "C++ 1#", "ASP.NET 1#"]).replace("#", str(rng.randrange(10))),
        (str,), (str, str.lower, str.upper, lambda d: d.replace("Node.js", "NodeJS").replace("Vue.js", "vuejs"),
                 lambda d: d.replace(".js", " js")),
        ("{name} dùng {code} cho {goods}.",), ("{}", "lập trình {}", "học {}"),
    ),
    Kind(
        "decimal", draw("##.##"), (str, lambda d: d.replace(".", ",")), (str, lambda d: d.replace(".", ",")),
        ("Hệ số {goods} của {name}: {code}.",), ("{}", "hệ số {}"), lambda d: d[0] != "0" and d[-1] != "0",
    ),
    Kind(
        "temperature", draw("##"), tuple(_count(f) for f in ("{n}°C", "{n} °C", "{n} độ C", "{n}oC", "{n}℃")),
        tuple(_count(f) for f in ("{n}°C", "{n} độ C", "{n} do C", "{n}oC", "{n} độ", "{n}℃", "{n}°")),
        ("Bảo quản {goods} ở {code}.",), ("{}", "bảo quản ở {}"), _in_range(2, 99),
    ),
    Kind(
        "dimensions", draw("####"), tuple(_pair(f) for f in ("{a}x{b} cm", "{a} x {b} cm", "{a}×{b}cm", "{a} × {b} cm")),
        tuple(_pair(f) for f in ("{a}x{b}", "{a} x {b}", "{a}×{b}", "{a}*{b}", "{a}X{b} cm", "{a} × {b}")),
        ("{goods} cỡ {code}.",), ("{}", "cỡ {}"), lambda d: int(d[:2]) >= 10 and int(d[2:]) >= 10,
    ),
    Kind(
        "contract", draw("###/20##/HĐLĐ"), (str, lambda d: f"HĐ số {d}", lambda d: f"Hợp đồng số {d}", lambda d: f"{d[:3]}-{d[4:8]}/HĐLĐ"),
        (str, lambda d: f"hợp đồng {d[:8]}", lambda d: f"HĐ {d[:8]}", lambda d: f"{d[:3]}/{d[4:8]}/hdld", lambda d: f"hợp đồng số {d[:3]} năm {d[4:8]}",
         lambda d: f"hd {d[:3]}/{d[4:8]}"),
        ("{name} ký {code} tại {place}.",), ("{}", "tìm {}"), lambda d: d[0] != "0",
    ),
)  # fmt: skip

if __name__ == "__main__":
    main(MORE_KINDS)
