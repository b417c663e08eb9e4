"""Every load test for a few seconds against the real platform; only that it works, not how fast."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.patience import patient
from tests.support.platform import Platform

LOCUSTFILE = Path(__file__).parents[2] / "loadtests" / "locustfile.py"


def locust(platform: Platform, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "locust", "--locustfile", str(LOCUSTFILE), "--host", platform.url, "--headless"]
    common = ["--users", "6", "--spawn-rate", "6", "--run-time", "5s", "--only-summary"]
    return subprocess.run(
        [*command, *common, *arguments], capture_output=True, text=True, check=False, timeout=patient(90)
    )


def test_users_of_the_api_get_answers(platform: Platform) -> None:
    outcome = locust(platform, "SearchUser", "EmbeddingsUser", "AnswersUser", "IngestUser", "--users", "11")
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    for name in ("search hybrid", "embeddings, one query", "answers", "documents, added"):
        assert name in outcome.stdout + outcome.stderr


@pytest.mark.parametrize(("limit", "code"), [("60000", 0), ("0.001", 1)])
def test_thresholds_decide_how_an_open_loop_ends(platform: Platform, limit: str, code: int) -> None:
    outcome = locust(platform, "ArrivalsUser", "--users", "1", "--arrivals-per-s", "5", "--max-p95-ms", limit)
    assert outcome.returncode == code, outcome.stdout + outcome.stderr
    assert ("threshold: p95" in outcome.stdout) == bool(code)


@pytest.fixture
def queries(tmp_path: Path) -> Path:
    file = tmp_path / "queries.jsonl"
    asked = [{"query": f"nghỉ phép {number} ngày", "positive_id": "none"} for number in range(20)]
    file.write_text("\n".join(map(json.dumps, asked)))
    return file


def script(name: str, platform: Platform, queries: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", f"loadtests.{name}", "--url", platform.url, "--collection", "samples"]
    outcome = subprocess.run(
        [*command, "--queries", str(queries), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=patient(90),
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    return outcome.stdout


def test_overload_tells_what_was_answered_and_what_was_refused(
    platform: Platform, queries: Path, tmp_path: Path
) -> None:
    short = ("--seconds", "0.5", "--rounds", "1", "--shares", "0.5", "2", "--out", str(tmp_path / "out"))
    told = script("overload", platform, queries, *short)
    medians = [json.loads(line.split(": ", 1)[1]) for line in told.splitlines() if line.startswith("median")]
    assert [each["errors"] for each in medians] == [0, 0]
    assert all(0 < each["goodput"] <= 1 for each in medians)
    assert (tmp_path / "out" / "report.html").stat().st_size


def test_a_soak_tells_the_memory_of_every_part(platform: Platform, queries: Path) -> None:
    told = json.loads(script("soak", platform, queries, "--pid", str(platform.processes()[0]), "--minutes", "0.05"))
    with platform.client() as http:
        assert http.delete("/v1/collections/soak").is_success
    assert told["statuses"].keys() == {"200", "202"}
    assert {"total", "server", "engine", "tritonserver"} <= told["mb"].keys()
    assert all(part["first"] > 0 for part in told["mb"].values())


def test_attacks_cause_no_fault_and_no_late_request(platform: Platform) -> None:
    command = [sys.executable, "-m", "loadtests.attack", "--url", platform.url, "--collection", "samples"]
    short = ["--seconds", "2", "--per-s", "5", "--clients", "2", "--max-ratio", "1000"]
    outcome = subprocess.run([*command, *short], capture_output=True, text=True, check=False, timeout=patient(120))
    rows = [json.loads(line) for line in outcome.stdout.splitlines()]
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert len(rows) == 6
    assert all(row["searches"] == 10 and row["late"] == 0 and not row["faults"] for row in rows)
