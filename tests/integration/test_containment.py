"""What runs in the parser's process reaches neither the network nor other files nor other processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ingest.parsing.containment import supported

ROOT = Path(__file__).parents[2]
SUPPORTED = supported()
landlock = pytest.mark.skipif("landlock" not in SUPPORTED, reason="this kernel has no Landlock")
seccomp = pytest.mark.skipif("seccomp" not in SUPPORTED, reason="this kernel has no seccomp filters")


def run(workspace: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Run `code` in a confined process like the parser's."""
    confined = f"import pathlib, ingest.parsing.containment as c; c.confine(pathlib.Path({str(workspace)!r}))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", f"{confined}\n{code}"]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    path = folder / "secret.txt"
    path.write_text("bí mật")
    return path


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    (folder / "original").write_text("nội dung")
    return folder


@landlock
@pytest.mark.parametrize(
    "attempt",
    [
        "open({secret!r}).read()",
        "import os; os.listdir(os.path.dirname({secret!r}))",
        "open({secret!r}, 'w').write('x')",
        "import os; os.unlink({secret!r})",
        "open('/proc/{parent}/environ').read()",
        "import subprocess; subprocess.run(['cat', {secret!r}], check=True)",
        "import os; os.symlink({secret!r}, 'link') or open('link').read()",
        "open('/tmp/phoserve-escape', 'w')",
    ],
)
def test_other_files_are_out_of_reach(workspace: Path, secret: Path, attempt: str) -> None:
    code = attempt.replace("{secret!r}", repr(str(secret))).replace("{parent}", str(os.getpid()))
    done = run(workspace, f"import os\nos.chdir({str(workspace)!r})\n{code}")
    assert done.returncode != 0
    assert "PermissionError" in done.stderr or "Permission denied" in done.stderr
    assert secret.read_text() == "bí mật"
    assert not Path("/tmp/phoserve-escape").exists()  # noqa: S108


@seccomp
@pytest.mark.parametrize(
    "attempt",
    [
        "import socket; socket.socket()",
        "import socket; socket.socket(socket.AF_UNIX)",
        "import socket; socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)",
        "import ctypes; libc = ctypes.CDLL(None, use_errno=True)\n"
        "if libc.ptrace(16, {parent}, 0, 0): raise OSError(ctypes.get_errno(), 'denied')",
        "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import socket as s; s.socket()'], check=True)",
    ],
)
def test_the_network_and_other_processes_are_out_of_reach(workspace: Path, attempt: str) -> None:
    done = run(workspace, attempt.replace("{parent}", str(os.getpid())))
    assert done.returncode != 0
    assert "PermissionError" in done.stderr


def test_its_own_work_is_not_hindered(workspace: Path) -> None:
    code = f"""
import os, subprocess, tempfile, threading, zipfile
os.chdir({str(workspace)!r})
assert open('original').read() == 'nội dung'
with tempfile.TemporaryDirectory(dir='.') as folder:
    open(os.path.join(folder, 'a'), 'w').write('x')
thread = threading.Thread(target=lambda: None); thread.start(); thread.join()
assert subprocess.run(['cat', 'original'], capture_output=True, check=True).stdout
import lxml.etree, kreuzberg
print('fine')
"""
    done = run(workspace, code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "fine"
