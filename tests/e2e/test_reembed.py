"""`phoserve reembed` on a local platform: the same documents, found by another model."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import export.bundled
from phoserve.contract import load_contract
from tests.e2e.test_main_job import document_states
from tests.support.model_folder import write_model_folder
from tests.support.platform import Platform
from tests.support.waiting import wait_until

BUNDLED = Path(export.bundled.__path__[0])
DOCUMENTS = [{"id": f"d{number}", "text": f"Nhân viên nghỉ phép {number} ngày."} for number in range(20)]


def phoserve(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "cli", *arguments], capture_output=True, text=True, check=False)


def search(platform: Platform) -> list[dict[str, Any]]:
    with platform.client() as http:
        body = {"query": "Nhân viên nghỉ phép 7 ngày", "top_k": 5, "mode": "dense"}
        hits: list[dict[str, Any]] = http.post("/v1/collections/kb/search", json=body).raise_for_status().json()["hits"]
        return hits


def test_another_model_takes_over_what_is_there(state: Path, tmp_path: Path) -> None:
    write_model_folder(tmp_path / "tiny")
    with Platform(state, "--no-samples", "--model", str(tmp_path / "tiny")) as platform, platform.client() as http:
        http.put("/v1/collections/kb").raise_for_status()
        http.post("/v1/collections/kb/documents", json={"documents": DOCUMENTS}).raise_for_status()
        wait_until(lambda: set(document_states(http, "kb").values()) == {"ready"}, timeout_s=60)
        running = phoserve("reembed", "--state", str(state), "--model", str(BUNDLED))
        assert "another phoserve runs on" in running.stderr
    refused = phoserve("up", "--state", str(state), "--model", str(BUNDLED), "--port", "0")
    assert refused.returncode == 1
    assert "phoserve reembed" in refused.stderr
    done = phoserve("reembed", "--state", str(state), "--model", str(BUNDLED), "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["event"], told["documents"], told["queued"]) == ("reembedded", len(DOCUMENTS), 0)
    assert told["model"] == load_contract(BUNDLED).fingerprint
    with Platform(state, "--no-samples", "--model", str(BUNDLED)) as platform:
        assert search(platform)[0]["document_id"] == "d7"
