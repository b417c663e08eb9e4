"""Collections, documents and search over HTTP, on stores in memory."""

import json
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from api.app import create_app
from api.services import Services
from phoserve.settings import LimitSettings
from tests.support.services import index_queued, memory_services

DOCUMENTS: list[dict[str, Any]] = [
    {"id": "d1", "title": "Nghỉ phép", "text": "Nhân viên được nghỉ phép mười hai ngày.", "metadata": {"year": 2024}},
    {"id": "d2", "title": "Lương", "text": "Lương được trả vào ngày mười hằng tháng.", "metadata": {"year": 2020}},
    {"id": "d3", "title": "Máy tính", "text": "Máy tính xách tay được bảo hành ba năm.", "metadata": {"dept": "it"}},
]

Client = TestClient[Litestar]


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return memory_services(tmp_path, limits=LimitSettings(max_documents=5, max_body_bytes=100_000))


@pytest.fixture
def client(services: Services) -> Iterator[Client]:
    with TestClient(create_app(services)) as client:
        client.put("/v1/collections/kb").raise_for_status()
        yield client


@pytest.fixture
def filled(client: Client, services: Services) -> Client:
    client.post("/v1/collections/kb/documents", json={"documents": DOCUMENTS}).raise_for_status()
    with client.portal() as portal:
        portal.call(index_queued, services)
    return client


def search(client: Client, **body: Any) -> dict[str, Any]:
    response = client.post("/v1/collections/kb/search", json=body)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def test_a_collection_is_made_once(client: Client) -> None:
    again = client.put("/v1/collections/kb", json={"description": "Sổ tay"})
    assert again.status_code == 200
    assert client.put("/v1/collections/other").status_code == 201
    names = [each["name"] for each in client.get("/v1/collections").json()["collections"]]
    assert names == ["kb", "other"]
    assert client.get("/v1/collections/kb").json()["description"] == "Sổ tay"
    assert client.delete("/v1/collections/kb").status_code == 204
    assert client.get("/v1/collections/kb").status_code == 404


def test_documents_are_acknowledged_then_ready(client: Client, services: Services) -> None:
    response = client.post("/v1/collections/kb/documents", json={"documents": DOCUMENTS})
    assert response.status_code == 202
    [first, *_] = response.json()["documents"]
    assert first == {"id": "d1", "state": "queued", "revision": 1, "url": "/v1/collections/kb/documents/d1"}
    with client.portal() as portal:
        portal.call(index_queued, services)
    record = client.get(first["url"]).json()
    assert (record["state"], record["passages"], record["progress"], record["error"]) == ("ready", 1, 1.0, None)
    assert record["metadata"] == {"year": 2024}
    [passage] = client.get(first["url"] + "/passages").json()["passages"]
    assert passage["text"] == DOCUMENTS[0]["text"]
    assert client.get(first["url"] + "/original").text == DOCUMENTS[0]["text"]


def test_files_are_taken(client: Client) -> None:
    files: list[Any] = [("files", ("sổ tay.md", "# Chào".encode())), ("files", ("b.html", b"<p>2</p>", "text/html"))]
    response = client.post("/v1/collections/kb/documents", files=files, data={"metadata": json.dumps({"year": 2024})})
    assert response.status_code == 202, response.text
    records = [client.get(each["url"]).json() for each in response.json()["documents"]]
    assert [(each["filename"], each["media_type"]) for each in records] == [
        ("sổ tay.md", "text/markdown"),
        ("b.html", "text/html"),
    ]
    assert records[0]["metadata"] == {"year": 2024}


def test_files_with_ids_become_revisions_and_unchanged_ones_change_nothing(client: Client) -> None:
    def send(second: bytes) -> list[int]:
        files: list[Any] = [("files", ("a.md", b"xin")), ("files", ("b.md", second))]
        answer = client.post("/v1/collections/kb/documents", files=files, data={"id": ["tập/a.md", "tập/b.md"]})
        return [each["revision"] for each in answer.json()["documents"]]

    assert send("chào".encode()) == [1, 1]
    assert send("chào".encode()) == [1, 1]
    assert send("tạm biệt".encode()) == [1, 2]
    files = [("files", ("a.md", b"xin"))]
    answer = client.post("/v1/collections/kb/documents", files=files, data={"id": ["a", "b"]})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "id")


def test_an_idempotency_key_makes_a_repetition_harmless(client: Client) -> None:
    def send() -> list[str]:
        body = {"documents": [{"text": "xin"}, {"text": "chào"}]}
        answer = client.post("/v1/collections/kb/documents", json=body, headers={"Idempotency-Key": "k1"})
        assert answer.status_code == 202
        return [each["url"] for each in answer.json()["documents"]]

    assert send() == send()
    assert len(client.get("/v1/collections/kb/documents").json()["documents"]) == 2
    refused = client.post("/v1/collections/kb/documents", json={}, headers={"Idempotency-Key": "k" * 201})
    assert refused.status_code == 422


def test_an_idempotency_key_of_another_request_loses_nothing(client: Client) -> None:
    def send(**document: Any) -> tuple[int, str]:
        body = {"documents": [document]}
        answer = client.post("/v1/collections/kb/documents", json=body, headers={"Idempotency-Key": "k1"})
        return answer.status_code, "" if answer.status_code == 202 else answer.json()["errors"][0]["field"]

    assert send(text="xin") == (202, "")
    assert send(text="chào") == send(text="xin", title="Lời chào") == (422, "Idempotency-Key")
    assert send(id="a", text="xin") == send(id="a", text="xin") == (202, "")
    assert send(id="a", text="chào") == (422, "Idempotency-Key")
    assert len(client.get("/v1/collections/kb/documents").json()["documents"]) == 2


def test_what_is_too_much_is_refused(client: Client) -> None:
    many = client.post("/v1/collections/kb/documents", json={"documents": [{"text": "xin"}] * 6})
    assert (many.status_code, "at most 5" in many.json()["detail"]) == (413, True)
    long = client.post("/v1/collections/kb/documents", json={"documents": [{"text": "x" * 200_000}]})
    assert long.status_code == 413
    assert client.get("/v1/collections/kb/documents").json()["documents"] == []


def test_names_of_files_are_only_names(client: Client) -> None:
    files = [("files", ("../../etc/passwd.md", b"xin"))]
    [accepted] = client.post("/v1/collections/kb/documents", files=files).json()["documents"]
    assert client.get(accepted["url"]).json()["filename"] == "passwd.md"


def test_documents_are_deleted_by_filter_and_by_state(filled: Client) -> None:
    def delete(**body: Any) -> Any:
        return filled.post("/v1/collections/kb/documents/delete", json=body).json()

    assert delete(filter={"year": {"gte": 2021}}) == {"deleted": 1, "more": False}
    assert filled.get("/v1/collections/kb/documents/d1").status_code == 404
    assert filled.post("/v1/collections/kb/documents/delete", json={}).status_code == 422
    assert delete(states=["failed"]) == {"deleted": 0, "more": False}
    assert delete(states=["ready"]) == {"deleted": 2, "more": False}
    assert search(filled, query="ngày")["hits"] == []


def test_metrics_count_documents_passages_and_tasks(filled: Client) -> None:
    filled.post("/v1/collections/kb/documents", json={"documents": [{"text": "mới"}]})
    lines = filled.get("/metrics").text.splitlines()
    assert 'phoserve_documents{state="ready"} 3.0' in lines
    assert 'phoserve_documents{state="queued"} 1.0' in lines
    assert "phoserve_passages 3.0" in lines
    assert 'phoserve_waiting_tasks{queue="interactive"} 1.0' in lines


def test_all_documents_are_indexed_again(filled: Client) -> None:
    assert filled.post("/v1/collections/kb/reindex").json() == {"queued": 3}
    record = filled.get("/v1/collections/kb/documents/d1").json()
    assert (record["state"], record["revision"], record["live_revision"]) == ("queued", 2, 1)
    assert filled.post("/v1/collections/kb/reindex", json={"states": ["failed"]}).json() == {"queued": 0}
    one = filled.post("/v1/collections/kb/documents/d1/reindex").json()
    assert one["revision"] == 3


def test_documents_by_id_are_those_that_exist(filled: Client) -> None:
    def found(**parameters: Any) -> list[str]:
        response = filled.get("/v1/collections/kb/documents", params=parameters).raise_for_status()
        assert response.json()["cursor"] is None
        return [each["id"] for each in response.json()["documents"]]

    assert found(id=["d3", "none", "d1", "d3"]) == ["d3", "d1"]
    assert found(id="d2", state="ready") == ["d2"]
    assert found(id="d2", state="failed") == []
    too_many = filled.get("/v1/collections/kb/documents", params={"id": [str(n) for n in range(201)]})
    assert too_many.status_code == 422
    name = "Quy định.md"
    file = {"files": (name, "Nội dung.".encode())}
    filled.post("/v1/collections/kb/documents", files=file, data={"id": unicodedata.normalize("NFD", name)})
    assert found(id=name) == found(id=unicodedata.normalize("NFD", name)) == [name]


def test_listing_pages_and_states(filled: Client) -> None:
    first = filled.get("/v1/collections/kb/documents", params={"limit": 2, "state": "ready"}).json()
    assert len(first["documents"]) == 2
    rest = filled.get("/v1/collections/kb/documents", params={"limit": 2, "cursor": first["cursor"]}).json()
    assert len(rest["documents"]) == 1
    assert rest["cursor"] is None
    assert filled.get("/v1/collections/kb/documents", params={"state": "failed"}).json()["documents"] == []


def test_ids_may_have_slashes_and_anything_printable(client: Client) -> None:
    for document_id in ("tập 1/2.md", "a/b/passages", "50% mới"):
        body = {"documents": [{"id": document_id, "text": "xin"}]}
        [accepted] = client.post("/v1/collections/kb/documents", json=body).json()["documents"]
        assert client.get(accepted["url"]).json()["id"] == document_id
        assert client.get(accepted["url"] + "/original").text == "xin"
        assert client.post(accepted["url"] + "/reindex").status_code == 202
        assert client.delete(accepted["url"]).status_code == 204


def test_a_deleted_document_is_not_found(filled: Client) -> None:
    assert filled.delete("/v1/collections/kb/documents/d1").status_code == 204
    assert filled.get("/v1/collections/kb/documents/d1").status_code == 404
    assert "d1" not in [hit["document_id"] for hit in search(filled, query="nghỉ phép")["hits"]]


@pytest.mark.parametrize("mode", ["hybrid", "dense", "lexical"])
def test_search_finds_by_every_mode(filled: Client, mode: str) -> None:
    answer = search(filled, query="nghỉ phép bao nhiêu ngày", mode=mode, top_k=1)
    [hit] = answer["hits"]
    assert hit["document_id"] == "d1"
    assert hit["text"][slice(*hit["highlights"][0])] == "nghỉ phép"
    assert {"total", "collection"} <= answer["timings_ms"].keys()
    assert (hit["dense_score"] is None) == (mode == "lexical")


def test_filters_hold(filled: Client) -> None:
    def ids(**where: Any) -> set[str]:
        return {hit["document_id"] for hit in search(filled, query="ngày", mode="dense", filter=where)["hits"]}

    assert ids(year={"gte": 2021}) == {"d1"}
    assert ids(year=[2020, 2024]) == {"d1", "d2"}
    assert ids(year={"exists": False}) == {"d3"}
    assert ids(**{"$not": {"dept": "it"}}) == {"d1", "d2"}
    assert ids(**{"$any": [{"dept": "it"}, {"year": 2020}]}) == {"d2", "d3"}
    assert ids(dept={"prefix": "i"}) == {"d3"}


def test_a_collection_has_its_own_weights(filled: Client) -> None:
    assert filled.get("/v1/collections/kb").json()["weights"] == {"dense": 0.3, "lexical": 0.7}
    weights = {"dense": 0.8, "lexical": 0.2}
    assert filled.put("/v1/collections/kb", json={"weights": weights}).json()["weights"] == weights
    assert filled.put("/v1/collections/kb", json={"description": "x"}).json()["weights"] == weights
    stored = search(filled, query="nghỉ phép ngày")["hits"]
    given = search(filled, query="nghỉ phép ngày", weights=weights)["hits"]
    assert [hit["score"] for hit in stored] == [hit["score"] for hit in given]
    other = search(filled, query="nghỉ phép ngày", weights={"dense": 0.1, "lexical": 0.9})["hits"]
    assert [hit["score"] for hit in stored] != [hit["score"] for hit in other]
    refused = filled.put("/v1/collections/kb", json={"weights": {"dense": 0, "lexical": 0}})
    assert refused.json()["errors"][0]["field"] == "weights"


def test_filters_on_titles(filled: Client, services: Services) -> None:
    titles = {"t1": "Nghị định 30 về văn thư", "t2": "Quy chế văn phòng"}
    documents = [{"id": id_, "title": title, "text": "mười ngày"} for id_, title in titles.items()]
    filled.post("/v1/collections/kb/documents", json={"documents": documents}).raise_for_status()
    with filled.portal() as portal:
        portal.call(index_queued, services)

    def ids(title: Any) -> set[str]:
        return {hit["document_id"] for hit in search(filled, query="ngày", filter={"$title": title})["hits"]}

    assert ids("van thu") == {"t1"}
    assert ids({"text": "VĂN"}) == {"t1", "t2"}
    assert ids({"prefix": "nghị định 3"}) == {"t1"}
    assert ids({"prefix": "quy", "text": "thư"}) == set()


def test_what_looks_like_a_mistake_is_mentioned(filled: Client) -> None:
    answer = search(filled, query="nghi phep", filter={"yaer": 2024})
    assert answer["hits"] == []
    assert "'yaer'" in answer["warnings"][0]
    assert search(filled, query="nghi phep", filter={"year": 2024})["warnings"] == []
    assert search(filled, query="nghi phep")["query_used"] == "nghỉ phép"
    assert search(filled, query="nghỉ phép")["query_used"] is None


def test_pages_do_not_overlap(filled: Client) -> None:
    first = search(filled, query="mười ngày", top_k=2)
    second = search(filled, query="mười ngày", top_k=2, offset=first["next_offset"])
    ids = [hit["passage_id"] for hit in first["hits"] + second["hits"]]
    assert len(ids) == len(set(ids)) == 3
    assert second["next_offset"] is None


async def test_passages_come_in_pages(client: Client, services: Services) -> None:
    text = "\n\n".join(f"# Mục {n}\n\nNhân viên được nghỉ {n} ngày." for n in range(150))
    client.put("/v1/collections/long").raise_for_status()
    sent = {"documents": [{"id": "d", "text": text, "metadata": {"s": "x" * 600}}]}
    client.post("/v1/collections/long/documents", json=sent).raise_for_status()
    await index_queued(services)
    path = "/v1/collections/long/documents/d/passages"
    whole = client.get(path).json()
    assert whole["next_offset"] is None
    assert [each["ordinal"] for each in whole["passages"]] == list(range(len(whole["passages"])))
    assert len(whole["passages"]) > 130
    for limit in (1, 63, 64, 65, 100, len(whole["passages"])):
        pages, offset = [], 0
        while offset is not None:
            page = client.get(path, params={"offset": offset, "limit": limit}).json()
            pages += page["passages"]
            assert len(page["passages"]) <= limit
            offset = page["next_offset"]
        assert pages == whole["passages"]
    assert client.get(path, params={"offset": 999}).json() == {"passages": [], "next_offset": None}
    assert client.get(path, params={"limit": 0}).status_code == 422


def test_a_threshold_leaves_the_rest_out(filled: Client) -> None:
    every = search(filled, query="nghỉ phép", mode="dense")["hits"]
    kept = search(filled, query="nghỉ phép", mode="dense", min_score=every[0]["score"])["hits"]
    assert [hit["document_id"] for hit in kept] == ["d1"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"query": " "}, "query"),
        ({}, "query"),
        ({"query": 5}, "query"),
        ({"query": "a", "topk": 5}, "topk"),
        ({"query": "a", "top_k": 0}, "top_k"),
        ({"query": "a", "top_k": 1000}, "top_k"),
        ({"query": "a", "top_k": "5"}, "top_k"),
        ({"query": "a", "mode": "magic"}, "mode"),
        ({"query": "a", "offset": 5000}, "offset"),
        ({"query": "a", "weights": {"dense": 0, "lexical": 0}}, "weights"),
        ({"query": "a", "rerank": True}, "rerank"),
        ({"query": "a", "filter": {"year": {"above": 3}}}, "filter.year"),
        ({"query": "a", "filter": {"year": None}}, "filter.year"),
        ({"query": "a", "filter": {"year": {"gte": True}}}, "filter.year.gte"),
        ({"query": "a", "filter": {"year": {"gte": 1, "lt": "2024-01-01"}}}, "filter.year"),
        ({"query": "a", "filter": {"$or": []}}, "filter"),
        ({"query": "a", "filter": {"a..b": 1}}, "filter"),
        ({"query": "a", "filter": {'a"b': 1}}, "filter"),
        ({"query": "a", "filter": {"a\\b": 1}}, "filter"),
        ({"query": "a", "filter": {"$all": []}}, "filter.$all"),
        ({"query": "a", "filter": {"n": 2**70}}, "filter.n"),
        ({"query": "a", "filter": {"n": {"prefix": 3}}}, "filter.n.prefix"),
        ({"query": "a", "filter": {"n": {"prefix": ""}}}, "filter.n.prefix"),
        ({"query": "a", "filter": {"$title": []}}, "filter.$title"),
        ({"query": "a", "filter": {"$title": {"eq": "a"}}}, "filter.$title"),
        ({"query": "a", "filter": {"$title": "?"}}, "filter.$title.text"),
        ({"query": "a", "diversity": 2}, "diversity"),
    ],
)
def test_bad_searches_name_the_field(client: Client, body: dict[str, Any], field: str) -> None:
    response = client.post("/v1/collections/kb/search", json=body)
    assert response.status_code == 422, response.text
    assert response.headers["content-type"].startswith("application/problem+json")
    assert [each["field"] for each in response.json()["errors"]] == [field]


def test_a_filter_nested_without_end_is_refused(client: Client) -> None:
    for depth in (20, 5000):
        nested = '{"$not": ' * depth + '{"a": 1}' + "}" * depth
        body = '{"query": "a", "filter": ' + nested + "}"
        response = client.post("/v1/collections/kb/search", content=body, headers={"Content-Type": "application/json"})
        assert response.status_code == 422, response.text


@pytest.mark.parametrize(
    ("documents", "status", "field"),
    [
        ([], 422, "documents"),
        ([{"text": " "}], 422, "documents[0].text"),
        ([{"text": "a"}, {"text": 5}], 422, "documents[1].text"),
        ([{"text": "a", "id": ""}], 422, "documents[0].id"),
        ([{"text": "a", "id": "x"}, {"text": "b", "id": "x"}], 422, "documents[0].id"),
        ([{"text": "a", "metadata": [1]}], 422, "documents[0].metadata"),
        ([{"text": "a"}, {"text": "a", "metadata": {"n": 2**64}}], 422, "documents[1].metadata.n"),
        ([{"text": "a", "metadata": {"long": "a" * 17_000}}], 422, "documents[0].metadata"),
        ([{"text": "a", "title": "a" * 1001}], 422, "documents[0].title"),
        ([{"text": "a", "tag": 1}], 422, "documents[0].tag"),
        ([{"text": "a"}] * 6, 413, None),
        ([{"text": "a" * 200_000}], 413, None),
    ],
)
def test_bad_documents_name_the_field(client: Client, documents: list[Any], status: int, field: str | None) -> None:
    response = client.post("/v1/collections/kb/documents", json={"documents": documents})
    assert response.status_code == status, response.text
    assert [each["field"] for each in response.json().get("errors", [])] == ([field] if field else [])


def test_unknown_things_are_404(client: Client) -> None:
    assert client.post("/v1/collections/no/search", json={"query": "a"}).status_code == 404
    assert client.post("/v1/collections/no/documents", json={"documents": [{"text": "a"}]}).status_code == 404
    assert client.get("/v1/collections/kb/documents/no").status_code == 404
    assert client.get("/v1/collections/no/events").status_code == 404
    assert client.put("/v1/collections/sổ").status_code == 422


def test_other_media_types_are_refused(client: Client) -> None:
    response = client.post("/v1/collections/kb/documents", content=b"<a/>", headers={"Content-Type": "text/xml"})
    assert response.status_code == 415
    assert client.post("/v1/collections/kb/documents", files={"other": ("a.txt", b"a")}).status_code == 422


def test_the_same_request_again_changes_nothing(client: Client) -> None:
    headers = {"Idempotency-Key": "k1"}
    body = {"documents": [{"text": "một"}]}
    first = client.post("/v1/collections/kb/documents", json=body, headers=headers).json()
    assert client.post("/v1/collections/kb/documents", json=body, headers=headers).json() == first


@pytest.mark.parametrize(
    ("asked", "status", "begin", "end"),
    [
        ("bytes=0-3", 206, 0, 4),
        ("bytes=5-", 206, 5, None),
        ("bytes=-4", 206, -4, None),
        ("bytes=1-999999", 206, 1, None),
        ("bytes=4-3", 200, 0, None),
        ("bytes=-", 200, 0, None),
        ("bytes=0-1,3-4", 200, 0, None),
        ("lines=0-1", 200, 0, None),
        ("bytes=\u0661-", 200, 0, None),
    ],
)
def test_a_range_of_an_original(filled: Client, asked: str, status: int, begin: int, end: int | None) -> None:
    whole = DOCUMENTS[0]["text"].encode()
    url = "/v1/collections/kb/documents/d1/original"
    response = filled.get(url, headers={b"Range": asked.encode()})
    expected = whole[begin:end]
    assert (response.status_code, response.content) == (status, expected or whole)
    assert response.headers["content-length"] == str(len(response.content))
    if status == 206:
        start = whole.index(expected)
        span = f"bytes {start}-{start + len(expected) - 1}/{len(whole)}"
        same = filled.get(url, headers={"Range": asked, "If-Range": response.headers["etag"]})
        changed = filled.get(url, headers={"Range": asked, "If-Range": '"other"'})
        assert (response.headers["content-range"], same.status_code, changed.status_code) == (span, 206, 200)


@pytest.mark.parametrize("asked", ["bytes=9999-", "bytes=9999-10000", "bytes=-0"])
def test_a_range_behind_the_end_of_an_original(filled: Client, asked: str) -> None:
    response = filled.get("/v1/collections/kb/documents/d1/original", headers={"Range": asked})
    assert response.status_code == 416
    assert response.headers["content-range"] == f"bytes */{len(DOCUMENTS[0]['text'].encode())}"


def test_a_value_of_a_form_may_be_a_file(client: Client) -> None:
    files = [("files", ("a.txt", b"a")), ("metadata", ("metadata.json", b'{"year": 2024}')), ("id", ("blob", b"one"))]
    client.post("/v1/collections/kb/documents", files=files).raise_for_status()
    assert client.get("/v1/collections/kb/documents/one").json()["metadata"] == {"year": 2024}


def test_a_file_of_another_field_is_refused_by_name(client: Client) -> None:
    files = [("files", ("a.txt", b"a")), ("file", ("b.txt", b"b"))]
    answer = client.post("/v1/collections/kb/documents", files=files)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "file"
    assert "`files`" in answer.text


def test_a_collection_has_a_limit_of_different_sets_of_groups(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phoserve.documents.access_changes.MAX_SETS", 2)
    path = "/v1/collections/kb/documents"
    shared = [{"id": f"s{n}", "text": "x", "access": [f"g{n}"]} for n in range(2)]
    client.post(path, json={"documents": [*shared, {"id": "open", "text": "x"}]}).raise_for_status()
    client.post(path, json={"documents": [{"text": "y", "access": ["g1"]}, {"text": "z"}]}).raise_for_status()
    refused = client.post(path, json={"documents": [{"text": "y", "access": ["g1", "g0"]}]})
    changed = client.patch(f"{path}/open", json={"access": ["g2"]})
    for each in (refused, changed):
        assert (each.status_code, each.json()["errors"][0]["field"]) == (422, "access")
    assert client.patch(f"{path}/open", json={"access": ["g0"]}).status_code == 200


def test_metadata_come_once(client: Client) -> None:
    parts: list[tuple[str, Any]] = [
        ("metadata", (None, '{"a": 1}')),
        ("metadata", (None, '{"a": 2}')),
        ("files", ("a.txt", b"x")),
    ]
    response = client.post("/v1/collections/kb/documents", files=parts)
    assert (response.status_code, response.json()["errors"][0]["field"]) == (422, "metadata")
