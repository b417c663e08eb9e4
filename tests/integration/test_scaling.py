"""The measurement of search against the size of the collection, on a small one; only that it works, not how fast."""

import json
import subprocess
import sys
from pathlib import Path

from cli.commands.up import BUNDLED_MODEL
from loadtests.benchmark.results import Results
from loadtests.benchmark.texts import sample_passages, sample_queries
from tests.support.patience import patient


def test_a_collection_is_searched_in_every_way(tmp_path: Path) -> None:
    passages, queries, out = tmp_path / "passages.jsonl", tmp_path / "queries.jsonl", tmp_path / "out"
    rows = ({"id": str(number), "text": text} for number, text in enumerate(sample_passages()))
    passages.write_text("".join(json.dumps(row) + "\n" for row in rows))
    queries.write_text("".join(json.dumps({"query": text}) + "\n" for text in sample_queries()[:20]))
    command = [sys.executable, "-m", "loadtests.scaling", str(BUNDLED_MODEL), "--passages", str(passages)]
    command += ["--queries", str(queries), "--count", "40", "--count", "120", "--out", str(out)]
    subprocess.run(command, check=True, timeout=patient(90))
    found = {(key[2], key[1]): figures for key, figures in Results.read(out).medians().items()}
    for size in (40, 120):
        for name in ("dense, every vector", "dense, graph, 32 bits", "dense, graph, 8 bits"):
            assert found[name, f"{size} passages"]["recall_at_10"] > 0.99
        assert found["lexical", f"{size} passages"]["ms_p50"] > 0
    assert "Search latency by size of the collection" in (out / "report.html").read_text()
