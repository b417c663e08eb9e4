"""What runs in the parser's process reaches neither the network nor other files nor other processes."""

import os
import platform
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ingest.parsing.containment import supported
from ingest.parsing.system_calls import NUMBERS

ROOT = Path(__file__).parents[2]
SUPPORTED = supported()
landlock = pytest.mark.skipif("landlock" not in SUPPORTED, reason="this kernel has no Landlock")
seccomp = pytest.mark.skipif("seccomp" not in SUPPORTED, reason="this kernel has no seccomp filters")


HEADERS = {
    Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"): NUMBERS["x86_64"],
    Path("/usr/include/asm-generic/unistd.h"): NUMBERS["aarch64"],
}
CALL = """
import ctypes
def call(*arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(*arguments) < 0:
        raise OSError(ctypes.get_errno(), 'refused')
"""
PROGRAM_ATTEMPTS = [
    "open('SECRET').read()",
    "open('original', 'w')",
    "open('/tmp/phoserve-escape', 'w')",
    "import os; os.kill(PARENT, 0)",
    "import os; os.fork()",
    "import socket; socket.socket()",
]


def run(workspace: Path, code: str, *, confined: bool = True) -> subprocess.CompletedProcess[str]:
    """Run `code` in a confined process like the parser's."""
    confine = f"c.confine(pathlib.Path({str(workspace)!r}))" if confined else ""
    confined_code = f"import os, pathlib, ingest.parsing.containment as c; {confine}\n{code}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", confined_code]
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
        "os.listdir('/proc')",
        "open('/etc/shadow').read()",
        "os.listdir('/etc')",
        "open('{root}/pyproject.toml').read()",
        "os.link({secret!r}, 'link')",
        "os.rename({secret!r}, 'moved')",
        "os.truncate({secret!r}, 0)",
        "os.open({secret!r}, os.O_WRONLY | os.O_APPEND)",
        "os.mkfifo('/tmp/phoserve-escape')",
        "os.chmod({secret!r}, 0o777)",
        "os.chown({secret!r}, 1000, 1000)",
        "os.utime({secret!r})",
        "os.setxattr({secret!r}, 'user.note', b'x')",
        "os.chroot('.')",
        "os.execv('/bin/cat', ['cat', {secret!r}])",
        "import subprocess; subprocess.run(['cat', {secret!r}], check=True)",
        "import os; os.symlink({secret!r}, 'link') or open('link').read()",
        "open('/tmp/phoserve-escape', 'w')",
    ],
)
def test_other_files_are_out_of_reach(workspace: Path, secret: Path, attempt: str) -> None:
    code = attempt.replace("{secret!r}", repr(str(secret))).replace("{parent}", str(os.getpid()))
    code = code.replace("{root}", str(ROOT))
    done = run(workspace, f"import os\nos.chdir({str(workspace)!r})\n{code}")
    assert done.returncode != 0
    refusals = ("PermissionError", "Permission denied", "Invalid cross-device link")  # the last of a link or a move
    assert any(each in done.stderr for each in refusals)
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
        "import socket; socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)",
        "import os; os.kill({parent}, 0)",
        "import os; os.kill(-1, 0)",
        "import os; os.killpg(os.getpgid({parent}), 0)",
        "import os, signal; signal.pidfd_send_signal(os.pidfd_open({parent}), 0)",
        "call({tgkill}, {parent}, {parent}, 0)",
        "call({tkill}, {parent}, 0)",
        "call({rt_sigqueueinfo}, {parent}, 0, (ctypes.c_char * 128)())",
        "import resource; resource.prlimit({parent}, resource.RLIMIT_NOFILE, (5, 5))",
        "import os; os.setpriority(os.PRIO_PROCESS, {parent}, 19)",
        "import os; os.setpriority(os.PRIO_USER, 0, 19)",
        "import os; os.sched_setaffinity({parent}, [0])",
        "import fcntl, os; fcntl.fcntl(os.pipe()[0], 8, {parent})",
        "import os; os.setsid()",
        "import os; os.setpgid(0, 0)",
        "import os; os.fork()",
        "import os; os.posix_spawn('/bin/true', ['true'], {})",
        "import subprocess; subprocess.run(['true'], check=True)",
        "import os; file = os.memfd_create('a'); os.write(file, b'#!/bin/true'); os.execve(file, ['a'], {})",
        "call({clone}, 0x10000000, 0, 0, 0, 0)",
        "call({unshare}, 0x10000000)",
        "call({shmget}, 7, 4096, 0o1666)",
        "call({msgget}, 7, 0o1666)",
        "call({add_key}, b'user', b'a', b'b', 1, -3)",
        "import os; os.setuid(12345)",
    ],
)
def test_the_network_and_other_processes_are_out_of_reach(workspace: Path, attempt: str) -> None:
    known = {"{parent}": str(os.getpid())}
    known |= {f"{{{name}}}": str(number) for name, number in NUMBERS.get(platform.machine(), {}).items()}
    for name, value in known.items():
        attempt = attempt.replace(name, value)
    done = run(workspace, f"{CALL}\n{attempt}")
    assert done.returncode != 0
    assert "PermissionError" in done.stderr


@seccomp
def test_a_crash_is_still_one(workspace: Path) -> None:
    assert run(workspace, "import os; os.abort()").returncode == -signal.SIGABRT
    assert run(workspace, "import os, signal; os.kill(os.getpid(), signal.SIGTERM)").returncode == -signal.SIGTERM


def test_the_numbers_of_calls_are_those_of_the_kernel_s_headers() -> None:
    compared = 0
    for header, numbers in HEADERS.items():
        if header.exists():
            known = dict(re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", header.read_text()))
            same = {name: number for name, number in numbers.items() if name in known}
            assert same == {name: int(known[name]) for name in same}
            compared += len(same)
    if not compared:
        pytest.skip("the kernel's headers are not installed")
    assert compared > 60


@landlock
@seccomp
def test_a_program_that_runs_for_a_parser_is_confined_too(workspace: Path, secret: Path) -> None:
    code = f"""
import os, subprocess
from ingest.parsing import programs
programs.start_runner({sys.executable!r}, os.open(os.devnull, os.O_RDONLY))
c.confine(pathlib.Path({str(workspace)!r}))
def attempt(code, timeout_s=30):
    return programs.run({sys.executable!r}, ['-c', code], b'content', timeout_s=timeout_s)
assert attempt('import sys; print(sys.stdin.read())') == b'content\\n'
for code in {PROGRAM_ATTEMPTS!r}:
    try:
        attempt(code.replace('SECRET', {str(secret)!r}).replace('PARENT', str(os.getppid())))
    except subprocess.CalledProcessError:
        continue
    print('possible:', code)
try:
    attempt('import time; time.sleep(60)', 0.5)
except subprocess.TimeoutExpired:
    pass
try:
    programs.run('/bin/true', [], b'', timeout_s=5)
except PermissionError:
    print('done')
"""
    done = run(workspace, code, confined=False)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr + done.stdout


def test_its_own_work_is_not_hindered(workspace: Path) -> None:
    code = f"""
import os, tempfile, threading, zipfile
os.chdir({str(workspace)!r})
assert open('original').read() == 'nội dung'
with tempfile.TemporaryDirectory(dir='.') as folder:
    open(os.path.join(folder, 'a'), 'w').write('x')
thread = threading.Thread(target=lambda: None); thread.start(); thread.join()
import lxml.etree, kreuzberg
print('fine')
"""
    done = run(workspace, code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "fine"
