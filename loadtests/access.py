"""Measure what groups cost a search: `python -m loadtests.access [PASSAGES]`.

The same dense and lexical searches without a limited audience, for a key without groups and for one with two of ten, in
turns, over one embedded index of which half the documents have groups. Times are medians in milliseconds.
"""

import asyncio
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np

from phoserve.adapters.edge.index import EdgePassageIndex
from phoserve.adapters.points import VectorSpace
from phoserve.adapters.sql.database import open_database
from phoserve.adapters.sql.registry import SqlRegistry
from phoserve.adapters.sql.schema import migrate
from phoserve.documents.access import READERS, UNRESTRICTED, Audience
from phoserve.documents.access_changes import AccessChanges
from phoserve.documents.ports import IndexedPassage
from phoserve.documents.records import Passage
from phoserve.text import SparseVector

DIM: Final = 384
WORDS: Final = 2000
SEARCHES: Final = 300
DEPTH: Final = 100
GROUPS: Final = tuple(f"g{number}" for number in range(10))
AUDIENCES: Final = {"all": UNRESTRICTED, "no groups": READERS, "two groups": Audience(frozenset(GROUPS[:2]))}


async def measure(passages: int) -> dict[str, float]:
    """Return the median of each search in milliseconds."""
    random = np.random.default_rng(1)
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/registry.sqlite3"
        await migrate(url)
        registry = SqlRegistry(open_database(url))
        guard, index = AccessChanges(registry), EdgePassageIndex(Path(folder) / "index", VectorSpace("f", DIM))
        for number in range(passages):
            item = _passage(number, random)
            await index.stage([item])
            await index.publish([(item.passage.document_key, 1)])
        for _ in range(SEARCHES):
            vector, terms = random.standard_normal(DIM).astype(np.float32), _terms(random, 4)
            for name, audience in AUDIENCES.items():
                searches: dict[str, Callable[..., Awaitable[Any]]] = {
                    "dense": partial(index.nearest, "kb", vector, limit=DEPTH),
                    "lexical": partial(index.matching, "kb", terms, limit=DEPTH),
                }
                for kind, search in searches.items():
                    begun = time.perf_counter()
                    await search(audience=await guard.narrow(audience))
                    times.setdefault(f"{kind}, {name}", []).append((time.perf_counter() - begun) * 1e3)
                begun = time.perf_counter()
                await guard.narrow(audience)
                times.setdefault(f"changes read, {name}", []).append((time.perf_counter() - begun) * 1e3)
        await index.close()
        await registry.close()
    return {name: median(each) for name, each in times.items()}


def _passage(number: int, random: np.random.Generator) -> IndexedPassage:
    access = tuple(sorted(random.choice(GROUPS, 2, replace=False).tolist())) if number % 2 else ()
    passage = Passage(
        collection="kb",
        document_id=f"d{number}",
        document_key=uuid.UUID(int=number).hex,
        revision=1,
        ordinal=0,
        title="",
        text=f"đoạn {number}",
        start=0,
        end=8,
        access=access,
    )
    return IndexedPassage(passage, random.standard_normal(DIM).astype(np.float32), _terms(random, 60))


def _terms(random: np.random.Generator, count: int) -> SparseVector:
    indices = np.unique(random.zipf(1.3, count) % WORDS).astype(np.uint32)
    return SparseVector(indices, np.ones(len(indices), np.float32))


if __name__ == "__main__":
    for name, figure in asyncio.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)).items():
        sys.stdout.write(f"{name:28} {figure:.2f} ms\n")
