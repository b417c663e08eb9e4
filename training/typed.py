"""Labelled queries as people type them: without diacritics, with some, with a typing error."""

import random
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Final

from phoserve.text.folding import fold

Typed = Callable[[str], str]


def as_written(query: str) -> str:
    """Return `query`, in normal form C."""
    return unicodedata.normalize("NFC", query)


def stripped(query: str) -> str:
    """Return `query` without diacritics."""
    return fold(as_written(query))


def mixed(query: str) -> str:
    """Return `query` with half of its words, chosen at random, without diacritics."""
    rng = random.Random(query)  # noqa: S311 - repeatable, not secret
    return " ".join(fold(word) if rng.random() < 0.5 else word for word in as_written(query).split(" "))


def mistyped(query: str) -> str:
    """Return `query` without diacritics, with two neighbouring letters of one word swapped."""
    rng = random.Random(query)  # noqa: S311
    words = stripped(query).split(" ")
    at = rng.randrange(len(words))
    word = words[at]
    if len(word) > 2:
        swap = rng.randrange(len(word) - 1)
        words[at] = word[:swap] + word[swap + 1] + word[swap] + word[swap + 2 :]
    return " ".join(words)


_TELEX: Final = {"â": "aa", "ă": "aw", "ê": "ee", "ô": "oo", "ơ": "ow", "ư": "uw", "đ": "dd"}
_VNI: Final = {"â": "a6", "ă": "a8", "ê": "e6", "ô": "o6", "ơ": "o7", "ư": "u7", "đ": "d9"}
_TONES: Final = {"\u0301": "s1", "\u0300": "f2", "\u0309": "r3", "\u0303": "x4", "\u0323": "j5"}
_NEIGHBOURS: Final = {
    "a": "sq", "b": "vn", "c": "xv", "d": "sf", "e": "wr", "g": "fh", "h": "gj", "i": "uo", "k": "jl", "l": "k",
    "m": "n", "n": "bm", "o": "ip", "p": "o", "q": "wa", "r": "et", "s": "ad", "t": "ry", "u": "yi",
    "v": "cb",
    "x": "zc", "y": "tu",
}  # fmt: skip


def _as_keys(query: str, letters: Mapping[str, str], tone: int, *, at_end: bool) -> str:
    """Return the keys of an input method that was off; the tone's key at the word's end or right after its vowel."""
    typed = []
    for word in as_written(query).split(" "):
        keys, end = "", ""
        for letter in word:
            marks = unicodedata.normalize("NFD", letter)
            key = next((_TONES[mark][tone] for mark in marks if mark in _TONES), "")
            base = unicodedata.normalize("NFC", "".join(mark for mark in marks if mark not in _TONES))
            keys += letters.get(base.lower(), base) + ("" if at_end else key)
            end += key if at_end else ""
        typed.append(keys + end)
    return " ".join(typed)


def telex(query: str) -> str:
    """Return `query` as Telex keys: "nghir phesp" with the tones at the ends of the words."""
    return _as_keys(query, _TELEX, 0, at_end=True)


def vni(query: str) -> str:
    """Return `query` as VNI keys: "nghi3 phe1p"."""
    return _as_keys(query, _VNI, 1, at_end=False)


def _one_word(query: str, change: Callable[[str, random.Random], str]) -> str:
    """Return `query` with one word of three letters or more changed."""
    rng = random.Random(query)  # noqa: S311
    words = query.split(" ")
    long = [at for at, word in enumerate(words) if len(word) > 2 and word.isalpha()]
    if long:
        at = rng.choice(long)
        words[at] = change(words[at], rng)
    return " ".join(words)


def _drop(word: str, rng: random.Random) -> str:
    at = rng.randrange(len(word))
    return word[:at] + word[at + 1 :]


def _double(word: str, rng: random.Random) -> str:
    at = rng.randrange(len(word))
    return word[:at] + word[at] + word[at:]


def _miss(word: str, rng: random.Random) -> str:
    places = [at for at, letter in enumerate(word) if letter.lower() in _NEIGHBOURS]
    if not places:
        return word
    at = rng.choice(places)
    return word[:at] + rng.choice(_NEIGHBOURS[word[at].lower()]) + word[at + 1 :]


def _join(query: str) -> str:
    rng = random.Random(query)  # noqa: S311
    words = query.split(" ")
    if len(words) < 3:
        return query
    at = rng.randrange(len(words) - 1)
    return " ".join([*words[:at], words[at] + words[at + 1], *words[at + 2 :]])


def old_tones(query: str) -> str:
    """Return `query` with the tones of oa, oe and uy on their first letters: "hòa", "thúy"."""
    return re.sub(r"(o|u)([àáảãạèéẻẽẹỳýỷỹỵ])(?!\w)", _move_back, as_written(query))


def _move_back(match: re.Match[str]) -> str:
    decomposed = unicodedata.normalize("NFD", match[2])
    return unicodedata.normalize("NFC", match[1] + decomposed[1:]) + decomposed[0]


TYPED: Final[Mapping[str, Typed]] = {
    "written": as_written,
    "stripped": stripped,
    "mixed": mixed,
    "mistyped": mistyped,
    "telex": telex,
    "vni": vni,
    "dropped": lambda query: _one_word(as_written(query), _drop),
    "doubled": lambda query: _one_word(as_written(query), _double),
    "missed": lambda query: _one_word(as_written(query), _miss),
    "dropped plain": lambda query: _one_word(stripped(query), _drop),
    "doubled plain": lambda query: _one_word(stripped(query), _double),
    "missed plain": lambda query: _one_word(stripped(query), _miss),
    "joined": lambda query: _join(as_written(query)),
    "joined plain": lambda query: _join(stripped(query)),
    "capitals": lambda query: as_written(query).upper(),
    "capitals plain": lambda query: stripped(query).upper(),
    "title": lambda query: as_written(query).title(),
    "decomposed": lambda query: unicodedata.normalize("NFD", query),
    "old tones": old_tones,
}
