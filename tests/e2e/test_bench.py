"""`phoserve bench` for a moment against the real platform; only that it works, not how fast."""

import subprocess
import sys
from pathlib import Path

from loadtests.benchmark.results import Results
from tests.support.patience import patient


def bench(*arguments: str) -> str:
    command = [sys.executable, "-m", "cli", "bench", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=patient(120)).stdout


def test_the_platform_is_measured_beside_its_limit(tmp_path: Path) -> None:
    out = tmp_path / "out"
    bench("--out", str(out), "--workload", "queries", "--clients", "2", "--rounds", "1", "--seconds", "0.5")
    (served, figures), (limit, of_limit) = Results.read(out).medians().items()
    assert served == ("embedding", "query", "phoserve int8", 2)
    assert limit == ("embedding", "query", "onnxruntime int8", 0)
    assert figures["errors"] == 0
    assert figures["core_ms_server"] > 0
    assert 0 < figures["texts_per_s"] < of_limit["texts_per_s"]
    assert (out / "report.html").exists()
    assert "1.00" in bench("--compare", str(out), str(out))
