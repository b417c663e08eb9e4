"""One shard of Qdrant Edge, the engine that runs in this process, for use from an event loop."""

import asyncio
import contextlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import qdrant_edge as edge
import structlog

from phoserve.adapters.edge.copying import disk_bytes, sync_files
from phoserve.adapters.points import TITLE_KEY, TITLE_WORDS
from phoserve.documents.filters import (
    All,
    AnyOf,
    Exists,
    Filter,
    Match,
    Not,
    Prefix,
    Range,
    Scalar,
    TitlePrefix,
    TitleWords,
    quoted_path,
)
from phoserve.errors import ConfigurationError, EngineFailed, PhoserveError

T = TypeVar("T")
log = structlog.get_logger(__name__)
SCROLL_LIMIT: Final = 1000
WRITES_BETWEEN_UPKEEP: Final = 2_000
_NEVER_KB: Final = 100_000_000
VACUUM_ONLY: Final = edge.EdgeOptimizersConfig(
    default_segment_number=1, max_segment_size=_NEVER_KB, indexing_threshold=_NEVER_KB
)
"""`optimize` rewrites what is a fifth deleted or more, a tenth of a second per thousand vectors; it builds no graph."""
VACUUMED_POINTS: Final = 10_000
"""Larger shards are rewritten in another process (`graph.py`), because searches wait while it happens here."""
CURRENT: Final = "current"
FIRST: Final = "shard"
"""The shard of an index that has no file `current`."""
TIMES: Final = edge.IntegerIndexParams(lookup=False, range=True)
"""For integers that hardly any two points share: the index for equality keeps every value that there ever was."""
IndexParams = edge.PayloadSchemaType | edge.KeywordIndexParams | edge.IntegerIndexParams
Indexes = Mapping[str, IndexParams]


class CurrentShard(msgspec.Struct, frozen=True):
    """The content of the file `current`: which shard serves, and its size when its graph was built."""

    name: str = FIRST
    points: int = 0
    bytes: int = 0


class ShardSize(msgspec.Struct, frozen=True):
    """The size of an open shard."""

    points: int
    bytes: int
    """Of the segments, on the disk. Deleted points count until they are removed."""


class EdgeShard:
    """Reads run concurrently on threads, writes one at a time. Every write is in the write-ahead log on return.

    The engine itself never truncates its log and never reclaims deleted points: at a fixed interval of writes
    one of them does it, and takes longer.
    """

    def __init__(
        self, folder: Path, config: edge.EdgeConfig | None, indexes: Indexes, *, shard: str | None = None
    ) -> None:
        """Open or create a shard in `folder`: the current one, or `shard`.

        Without `config` the shard has to exist and keeps its configuration. Raises ConfigurationError if it cannot be
        opened.
        """
        self._write_lock = threading.Lock()
        self._writes = 0
        try:
            self._folder = folder / (shard or read_current(folder).name)
            self._shard = _opened(folder, self._folder, config, indexes)
        except BaseException as error:  # the engine raises a bare Exception for everything, and panics
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            raise ConfigurationError(
                f"the store in {folder} cannot be opened ({error}); restore this folder from a backup"
            ) from error

    def query(self, call: Callable[[edge.EdgeShard], T]) -> T:
        """Return the result of a short `call`, made here: it holds the interpreter's lock, so a thread adds nothing."""
        with engine_errors():
            return call(self._shard)

    async def read(self, call: Callable[[edge.EdgeShard], T]) -> T:
        """Return the result of `call`, made on a thread."""
        return await asyncio.to_thread(self.query, call)

    async def write(self, call: Callable[[edge.EdgeShard], T]) -> T:
        """Run `call` on a thread with the write lock and return its result."""

        def write(shard: edge.EdgeShard) -> T:
            written = call(shard)
            self._upkeep()
            return written

        return await self.between_writes(write)

    async def between_writes(self, call: Callable[[edge.EdgeShard], T]) -> T:
        """Return the result of `call`, made on a thread while no write is in progress."""

        def alone() -> T:
            # A lock of the thread: a cancelled task must not let the next writer in early.
            with self._write_lock, engine_errors():
                return call(self._shard)

        return await asyncio.to_thread(alone)

    async def size(self) -> ShardSize:
        """Return the number of points and the bytes on the disk."""
        return await self.read(
            lambda shard: ShardSize(shard.info().points_count, disk_bytes(self._folder / "segments"))
        )

    async def close(self) -> None:
        """Flush and close. Nothing may be called afterwards."""

        def alone() -> None:
            with self._write_lock:
                self._shard.close()

        await asyncio.to_thread(alone)

    def _upkeep(self) -> None:
        self._writes += 1
        if self._writes % WRITES_BETWEEN_UPKEEP:
            return
        try:
            # The engine holds the interpreter's lock while it flushes: let little be left for it to write.
            sync_files(self._folder)
            self._shard.flush()  # what is flushed, the log may forget
            if self._shard.info().points_count < VACUUMED_POINTS:
                self._shard.optimize()
        except Exception:  # the disk may be full; what was written stays written
            log.exception("engine_upkeep_failed")


@contextlib.contextmanager
def engine_errors() -> Iterator[None]:
    """Raise EngineFailed for any exception of the engine, panics included, which are no `Exception`s."""
    try:
        yield
    except (PhoserveError, asyncio.CancelledError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        raise EngineFailed(f"the search engine failed: {type(error).__name__}: {error}") from error


def model_folder(folder: Path, fingerprint: str) -> Path:
    """Return the folder of that model's index under `folder`."""
    return folder / f"passages@{fingerprint}"


def read_current(folder: Path) -> CurrentShard:
    """Return which shard of the index in `folder` serves. Raises msgspec.MsgspecError for a damaged file."""
    try:
        return msgspec.json.decode((folder / CURRENT).read_bytes(), type=CurrentShard)
    except FileNotFoundError:
        return CurrentShard()


def replace_current(folder: Path, current: CurrentShard) -> None:
    """Let another shard serve from the next start on, atomically and durably."""
    replace_file(folder / CURRENT, msgspec.json.encode(current))


def replace_file(path: Path, content: bytes) -> None:
    """Replace a file atomically and durably."""
    new = path.with_suffix(".new")
    with new.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def remove_other_shards(folder: Path) -> None:
    """Remove what interrupted builds and replaced shards left. The caller holds the lock of the index."""
    for path in folder.glob(f"{FIRST}*"):
        if path.is_dir() and path.name != read_current(folder).name:
            shutil.rmtree(path)


def scroll_all(
    shard: edge.EdgeShard, condition: edge.Filter, *, payload: Any = True, vectors: Any = False
) -> list[edge.Record]:
    """Return every record that matches, in no particular order."""
    records: list[edge.Record] = []
    offset = None
    while True:
        page, offset = shard.scroll(
            edge.ScrollRequest(
                offset=offset, limit=SCROLL_LIMIT, filter=condition, with_payload=payload, with_vector=vectors
            )
        )
        records += page
        if offset is None:
            return records


def equal(field: str, value: str | int) -> edge.FieldCondition:
    """Return the condition that a payload field equals `value`."""
    return edge.FieldCondition(key=field, match=edge.MatchValue(value))


def one_of(field: str, values: list[str]) -> edge.FieldCondition:
    """Return the condition that a payload field equals one of `values`."""
    return edge.FieldCondition(key=field, match=edge.MatchAny(values))


class EdgeConditions:
    """The `Conditions` of the engine."""

    def equal(self, field: str, value: str) -> Any:
        """Return the condition that the field equals `value`."""
        return equal(field, value)

    def one_of(self, field: str, values: Sequence[str]) -> Any:
        """Return the condition that the field, or an element of its list, is one of `values`."""
        return one_of(field, list(values))

    def is_empty(self, field: str) -> Any:
        """Return the condition that the field is absent, null or an empty list."""
        return edge.IsEmptyCondition(key=field)

    def group(self, *, must: Sequence[Any] = (), should: Sequence[Any] = (), must_not: Sequence[Any] = ()) -> Any:
        """Return a filter of all `must`, any `should` (if there are some) and none of `must_not`."""
        return edge.Filter(must=list(must) or None, should=list(should) or None, must_not=list(must_not) or None)


def filterable(metadata: Any) -> Any:
    """Return `metadata` as it is stored for filters: the engine never matches booleans, so they become words."""
    if isinstance(metadata, bool):
        return _word(metadata)
    if isinstance(metadata, dict):
        return {key: filterable(value) for key, value in metadata.items()}
    if isinstance(metadata, list):
        return [filterable(value) for value in metadata]
    return metadata


def condition_of(where: Filter, prefix: str = "metadata") -> Any:
    """Return the engine's condition for `where` over fields stored under `prefix`, made by `filterable`.

    Raises InvalidInput for a field that no path can name.
    """
    match where:
        case Match(field, value):
            return _equals(quoted_path(prefix, field), value)
        case AnyOf(values=()):
            return edge.HasIdCondition(set())  # an empty `should` would match everything
        case AnyOf(field, values):
            return edge.Filter(should=[_equals(quoted_path(prefix, field), value) for value in values])
        case Range(field):
            return edge.FieldCondition(key=quoted_path(prefix, field), range=_range(where))
        case Exists(field):
            return edge.Filter(must_not=[edge.IsEmptyCondition(key=quoted_path(prefix, field))])
        case Prefix() | TitlePrefix() | TitleWords():
            return _of_text(where, prefix)
        case Not(condition):
            return edge.Filter(must_not=[condition_of(condition, prefix)])
        case All(conditions):
            return edge.Filter(must=[condition_of(condition, prefix) for condition in conditions])


def _of_text(where: Prefix | TitlePrefix | TitleWords, prefix: str) -> Any:
    match where:
        case Prefix(field, start):
            key = quoted_path(prefix, field)
            # Booleans are stored as words, which are no strings to a filter.
            flags: list[Any] = [equal(key, word) for word in map(_word, (True, False)) if word.startswith(start)]
            return edge.Filter(must=[edge.FieldCondition(key=key, match=edge.MatchPrefix(start))], must_not=flags)
        case TitlePrefix(start):
            return edge.FieldCondition(key=TITLE_KEY, match=edge.MatchPrefix(start))
        case TitleWords(words):
            return edge.Filter(must=[equal(TITLE_WORDS, word) for word in words])


def _equals(key: str, value: Scalar) -> edge.FieldCondition:
    if isinstance(value, bool):
        value = _word(value)
    if isinstance(value, str):
        return edge.FieldCondition(key=key, match=edge.MatchValue(value))
    # A match would distinguish 2024 and 2024.0, which JSON does not.
    return edge.FieldCondition(key=key, range=edge.RangeFloat(gte=value, lte=value))


def _range(where: Range) -> edge.RangeFloat | edge.RangeDateTime:
    bounds: dict[str, Any] = {name: getattr(where, name) for name in ("gt", "gte", "lt", "lte")}
    if any(isinstance(bound, str) for bound in bounds.values()):
        return edge.RangeDateTime(**bounds)
    return edge.RangeFloat(**bounds)


def _word(value: bool) -> str:
    return "true" if value else "false"


def _opened(folder: Path, place: Path, config: edge.EdgeConfig | None, indexes: Indexes) -> edge.EdgeShard:
    made = folder / "made"
    if config is None:
        return edge.EdgeShard.load(str(place))
    if made.exists():
        shard = edge.EdgeShard.load(str(place), config)
    else:
        # A first start that was cut short leaves a shard without its indexes: begin again.
        shutil.rmtree(place, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        shard = edge.EdgeShard.create(str(place), config)
    for field, schema in indexes.items():  # one that is there as it should be costs nothing
        shard.update(edge.UpdateOperation.create_field_index(field, schema))
    shard.flush()
    made.touch()
    return shard
