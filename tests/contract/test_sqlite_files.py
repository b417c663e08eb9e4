"""What happens to the file of a local registry: full disk, read-only, locked, removed, damaged, copied."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from phoserve.adapters.sql import database as sql_database
from phoserve.adapters.sql.database import open_database
from phoserve.adapters.sql.registry import SqlRegistry
from phoserve.adapters.sql.schema import migrate, newest_version
from phoserve.documents.collections import Collection, new_collection
from phoserve.documents.records import Document, DocumentState, Original, new_document
from phoserve.errors import Unavailable


def document(collection: Collection, id_: str) -> Document:
    original = Original(key=f"{collection.id}/{id_}", sha256="0" * 64, size_bytes=1, media_type="text/plain")
    return new_document(collection, id_, original, metadata={"text": "x" * 2000})


async def opened(file: Path) -> tuple[SqlRegistry, Collection]:
    await migrate(f"sqlite:///{file}")
    registry = SqlRegistry(open_database(f"sqlite:///{file}"))
    collection = await registry.add_collection(new_collection("kb"))
    assert collection is not None
    return registry, collection


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "registry.sqlite3"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small file system is mounted as root only")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def remount(disk: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", disk], check=True)


async def test_a_full_disk(disk: Path) -> None:
    registry, kb = await opened(disk / "registry.sqlite3")
    saved = 0

    async def fill() -> None:
        nonlocal saved
        for number in range(3000):
            saved += len(await registry.save([document(kb, f"{number}-{each}") for each in range(20)]))

    with pytest.raises(Unavailable, match="disk is full"):
        await fill()
    assert await registry.counts(kb.id) == {DocumentState.QUEUED: saved}
    remount(disk, "size=20m")
    assert await registry.save([document(kb, "later")]) != [None]
    await registry.close()


async def test_a_file_system_that_becomes_read_only(disk: Path) -> None:
    registry, kb = await opened(disk / "registry.sqlite3")
    assert await registry.save([document(kb, "d")]) != [None]
    await registry.close()
    remount(disk, "ro")
    registry = SqlRegistry(open_database(f"sqlite:///{disk / 'registry.sqlite3'}"))
    for attempt in (registry.counts(kb.id), registry.save([document(kb, "e")]), migrate(f"sqlite:///{disk}/x/r")):
        with pytest.raises((Unavailable, OSError), match=r"cannot be used|cannot be migrated|Read-only"):
            await attempt
    remount(disk, "rw")
    assert await registry.counts(kb.id) == {DocumentState.QUEUED: 1}
    await registry.close()


async def test_a_file_that_another_process_has_locked(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_database, "SQLITE_LOCK_TIMEOUT_S", 0.2)
    registry, kb = await opened(file)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="database is locked"):
        await registry.save([document(kb, "d")])
    with pytest.raises(Unavailable, match="database is locked"):
        await migrate(f"sqlite:///{file}")
    assert await registry.counts(kb.id) == {}, "readers do not wait"
    other.execute("ROLLBACK")
    other.close()
    assert await registry.save([document(kb, "d")]) != [None]
    await registry.close()


async def test_a_file_that_is_removed_moved_or_replaced_takes_no_more(file: Path) -> None:
    """Else a commit to it would be acknowledged and never be found again."""
    registry, kb = await opened(file)
    moved = file.with_name("moved")
    shutil.move(file, moved)
    for _ in range(2):
        with pytest.raises(Unavailable, match="removed, moved or replaced while in use"):
            await registry.save([document(kb, "d")])
    shutil.copy(moved, file)
    with pytest.raises(Unavailable, match="removed, moved or replaced while in use"):
        await registry.save([document(kb, "d")])
    shutil.move(moved, file)
    assert await registry.save([document(kb, "d")]) != [None]
    assert await registry.counts(kb.id) == {DocumentState.QUEUED: 1}
    await registry.close()


def spoil(file: Path, damage: str) -> None:
    content = file.read_bytes()
    file.write_bytes(b"text" * 5000 if damage == "not a database" else content[: len(content) // 2])


@pytest.mark.parametrize("damage", ["not a database", "cut off"])
async def test_a_damaged_file(file: Path, damage: str) -> None:
    registry, kb = await opened(file)
    await registry.save([document(kb, f"d{number}") for number in range(100)])
    await registry.close()
    spoil(file, damage)
    with pytest.raises(Unavailable, match=r"damaged .* restore the state folder from a backup"):
        await migrate(f"sqlite:///{file}")
    registry = SqlRegistry(open_database(f"sqlite:///{file}"))
    for attempt in (registry.page(kb.id), registry.save([document(kb, "e")])):
        with pytest.raises(Unavailable, match=r"damaged .* restore the state folder from a backup"):
            await attempt
    await registry.close()


async def test_a_copy_with_the_log_of_a_process_that_was_killed(file: Path, tmp_path: Path) -> None:
    registry, kb = await opened(file)
    await registry.save([document(kb, "d")])
    copy = tmp_path / "copy" / file.name
    copy.parent.mkdir()
    for each in file.parent.glob("registry.sqlite3*"):  # with the log, as a killed process leaves them
        shutil.copy(each, copy.parent)
    await registry.close()
    assert await migrate(f"sqlite:///{copy}") == (newest_version(), newest_version())
    other = SqlRegistry(open_database(f"sqlite:///{copy}"))
    assert await other.counts(kb.id) == {DocumentState.QUEUED: 1}
    await other.close()
