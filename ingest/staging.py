"""From a stored original to passages that lie ready in the index: parse, chunk, embed, stage."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ingest.metrics import IngestMetrics
from ingest.parsing import ParsedDocument, ParsingFailed, parse
from phoserve.documents import Document, Passage
from phoserve.ports import Embedder, IndexedPassage, PassageIndex, SourceStore
from phoserve.text import Chunk, Chunker, SparseVector, TextPipeline, passage_terms

PASSAGE_TOKENS: Final = 256
"""Longest passage, with its context, also where the model takes more: a citation should point at something short."""
CONTEXT_TOKENS: Final = 32
"""Of a passage's token budget, what title and headings may take."""
EMBEDDING_TIMEOUT_S: Final = 120.0

Parser = Callable[..., Awaitable[ParsedDocument]]


@dataclass(frozen=True, slots=True)
class StagingOptions:
    """How a document is cut; two batches in flight keep the encoder busy while the index writes."""

    passages_per_batch: int = 64
    batches_in_flight: int = 2
    overlap_sentences: int = 0


@dataclass(frozen=True, slots=True)
class StagingTools:
    """What turns bytes into vectors."""

    embedder: Embedder
    text: TextPipeline
    parse: Parser = parse
    metrics: IngestMetrics = field(default_factory=IngestMetrics)


async def stage_document(
    document: Document,
    sources: SourceStore,
    index: PassageIndex,
    tools: StagingTools,
    options: StagingOptions,
    progress: Callable[[float], Awaitable[None]],
) -> int:
    """Stage every passage of the document's revision and return how many; `progress` hears the share that is done.

    Raises ParsingFailed, and whatever the ports and `progress` raise.
    """
    parsed = await _parsed(document, sources, tools)
    title = document.title or parsed.title
    with tools.metrics.stage("chunk"):
        chunks = await asyncio.to_thread(_chunker(tools.text, options).chunk, parsed.text)
    if not chunks:
        raise ParsingFailed("empty", "there is no text in the document")
    passages = [_passage(document, title, ordinal, chunk) for ordinal, chunk in enumerate(chunks)]
    await stage_passages(passages, index, tools, options, progress)
    return len(passages)


async def stage_passages(
    passages: Sequence[Passage],
    index: PassageIndex,
    tools: StagingTools,
    options: StagingOptions,
    progress: Callable[[float], Awaitable[None]],
) -> None:
    """Embed and stage `passages`, batches of them side by side; the first error ends them all."""
    gate = asyncio.Semaphore(options.batches_in_flight)
    done = 0

    async def batch(part: Sequence[Passage]) -> None:
        nonlocal done
        async with gate:
            ready = await indexed(part, tools)
            with tools.metrics.stage("stage"):
                await index.stage(ready)
        done += len(part)
        if done < len(passages):  # who asked for all of them hears of the end by our returning
            await progress(done / len(passages))

    try:
        async with asyncio.TaskGroup() as group:
            for start in range(0, len(passages), options.passages_per_batch):
                group.create_task(batch(passages[start : start + options.passages_per_batch]))
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


async def _parsed(document: Document, sources: SourceStore, tools: StagingTools) -> ParsedDocument:
    original = document.original
    with tempfile.TemporaryDirectory(prefix="phoserve-") as folder:
        path = Path(folder) / "original"
        with tools.metrics.stage("fetch"):
            await sources.fetch(original.key, path)
        with tools.metrics.stage("parse"):
            return await tools.parse(path, media_type=original.media_type, filename=original.filename)


async def indexed(passages: Sequence[Passage], tools: StagingTools) -> list[IndexedPassage]:
    """The passages with their vectors and terms."""
    with tools.metrics.stage("terms"):
        texts, terms = await asyncio.to_thread(_texts_and_terms, passages, tools.text)
    with tools.metrics.stage("embed"):
        embeddings = await tools.embedder.embed(texts, timeout_s=EMBEDDING_TIMEOUT_S)
    return [
        IndexedPassage(passage, vector, sparse)
        for passage, vector, sparse in zip(passages, embeddings.vectors, terms, strict=True)
    ]


def _texts_and_terms(passages: Sequence[Passage], text: TextPipeline) -> tuple[list[str], list[SparseVector]]:
    """What is embedded and what is matched: the passage behind its title and headings.

    Where both do not fit the encoder, only the passage is embedded: it is never truncated.
    """
    full = [_with_context(passage) for passage in passages]
    # A passage alone fits: it was cut so. Counting means segmenting it once more.
    behind = [number for number, passage in enumerate(passages) if full[number] != passage.text]
    embedded = [passage.text for passage in passages]
    counts = text.count_tokens([full[number] for number in behind]) if behind else ()
    for number, tokens in zip(behind, counts, strict=True):
        if tokens <= text.contract.max_tokens:
            embedded[number] = full[number]
    return embedded, passage_terms(text, full)


def _with_context(passage: Passage) -> str:
    context = [part for part in dict.fromkeys((passage.title, *passage.headings)) if part]
    return "\n".join((*context, passage.text))


def _chunker(text: TextPipeline, options: StagingOptions) -> Chunker:
    budget = min(text.contract.max_tokens, PASSAGE_TOKENS) - CONTEXT_TOKENS
    return Chunker(text, max_tokens=budget, overlap_sentences=options.overlap_sentences)


def _passage(document: Document, title: str, ordinal: int, chunk: Chunk) -> Passage:
    return Passage(
        collection=document.collection,
        document_id=document.id,
        document_key=document.key,
        revision=document.revision,
        ordinal=ordinal,
        title=title,
        text=chunk.text,
        headings=chunk.headings,
        start=chunk.start,
        end=chunk.end,
        metadata=document.metadata,
    )
