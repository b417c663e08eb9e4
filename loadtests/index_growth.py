"""Memory and disk of the embedded engine while documents are replaced.

    python -m loadtests.index_growth [--live 5000] [--replacements 12000]

Random vectors of 384, and a hundred documents of one passage that are replaced repeatedly next to unchanged ones. One
JSON line after every twelfth of the replacements: megabytes of the engine's own pages (`Pss_Anon`) and of its folder.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import uuid
from pathlib import Path
from typing import Final

import numpy as np

from loadtests.benchmark.memory import family, proportional_bytes
from phoserve.adapters.edge.process import EdgeProcessIndex
from phoserve.adapters.points import VectorSpace
from phoserve.documents.ports import IndexedPassage
from phoserve.documents.records import Passage
from phoserve.text.lexical import SparseVector

DIM: Final = 384
NAMES: Final = 100
READINGS: Final = 12
TERMS: Final = 120
TEXT: Final = "Điều khoản này áp dụng cho mọi người dùng dịch vụ của nền tảng. " * 9
RANDOM: Final = np.random.default_rng(0)


def passage(document: int, revision: int) -> IndexedPassage:
    """Return the document's only passage."""
    terms = np.unique(RANDOM.zipf(1.2, TERMS).clip(1, 30_000)).astype(np.uint32)
    key = str(uuid.UUID(int=document))
    found = Passage(
        collection="kb", document_id=f"d{document}", document_key=key, revision=revision, ordinal=0,
        title="", text=TEXT, start=0, end=len(TEXT),
    )  # fmt: skip
    vector = RANDOM.standard_normal(DIM).astype(np.float32)
    return IndexedPassage(found, vector, SparseVector(terms, np.ones(len(terms), np.float32)))


async def publish(index: EdgeProcessIndex, document: int, revision: int) -> None:
    """Publish one revision of the document and remove the others."""
    item = passage(document, revision)
    await index.stage([item])
    await index.publish([(item.passage.document_key, revision)])


async def grow(live: int, replacements: int) -> None:
    """Print the engine's memory and disk while documents are replaced. Raises SystemExit if its count is wrong."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        index = await EdgeProcessIndex(folder, VectorSpace("growth", DIM)).start()
        for document in range(NAMES, NAMES + live):
            await publish(index, document, 1)
        for number in range(replacements):
            if number % (replacements // READINGS) == 0:
                write_line(number, folder)
            await publish(index, number % NAMES, 1 + number // NAMES)
        write_line(replacements, folder)
        if await index.count() != live + NAMES:
            raise SystemExit("the engine counts other passages than were published")
        await index.close()


def write_line(replaced: int, folder: Path) -> None:
    """Write one line."""
    memory = sum(proportional_bytes(pid, "Pss_Anon") for pid in family(os.getpid()) if pid != os.getpid())
    disk = sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())
    figures = {"replaced": replaced, "memory_mb": round(memory / 1e6, 1), "disk_mb": round(disk / 1e6, 1)}
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--live", type=int, default=5_000)
    parser.add_argument("--replacements", type=int, default=12_000)
    given = parser.parse_args()
    asyncio.run(grow(given.live, given.replacements))


if __name__ == "__main__":
    main()
