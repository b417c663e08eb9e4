"""The process that starts parsers: it has loaded them all, and forks for each document.

`python -m ingest.parsing.fork_server`, with a socket as standard input. It holds no secret, opens no document and
changes nothing that a later fork could see, so one document cannot affect the next. It ends with the process that
started it, or after `IDLE_S` without work.
"""

import gc
import importlib
import os
import select
import signal
import socket
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn

import msgspec

from ingest.parsing.child import read_and_answer
from ingest.parsing.limits import ParserLimits
from ingest.parsing.parsers import parser_modules
from ingest.parsing.tesseract import find_tesseract
from phoserve.concurrency.priority import lower_priority

IDLE_S: Final = 60.0
STARTED: Final = b"\x01"
"""Written before the document is opened; an answer without it means that the request was lost."""
MAX_MESSAGE_BYTES: Final = 1 << 16
_CONTROL: Final = 0


class Start(msgspec.Struct, frozen=True, tag=True):
    """Read a document; the answer goes to the descriptor that comes with the message."""

    number: int
    path: str
    media_type: str
    limits: ParserLimits
    environment: dict[str, str]


class Stop(msgspec.Struct, frozen=True, tag=True):
    """End a parser and what it started, if it runs."""

    number: int


class _Server:
    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._running: dict[int, int] = {}
        """Requests by process id. An id is not reused before its process is reaped here."""

    def serve(self) -> None:
        """Answer requests until the other end of the socket is closed, or nothing happens for `IDLE_S`."""
        wake, woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        control = self._control.fileno()
        while True:
            ready, _, _ = select.select([control, wake], [], [], IDLE_S)
            if wake in ready:
                with suppress(BlockingIOError):
                    os.read(wake, 4096)
                self._reap()
            if not ready and not self._running:
                return
            if control in ready and not self._take((control, wake, woken)):
                break
        for process in self._running:
            _kill(process)

    def _take(self, own: tuple[int, ...]) -> bool:
        """Take one message; return False at the end of all."""
        message, descriptors, _, _ = socket.recv_fds(self._control, MAX_MESSAGE_BYTES, 1)
        if not message:
            return False
        request = msgspec.msgpack.decode(message, type=Start | Stop)
        if isinstance(request, Stop):
            for process in [process for process, number in self._running.items() if number == request.number]:
                _kill(process)
            return True
        [answer] = descriptors
        process = os.fork()
        if process == 0:
            _become_parser(request, answer, own)
        os.close(answer)
        self._running[process] = request.number
        return True

    def _reap(self) -> None:
        while self._running:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None:
                return
            _kill(ended.si_pid)  # what it started
            os.waitpid(ended.si_pid, 0)
            del self._running[ended.si_pid]


def _become_parser(request: Start, answer: int, others: tuple[int, ...]) -> NoReturn:
    """Read the document in this fork, which shares nothing with the server from here on."""
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setpgrp()
        for descriptor in others:
            os.close(descriptor)
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, _CONTROL)
        path = Path(request.path)
        os.chdir(path.parent)
        os.environ.clear()
        os.environ.update(request.environment)
        tempfile.tempdir = None
        os.write(answer, STARTED)
        with os.fdopen(answer, "wb") as file:
            read_and_answer(path, request.media_type, request.limits, file)
        status = 0
    finally:
        os._exit(status)


def _kill(process: int) -> None:
    """Kill a process that is not reaped yet, and the group it leads."""
    for kill in (os.killpg, os.kill):
        with suppress(ProcessLookupError, PermissionError):
            kill(process, signal.SIGKILL)


def main() -> None:
    """Load the parsers and serve."""
    lower_priority()  # that of the process that started it, for its own session too
    control = socket.socket(fileno=os.dup(_CONTROL))
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, _CONTROL)
    for name in parser_modules():
        with suppress(ImportError):  # the fork that needs it fails by itself
            importlib.import_module(name)
    find_tesseract()  # once for all parsers
    gc.collect()
    gc.freeze()
    with control:
        _Server(control).serve()
    sys.exit(0)


if __name__ == "__main__":
    main()
