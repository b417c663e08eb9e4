"""An S3 service on loopback, with one bucket: moto's server in a process of its own."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.support.patience import patient
from tests.support.waiting import wait_until

BUCKET = "originals"


@contextmanager
def s3_server() -> Iterator[dict[str, str]]:
    """The variables that lead a client to the service."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ})
    try:
        wait_until(lambda: _is_up(url), timeout_s=60)
        httpx.put(f"{url}/{BUCKET}").raise_for_status()
        yield {
            "AWS_ENDPOINT_URL": url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }
    finally:
        process.kill()
        process.wait()


def _is_up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/moto-api/", timeout=patient(2)).is_success
    except httpx.TransportError:
        return False
