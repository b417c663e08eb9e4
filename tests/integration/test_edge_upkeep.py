"""Repeated replacements do not grow the index, and the documents stay searchable."""

import uuid
from pathlib import Path

import numpy as np
import pytest

from phoserve.adapters.edge import shard as edge_shard
from phoserve.adapters.edge.index import EdgePassageIndex
from phoserve.contract import ModelContract
from phoserve.documents.ports import IndexedPassage
from phoserve.documents.records import Passage
from phoserve.text.lexical import SparseVector

CONTRACT = ModelContract(name="tiny", dim=4, tokenizer_sha256="a" * 64, weights_sha256="b" * 64)
DOCUMENTS = 50
REVISIONS = 100
TEXT = "một đoạn dài " * 1_000
WAL_BYTES = 72 * 2**20
"""The engine lets go of its log by files of 32 MB, and keeps two."""
TERMS = SparseVector(np.array([7], np.uint32), np.array([1.0], np.float32))
VECTOR = np.array([1, 0, 0, 0], np.float32)


def key_of(document: int) -> str:
    return str(uuid.UUID(int=document))


def passage(document: int, revision: int) -> IndexedPassage:
    text = f"{document} {revision} {TEXT}"
    found = Passage(
        collection="kb", document_id=f"d{document}", document_key=key_of(document), revision=revision, ordinal=0,
        title="", text=text, headings=(), start=0, end=len(text),
    )  # fmt: skip
    return IndexedPassage(found, VECTOR, TERMS)


async def replace_all(index: EdgePassageIndex, revision: int) -> None:
    items = [passage(document, revision) for document in range(DOCUMENTS)]
    for item in items:
        await index.stage([item])
        await index.publish([(item.passage.document_key, revision)])


def on_disk(folder: Path, part: str) -> int:
    """Bytes that the files of one part of the shard take."""
    return sum(file.stat().st_blocks * 512 for file in folder.glob(f"**/{part}/**/*") if file.is_file())


async def test_replaced_passages_give_their_room_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge_shard, "WRITES_BETWEEN_UPKEEP", 1_000)
    index = EdgePassageIndex(tmp_path, CONTRACT)
    sizes = []
    for revision in range(1, REVISIONS + 1):
        await replace_all(index, revision)
        sizes.append(on_disk(tmp_path, "segments"))
        dense = await index.nearest("kb", VECTOR, limit=DOCUMENTS * 2)
        lexical = await index.matching("kb", TERMS, limit=DOCUMENTS * 2)
        for found in (dense, lexical):
            passages = [(await index.find("kb", [hit.id]))[hit.id] for hit in found]
            assert sorted(each.document_key for each in passages) == [key_of(each) for each in range(DOCUMENTS)]
            assert {each.revision for each in passages} == {revision}
    assert max(sizes) < 2 * max(sizes[:20])
    assert on_disk(tmp_path, "wal") < WAL_BYTES < DOCUMENTS * REVISIONS * len(TEXT.encode())
    await index.close()
    again = EdgePassageIndex(tmp_path, CONTRACT)
    assert await again.published() == [(key_of(document), REVISIONS) for document in range(DOCUMENTS)]
    await again.close()
