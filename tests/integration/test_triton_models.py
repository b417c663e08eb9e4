"""The models of the `local` profile on the real server: the same vectors for every client and request shape."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
import numpy as np
import pytest
import pytest_asyncio
import tritonclient.grpc.aio as triton
from tritonclient.utils import InferenceServerException

from cli.triton_process import TritonProcess
from export.repository import assemble_repository
from phoserve.adapters.triton.embedder import TritonEmbedder
from phoserve.contract import CPU_ENCODER, PUBLIC_MODEL, TEXT, InputType, load_contract
from phoserve.errors import DeadlineExceeded, InvalidInput, Unavailable
from phoserve.serving.metrics_buffer import EVERY_S
from phoserve.serving.onnx import OnnxEncoder
from phoserve.text import TextPipeline
from tests.support.model_folder import SYLLABLES, write_model_folder
from tests.support.patience import patient
from tests.support.polling import eventually
from tests.support.triton import running_triton

pytestmark = pytest.mark.asyncio(loop_scope="module")
WORDS = SYLLABLES.split()
TEXTS = [
    "xin chào Việt Nam",
    "",
    " ",
    "🙂🙂",
    "https://example.com/?q=1",
    "1.234.567,89",
    "e\u0302\u0301",  # decomposed
    "nhân viên " * 2500,
    *(" ".join(WORDS[start : start + length]) for start in range(0, 30, 3) for length in (1, 7, 30)),
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    write_model_folder(folder)
    return folder


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(model: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TritonProcess]:
    work = tmp_path_factory.mktemp("triton")
    assemble_repository(model, work / "repository", profile="local")
    async with running_triton(work / "repository", work) as process:
        yield process


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def embedder(model: Path, server: TritonProcess) -> AsyncIterator[TritonEmbedder]:
    embedder = TritonEmbedder(server.ports.grpc_url, load_contract(model))
    yield embedder
    await embedder.close()


async def test_vectors_are_those_of_the_graph_alone(embedder: TritonEmbedder, model: Path) -> None:
    graph, pipeline = OnnxEncoder(model / "onnx" / "fp32.onnx", threads=1), TextPipeline.load(model)
    answer = await embedder.embed(TEXTS)
    for index, text in enumerate(TEXTS):
        tokens = pipeline.encode([text])
        expected = graph.encode(tokens.ids, np.array([len(tokens.ids)], np.int32))[0]
        np.testing.assert_allclose(answer.vectors[index], expected, atol=1e-5)
        assert answer.tokens[index] == len(tokens.ids)
        assert answer.truncated[index] == tokens.truncated[0]
    assert answer.truncated.sum() == 1
    assert answer.served_by == CPU_ENCODER


async def test_a_text_has_the_same_vector_alone_in_any_company_and_order(embedder: TritonEmbedder) -> None:
    alone = np.concatenate([(await embedder.embed([text])).vectors for text in TEXTS])
    random = np.random.default_rng(0)
    orders = [random.permutation(len(TEXTS)) for _ in range(8)]
    answers = await asyncio.gather(*(embedder.embed([TEXTS[index] for index in order]) for order in orders))
    for order, answer in zip(orders, answers, strict=True):
        np.testing.assert_allclose(answer.vectors, alone[order], atol=1e-5)


async def test_queries_and_passages_may_share_a_batch(embedder: TritonEmbedder) -> None:
    kinds = [InputType.QUERY, InputType.PASSAGE] * 20
    answers = await asyncio.gather(*(embedder.embed(["xin chào"], input_type=kind) for kind in kinds))
    for answer in answers:
        np.testing.assert_allclose(answer.vectors, answers[0].vectors, atol=1e-5)


@pytest.mark.parametrize("raw", [b"\xff\xfe", "chào".encode("utf-16")])
async def test_invalid_utf8_is_refused_and_harms_nobody_else(
    server: TritonProcess, embedder: TritonEmbedder, raw: bytes
) -> None:
    tensor = triton.InferInput(TEXT, [2, 1], "BYTES")
    tensor.set_data_from_numpy(np.array([[b"a"], [raw]], dtype=object))
    good = asyncio.gather(*(embedder.embed(["xin chào"]) for _ in range(8)))
    async with triton.InferenceServerClient(server.ports.grpc_url) as client:
        with pytest.raises(InferenceServerException, match=r"TEXT\[1\] is not valid UTF-8") as caught:
            await client.infer(PUBLIC_MODEL, [tensor])
    assert "INVALID_ARGUMENT" in str(caught.value.status())
    assert len(await good) == 8


async def test_who_means_another_model_is_refused(server: TritonProcess, embedder: TritonEmbedder) -> None:
    contract = embedder.contract
    other = TritonEmbedder(server.ports.grpc_url, msgspec.structs.replace(contract, weights_sha256="0" * 64))
    with pytest.raises(Unavailable, match=f"has the model {contract.fingerprint}, not {other.contract.fingerprint}"):
        await other.embed(["xin chào"])
    await other.close()
    assert (await embedder.embed(["xin chào"])).tokens.shape == (1,)


async def test_an_unknown_input_type_is_refused(embedder: TritonEmbedder) -> None:
    with pytest.raises(InvalidInput, match="input_type"):
        await embedder.embed(["a"], input_type="poem")  # type: ignore[arg-type]


async def test_a_passed_time_limit_is_told(embedder: TritonEmbedder) -> None:
    with pytest.raises(DeadlineExceeded):
        await embedder.embed(["xin chào"] * 64, timeout_s=1e-4)
    assert len((await embedder.embed(["xin chào"])).vectors) == 1


async def test_metrics_count_texts_and_tokens_by_encoder(server: TritonProcess, embedder: TritonEmbedder) -> None:
    seen: list[list[float]] = []

    async def counters() -> list[float]:
        async with httpx.AsyncClient() as client:
            lines = (await client.get(server.ports.metrics_url)).text.splitlines()
        names = [f'phoserve_{name}{{encoder="{CPU_ENCODER}"' for name in ("texts_total", "tokens_total")]
        seen.append([float(line.rsplit(" ", 1)[1]) for name in names for line in lines if line.startswith(name)])
        return seen[-1]

    async def still() -> bool:
        """Whether everything before was passed on."""
        return seen[-1:] == [await counters()]

    await eventually(still, every_s=5 * EVERY_S)
    texts, tokens = seen[-1]
    answer = await embedder.embed(TEXTS)
    expected = [texts + len(TEXTS), tokens + answer.tokens.sum()]

    async def counted() -> bool:
        return await counters() == expected

    await eventually(counted)


async def test_no_request_takes_longer_than_its_deadline_and_a_second(server: TritonProcess) -> None:
    """Hostile batches over HTTP, whose clients wait: Triton itself knows their deadline alone."""
    random = np.random.default_rng(1)
    syllables = ["".join(random.choice(list("abcdeghiklmnoươđẹ"), 5)) for _ in range(20_000)]
    hostile = [" ".join(random.choice(syllables, 33_000))[:190_000] for _ in range(8)]

    async def request(http: httpx.AsyncClient, texts: list[str], kind: str, timeout_s: float) -> tuple[int, float]:
        inputs = [{"name": TEXT, "shape": [len(texts), 1], "datatype": "BYTES", "data": texts}]
        parameters = {"input_type": kind, "timeout": round(timeout_s * 1e6)}
        body = msgspec.json.encode({"inputs": inputs, "parameters": parameters})
        started = time.perf_counter()
        answer = await http.post(f"/v2/models/{PUBLIC_MODEL}/infer", content=body)
        return answer.status_code, time.perf_counter() - started - timeout_s

    async with httpx.AsyncClient(base_url=server.ports.http_url, timeout=60) as http:
        attacks = [asyncio.create_task(request(http, hostile * 8, "passage", 1.0)) for _ in range(2)]
        await asyncio.sleep(1.0)
        short = [await request(http, ["xin chào"], "query", 5.0) for _ in range(10)]
        ended = await asyncio.gather(*attacks)
    assert {status for status, _ in short} == {200}
    assert max(over for _, over in (*short, *ended)) < patient(1.0)


async def test_a_text_that_no_model_reads_is_refused(embedder: TritonEmbedder) -> None:
    with pytest.raises(InvalidInput, match=r"TEXT\[1\] is longer than 200000 characters"):
        await embedder.embed(["a", "x" * 200_001])
