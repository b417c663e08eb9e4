"""From public text to a model folder: every step of the bundled encoder's training, seeded."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from pathlib import Path
from typing import Final

import numpy as np

from export.graph import Array
from phoserve.contract import Fusion
from phoserve.errors import ConfigurationError
from phoserve.text.bpe import WordPieces
from training import tokenizer
from training.bags import PairBags
from training.bundle import write_model
from training.composition import composition
from training.corpus import (
    HELD_OUT_EVERY,
    Document,
    TokenisedDocument,
    Tokens,
    count_words,
    is_held_out,
    read_documents,
    segment_documents,
    tokenize_documents,
)
from training.distil import FolderTeacher
from training.labelled import evaluation_texts
from training.leakage import LeakageFilter
from training.pairs import QUESTION_PHRASES, PairRecipe, make_pairs
from training.shape import mute_punctuation, whiten_table
from training.static import Report, Schedule, train

NEIGHBOURS: Final = 64
TOKENIZER_SAMPLE: Final = 3

Note = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class TrainingStage:
    """One pass over pairs of a share of the documents."""

    schedule: Schedule
    part: float = 1.0
    views: int = 0
    """Number of sentences of each document that are paired with themselves."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """All parameters of the result, except the documents and the versions of the libraries."""

    name: str = "phoserve-bundled-vi"
    vocabulary: int = 32_000
    merges: int = 33_000
    dim: int = 384
    seed: int = 0
    pairs: PairRecipe = field(default_factory=PairRecipe)
    share_parts: bool = True
    stages: tuple[TrainingStage, ...] = field(
        default=(
            TrainingStage(Schedule()),
            # A second pass with a lower rate and passages of the same topic, which are hard negatives.
            TrainingStage(Schedule(run=32, learning_rate=0.008, topics=400), part=0.5, views=1),
        )
    )
    fusion: Fusion = field(default_factory=Fusion)


def make(
    recipe: Recipe, data: Path, target: Path, *, teacher: Path | None = None, note: Note, report: Report | None = None
) -> Array:
    """Train the model folder `target` on `data/train/*.jsonl.xz` without the texts of `data/eval`. Return its table.

    Raises ConfigurationError if there is no training data.
    """
    started = time.monotonic()

    def say(message: str) -> None:
        note(f"{time.monotonic() - started:6.0f} s  {message}")

    target.mkdir(parents=True, exist_ok=True)
    documents = _clean_documents(data, say)
    pieces = _tokenizer(recipe, documents, target)
    say(f"tokenizer: {len(pieces):,} pieces")
    table = _train_stages(recipe, documents, pieces, WordPieces(target), teacher, say, report)
    table = mute_punctuation(whiten_table(table), pieces)
    write_model(target, recipe.name, target, table, fusion=recipe.fusion, precisions=("fp32", "int8"))
    say(f"wrote {target}")
    return table


def _train_stages(
    recipe: Recipe,
    documents: list[Document],
    pieces: list[str],
    encoder: WordPieces,
    teacher: Path | None,
    say: Note,
    report: Report | None,
) -> Array:
    ids = list(tokenize_documents(documents, encoder))
    questions = _ids(encoder, QUESTION_PHRASES)
    parts = composition(pieces, shared=recipe.share_parts)
    guide = FolderTeacher(teacher, pieces) if teacher else None
    table: Array | None = None
    for number, stage in enumerate(recipe.stages):
        seed = recipe.seed + number
        chosen = _part(ids, stage.part, seed)
        pairs = replace(recipe.pairs, views=stage.views)
        bags = PairBags(make_pairs(chosen, questions, pairs, seed=seed), parts.shape[0], guide)
        say(f"stage {number + 1}: {len(bags):,} pairs of {len(chosen):,} documents")
        table = train(bags, parts, recipe.dim, stage.schedule, seed=seed, start=table, report=report)
    if table is None:
        raise ConfigurationError("the recipe has no stage: add one")
    return table


def _ids(encoder: WordPieces, texts: Sequence[str]) -> list[Tokens]:
    """Return token ids of segmented `texts` without special tokens."""
    batch = encoder.encode(list(texts), max_tokens=64)
    ends = zip(batch.offsets[:-1].tolist(), batch.offsets[1:].tolist(), strict=True)
    return [batch.ids[start + 1 : end - 1] for start, end in ends]


def _clean_documents(data: Path, say: Note) -> list[Document]:
    paths = sorted((data / "train").glob("*.jsonl.xz"))
    documents = list(read_documents(paths))
    if not documents:
        raise ConfigurationError(f"there is no training data (*.jsonl.xz) in {data / 'train'}")
    say(f"read {len(documents):,} documents")
    leaks = LeakageFilter(evaluation_texts(data / "eval")).leaks(document.text for document in documents)
    kept = [not leak and not is_held_out(position) for position, leak in enumerate(leaks)]
    clean = list(segment_documents(compress(documents, kept)))
    dropped = f"{sum(leaks):,} shared text with the evaluation sets and were dropped"
    say(f"segmented {len(clean):,}; {dropped}, one in {HELD_OUT_EVERY} was held out")
    return clean


def _tokenizer(recipe: Recipe, documents: list[Document], target: Path) -> list[str]:
    merges = tokenizer.learn((document.text for document in documents[::TOKENIZER_SAMPLE]), recipe.merges)
    return tokenizer.save(target, merges, count_words(documents), size=recipe.vocabulary)


def _part(documents: list[TokenisedDocument], part: float, seed: int) -> list[TokenisedDocument]:
    """Select random runs of neighbouring documents in order, about a `part` of all."""
    starts = np.arange(0, len(documents), NEIGHBOURS)
    chosen = np.sort(np.random.default_rng(seed).permutation(starts)[: max(round(part * len(starts)), 1)])
    return [document for start in chosen.tolist() for document in documents[start : start + NEIGHBOURS]]
