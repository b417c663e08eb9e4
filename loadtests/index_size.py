"""Bytes on disk per passage in Qdrant's engine, by part of a segment.

    python -m loadtests.index_size MODEL --passages P.jsonl.gz [--dim 768] [--count 20000]

The engine is that of local mode with its graph built. Vectors are random, because values do not affect their size.
Texts and terms are those of the file, repeated as needed. The write-ahead log, whose size is constant, is not counted.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import uuid
from collections import defaultdict
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

import msgspec
import numpy as np

from cli.evaluation import CorpusRow
from cli.rows import read_rows
from phoserve.adapters.edge.builder import optimize
from phoserve.adapters.edge.graph import GraphOptions
from phoserve.adapters.edge.index import EdgePassageIndex
from phoserve.adapters.edge.shard import FIRST, model_folder
from phoserve.contract import load_contract
from phoserve.documents.ports import IndexedPassage
from phoserve.documents.records import Passage
from phoserve.text import TextPipeline
from phoserve.text.lexical import passage_terms

DOCUMENT_PASSAGES = 256
DISK_BLOCK_BYTES = 512


async def measure(model: Path, texts: list[str], dim: int, count: int, folder: Path) -> dict[str, float]:
    """Return the bytes per passage by part of a segment, and the sum as `all`."""
    contract = msgspec.structs.replace(load_contract(model), dim=dim)
    pipeline = TextPipeline.load(model)
    made = _passages(texts, pipeline, dim, count)
    index = EdgePassageIndex(folder, contract)
    while document := list(islice(made, DOCUMENT_PASSAGES)):
        await index.stage(document)
        await index.publish([(document[0].passage.document_key, 1)])
    await index.close()
    graph = GraphOptions()
    optimize(
        model_folder(folder, contract.fingerprint) / FIRST,
        dim,
        threads=graph.threads,
        indexing_threshold_kb=graph.indexing_threshold_kb,
    )
    found = {part: size / count for part, size in _by_part(folder).items()}
    return found | {"all": sum(found.values())}


def _passages(texts: list[str], pipeline: TextPipeline, dim: int, count: int) -> Iterator[IndexedPassage]:
    random = np.random.default_rng(0)
    terms = passage_terms(pipeline, texts)
    for number, (text, found) in enumerate(islice(cycle(zip(texts, terms, strict=True)), count)):
        document, ordinal = divmod(number, DOCUMENT_PASSAGES)
        passage = Passage(
            collection="kb",
            document_id=f"document-{document}",
            document_key=str(uuid.UUID(int=document)),
            revision=1,
            ordinal=ordinal,
            title=f"Tài liệu {document}",
            text=text,
            start=0,
            end=len(text),
        )
        yield IndexedPassage(passage, random.standard_normal(dim, dtype=np.float32), found)


def _by_part(folder: Path) -> dict[str, int]:
    """Return the allocated bytes of the segments' files by part."""
    sizes: dict[str, int] = defaultdict(int)
    for segment in folder.glob("**/segments/*"):
        for path in segment.rglob("*"):
            if path.is_file():
                inside = path.relative_to(segment).parts
                sizes[inside[0] if len(inside) > 1 else "other"] += path.stat().st_blocks * DISK_BLOCK_BYTES
    return dict(sizes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--passages", type=Path, required=True)
    parser.add_argument("--dim", type=int, default=768)
    parser.add_argument("--count", type=int, default=20_000)
    arguments = parser.parse_args()
    texts = [row.text for row in read_rows(arguments.passages, CorpusRow) if row.text.strip()]
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(measure(arguments.model, texts, arguments.dim, arguments.count, Path(folder)))
    sys.stdout.write(json.dumps({name: round(value) for name, value in sorted(found.items())}, indent=2) + "\n")


if __name__ == "__main__":
    main()
