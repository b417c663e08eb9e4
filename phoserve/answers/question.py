"""What a question asks about: its content words with their weights, and the kind of answer it expects."""

import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from typing import Final

from phoserve.search.highlights import FUNCTION_SYLLABLES, WORD, folded

UNKNOWN_WEIGHT: Final = 8.5
"""Of a syllable that is too rare for the table: about that of one in 5,000 texts."""
SYNONYM_SHARE: Final = 0.8
"""Of a word's weight, where the text has another word of its group instead."""
PART_SHARE: Final = 0.7
"""Of a compound's weight, where the text has its syllables apart."""
EARLIER_SHARE: Final = 0.5
"""Of the weight that a word of one turn has, for a word of the turn before."""

# Syllables of questions and of people who ask: they are in no answer's favour.
ASKING_SYLLABLES: Final = frozenset(
    """
    bao lâu nhiêu mấy gì nào sao ai đâu không hỏi à ạ nhỉ vậy thế hôm bữa sắp vừa mới ơi nhé xin lắm quá luôn liền thôi
    bên cỡ khoảng em anh chị bạn chúng ta y đang định rồi xong phải nên hãy thật cái con chuyện việc lúc khi nếu hết từ
    đến cho ngày tháng tuần giờ phút buổi tiền muốn the a an of is are was were be do does did what which who whom when
    where why how many much long to in on at for and or with by my our your their can could may should
    """.split()  # noqa: SIM905
)
# Behind a number; as typed without diacritics too.
_UNITS: Final = frozenset(
    """
    ngày tháng năm tuần giờ phút giây buổi tuổi đồng triệu nghìn ngàn tỷ km kg mét cm lần người con trang
    ngay thang nam tuan gio phut giay buoi tuoi dong trieu nghin ngan ty met lan nguoi
    """.split()  # noqa: SIM905
)
# Before a number that is a name.
_NUMBERED: Final = frozenset(
    """
    lớp khối tầng ca quầy phòng cấp hạng bậc ngày tháng quý lop khoi tang quay phong cap hang bac ngay thang quy
    """.split()  # noqa: SIM905
)
_NAMED: Final = _NUMBERED - frozenset("ngày tháng quý phòng ngay thang quy phong".split())  # noqa: SIM905
# What is asked for, which an answer need not name: "Văn phòng: 0236 3888 245".
_PHONE_ASKED: Final = re.compile(r"số (?:điện thoại|máy|đt)\b|\bsđt\b|so dien thoai", re.IGNORECASE)
# "Ngoài phép năm, nhân viên được nghỉ thêm ba ngày khi kết hôn": the rest of the sentence is about something else.
_BESIDES: Final = re.compile(
    r"(?:^|(?<=[.;:!?]\s))\W{0,4}+(?:ngoài|bên cạnh|không kể|chưa kể|besides|apart from|in addition to)\s"
    r"[^,.;:!?\n]{1,80},",
    re.IGNORECASE | re.MULTILINE,
)
_ASKS_BESIDES: Final = re.compile(r"\b(?:ngoài|ngoai|bên cạnh|ben canh|kể|besides|apart|addition)\b", re.IGNORECASE)
IGNORED: Final = FUNCTION_SYLLABLES | ASKING_SYLLABLES

# A run of digits is read once: a search begins at its first character only, and never gives back what it took.
_NUMBER: Final = r"(?:(?<![\d.,])[.,]*+\d[\d.,]*+|một|hai|ba|bốn|năm|sáu|bảy|tám|chín|mười|mươi|nửa)"
_TIME: Final = r"(?:ngày|hôm|tháng|năm|tuần|giờ|tiếng|phút|giây|buổi|bữa|kỳ|quý)"
_MONEY: Final = r"(?:đồng|triệu|nghìn|tỷ|đô la|usd|%)"
_WHEN: Final = r"(?:bao giờ|khi nào|hôm nào|lúc nào|ngày nào|tháng nào|thứ mấy)"
# "từ 30 ngày trở lên", "con dưới 12 tháng tuổi", "làm đủ 5 năm": a condition, not what is asked for.
_NO_CONDITION_BEFORE: Final = r"(?<!đủ )(?<!dưới )(?<!trên )"
_NO_CONDITION_AFTER: Final = r"(?! trở lên| tuổi)"
_CAPITALS: Final = "".join(filter(str.isupper, map(chr, range(ord("A"), 0x1EF9))))
_NAME: Final = (
    rf"\b(?:[ôÔ]ng|[bB]à|[aA]nh|[cC]hị|[cC]ô|[cC]hú|[bB]ác|[tT]hầy)\s[{_CAPITALS}]"
    rf"|(?<!\w)[{_CAPITALS}][^\W\d_]*+ [{_CAPITALS}][^\W\d_]*+ [{_CAPITALS}]"
)
_ROLE: Final = (
    r"(?i:\b(?:giám đốc|chủ tịch|trưởng|quản lý|phòng|ban|bộ phận|nhóm|kế toán|thủ trưởng|cán bộ|công chức"
    r"|người|nhân viên|kỹ thuật viên|công ty|cơ quan|bên)\b)"
)
_PLACE: Final = (
    r"(?i:\b(?:tại|đến|ở (?:quầy|tầng|phòng|khu|nhà)|quầy|tầng|sảnh|hầm|đường|địa chỉ|cổng|trang|mục|cửa hàng|chi nhánh"
    r"|trạm|kho|tủ|nhà [a-z]|trung tâm|văn phòng|ứng dụng|trực tiếp)\b)|\d [A-ZĐ]"
)
_PHONE: Final = r"(?<![\d.])\d(?:\d|[ .](?=\d)){7,}+|(?i:số|máy lẻ|máy nhánh|tổng đài) \d"
# What a question asks for, and what its answer then has; the first that fits decides.
_KINDS: Final = (
    (r"phần trăm|%", r"\d\s?%"),
    (
        r"bao nhiêu tiền|mấy (?:đồng|triệu|nghìn|trăm)|tiền.{0,20}(?:sao|mấy|nào)"
        r"|(?:giá|phí|lương|thưởng|cho|trả|thu|phạt|đền|tiền|hết|mất|tốn)\b.{0,25}bao nhiêu",
        rf"(?i){_NUMBER}\s*+{_MONEY}|miễn phí|lương",
    ),
    (
        r"(?:mất|tốn|thu|có|trả|đóng) (?:tiền|phí|lệ phí)\b.{0,15}không",
        rf"(?i){_NUMBER}\s*+{_MONEY}|miễn phí|không (?:thu|mất|tốn)",
    ),
    (r"số (?:điện thoại|máy|đt)|(?:gọi|liên hệ).{0,15}số|số (?:nào|mấy)\b|hotline|tổng đài", _PHONE),
    (r"tên (?:là )?gì|là ai\b|\bai là|tên ai", _NAME),
    (r"(?:^|\W)(?:ai|người nào)\b", rf"{_NAME}|{_ROLE}"),
    (r"ở đâu|chỗ nào|nơi nào|đi đâu", _PLACE),
    (r"mấy giờ", r"(?i)\d giờ"),
    (
        r"bao giờ|khi nào|hôm nào|lúc nào|ngày nào|thứ mấy",
        rf"(?i)(?:sau|trước|đến|từ|lúc|hết|tới|trong|vòng) {_NUMBER}\s*+(?:\w{{1,12}}+ )?{_TIME}"
        r"|(?:sau|trước|đến|từ|tới) (?:ngày|khi|lúc) (?!nào)"
        r"|(?:ngày|tháng|thứ|năm|quý) (?:\d|hai|ba|tư|năm|sáu|bảy|mỗi)"
        r"|hằng|mỗi (?:ngày|tuần|tháng|quý|năm)|ngay|cuối|đầu",
    ),
    (
        rf"bao lâu|(?:mấy|bao nhiêu) {_TIME}|{_WHEN}|how long|when",
        rf"(?i){_NO_CONDITION_BEFORE}{_NUMBER}\s*+(?:\w{{1,12}}+ )?{_TIME}{_NO_CONDITION_AFTER}"
        r"|(?:ngày|tháng|thứ|năm|quý) (?:\d|hai|ba|tư|năm|sáu|bảy|mỗi)|hằng"
        r"|mỗi (?:ngày|tuần|tháng|quý|năm)|\d (?:days?|hours?|months?|weeks?|years?)",
    ),
    (r"bao nhiêu|mấy|how many|how much", rf"(?i){_NUMBER}"),
)
KINDS: Final = tuple((re.compile(asked), re.compile(given)) for asked, given in _KINDS)
_COUNTED: Final = re.compile(r"(?:mấy|bao nhiêu) (\w+)")
# What is counted, and the words an answer may count with.
_SAME_UNIT: Final = {"hôm": "(?:hôm|ngày|buổi)", "bữa": "(?:bữa|ngày|buổi)", "tiếng": "(?:tiếng|giờ)"}

Phrase = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Term:
    """A content word of a question, with the words that mean the same."""

    phrase: Phrase
    weight: float
    synonyms: frozenset[Phrase]


class Question:
    """A question taken apart; texts are compared with it in the form that `fold` gives.

    `turns` are the turns that a follow-up question was made from, the newest first: in "còn tủ lạnh (tivi bảo hành bao
    lâu)?" the words of the newest one count most, so that the answer is about the refrigerator.
    """

    def __init__(self, text: str, turns: Sequence[str] = ()) -> None:
        self.text = text
        self._is_bare = text.isascii()
        self._asks_besides = bool(_ASKS_BESIDES.search(text))
        self._turns = [{bare(folded(word)) for word in WORD.findall(turn)} for turn in turns]
        self._memo: dict[str, str] = {}
        self._subjects: dict[str, str] = {}
        self._syllables = self._folded(_PHONE_ASKED.sub(" ", text)) or self._folded(text)
        terms = list(self._terms())
        self.terms = terms or [Term((each,), self._weight(each), frozenset()) for each in self._syllables]
        self._total = sum(term.weight for term in self.terms) or 1.0
        content = {syllable for term in self.terms for syllable in term.phrase}
        pairs = zip(self._syllables, self._syllables[1:], strict=False)
        self._pairs = {(one, two) for one, two in pairs if one in content and two in content}

    def fold(self, text: str) -> str:
        """Return the syllables of `text` between blanks, without diacritics if the question has none."""
        if text not in self._memo:
            self._memo[text] = f" {' '.join(self._folded(text))} "
        return self._memo[text]

    def fold_subject(self, text: str) -> str:
        """Return `fold` of `text` without what its sentences set aside ("Ngoài phép năm, ...")."""
        if self._asks_besides:
            return self.fold(text)
        if text not in self._subjects:
            self._subjects[text] = self.fold(_BESIDES.sub(" ", text))
        return self._subjects[text]

    def coverage(self, text: str) -> float:
        """Return the share of the question's weight that the folded `text` has, 0 to 1."""
        return sum(self._covered(term, text) for term in self.terms) / self._total

    def pair_coverage(self, text: str) -> float:
        """Return the share of the question's neighbouring content syllables that are neighbours in folded `text`."""
        if not self._pairs:
            return 0.0
        weights = {pair: self._weight(pair[0]) + self._weight(pair[1]) for pair in self._pairs}
        found = sum(value for (one, two), value in weights.items() if f" {one} {two} " in text)
        return found / sum(weights.values())

    def missing(self, text: str) -> float:
        """Return the greatest weight of a term that folded `text` has in no form, about 0 to 1 a syllable."""
        weights = [
            term.weight
            for term in self.terms
            if not self._has(term.phrase, text) and not any(self._has(each, text) for each in term.synonyms)
        ]
        return max(weights, default=0.0) / UNKNOWN_WEIGHT

    def is_about_another(self, text: str) -> bool:
        """Return whether folded `text` is about another of a numbered kind: "lớp 6" where "lớp 10" is asked for."""
        names = [term.phrase for term in self.terms if len(term.phrase) > 1 and term.phrase[0] in _NAMED]
        return any(
            number.isdigit() and f" {kind} {number} " not in text and re.search(rf" {kind} \d", text)
            for kind, number in (phrase[:2] for phrase in names)
        )

    def is_of_another_row(self, cell: str) -> bool:
        """Return whether `cell`, the folded first one of a row, has another number of a unit asked for ("6 tháng")."""
        measures = [term.phrase for term in self.terms if len(term.phrase) > 1 and term.phrase[0].isdigit()]
        units = {unit for number, unit in measures}
        found = re.fullmatch(r" (\d+) (\w+) ", cell)
        return bool(found and found[2] in units and (found[1], found[2]) not in measures)

    def expects(self, text: str) -> float:
        """Return 1 if `text` has the kind of answer that is asked for, -1 if not, 0 if any kind may be."""
        if self._kind is None:
            return 0.0
        return 1.0 if self._kind.search(text) else -1.0

    def counts(self, text: str) -> float:
        """Return 1 if `text` has a number of what the question counts ("mấy ngày": "12 ngày"), else 0."""
        return 1.0 if self._counted and self._counted.search(text.lower()) else 0.0

    @cached_property
    def _kind(self) -> "re.Pattern[str] | None":
        asked = self.text.lower()
        return next((given for pattern, given in KINDS if pattern.search(asked)), None)

    @cached_property
    def _counted(self) -> "re.Pattern[str] | None":
        found = _COUNTED.search(self.text.lower())
        if found is None:
            return None
        unit = _SAME_UNIT.get(found[1], re.escape(found[1]))
        return re.compile(rf"{_NO_CONDITION_BEFORE}{_NUMBER}\s+{unit}\b{_NO_CONDITION_AFTER}")

    def _weight(self, syllable: str) -> float:
        """Return the weight of a syllable of the question, less if it is of an earlier turn."""
        if not self._turns:
            return weight(syllable)
        known = (age for age, turn in enumerate(self._turns) if bare(syllable) in turn)
        return weight(syllable) * EARLIER_SHARE ** next(known, len(self._turns))

    def _folded(self, text: str) -> list[str]:
        syllables = [folded(word) for word in WORD.findall(text)]
        return [bare(each) for each in syllables] if self._is_bare else syllables

    def _terms(self) -> Iterator[Term]:
        groups = synonyms(self._is_bare)
        longest = max(map(len, groups))
        at = 0
        while at < len(self._syllables):
            for length in range(min(longest, len(self._syllables) - at), 0, -1):
                phrase = tuple(self._syllables[at : at + length])
                if phrase in groups and (length > 1 or phrase[0] not in IGNORED):
                    break
            else:
                phrase = self._measure(at)
            content = [each for each in phrase if each not in IGNORED]
            if phrase == ("phần",) and self._syllables[at + 1 : at + 2] == ["trăm"]:
                # "bao nhiêu phần trăm" is answered by "5%".
                phrase, content = ("phần", "trăm"), []
            if content:
                yield Term(phrase, sum(map(self._weight, content)), groups.get(phrase, frozenset()))
            at += 1 if phrase[0] in _NUMBERED and phrase[-1].isdigit() else len(phrase)

    def _measure(self, at: int) -> Phrase:
        """Return the syllable at `at`, a number with its unit or with what it numbers.

        "6 tháng" is not "6 ngày", and "lớp 6" not "ngày 6".
        """
        first, *after = self._syllables[at : at + 2]
        if first.isdigit() and after and after[0] in _UNITS:
            return first, after[0]
        if first.isdigit() and at and self._syllables[at - 1] in _NUMBERED:
            return self._syllables[at - 1], first
        return (first,)

    def _covered(self, term: Term, text: str) -> float:
        if self._has(term.phrase, text):
            return term.weight
        if len(term.phrase) > 1 and (term.phrase[0].isdigit() or term.phrase[-1].isdigit()):
            return 0.0
        parts = sum(self._weight(each) for each in term.phrase if each not in IGNORED and f" {each} " in text)
        by_parts = parts if len(term.phrase) == 1 else PART_SHARE * parts
        by_synonym = any(self._has(each, text) for each in term.synonyms)
        return max(by_parts, SYNONYM_SHARE * term.weight if by_synonym else 0.0)

    @staticmethod
    def _has(phrase: Phrase, text: str) -> bool:
        return f" {' '.join(phrase)} " in text


def weight(syllable: str) -> float:
    """Return the weight of a syllable: its inverse document frequency in general Vietnamese text."""
    return min(_weights().get(syllable, UNKNOWN_WEIGHT), UNKNOWN_WEIGHT)


@cache
def bare(syllable: str) -> str:
    """Return `syllable` without any diacritics."""
    decomposed = unicodedata.normalize("NFD", syllable.replace("đ", "d"))
    return "".join(each for each in decomposed if not unicodedata.combining(each))


@cache
def synonyms(is_bare: bool) -> dict[Phrase, frozenset[Phrase]]:
    """Return the phrases that mean the same as each phrase, without diacritics if `is_bare`."""
    groups: dict[Phrase, frozenset[Phrase]] = {}
    spell = bare if is_bare else str
    for line in _data("synonyms.txt").splitlines():
        if line and not line.startswith("#"):
            group = [tuple(spell(folded(each)) for each in WORD.findall(words)) for words in line.split(",")]
            for phrase in group:
                groups[phrase] = groups.get(phrase, frozenset()) | (frozenset(group) - {phrase})
    return groups


@cache
def _weights() -> dict[str, float]:
    """Return the weight of each syllable; of one without diacritics, that of the commonest it may stand for."""
    known: dict[str, float] = json.loads(_data("syllables.json"))
    weights: dict[str, float] = {}
    for syllable, value in known.items():
        weights[bare(syllable)] = min(value, weights.get(bare(syllable), UNKNOWN_WEIGHT))
    return weights | known


def _data(name: str) -> str:
    return files("phoserve.answers").joinpath("data", name).read_text(encoding="utf-8")
