"""Originals in an object store: a local folder, S3, Google Cloud Storage or Azure, by URL."""

import asyncio
import hashlib
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, from_url

from phoserve.documents.ports import StoredSource
from phoserve.errors import ConfigurationError, NotFound, TooLarge, Unavailable

KEYS_PER_DELETE: Final = 1000
PART_BYTES: Final = 8 * 1024 * 1024


class ObjectStoreSources:
    """A `SourceStore`."""

    def __init__(self, location: str | Path) -> None:
        """Keep originals at `location`: a folder, or a URL such as `s3://bucket/prefix`, `gs://...`, `az://...`.

        Credentials come from the cloud's usual environment variables or the machine's role.
        Raises ConfigurationError if the location cannot be used.
        """
        try:
            self._store = _opened(location)
        except (BaseError, ValueError, OSError) as error:
            raise ConfigurationError(f"originals cannot be kept at {location}: {error}") from error

    async def put(self, key: str, content: bytes | AsyncIterable[bytes], *, max_bytes: int) -> StoredSource:
        meter = _Meter(max_bytes)
        try:
            with _translated(key):
                if isinstance(content, bytes):
                    meter.add(content)
                    await obstore.put_async(self._store, key, content)
                else:
                    await self._put_stream(key, content, meter)
        except _SourceStreamError as error:
            raise error.original from None
        return StoredSource(key, meter.sha256.hexdigest(), meter.size_bytes)

    async def fetch(self, key: str, target: Path) -> None:
        with _translated(key):
            result = await obstore.get_async(self._store, key)
            with target.open("wb") as file:
                async for part in result.stream(min_chunk_size=PART_BYTES):
                    await asyncio.to_thread(file.write, part)

    async def read(self, key: str) -> bytes:
        with _translated(key):
            result = await obstore.get_async(self._store, key)
            return bytes(await result.bytes_async())

    async def delete(self, keys: Sequence[str]) -> None:
        for begin in range(0, len(keys), KEYS_PER_DELETE):
            await asyncio.gather(*(self._delete(key) for key in keys[begin : begin + KEYS_PER_DELETE]))

    async def keys(self, prefix: str = "") -> AsyncIterator[tuple[str, datetime]]:
        with _translated(prefix):
            async for batch in obstore.list(self._store, prefix=prefix or None):
                for each in batch:
                    yield each["path"], each["last_modified"]

    async def _put_stream(self, key: str, content: AsyncIterable[bytes], meter: "_Meter") -> None:
        """Hand the parts on as they come; the object appears with the last one, or not at all."""
        async with obstore.open_writer_async(self._store, key, buffer_size=PART_BYTES) as writer:
            async for part in _metered(content, meter):
                await writer.write(part)

    async def _delete(self, key: str) -> None:
        try:
            with _translated(key):
                await obstore.delete_async(self._store, key)
        except NotFound:
            pass


class _Meter:
    """Counts and hashes what passes, and stops it when it is too much."""

    def __init__(self, max_bytes: int) -> None:
        self.sha256 = hashlib.sha256()
        self.size_bytes = 0
        self._max_bytes = max_bytes

    def add(self, part: bytes) -> None:
        self.size_bytes += len(part)
        if self.size_bytes > self._max_bytes:
            raise TooLarge(f"a document may have {self._max_bytes} bytes at most")
        self.sha256.update(part)


class _SourceStreamError(Exception):
    """The stream handed in broke: the store is not to blame, even if it looks like a fault of a disk or a network."""

    def __init__(self, original: OSError) -> None:
        super().__init__(str(original))
        self.original = original


async def _metered(content: AsyncIterable[bytes], meter: _Meter) -> AsyncIterator[bytes]:
    try:
        async for part in content:
            meter.add(part)
            yield part
    except OSError as error:
        raise _SourceStreamError(error) from error


def _opened(location: str | Path) -> object:
    folder = str(location).removeprefix("file://")
    if "://" in folder:
        return from_url(folder)
    return LocalStore(Path(folder).absolute(), mkdir=True)


@contextmanager
def _translated(key: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise NotFound(f"there is no original {key!r}") from error
    except (BaseError, OSError) as error:
        raise Unavailable("sources", f"the store of originals failed: {error}") from error
