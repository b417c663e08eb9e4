"""Telex and VNI, the usual ways to type Vietnamese, where the input method was off: "nghir phesp", "nghi3 phe1p"."""

import re
import unicodedata
from typing import Final

from phoserve.text.tones import modern_tones

_LETTERS: Final = (
    ("uow", "ươ"),
    ("aa", "â"),
    ("aw", "ă"),
    ("ee", "ê"),
    ("oo", "ô"),
    ("ow", "ơ"),
    ("uw", "ư"),
    ("dd", "đ"),
)
_TONES: Final = {"s": "\u0301", "f": "\u0300", "r": "\u0309", "x": "\u0303", "j": "\u0323"}
_VNI_TONES: Final = {"1": "\u0301", "2": "\u0300", "3": "\u0309", "4": "\u0303", "5": "\u0323"}
_VNI_LETTERS: Final = {
    "6": (("a", "â"), ("e", "ê"), ("o", "ô")),
    "7": (("uo", "ươ"), ("o", "ơ"), ("u", "ư")),
    "8": (("a", "ă"),),
    "9": (("d", "đ"),),
}
_DIGITS: Final = re.compile(r"\d")
_TYPED: Final = re.compile(
    r"(?P<onset>[b-df-hj-np-tv-xzđ]*(?:(?<=g)i(?=[aeiouyăâêôơư])|(?<=q)u)?)(?P<rest>[a-zăâêôơư]+)"
)
_VOWELS: Final = re.compile(r"[aeiouyăâêôơư]+")
_MARKED: Final = "ăâêôơư"


def from_telex(word: str) -> str:
    """Return the syllable that `word`, in lower case, spells as Telex keys; `word` itself if it spells none.

    The tone key and the w of ư, ơ, ă may also come at the end, as in "duongwf".
    """
    if not word.isascii() or not word.isalpha():
        return word
    tone = ""
    body = word
    for key in "sfrxj":
        at = body.rfind(key)
        if at > 0 and _VOWELS.search(body, 0, at):
            tone, body = _TONES[key], body[:at] + body[at + 1 :]
            break
    body = _with_letters(body)
    parts = _TYPED.fullmatch(body)
    vowels = parts and _VOWELS.match(parts["rest"])
    if not (parts and vowels):
        return word
    if not tone:
        return body
    at = parts.start("rest") + _toned(vowels[0], is_open=vowels.end() == len(parts["rest"]))
    return modern_tones(unicodedata.normalize("NFC", body[: at + 1] + tone + body[at + 1 :]))


def from_vni(word: str) -> str:
    """Return the syllable that `word`, in lower case, spells as VNI keys; `word` itself if it spells none.

    Keys come after the letter they change or at the end: "phe1p", "phep1", "d9uo7ng2", "duong972".
    """
    keys = _DIGITS.findall(word)
    body = _DIGITS.sub("", word)
    if not keys or not body.isascii() or not body.isalpha() or not _VOWELS.search(body):
        return word
    tones = [key for key in keys if key in _VNI_TONES]
    letters = list(dict.fromkeys(key for key in keys if key in _VNI_LETTERS))
    if len(tones) > 1 or not {*tones, *letters} >= {*keys}:
        return word
    # The same marks as Telex has.
    marked = body
    for key in letters:
        changed = next(
            (marked.replace(plain, letter, 1) for plain, letter in _VNI_LETTERS[key] if plain in marked), None
        )
        if changed is None:
            return word
        marked = changed
    marked = marked.replace("ưo", "ươ").replace("uơ", "ươ") if "7" in letters else marked
    parts = _TYPED.fullmatch(marked)
    vowels = parts and _VOWELS.match(parts["rest"])
    if not (parts and vowels):
        return word
    if not tones:
        return marked
    at = parts.start("rest") + _toned(vowels[0], is_open=vowels.end() == len(parts["rest"]))
    return modern_tones(unicodedata.normalize("NFC", marked[: at + 1] + _VNI_TONES[tones[0]] + marked[at + 1 :]))


def _with_letters(body: str) -> str:
    if body.endswith("w") and body.count("w") == 1:
        # "duongw", "tuw", "lamw": the key comes after the letters it changes
        for plain, marked in (("uo", "ươ"), ("u", "ư"), ("o", "ơ"), ("a", "ă")):
            if plain in body:
                body = body[:-1].replace(plain, marked, 1)
                break
    if body.endswith("d") and body.startswith("d") and len(body) > 2:
        body = "đ" + body[1:-1]
    for keys, letter in _LETTERS:
        body = body.replace(keys, letter)
    return body.replace("ưo", "ươ") if "ưo" in body else body


def _toned(vowels: str, *, is_open: bool) -> int:
    """Which of the vowels carries the tone mark."""
    marked = [at for at, letter in enumerate(vowels) if letter in _MARKED]
    if marked:
        return marked[-1]
    if len(vowels) == 1:
        return 0
    if len(vowels) == 3 or not is_open:
        return 1
    return 1 if vowels in {"oa", "oe", "uy"} else 0
