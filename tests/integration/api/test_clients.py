"""The clients people already have, unchanged but for their base URL."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import openai
import pytest
from pydantic import BaseModel

from phoserve.adapters.openai_chat import ChatSettings, OpenAIChat
from tests.integration.api.conftest import fill
from tests.support.embedders import DIM
from tests.support.live import live_api, live_services

TOOL: Any = {"type": "function", "function": {"name": "days", "parameters": {"type": "object", "properties": {}}}}


class Days(BaseModel):
    """The answer as the fake LLM gives it."""

    days: int
    sources: list[int]


@pytest.fixture(scope="module")
def generating_url(tmp_path_factory: pytest.TempPathFactory, llm_url: str) -> Iterator[str]:
    """An API whose answers an LLM writes."""
    chat = OpenAIChat(ChatSettings(url=llm_url, model="good"))
    with live_api(live_services(tmp_path_factory.mktemp("model"), chat=chat)) as url:
        fill(url)
        yield url


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    """What the other clients send with, so that no connection is left open for the garbage collector."""
    with httpx.Client() as http:
        yield http


@pytest.fixture
def client(api_url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{api_url}/v1", api_key="none", max_retries=0) as client:
        yield client


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
        client.embeddings.create(model="phoserve", input=["a", " "])
    assert refused.value.param == "input[1]"
    with pytest.raises(openai.NotFoundError) as missing:
        client.models.retrieve("gpt-4")
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError, match="there are: tests/word-hash") as missing:
        client.embeddings.create(model="text-embedding-3-small", input="a")
    assert (missing.value.code, missing.value.param) == ("model_not_found", "model")


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
def test_langchain(api_url: str, http: httpx.Client) -> None:
    langchain = pytest.importorskip("langchain_openai")
    embeddings = langchain.OpenAIEmbeddings(
        base_url=f"{api_url}/v1",
        api_key="none",
        model="phoserve",
        check_embedding_ctx_length=False,
        http_client=http,
    )
    [first, second] = embeddings.embed_documents(["nghỉ phép", "lương"])
    assert len(first) == len(second) == DIM
    assert embeddings.embed_query("nghỉ phép") == pytest.approx(first)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_llama_index(api_url: str, http: httpx.Client) -> None:
    llama = pytest.importorskip("llama_index.embeddings.openai_like")
    embeddings = llama.OpenAILikeEmbedding(
        model_name="phoserve", api_base=f"{api_url}/v1", api_key="none", http_client=http
    )
    batch = embeddings.get_text_embedding_batch(["nghỉ phép", "lương"])
    assert [len(each) for each in batch] == [DIM, DIM]
    assert embeddings.get_query_embedding("nghỉ phép") == pytest.approx(batch[0])


QUESTION: Any = [{"role": "user", "content": "Nhân viên được nghỉ phép mấy ngày?"}]


def test_openai_structured_output_and_tools(generating_url: str) -> None:
    with openai.OpenAI(base_url=f"{generating_url}/v1", api_key="none", max_retries=0) as client:
        parsed = client.chat.completions.parse(model="collection/kb", messages=QUESTION, response_format=Days)
        assert parsed.choices[0].message.parsed == Days(days=12, sources=[1, 9])
        with pytest.raises(openai.BadRequestError) as refused:
            client.chat.completions.create(model="collection/kb", messages=QUESTION, tools=[TOOL])
    assert (refused.value.param, refused.value.code) == ("tools", "unsupported_parameter")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_langchain_structured_output_and_tools(generating_url: str, http: httpx.Client) -> None:
    langchain = pytest.importorskip("langchain_openai")
    model = langchain.ChatOpenAI(
        base_url=f"{generating_url}/v1", api_key="none", model="collection/kb", max_retries=0, http_client=http
    )
    assert "nghỉ phép mười hai ngày [1]" in model.invoke("Nhân viên được nghỉ phép mấy ngày?").content
    structured = model.with_structured_output(Days, method="json_schema")
    assert structured.invoke("Nhân viên được nghỉ phép mấy ngày?") == Days(days=12, sources=[1, 9])
    with pytest.raises(openai.BadRequestError, match="tools"):
        model.bind_tools([TOOL]).invoke("Nhân viên được nghỉ phép mấy ngày?")


AI_SDK = Path("/tmp/phoserve-ai-sdk")  # noqa: S108
SCRIPT = """
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, generateObject, streamText, jsonSchema, tool } from "ai";
const options = { name: "phoserve", baseURL: process.argv[2], supportsStructuredOutputs: true };
const provider = createOpenAICompatible(options);
const model = provider.chatModel("collection/kb");
const prompt = "Nhân viên được nghỉ phép mấy ngày?";
const schema = jsonSchema({ type: "object", properties: { days: { type: "number" }, sources: { type: "array" } } });
const { text, finishReason } = await generateText({ model, prompt, maxRetries: 0 });
let streamed = "";
for await (const part of streamText({ model, prompt, maxRetries: 0 }).textStream) streamed += part;
const { object } = await generateObject({ model, prompt, schema, maxRetries: 0 });
let refused = null;
try {
  const days = tool({ description: "d", inputSchema: jsonSchema({ type: "object", properties: {} }) });
  await generateText({ model, prompt, tools: { days }, maxRetries: 0 });
} catch (error) { refused = [error.statusCode, error.message]; }
console.log(JSON.stringify({ text, finishReason, streamed, object, refused }));
"""


@pytest.mark.skipif(shutil.which("npm") is None, reason="no npm")
def test_ai_sdk(generating_url: str) -> None:
    AI_SDK.mkdir(exist_ok=True)
    if not (AI_SDK / "node_modules" / "ai").exists():
        command = ["npm", "install", "--no-audit", "--no-fund", "ai@5", "@ai-sdk/openai-compatible@1"]
        if subprocess.run(command, cwd=AI_SDK, capture_output=True, timeout=240).returncode:
            pytest.skip("npm cannot install the AI SDK here")
    (AI_SDK / "ask.mjs").write_text(SCRIPT)
    ran = subprocess.run(["node", "ask.mjs", f"{generating_url}/v1"], cwd=AI_SDK, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout.splitlines()[-1])
    assert "nghỉ phép mười hai ngày [1]" in found["text"]
    assert (found["streamed"], found["finishReason"]) == (found["text"], "stop")
    assert found["object"] == {"days": 12, "sources": [1, 9]}
    assert found["refused"][0] == 400
    assert "tools" in found["refused"][1]
