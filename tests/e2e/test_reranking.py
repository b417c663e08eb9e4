"""The cross-encoder as docs/reranking.md has it: exported, given to `phoserve up`, asked over REST."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import export.bundled
from tests.support.checkpoint import write_checkpoint
from tests.support.patience import patient
from tests.support.platform import Platform
from tests.support.waiting import wait_until

QUESTION = "Kết hôn được nghỉ mấy ngày?"
TEXTS = {
    "cuoi": "Bản thân kết hôn được nghỉ ba ngày, hưởng nguyên lương.",
    "luong": "Lương được trả vào ngày mười hằng tháng.",
    "phep": "Nhân viên được nghỉ phép mười hai ngày mỗi năm.",
}


def phoserve(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli", *arguments], capture_output=True, text=True, timeout=patient(300), check=False
    )


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("reranking")
    write_checkpoint(folder / "source", labels=1, initializer_range=0.3)
    exported = phoserve("export", str(folder / "source"), "--task", "rerank", "--to", str(folder / "cross-encoder"))
    assert exported.returncode == 0, exported.stderr
    arguments = ("--no-samples", "--reranker", str(folder / "cross-encoder"))
    with Platform(folder / "state", *arguments) as running, running.client() as client:
        client.put("/v1/collections/kb").raise_for_status()
        documents = [{"id": id_, "text": text} for id_, text in TEXTS.items()]
        client.post("/v1/collections/kb/documents", json={"documents": documents}).raise_for_status()
        wait_until(lambda: client.get("/v1/collections/kb").json()["documents"] == {"ready": len(TEXTS)}, timeout_s=60)
        yield client


def scores(http: httpx.Client) -> dict[str, float]:
    ids = list(TEXTS)
    answer = http.post("/v1/rerank", json={"query": QUESTION, "documents": list(TEXTS.values())}).raise_for_status()
    results = answer.json()["results"]
    assert results == sorted(results, key=lambda each: -each["relevance_score"])
    return {ids[each["index"]]: each["relevance_score"] for each in results}


def test_passages_are_scored(http: httpx.Client) -> None:
    given = scores(http)
    assert given.keys() == TEXTS.keys()
    assert len(set(given.values())) == len(TEXTS)


def test_a_search_is_ordered_by_the_scores(http: httpx.Client) -> None:
    expected = scores(http)
    for rerank in (True, False):
        body = {"query": QUESTION, "rerank": rerank}
        hits = http.post("/v1/collections/kb/search", json=body).raise_for_status().json()["hits"]
        found = {hit["document_id"]: hit.get("rerank_score") for hit in hits}
        assert found.keys() == TEXTS.keys()
        if rerank:
            assert list(found) == sorted(expected, key=lambda id_: -expected[id_])
            assert found == pytest.approx(expected, abs=1e-4)
        else:
            assert set(found.values()) == {None}


def test_an_encoder_is_no_reranker(tmp_path: Path) -> None:
    encoder = str(Path(export.bundled.__path__[0]))
    refused = phoserve("up", "--port", "0", "--state", str(tmp_path / "state"), "--reranker", encoder)
    assert refused.returncode != 0
    assert "rerank" in refused.stderr
    assert "Traceback" not in refused.stderr
