"""Copy the files of a shard while it is written to: all of them first, then those that changed."""

import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

Stamps = Mapping[str, tuple[int, int, int]]
"""Modification time in ns, size and inode of each file, by its path in the shard."""
STAMP_TICK_NS: Final = 20_000_000
"""Longer than the resolution of modification times in any kernel."""
MARKING: Final = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "overlay", "f2fs"})
"""File systems that update the modification time when a mapped page changes for the first time after it was written."""

BLOCK_BYTES: Final = 1 << 18


def read_stamps(shard: Path) -> dict[str, tuple[int, int, int]]:
    """Return the stamps of all files under `shard`."""
    found = {}
    for path in shard.rglob("*"):
        try:
            if path.is_file():
                stat = path.stat()
                found[str(path.relative_to(shard))] = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        except FileNotFoundError:  # the engine removed it meanwhile
            continue
    return found


def sync_and_stamp(shard: Path) -> Stamps:
    """Write changes to the disk, and return the stamps of the files that have another stamp whenever they change.

    Those that change meanwhile are left out: a mapped page that is not on the disk yet changes without a sign.
    """
    begun_ns = time.time_ns() - STAMP_TICK_NS
    sync_files(shard)
    return {name: stamp for name, stamp in read_stamps(shard).items() if stamp[0] < begun_ns}


def sync_files(shard: Path) -> None:
    """Write changed files and folders to the disk."""
    for path in [shard, *shard.rglob("*")]:
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:  # the engine removed it meanwhile
            continue
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def copy_files(source: Path, target: Path, names: Stamps) -> None:
    """Copy the named files. Those that vanish meanwhile are left out: `copy_changes` follows."""
    for name in names:
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(source / name, path)
        except FileNotFoundError:
            path.unlink(missing_ok=True)


def copy_changes(source: Path, target: Path, before: Stamps) -> None:
    """Make `target`, copied since the stamps `before` were taken, equal to `source` as it is now."""
    trusted, now = filesystem_of(source) in MARKING, read_stamps(source)
    for name in (name for name, stamp in now.items() if not trusted or before.get(name) != stamp):
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            _copy_blocks(source / name, path)
        except FileNotFoundError:
            path.unlink(missing_ok=True)
    for path in [path for path in target.rglob("*") if path.is_file()]:
        if str(path.relative_to(target)) not in now:
            path.unlink()
    for folder in source.rglob("*/"):  # the engine expects empty folders too
        (target / folder.relative_to(source)).mkdir(parents=True, exist_ok=True)


def _copy_blocks(source: Path, target: Path) -> None:
    """Copy the blocks that differ. Most of a large file that was appended to does not, and reading is faster."""
    with source.open("rb", buffering=0) as old, target.open("r+b" if target.exists() else "w+b", buffering=0) as new:
        at = 0
        while block := old.read(BLOCK_BYTES):
            if new.read(len(block)) != block:
                new.seek(at)
                new.write(block)
            at += len(block)
        new.truncate(at)


def filesystem_of(path: Path) -> str:
    """Return the type of the file system of `path`, empty if it is unknown."""
    try:
        mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    except OSError:
        return ""
    resolved = path.resolve()
    under = [(len(mount[1]), mount[2]) for mount in mounts if resolved.is_relative_to(_unescaped(mount[1]))]
    return max(under, default=(0, ""))[1]


def disk_bytes(folder: Path) -> int:
    """Return the bytes that the files under `folder` take on the disk."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_blocks * 512 if path.is_file() else 0
        except FileNotFoundError:
            continue
    return total


def _unescaped(mount: str) -> str:
    return mount.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
