"""Generated documents of each text format: passages hold every visible word once and in order, and nothing hidden."""

import csv
import html
import io
import json
import random
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path

import pytest

import export.bundled
from ingest.parsing.parse import parse
from phoserve.text import Chunker, TextPipeline
from tests.support import hostile

SYLLABLES = ("nghỉ", "phép", "mười", "hai", "lao", "động", "quy", "chế", "thanh", "toán", "phụ", "cấp", "ký", "duyệt")
WORDS = 4000


class Writer:
    """Makes words, each different from all others, and remembers which a reader sees."""

    def __init__(self) -> None:
        self.visible: list[str] = []
        self.hidden: list[str] = []
        self._random = random.Random(7)
        self._made = 0

    def say(self, count: int, *, hidden: bool = False) -> str:
        """Some words of a sentence."""
        words = [self._word() for _ in range(count)]
        (self.hidden if hidden else self.visible).extend(words)
        return " ".join(words)

    def sentence(self) -> str:
        return f"{self.say(self._random.randint(4, 14))}."

    @property
    def is_done(self) -> bool:
        return len(self.visible) >= WORDS

    def _word(self) -> str:
        self._made += 1
        return f"{self._random.choice(SYLLABLES)}{self._made}"


def plain(writer: Writer) -> bytes:
    lines = []
    while not writer.is_done:
        lines += [writer.sentence(), "", f"1. {writer.sentence()}", f"a) {writer.sentence()}", ""]
    return "\n".join(lines).encode()


def markdown(writer: Writer) -> bytes:
    lines = ["---", f"author: {writer.say(2, hidden=True)}", "---"]
    while not writer.is_done:
        lines += [
            f"## {writer.say(3)}",
            "",
            f"**{writer.say(3)}** [{writer.say(2)}](http://a.vn/x) {writer.sentence()}",
            "",
        ]
        lines += [f"- {writer.sentence()}\n  - {writer.sentence()}", f"- {writer.sentence()}", ""]
        lines += [f"<!-- {writer.say(4, hidden=True)} -->", "", writer.say(2), "-----", ""]
        lines += [f"| {writer.say(1)} | {writer.say(2)} |", "|---|---|"]
        lines += [f"| {writer.say(1)} | {writer.say(2)} |" for _ in range(5)]
        lines += ["", "```", writer.say(5), "```", ""]
    return "\n".join(lines).encode()


def page(writer: Writer) -> bytes:
    parts = [f"<html><head><title></title><style>.{writer.say(1, hidden=True)}{{}}</style></head><body>"]
    parts.append(f"<nav>{writer.say(5, hidden=True)}</nav><header>{writer.say(3, hidden=True)}</header>")
    while not writer.is_done:
        parts.append(f"<h2>{writer.say(3)}</h2><p>{writer.say(3)} <b>{writer.say(2)}</b>,<br>{writer.sentence()}</p>")
        parts.append(
            f"<div style='display: none'>{writer.say(4, hidden=True)}</div><p hidden>{writer.say(2, hidden=True)}</p>"
        )
        parts.append(f"<ul><li>{writer.sentence()}<ul><li>{writer.sentence()}</ul><li>{writer.sentence()}</ul>")
        parts.append(f"<table><tr><th>{writer.say(1)}<th>{writer.say(2)}</tr>")
        parts.append(f"<tr><td rowspan=2>{writer.say(1)}<td>{writer.say(2)}<tr><td>{writer.say(2)}</table>")
        parts.append(
            f"<img alt='{writer.say(4)}'><details><summary>{writer.say(2)}</summary>{writer.sentence()}</details>"
        )
    parts.append(
        f"<footer>{writer.say(5, hidden=True)}</footer><script>{writer.say(3, hidden=True)}</script></body></html>"
    )
    return "".join(parts).encode()


def table(writer: Writer) -> bytes:
    out = io.StringIO()
    rows = csv.writer(out, delimiter=";")
    rows.writerow([writer.say(1), writer.say(2), writer.say(2)])
    while not writer.is_done:
        rows.writerow([writer.say(1), f"{writer.say(3)}\n{writer.say(3)}", writer.say(4)])
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def records(writer: Writer) -> bytes:
    entries = []
    while not writer.is_done:
        entries.append({writer.say(1): writer.say(3), writer.say(1): {writer.say(1): writer.sentence()}, "n": None})
    return json.dumps(entries).encode()


def lines(writer: Writer) -> bytes:
    out = []
    while not writer.is_done:
        out.append(json.dumps({writer.say(1): writer.say(3), writer.say(1): [writer.say(2), writer.say(2)]}))
    return "\n".join(out).encode()


def mail(writer: Writer) -> bytes:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = "x", "a@b.vn", "c@d.vn"
    paragraphs = []
    while len(writer.visible) < WORDS // 2:
        paragraphs += [writer.sentence(), f"> {writer.sentence()}\n> {writer.sentence()}"]
    message.set_content("\n\n".join(paragraphs))
    message.add_alternative(f"<p>{html.escape(writer.say(400, hidden=True))}</p>", subtype="html")
    message.add_attachment(plain(writer), maintype="text", subtype="plain", filename="")
    return bytes(message)


def book(writer: Writer) -> bytes:
    return hostile.epub(" ".join(writer.sentence() for _ in range(400)))


def opendocument(writer: Writer) -> bytes:
    return hostile.opendocument(" ".join(writer.sentence() for _ in range(400)))


@pytest.fixture(scope="module")
def chunker() -> Chunker:
    return Chunker(TextPipeline.load(Path(export.bundled.__path__[0])), max_tokens=224)


FORMATS: dict[str, Callable[[Writer], bytes]] = {
    "a.txt": plain,
    "a.md": markdown,
    "a.html": page,
    "a.csv": table,
    "a.json": records,
    "a.jsonl": lines,
    "a.eml": mail,
    "a.epub": book,
    "a.odt": opendocument,
}


@pytest.mark.parametrize("name", FORMATS)
async def test_passages_hold_every_visible_word_once_and_in_order(tmp_path: Path, chunker: Chunker, name: str) -> None:
    writer = Writer()
    (tmp_path / "original").write_bytes(FORMATS[name](writer))
    document = await parse(tmp_path / "original", media_type="application/octet-stream", filename=name)
    chunks = chunker.chunk(document.structure)
    assert all(document.text[each.start : each.end] == each.text for each in chunks)
    known = {*writer.visible, *writer.hidden}
    # Labels of nested values are joined by dots.
    shown = [word.strip(".,:") for each in chunks for word in each.text.replace(".", " ").split()]
    shown = [word for word in shown if word in known]
    assert [word for word in shown if word in set(writer.hidden)] == []
    assert shown == writer.visible
