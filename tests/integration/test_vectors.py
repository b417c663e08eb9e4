"""Vectors from the real Triton server equal those of PyTorch, pyvi and transformers, alone and in any batch."""

import random
import unicodedata
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from numpy.typing import NDArray

from cli.local import running_triton
from cli.progress import JsonReporter
from phoserve.adapters.triton.embedder import TritonEmbedder
from phoserve.contract import load_contract
from phoserve.errors import DeadlineExceeded, Unavailable
from tests.support.model_folder import write_roberta_folder
from tests.support.references import phobert_tokenizer, pyvi_tokenize
from tests.support.shared import shared
from tests.support.texts import many_texts

TEXTS = many_texts(220)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    shared("phobert", "vocab.txt")
    folder = tmp_path_factory.mktemp("model") / "roberta"
    write_roberta_folder(folder)
    return folder


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def embedder(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TritonEmbedder]:
    async with running_triton(folder, tmp_path_factory.mktemp("triton"), JsonReporter()) as triton:
        embedder = TritonEmbedder(triton.ports.grpc_url, load_contract(folder))
        yield embedder
        await embedder.close()


def reference(folder: Path, texts: list[str]) -> NDArray[np.float32]:
    """As sentence-transformers computes it: segment, tokenise, encode, mean over tokens, normalise; one by one."""
    import torch
    from transformers import RobertaModel

    model = RobertaModel.from_pretrained(folder / "source", add_pooling_layer=False).eval()
    tokenizer = phobert_tokenizer(folder)
    rows = []
    for text in texts:
        segmented = pyvi_tokenize()(unicodedata.normalize("NFC", text))
        ids = tokenizer(segmented, truncation=True, max_length=256, return_tensors="pt")["input_ids"]
        with torch.inference_mode():
            hidden = model(input_ids=ids).last_hidden_state[0]
        rows.append(torch.nn.functional.normalize(hidden.mean(0), dim=0).numpy())
    return np.stack(rows)


@pytest.mark.asyncio(loop_scope="module")
class TestVectors:
    async def test_they_equal_the_reference(self, embedder: TritonEmbedder, folder: Path) -> None:
        ours = await embedder.embed(TEXTS)
        cosines = (ours.vectors * reference(folder, TEXTS)).sum(axis=1)
        assert cosines.min() >= 0.99999, TEXTS[int(cosines.argmin())][:80]

    async def test_they_do_not_depend_on_company_or_order(self, embedder: TritonEmbedder) -> None:
        order = random.Random(3).sample(range(len(TEXTS)), len(TEXTS))
        together = (await embedder.embed(TEXTS)).vectors
        shuffled = (await embedder.embed([TEXTS[index] for index in order])).vectors
        alone = np.concatenate([(await embedder.embed([text])).vectors for text in TEXTS[::3]])
        assert np.abs(together[order] - shuffled).max() <= 1e-5
        assert np.abs(together[::3] - alone).max() <= 1e-5

    async def test_truncation_and_tokens_are_reported(self, embedder: TritonEmbedder) -> None:
        short, long = "xin chào", "việt nam " * 2500
        answer = await embedder.embed([short, long])
        assert answer.truncated.tolist() == [False, True]
        assert answer.tokens[1] == 256
        assert 2 < answer.tokens[0] < 8

    async def test_a_time_limit_is_kept(self, embedder: TritonEmbedder) -> None:
        with pytest.raises(DeadlineExceeded):
            await embedder.embed(["việt nam " * 200] * 512, timeout_s=0.02)


async def test_no_server_is_said_at_once(folder: Path) -> None:
    embedder = TritonEmbedder("127.0.0.1:1", load_contract(folder))
    with pytest.raises(Unavailable):
        await embedder.embed(["xin chào"], timeout_s=20)
    await embedder.close()
