"""Triton is down: requests get Retry-After, it recovers soon, and no posted document is lost."""

import os
import signal
import time
from pathlib import Path

from tests.support.patience import patient
from tests.support.platform import Platform
from tests.support.waiting import wait_until


def triton_of(platform: Platform) -> int:
    """The process id of the platform's Triton server."""
    for pid in platform.processes():
        try:
            if Path(f"/proc/{pid}/comm").read_text().strip() == "tritonserver":
                return pid
        except OSError:
            continue
    return 0


def test_a_dead_triton_comes_back(state: Path) -> None:
    with Platform(state, "--no-samples") as platform, platform.client() as http:
        http.put("/v1/collections/kb", json={}).raise_for_status()
        killed = triton_of(platform)
        os.kill(killed, signal.SIGKILL)
        body = {"model": "phoserve", "input": "xin chào"}
        asked = time.monotonic()
        refused = http.post("/v1/embeddings", json=body)
        assert time.monotonic() - asked < patient(5), "a hang is no answer"
        assert refused.status_code == 503
        assert int(refused.headers["Retry-After"]) >= 1
        assert http.get("/health/live").status_code == 200
        assert http.get("/health/ready").status_code == 503
        posted = http.post("/v1/collections/kb/documents", json={"documents": [{"id": "d1", "text": "Xin chào Huế."}]})
        assert posted.status_code == 202
        wait_until(lambda: http.post("/v1/embeddings", json=body).status_code == 200, timeout_s=60)
        assert triton_of(platform) not in (0, killed)
        wait_until(lambda: http.get("/v1/collections/kb/documents/d1").json()["state"] == "ready", timeout_s=60)
