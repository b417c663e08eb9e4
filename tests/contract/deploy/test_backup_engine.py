"""A restored backup is searchable: with files of the engine, and with a server if there is one."""

import io
import shutil
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest

from phoserve.adapters.edge.index import EdgePassageIndex
from phoserve.adapters.qdrant.server import connect
from phoserve.composition import open_qdrant
from phoserve.contract import ModelContract
from phoserve.documents.ports import IndexedPassage
from phoserve.documents.records import Passage
from phoserve.search.ports import PassageIndex
from phoserve.settings import QdrantSettings
from phoserve.text.lexical import SparseVector
from tests.support.qdrant_server import REAL_URL, empty
from tests.support.snapshots import Peer, backup

CONTRACT = ModelContract(name="tiny", dim=16, tokenizer_sha256="a" * 64, weights_sha256="b" * 64)
DOCUMENT = "0" * 31 + "1"
PASSAGES = 500


async def fill(index: PassageIndex) -> None:
    await index.stage([_passage(number) for number in range(PASSAGES)])
    await index.publish([(DOCUMENT, 1)])


async def found(index: PassageIndex) -> list[tuple[int, int]]:
    """The best passage by vector and by term, for some of them."""
    best = []
    for number in range(0, PASSAGES, 50):
        [near] = await index.nearest("kb", _vector(number), limit=1)
        [match] = await index.matching("kb", _terms(number), limit=1)
        passages = await index.find("kb", [near.id, match.id])
        best.append((passages[near.id].ordinal, passages[match.id].ordinal))
    return best


EXPECTED = [(number, number) for number in range(0, PASSAGES, 50)]


async def test_the_engine_opens_what_was_restored(tmp_path: Path) -> None:
    """A test double answers the requests. The files are the engine's own."""
    originals = tmp_path / "originals"
    originals.mkdir()
    index = EdgePassageIndex(tmp_path / "lost", CONTRACT)
    await fill(index)
    await index.close()
    peer = Peer()
    threading.Thread(target=peer.serve_forever, daemon=True).start()
    try:
        peer.collections = {"passages": _packed(tmp_path / "lost")}
        saved = backup("save", tmp_path / "backup", originals, peer.url)
        shutil.rmtree(tmp_path / "lost")
        peer.collections = {}
        restored = backup("restore", tmp_path / "backup", originals, peer.url)
    finally:
        peer.shutdown()
        peer.server_close()
    assert restored.returncode == 0, saved.stderr + restored.stderr
    with tarfile.open(fileobj=io.BytesIO(peer.collections["passages"])) as archive:
        archive.extractall(tmp_path / "back", filter="data")
    index = EdgePassageIndex(tmp_path / "back", CONTRACT)
    assert await found(index) == EXPECTED
    await index.close()


@pytest.mark.skipif(not REAL_URL, reason="QDRANT_URL names no Qdrant server")
async def test_a_server_finds_what_was_restored(tmp_path: Path) -> None:
    assert REAL_URL is not None
    originals = tmp_path / "originals"
    originals.mkdir()
    empty(REAL_URL)
    async with open_qdrant(QdrantSettings(url=REAL_URL), CONTRACT) as index:
        await fill(index)
        client = connect(REAL_URL)
        aliases = (await client.get_aliases()).aliases
        saved = backup("save", tmp_path / "backup", originals, REAL_URL, key="")
        assert saved.returncode == 0, saved.stderr
        empty(REAL_URL)
        restored = backup("restore", tmp_path / "backup", originals, REAL_URL, key="")
        assert restored.returncode == 0, restored.stderr
        assert await found(index) == EXPECTED
        assert (await client.get_aliases()).aliases == aliases
        await client.close()


def _passage(number: int) -> IndexedPassage:
    passage = Passage(
        collection="kb",
        document_id="d",
        document_key=DOCUMENT,
        revision=1,
        ordinal=number,
        title="Tiêu đề",
        text=f"đoạn {number} " * 50,
        start=0,
        end=1,
    )
    return IndexedPassage(passage, _vector(number), _terms(number))


def _vector(number: int) -> "np.ndarray[tuple[int], np.dtype[np.float32]]":
    return np.random.default_rng(number).standard_normal(CONTRACT.dim, dtype=np.float32)


def _terms(number: int) -> SparseVector:
    return SparseVector(np.array([number], np.uint32), np.ones(1, np.float32))


def _packed(folder: Path) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        archive.add(folder, arcname=".")
    return content.getvalue()
