"""The training documents: read, filter, segment and tokenize them by sentence."""

import json
import lzma
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from phoserve.text.bpe import WordPieces
from phoserve.text.segmentation import Segmenter
from phoserve.text.segmenter_model import load_segmenter_model
from phoserve.text.tones import modern_tones

BATCH: Final = 2000
SENTENCE_END: Final = frozenset((".", "!", "?", ";", "\n", "..."))
SHORTEST_SENTENCE: Final = 5
HELD_OUT_EVERY: Final = 100
"""One document in this many is held out to choose the fusion weights."""

Tokens = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Document:
    """A title and its text (lead and body, or one text), raw or segmented."""

    title: str
    parts: tuple[str, ...]

    @property
    def text(self) -> str:
        """Return the whole text with the title on its own line."""
        return "\n".join((self.title, *self.parts))


@dataclass(frozen=True, slots=True)
class TokenisedDocument:
    """The ids of the title and, part by part, of each sentence; no special tokens."""

    title: Tokens
    parts: list[list[Tokens]]


def read_documents(paths: Sequence[Path]) -> Iterator[Document]:
    """Read the documents of .jsonl.xz files of {title, lead, body} or {title, text}, in order."""
    for path in paths:
        with lzma.open(path, "rt", encoding="utf-8") as file:
            for line in file:
                yield _document(json.loads(line))


def is_held_out(position: int) -> bool:
    """Return whether the document at this position is held out from training."""
    return position % HELD_OUT_EVERY == 0


def segment_documents(documents: Iterable[Document]) -> Iterator[Document]:
    """Segment documents in batches: words joined by "_", tone marks in the new style."""
    segmenter = Segmenter(load_segmenter_model(), respell=modern_tones)
    remaining = iter(documents)
    while batch := list(islice(remaining, BATCH)):
        flat = iter(segmenter.segment([field for document in batch for field in (document.title, *document.parts)]))
        for document in batch:
            yield Document(next(flat), tuple(islice(flat, len(document.parts))))


def count_words(documents: Iterable[Document]) -> Counter[str]:
    """Count the words of segmented `documents`."""
    words: Counter[str] = Counter()
    for document in documents:
        words.update(document.text.split())
    return words


def tokenize_documents(documents: Iterable[Document], pieces: WordPieces) -> Iterator[TokenisedDocument]:
    """Tokenize segmented `documents` by sentence."""
    remaining = iter(documents)
    while batch := list(islice(remaining, BATCH)):
        sentences = [[_sentences(part) for part in document.parts] for document in batch]
        flat = [document.title for document in batch]
        flat += [sentence for parts in sentences for part in parts for sentence in part]
        encoded = pieces.encode(flat, max_tokens=1 << 20)
        spans = zip(encoded.offsets[:-1].tolist(), encoded.offsets[1:].tolist(), strict=True)
        ids = iter([encoded.ids[start + 1 : end - 1] for start, end in spans])
        titles = list(islice(ids, len(batch)))
        for title, parts in zip(titles, sentences, strict=True):
            yield TokenisedDocument(title, [list(islice(ids, len(part))) for part in parts])


def _document(fields: dict[str, Any]) -> Document:
    parts = (fields.get("lead"), fields.get("body"), fields.get("text"))
    return Document(fields.get("title") or "", tuple(part for part in parts if part))


def _sentences(segmented_text: str) -> list[str]:
    """Split words into sentences. A fragment of a few words is joined to the next sentence."""
    found: list[str] = []
    words: list[str] = []
    for word in segmented_text.split():
        words.append(word)
        if word in SENTENCE_END and len(words) >= SHORTEST_SENTENCE:
            found.append(" ".join(words))
            words = []
    return [*found, " ".join(words)] if words else found
