"""Put diacritics back into what was typed without them, by a trigram model of syllables.

Each syllable typed without diacritics may stand for any syllable that folds to it; forward-backward over these
candidates (Rabiner 1989) gives the probability of each in its context. Abbreviations of chats ("ko", "dc"), raw Telex
("nghir") and single typing errors add candidates of their own. Words that no Vietnamese syllable looks like, codes and
acronyms stay as they are.
"""

import lzma
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate, islice, pairwise
from math import inf, log
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from phoserve.text.abbreviations import is_abbreviation
from phoserve.text.folding import fold, has_diacritics, is_plain_syllable
from phoserve.text.spellings import Pair, Spellings, spellings_of
from phoserve.text.telex import from_telex, from_vni
from phoserve.text.tones import modern_tones

MODEL_PATH: Final = Path(__file__).parent / "data" / "diacritics.msgpack.xz"
BOUNDARY: Final = "."
NUMBER: Final = "0"
UNKNOWN: Final = "?"
STEP: Final = 0.125
"""Of stored negative log probabilities, in nats."""
ABBREVIATIONS: Final = {
    "ko": ("không",), "k": ("không",), "kg": ("không",), "khong": ("không",), "hok": ("không",), "kh": ("không",),
    "dc": ("được",), "đc": ("được",), "dk": ("được", "đăng"), "vs": ("với",), "ms": ("mới",), "r": ("rồi",),
    "j": ("gì",), "z": ("vậy",), "cx": ("cũng",), "ng": ("người",), "nhju": ("nhiêu",), "bn": ("bạn",),
    "mk": ("mình",), "tg": ("thời",), "hn": ("hôm",), "ntn": ("nào",), "ns": ("nói",), "trc": ("trước",),
    "đt": ("điện",), "lm": ("làm",), "bh": ("bao", "bây"), "vc": ("việc",), "nv": ("viên",), "gđ": ("giám",),
}  # fmt: skip
_IDIOMS: Final = """
    ở đâu, số nào, số mấy, lúc nào, lúc mấy, khi nào, thế nào, bao nhiêu, bao lâu, bao giờ, mấy giờ, mấy ngày, tại sao,
    vì sao, làm sao, mất bao, mất mấy, mất tiền, mất phí, mất thẻ, thẻ mất, làm thẻ, khóa thẻ, đổi hàng, trả hàng,
    phí ship, có lương, mật khẩu, bị lỗi, app lỗi, được không, cần gì, là gì, giấy tờ
"""
IDIOMS: Final = frozenset((before, after) for before, after in map(str.split, _IDIOMS.split(",")))
"""Pairs of syllables that people type in questions and hardly anyone writes in the news, which the model is made of."""
MIXED: Final = log(0.002)
"""Log probability that a syllable was typed without its diacritics in a query that has some."""
ABBREVIATED: Final = log(0.05)
TELEX: Final = log(0.05)
MISTYPED: Final = log(0.0005)
WRONG_TONE: Final = log(0.02)
UNHEARD: Final = log(1e-5)
"""Log probability of one word among all that the model does not know."""
MAX_CANDIDATES: Final = 8
MAX_TOKENS: Final = 256
FOREIGN_SHARE: Final = 0.4
"""A query with more words than this that no Vietnamese syllable looks like is in another language."""
CONFIDENT: Final = 0.6
"""Least probability, on average over the changed syllables, of a restoration that is used."""
CERTAIN: Final = 0.9
"""Least probability of a change to a query that has diacritics."""
LIKELY: Final = 0.6
"""The same of what is no word as it was typed."""
NEGLIGIBLE: Final = 0.05
"""Less probable readings of a syllable are not kept."""
_UNSEEN_TRIPLE: Final = 0.7
_EVIDENCE: Final = 0.1
"""What a pair's share among the spellings that the passages found have for it adds to the probability of its second
syllable. Chosen with the next one on the validation part of vicov19qa (docs/text.md)."""
_FIRST_EVIDENCE: Final = 0.003
"""The same for the first syllable."""
_IDIOM: Final = 0.5
"""What an idiom adds to the probability of its second syllable, and _FIRST_IDIOM to that of its first one."""
_FIRST_IDIOM: Final = 0.01
_VNI_LETTERS: Final = "6789"
_LONGEST_SYLLABLE: Final = 7
_LEAST_JOINED: Final = 4
_MOST_JOINED: Final = 40
_PART_COST: Final = 4.0
"""Of each syllable of a word typed without blanks, in nats: few long ones are likelier than many short ones."""
_RARE: Final = 11.5
"""Cost of a syllable that is hardly one, in nats."""
_RELATED: Final = 6.5
"""Mean cost of the pairs of syllables of a word typed without blanks, in nats; names in other languages are above."""
_MAYBE_RELATED: Final = 10.0
"""The same in a text without diacritics, where the words on both sides of a blank may be joined too."""
_LEAST_MEAN_LENGTH: Final = 2.6
"""Of three syllables or more of a word typed without blanks; words of other languages fall into shorter ones."""
_UNKNOWN_PAIR: Final = 15.0
_WORD_AND_MARKS: Final = re.compile(r"([\W_]*)([^\W_]+)([\W_]*)")
_HAS_DIGIT: Final = re.compile(r"\d")
_TOKEN: Final = re.compile(r"[^\W\d_]+|\d+|[.!?;:\n()\"“”…]")
_BLOCK: Final = re.compile(r"\S+")
_CODE: Final = re.compile(r"[\d@/\\+#&=%_]|[^\W\d_][.-][^\W\d_]")

Reading = tuple[tuple[str, float], ...]
"""What a typed syllable may stand for, with probabilities."""
Readings = Mapping[str, Reading]


class SyllableModel(msgspec.Struct, frozen=True):
    """N-grams of syllables; negative log probabilities in steps of STEP, keys as differences, byte plane by plane."""

    vocabulary: str
    """Tokens with blanks between, the most frequent first behind BOUNDARY, NUMBER and UNKNOWN."""
    single: bytes
    rest: bytes
    """What a token leaves to pairs that were not kept."""
    pair_keys: bytes
    """Before * size + after."""
    pairs: bytes
    triple_keys: bytes
    """Position of the pair before * size + after."""
    triples: bytes


@dataclass(frozen=True, slots=True)
class Restored:
    """A text with diacritics put back."""

    text: str
    probability: float
    """Of the changed syllables, on average; 1 if none was changed."""
    readings: Readings = field(default_factory=dict)
    """What each ambiguous syllable may stand for, with probabilities; what is used comes first."""

    @property
    def is_confident(self) -> bool:
        """Whether it is worth using instead of what was typed."""
        return self.probability >= CONFIDENT


@dataclass(slots=True)
class _Slot:
    """A token of the text and what it may stand for."""

    start: int
    end: int
    typed: str
    candidates: list[str]
    costs: list[float]


@dataclass(frozen=True, slots=True, eq=False)
class Lattice:
    """What the syllables of a text may stand for, before anything is chosen."""

    text: str
    slots: Sequence[_Slot]
    steps: Sequence[NDArray[np.float64]]
    """P(after | before last, before) for each slot, shape (before last, before, after)."""


class DiacriticRestorer:
    """Restores the diacritics of queries. Thread-safe: nothing changes after construction."""

    def __init__(self, model: SyllableModel) -> None:
        self._tokens = model.vocabulary.split(" ")
        self._size = len(self._tokens)
        self._ids = {token: position for position, token in enumerate(self._tokens)}
        self._single, self._rest, self._pairs, self._triples = (
            np.frombuffer(costs, np.uint8).astype(np.float32) * STEP
            for costs in (model.single, model.rest, model.pairs, model.triples)
        )
        self._pair_keys = unpack_keys(model.pair_keys)
        self._triple_keys = unpack_keys(model.triple_keys)
        self._spellings: dict[str, list[str]] = {}
        for token in self._tokens:
            spellings = self._spellings.setdefault(fold(token), [])
            if len(spellings) < MAX_CANDIDATES:
                spellings.append(token)

    @classmethod
    def load(cls, path: Path = MODEL_PATH) -> "DiacriticRestorer":
        """Read the model from `path`."""
        return cls(load_syllable_model(path))

    def restore(self, text: str, found: Sequence[tuple[str, float]] = ()) -> Restored:
        """Return `text` (in normal form C) with the diacritics that were most likely meant.

        `found` are passages with scores, best first, that a search for `text` found: their spellings count too.
        Text that has diacritics already, is in another language or has more than MAX_TOKENS tokens comes back as it is.
        """
        lattice = self.lattice(text)
        return self.choose(lattice, found) if lattice else Restored(text, 1.0)

    def spell_out(self, text: str) -> str:
        """Return `text` with words of VNI keys as syllables, and syllables typed without a blank between them apart."""
        is_accented = has_diacritics(text)
        return _BLOCK.sub(lambda block: self._spelled_block(block, is_accented), text)

    def _spelled_block(self, block: re.Match[str], is_accented: bool) -> str:
        word = _WORD_AND_MARKS.fullmatch(block[0])
        if word is None:
            return block[0]
        before, typed, after = word.groups()
        if _HAS_DIGIT.search(typed):
            return f"{before}{self._from_vni(typed)}{after}"
        # A word in a capital without diacritics is a name, unless it begins a text that has none at all.
        is_name = typed[0].isupper() and not typed.isupper() and not has_diacritics(typed)
        if is_name and (is_accented or block.start()):
            return block[0]
        return f"{before}{self._parted(typed, _RELATED if is_accented else _MAYBE_RELATED)}{after}"

    def _from_vni(self, word: str) -> str:
        lowered = word.lower()
        spelled = from_vni(lowered)
        # "q1" and "to2" are more likely numbered than spelled.
        is_likely = len(word) > 3 or (len(word) == 3 and lowered[1] in _VNI_LETTERS)
        return _cased_like(word, spelled) if spelled != lowered and is_likely and spelled in self._ids else word

    def _parted(self, word: str, most: float) -> str:
        lowered = modern_tones(word.lower())
        if len(word) < _LEAST_JOINED or len(word) > _MOST_JOINED or lowered in self._ids:
            return word
        if is_plain_syllable(lowered) or lowered in ABBREVIATIONS or self._is_telex(lowered):
            return word
        _, lengths = self._cheapest_parts(lowered)
        if len(lengths) > 2 and len(word) < _LEAST_MEAN_LENGTH * len(lengths):
            return word  # "da ta ba se"
        ends = list(accumulate(lengths))
        parts = [word[end - length : end] for end, length in zip(ends, lengths, strict=True)]
        return " ".join(parts) if len(parts) > 1 and self._pair_cost(lowered, ends) <= most else word

    def _pair_cost(self, word: str, ends: Sequence[int]) -> float:
        """Return how rarely the syllables that end at `ends` of `word` follow each other, in nats for each pair."""
        parts = [word[start:end] for start, end in pairwise([0, *ends])]
        ids = [np.array([self._ids[each] for each in self._spelled_like(part)]) for part in parts]
        costs = []
        for before, after in pairwise(ids):
            positions, found = _look_up(self._pair_keys, (before[:, None] * self._size + after[None, :]).ravel())
            costs.append(float(self._pairs[positions[found]].min(initial=_UNKNOWN_PAIR)))
        return sum(costs) / len(costs)

    def _spelled_like(self, part: str) -> list[str]:
        return [part] if fold(part) != part else self._spellings[part]

    def _cheapest_parts(self, word: str) -> tuple[float, tuple[int, ...]]:
        """Return the cost and the lengths of the most frequent syllables that make up `word`; none if none do."""
        best: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
        for end in range(1, len(word) + 1):
            options = [
                (best[start][0] + self._part_cost(word[start:end]), (*best[start][1], end - start))
                for start in range(max(0, end - _LONGEST_SYLLABLE), end - 1)
            ]
            best.append(min(options, default=(inf, ())))
        return best[-1] if best[-1][0] < inf else (inf, ())

    def _part_cost(self, part: str) -> float:
        """How rare a syllable is that may be a part of a word typed without blanks."""
        if not is_plain_syllable(part):
            return inf
        if fold(part) != part:
            return _PART_COST + self._cost(part) if part in self._ids else inf
        spellings = self._spellings.get(part)
        cost = min((self._cost(each) for each in spellings), default=inf) if spellings else inf
        return _PART_COST + cost if cost < _RARE else inf

    def lattice(self, text: str) -> Lattice | None:
        """Return what the syllables of `text` (in normal form C) may stand for; None if nothing is ambiguous."""
        slots = self._slots(text)
        if all(len(slot.candidates) == 1 for slot in slots):
            return None
        unknown = self._ids[UNKNOWN]
        ids = [np.array([self._ids.get(each, unknown) for each in slot.candidates]) for slot in slots]
        boundary = np.array([self._ids[BOUNDARY]])
        return Lattice(text, slots, self._potentials([boundary, boundary, *ids]))

    def choose(self, lattice: Lattice, found: Sequence[tuple[str, float]] = ()) -> Restored:
        """Return the text of `lattice` with the diacritics most likely meant; `found` as `restore` takes them."""
        text, slots = lattice.text, lattice.slots
        chosen = _most_likely(lattice, spellings_of(_ambiguous_pairs(slots), found))
        pieces, at, changed = [], 0, []
        readings: dict[str, Reading] = {}
        least = CERTAIN if any(fold(slot.typed) != slot.typed for slot in slots) else 0.0
        for slot, reading in zip(slots, chosen, strict=True):
            syllable, probability = reading[0]
            needed = min(least, LIKELY) if slot.typed not in self._ids else least
            if probability < needed:
                reading = _led_by(slot.typed, reading)
            if len(slot.candidates) > 1:
                readings[slot.typed] = reading
            pieces.append(text[at : slot.start])
            at = slot.end
            if syllable == slot.typed or probability < needed:
                pieces.append(text[slot.start : slot.end])
            else:
                pieces.append(_cased_like(text[slot.start : slot.end], syllable))
                changed.append(probability)
        certainty = sum(changed) / len(changed) if changed else 1.0
        return Restored("".join([*pieces, text[at:]]), certainty, readings)

    def _slots(self, text: str) -> list[_Slot]:
        matches = [(*match.span(), match[0]) for match in islice(_TOKEN.finditer(text), MAX_TOKENS + 1)]
        if len(matches) > MAX_TOKENS:
            return []
        fixed = [match.span() for match in _BLOCK.finditer(text) if _CODE.search(match[0])]
        words = [token for _, _, token in matches if token[0].isalpha()]
        shouted = all(word.isupper() for word in words)
        lowered = [modern_tones(word.lower()) for word in words]
        foreign = sum(
            not (is_plain_syllable(word) or word in ABBREVIATIONS or is_abbreviation(word) or self._is_telex(word))
            for word in lowered
        )
        if not words or foreign > FOREIGN_SHARE * len(words):
            return []
        accented = sum(fold(word) != word for word in lowered)
        cost = -MIXED if accented else 0.0
        slots = []
        for start, end, token in matches:
            is_fixed = any(begin <= start < finish for begin, finish in fixed)
            is_acronym = (token.isupper() and len(token) > 1 and not shouted) or is_abbreviation(token)
            slots.append(self._slot(start, end, token, cost, is_fixed or is_acronym))
        return slots

    def _slot(self, start: int, end: int, token: str, cost: float, is_fixed: bool) -> _Slot:
        if not token[0].isalpha():
            kind = NUMBER if token[0].isdigit() else BOUNDARY
            return _Slot(start, end, kind, [kind], [0.0])
        typed = modern_tones(token.lower())
        if is_fixed:
            return _Slot(start, end, typed, [typed], [0.0])
        itself = 0.0 if typed in self._ids else -UNHEARD
        costs = {typed: itself} | self._candidates(typed, cost, abbreviated=token.islower())
        return _Slot(start, end, typed, list(costs), list(costs.values()))

    def _candidates(self, typed: str, cost: float, *, abbreviated: bool) -> dict[str, float]:
        found: dict[str, float] = {}
        is_plain = typed == fold(typed)
        if is_plain:
            for spelling in self._spellings.get(typed, ()):
                found[spelling] = 0.0 if spelling == typed else cost
        for meant in ABBREVIATIONS.get(typed, ()) if abbreviated else ():
            found.setdefault(meant, -ABBREVIATED)
        if typed in self._ids or (is_plain and typed in self._spellings):
            return found
        if (decoded := from_telex(typed)) != typed and decoded in self._ids:
            found.setdefault(decoded, -TELEX)
        for spelling in self._spellings.get(fold(typed), ()):
            found.setdefault(spelling, -WRONG_TONE)
        for spelling in self._near(typed):
            found.setdefault(spelling, -MISTYPED + (cost if is_plain else 0.0))
        return dict(sorted(found.items(), key=lambda item: item[1] + self._cost(item[0]))[:MAX_CANDIDATES])

    def _is_telex(self, word: str) -> bool:
        return from_telex(word) in self._ids and word not in self._ids

    def _near(self, typed: str) -> Iterable[str]:
        """Syllables one typing error away from `typed`, which is no word."""
        if len(typed) < 3:
            return
        for edited in _edits(fold(typed)):
            if is_plain_syllable(edited):
                yield from self._spellings.get(edited, ())

    def _cost(self, token: str) -> float:
        return float(self._single[self._ids[token]]) if token in self._ids else float(self._single.max())

    def _potentials(self, ids: Sequence[NDArray[np.int64]]) -> list[NDArray[np.float64]]:
        """P(after | before last, before) for each slot from the third on, shape (before last, before, after)."""
        pairs = [before[:, None] * self._size + after[None, :] for before, after in pairwise(ids)]
        positions, found = _look_up(self._pair_keys, np.concatenate([each.ravel() for each in pairs]))
        bounds = np.cumsum([0, *(each.size for each in pairs)])
        steps, keys = [], []
        for at in range(1, len(pairs)):
            before, shape = ids[at], pairs[at].shape
            here, there = positions[bounds[at] : bounds[at + 1]], found[bounds[at] : bounds[at + 1]]
            unseen = self._rest[before][:, None] + self._single[ids[at + 1]][None, :]
            costs = np.where(there.reshape(shape), self._pairs[here].reshape(shape), unseen)
            context = positions[bounds[at - 1] : bounds[at]].reshape(pairs[at - 1].shape)
            known = found[bounds[at - 1] : bounds[at]].reshape(pairs[at - 1].shape)
            keys.append(np.where(known, context * self._size, -1)[:, :, None] + ids[at + 1][None, None, :])
            steps.append(np.broadcast_to(costs[None], keys[-1].shape))
        places, exist = _look_up(self._triple_keys, np.concatenate([each.ravel() for each in keys]))
        begin, potentials = 0, []
        for key, cost in zip(keys, steps, strict=True):
            part = slice(begin, begin + key.size)
            begin += key.size
            triple = self._triples[places[part]].reshape(key.shape)
            total = np.where(exist[part].reshape(key.shape), triple, cost + _UNSEEN_TRIPLE)
            potentials.append(np.exp(-total.astype(np.float64)))
        return potentials


def _most_likely(lattice: Lattice, spellings: Spellings) -> list[Reading]:
    """The candidates of each slot with their probabilities in context, the most probable first."""
    slots = lattice.slots
    steps = _informed(lattice.steps, slots, spellings)
    steps = [step * np.exp(-np.array(slot.costs)) for step, slot in zip(steps, slots, strict=True)]
    forward = [np.ones((1, 1))]
    for step in steps:
        reached = np.einsum("ij,ijk->jk", forward[-1], step)
        forward.append(reached / reached.sum())
    backward = np.ones_like(forward[-1])
    chosen: list[Reading] = []
    for at in range(len(slots) - 1, -1, -1):
        weight = (forward[at + 1] * backward).sum(axis=0)
        weight /= weight.sum()
        ranked = sorted(zip(slots[at].candidates, weight.tolist(), strict=True), key=lambda each: -each[1])
        chosen.append(tuple(each for each in ranked if each[1] >= NEGLIGIBLE or each is ranked[0]))
        backward = np.einsum("ijk,jk->ij", steps[at], backward)
        backward /= backward.max()
    return chosen[::-1]


def _ambiguous_pairs(slots: Sequence[_Slot]) -> Iterator[Pair]:
    for before, after in pairwise(slots):
        if len(before.candidates) > 1 or len(after.candidates) > 1:
            yield from {(fold(x), fold(y)) for x in before.candidates for y in after.candidates}


def _informed(
    steps: Sequence[NDArray[np.float64]], slots: Sequence[_Slot], spellings: Spellings
) -> list[NDArray[np.float64]]:
    """The potentials mixed with the shares of each spelling among those of the passages found."""
    informed = list(steps)
    for at, (before, after) in enumerate(pairwise(slots), 1):
        idiomatic = np.array([[(x, y) in IDIOMS for y in after.candidates] for x in before.candidates])
        if idiomatic.any():
            informed[at] = informed[at] + _IDIOM * idiomatic[None]
            informed[at - 1] = informed[at - 1] + _FIRST_IDIOM * idiomatic.any(axis=1)
    for at, (before, after) in enumerate(pairwise(slots if spellings else ()), 1):
        seen = np.array([[spellings.get((x, y), 0.0) for y in after.candidates] for x in before.candidates])
        # A passage that hardly matches proves little: shares of less than one whole passage are smaller.
        total = seen.sum(axis=1)
        informed[at] = informed[at] + _EVIDENCE * (seen / np.maximum(total, 1.0)[:, None])[None]
        informed[at - 1] = informed[at - 1] + _FIRST_EVIDENCE * (total / max(total.sum(), 1.0))
    return informed


@lru_cache(maxsize=1)
def shipped_restorer() -> DiacriticRestorer:
    """Return the restorer that comes with the package, read once."""
    return DiacriticRestorer.load()


def load_syllable_model(path: Path = MODEL_PATH) -> SyllableModel:
    """Read the model from `path`."""
    return msgspec.msgpack.decode(lzma.decompress(path.read_bytes()), type=SyllableModel)


def save_syllable_model(model: SyllableModel, path: Path) -> None:
    """Write `model` to `path`; the same model gives the same bytes."""
    path.write_bytes(lzma.compress(msgspec.msgpack.encode(model), preset=9 | lzma.PRESET_EXTREME))


def pack_keys(keys: NDArray[np.int64]) -> bytes:
    """Return ascending `keys` as differences, the first bytes of all before the second ones."""
    return np.diff(keys, prepend=0).astype("<u8").view(np.uint8).reshape(-1, 8).T.tobytes()


def unpack_keys(packed: bytes) -> NDArray[np.int64]:
    """Return what `pack_keys` packed."""
    planes = np.frombuffer(packed, np.uint8).reshape(8, -1)
    return np.cumsum(np.ascontiguousarray(planes.T).view("<u8").ravel().astype(np.int64))


def tokens_of(text: str) -> list[str]:
    """Return the syllables of `text` in lower case; numbers and sentence marks are one token each."""
    return [_kind(token) for token in _TOKEN.findall(text.lower())]


def _kind(token: str) -> str:
    first = token[0]
    if first.isalpha():
        return token
    return NUMBER if first.isdigit() else BOUNDARY


def _look_up(keys: NDArray[np.int64], wanted: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    positions = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return positions, keys[positions] == wanted


def _cased_like(typed: str, syllable: str) -> str:
    if len(typed) > 1 and typed.isupper():
        return syllable.upper()
    return syllable.capitalize() if typed[0].isupper() else syllable


def _led_by(typed: str, reading: Reading) -> Reading:
    """The reading with what was typed first."""
    return ((typed, dict(reading).get(typed, 0.0)), *(each for each in reading if each[0] != typed))


def _edits(word: str) -> set[str]:
    """Words one insertion, deletion, substitution or swap of neighbours away (Damerau 1964)."""
    letters = "abcdeghiklmnopqrstuvxy"
    splits = [(word[:at], word[at:]) for at in range(len(word) + 1)]
    return {
        *(left + right[1:] for left, right in splits if right),
        *(left + right[1] + right[0] + right[2:] for left, right in splits if len(right) > 1),
        *(left + letter + right[1:] for left, right in splits if right for letter in letters),
        *(left + letter + right for left, right in splits for letter in letters),
    } - {word}
