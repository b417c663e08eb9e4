"""The sample corpus: short Vietnamese documents of a fictional company, and questions that share few words with them.

Everything in this folder was written for the project. Some documents use the old tone placement of open oa, oe and uy
(hòa, khỏe), some the new one (hoà, khoẻ), like real collections.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

import msgspec

SAMPLES: Final = "samples"
"""The samples' collection in `phoserve up`."""
_FOLDER: Final = files(__name__)


@dataclass(frozen=True, slots=True)
class SampleDocument:
    """A markdown document; `text` includes its heading."""

    id: str
    title: str
    text: str
    metadata: Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class SampleQuestion:
    """A question of a colleague or a customer, and the document that answers it."""

    query: str
    positive_id: str


@dataclass(frozen=True, slots=True)
class _Entry:
    id: str
    metadata: dict[str, str | int]


def documents() -> list[SampleDocument]:
    """Return every sample document, in the order of `index.json`."""
    entries = msgspec.json.decode((_FOLDER / "index.json").read_bytes(), type=list[_Entry])
    return [_document(entry) for entry in entries]


def questions() -> list[SampleQuestion]:
    """Return every labelled question. A document may have several."""
    return msgspec.json.Decoder(SampleQuestion).decode_lines((_FOLDER / "questions.jsonl").read_bytes())


def _document(entry: _Entry) -> SampleDocument:
    text = (_FOLDER / "documents" / f"{entry.id}.md").read_text(encoding="utf-8")
    heading, _, _ = text.partition("\n")
    return SampleDocument(entry.id, heading.removeprefix("# "), text, entry.metadata)
