"""Valid and invalid requests get the responses of the OpenAPI document, and never a 500."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api.keys import FixedKeys, Role, new_key
from tests.integration.api.conftest import fill
from tests.support.live import live_api, live_services
from tests.support.patience import patient

ADMIN, ENTRY = new_key("root", Role.ADMIN)
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
# Names that exist, so that requests get past the first 404; {kb} is deleted and made again on the way.
CONFIG = """
[parameters]
collection = "kb"
document_id = "pay"
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    services = live_services(tmp_path_factory.mktemp("model"), keys=FixedKeys((ENTRY,)))
    with live_api(services) as url:
        yield url


def run(url: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    config = folder / "schemathesis.toml"
    config.write_text(CONFIG)
    schema = folder / "schema.json"
    schema.write_bytes(httpx.get(f"{url}/schema", headers={"Authorization": f"Bearer {ADMIN}"}).content)
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run", str(schema), "--url", url]
    # An event stream has no end to wait for; it has tests of its own.
    common = ["--checks", CHECKS, "--exclude-path-regex", "events$", "--request-timeout", "30", "--seed", "1"]
    common += ["--suppress-health-check", "filter_too_much"]  # of its own generators
    budget = ["--phases", "coverage,fuzzing", "--max-examples", "20"]
    return subprocess.run(
        [*command, *common, *budget, *arguments],
        capture_output=True,
        text=True,
        timeout=patient(280),
        check=False,
        cwd=folder,
    )


def test_with_a_key(url: str, tmp_path: Path) -> None:
    fill(url, headers={"Authorization": f"Bearer {ADMIN}"})
    done = run(url, tmp_path, "--header", f"Authorization: Bearer {ADMIN}")
    operations = sum(map(len, json.loads((tmp_path / "schema.json").read_bytes())["paths"].values()))
    assert done.returncode == 0, done.stdout[-6000:]
    assert f"{operations - 1}/{operations}" in done.stdout  # all but the endless stream


def test_without_a_key(url: str, tmp_path: Path) -> None:
    done = run(url, tmp_path)
    assert done.returncode == 0, done.stdout[-6000:]
    assert httpx.get(f"{url}/v1/collections").status_code == 401
