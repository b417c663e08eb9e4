"""The clients people already have, unchanged but for their base URL."""

import numpy as np
import openai
import pytest

from tests.support.embedders import DIM


@pytest.fixture
def client(api_url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{api_url}/v1", api_key="none", max_retries=0)


def test_openai_embeddings(client: openai.OpenAI) -> None:
    model = client.models.list().data[0].id
    texts = [f"văn bản số {number}" for number in range(256)]
    packed = client.embeddings.create(model=model, input=texts)
    plain = client.embeddings.create(model=model, input=texts, encoding_format="float")
    vectors = np.array([each.embedding for each in packed.data], np.float32)
    assert vectors.shape == (256, DIM)
    assert np.array_equal(vectors, np.array([each.embedding for each in plain.data], np.float32))
    assert packed.usage.total_tokens == plain.usage.total_tokens > 256


def test_openai_errors_are_its_own(client: openai.OpenAI) -> None:
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        client.embeddings.create(model="m", input=["a", " "])
    assert refused.value.param == "input[1]"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-4")


def test_openai_chat_over_a_collection(client: openai.OpenAI) -> None:
    question: list[openai.types.chat.ChatCompletionMessageParam] = [
        {"role": "user", "content": "Nhân viên được nghỉ phép mười hai ngày?"}
    ]
    whole = client.chat.completions.create(model="collection/kb", messages=question)
    content = whole.choices[0].message.content
    assert content is not None
    assert "[1]" in content
    chunks = list(client.chat.completions.create(model="collection/kb", messages=question, stream=True))
    assert "".join(each.choices[0].delta.content or "" for each in chunks) == content
    assert chunks[-1].choices[0].finish_reason == "stop"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_langchain(api_url: str) -> None:
    langchain = pytest.importorskip("langchain_openai")
    embeddings = langchain.OpenAIEmbeddings(
        base_url=f"{api_url}/v1", api_key="none", model="phoserve", check_embedding_ctx_length=False
    )
    [first, second] = embeddings.embed_documents(["nghỉ phép", "lương"])
    assert len(first) == len(second) == DIM
    assert embeddings.embed_query("nghỉ phép") == pytest.approx(first)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_llama_index(api_url: str) -> None:
    llama = pytest.importorskip("llama_index.embeddings.openai_like")
    embeddings = llama.OpenAILikeEmbedding(model_name="phoserve", api_base=f"{api_url}/v1", api_key="none")
    batch = embeddings.get_text_embedding_batch(["nghỉ phép", "lương"])
    assert [len(each) for each in batch] == [DIM, DIM]
    assert embeddings.get_query_embedding("nghỉ phép") == pytest.approx(batch[0])
