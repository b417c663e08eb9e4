"""The training documents: read, freed of leaks, segmented, and kept as token ids by sentence."""

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
"""One document in so many is never trained on: the fusion weights are chosen on these."""

Tokens = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Document:
    """A title, what follows it (lead and body, or one text), as raw or segmented text."""

    title: str
    parts: tuple[str, ...]

    @property
    def text(self) -> str:
        """All of it, the title on a line of its own."""
        return "\n".join((self.title, *self.parts))


@dataclass(frozen=True, slots=True)
class TokenisedDocument:
    """The ids of the title and, part by part, of each sentence; no special tokens."""

    title: Tokens
    parts: list[list[Tokens]]


def read_documents(paths: Sequence[Path]) -> Iterator[Document]:
    """The documents of .jsonl.xz files of {title, lead, body} or {title, text}, in order."""
    for path in paths:
        with lzma.open(path, "rt", encoding="utf-8") as file:
            for line in file:
                yield _document(json.loads(line))


def is_held_out(position: int) -> bool:
    """Whether the document at that position of all is kept from training."""
    return position % HELD_OUT_EVERY == 0


def segmented(documents: Iterable[Document]) -> Iterator[Document]:
    """The documents with their words joined by "_", tone marks in the new style, a batch at a time."""
    segmenter = Segmenter(load_segmenter_model(), respell=modern_tones)
    remaining = iter(documents)
    while batch := list(islice(remaining, BATCH)):
        flat = iter(segmenter.segment([field for document in batch for field in (document.title, *document.parts)]))
        for document in batch:
            yield Document(next(flat), tuple(islice(flat, len(document.parts))))


def count_words(documents: Iterable[Document]) -> Counter[str]:
    """How often each word of segmented `documents` occurs."""
    words: Counter[str] = Counter()
    for document in documents:
        words.update(document.text.split())
    return words


def tokenised(documents: Iterable[Document], pieces: WordPieces) -> Iterator[TokenisedDocument]:
    """The ids of segmented `documents`, split into sentences."""
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
    """Runs of words up to the end of a sentence; a fragment of a few words stays with what follows."""
    found: list[str] = []
    words: list[str] = []
    for word in segmented_text.split():
        words.append(word)
        if word in SENTENCE_END and len(words) >= SHORTEST_SENTENCE:
            found.append(" ".join(words))
            words = []
    return [*found, " ".join(words)] if words else found
