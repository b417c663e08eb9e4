"""How often extractive answers are right, and how often they are given where the documents have none.

python -m loadtests.answer_quality fit --data ../shared/data    weights, from the calibration questions
python -m loadtests.answer_quality measure --plot docs/images/answers.svg       on the test questions
python -m loadtests.answer_quality sets --data ../shared/data   labelled sets, and their questions to other documents
python -m loadtests.answer_quality follow-ups                   recall of follow-up questions

The questions over the sample documents are in loadtests/answering. Documents at even places of the alphabet are for
calibration, those at odd places for the test, so no document is in both; the foreign questions are two lists. Near
ones ask for what an office or a shop would know and the documents do not have. The
test questions were written before anything was fitted, and their results are only looked at as sums. Questions of
labelled sets to the documents of another set are foreign, too: those at even places are for calibration.
"""

import argparse
import asyncio
import random
import re
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from cli.commands.eval import BUNDLED_MODEL
from cli.evaluation import CorpusRow
from cli.rows import read_rows
from cli.samples import documents
from ingest.staging import StagingTools, indexed, passage_of
from loadtests.in_process import InProcessEmbedder
from phoserve.adapters.edge.index import EdgePassageIndex
from phoserve.answers.evidence import (
    COSINES,
    FEATURES,
    OTHER_ENCODERS,
    Features,
    Weights,
    best_row,
    confidence_of,
    features_of,
    order_of,
    weights_for,
)
from phoserve.answers.extractive import NEARLY, candidates_of, chosen, extract
from phoserve.answers.follow_up import stand_alone
from phoserve.answers.ports import ChatMessage
from phoserve.answers.question import Question
from phoserve.concurrency.deadline import Deadline
from phoserve.concurrency.timings import Timings
from phoserve.documents.collections import new_collection
from phoserve.documents.records import Document, Original, new_document
from phoserve.search.retrieval import Query, Retriever
from phoserve.text import QueryReader
from phoserve.text.diacritics import shipped_restorer
from phoserve.text.structure import structure_text

QUESTIONS: Final = Path(__file__).parent / "answering"
TOP_K: Final = 5
COLLECTION: Final = new_collection("measured")
BATCH: Final = 256
FOLDS: Final = 8
ORDER_PENALTY: Final = 3.0
CONFIDENCE_PENALTY: Final = 10.0
MOST_FOREIGN: Final = 0.02
"""Share of the calibration's foreign questions that may be answered, cross-validated, as the mean over all kinds."""
MOST_NEAR: Final = 0.25
"""Share of the near questions that may be answered: they have the words and the kind of answer of real ones."""
SETS: Final = ("viquad_test", "mailong25_viqa", "alqac2022", "vicov19qa")
PER_SET: Final = 300
FITTED_SET: Final = "viquad_test"
"""The set whose documents take part in the fit, with every fourth question as foreign to them as to the samples."""
SEED: Final = 5


class LabelledQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """A question with the document that answers it and the texts an answer may have; foreign without any."""

    question: str
    document: str = ""
    answers: tuple[str, ...] = ()


class FollowUp(msgspec.Struct, frozen=True, kw_only=True):
    """A question after another one, the same written out, and the document that answers it."""

    first: str
    question: str
    stand_alone: str
    document: str


@dataclass(frozen=True, slots=True)
class Example:
    """The candidates of one question."""

    features: Features
    documents: list[str]
    is_right: NDArray[np.float64]
    pairs: frozenset[tuple[int, int]]
    """Candidates of which one would be quoted behind the other, were they nearly as good."""


@dataclass(frozen=True, slots=True)
class ForeignKind:
    """Foreign questions of one list to the documents of one corpus."""

    examples: list[Example]
    """The threshold is chosen on all of them."""
    step: int | None = 1
    """One in `step` takes part in the fit, None for none: no kind outweighs the others."""
    is_near: bool = False
    """Whether the questions are about the documents' topics; more of them may be answered (`MOST_NEAR`)."""

    def fitted(self, without_fold: int | None = None) -> list[Example]:
        """Return the examples that take part in the fit, none of the given fold."""
        if self.step is None:
            return []
        used = range(0, len(self.examples), self.step)
        return [self.examples[number] for number in used if number % FOLDS != without_fold]


@asynccontextmanager
async def filled(rows: Sequence[CorpusRow]) -> AsyncIterator[Retriever]:
    """Index documents as the platform does, in memory and a temporary folder."""
    embedder = InProcessEmbedder(BUNDLED_MODEL)
    tools = StagingTools(embedder, embedder.text)
    with tempfile.TemporaryDirectory() as folder:
        index = EdgePassageIndex(Path(folder) / "index", embedder.contract)
        try:
            keys = [uuid.UUID(int=number).hex for number in range(len(rows))]
            for first in range(0, len(rows), BATCH):
                cut = await tools.cut([structure_text(row.text) for row in rows[first : first + BATCH]])
                passages = [
                    passage_of(document_of(row, key), row.title, ordinal, chunk)
                    for row, key, chunks in zip(rows[first:], keys[first:], cut, strict=False)
                    for ordinal, chunk in enumerate(chunks)
                ]
                await index.stage(await indexed(passages, tools))
                await index.publish([(key, 1) for key in keys[first : first + BATCH]])
            yield Retriever(embedder, index, QueryReader(embedder.text, shipped_restorer()))
        finally:
            await index.close()


def document_of(row: CorpusRow, key: str) -> Document:
    """Return the record of a document that was ingested."""
    original = Original(key=key, sha256="", size_bytes=0, media_type="text/markdown")
    return new_document(COLLECTION, row.id, original, key=key, title=row.title, metadata={})


def sample_rows() -> list[CorpusRow]:
    """Return the sample documents."""
    return [CorpusRow(id=each.id, title=each.title, text=each.text) for each in documents()]


async def example_of(row: LabelledQuestion, retriever: Retriever) -> Example | None:
    """Return the candidates that `extract` would choose from; None where there are none."""
    query = Query(text=row.question, top_k=TOP_K, collapse=True)
    found = await retriever.search(COLLECTION.id, query, deadline=Deadline.after(60), timings=Timings())
    asked = found.query_used or row.question
    question = Question(asked)
    candidates = candidates_of(question, found.hits)
    if not candidates:
        return None
    embeddings = await retriever.embedder.embed(
        [asked, *(f"{each.context}\n{each.text}".strip() for each in candidates)]
    )
    cosines = embeddings.vectors[1:] @ embeddings.vectors[0]
    features = features_of(question, candidates, cosines.tolist())
    ids = [each.hit.passage.document_id for each in candidates]
    right = [
        id_ == row.document and has_answer(each.text, row.answers) for id_, each in zip(ids, candidates, strict=True)
    ]
    count = range(len(candidates))
    pairs = frozenset(
        (one, two)
        for one in count
        for two in count
        if one != two and len(chosen([0.0, 0.0], [candidates[one], candidates[two]])) > 1
    )
    return Example(features, ids, np.array(right, np.float64), pairs)


def has_answer(text: str, answers: Sequence[str]) -> bool:
    """Return whether `text` has one of `answers`, whatever the white space and case."""
    flat = _flat(text)
    return any(_flat(each) in flat for each in answers)


def fit_order(examples: Sequence[Example], used: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return weights under which right candidates come first (softmax likelihood with an L2 penalty)."""
    usable = [each for each in examples if each.is_right.any()]
    everything = np.concatenate([each.features for each in usable])
    mean, scale = everything.mean(0), everything.std(0) + 1e-6
    scaled = [((each.features - mean) / scale * used, each.is_right) for each in usable]

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        total, gradient = ORDER_PENALTY * float(weights @ weights) / 2, ORDER_PENALTY * weights
        for features, right in scaled:
            scores = features @ weights
            odds = np.exp(scores - scores.max())
            total -= float(np.log((odds * right).sum()) - np.log(odds.sum()))
            gradient = gradient + features.T @ (odds / odds.sum() - odds * right / (odds * right).sum())
        return total, gradient

    found: NDArray[np.float64] = minimize(loss, np.zeros(len(used)), jac=True).x
    weights: NDArray[np.float64] = found * used / scale
    return weights


def fit_confidence(
    rows: NDArray[np.float64], right: NDArray[np.float64], used: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], float]:
    """Return weights and bias of a logistic regression with an L2 penalty."""
    mean, scale = rows.mean(0), rows.std(0) + 1e-6
    scaled = np.column_stack([(rows - mean) / scale * used, np.ones(len(rows))])

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scores = scaled @ weights
        kept = np.append(weights[:-1], 0.0)
        total = float(np.logaddexp(0, scores).sum() - right @ scores + CONFIDENCE_PENALTY * kept @ kept / 2)
        return total, scaled.T @ (1 / (1 + np.exp(-scores)) - right) + CONFIDENCE_PENALTY * kept

    found = minimize(loss, np.zeros(scaled.shape[1]), jac=True).x
    weights = found[:-1] * used / scale
    return weights, float(found[-1] - mean @ weights)


def outcome(example: Example, weights: Weights) -> tuple[float, bool]:
    """Return the confidence, and whether what would be quoted is right."""
    scores = order_of(example.features, weights)
    confidence = confidence_of(example.features, scores, example.documents, weights)
    return confidence, any(example.is_right[position] for position in _quoted(scores, example))


def fit(examples: Sequence[Example], foreign: Sequence[ForeignKind], *, with_cosines: bool) -> Weights:
    """Return the weights, with the least confidence that `MOST_FOREIGN` asks for in cross-validation."""
    used = np.array([with_cosines or name not in COSINES for name in FEATURES])
    confidences: list[list[float]] = [[] for _ in foreign]
    for fold in range(FOLDS):
        part = _fit(_others(examples, fold), [each for kind in foreign for each in kind.fitted(fold)], used)
        for found, kind in zip(confidences, foreign, strict=True):
            found += [outcome(each, part)[0] for each in kind.examples[fold::FOLDS]]
    threshold = max(
        _threshold([each for each, kind in zip(confidences, foreign, strict=True) if kind.is_near == is_near], most)
        for is_near, most in ((False, MOST_FOREIGN), (True, MOST_NEAR))
    )
    weights = _fit(examples, [each for kind in foreign for each in kind.fitted()], used)
    return msgspec.structs.replace(weights, min_confidence=round(threshold, 3))


def _threshold(kinds: Sequence[Sequence[float]], most: float) -> float:
    """Return the least confidence that no more than `most` of the questions reach, as the mean over all kinds."""
    values: list[float] = np.arange(0, 1, 0.005).tolist()
    return next(value for value in values if np.mean([(np.array(each) >= value).mean() for each in kinds]) <= most)


def _fit(examples: Sequence[Example], foreign: Sequence[Example], used: NDArray[np.bool_]) -> Weights:
    order = fit_order(examples, used)
    rows, right = [], []
    for each in (*examples, *foreign):
        scores = each.features @ order
        rows.append(np.append(*best_row(each.features, scores, each.documents)))
        right.append(float(any(each.is_right[position] for position in _quoted(scores, each))))
    confidence, bias = fit_confidence(np.array(rows), np.array(right), np.append(used, True))
    rounded = tuple(float(f"{value:.4g}") for value in order), tuple(float(f"{value:.4g}") for value in confidence)
    return Weights(order=rounded[0], confidence=rounded[1], bias=round(bias, 4), min_confidence=0.5)


def _quoted(scores: NDArray[np.float64], example: Example) -> list[int]:
    order = np.argsort(-scores).tolist()
    if len(order) > 1 and scores[order[0]] - scores[order[1]] < NEARLY and (order[0], order[1]) in example.pairs:
        return [int(order[0]), int(order[1])]
    return [int(order[0])]


def _others(examples: Sequence[Example], fold: int) -> list[Example]:
    return [each for number, each in enumerate(examples) if number % FOLDS != fold]


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _flat(text: str) -> str:
    return re.sub(r"\s+", " ", text).lower()


async def examples_of(names: Sequence[str]) -> list[list[Example]]:
    """Return the examples of each file of questions over the sample documents."""
    async with filled(sample_rows()) as retriever:
        found = []
        for name in names:
            rows = read_rows(QUESTIONS / f"{name}.jsonl", LabelledQuestion)
            found.append([each for row in rows if (each := await example_of(row, retriever))])
        return found


def write_weights(data: Path) -> None:
    """Fit both sets of weights and write them where the product reads them."""
    examples, own, near = asyncio.run(examples_of(["calibration", "calibration_foreign", "calibration_near"]))
    random.Random(SEED).shuffle(examples)  # noqa: S311
    foreign = [ForeignKind(own), ForeignKind(near, is_near=True), *asyncio.run(foreign_across(data))]
    encoders = {
        InProcessEmbedder(BUNDLED_MODEL).contract.name: fit(examples, foreign, with_cosines=True),
        OTHER_ENCODERS: fit(examples, foreign, with_cosines=False),
    }
    about = "Fitted by `python -m loadtests.answer_quality fit`; see phoserve/answers/evidence.py."
    body = msgspec.json.format(msgspec.json.encode({"about": about, "features": FEATURES, "encoders": encoders}))
    Path(str(files("phoserve.answers").joinpath("data", "evidence.json"))).write_bytes(body + b"\n")
    for name, weights in encoders.items():
        _say(f"{name}: min_confidence {weights.min_confidence}")
        _print_row("calibration", examples, own, weights)


async def foreign_across(data: Path) -> list[ForeignKind]:
    """Return questions of the labelled sets, those at even places, as foreign ones to every other corpus."""
    sets = {name: _labelled(data, name, PER_SET) for name in SETS}
    kinds = []
    for name in ("samples", *SETS):
        questions = [row.question for other, rows in sets.items() if other != name for row in rows[::2]]
        corpus = sample_rows() if name == "samples" else _corpus(data, name)
        async with filled(corpus) as retriever:
            found = [await example_of(LabelledQuestion(question=each), retriever) for each in questions]
        step = 4 if name in ("samples", FITTED_SET) else None
        kinds.append(ForeignKind([each for each in found if each], step))
    return kinds


async def measure_follow_ups() -> None:
    """Print the recall of follow-up questions alone, rewritten without an LLM, and written out by a person."""
    rows = read_rows(QUESTIONS / "follow_ups.jsonl", FollowUp)
    ways = {
        "the follow-up alone": [row.question for row in rows],
        "rewritten": [stand_alone(row.question, [ChatMessage("user", row.first)]) for row in rows],
        "the question written out": [row.stand_alone for row in rows],
    }
    _say("| | @1 | @3 | @10 |\n|---|--:|--:|--:|")
    async with filled(sample_rows()) as retriever:
        for name, questions in ways.items():
            asked = zip(questions, rows, strict=True)
            ranks = [await _rank(question, row.document, retriever) for question, row in asked]
            shares = " | ".join(f"{np.mean([rank <= k for rank in ranks]):.3f}" for k in (1, 3, 10))
            _say(f"| {name} | {shares} |")


async def _rank(question: str, document: str, retriever: Retriever) -> int:
    query = Query(text=question, top_k=10, per_document=1)
    found = await retriever.search(COLLECTION.id, query, deadline=Deadline.after(60), timings=Timings())
    ids = [hit.passage.document_id for hit in found.hits]
    return ids.index(document) + 1 if document in ids else sys.maxsize


async def measure(plot: Path | None) -> None:
    """Print what the test questions get, and draw the curve."""
    names = ["test", "test_foreign", "test_colloquial", "calibration", "calibration_foreign"]
    test, foreign, colloquial, fitted, fitted_foreign = await examples_of(names)
    for name in (InProcessEmbedder(BUNDLED_MODEL).contract.name, OTHER_ENCODERS):
        weights = weights_for(name)
        _say(f"\n{name}: min_confidence {weights.min_confidence}")
        _say("| questions | answered rightly | answered wrongly | foreign answered |\n|---|--:|--:|--:|")
        _print_row("test", test, foreign, weights)
        _print_row("test, colloquial", colloquial, foreign, weights)
        _print_row("calibration (fitted on)", fitted, fitted_foreign, weights)
    if plot:
        _draw(plot, test, foreign, colloquial, weights_for(InProcessEmbedder(BUNDLED_MODEL).contract.name))


def _print_row(name: str, examples: Sequence[Example], foreign: Sequence[Example], weights: Weights) -> None:
    given = [outcome(each, weights) for each in examples]
    other = [outcome(each, weights)[0] >= weights.min_confidence for each in foreign]
    right = np.mean([confidence >= weights.min_confidence and right for confidence, right in given])
    wrong = np.mean([confidence >= weights.min_confidence and not right for confidence, right in given])
    _say(f"| {name} ({len(given)} and {len(other)} foreign) | {right:.3f} | {wrong:.3f} | {np.mean(other):.3f} |")


def _draw(
    path: Path, test: Sequence[Example], foreign: Sequence[Example], colloquial: Sequence[Example], weights: Weights
) -> None:
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    plt.rcParams["svg.hashsalt"] = "phoserve"
    thresholds = np.linspace(0, 1, 201)
    figure, axes = plt.subplots(figsize=(6.4, 4.2))
    outside = np.array([outcome(each, weights)[0] for each in foreign])
    across = [(outside >= each).mean() for each in thresholds]
    for name, examples in (("direct", test), ("colloquial", colloquial)):
        given = [outcome(each, weights) for each in examples]
        up = [np.mean([confidence >= each and right for confidence, right in given]) for each in thresholds]
        axes.plot(across, up, label=f"{name} questions ({len(given)})")
        here = np.mean([confidence >= weights.min_confidence and right for confidence, right in given])
        axes.plot((outside >= weights.min_confidence).mean(), here, "ko")
    axes.set(
        xlabel=f"foreign questions answered ({len(foreign)})", ylabel="answered rightly", xlim=(0, 0.5), ylim=(0, 1)
    )
    axes.axvline(0.05, color="0.8", zorder=0)
    axes.legend(loc="lower right")
    axes.set_title("Extractive answers by least confidence; the points are the default")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


async def measure_sets(data: Path, most: int, min_confidence: float | None = None) -> None:
    """Print, for each labelled set, how often its questions and those of other sets are answered.

    `min_confidence` None means the product's own; 0 declines nothing, which shows how well units are chosen.
    """
    sets = {name: _labelled(data, name, most) for name in SETS}
    _say("| documents | answered | span has the answer, of all questions | right document | foreign answered |")
    _say("|---|--:|--:|--:|--:|")
    for name in ("samples", *SETS):
        if name == "samples":
            corpus, own = sample_rows(), read_rows(QUESTIONS / "test.jsonl", LabelledQuestion)
        else:
            corpus, own = _corpus(data, name), sets[name]
        foreign = [row for other, rows in sets.items() if other != name for row in rows[1::2][: most // 3]]
        async with filled(corpus) as retriever:
            given = [(row, await _answer(row.question, retriever, min_confidence)) for row in own]
            wrong = [bool(await _answer(row.question, retriever, min_confidence)) for row in foreign]
        answered = np.mean([bool(quotes) for _, quotes in given])
        spans = [any(has_answer(q, row.answers) for _, q in quotes) for row, quotes in given if row.answers]
        right = np.mean([any(id_ == row.document for id_, _ in quotes) for row, quotes in given])
        span = f"{np.mean(spans):.3f}" if spans else "–"
        questions = f"{name} ({len(own)}; {len(foreign)} foreign)"
        _say(f"| {questions} | {answered:.3f} | {span} | {right:.3f} | {np.mean(wrong):.3f} |")


async def _answer(question: str, retriever: Retriever, min_confidence: float | None) -> list[tuple[str, str]]:
    query = Query(text=question, top_k=TOP_K, collapse=True)
    found = await retriever.search(COLLECTION.id, query, deadline=Deadline.after(60), timings=Timings())
    asked = found.query_used or question
    given = await extract(asked, found.hits, retriever.embedder, min_confidence=min_confidence, timeout_s=60)
    return [(each.passage.document_id, each.quote) for each in given.citations]


def _corpus(data: Path, name: str) -> list[CorpusRow]:
    return read_rows(data / "eval" / f"corpus_{name}.jsonl.gz", CorpusRow)


def _labelled(data: Path, name: str, most: int) -> list[LabelledQuestion]:
    class Row(msgspec.Struct):
        query: str
        positive_id: str
        answer: str = ""

    rows: dict[str, Any] = {row.query: row for row in read_rows(data / "eval" / f"retrieval_{name}.jsonl.gz", Row)}
    drawn = random.Random(SEED).sample(sorted(rows), min(most, len(rows)))  # noqa: S311
    return [
        LabelledQuestion(
            question=rows[query].query,
            document=rows[query].positive_id,
            answers=(rows[query].answer,) if rows[query].answer else (),
        )
        for query in drawn
    ]


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("fit").add_argument("--data", type=Path, required=True)
    commands.add_parser("follow-ups")
    commands.add_parser("measure").add_argument("--plot", type=Path)
    sets = commands.add_parser("sets")
    sets.add_argument("--data", type=Path, required=True)
    sets.add_argument("--questions", type=int, default=PER_SET, help="Drawn from each set.")
    sets.add_argument("--min-confidence", type=float, help="0 declines nothing; the product's own by default.")
    given = parser.parse_args()
    if given.command == "fit":
        write_weights(given.data)
    elif given.command == "follow-ups":
        asyncio.run(measure_follow_ups())
    elif given.command == "measure":
        asyncio.run(measure(given.plot))
    else:
        asyncio.run(measure_sets(given.data, given.questions, given.min_confidence))


if __name__ == "__main__":
    main()
