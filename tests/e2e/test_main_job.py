"""The main job as a user meets it: one command, then search by meaning, embeddings, documents."""

import random
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
from openai import OpenAI

from cli.samples import questions
from tests.support.platform import Platform
from tests.support.waiting import wait_until

WORDS = ("công ty", "chúng tôi", "cung cấp", "dịch vụ", "bảo hành", "sản phẩm", "điện tử", "tại", "Hà Nội", "và", "Huế")


def document_states(http: httpx.Client, collection: str) -> dict[str, str]:
    """State of every document of the collection, by id, over all pages of the listing."""
    states: dict[str, str] = {}
    cursor: str | None = None
    while True:
        query = {"limit": 100} | ({"cursor": cursor} if cursor else {})
        answer = http.get(f"/v1/collections/{collection}/documents", params=query)
        if answer.status_code == 404:  # the samples are added once the platform is ready
            return {}
        page = answer.raise_for_status().json()
        for document in page["documents"]:
            assert document["id"] not in states, "listed twice"
            states[document["id"]] = document["state"]
        cursor = page.get("cursor")
        if not cursor:
            return states


def all_ready(http: httpx.Client, collection: str) -> bool:
    return set(document_states(http, collection).values()) == {"ready"}


@pytest.fixture(scope="module")
def samples(platform: Platform) -> Iterator[httpx.Client]:
    with platform.client() as http:
        wait_until(lambda: all_ready(http, "samples"), timeout_s=120)
        yield http


def first_ids(http: httpx.Client, query: str, mode: str) -> list[str]:
    answer = http.post("/v1/collections/samples/search", json={"query": query, "top_k": 5, "mode": mode})
    return [hit["document_id"] for hit in answer.raise_for_status().json()["hits"]]


def test_the_question_of_the_readme_finds_its_document(samples: httpx.Client) -> None:
    assert first_ids(samples, "sắp cưới thì công ty cho mấy hôm", "hybrid")[0] == "bereavement-leave"


def test_meaning_finds_what_words_do_not(samples: httpx.Client) -> None:
    asked = questions()
    assert len(asked) >= 60

    def recall(mode: str) -> float:
        return sum(each.positive_id in first_ids(samples, each.query, mode) for each in asked) / len(asked)

    # The questions share few words with their answers on purpose.
    assert recall("dense") > recall("lexical")
    assert recall("dense") >= 0.5


def test_the_openai_client_embeds_a_list_of_256(platform: Platform) -> None:
    texts = [f"Câu hỏi số {number} về nghỉ phép và lương thưởng" for number in range(256)]
    with OpenAI(base_url=f"{platform.url}/v1", api_key="unused", max_retries=0) as client:
        plain = client.embeddings.create(model="phoserve", input=texts, encoding_format="float")
        default = client.embeddings.create(model="phoserve", input=texts)  # base64 on the wire
    assert [item.index for item in default.data] == list(range(256))
    assert default.usage.prompt_tokens > 256
    # Two requests are batched differently, so their sums may differ in the last bit.
    np.testing.assert_allclose(
        np.array([item.embedding for item in plain.data], np.float32),
        np.array([item.embedding for item in default.data], np.float32),
        rtol=0,
        atol=1e-6,
    )


def test_a_text_has_one_vector_whatever_its_company(http: httpx.Client) -> None:
    rng = random.Random(7)
    texts = [" ".join(rng.choices(WORDS, k=rng.randint(1, 120))) for _ in range(40)]

    def embed(batch: list[str]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        data = http.post("/v1/embeddings", json={"model": "phoserve", "input": batch}).raise_for_status().json()["data"]
        return np.array([item["embedding"] for item in data], np.float32)

    together = embed(texts)
    order = rng.sample(range(40), 40)
    shuffled = embed([texts[index] for index in order])
    alone = np.concatenate([embed([text]) for text in texts])
    assert np.abs(together - alone).max() <= 1e-5
    assert np.abs(together[order] - shuffled).max() <= 1e-5


def test_a_posted_file_is_found_with_its_span(http: httpx.Client) -> None:
    http.put("/v1/collections/files", json={}).raise_for_status()
    text = "# Nội quy\n\n## Trang phục\n\nThứ Hai mặc áo đồng phục màu xanh.\n\n## Giờ làm\n\nLàm việc từ 8 giờ sáng.\n"
    posted = http.post("/v1/collections/files/documents", files={"files": ("noi-quy.md", text, "text/markdown")})
    assert posted.status_code == 202
    url = posted.json()["documents"][0]["url"]
    wait_until(lambda: http.get(url).json()["state"] == "ready")
    hit = http.post("/v1/collections/files/search", json={"query": "mấy giờ bắt đầu làm việc"}).json()["hits"][0]
    assert "8 giờ" in hit["text"]
    stored = http.get(f"{url}/text").text
    assert stored[hit["start"] : hit["end"]] == hit["text"]


def test_restarting_keeps_documents_and_needs_little_memory(state_of_samples: Platform) -> None:
    with state_of_samples.client() as http:
        before = document_states(http, "samples")
    assert state_of_samples.stop() == 0
    state_of_samples.start()
    with state_of_samples.client() as http:
        assert document_states(http, "samples") == before
        http.post("/v1/collections/samples/search", json={"query": "nghỉ phép"}).raise_for_status()
    assert state_of_samples.resident_bytes() < 1.2e9


@pytest.fixture
def state_of_samples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with Platform(tmp_path_factory.mktemp("restarted") / "state") as running:
        with running.client() as http:
            wait_until(lambda: all_ready(http, "samples"), timeout_s=120)
        yield running


def test_the_schema_and_health_answer(http: httpx.Client) -> None:
    assert http.get("/health/live").status_code == 200
    ready = http.get("/health/ready").raise_for_status().json()
    assert {name for name, each in ready["dependencies"].items() if each["ok"]} == {
        "embedder", "index", "registry", "queue",
    }  # fmt: skip
    assert http.get("/schema/openapi.json").raise_for_status().json()["openapi"].startswith("3.")
