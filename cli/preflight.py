"""Checks before the local platform starts. Each error message has the fix."""

import errno
import fcntl
import os
import pwd
import shutil
import socket
import stat
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

import structlog

from phoserve.errors import ConfigurationError

MIN_FREE_BYTES: Final = 200 * 1024 * 1024
LOCK_FILE: Final = "lock"
PRIVATE_UMASK: Final = 0o077
OTHERS: Final = 0o077
"""The permissions of the group and of other users."""

log = structlog.get_logger(__name__)


def open_state(folder: Path) -> IO[str]:
    """Create the state folder if necessary and lock it while the returned file is open.

    Only this user can read the folder: its mode becomes 0700, and files that this process creates later are 0600.
    Raises ConfigurationError if the folder cannot be written, its disk is full, or another platform runs on it.
    """
    try:
        os.umask(PRIVATE_UMASK)
        folder.mkdir(parents=True, exist_ok=True)
        _make_private(folder)
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
    if (owner := folder.stat().st_uid) != os.geteuid():
        # Only root comes this far: what it creates here is not readable by the owner.
        log.warning("state_of_another_user", folder=str(folder), owner=_user_name(owner))
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


def _make_private(folder: Path) -> None:
    """Take the state folder's permissions from other users, and those of what an earlier version created in it.

    A folder with other content is left as it is: it is not only ours.
    """
    if not folder.stat().st_mode & OTHERS:
        return
    if any(folder.iterdir()) and not (folder / LOCK_FILE).exists():
        log.warning("state_readable_by_others", folder=str(folder))
        return
    tightened = sum(_tighten(path) for path in (folder, *folder.rglob("*")))
    log.info("state_made_private", folder=str(folder), paths=tightened)


def _tighten(path: Path) -> bool:
    status = path.lstat()
    is_shared = stat.S_ISREG(status.st_mode) and status.st_nlink > 1  # a model's file, linked from its own folder
    if stat.S_ISLNK(status.st_mode) or is_shared or not status.st_mode & OTHERS:
        return False
    path.chmod(stat.S_IMODE(status.st_mode) & ~OTHERS)
    return True


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
    if error.errno in {errno.EACCES, errno.EPERM} and (foreign := _foreign_path(folder)) is not None:
        owner, user = _user_name(foreign.stat().st_uid), _user_name(os.geteuid())
        return (
            f"{foreign} belongs to the user {owner}, and this is {user}: start phoserve as {owner}, give {folder} to "
            f"{user} with `chown -R`, or choose another folder with --state"
        )
    return f"{folder} cannot be written ({error.strerror}); choose another folder with --state"


def _foreign_path(folder: Path) -> Path | None:
    """Return the lock or the state folder if it belongs to another user."""
    for path in (folder / LOCK_FILE, folder):
        with suppress(OSError):
            return path if path.stat().st_uid != os.geteuid() else None
    return None


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _unbindable(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} on {host} is in use; stop the process that uses it, "
            "or choose another port with --port (0: any free port)"
        )
    if error.errno == errno.EACCES:
        return f"port {port} needs root privileges; choose a port above 1023 with --port"
    return f"cannot listen on {host}:{port} ({error.strerror}); choose an address of this machine with --host"
