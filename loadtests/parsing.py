"""CPU time of reading files, by format, compared with another checkout, such as one of version 0.1.

    python -m loadtests.parsing FILE... [--baseline CHECKOUT] [--rounds 5]

Every file goes through the worker's own path: parse (in the parser's process where the format needs one), chunk, terms,
and the calls to encoder and index, which are stand-ins that cost nothing. Both checkouts take turns on the same files,
each in a process of its own. Times are medians of the rounds; the ratio is the median of the rounds' ratios. CPU time
counts the parser's processes. Each list of files is read once before, so what is loaded once does not count.
"""

import argparse
import asyncio
import ctypes
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

HERE: Final = Path(__file__).resolve()
CONCURRENCY: Final = 8
SETTLE_S: Final = 0.1
PR_SET_CHILD_SUBREAPER: Final = 36  # Linux, include/uapi/linux/prctl.h


class _Files:
    """A source store whose keys are paths; texts are not kept."""

    async def read(self, key: str) -> bytes:
        return Path(key).read_bytes()  # noqa: ASYNC240 - as in the worker, small

    async def fetch(self, key: str, path: Path) -> None:
        shutil.copyfile(key, path)

    async def put(self, _key: str, content: bytes, **_options: object) -> int:
        return len(content)

    async def copy(self, _key: str, _target: str) -> None:
        pass


class _Encoder:
    """An embedder that costs nothing."""

    def __init__(self, contract: Any) -> None:
        self.contract = contract

    async def embed(self, texts: Sequence[str], **_options: object) -> Any:
        class Vectors:
            vectors = np.zeros((len(texts), 1), np.float32)

        return Vectors


class _Index:
    """An index that keeps nothing."""

    fingerprint = ""

    async def stage(self, passages: object) -> None:
        pass


def worker() -> None:
    """Read lists of files from standard input, one JSON list a line; write the number of passages of each list."""
    # Imported here: the checkout that this process runs in decides which version they are.
    import export.bundled
    from ingest.staging import StagingTools
    from phoserve.text import TextPipeline

    # Programs that parsers leave behind become children of this process, whose CPU time then counts.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    text = TextPipeline.load(Path(export.bundled.__path__[0]))
    tools = StagingTools(_Encoder(text.contract), text)  # type: ignore[arg-type]
    for line in sys.stdin:
        passages = asyncio.run(_stage_all([Path(name) for name in json.loads(line)], tools))
        sys.stdout.write(f"{passages}\n")
        sys.stdout.flush()


async def _stage_all(files: Sequence[Path], tools: Any) -> int:
    from ingest.staging import stage_document

    gate = asyncio.Semaphore(CONCURRENCY)

    async def ignore(_: object) -> None:
        pass

    try:
        from ingest.staging import IndexingModel
    except ImportError:  # before documents were embedded by several models
        target: tuple[Any, ...] = (ignore, tools)
    else:
        target = ([IndexingModel(_Index(), tools)],)  # type: ignore[arg-type]

    async def stage(file: Path) -> int:
        async with gate:
            staged: Any = await stage_document(_document(file), _Files(), *target, ignore)  # type: ignore[call-arg, arg-type]
        return int(getattr(staged, "passages", staged))

    return sum(await asyncio.gather(*map(stage, files)))


def _document(file: Path) -> Any:
    """Return the record of a file, with the fields that this checkout's records have."""
    import mimetypes

    try:
        from phoserve.documents import records as records
    except ImportError:  # version 0.1
        from phoserve import documents as records  # type: ignore[no-redef]
    own = {".md": "text/markdown", ".eml": "message/rfc822", ".msg": "application/vnd.ms-outlook"}
    kind = own.get(file.suffix) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    original = records.Original(
        key=str(file), sha256="0" * 64, size_bytes=file.stat().st_size, media_type=kind, filename=file.name
    )
    now = datetime.now(UTC)
    fields: dict[str, Any] = {
        **{"collection": "kb", "collection_id": "kb", "id": file.name, "key": "0" * 32},
        **{"original": original, "created_at": now, "updated_at": now},
    }
    return records.Document(**{name: value for name, value in fields.items() if name in _fields_of(records.Document)})


def _fields_of(struct: Any) -> frozenset[str]:
    return frozenset(struct.__struct_fields__)


def _cpu_s(pid: int) -> float:
    """Return the CPU seconds so far of a process, of its descendants, and of those that have ended."""
    from loadtests.benchmark.memory import family  # version 0.1 has it elsewhere; this process runs in its own checkout

    stats = [Path(f"/proc/{each}/stat").read_text().rsplit(")", 1)[1].split() for each in family(pid)]
    return sum(int(times[at]) for times in stats for at in (11, 12, 13, 14)) / os.sysconf("SC_CLK_TCK")


@contextmanager
def _running(checkout: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(  # noqa: S603 (this interpreter)
        [sys.executable, "-P", str(HERE), "--worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout)},
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def _measure(process: subprocess.Popen[str], files: Sequence[Path]) -> dict[str, float] | None:
    """Return one run's figures, None if this checkout cannot read one of the files."""
    assert process.stdin is not None  # noqa: S101 - it was asked for
    assert process.stdout is not None  # noqa: S101
    before = _cpu_s(process.pid)
    process.stdin.write(json.dumps(list(map(str, files))) + "\n")
    process.stdin.flush()
    if not (answer := process.stdout.readline()):
        return None
    time.sleep(SETTLE_S)  # a parser's process counts when it has been reaped
    return {"cpu_ms": (_cpu_s(process.pid) - before) * 1000, "passages": int(answer)}


def compare(files: Sequence[Path], checkouts: Sequence[Path], rounds: int) -> None:
    """Print a row for each format (suffix) among `files`."""
    by_format: dict[str, list[Path]] = defaultdict(list)
    for file in files:
        by_format[file.suffix.lower()].append(file.resolve())
    for suffix, group in sorted(by_format.items()):
        results: list[list[dict[str, float]]] = [[] for _ in checkouts]
        for number, checkout in enumerate(checkouts):
            with _running(checkout) as process:
                if _measure(process, group) is None:
                    sys.stdout.write(f"{checkout} cannot read {suffix}\n")
                    results[number] = []
        _take_turns(group, checkouts, rounds, results)
        sys.stdout.write(json.dumps(_row(suffix, len(group), results)) + "\n")
        sys.stdout.flush()


def _take_turns(
    group: Sequence[Path], checkouts: Sequence[Path], rounds: int, results: list[list[dict[str, float]]]
) -> None:
    with _running(checkouts[0]) as first, _running(checkouts[-1]) as last:
        processes = [first, last][: len(checkouts)]
        for process in processes:
            _measure(process, group)  # warms up
        for number in range(rounds):
            for at in [*range(len(processes))][:: 1 if number % 2 else -1]:
                if answer := _measure(processes[at], group):
                    results[at].append(answer)


def _row(suffix: str, documents: int, results: list[list[dict[str, float]]]) -> dict[str, Any]:
    times = [[each["cpu_ms"] / documents for each in runs] for runs in results]
    row: dict[str, Any] = {"format": suffix, "files": documents, "cpu_ms": _median(times[0])}
    row["passages"] = results[0][0]["passages"] if results[0] else 0
    if len(results) > 1 and times[1]:
        row["baseline_cpu_ms"] = _median(times[1])
        row["baseline_passages"] = results[1][0]["passages"]
        row["ratio"] = round(statistics.median(a / b for a, b in zip(*times, strict=True)), 3)
    return row


def _median(values: Sequence[float]) -> float:
    return round(statistics.median(values), 1) if values else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the CPU time of reading files, by format.")
    parser.add_argument("files", type=Path, nargs="*")
    parser.add_argument("--baseline", type=Path, help="a checkout to compare with")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        worker()
        return
    checkouts = [HERE.parents[1], *([arguments.baseline.resolve()] if arguments.baseline else [])]
    compare(arguments.files, checkouts, arguments.rounds)


if __name__ == "__main__":
    main()
