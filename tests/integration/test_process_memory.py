"""Another process of the same user, such as a parser on a kernel without Landlock, reads nothing of the API."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from phoserve.adapters import process_memory

NOBODY = 65534
ENVIRONMENT = {"PATH": os.environ["PATH"], "SECRET": "bí mật"}
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc is of Linux")


@contextmanager
def process(*, is_closed: bool, user: int | None) -> Iterator[int]:
    """Run a process with a secret in its environment, for its id."""
    code = Path(process_memory.__file__).read_text(encoding="utf-8") if is_closed else "close_memory = print"
    command = ["/usr/bin/env", "python3", "-I", "-c", f"{code}\nclose_memory(); print('ready', flush=True); input()"]
    started = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT, user=user, cwd="/"
    )
    with started as running:
        assert running.stdout is not None
        while (line := running.stdout.readline().strip()) != "ready":
            assert line == "", "the process did not start"
            assert running.poll() is None, "the process did not start"
        try:
            yield running.pid
        finally:
            running.kill()


@pytest.mark.parametrize("name", ["environ", "mem", "maps", "fd", "cwd", "root"])
def test_a_closed_process_is_not_read(name: str) -> None:
    user = NOBODY if os.geteuid() == 0 else None
    if user is not None and subprocess.run(["/usr/bin/env", "python3", "-c", ""], user=user, check=False).returncode:
        pytest.skip("no other user can run this Python")
    for is_closed in (False, True):
        with process(is_closed=is_closed, user=user) as process_id:
            place = f"/proc/{process_id}/{name}"
            read = {"fd": ["ls", place], "cwd": ["readlink", place], "root": ["readlink", place]}
            command = read.get(name, ["head", "-c", "0", place])
            done = subprocess.run(command, user=user, capture_output=True, check=False)
            assert (done.returncode != 0) == is_closed, done.stderr
