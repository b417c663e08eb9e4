"""Write files that survive a power cut. Concurrent writers share flushes, like transactions in a group commit."""

import asyncio
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final

from phoserve.concurrency.batcher import Batcher

FILES_PER_FLUSH: Final = 256
FLUSHES_AT_ONCE: Final = 2
"""One may be busy with a large file."""
FLUSHING_THREADS: Final = 16
"""The kernel merges flushes that it gets at the same time: 16 take little longer than one on a busy disk."""
STAGING_SUFFIX: Final = "#1"
"""As obstore names unfinished files, which its listings leave out."""
_File = tuple[Path, bytes | Path | None]
"""A file and its content, the file that it is another name of, or None if it is written already."""


class FlushedFolder:
    """A folder whose files are flushed to the disk, with the folders that lead to them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: set[Path] = {folder}
        """Folders whose own entries were flushed."""
        self._flushing = ThreadPoolExecutor(FLUSHING_THREADS, "originals-flush")
        self._finish = Batcher(self._finish_together, max_items=FILES_PER_FLUSH, max_concurrency=FLUSHES_AT_ONCE)

    async def write(self, name: str, content: bytes) -> None:
        """Write a file, or replace it. Raises OSError and leaves nothing behind."""
        await self._finish([(self._folder / name, content)])

    async def copy(self, name: str, target: str) -> None:
        """Give a flushed file another name, which outlives the first. Raises FileNotFoundError or another OSError."""
        await self._finish([(self._folder / target, self._folder / name)])

    async def flush(self, name: str) -> None:
        """Flush a file that was written by other means. Raises OSError."""
        await self._finish([(self._folder / name, None)])

    async def _finish_together(self, files: Sequence[_File]) -> Sequence[None]:
        await asyncio.to_thread(self._write_and_flush, files)
        return [None] * len(files)

    def _write_and_flush(self, files: Sequence[_File]) -> None:
        """Write all files, flush them at once, then each folder once."""
        opened: list[int] = []
        try:
            for path, content in files:
                if isinstance(content, Path) and _link(content, path):
                    continue
                if content is not None:
                    _write(path, content.read_bytes() if isinstance(content, Path) else content)
                opened.append(os.open(path, os.O_RDONLY))
                _begin_writing(opened[-1])
            if len(opened) == 1:
                os.fsync(opened[0])
            elif opened:
                list(self._flushing.map(os.fsync, opened))
        finally:
            for descriptor in opened:
                os.close(descriptor)
        self._flush_folders({path.parent for path, _ in files})

    def _flush_folders(self, folders: Iterable[Path]) -> None:
        for folder in folders:
            _flush(folder)
            if folder in self._known:
                continue
            for parent in folder.parents:
                _flush(parent)
                if parent == self._folder:
                    break
            self._known.add(folder)


def _write(path: Path, content: bytes) -> None:
    staged = path.with_name(path.name + STAGING_SUFFIX)
    try:
        _write_new(staged, content)
        staged.rename(path)
    except OSError:
        with suppress(OSError):
            staged.unlink()
        raise


def _link(source: Path, path: Path) -> bool:
    """Make `path` another name of the file, replacing what is there; False where the file system has no links."""
    staged = path.with_name(path.name + STAGING_SUFFIX)
    path.parent.mkdir(parents=True, exist_ok=True)
    staged.unlink(missing_ok=True)
    try:
        staged.hardlink_to(source)
    except FileNotFoundError:
        raise
    except OSError:
        return False
    try:
        staged.rename(path)
        staged.unlink(missing_ok=True)  # two names of one file are not renamed
    except OSError:
        staged.unlink(missing_ok=True)
        raise
    return True


def _write_new(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _begin_writing(descriptor: int) -> None:
    """Let the kernel begin to write the file, so that one commit of the file system covers many files."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
