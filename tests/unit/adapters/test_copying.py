"""Copying files that change meanwhile."""

import os
from pathlib import Path

import pytest

from phoserve.adapters.edge import copying
from phoserve.adapters.edge.copying import copy_changes, copy_files, filesystem_of, read_stamps


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
    copy_changes(source, target, before, read_stamps(source))
    assert contents(target) == contents(source)
    assert (target / "empty").is_dir()


def test_the_file_system_is_that_of_the_innermost_mount() -> None:
    assert filesystem_of(Path("/proc/self")) == "proc"
    assert filesystem_of(Path("/")) not in {"", "proc"}
