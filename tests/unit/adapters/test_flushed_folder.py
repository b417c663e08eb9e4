"""Files that are written at the same time share flushes, and fail alone."""

import asyncio
import os
import stat
from collections import Counter
from pathlib import Path

import pytest

from phoserve.adapters.flushed_folder import FlushedFolder


@pytest.fixture
def flushes(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    counted: Counter[str] = Counter()
    flush = os.fsync

    def count(descriptor: int) -> None:
        counted["folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"] += 1
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", count)
    return counted


async def test_files_of_one_moment_share_the_flush_of_their_folder(tmp_path: Path, flushes: Counter[str]) -> None:
    folder = FlushedFolder(tmp_path)
    await folder.write("kb/first", b"x")
    assert flushes == {"file": 1, "folder": 2}  # kb, and tmp_path for the entry of kb
    flushes.clear()
    await asyncio.gather(*(folder.write(f"kb/{number}", f"{number}".encode()) for number in range(100)))
    assert flushes["file"] == 100
    assert flushes["folder"] <= 3
    assert {path.name: path.read_text() for path in (tmp_path / "kb").glob("[0-9]*")} == {
        str(number): str(number) for number in range(100)
    }


async def test_every_new_folder_is_flushed_up_to_the_first(tmp_path: Path, flushes: Counter[str]) -> None:
    await FlushedFolder(tmp_path).write("a/b/c/d", b"x")
    assert flushes == {"file": 1, "folder": 4}


async def test_a_file_that_cannot_be_written_affects_no_other(tmp_path: Path) -> None:
    (tmp_path / "kb" / "taken").mkdir(parents=True)
    folder = FlushedFolder(tmp_path)
    names = [f"kb/{name}" for name in ("a", "taken", "b", "c")]
    outcomes = await asyncio.gather(*(folder.write(name, b"x") for name in names), return_exceptions=True)
    assert [isinstance(outcome, OSError) for outcome in outcomes] == [False, True, False, False]
    assert sorted(path.name for path in (tmp_path / "kb").iterdir()) == ["a", "b", "c", "taken"]


async def test_a_file_written_by_other_means_is_flushed(tmp_path: Path, flushes: Counter[str]) -> None:
    (tmp_path / "file").write_bytes(b"x")
    await FlushedFolder(tmp_path).flush("file")
    assert flushes == {"file": 1, "folder": 1}
    with pytest.raises(FileNotFoundError):
        await FlushedFolder(tmp_path).flush("none")


async def test_a_file_is_replaced(tmp_path: Path) -> None:
    folder = FlushedFolder(tmp_path)
    await folder.write("file", b"longer content")
    await folder.write("file", b"short")
    assert (tmp_path / "file").read_bytes() == b"short"
