"""Alerts and dashboards ask for metrics that the programs really report, and every alert has its page."""

import json
import re
from functools import cache
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import pytest
import yaml

from api.admission import AdmissionGates
from api.keys import KeyFile
from api.metrics import Metrics
from ingest.metrics import IngestMetrics
from phoserve.serving import COUNTERS, GAUGES
from phoserve.settings import LimitSettings
from tests.support.chart import CHART, ROOT
from tests.support.embedders import WordHashEmbedder

# Of Triton itself; test_triton_process asks the real server for them.
TRITON = {
    "nv_gpu_memory_total_bytes",
    "nv_gpu_memory_used_bytes",
    "nv_gpu_utilization",
    "nv_inference_request_duration_us",
    "nv_inference_request_failure",
    "nv_inference_request_success",
}
WORDS = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
DASHBOARDS = sorted((CHART / "dashboards").glob("*.json"))


@cache
def known() -> set[str]:
    """Every time series' name."""
    names = {f"phoserve_{name}" for name in COUNTERS | GAUGES} | TRITON
    with NamedTemporaryFile() as file:
        file.write(b"[]")
        file.flush()
        key_file = KeyFile(Path(file.name))
    metrics = Metrics(AdmissionGates.of(LimitSettings()), [WordHashEmbedder()], key_file)
    for family in (*metrics.registry.collect(), *IngestMetrics().registry.collect()):
        names |= {family.name, *(sample.name for sample in family.samples)}
        if family.type == "counter":
            names.add(f"{family.name}_total")
        if family.type == "histogram":
            names |= {f"{family.name}_{part}" for part in ("bucket", "count", "sum")}
    return names


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def queries() -> list[tuple[str, str]]:
    found = [(alert["alert"], alert["expr"]) for alert in alerts()]
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text())["panels"]:
            found += [(f"{path.stem}: {panel['title']}", target["expr"]) for target in panel["targets"]]
    return found


@pytest.mark.parametrize(("where", "query"), queries(), ids=[where for where, _ in queries()])
def test_queries_ask_for_what_is_reported(where: str, query: str) -> None:
    bare = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]', "", query)
    asked = {word for word in WORDS.findall(bare) if word.startswith(("phoserve_", "nv_", "process_"))}
    assert asked, "a query without a metric"
    assert asked <= known(), f"{where} asks for {asked - known()}"
    for opening, closing in ("()", "{}", "[]"):
        assert query.count(opening) == query.count(closing), where


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_every_alert_has_its_section(alert: dict[str, Any]) -> None:
    page, _, anchor = alert["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^#+ (.+)$", (ROOT / page).read_text(), flags=re.MULTILINE)
    assert anchor in {heading.lower().replace(" ", "-") for heading in headings}
    assert alert["labels"]["severity"] in {"critical", "warning"}


def test_dashboards_are_told_apart() -> None:
    boards = [json.loads(path.read_text()) for path in DASHBOARDS]
    assert len({board["uid"] for board in boards}) == len(boards) >= 2
    for board in boards:
        assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_pages_that_pages_speak_of_exist() -> None:
    for page in (ROOT / "docs" / "operations.md", ROOT / "docs" / "deploy-aws.md", CHART / "README.md"):
        for path in re.findall(r"`((?:docs|deploy|helm)/[\w./-]+\.\w+)`", page.read_text()):
            assert (ROOT / path).exists(), f"{page.name} speaks of {path}"
