"""Originals in an object store: a local folder, S3, Google Cloud Storage or Azure, by URL."""

import asyncio
import hashlib
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, from_url

from phoserve.adapters.flushed_folder import FlushedFolder
from phoserve.documents.ports import StoredSource
from phoserve.errors import ConfigurationError, NotFound, TooLarge, Unavailable

KEYS_PER_DELETE: Final = 1000
PART_BYTES: Final = 8 * 1024 * 1024
STREAM_BYTES: Final = 128 * 1024
"""Part of an original on its way to a client: about what a slow client keeps in memory."""


class ObjectStoreSources:
    """The `SourceStore` over obstore."""

    def __init__(self, location: str | Path) -> None:
        """Store originals at `location`: a folder, or a URL such as `s3://bucket/prefix`, `gs://...`, `az://...`.

        Credentials come from the cloud's usual environment variables or the machine's role.
        Raises ConfigurationError if the location cannot be used.
        """
        try:
            folder = _folder_of(location)
            self._flushed = FlushedFolder(folder) if folder else None
            self._store = _open_store(location)
        except (BaseError, ValueError, OSError) as error:
            raise ConfigurationError(
                f"originals cannot be stored at {location}: {error}. Check PHOSERVE_SOURCES__URL and the credentials"
            ) from error

    async def put(self, key: str, content: bytes | AsyncIterable[bytes], *, max_bytes: int) -> StoredSource:
        meter = _Meter(max_bytes)
        try:
            with _translate_errors(key):
                if isinstance(content, bytes):
                    meter.add(content)
                    await self._put_bytes(key, content)
                else:
                    await self._put_stream(key, content, meter)
        except _SourceStreamError as error:
            raise error.original from None
        return StoredSource(key, meter.sha256.hexdigest(), meter.size_bytes)

    async def copy(self, key: str, target: str) -> None:
        with _translate_errors(key):
            if self._flushed is None:
                await obstore.copy_async(self._store, key, target)
            else:
                await self._flushed.copy(key, target)

    async def fetch(self, key: str, target: Path) -> None:
        with _translate_errors(key):
            result = await obstore.get_async(self._store, key)
            with target.open("wb") as file:
                async for part in result.stream(min_chunk_size=PART_BYTES):
                    await asyncio.to_thread(file.write, part)

    async def read(self, key: str) -> bytes:
        with _translate_errors(key):
            result = await obstore.get_async(self._store, key)
            return bytes(await result.bytes_async())

    async def stream(self, key: str, *, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        with _translate_errors(key):
            end = (await obstore.head_async(self._store, key))["size"] if end is None else end
            if start >= end:  # stores refuse empty ranges
                return _no_parts()
            result = await obstore.get_async(self._store, key, options={"range": (start, end)})
        return _parts(key, result.stream(min_chunk_size=STREAM_BYTES))

    async def delete(self, keys: Sequence[str]) -> None:
        for begin in range(0, len(keys), KEYS_PER_DELETE):
            await asyncio.gather(*(self._delete(key) for key in keys[begin : begin + KEYS_PER_DELETE]))

    async def keys(self, prefix: str = "") -> AsyncIterator[tuple[str, datetime]]:
        with _translate_errors(prefix):
            async for batch in obstore.list(self._store, prefix=prefix or None):
                for each in batch:
                    yield each["path"], each["last_modified"]

    async def _put_bytes(self, key: str, content: bytes) -> None:
        if self._flushed is None:
            await obstore.put_async(self._store, key, content)
        else:
            await self._flushed.write(key, content)

    async def _put_stream(self, key: str, content: AsyncIterable[bytes], meter: "_Meter") -> None:
        """Write the parts as they arrive. The object appears with the last part, or not at all."""
        async with obstore.open_writer_async(self._store, key, buffer_size=PART_BYTES) as writer:
            async for part in _meter_stream(content, meter):
                await writer.write(part)
        if self._flushed is not None:
            await self._flushed.flush(key)

    async def _delete(self, key: str) -> None:
        try:
            with _translate_errors(key):
                await obstore.delete_async(self._store, key)
        except NotFound:
            pass


async def _no_parts() -> AsyncIterator[bytes]:
    nothing: tuple[bytes, ...] = ()
    for part in nothing:
        yield part


async def _parts(key: str, stream: AsyncIterable[Any]) -> AsyncIterator[bytes]:
    with _translate_errors(key):
        async for part in stream:
            yield bytes(part)


def _folder_of(location: str | Path) -> Path | None:
    folder = str(location).removeprefix("file://")
    return None if "://" in folder else Path(folder).absolute()


class _Meter:
    """Count and hash a stream, and stop it above the size limit."""

    def __init__(self, max_bytes: int) -> None:
        self.sha256 = hashlib.sha256()
        self.size_bytes = 0
        self._max_bytes = max_bytes

    def add(self, part: bytes) -> None:
        self.size_bytes += len(part)
        if self.size_bytes > self._max_bytes:
            raise TooLarge(f"a document is limited to {self._max_bytes} bytes")
        self.sha256.update(part)


class _SourceStreamError(Exception):
    """An OSError of the caller's stream, kept apart from errors of the store."""

    def __init__(self, original: OSError) -> None:
        super().__init__(str(original))
        self.original = original


async def _meter_stream(content: AsyncIterable[bytes], meter: _Meter) -> AsyncIterator[bytes]:
    try:
        async for part in content:
            meter.add(part)
            yield part
    except OSError as error:
        raise _SourceStreamError(error) from error


def _open_store(location: str | Path) -> object:
    folder = str(location).removeprefix("file://")
    if "://" in folder:
        return from_url(folder)
    return LocalStore(Path(folder).absolute(), mkdir=True)


@contextmanager
def _translate_errors(key: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise NotFound(f"original {key!r} does not exist") from error
    except (BaseError, OSError) as error:
        raise Unavailable("sources", f"the store of originals failed: {error}") from error
