"""The process that parsers are forked from: it survives its parsers, and is started again when it has ended."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ingest.parsing.child import Read, Refused
from ingest.parsing.limits import ParserLimits
from ingest.parsing.media import CSV_TYPES
from ingest.parsing.sandbox import read_in_child
from tests.support.patience import patient
from tests.support.polling import eventually

CSV = CSV_TYPES[0]


def servers(parent: int) -> list[int]:
    """Return the fork servers that a process has started."""
    return [each for each in children(parent) if b"ingest.parsing.fork_server" in process_file(each, "cmdline")]


def process_file(process: int, name: str) -> bytes:
    """Return what the kernel reports about a process, nothing after its end."""
    try:
        return Path(f"/proc/{process}/{name}").read_bytes()
    except OSError:
        return b""


def children(parent: int) -> list[int]:
    listed = Path(f"/proc/{parent}/task/{parent}/children").read_text()
    return [int(each) for each in listed.split()]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "a" / "original"
    path.parent.mkdir()
    path.write_text("mã;tên\n1;Bình\n2;An\n")
    return path


def long_table(folder: Path, rows: int = 500_000) -> Path:
    folder.mkdir()
    path = folder / "original"
    path.write_text("mã;tên;nơi ở\n" + "1;Bình;Hà Nội\n" * rows)
    return path


@pytest.mark.parametrize(
    ("limits", "answer_bytes", "code"),
    [(ParserLimits(text_bytes=1000), None, "too_large"), (ParserLimits(), 0, "too_complex")],
)
async def test_the_output_of_a_parser_is_limited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limits: ParserLimits, answer_bytes: int | None, code: str
) -> None:
    """The text by the parser's process itself, all that it writes by the process that reads it."""
    if answer_bytes is not None:
        monkeypatch.setattr("ingest.parsing.sandbox._ANSWER_BYTES", answer_bytes)
    refused = await read_in_child(long_table(tmp_path / "a"), CSV, limits)
    assert isinstance(refused, Refused)
    assert refused.code == code


async def test_a_server_that_was_killed_is_started_again(table: Path) -> None:
    assert isinstance(await read_in_child(table, CSV, ParserLimits()), Read)
    [server] = servers(os.getpid())
    os.kill(server, signal.SIGKILL)
    assert isinstance(await read_in_child(table, CSV, ParserLimits()), Read)
    [successor] = servers(os.getpid())
    assert successor != server


async def test_a_parser_that_is_given_up_is_ended_and_the_server_is_not(tmp_path: Path, table: Path) -> None:
    assert isinstance(await read_in_child(table, CSV, ParserLimits()), Read)
    [server] = servers(os.getpid())
    slow = await read_in_child(long_table(tmp_path / "b"), CSV, ParserLimits(time_s=0.3))
    assert isinstance(slow, Refused)
    assert slow.code == "timeout"
    await eventually(lambda: not children(server), timeout_s=10)
    assert servers(os.getpid()) == [server]
    assert isinstance(await read_in_child(table, CSV, ParserLimits()), Read)


async def test_a_parser_that_waits_for_the_processor_is_not_given_up(tmp_path: Path, table: Path) -> None:
    await read_in_child(table, CSV, ParserLimits())
    [server] = servers(os.getpid())
    limits = ParserLimits(time_s=patient(2.0))
    reading = asyncio.create_task(read_in_child(long_table(tmp_path / "b", 100_000), CSV, limits))
    await eventually(lambda: children(server), timeout_s=10, every_s=0.01)
    for process in children(server):
        os.kill(process, signal.SIGSTOP)
    await asyncio.sleep(1.2 * limits.time_s)
    for process in children(server):
        os.kill(process, signal.SIGCONT)
    assert isinstance(await reading, Read)


async def test_a_request_that_is_cancelled_ends_its_parser(tmp_path: Path, table: Path) -> None:
    await read_in_child(table, CSV, ParserLimits())
    [server] = servers(os.getpid())
    task = asyncio.create_task(read_in_child(long_table(tmp_path / "b"), CSV, ParserLimits()))
    await eventually(lambda: bool(children(server)), timeout_s=10, every_s=0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await eventually(lambda: not children(server), timeout_s=10)


async def test_documents_read_at_the_same_time_get_their_own_answers(tmp_path: Path) -> None:
    paths = []
    for number in range(24):
        path = tmp_path / str(number) / "original"
        path.parent.mkdir()
        path.write_text(f"mã;tên\n{number};Bình {number}\n")
        paths.append(path)
    answers = await asyncio.gather(*(read_in_child(path, CSV, ParserLimits()) for path in paths))
    for number, answer in enumerate(answers):
        assert isinstance(answer, Read)
        assert f"Bình {number}" in str(answer.document.blocks)


async def test_the_server_ends_with_the_process_that_started_it(table: Path) -> None:
    code = (
        "import asyncio, os, pathlib\n"
        "from ingest.parsing.limits import ParserLimits\n"
        "from ingest.parsing.sandbox import read_in_child\n"
        f"asyncio.run(read_in_child(pathlib.Path({str(table)!r}), 'text/csv', ParserLimits()))\n"
        "print(pathlib.Path(f'/proc/{os.getpid()}/task/{os.getpid()}/children').read_text(), flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment
    )
    [server] = done.stdout.split()
    await eventually(lambda: not process_file(int(server), "cmdline"), timeout_s=10)


async def test_the_server_knows_no_secret(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await read_in_child(table, CSV, ParserLimits())
    [server] = servers(os.getpid())
    os.kill(server, signal.SIGKILL)
    monkeypatch.setenv("PHOSERVE_SECRET", "hush")
    await read_in_child(table, CSV, ParserLimits())
    [server] = servers(os.getpid())
    assert b"hush" not in process_file(server, "environ")
