"""Processes that yield, within a session and between sessions."""

import subprocess
import sys
from pathlib import Path

import pytest

SHOWS = """
import os, pathlib
from phoserve.concurrency.priority import lower_priority
lower_priority(7)
group = pathlib.Path("/proc/self/autogroup")
print(os.getpriority(os.PRIO_PROCESS, 0), group.read_text().split()[-1] if group.exists() else "")
"""
GROUPS = Path("/proc/sys/kernel/sched_autogroup_enabled")


def shown(*, new_session: bool) -> tuple[int, str]:
    command = ["nice", "-n", "2", sys.executable, "-c", SHOWS]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, start_new_session=new_session)
    niceness, _, of_session = ran.stdout.strip().partition(" ")
    return int(niceness), of_session


def test_niceness_is_added_to_that_of_the_process() -> None:
    before = int(subprocess.run(["nice"], capture_output=True, text=True, check=True).stdout)
    assert shown(new_session=False)[0] == min(before + 9, 19)


@pytest.mark.skipif(not GROUPS.exists(), reason="this kernel shares time between processes only")
def test_a_session_of_its_own_yields_as_a_whole() -> None:
    niceness, of_session = shown(new_session=True)
    assert of_session == str(niceness)
    assert shown(new_session=False)[1] != of_session
