"""How many lines reading a file changes that were right, and how many it gets right of legacy text.

    python -m loadtests.encodings FILE... [--documents 400]

Files are JSON lines, .xz or .gz or neither, or plain text; every string of a record is a document. The same texts are
written in TCVN3, VNI, VISCII and CP1258 and read again.
"""

import argparse
import gzip
import json
import lzma
import sys
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

from ingest.parsing.encodings import (
    _TCVN,
    _TCVN_LOW,
    _VISCII,
    _VISCII_LOW,
    _VNI_ACCENTS,
    _VNI_LETTERS,
    decode_text,
    repair_texts,
)
from phoserve.text.normalise import compose

TONES: Final = "\u0300\u0301\u0303\u0309\u0323"


def documents_of(path: Path) -> Iterator[str]:
    """Yield the texts of a file: each string of each record, or the whole file."""
    openers: dict[str, Callable[..., Any]] = {".xz": lzma.open, ".gz": gzip.open}
    opened = openers.get(path.suffix, open)
    if ".jsonl" not in path.suffixes:
        with opened(path, "rt", encoding="utf-8", errors="ignore") as file:
            yield compose(file.read())
        return
    with opened(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield from (compose(each) for each in json.loads(line).values() if isinstance(each, str))


def write_table(text: str, high: str, low: dict[int, str]) -> bytes:
    """Encode by a table; what it does not have becomes "?"."""
    codes = {char: bytes([128 + code]) for code, char in enumerate(high)}
    codes |= {char: bytes([code]) for code, char in low.items()}
    return b"".join(codes.get(char) or char.encode("ascii", errors="replace") for char in text)


def write_cp1258(text: str) -> bytes:
    """Encode as Windows does: tones are characters of their own, the other accents are not."""
    out = []
    for char in text:
        parts = unicodedata.normalize("NFD", char)
        base = unicodedata.normalize("NFC", "".join(part for part in parts if part not in TONES))
        out.append((base + "".join(part for part in parts if part in TONES)).encode("cp1258", errors="replace"))
    return b"".join(out)


def write_vni(text: str) -> bytes:
    """Encode as the keyboard drivers of VNI fonts do."""
    alone = {compose(value): key for key, value in _VNI_LETTERS.items()}
    accents = {"".join(sorted(value)): key for key, value in _VNI_ACCENTS.items()}
    out = []
    for char in text:
        lower = char.lower()
        if lower in alone or lower in "íì":
            written = alone.get(lower, lower)
        else:
            parts = unicodedata.normalize("NFD", lower)
            base, marks = parts[0], parts[1:]
            if base in "ou" and "\u031b" in marks:
                base, marks = {"o": "ô", "u": "ö"}[base], marks.replace("\u031b", "")
            accent = accents.get("".join(sorted(marks))) if marks else ""
            written = base + accent if accent is not None else char
        out.append((written.upper() if char.isupper() else written).encode("cp1252", errors="replace"))
    return b"".join(out)


WRITERS: Final[dict[str, Callable[[str], bytes]]] = {
    "TCVN3": lambda text: write_table(text, _TCVN, _TCVN_LOW),
    "VISCII": lambda text: write_table(text, _VISCII, _VISCII_LOW),
    "VNI": write_vni,
    "CP1258": write_cp1258,
}


def _keeps(text: str, write: Callable[[str], bytes]) -> str:
    """Lines of `text` that the encoding can hold at all."""
    return "\n".join(line for line in text.split("\n") if b"?" not in write(line.replace("?", "")))


def changed_lines(texts: Sequence[str]) -> tuple[int, int, list[str]]:
    """Count lines, and those that reading or repairing changes; with examples."""
    total, examples = 0, []
    for text in texts:
        total += text.count("\n") + 1
        for read in (decode_text(text.encode()).text, repair_texts([text]).texts[0]):
            if read != text:
                pairs = zip(text.split("\n"), read.split("\n"), strict=True)
                examples += [f"{old!r} -> {new!r}" for old, new in pairs if old != new]
    return total, len(examples), examples


def legacy_lines(texts: Sequence[str], write: Callable[[str], bytes]) -> tuple[int, int, list[str]]:
    """Count lines of legacy files, and those read right; with examples of the others."""
    total, right, examples = 0, 0, []
    for text in texts:
        kept = _keeps(text, write)
        read = decode_text(write(kept)).text.split("\n")
        for wanted, got in zip(kept.split("\n"), read, strict=True):
            total += 1
            right += wanted == got
            if wanted != got:
                examples.append(f"{wanted[:80]!r} -> {got[:80]!r}")
    return total, right, examples


def main() -> None:
    """Print one line for correct text and one for each encoding."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--documents", type=int, default=400, help="of each file")
    parser.add_argument("--shown", type=int, default=5)
    options = parser.parse_args()
    texts: list[str] = []
    for path in options.files:
        texts += islice((text for text in documents_of(path) if text.strip()), options.documents)
    total, changed, examples = changed_lines(texts)
    say(f"correct text: {len(texts)} documents, {total} lines, {changed} changed", examples[: options.shown])
    vietnamese = [text for text in texts if sum(not char.isascii() for char in text) > 0.1 * len(text) > 10]
    for name, write in WRITERS.items():
        total, right, examples = legacy_lines(vietnamese, write)
        say(f"{name}: {total} lines, {right} right ({right / max(1, total):.4f})", examples[: options.shown])


def say(line: str, examples: Sequence[str]) -> None:
    """Print a line and its examples."""
    sys.stdout.write("\n  ".join([line, *examples]) + "\n")


if __name__ == "__main__":
    main()
