"""Processes that yield, within a session and between sessions."""

import subprocess
import sys

import pytest

SHOWS = """
import os, pathlib
from phoserve.concurrency.priority import lower_priority
lower_priority(7)
try:
    group = pathlib.Path("/proc/self/autogroup").read_text()
except OSError:
    group = ""
print(os.getpriority(os.PRIO_PROCESS, 0), *group.split()[-1:])
"""
SHOWS_GROUP = "import pathlib; print(pathlib.Path('/proc/self/autogroup').read_text())"


def shown(*, new_session: bool) -> tuple[int, str]:
    """Return the niceness of a process after the call, and that of its session: empty where it has no group."""
    command = ["nice", "-n", "2", sys.executable, "-c", SHOWS]
    ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, start_new_session=new_session)
    niceness, _, of_session = ran.stdout.strip().partition(" ")
    return int(niceness), of_session


def sessions_have_groups() -> bool:
    """Return whether Linux makes a group for each session here: sessions of some containers have none."""
    ran = subprocess.run([sys.executable, "-c", SHOWS_GROUP], capture_output=True, text=True, start_new_session=True)
    return bool(ran.stdout.strip())


def test_niceness_is_added_to_that_of_the_process() -> None:
    before = int(subprocess.run(["nice"], capture_output=True, text=True, check=True).stdout)
    assert shown(new_session=False)[0] == min(before + 9, 19)


@pytest.mark.skipif(not sessions_have_groups(), reason="this kernel shares time between processes only")
def test_a_session_of_its_own_yields_as_a_whole() -> None:
    niceness, of_session = shown(new_session=True)
    assert of_session == str(niceness)
    assert shown(new_session=False)[1] != of_session
