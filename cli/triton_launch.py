"""Start a program as `tritonserver`, with the secrets of its restricted endpoints off the command line.

`python -m cli.triton_launch tritonserver ARGUMENTS...` replaces itself with the server. Triton accepts these secrets as
arguments only, and any user of a machine can read the arguments of a process. So the server is started with
placeholders. Before its first instruction, a tracer points these entries of its argv to variables of its environment,
which only root and processes of the same user can read. The process keeps its id, its signals and its parent.

The module uses the standard library only: it also runs as a script, in isolated mode.
"""

import ctypes
import os
import signal
import struct
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

ADMIN_HEADER: Final = "phoserve-admin"
ADMIN_PROTOCOLS: Final = "model-repository,shared-memory,trace,logging"
ADMIN_SECRET: Final = "TRITON_ADMIN_SECRET"  # noqa: S105 - the name of a variable
KEY_HEADER: Final = "phoserve-key"
KEY_PROTOCOLS: Final = "inference,model-config,statistics"
API_KEY: Final = "TRITON_API_KEY"
FROM_FILE: Final = "_FILE"
FLAGS: Final = ("--http-restricted-api", "--grpc-restricted-protocol")
HIDDEN: Final = "PHOSERVE_TRITON_ARGUMENT_"

PTRACE_POKEDATA: Final = 5
PTRACE_CONT: Final = 7
PTRACE_DETACH: Final = 17
PTRACE_SEIZE: Final = 0x4206
PTRACE_O_TRACEEXEC: Final = 1 << 4
PTRACE_O_EXITKILL: Final = 1 << 20
PTRACE_EVENT_EXEC: Final = 4
PR_SET_PTRACER: Final = 0x59616D61
WAIT_ALL: Final = 0x40000000  # __WALL: a tracee need not be a child
POINTER: Final = struct.Struct("=Q")
STACK_FIELD: Final = 28  # of /proc/PID/stat, counted from 1 (proc(5), startstack)


class Argument(NamedTuple):
    """An argument with a secret, and the text on the command line in its place."""

    secret: str
    shown: str


def restricted_arguments(environment: Mapping[str, str]) -> list[Argument]:
    """Return the arguments that restrict Triton's endpoints to callers with the secrets in `environment`.

    `TRITON_ADMIN_SECRET` guards model control, shared memory, tracing and logging. `TRITON_API_KEY`, where set, guards
    inference, model configurations and statistics. A variable that ends with `_FILE` names a file with the secret.
    Raises ValueError if the admin secret is missing or a secret contains characters that no header may have.
    """
    admin, key = _secret(environment, ADMIN_SECRET), _secret(environment, API_KEY)
    if admin is None:
        raise ValueError(f"set {ADMIN_SECRET} or {ADMIN_SECRET}{FROM_FILE}")
    groups = [(ADMIN_PROTOCOLS, ADMIN_HEADER, admin)]
    if key is not None:
        groups.append((KEY_PROTOCOLS, KEY_HEADER, key))
    return [
        Argument(f"{flag}={protocols}:{header}={secret}", f"{flag}={protocols}:{header}=HIDDEN")
        for protocols, header, secret in groups
        for flag in FLAGS
    ]


def launch(command: Sequence[str], environment: Mapping[str, str]) -> None:
    """Replace this process with `command` and the arguments that restrict its endpoints.

    Where tracing is not permitted, the secrets are on the command line, and a warning names the reason.
    Raises ValueError or OSError if nothing was started.
    """
    arguments = restricted_arguments(environment)
    if API_KEY not in environment and API_KEY + FROM_FILE not in environment:
        _warn(f"{API_KEY} is not set: inference, statistics and model configurations need no key")
    private = (ADMIN_SECRET, API_KEY, ADMIN_SECRET + FROM_FILE, API_KEY + FROM_FILE)
    kept = {name: value for name, value in environment.items() if name not in private}
    reason = _start_tracer(len(command))
    if reason is not None:
        _warn(f"the secrets are on the command line, because this process may not be traced: {reason}")
        os.execvpe(command[0], [*command, *(each.secret for each in arguments)], kept)  # noqa: S606 - no shell
    hidden = {f"{HIDDEN}{number}": each.secret for number, each in enumerate(arguments)}
    os.execvpe(command[0], [*command, *(each.shown for each in arguments)], kept | hidden)  # noqa: S606 - no shell


def _secret(environment: Mapping[str, str], name: str) -> str | None:
    path = environment.get(name + FROM_FILE)
    value = Path(path).read_text(encoding="utf-8").strip() if path else environment.get(name)
    if value is None:
        return None
    if not value or not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError(f"{name} must be printable ASCII characters without spaces")
    return value


def _start_tracer(first: int) -> str | None:
    """Start the process that hides the arguments from position `first` on; why it could not, or None."""
    target = os.getpid()
    permitted, permit = os.pipe()
    answer, answering = os.pipe()
    middle = os.fork()
    if middle == 0:
        tracer = os.fork()  # of no parent that would have to reap it
        if tracer == 0:
            _trace(target, first, permitted, answering)
        os.write(answering, POINTER.pack(tracer))
        os._exit(0)
    os.waitpid(middle, 0)
    os.close(answering)
    (tracer,) = POINTER.unpack(os.read(answer, POINTER.size))
    ctypes.CDLL(None).prctl(PR_SET_PTRACER, ctypes.c_ulong(tracer))  # fails without Yama, which then forbids nothing
    os.write(permit, b".")
    reason = os.read(answer, 200).decode()
    for descriptor in (permitted, permit, answer):
        os.close(descriptor)
    return None if reason == "ok" else reason or "the tracer ended"


def _trace(target: int, first: int, permitted: int, answering: int) -> None:
    """Wait until `target` executes the server, hide its arguments, end."""
    try:
        os.read(permitted, 1)
        try:
            _ptrace(PTRACE_SEIZE, target, PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL)
        except OSError as error:
            os.write(answering, str(error.strerror).encode())
            return
        os.write(answering, b"ok")
        if _reach_exec(target):
            _hide(target, first)
            _ptrace(PTRACE_DETACH, target)
    except Exception as error:  # the kernel ends the server with its tracer: it never serves with the placeholders
        _warn(f"the secrets could not be taken off the command line, so Triton is stopped: {error!r}")
    finally:
        os._exit(0)


def _reach_exec(target: int) -> bool:
    """Let `target` run to its next program; False if it ended before."""
    while True:
        _, status = os.waitpid(target, WAIT_ALL)
        if not os.WIFSTOPPED(status):
            return False
        if status >> 16 == PTRACE_EVENT_EXEC:
            return True
        number = os.WSTOPSIG(status)
        _ptrace(PTRACE_CONT, target, 0 if number == signal.SIGTRAP else number)


def _hide(target: int, first: int) -> None:
    """Point the arguments from `first` on to the values of the variables `HIDDEN`."""
    fields = Path(f"/proc/{target}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    position = int(fields[STACK_FIELD - 3])
    memory = os.open(f"/proc/{target}/mem", os.O_RDONLY)
    count = _pointer(memory, position)
    argv = position + POINTER.size
    variables = _variables(memory, argv + (count + 1) * POINTER.size)
    for number in range(count - first):
        name = f"{HIDDEN}{number}=".encode()
        _ptrace(PTRACE_POKEDATA, target, variables[name], argv + (first + number) * POINTER.size)


def _variables(memory: int, position: int) -> dict[bytes, int]:
    """Return where the values of the variables `HIDDEN` are, by `NAME=`."""
    found: dict[bytes, int] = {}
    while address := _pointer(memory, position):
        name = os.pread(memory, len(HIDDEN) + 4, address).partition(b"=")[0] + b"="
        if name.startswith(HIDDEN.encode()):
            found[name] = address + len(name)
        position += POINTER.size
    return found


def _pointer(memory: int, position: int) -> int:
    value: int = POINTER.unpack(os.pread(memory, POINTER.size, position))[0]
    return value


def _ptrace(request: int, target: int, data: int = 0, address: int = 0) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    arguments = (ctypes.c_long(request), ctypes.c_long(target), ctypes.c_void_p(address), ctypes.c_void_p(data))
    if libc.ptrace(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _warn(text: str) -> None:
    sys.stderr.write(f"phoserve: {text}\n")
    sys.stderr.flush()


def main() -> None:
    if len(sys.argv) < 2:
        sys.exit("usage: python -m cli.triton_launch tritonserver ARGUMENTS...")
    try:
        launch(sys.argv[1:], os.environ)
    except (ValueError, OSError) as error:
        sys.exit(f"phoserve: Triton was not started: {error}")


if __name__ == "__main__":
    main()
