"""Checks before the local platform starts. Each error message has the fix."""

import errno
import fcntl
import os
import shutil
import socket
from pathlib import Path
from typing import IO, Final

from phoserve.errors import ConfigurationError

MIN_FREE_BYTES: Final = 200 * 1024 * 1024
LOCK_FILE: Final = "lock"


def open_state(folder: Path) -> IO[str]:
    """Create the state folder if necessary and lock it while the returned file is open.

    Raises ConfigurationError if the folder cannot be written, its disk is full, or another platform runs on it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _check_space(folder)
        lock = (folder / LOCK_FILE).open("a+")
    except OSError as error:
        raise ConfigurationError(_unusable(folder, error)) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise ConfigurationError(
            f"another phoserve runs on {folder}; stop it, or choose another folder with --state"
        ) from error
    return lock


def listening_socket(host: str, port: int) -> socket.socket:
    """Return a bound TCP socket for the API. Port 0 selects a free port.

    Raises ConfigurationError if the port is taken, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise ConfigurationError(_unbindable(host, port, error)) from error
    return sock


def _check_space(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < MIN_FREE_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _unusable(folder: Path, error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return (
            f"the disk of {folder} is full: {MIN_FREE_BYTES >> 20} MB must be free; "
            "free some space, or choose another folder with --state"
        )
    return f"{folder} cannot be written ({error.strerror}); choose another folder with --state"


def _unbindable(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} on {host} is in use; stop the process that uses it, "
            "or choose another port with --port (0: any free port)"
        )
    if error.errno == errno.EACCES:
        return f"port {port} needs root privileges; choose a port above 1023 with --port"
    return f"cannot listen on {host}:{port} ({error.strerror}); choose an address of this machine with --host"
