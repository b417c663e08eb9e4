import asyncio
import errno
import os
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from phoserve.adapters.sources import ObjectStoreSources
from phoserve.documents.ports import SourceStore
from phoserve.errors import ConfigurationError, NotFound, TooLarge
from tests.support.s3 import BUCKET, s3_server

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def s3() -> Iterator[dict[str, str]]:
    with s3_server() as variables:
        yield variables


@pytest.fixture(params=["folder", "s3"])
def sources(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SourceStore:
    if request.param == "folder":
        return ObjectStoreSources(tmp_path / "originals")
    for name, value in request.getfixturevalue("s3").items():
        monkeypatch.setenv(name, value)
    return ObjectStoreSources(f"s3://{BUCKET}/{uuid.uuid4().hex}")  # a prefix of its own for every test


async def parts(count: int, *, size: int = MIB, broken: bool = False) -> AsyncIterator[bytes]:
    for number in range(count):
        yield bytes([number % 256]) * size
    if broken:
        raise ConnectionResetError("the client is gone")


async def all_keys(sources: SourceStore, prefix: str = "") -> set[str]:
    return {key async for key, _ in sources.keys(prefix)}


async def test_bytes_come_back_as_they_were(sources: SourceStore, tmp_path: Path) -> None:
    stored = await sources.put("kb/d/1", "xin chào".encode(), max_bytes=100)
    assert stored.size_bytes == len("xin chào".encode())
    assert await sources.read("kb/d/1") == "xin chào".encode()
    await sources.fetch("kb/d/1", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == "xin chào".encode()


async def test_a_stream_is_the_same_as_its_bytes(sources: SourceStore) -> None:
    whole = b"".join([part async for part in parts(20)])
    streamed = await sources.put("kb/d/1", parts(20), max_bytes=20 * MIB)
    at_once = await sources.put("kb/d/2", whole, max_bytes=20 * MIB)
    assert (streamed.sha256, streamed.size_bytes) == (at_once.sha256, 20 * MIB)
    assert await sources.read("kb/d/1") == whole


@pytest.mark.parametrize(
    ("start", "end"), [(0, None), (5, None), (0, 1), (MIB - 1, 2 * MIB + 1), (7, 7), (3 * MIB, None)]
)
async def test_any_span_is_read_on_demand(sources: SourceStore, start: int, end: int | None) -> None:
    whole = b"".join([part async for part in parts(3)])
    await sources.put("kb/d/1", whole, max_bytes=3 * MIB)
    read = [part async for part in await sources.stream("kb/d/1", start=start, end=end)]
    assert b"".join(read) == whole[start:end]
    assert max(map(len, read), default=0) <= MIB


async def test_a_stream_of_nothing_is_not_found(sources: SourceStore) -> None:
    with pytest.raises(NotFound):
        await sources.stream("kb/d/none")


@pytest.mark.parametrize("count", [2, 20])
async def test_too_much_leaves_nothing(sources: SourceStore, count: int) -> None:
    with pytest.raises(TooLarge):
        await sources.put("kb/d/1", parts(count), max_bytes=count * MIB - 1)
    with pytest.raises(TooLarge):
        await sources.put("kb/d/2", b"12345", max_bytes=4)
    assert await all_keys(sources) == set()


@pytest.mark.parametrize("count", [2, 20])
async def test_a_broken_upload_leaves_nothing(sources: SourceStore, count: int) -> None:
    with pytest.raises(ConnectionResetError):
        await sources.put("kb/d/1", parts(count, broken=True), max_bytes=100 * MIB)
    assert await all_keys(sources) == set()


async def test_keys_are_listed_by_prefix(sources: SourceStore) -> None:
    for key in ("kb/d1/a", "kb/d1/b", "kb/d2/a", "kb2/d1/a"):
        await sources.put(key, b"x", max_bytes=1)
    assert await all_keys(sources, "kb/") == {"kb/d1/a", "kb/d1/b", "kb/d2/a"}
    assert await all_keys(sources, "kb/d1/") == {"kb/d1/a", "kb/d1/b"}
    assert await all_keys(sources, "nothing/") == set()


async def test_deleting_what_is_gone_does_not_matter(sources: SourceStore) -> None:
    await sources.put("kb/d/1", b"x", max_bytes=1)
    await sources.delete(["kb/d/1", "kb/d/2"])
    await sources.delete(["kb/d/1"])
    assert await all_keys(sources) == set()


async def test_a_copy_outlives_its_original(sources: SourceStore) -> None:
    await sources.put("kb/d/1", b"one", max_bytes=10)
    await sources.put("kb/t/1", b"two", max_bytes=10)
    await sources.copy("kb/d/1", "kb/t/1")
    await sources.copy("kb/d/1", "kb/new/1")
    await sources.put("kb/d/1", b"changed", max_bytes=10)
    assert [await sources.read(key) for key in ("kb/t/1", "kb/new/1")] == [b"one", b"one"]
    await sources.delete(["kb/d/1"])
    assert await sources.read("kb/t/1") == b"one"


async def test_many_at_once_are_stored_and_only_the_one_without_an_original_fails(sources: SourceStore) -> None:
    await sources.put("kb/d/0", b"0", max_bytes=10)
    puts = [sources.put(f"kb/d/{n}", str(n).encode(), max_bytes=10) for n in range(1, 100)]
    copies = [sources.copy("kb/d/none" if n == 50 else "kb/d/0", f"kb/t{n}/{n}") for n in range(100)]
    results = await asyncio.gather(*puts, *copies, return_exceptions=True)
    [failed] = [each for each in results if isinstance(each, BaseException)]
    assert isinstance(failed, NotFound)
    assert [await sources.read(f"kb/d/{n}") for n in range(100)] == [str(n).encode() for n in range(100)]
    assert await all_keys(sources) == {f"kb/d/{n}" for n in range(100)} | {f"kb/t{n}/{n}" for n in range(100)} - {
        "kb/t50/50"
    }


async def test_an_unfinished_file_is_neither_listed_nor_in_the_way(tmp_path: Path) -> None:
    sources = ObjectStoreSources(tmp_path)
    await sources.put("kb/d1", b"1", max_bytes=10)
    (tmp_path / "kb" / "d2#1").write_bytes(b"left by a crash")
    await sources.put("kb/d2", b"2", max_bytes=10)
    await sources.copy("kb/d1", "kb/d2")
    assert await sources.read("kb/d2") == b"1"
    assert await all_keys(sources) == {"kb/d1", "kb/d2"}


@pytest.mark.parametrize("error", [errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP])
async def test_a_file_system_without_links_gets_copies(
    error: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(error, "no links")

    monkeypatch.setattr(os, "link", refuse)
    sources = ObjectStoreSources(tmp_path)
    await sources.put("kb/d1", b"1", max_bytes=10)
    await sources.copy("kb/d1", "kb/d2")
    assert (tmp_path / "kb/d2").read_bytes() == b"1"
    assert (tmp_path / "kb/d2").stat().st_nlink == 1


async def test_what_is_not_there_is_not_found(sources: SourceStore, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        await sources.copy("kb/d/1", "kb/d/2")
    with pytest.raises(NotFound):
        await sources.read("kb/d/1")
    with pytest.raises(NotFound):
        await sources.fetch("kb/d/1", tmp_path / "copy")


@pytest.mark.parametrize("location", ["gs://bucket/originals", "az://container/originals"])
def test_other_clouds_are_chosen_by_url(location: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    ObjectStoreSources(location)


@pytest.mark.parametrize("location", ["file:///proc/nowhere", "gopher://old"])
def test_a_location_of_no_use_is_a_configuration_error(location: str) -> None:
    with pytest.raises(ConfigurationError, match="originals cannot be stored at"):
        ObjectStoreSources(location)
