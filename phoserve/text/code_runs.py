"""Canonical forms of codes, file names, addresses and names of programming languages: runs of non-white space."""

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Final

from phoserve.text.folding import fold
from phoserve.text.readers import Forms, Kind, Reader

LONGEST_RUN: Final = 256
_INNER: Final = re.compile(r"[^\W_][\-_/\\.@+#&=?:~%]+[^\W_]")
_PARENTHESES: Final = "()[]{}<>\"'“”‘’«»…,;!?*`|"
_LANGUAGE: Final = re.compile(r"(?<![\w.])(?:[a-z]\+\+|[a-z]#|[a-z]{0,5}\.(?:net|js))(?![\w+#])")
_TRAILING: Final = ".:-/\\"
_LEADING: Final = "-/\\:"
_LETTER: Final = re.compile(r"[^\W\d_]")
_CODE_SIGN: Final = re.compile(r"[\d@+#]|^\.")
_SCHEME: Final = re.compile(r"(?:[a-z][a-z0-9+.-]{0,30}://|(?:mailto|tel|sms|sip|urn:uuid):)(?:www\.)?|www\.")
_QUERY: Final = re.compile(r"[?#].*")
_PART: Final = re.compile(r"[/\\?&=#:@]+")
_EXTENSION: Final = re.compile(r"\.[a-z][a-z0-9]{1,4}\Z")
_ADDRESS: Final = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}(?![\w.])")
_NUMBERED_LANGUAGE: Final = re.compile(
    r"(?<![\w.])(?:(?P<js>node|vue|next|nuxt|react|express|three|nest)\s?\.?js|(?P<sharp>[cf])(?:#|sharp|\ssharp)"
    r"|(?P<plus>c)(?:\+\+|pp)|(?P<net>\.net|dotnet)(?:\s(?:core|framework))?)\s?(?:v|ver\.?|version|phien ban)?\s?"
    r"(?P<version>\d{1,4}(?:\.\d{1,3}){0,2})(?!\w|[.,]\d)"
)
_NOT_WORD: Final = re.compile(r"[\W_]+")
_MEASURED: Final = re.compile(r"(?:v|ver)?\.?\d+(?:[.,]\d+)+[a-z%°€$₫]{0,4}\d?|\d+(?:[.,]\d+)?km/(?:h|gio)")
"""Numbers with decimals, whose marks matter, and speeds, which are no distances."""
_MOMENT: Final = re.compile(r"\d{4}-\d\d?-\d\d?t[\d:.+z-]+")
_HAS_DIGIT: Final = re.compile(r"\d")
_LEAST_JOINED: Final = 4

# Written in several pieces, or in one that has no marks at all.
_PLATE: Final = re.compile(
    r"(?<![\w/.,-])(?P<code>\d{2} ?-? ?[a-z]{1,2}\d?[ .-]{0,3}(?:\d{3}[. ]?\d{2}|\d{4}))(?!\w|[.,/-]\d)"
)
_HEXADECIMAL: Final = re.compile(
    r"(?<!\w)(?P<code>[0-9a-f]{8}(?: [0-9a-f]{4}){3} [0-9a-f]{12}|[0-9a-f]{2}(?: [0-9a-f]{2}){5})(?!\w)"
)
_PIECES: Final = re.compile(r"(?<![\w/.,-])(?P<code>[a-z]{1,5}\d+(?:[ .-]{1,2}\d{2,})+)(?!\w|[.,/-]\d)")
_ACCOUNT: Final = re.compile(
    r"(?P<code>[a-z]{2}\d{2}(?: (?=\w*\d)[0-9a-z]{4}){3,7}(?: \d{1,4})?|[a-z]{2,3}\d{1,3} \d{6,13})(?!\w|[.,/-]\d)"
)
"""An IBAN in groups of four, the number of an insurance card."""
_SPACED_PIECES: Final = re.compile(r"(?<![\w/.,-])(?P<code>[a-z]{2,5}(?: \d{2,8}){2,4})(?!\w|[.,/-]\d)")
_LABELLED: Final = re.compile(
    r"(?<!\w)(?:sku|stk|mst|sdt|tel|fax|cccd|cmnd|imei|isbn|mac|id)[ :.#-]?\s?"
    r"(?P<labelled>(?=[\d./-]*[a-z])(?=[\w./-]{5})[a-z]{0,5}\d[\w./-]*\w)(?! ?[\d:])"
)
_ALIAS: Final = re.compile(
    r"(?<![\w.])(?:(?P<js>node|vue|next|nuxt|react|express|three|d3|ember|nest)\s?\.?js"
    r"|(?P<other>cpp|csharp|c sharp|dotnet|fsharp))(?![\w+#])"
)
_ALIASES: Final = {"cpp": "c++", "csharp": "c#", "c sharp": "c#", "dotnet": "net", "fsharp": "f#"}


@lru_cache(maxsize=1 << 15)
def codes_of_run(run: str) -> tuple[tuple[int, int, Forms, Kind], ...]:
    """Return start, end, forms and kind of the codes in a run of non-white space, in lower case without diacritics.

    Of one with separators: what it is without them, then its parts.
    """
    if run.isalpha() or len(run) > LONGEST_RUN:
        return ()
    if languages := [(*match.span(), _language(match[0]), _CODE) for match in _LANGUAGE.finditer(run)]:
        return tuple(languages)
    bare = run.strip(_PARENTHESES).rstrip(_TRAILING).lstrip(_LEADING)
    if not (_INNER.search(bare) and _LETTER.search(bare)) or _MEASURED.fullmatch(bare) or _MOMENT.fullmatch(bare):
        return ()
    if bare.startswith("tel:"):
        return ()
    start = run.index(bare)
    forms = tuple(dict.fromkeys(form for form in _run_forms(bare) if len(form) > 1))
    kind: Kind = "code" if _CODE_SIGN.search(bare) else "words"
    return ((start, start + len(bare), forms, kind),) if forms else ()


_CODE: Final[Kind] = "code"


def _language(written: str) -> Forms:
    name = written.replace(".", "")
    return (f"lang:{name}", "lang:net") if name.endswith("net") and name != "net" else (f"lang:{name}",)


def _run_forms(bare: str) -> Iterator[str]:
    address = _SCHEME.sub("", bare, count=1)
    if host := _ADDRESS.match(address):
        yield host[0]
    yield compact(address)
    if (path := _QUERY.sub("", address)) != address:
        yield compact(path)
    if extension := _EXTENSION.search(path):
        yield compact(path[: extension.start()])
    yield from _numbered_end(path)
    parts = [part for part in _PART.split(address) if compact(part)]
    if len(parts) > 1:
        yield from (compact(part) for part in parts if _NOT_WORD.search(part))
        bare_parts = [_EXTENSION.sub("", part) for part in parts]
        yield from map(compact, bare_parts)
        yield from ("".join(map(compact, pair)) for pair in (*pairwise(parts), *pairwise(bare_parts)))
    if address != bare or "@" in bare:  # the segmenter keeps an address whole
        yield from _NOT_WORD.split(address)


def _numbered_end(address: str) -> Iterator[str]:
    """The end of a code from its first piece with a digit: SKU-AB12-0034 is AB12-0034."""
    last = _PART.split(address)[-1]
    for name in (last, _EXTENSION.sub("", last)):
        pieces = _NOT_WORD.split(name)
        at = next((at for at, piece in enumerate(pieces) if _HAS_DIGIT.search(piece)), 0)
        joined = "".join(pieces[at:])
        if at and len(joined) >= _LEAST_JOINED:
            yield joined


def compact(text: str) -> str:
    """Return `text` in small letters without diacritics, marks and white space."""
    return _NOT_WORD.sub("", fold(text.lower()))


def _read_code(match: re.Match[str]) -> Forms:
    return (compact(match["code"]),)


def _read_labelled(match: re.Match[str]) -> Forms:
    return (compact(match["labelled"]),)


def _read_alias(match: re.Match[str]) -> Forms:
    return (f"lang:{match['js']}js",) if match["js"] else (f"lang:{_ALIASES[match['other']]}",)


def _read_numbered_language(match: re.Match[str]) -> Forms:
    name = (
        f"{match['js']}js"
        if match["js"]
        else f"{match['sharp']}#"
        if match["sharp"]
        else "c++"
        if match["plus"]
        else "net"
    )
    return (f"lang:{name} {match['version']}", f"lang:{name}")


_FRACTION: Final = re.compile(r"(?<![\w/.,-])(?P<first>\d{1,4}[a-z]?)/(?P<second>\d{1,4}[a-z]?)(?![\w/]|[.,-]\d)")


def _read_fraction(match: re.Match[str]) -> Forms:
    """ "12/34" of an address."""
    return (f"at:{match['first'].lstrip('0')}/{match['second'].lstrip('0')}",)


RUN_READERS: Final = (
    Reader(_FRACTION, _read_fraction, after="/a"),
    Reader(_PLATE, _read_code, after="- a"),
    Reader(_HEXADECIMAL, _read_code, "anywhere", query_only=True),
    Reader(_PIECES, _read_code, "anywhere", query_only=True),
    Reader(_ACCOUNT, _read_code, "noun"),
    Reader(_SPACED_PIECES, _read_code, "anywhere", kind="number", query_only=True),
    Reader(_LABELLED, _read_labelled, "anywhere", query_only=True),
    Reader(_ALIAS, _read_alias, "anywhere", ("js", "cpp", "sharp", "dotnet")),
    Reader(
        _NUMBERED_LANGUAGE,
        _read_numbered_language,
        "anywhere",
        ("js", "cpp", "sharp", "net", "c#", "f#", "c++"),
    ),
)
