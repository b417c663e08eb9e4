"""Metadata of documents in searches and answers: with each hit, once for each document, in part, or not at all."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import Litestar
from litestar.testing import TestClient

from api.app import create_app
from api.schemas.search import chosen_metadata
from phoserve.documents.intake import Draft
from tests.support.services import index_queued, memory_services

Client = TestClient[Litestar]
METADATA = {"year": 2024, "author": {"name": "An", "unit": {"code": "HR", "floor": 3}}, "tags": ["a", "b"]}
TEXT = "\n\n".join(f"# Mục {n}\n\nNhân viên được nghỉ phép {n} ngày." for n in range(3))
SEARCH = "/v1/collections/kb/search", {"query": "nghỉ phép"}
ANSWER = "/v1/collections/kb/answers", {"question": "nghỉ phép mấy ngày"}


@pytest.fixture
async def client(tmp_path: Path) -> "Iterator[Client]":  # type: ignore[misc]
    services = memory_services(tmp_path)
    await services.library.create_collection("kb")
    await services.intake.submit("kb", [Draft(TEXT.encode(), id="d", title="Phép", metadata=METADATA)])
    await index_queued(services)
    with TestClient(create_app(services), base_url="http://127.0.0.1") as client:
        yield client


def ask(client: Client, request: tuple[str, dict[str, Any]], **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = client.post(request[0], json=request[1] | more).raise_for_status().json()
    assert len(answer["hits"]) > 1
    return answer


@pytest.mark.parametrize("request_", [SEARCH, ANSWER])
def test_by_default_each_hit_has_it_as_before(client: Client, request_: tuple[str, dict[str, Any]]) -> None:
    answer = ask(client, request_)
    assert all(each["metadata"] == METADATA for each in answer["hits"])
    assert "documents" not in answer
    assert answer["hits"] == ask(client, request_, metadata="hits")["hits"]


@pytest.mark.parametrize("request_", [SEARCH, ANSWER])
def test_once_for_each_document(client: Client, request_: tuple[str, dict[str, Any]]) -> None:
    answer = ask(client, request_, metadata="documents")
    assert answer["documents"] == {"d": {"title": "Phép", "metadata": METADATA}}
    assert all(each["metadata"] == {} for each in answer["hits"])


@pytest.mark.parametrize("request_", [SEARCH, ANSWER])
def test_some_fields_or_none(client: Client, request_: tuple[str, dict[str, Any]]) -> None:
    some = ask(client, request_, metadata=["year", "author.unit.code", "no.such", "tags.a"])
    assert all(each["metadata"] == {"year": 2024, "author": {"unit": {"code": "HR"}}} for each in some["hits"])
    nothing: tuple[Any, ...] = ("none", [])
    for empty in nothing:
        assert all(each["metadata"] == {} for each in ask(client, request_, metadata=empty)["hits"])


def test_a_streamed_answer_has_the_same(client: Client) -> None:
    body = ANSWER[1] | {"stream": True, "metadata": "documents"}
    text = client.post(ANSWER[0], json=body).text
    assert '"documents":{"d":{"title":"Phép","metadata":{"year":2024' in text.replace(" ", "")
    assert text.count('"year"') == 1


@pytest.mark.parametrize("wrong", ["all", ["a..b"], ['a"b'], [""], 3, ["a"] * 65, None])
def test_wrong_choices_are_named(client: Client, wrong: Any) -> None:
    answer = client.post(SEARCH[0], json=SEARCH[1] | {"metadata": wrong})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"].startswith("metadata")


JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
PATHS = st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(".".join), max_size=5)


@given(st.dictionaries(st.sampled_from("abc"), JSON, max_size=3), PATHS)
def test_what_is_chosen_is_part_of_the_metadata_and_nothing_is_changed(
    metadata: dict[str, Any], names: list[str]
) -> None:
    before = repr(metadata)
    chosen = chosen_metadata(metadata, names)
    assert repr(metadata) == before

    def value(source: Any, name: str) -> Any:
        for part in name.split("."):
            source = source.get(part, KeyError) if isinstance(source, dict) else KeyError
        return source

    for name in names:
        assert value(chosen, name) == value(metadata, name)
