"""A small random cross-encoder: exported, served by the real Triton, the same as in `transformers`."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
import torch
import tritonclient.grpc.aio as triton
from transformers import PhobertTokenizer, RobertaForSequenceClassification
from tritonclient.utils import InferenceServerException

from cli.triton_process import TritonProcess
from export import model_folder
from export.model_folder import export_model
from export.parity import SENTENCES, parity_texts
from export.repository import assemble_repository
from export.sources import find_source
from phoserve.adapters.triton.embedder import TritonEmbedder, text_tensor
from phoserve.adapters.triton.reranker import TritonReranker
from phoserve.contract import PASSAGE, QUERY, RERANKER, load_contract
from phoserve.errors import ConfigurationError, DeadlineExceeded, InvalidInput, Unavailable
from phoserve.text import TextPipeline
from tests.support.checkpoint import write_checkpoint
from tests.support.model_folder import write_model_folder
from tests.support.triton import running_triton

pytestmark = pytest.mark.asyncio(loop_scope="module")
QUESTION = "Nhân viên được nghỉ phép mấy ngày mỗi năm?"
PASSAGES = ["", "🙂", *SENTENCES, " ".join(SENTENCES * 3)]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The source and the exported cross-encoder."""
    folder = tmp_path_factory.mktemp("reranker")
    write_checkpoint(folder / "source", labels=1, initializer_range=0.3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model_folder, "parity_texts", lambda: parity_texts(48))
        table = export_model(
            find_source(str(folder / "source")),
            folder / "exported",
            model_folder.ExportOptions(task="rerank", gpu=True),
        )
    # Random weights separate the pairs only slightly, which int8 may lose; then it is omitted.
    assert {row.precision for row in table if row.passed} >= {"fp32", "fp16"}, table
    assert load_contract(folder / "exported").precisions == tuple(
        row.precision for row in table if row.passed and row.precision != "plain"
    )
    return folder / "source", folder / "exported"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(folders: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TritonProcess]:
    work = tmp_path_factory.mktemp("triton")
    write_model_folder(work / "encoder")
    repository = work / "repository"
    assemble_repository(work / "encoder", repository, profile="local", reranker=folders[1], cpu_precision="fp32")
    async with running_triton(repository, work) as process:
        yield process


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def reranker(server: TritonProcess) -> AsyncIterator[TritonReranker]:
    reranker = TritonReranker(server.ports.grpc_url)
    yield reranker
    await reranker.close()


def reference_scores(source: Path, exported: Path, question: str, passages: list[str]) -> list[float]:
    tokenizer = PhobertTokenizer.from_pretrained(str(source))
    model = RobertaForSequenceClassification.from_pretrained(str(source)).eval()
    query, *rest = TextPipeline.load(exported).segment([question, *passages])
    scores = []
    with torch.no_grad():
        for passage in rest:
            tokens = tokenizer(query, passage, truncation="longest_first", max_length=256, return_tensors="pt")
            scores.append(torch.sigmoid(model(**tokens).logits[0, 0]).item())
    return scores


async def test_scores_are_those_of_transformers(reranker: TritonReranker, folders: tuple[Path, Path]) -> None:
    expected = reference_scores(*folders, QUESTION, PASSAGES)
    assert np.std(expected) > 0.01
    np.testing.assert_allclose(await reranker.rerank(QUESTION, PASSAGES), expected, atol=1e-4)


async def test_a_score_is_the_same_alone_and_in_any_company(reranker: TritonReranker) -> None:
    together = await reranker.rerank(QUESTION, PASSAGES * 5)
    assert len(together) > 64
    alone = await asyncio.gather(*(reranker.rerank(QUESTION, [passage]) for passage in PASSAGES))
    np.testing.assert_allclose(together, np.tile(np.concatenate(alone), 5), atol=1e-5)


async def test_the_encoder_stands_beside(server: TritonProcess, tmp_path: Path) -> None:
    write_model_folder(tmp_path)
    embedder = TritonEmbedder(server.ports.grpc_url, load_contract(tmp_path))
    assert len((await embedder.embed([QUESTION])).vectors) == 1
    await embedder.close()


async def test_bad_input_and_passed_limits_are_told(server: TritonProcess, reranker: TritonReranker) -> None:
    with pytest.raises(InvalidInput, match="no passage"):
        await reranker.rerank(QUESTION, [])
    with pytest.raises(DeadlineExceeded):
        await reranker.rerank(QUESTION, PASSAGES, timeout_s=1e-4)
    broken = text_tensor(QUERY, ["a"])
    broken.set_data_from_numpy(np.array([[b"\xff"]], dtype=object))
    async with triton.InferenceServerClient(server.ports.grpc_url) as client:
        with pytest.raises(InferenceServerException, match=r"QUERY\[0\] is not valid UTF-8"):
            await client.infer(RERANKER, [broken, text_tensor(PASSAGE, ["b"])])
    assert len(await reranker.rerank(QUESTION, ["b"])) == 1


async def test_a_server_without_one_is_unavailable() -> None:
    nowhere = TritonReranker("127.0.0.1:1")
    with pytest.raises(Unavailable):
        await nowhere.rerank(QUESTION, ["b"], timeout_s=5)
    await nowhere.close()


@pytest.mark.parametrize(("labels", "told"), [(None, "classifier"), (3, "3 classes")])
async def test_a_source_that_is_no_cross_encoder(tmp_path: Path, labels: int | None, told: str) -> None:
    write_checkpoint(tmp_path / "source", labels=labels)
    with pytest.raises(ConfigurationError, match=told):
        export_model(
            find_source(str(tmp_path / "source")), tmp_path / "exported", model_folder.ExportOptions(task="rerank")
        )
    assert not (tmp_path / "exported").exists()
