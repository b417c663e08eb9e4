"""Read labelled retrieval sets: queries, passages and the relevant passages of each query."""

import gzip
import json
import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from training.corpus import HELD_OUT_EVERY, read_documents

# The four sets of the model card; vicov19qa alone has a validation split, on which the fusion weights are chosen.
SETS: Final = ("viquad_test", "alqac2022", "vicov19qa", "mailong25_viqa")


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """Queries with their relevant passages, as positions in `passages`."""

    name: str
    queries: list[str]
    relevant: list[set[int]]
    passages: list[str]


def load_set(folder: Path, name: str, *, split: str | None = None) -> LabelledSet:
    """Read `retrieval_NAME` and `corpus_NAME` (.jsonl.gz) from `folder`; without `split`, vicov19qa's is `test`.

    A query that occurs on several lines is one query with several relevant passages.
    """
    corpus = list(_lines(folder / f"corpus_{name}.jsonl.gz"))
    position = {passage["id"]: index for index, passage in enumerate(corpus)}
    wanted = split or ("test" if name == "vicov19qa" else None)
    relevant: dict[str, set[int]] = {}
    for line in _lines(folder / f"retrieval_{name}.jsonl.gz"):
        if wanted is None or line["split"] == wanted:
            relevant.setdefault(line["query"], set()).add(position[line["positive_id"]])
    return LabelledSet(name, list(relevant), list(relevant.values()), [add_title(passage) for passage in corpus])


def load_held_out(folder: Path) -> LabelledSet:
    """Return a set of the held-out documents in `folder` (.jsonl.xz): titles as queries, texts as passages."""
    documents = islice(read_documents(sorted(folder.glob("*.jsonl.xz"))), 0, None, HELD_OUT_EVERY)
    chosen = [document for document in documents if document.title and document.parts]
    relevant: dict[str, set[int]] = {}
    for position, document in enumerate(chosen):
        relevant.setdefault(document.title, set()).add(position)
    return LabelledSet("held out", list(relevant), list(relevant.values()), ["\n".join(each.parts) for each in chosen])


def load_distractors(path: Path, count: int) -> list[str]:
    """Return the first `count` passages of a .jsonl.xz file of {title, text}."""
    return [add_title(passage) for passage in islice(_lines(path), count)]


def load_paraphrases(path: Path) -> tuple[list[str], list[str], list[bool]]:
    """Return first sentences, second sentences and labels from a .tsv.gz with a header line."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in islice(file, 1, None)]
    return [row[1] for row in rows], [row[2] for row in rows], [row[0] == "1" for row in rows]


def add_title(passage: dict[str, Any]) -> str:
    """Return the embedded form of a passage: its title, if any, on its own line before the text."""
    return "\n".join(part for part in (passage.get("title"), passage["text"]) if part)


def evaluation_texts(folder: Path) -> Iterator[str]:
    """Yield every text of the evaluation sets in `folder`: what nothing may be trained on."""
    for path in sorted(folder.glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as file:
            for line in map(json.loads, file):
                yield from (line[key] for key in ("query", "title", "text") if line.get(key))
    for path in sorted(folder.glob("*.tsv.gz")):
        first, second, _ = load_paraphrases(path)
        yield from first
        yield from second


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with (lzma if path.suffix == ".xz" else gzip).open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)
