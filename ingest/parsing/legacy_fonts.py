"""Text set in fonts that draw Vietnamese over Western letters: .VnTime (TCVN3) and VNI-Times (VNI).

Where a file names the font of each run, a single word in such a font is read as it is displayed, also next to text
in Unicode. `repair_texts` judges whole documents by their words alone.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from ingest.parsing.encodings import read_legacy
from phoserve.text.blocks import ParserWarning

_TCVN: Final = re.compile(r"\.Vn[A-Z0-9].*|Vn(?:Time|Arial|Book|Avant|Centur|Helve|Cou)\w*", re.IGNORECASE)
_VNI: Final = re.compile(r"VNI[- ].*", re.IGNORECASE)
_CAPITALS: Final = re.compile(r".*[a-z0-9 ]H( .*)?|\.vn[a-z0-9 ]*h")


class LegacyFont(NamedTuple):
    """How a font draws the letters of its text."""

    encoding: str
    """"TCVN3" or "VNI"."""
    is_capital: bool = False
    """Whether it draws small letters as capitals, as .VnTimeH does."""


def legacy_font(name: str | None) -> LegacyFont | None:
    """Return how a font of this name draws letters; None for fonts of Unicode."""
    stripped = (name or "").strip().strip("\"'")
    if _TCVN.fullmatch(stripped):
        return LegacyFont("TCVN3", _CAPITALS.fullmatch(stripped) is not None)
    return LegacyFont("VNI") if _VNI.fullmatch(stripped) else None


Run = tuple[str, LegacyFont | None]


def join_runs(runs: Sequence[Run]) -> tuple[str, str]:
    """Return the text of runs as displayed, and the encoding that some of it was converted from, "" for none."""
    if not any(font for _, font in runs):
        return "".join(text for text, _ in runs), ""
    parts = list(_merge(runs))
    readings = [text if font is None else read_legacy(font.encoding, text) for text, font in parts]
    if any(reading is None for reading in readings):
        return "".join(text for text, _ in parts), ""
    shown = [
        str(reading).upper() if font and font.is_capital else str(reading)
        for reading, (_, font) in zip(readings, parts, strict=True)
    ]
    used = [font.encoding for (text, font), show in zip(parts, shown, strict=True) if font and show != text]
    return "".join(shown), used[0] if used else ""


def _merge(runs: Sequence[Run]) -> Iterator[Run]:
    """Yield runs with those of one font that follow each other as one: VNI writes a letter in two characters."""
    for font, group in groupby(runs, key=lambda run: run[1]):
        yield "".join(text for text, _ in group), font


def converted_warning(encodings: Sequence[str]) -> list[ParserWarning]:
    """Return the warning about paragraphs that were converted, given the encoding of each."""
    count = len(encodings)
    what = "1 paragraph" if count == 1 else f"{count} paragraphs"
    message = f"{what} in {' and '.join(sorted(set(encodings)))} fonts converted to Unicode"
    return [ParserWarning(code="text_repaired", message=message)] if count else []
