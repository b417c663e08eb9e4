"""`phoserve documents` and `phoserve collections` against the running platform."""

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.platform import Platform
from tests.support.waiting import wait_until

FILES = {"phòng 1/quy định.md": "# Quy định\n\nGiữ trật tự.", "rỗng.md": " "}
IDS = {
    "../../thoát": "Văn bản một.",
    "/opt/x": "Văn bản hai.",
    "a//b": "Ba.",
    "...": "Bốn.",
    "x": "Năm.",
    "x.txt/y": "Sáu.",
    "ă" * 256: "Bảy.",
}


def run(platform: Platform, *arguments: str, typed: str = "", status: int = 0) -> str:
    """The output of one command."""
    command = [sys.executable, "-m", "cli", *arguments, "--url", platform.url]
    outcome = subprocess.run(command, input=typed, capture_output=True, text=True, check=False)
    assert outcome.returncode == status, outcome.stdout + outcome.stderr
    assert "Traceback" not in outcome.stderr
    return outcome.stdout + outcome.stderr


@pytest.fixture(scope="module")
def collection(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("kho")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    run(platform, "ingest", str(folder), "-c", "commands", status=1)
    with platform.client() as http:
        documents = [{"id": id_, "text": text} for id_, text in IDS.items()]
        http.post("/v1/collections/commands/documents", json={"documents": documents}).raise_for_status()
        counts = {"ready": len(IDS) + 1, "failed": 1}
        wait_until(lambda: http.get("/v1/collections/commands").json()["documents"] == counts)
    return "commands"


def test_documents_are_listed_with_their_failures(platform: Platform, collection: str) -> None:
    listed = run(platform, "documents", "list", "-c", collection)
    assert "phòng 1/quy định.md  ready  1 passages  Quy định" in listed
    failed = run(platform, "documents", "list", "-c", collection, "--state", "failed", "--json")
    [record] = [json.loads(line) for line in failed.splitlines()]
    assert (record["id"], record["error"]["code"]) == ("rỗng.md", "empty")
    assert "queued" in run(platform, "documents", "list", "-c", collection, "--state", "lost", status=2)


def test_an_export_has_every_original_below_its_folder(platform: Platform, collection: str, tmp_path: Path) -> None:
    folder = tmp_path / "ra" / "ngoài"
    assert f"{len(FILES) + len(IDS)} documents" in run(
        platform, "documents", "export", "-c", collection, "--to", f"{folder}"
    )
    records = [json.loads(line) for line in (folder / "documents.jsonl").read_text(encoding="utf-8").splitlines()]
    originals = folder / "originals"
    found = {each["id"]: (originals / each["file"]).read_text(encoding="utf-8") for each in records}
    assert found == FILES | IDS
    assert all((originals / each["file"]).resolve().is_relative_to(originals.resolve()) for each in records)
    assert [each.name for each in tmp_path.iterdir()] == ["ra"]
    assert (originals / "phòng 1" / "quy định.md").is_file()
    assert "is not empty" in run(platform, "documents", "export", "-c", collection, "--to", f"{folder}", status=1)


def test_deleting_asks_for_collections(platform: Platform, http: httpx.Client, collection: str) -> None:
    assert f"{collection} " in run(platform, "collections", "list")
    assert "1 deleted" in run(platform, "documents", "delete", "phòng 1/quy định.md", "-c", collection)
    assert "does not exist" in run(platform, "documents", "delete", "phòng 1/quy định.md", "-c", collection, status=1)
    run(platform, "collections", "delete", collection, typed="n\n", status=1)
    assert http.get(f"/v1/collections/{collection}").status_code == 200
    run(platform, "collections", "delete", collection, "--yes")
    assert http.get(f"/v1/collections/{collection}").status_code == 404
