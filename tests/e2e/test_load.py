"""Every Locust user of the API for a few seconds against the real platform; only that it works, not how fast."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.platform import Platform

LOCUSTFILE = Path(__file__).parents[2] / "loadtests" / "locustfile.py"


def locust(platform: Platform, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "locust", "--locustfile", str(LOCUSTFILE), "--host", platform.url, "--headless"]
    common = ["--users", "6", "--spawn-rate", "6", "--run-time", "5s", "--only-summary"]
    return subprocess.run([*command, *common, *arguments], capture_output=True, text=True, check=False, timeout=90)


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
