"""Time listing, filtering and deleting pages of ten thousand documents.

`python -m loadtests.registry [--documents 10000] [--pages 50] [--json FILE]` fills a registry and an index of Qdrant
Edge in a temporary folder, then times each page through `Library`, like the API. A page is 200 documents.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np

from ingest.inline import InlineWorkers
from phoserve.adapters.edge.index import EdgePassageIndex
from phoserve.adapters.edge.registry import EdgeRegistry
from phoserve.adapters.sources import ObjectStoreSources
from phoserve.contract import ModelContract
from phoserve.documents.filters import Match
from phoserve.documents.library import PAGE_LIMIT, Library
from phoserve.documents.ports import IndexedPassage
from phoserve.documents.records import Document, DocumentState, Original, Passage, new_document
from phoserve.text.lexical import SparseVector

CONTRACT: Final = ModelContract(name="load", dim=256, tokenizer_sha256="a" * 64, weights_sha256="b" * 64)
DOCUMENTS_PER_WRITE: Final = 500
PASSAGES: Final = 2
YEARS: Final = 10
LEASE: Final = timedelta(minutes=1)


def main() -> None:
    """Fill the stores, measure and print a table."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(_measured(Path(folder), arguments.documents, arguments.pages))
    sys.stdout.write(f"{'page of ' + str(PAGE_LIMIT):<28} {'pages':>5} {'median ms':>10} {'p95 ms':>8}\n")
    for name, times in figures.items():
        sys.stdout.write(f"{name:<28} {len(times):>5} {np.median(times):>10.1f} {np.percentile(times, 95):>8.1f}\n")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1))


async def _measured(folder: Path, documents: int, pages: int) -> dict[str, list[float]]:
    registry, index = EdgeRegistry(folder), EdgePassageIndex(folder, CONTRACT)
    sources = ObjectStoreSources(folder / "originals")
    library = Library(registry, index, sources, InlineWorkers())
    await library.create_collection("kb")
    for first in range(0, documents, DOCUMENTS_PER_WRITE):
        await _fill(registry, index, sources, range(first, min(first + DOCUMENTS_PER_WRITE, documents)))
    figures = {
        "list": await _paged(library, pages),
        "list, state ready": await _paged(library, pages, states=[DocumentState.READY]),
        "list, metadata filter": await _paged(library, pages, where=Match("year", 3)),
        "counts by state": await _time_calls(pages, lambda _: library.counts("kb")),
        "delete by filter": await _time_calls(
            max(1, documents // YEARS // PAGE_LIMIT), lambda _: library.delete_where("kb", where=Match("year", 3))
        ),
        "delete collection (answer)": await _time_calls(1, lambda _: library.delete_collection("kb")),
    }
    await registry.close()
    await index.close()
    return figures


async def _fill(registry: EdgeRegistry, index: EdgePassageIndex, sources: ObjectStoreSources, numbers: range) -> None:
    documents = [await _document(sources, number) for number in numbers]
    for step in (None, "claimed", "ready"):
        changed = [_stepped(document, step) for document in documents]
        documents = [saved for saved in await registry.save(changed) if saved is not None]
    rng = np.random.default_rng(numbers.start)
    await index.stage([item for document in documents for item in _passages(document, rng)])
    for document in documents:
        await index.publish([(document.key, document.revision)])


def _stepped(document: Document, step: str | None) -> Document:
    if step == "claimed":
        return document.claim(LEASE)
    return document.indexed(PASSAGES, CONTRACT.fingerprint, LEASE).ready() if step else document


async def _document(sources: ObjectStoreSources, number: int) -> Document:
    key = uuid.uuid4().hex
    stored = await sources.put(f"kb/{key}/original", b"x", max_bytes=10)
    original = Original(
        key=stored.key, sha256=stored.sha256, size_bytes=1, media_type="text/plain", filename=f"{number}.txt"
    )
    metadata = {"year": number % YEARS, "number": number}
    return new_document("kb", f"d{number}", original, key=key, title=f"Tài liệu {number}", metadata=metadata, bulk=True)


def _passages(document: Document, rng: np.random.Generator) -> list[IndexedPassage]:
    vectors = rng.standard_normal((PASSAGES, CONTRACT.dim)).astype(np.float32)
    return [IndexedPassage(_passage(document, ordinal), vector, _terms(rng)) for ordinal, vector in enumerate(vectors)]


def _passage(document: Document, ordinal: int) -> Passage:
    return Passage(
        collection="kb", document_id=document.id, document_key=document.key, revision=document.revision,
        ordinal=ordinal, title=document.title, text="đoạn văn " * 20, headings=(), start=0, end=180,
        metadata=document.metadata,
    )  # fmt: skip


def _terms(rng: np.random.Generator) -> SparseVector:
    indices = np.unique(rng.integers(0, 30_000, 40)).astype(np.uint32)
    return SparseVector(indices, np.ones(len(indices), np.float32))


async def _paged(library: Library, pages: int, **query: Any) -> list[float]:
    cursor: str | None = None

    async def page(_: int) -> None:
        nonlocal cursor
        cursor = (await library.documents("kb", cursor=cursor, limit=PAGE_LIMIT, **query)).cursor

    return await _time_calls(pages, page)


async def _time_calls(times: int, call: Callable[[int], Awaitable[object]]) -> list[float]:
    """Return the milliseconds of each of several calls."""
    elapsed = []
    for number in range(times):
        started = time.perf_counter()
        await call(number)
        elapsed.append((time.perf_counter() - started) * 1e3)
    return elapsed


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Time listing, filtering and deleting among many documents.")
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--pages", type=int, default=50)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
