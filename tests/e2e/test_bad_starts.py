"""Problems of the machine or the command are reported in one message, without a traceback."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.patience import patient
from tests.support.platform import Platform


def complaint(*arguments: str) -> str:
    """Return the standard error of `phoserve up` when it refuses to start."""
    command = [sys.executable, "-m", "cli", "up", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=patient(60), check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    return done.stderr


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert f"port {port} on 127.0.0.1 is in use" in complaint("--state", str(tmp_path), "--port", port)


def test_a_read_only_state_folder() -> None:
    assert "cannot be written" in complaint("--state", "/proc/phoserve")


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a full disk takes root")
def test_a_full_state_folder(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], check=False)
    if mounted.returncode != 0:
        pytest.skip("this machine may not mount")
    try:
        assert "is full" in complaint("--state", str(disk / "state"))
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_another_platform_on_the_same_state(platform: Platform) -> None:
    assert "another phoserve runs" in complaint("--state", str(platform.state), "--port", "0")


def test_a_public_address_without_keys(tmp_path: Path) -> None:
    assert "key" in complaint("--state", str(tmp_path), "--host", "0.0.0.0")  # noqa: S104 - it must be refused


def test_a_folder_that_is_no_model(tmp_path: Path) -> None:
    assert "phoserve export" in complaint("--state", str(tmp_path / "state"), "--model", str(tmp_path))
