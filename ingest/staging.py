"""From a stored original to staged passages in the index: parse, chunk, embed, stage.

Concurrent documents share calls: short ones are chunked, embedded and written in batches.
"""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ingest.metrics import IngestMetrics
from ingest.parsing.media import CSV_TYPES, HTML, JSON_TYPES, MAIL, is_text, stated_type
from ingest.parsing.parse import DocumentText, ParsingFailed, is_markdown, parse, parse_text
from phoserve.concurrency.batcher import Batcher
from phoserve.documents.passages import PassageStores
from phoserve.documents.ports import ActivePassageStore, IndexedPassage, SourceStore
from phoserve.documents.records import Document, Metadata, Passage, PassageUnit
from phoserve.documents.texts import store_text
from phoserve.embedding.ports import Embedder
from phoserve.search.directory import ModelDirectory
from phoserve.text import Chunk, Chunker, SparseVector, TextPipeline
from phoserve.text.blocks import ParserWarning
from phoserve.text.lexical import numbered_vectors
from phoserve.text.normalise import strip_invisible
from phoserve.text.structure import StructuredText

PASSAGE_TOKENS: Final = 256
"""Longest passage, with its context, also where the model takes more: a citation should point at something short."""
CONTEXT_TOKENS: Final = 32
"""Of a passage's token budget, what title and headings may take."""
EMBEDDING_TIMEOUT_S: Final = 120.0
PASSAGES_PER_BATCH: Final = 64
BATCHES_IN_FLIGHT: Final = 2
"""Of one document: the encoder is kept busy while the index writes."""
REQUESTS_IN_FLIGHT: Final = 4
"""To the encoder, of all documents."""
DOCUMENTS_PER_CUT: Final = 16
PASSAGES_PER_STAGE: Final = 128
REVISIONS_PER_PUBLISH: Final = 16

StagePassages = Callable[[Sequence[IndexedPassage]], Awaitable[object]]
"""Stores passages where no search sees them yet."""
ReportProgress = Callable[[float], Awaitable[None]]
"""Called with the share that is done, 0 to 1."""


@dataclass(frozen=True)
class StagingTools:
    """What turns bytes into vectors."""

    embedder: Embedder
    text: TextPipeline
    metrics: IngestMetrics = field(default_factory=IngestMetrics)

    @cached_property
    def read(self) -> Batcher["_SmallText", DocumentText | ParsingFailed]:
        """Small texts into parsed documents, on a thread."""
        return Batcher(lambda texts: asyncio.to_thread(_parse_all, texts), max_items=DOCUMENTS_PER_CUT)

    @cached_property
    def cut(self) -> Batcher[StructuredText, list[Chunk]]:
        """Texts into chunks, on a thread."""
        budget = min(self.text.contract.max_tokens, PASSAGE_TOKENS) - CONTEXT_TOKENS
        chunker = Chunker(self.text, max_tokens=budget)
        return Batcher(lambda texts: asyncio.to_thread(chunker.chunk_all, texts), max_items=DOCUMENTS_PER_CUT)

    @cached_property
    def spell(self) -> Batcher[Passage, tuple[str, SparseVector]]:
        """Passages into what is embedded of each and what is matched, on a thread."""
        return Batcher(
            lambda passages: asyncio.to_thread(_texts_and_terms, self.text, passages), max_items=PASSAGES_PER_BATCH
        )

    @cached_property
    def embed(self) -> Batcher[str, NDArray[np.float32]]:
        """Texts into vectors, float32 of shape (dim,)."""

        async def vectors(texts: Sequence[str]) -> Sequence[NDArray[np.float32]]:
            return list((await self.embedder.embed(texts, timeout_s=EMBEDDING_TIMEOUT_S)).vectors)

        return Batcher(vectors, max_items=PASSAGES_PER_BATCH, max_concurrency=REQUESTS_IN_FLIGHT)


@dataclass(frozen=True)
class IndexingModel:
    """A model that embeds documents, and the index of its passages. Concurrent documents share calls."""

    index: ActivePassageStore
    tools: StagingTools

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the model."""
        return self.index.fingerprint

    @cached_property
    def stage(self) -> Batcher[IndexedPassage, None]:
        """Stage passages."""

        async def stage(passages: Sequence[IndexedPassage]) -> Sequence[None]:
            await self.index.stage(passages)
            return [None] * len(passages)

        return Batcher(stage, max_items=PASSAGES_PER_STAGE)

    @cached_property
    def publish(self) -> Batcher[tuple[str, int], None]:
        """Publish revisions, (document key, revision)."""

        async def publish(revisions: Sequence[tuple[str, int]]) -> Sequence[None]:
            await self.index.publish(revisions)
            return [None] * len(revisions)

        return Batcher(publish, max_items=REVISIONS_PER_PUBLISH)


class _SmallText(NamedTuple):
    """A text that is read without a parser's process."""

    content: bytes
    filename: str | None
    is_markdown: bool


def _parse_all(texts: Sequence[_SmallText]) -> list[DocumentText | ParsingFailed]:
    return [_parse_small(each) for each in texts]


def _parse_small(text: _SmallText) -> DocumentText | ParsingFailed:
    try:
        return parse_text(text.content, text.filename, markdown=text.is_markdown)
    except ParsingFailed as error:
        return error


class IndexingModels:
    """The models that a process embeds documents with; the first one is the default."""

    def __init__(self, models: Sequence[IndexingModel]) -> None:
        self.default = models[0]
        self.indexes = PassageStores([each.index for each in models])
        self._by_fingerprint = {each.fingerprint: each for each in reversed(models)}

    def find(self, fingerprint: str) -> IndexingModel | None:
        """Return the model with this fingerprint, None if it is not served."""
        return self._by_fingerprint.get(fingerprint)

    def of(self, document: Document) -> list[IndexingModel]:
        """Return the models that the document's collection needs, its own first; none unless all are served here."""
        if not document.needed_fingerprints:
            return [self.default]
        found = [self.find(each) for each in document.needed_fingerprints]
        served = [each for each in found if each is not None]
        return served if len(served) == len(found) else []


def indexing_models(directory: ModelDirectory, metrics: IngestMetrics) -> IndexingModels:
    """Return the models of the directory with their servers for bulk work, counted in `metrics`."""
    return IndexingModels(
        [
            IndexingModel(each.index, StagingTools(each.model.embedders.bulk, each.model.text, metrics=metrics))
            for each in directory.models
        ]
    )


@dataclass(frozen=True, slots=True)
class StagedDocument:
    """What is noted of a document whose passages are staged."""

    passages: int
    """How many there are in the index of the collection's own model."""
    warnings: tuple[ParserWarning, ...]
    properties: Metadata


async def stage_document(
    document: Document, sources: SourceStore, models: Sequence[IndexingModel], progress: ReportProgress
) -> StagedDocument:
    """Stage every passage of the document's revision in the index of each model.

    Raises ParsingFailed, and whatever the ports and `progress` raise.
    """
    parsed = await _parsed(document, sources, models[0].tools)
    title = document.title or parsed.title or document.original.filename or ""
    counts: list[int] = []
    for position, model in enumerate(models):
        with model.tools.metrics.stage("chunk"):
            [chunks] = await model.tools.cut([parsed.structure])
        if not chunks:
            raise ParsingFailed("empty", "there is no text in the document")
        passages = [passage_of(document, title, ordinal, chunk) for ordinal, chunk in enumerate(chunks)]
        shared = partial(_report_share, progress, position / len(models), 1 / len(models))
        await _store_and_stage(document, parsed, passages, sources, model.stage, model.tools, shared)
        counts.append(len(passages))
    properties = {"title": parsed.title, **parsed.properties} if parsed.title else parsed.properties
    return StagedDocument(counts[0], parsed.warnings, properties)


async def _report_share(progress: ReportProgress, begun: float, part: float, share: float) -> None:
    await progress(begun + part * share)


async def _store_and_stage(
    document: Document,
    parsed: DocumentText,
    passages: Sequence[Passage],
    sources: SourceStore,
    stage: StagePassages,
    tools: StagingTools,
    progress: ReportProgress,
) -> None:
    """Store the text while the passages are embedded; the first error ends both."""
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(store_text(document, parsed.text, sources, is_original=parsed.is_original))
            await stage_passages(passages, stage, tools, progress)
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


async def stage_passages(
    passages: Sequence[Passage], stage: StagePassages, tools: StagingTools, progress: ReportProgress
) -> None:
    """Embed and stage `passages`, batches of them side by side; the first error ends them all."""
    if not passages:
        return
    if len(passages) <= PASSAGES_PER_BATCH:
        await _stage_batch(passages, stage, tools)
        return
    gate = asyncio.Semaphore(BATCHES_IN_FLIGHT)
    done = 0

    async def batch(part: Sequence[Passage]) -> None:
        nonlocal done
        async with gate:
            await _stage_batch(part, stage, tools)
        done += len(part)
        if done < len(passages):  # the end is reported by returning
            await progress(done / len(passages))

    try:
        async with asyncio.TaskGroup() as group:
            for start in range(0, len(passages), PASSAGES_PER_BATCH):
                group.create_task(batch(passages[start : start + PASSAGES_PER_BATCH]))
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


async def _stage_batch(passages: Sequence[Passage], stage: StagePassages, tools: StagingTools) -> None:
    ready = await indexed(passages, tools)
    with tools.metrics.stage("stage"):
        await stage(ready)


async def _parsed(document: Document, sources: SourceStore, tools: StagingTools) -> DocumentText:
    original = document.original
    if original.is_small and _needs_no_parser(document):
        with tools.metrics.stage("fetch"):
            content = await sources.read(original.key)
        if is_text(content):
            small = _SmallText(content, original.filename, is_markdown(original.media_type, original.filename))
            with tools.metrics.stage("parse"):
                [parsed] = await tools.read([small])
            if isinstance(parsed, ParsingFailed):
                raise parsed
            return parsed
    with tempfile.TemporaryDirectory(prefix="phoserve-") as folder:
        path = Path(folder) / "original"
        with tools.metrics.stage("fetch"):
            await sources.fetch(original.key, path)
        with tools.metrics.stage("parse"):
            return await parse(path, media_type=original.media_type, filename=original.filename)


def _needs_no_parser(document: Document) -> bool:
    """Whether a small text is read here: plain text or Markdown, by type and name."""
    original = document.original
    return stated_type(original.media_type, original.filename) not in (*CSV_TYPES, *JSON_TYPES, *HTML, MAIL)


async def indexed(passages: Sequence[Passage], tools: StagingTools) -> list[IndexedPassage]:
    """The passages with their vectors and terms."""
    with tools.metrics.stage("terms"):
        spelled = await tools.spell(passages)
    with tools.metrics.stage("embed"):
        vectors = await tools.embed([text for text, _ in spelled])
    return [
        IndexedPassage(passage, vector, terms)
        for passage, (_, terms), vector in zip(passages, spelled, vectors, strict=True)
    ]


def _texts_and_terms(text: TextPipeline, passages: Sequence[Passage]) -> list[tuple[str, SparseVector]]:
    """What is embedded and what is matched: the passage behind its title, headings and table header.

    Where that does not fit the encoder, title and headings are left out, then the header too: the passage itself is
    never truncated. Clauses of laws are also matched by the way they are cited.
    """
    read = [_forms(passage) for passage in passages]
    forms, matched = [each for each, _ in read], [each for _, each in read]
    undecided = [number for number, each in enumerate(forms) if each[0] != each[-1]]
    shared = [number for number in undecided if matched[number] == forms[number][0]]
    words, counts = text.number_words_counted(matched, shared)
    embedded = _fitting(text, forms, undecided, dict(zip(shared, counts.tolist(), strict=True)))
    return list(zip(embedded, numbered_vectors(words, matched), strict=True))


def _forms(passage: Passage) -> tuple[list[str], str]:
    """Return what may be embedded of a passage, the longest first, and what is matched."""
    # No run of invisible characters, nor a word next to it, reaches over the end of a line.
    body = strip_invisible(passage.text)
    context = [strip_invisible(part) for part in _context(passage)]
    forms = ["\n".join((*context, body)), "\n".join((strip_invisible(passage.context), body)), body]
    return forms, "\n".join((*context, *_labels(passage), body))


def _fitting(
    text: TextPipeline, forms: Sequence[Sequence[str]], undecided: Sequence[int], counted: Mapping[int, int]
) -> list[str]:
    """Return the first of each passage's forms that the encoder takes whole.

    A passage alone fits: it was cut so. `undecided` are those with several forms, `counted` has tokens of first forms.
    """
    chosen = [0] * len(forms)
    most = text.contract.max_tokens
    undecided = [number for number in undecided if counted.get(number, most + 1) > most]
    while undecided:
        counts = text.count_tokens([forms[number][chosen[number]] for number in undecided])
        too_long = [n for n, tokens in zip(undecided, counts, strict=True) if tokens > text.contract.max_tokens]
        for number in too_long:
            chosen[number] += 1
        undecided = [number for number in too_long if chosen[number] < len(forms[number]) - 1]
    return [each[choice] for each, choice in zip(forms, chosen, strict=True)]


def _context(passage: Passage) -> list[str]:
    return [part for part in dict.fromkeys((passage.title, *passage.headings, passage.context)) if part]


def _labels(passage: Passage) -> list[str]:
    """How the clauses in the passage are cited; the article alone is in the headings."""
    return [label for label in dict.fromkeys(unit.label for unit in passage.units) if " Điều " in label]


def passage_of(document: Document, title: str, ordinal: int, chunk: Chunk) -> Passage:
    """Return the passage that a chunk of a document becomes."""
    return Passage(
        collection=document.collection_id,
        document_id=document.id,
        document_key=document.key,
        revision=document.revision,
        ordinal=ordinal,
        title=title,
        text=chunk.text,
        headings=chunk.headings,
        start=chunk.start,
        end=chunk.end,
        context=chunk.context,
        place=chunk.place,
        units=_units(chunk),
        metadata=document.metadata,
        access=document.access,
        access_version=document.access_version,
    )


def _units(chunk: Chunk) -> tuple[PassageUnit, ...]:
    return tuple(
        PassageUnit(
            start=element.start - chunk.start,
            end=element.end - chunk.start,
            kind=str(element.kind),
            label=element.label,
            place=None if element.place == chunk.place else element.place,
        )
        for element in chunk.elements
    )
