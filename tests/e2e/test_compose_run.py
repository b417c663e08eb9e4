"""deploy/compose.yaml run for real: up, upload, search, answer, down, up again with nothing lost.

Takes minutes and needs root, podman, podman-compose and the images of tests/support/containers/build.sh:
`PHOSERVE_CONTAINERS=1 python -m pytest tests/e2e/test_compose_run.py`.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.support.chart import ROOT
from tests.support.compose import HEALTHY, SUCCEEDED, conditions, start_stages
from tests.support.waiting import wait_until

CONTAINERS: Final = ROOT / "tests" / "support" / "containers"
PROJECT: Final = "phoserve-trial"
URL: Final = "http://127.0.0.1:8000"
TEXT: Final = "Bưu kiện được giao trong ba ngày làm việc. Phí giao hàng là 30.000 đồng."
SERVED: Final = ("api", "worker-interactive", "worker-bulk")
STAND_INS: Final = ("postgres", "redis", "qdrant", "triton")
IMAGES: Final = ("phoserve/api:trial", "phoserve/worker:trial", *(f"trial/{name}" for name in STAND_INS))


def unusable() -> str:
    """Why containers cannot be run here; "" if they can."""
    if not os.environ.get("PHOSERVE_CONTAINERS"):
        return "takes minutes: set PHOSERVE_CONTAINERS=1"
    missing = [program for program in ("podman", "podman-compose", "runc") if not shutil.which(program)]
    if os.geteuid() or missing:
        return f"needs root and {', '.join(missing) or 'podman'}"
    absent = [name for name in IMAGES if _run("podman", "image", "exists", f"localhost/{name}").returncode]
    return f"run tests/support/containers/build.sh first: no image {', '.join(absent)}" if absent else ""


def _run(*command: str | Path, folder: Path = ROOT, timeout_s: float = 120) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {"CONTAINERS_CONF": str(CONTAINERS / "containers.conf")}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=timeout_s
    )


def _has_succeeded(name: str) -> bool:
    state = _run("podman", "inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", name)
    return state.stdout.strip() == "exited 0"


def _is_healthy(name: str) -> bool:
    return _run("podman", "healthcheck", "run", name).returncode == 0


class Compose:
    """The project in a copy of `deploy/`, with secrets of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        outcome = _run("bash", folder / "secrets.sh")
        assert outcome.returncode == 0, outcome.stderr
        self.key = outcome.stdout.split()[-1]

    def compose(self, *arguments: str) -> None:
        """Run podman-compose."""
        files = ("-f", self._folder / "compose.yaml", "-f", CONTAINERS / "compose.yaml")
        outcome = _run(
            "podman-compose",
            "-p",
            PROJECT,
            *files,
            "--env-file",
            self._folder / ".env",
            *arguments,
            folder=self._folder,
        )
        assert outcome.returncode == 0, outcome.stdout + outcome.stderr

    def up(self) -> None:
        """Start everything in the order of `depends_on`, and wait until the API is ready.

        podman runs health checks by itself only under systemd, so the conditions are checked here. A service that needs
        another one which it does not name is started before that one, or with it, and fails.
        """
        checks = {HEALTHY: _is_healthy, SUCCEEDED: _has_succeeded}
        for stage in start_stages([*SERVED]):
            self.compose("up", "--detach", "--no-build", "--no-deps", *stage)
            for service in stage:
                if condition := conditions().get(service):
                    self.wait(service, checks[condition])
        self.wait("api", _is_healthy)

    def wait(self, service: str, holds: Callable[[str], bool]) -> None:
        """Wait until a service's container is as it should be; its log is the reason otherwise."""
        name = f"{PROJECT}_{service}_1"
        try:
            wait_until(lambda: holds(name), timeout_s=120)
        except BaseException:
            log = _run("podman", "logs", "--tail", "30", name)
            pytest.fail(f"{service}: {log.stdout}{log.stderr}")

    def client(self) -> httpx.Client:
        """A client with the key of the administrator."""
        return httpx.Client(base_url=URL, headers={"Authorization": f"Bearer {self.key}"}, timeout=30)


@pytest.fixture
def compose(tmp_path: Path) -> Iterator[Compose]:
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy", ignore=shutil.ignore_patterns(".env", "secrets"))
    project = Compose(tmp_path / "deploy")
    try:
        yield project
    finally:
        project.compose("down", "--volumes", "--timeout", "10")


def found(client: httpx.Client) -> list[dict[str, Any]]:
    """The hits of the question that the document answers."""
    answer = client.post("/v1/collections/kb/search", json={"query": "phí giao hàng bao nhiêu"}).raise_for_status()
    hits: list[dict[str, Any]] = answer.json()["hits"]
    return hits


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(bool(unusable()), reason=unusable())
def test_nothing_is_lost_from_down_to_up(compose: Compose) -> None:
    compose.up()
    with compose.client() as client:
        client.put("/v1/collections/kb", json={}).raise_for_status()
        sent = {"documents": [{"id": "phi", "text": TEXT, "metadata": {"loai": "phi"}}]}
        client.post("/v1/collections/kb/documents", json=sent).raise_for_status()
        wait_until(lambda: client.get("/v1/collections/kb/documents/phi").json()["state"] == "ready", timeout_s=120)
        before = client.get("/v1/collections/kb/documents/phi").json()
        assert found(client)[0]["document_id"] == "phi"
        answer = client.post(
            "/v1/collections/kb/answers", json={"question": "Phí giao hàng là bao nhiêu?"}
        ).raise_for_status()
        assert "30.000" in answer.text
    compose.compose("down", "--timeout", "20")
    compose.up()
    with compose.client() as client:
        assert client.get("/v1/collections/kb/documents/phi").json() == before
        assert client.get("/v1/collections/kb/documents/phi/original").text == TEXT
        assert found(client)[0]["document_id"] == "phi"
