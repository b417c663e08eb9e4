"""`phoserve ingest` against the running platform: folders, patterns, lines; a second run sends only what is new."""

import json
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.platform import Platform

FILES = 40


def run(platform: Platform, *arguments: str, lines: str = "", status: int = 0) -> dict[str, Any]:
    """The summary of one run."""
    command = [sys.executable, "-m", "cli", "ingest", *arguments, "--url", platform.url, "--json"]
    outcome = subprocess.run(command, input=lines, capture_output=True, text=True, check=False)
    assert outcome.returncode == status, outcome.stderr
    events = [json.loads(line) for line in outcome.stdout.splitlines()]
    assert events[-1]["event"] == "ingested"
    failures = {each["id"]: each["reason"] for each in events if each["event"] == "failed"}
    return {name: events[-1][name] for name in ("sent", "unchanged", "pruned", "failed")} | {"failures": failures}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "kho"
    for number in range(FILES):
        path = root / f"phòng {number % 3}" / f"{number}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# Quy định {number}\n\nNhân viên được nghỉ phép {number} ngày.")
    (root / ".hidden").mkdir()
    (root / ".hidden" / "x.md").write_text("không gửi")
    return root


def test_a_folder_is_sent_once_and_changes_follow(platform: Platform, http: httpx.Client, folder: Path) -> None:
    (folder / "rỗng.md").write_text(" ")
    first = run(platform, str(folder), "-c", "folder", "--metadata", '{"dept": "hr"}', status=1)
    assert (first["sent"], first["unchanged"], first["failed"]) == (FILES + 1, 0, 1)
    assert "no text" in first["failures"]["rỗng.md"]
    counts = http.get("/v1/collections/folder").json()["documents"]
    assert counts == {"ready": FILES, "failed": 1}
    (folder / "rỗng.md").unlink()
    again = run(platform, str(folder), "-c", "folder", "--metadata", '{"dept": "hr"}')
    assert (again["sent"], again["unchanged"]) == (0, FILES)
    (folder / "phòng 1" / "1.md").write_text("# Quy định mới\n\nNghỉ phép một trăm ngày.")
    changed = run(platform, str(folder), "-c", "folder", "--metadata", '{"dept": "hr"}')
    assert (changed["sent"], changed["unchanged"]) == (1, FILES - 1)
    record = http.get("/v1/collections/folder/documents/ph%C3%B2ng%201%2F1.md").json()
    assert (record["state"], record["revision"], record["metadata"]) == ("ready", 2, {"dept": "hr"})


def test_a_second_run_waits_for_what_an_interrupted_one_sent(
    platform: Platform, http: httpx.Client, folder: Path
) -> None:
    (folder / "rỗng.md").write_text(" ")
    sent = run(platform, str(folder), "-c", "interrupted", "--no-wait")
    assert sent["sent"] == FILES + 1
    again = run(platform, str(folder), "-c", "interrupted", status=1)
    assert again["failed"] == 1
    assert again["sent"] + again["unchanged"] == FILES + 1
    counts = http.get("/v1/collections/interrupted").json()["documents"]
    assert counts == {"ready": FILES, "failed": 1}


def test_pruning_follows_files_that_were_renamed_or_deleted(
    platform: Platform, http: httpx.Client, folder: Path
) -> None:
    decomposed = unicodedata.normalize("NFD", "Đơn nghỉ phép.md")
    (folder / decomposed).write_text("# Đơn\n\nNgười nộp đơn ký tên.")
    assert run(platform, str(folder), "-c", "pruned")["sent"] == FILES + 1
    (folder / "phòng 1" / "1.md").rename(folder / "phòng 1" / "một.md")
    (folder / "phòng 2" / "2.md").unlink()
    again = run(platform, str(folder), "-c", "pruned", "--prune")
    assert (again["sent"], again["unchanged"], again["pruned"]) == (1, FILES - 1, 2)
    assert http.get("/v1/collections/pruned").json()["documents"] == {"ready": FILES}
    assert http.get("/v1/collections/pruned/documents/ph%C3%B2ng%201%2F1.md").status_code == 404


def test_patterns_and_lines(platform: Platform, http: httpx.Client, folder: Path) -> None:
    matched = run(platform, f"{folder}/**/1*.md", "-c", "patterns")
    assert matched["sent"] == sum(str(number).startswith("1") for number in range(FILES))
    lines = "\n".join(json.dumps({"id": f"l{n}", "text": f"Điều {n}", "metadata": {"n": n}}) for n in range(250))
    assert run(platform, "-", "-c", "lines", lines=lines)["sent"] == 250
    assert http.get("/v1/collections/lines").json()["documents"] == {"ready": 250}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["/nowhere/*.pdf", "-c", "bad"], "matches no file"),
        (["-", "-c", "bad"], "line 1 is not JSON"),
        (["-", "-c", "không được"], "a collection name"),
        (["-", "-c", "bad", "--prune"], "--prune needs one folder"),
        (["-", "-c", "bad", "--metadata", "[]"], "--metadata must be a JSON object"),
    ],
)
def test_bad_calls_say_what_is_wrong(platform: Platform, arguments: list[str], said: str) -> None:
    command = [sys.executable, "-m", "cli", "ingest", *arguments, "--url", platform.url]
    outcome = subprocess.run(command, input="{", capture_output=True, text=True, check=False)
    assert outcome.returncode == 1
    assert said in outcome.stderr
    assert "Traceback" not in outcome.stderr
