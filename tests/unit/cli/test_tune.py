import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import cli.remote
from cli.commands.tune import read_labels
from cli.main import app
from phoserve.errors import InvalidInput


class FakeApi:
    """A collection where dense search knows the answer and lexical search does not."""

    stored: dict[str, Any] | None = None

    def __init__(self, url: str, key: str | None) -> None:
        pass

    def get(self, path: str) -> dict[str, Any]:
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
