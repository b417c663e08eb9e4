import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import cli.remote
from cli.commands.tune import read_labels
from cli.main import app
from phoserve.errors import InvalidInput, NotFound


class FakeApi:
    """A collection where dense search knows the answer and lexical search does not."""

    stored: dict[str, Any] | None = None

    def __init__(self, url: str, key: str | None) -> None:
        pass

    def get(self, path: str) -> dict[str, Any]:
        if path.endswith("/missing"):
            raise NotFound("no document")
        return {"weights": {"dense": 0.1, "lexical": 0.9}}

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        right = body["query"].removeprefix("q")
        order = [right, "x", "y"] if body["mode"] == "dense" else ["y", "x"]
        return {"hits": [{"document_id": each, "score": 3.0 - rank} for rank, each in enumerate(order)]}

    def put(self, path: str, body: dict[str, Any]) -> None:
        FakeApi.stored = body


def labelled(folder: Path, count: int) -> Path:
    path = folder / "q.jsonl"
    path.write_text("".join(json.dumps({"query": f"q{n}", "document_id": str(n)}) + "\n" for n in range(count)))
    return path


def test_better_weights_are_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli.remote, "ApiClient", FakeApi)
    result = CliRunner().invoke(app, ["tune", "-c", "kb", "--queries", str(labelled(tmp_path, 60)), "--json"])
    assert result.exit_code == 0, result.output
    assert FakeApi.stored is not None
    assert FakeApi.stored["weights"]["dense"] > 0.5


def test_a_few_queries_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli.remote, "ApiClient", FakeApi)
    result = CliRunner().invoke(app, ["tune", "-c", "kb", "--queries", str(labelled(tmp_path, 5))])
    assert isinstance(result.exception, InvalidInput)


def test_several_documents_may_answer_a_query(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text('{"query": "a", "document_id": "1"}\n{"query": "a", "document_id": "2"}\n')
    assert read_labels(path) == {"a": {"1", "2"}}


@pytest.mark.parametrize(
    "content",
    [
        "query,document_id\na,1\na,2\n",
        "\ufeffQuery;Document_ID;note\r\na;1;x\r\n;;\r\n a ;2;\r\n",
        'document_id\tquery\n1\t"a"\n2\ta\n',
    ],
)
def test_labels_come_as_tables(tmp_path: Path, content: str) -> None:
    path = tmp_path / "q.csv"
    path.write_text(content, encoding="utf-8", newline="")
    assert read_labels(path) == {"a": {"1", "2"}}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("q.csv", b"question,document_id\na,1\n", "line 1: the header lacks 'query'; it has 'question', 'document_id'"),
        ("q.csv", b"", "the header lacks 'query', 'document_id'; it has no column"),
        ("q.csv", b"query,document_id\n", "has no rows"),
        ("q.csv", b"query,document_id\na\n", "line 2: Object missing required field `document_id`"),
        ("q.csv", b"query,document_id\n,1\n", "line 2: "),
        ("q.csv", "query,document_id\nnghỉ,1\n".encode("utf-16"), "line 1: the file is not UTF-8"),
        ("q.csv", b'query,document_id\n"a,1\n', "line "),
        ("q.jsonl", b'{"query": "a", "document_id": "1"}\n\n{"query": 1}\n', "line 3: "),
        ("q.jsonl.gz", b"no gzip", "cannot be read"),
    ],
)
def test_bad_labels_are_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=message):
        read_labels(path)


def test_labels_of_missing_documents_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli.remote, "ApiClient", FakeApi)
    path = labelled(tmp_path, 60)
    path.write_text(path.read_text() + '{"query": "b", "document_id": "missing"}\n')
    result = CliRunner().invoke(app, ["tune", "-c", "kb", "--queries", str(path)])
    assert isinstance(result.exception, InvalidInput)
    assert "'missing'" in str(result.exception)
