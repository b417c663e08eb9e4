"""Run a program for a confined parser, which starts no process itself: another one, that it cannot signal, does.

That process is forked before the parser is confined. It starts one program only, which is confined as well.
"""

import os
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

import msgspec

from ingest.parsing.containment import confine

_LENGTH: Final = struct.Struct("=QQ")
"""Of a message: its head in MessagePack, and the content behind it."""
MAX_OUTPUT_BYTES: Final = 64 << 20
DATA: Final = "TESSDATA_PREFIX"


class _Order(msgspec.Struct, frozen=True, array_like=True):
    arguments: tuple[str, ...]
    timeout_s: float


class _Outcome(msgspec.Struct, frozen=True, array_like=True):
    status: int | None
    """The program's; None if it took too long."""
    error: str = ""
    """Why it could not be started."""


class _Runner(NamedTuple):
    program: str
    orders: BinaryIO
    outcomes: BinaryIO


_runner: _Runner | None = None


def run(program: str, arguments: Sequence[str], content: bytes, *, timeout_s: float) -> bytes:
    """Return what `program` writes to its standard output, with `content` as its input.

    Raises OSError if it cannot be started, or subprocess.SubprocessError.
    """
    if _runner is None:
        return _run_here(program, arguments, content, timeout_s, is_confined=False)
    if program != _runner.program:
        raise PermissionError(f"a parser may not run {program}")
    _write(_runner.orders, msgspec.msgpack.encode(_Order(tuple(arguments), timeout_s)), content)
    head, output = _read(_runner.outcomes)
    outcome = msgspec.msgpack.decode(head, type=_Outcome)
    if outcome.error:
        raise OSError(outcome.error)
    if outcome.status is None:
        raise subprocess.TimeoutExpired(program, timeout_s)
    if outcome.status:
        raise subprocess.CalledProcessError(outcome.status, program)
    return output


def start_runner(program: str, not_inherited: int) -> None:
    """Fork the process that runs `program` for this one; `not_inherited` is a descriptor that it has no use for.

    It ends with this process, or with the group of both.
    """
    global _runner
    taken, order = os.pipe()
    outcome, reported = os.pipe()
    if os.fork() == 0:
        status = 1
        try:
            for descriptor in (not_inherited, order, outcome):
                os.close(descriptor)
            _serve(program, os.fdopen(taken, "rb"), os.fdopen(reported, "wb"))
            status = 0
        finally:
            os._exit(status)
    os.close(taken)
    os.close(reported)
    _runner = _Runner(program, os.fdopen(order, "wb"), os.fdopen(outcome, "rb"))


def _serve(program: str, orders: BinaryIO, outcomes: BinaryIO) -> None:
    while True:
        try:
            head, content = _read(orders)
        except EOFError:
            return
        order, output = msgspec.msgpack.decode(head, type=_Order), b""
        try:
            output = _run_here(program, order.arguments, content, order.timeout_s, is_confined=True)
            outcome = _Outcome(0)
        except subprocess.TimeoutExpired:
            outcome = _Outcome(None)
        except subprocess.CalledProcessError as error:
            outcome = _Outcome(error.returncode)
        except (OSError, subprocess.SubprocessError) as error:
            outcome = _Outcome(1, str(error) or type(error).__name__)
        _write(outcomes, msgspec.msgpack.encode(outcome), output[:MAX_OUTPUT_BYTES])


def _run_here(program: str, arguments: Sequence[str], content: bytes, timeout_s: float, *, is_confined: bool) -> bytes:
    return subprocess.run(  # noqa: S603 (a program of this machine, no shell)
        [program, *arguments],
        input=content,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=timeout_s,
        check=True,
        env={**os.environ, "OMP_THREAD_LIMIT": "1"},
        cwd="/" if is_confined else None,
        preexec_fn=(lambda: confine(None, _readable(program), may_execute=True)) if is_confined else None,
    ).stdout


def _readable(program: str) -> tuple[str, ...]:
    """Return the program with the libraries and data next to it, wherever it is installed."""
    binary = Path(program).resolve()
    folder = binary.parent.parent
    return str(binary), str(folder / "lib"), str(folder / "share"), os.environ.get(DATA, "")


def _write(pipe: BinaryIO, head: bytes, content: bytes) -> None:
    pipe.write(_LENGTH.pack(len(head), len(content)) + head)
    pipe.write(content)
    pipe.flush()


def _read(pipe: BinaryIO) -> tuple[bytes, bytes]:
    lengths = pipe.read(_LENGTH.size)
    if len(lengths) < _LENGTH.size:
        raise EOFError
    head, content = _LENGTH.unpack(lengths)
    return pipe.read(head), pipe.read(content)
