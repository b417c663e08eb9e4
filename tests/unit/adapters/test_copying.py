"""Copying files that change meanwhile."""

import mmap
import os
import random
import threading
from pathlib import Path

import pytest

from phoserve.adapters.edge import copying
from phoserve.adapters.edge.copying import copy_changes, copy_files, filesystem_of, read_stamps, sync_and_stamp


def write(path: Path, text: str, at_ns: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, ns=(at_ns, at_ns))


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("filesystem", ["ext4", "tmpfs"])
def test_a_copy_is_equal_whatever_changed_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, filesystem: str
) -> None:
    monkeypatch.setattr(copying, "filesystem_of", lambda _: filesystem)
    source, target = tmp_path / "source", tmp_path / "target"
    for name in ("same", "changed", "grown", "sub/removed", "sub/vanished"):
        write(source / name, f"{name} 1", 1)
    before = read_stamps(source)
    (source / "sub/vanished").unlink()
    copy_files(source, target, before)
    assert contents(target).keys() == before.keys() - {"sub/vanished"}
    write(source / "changed", "changed 2", 2)
    write(source / "grown", "grown 1 and more", 1)
    write(source / "sub/new", "new", 2)
    (source / "empty").mkdir()
    (source / "sub/removed").unlink()
    if filesystem == "tmpfs":  # where mapped pages change without a sign
        write(source / "same", "SAME 1", 1)
    copy_changes(source, target, before)
    assert contents(target) == contents(source)
    assert (target / "empty").is_dir()


@pytest.mark.parametrize("seed", range(5))
def test_mapped_pages_that_change_at_any_moment_are_copied(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    source, target = tmp_path / "source", tmp_path / "target"
    for number in range(8):
        write(source / str(number), "-" * 600_000, 1)
    maps = []
    for number in range(6):  # the others never change
        with (source / str(number)).open("r+b") as file:
            maps.append(mmap.mmap(file.fileno(), 0))
    done = threading.Event()

    def change() -> None:
        while not done.is_set():
            at = chance.randrange(600_000)
            chance.choice(maps)[at : at + 1] = bytes([chance.randrange(256)])

    writer = threading.Thread(target=change)
    writer.start()
    first = sync_and_stamp(source)
    copy_files(source, target, first)
    second = sync_and_stamp(source)
    copy_changes(source, target, first)
    done.set()
    writer.join()
    copy_changes(source, target, second)
    assert {"6", "7"} <= second.keys()
    for number in range(8):
        assert (source / str(number)).read_bytes() == (target / str(number)).read_bytes()
    for each in maps:
        each.close()


def test_the_file_system_is_that_of_the_innermost_mount() -> None:
    assert filesystem_of(Path("/proc/self")) == "proc"
    assert filesystem_of(Path("/")) not in {"", "proc"}
