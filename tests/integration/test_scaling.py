"""The measurement of a growing index, on a small one: that it works, not how fast."""

import json
import lzma
import random
import subprocess
import sys
from pathlib import Path

from cli.commands.up import BUNDLED_MODEL
from loadtests.benchmark.results import Results
from loadtests.benchmark.texts import sample_passages, sample_queries
from tests.support.patience import patient


def test_an_index_is_measured_as_it_grows(tmp_path: Path) -> None:
    texts, queries, out = tmp_path / "texts.jsonl.xz", tmp_path / "queries.jsonl", tmp_path / "out"
    with lzma.open(texts, "wt", encoding="utf-8") as file:
        words, chance = " ".join(sample_passages()).split(), random.Random(0)
        for number in range(400):
            text = " ".join(chance.sample(words, 250))
            row = {"text": text} if number % 2 else {"lead": text, "body": text}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    queries.write_text("".join(json.dumps({"query": text}) + "\n" for text in sample_queries()[:20]))
    command = [sys.executable, "-m", "loadtests.scaling", str(BUNDLED_MODEL), "--texts", str(texts)]
    command += ["--queries", str(queries), "--count", "500", "--count", "1200", "--out", str(out)]
    subprocess.run([*command, "--phase-s", "2"], check=True, timeout=patient(120))
    found = {(key[2], key[1]): figures for key, figures in Results.read(out).medians().items()}
    for size in ("500", "1,200"):
        for mode in ("dense", "lexical", "hybrid"):
            figures = found[mode, f"{size} passages"]
            assert figures["ms_p50"] > 0 < figures["engine_core_ms"]
        index = found["index", f"{size} passages"]
        assert index["recall_at_10"] > 0.97
        assert index["building_ms_p95"] > 0 < index["restart_s"]
    assert "Search latency by size of the collection" in (out / "scaling.svg").read_text()
