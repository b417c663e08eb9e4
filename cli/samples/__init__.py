"""The sample corpus: short Vietnamese documents of an invented company, and questions that share few words with them.

Everything in this folder was written for the project. Some documents put the tone of open oa, oe and uy in the old
place (hòa, khỏe), some in the new (hoà, khoẻ), as real collections do.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

import msgspec

SAMPLES: Final = "samples"
"""The collection that `phoserve up` loads them into."""
_FOLDER: Final = files(__name__)


@dataclass(frozen=True, slots=True)
class SampleDocument:
    """A markdown document; `text` is the whole of it, heading included."""

    id: str
    title: str
    text: str
    metadata: Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class SampleQuestion:
    """What a colleague or a customer would ask, and the one document that answers it."""

    query: str
    positive_id: str


@dataclass(frozen=True, slots=True)
class _Entry:
    id: str
    metadata: dict[str, str | int]


def documents() -> list[SampleDocument]:
    """Every sample document, in the order of `index.json`."""
    entries = msgspec.json.decode((_FOLDER / "index.json").read_bytes(), type=list[_Entry])
    return [_document(entry) for entry in entries]


def questions() -> list[SampleQuestion]:
    """Every labelled question; a document may have several."""
    return msgspec.json.Decoder(SampleQuestion).decode_lines((_FOLDER / "questions.jsonl").read_bytes())


def _document(entry: _Entry) -> SampleDocument:
    text = (_FOLDER / "documents" / f"{entry.id}.md").read_text(encoding="utf-8")
    heading, _, _ = text.partition("\n")
    return SampleDocument(entry.id, heading.removeprefix("# "), text, entry.metadata)
