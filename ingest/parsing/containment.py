"""Confine the parser's process: no network, no other processes, no files but its input, the interpreter and libraries.

Landlock (Linux 5.13) restricts files, seccomp restricts system calls; both need no privileges and cannot be undone. A
kernel without one of them gets the other: `supported` lists those in force.
"""

import ctypes
import errno
import os
import platform
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ingest.parsing.system_calls import AUDIT_ARCH, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, refuse_calls

MAX_OPEN_FILES: Final = 256

# Linux, include/uapi/linux/prctl.h, capability.h, landlock.h.
PR_SET_DUMPABLE: Final = 4
PR_SET_NO_NEW_PRIVS: Final = 38
CAPABILITY_VERSION_3: Final = 0x20080522
LANDLOCK_CREATE_RULESET: Final = 444
LANDLOCK_ADD_RULE: Final = 445
LANDLOCK_RESTRICT_SELF: Final = 446
LANDLOCK_CREATE_RULESET_VERSION: Final = 1
LANDLOCK_RULE_PATH_BENEATH: Final = 1
EXECUTE: Final = 1 << 0
READ_FILE: Final = 1 << 2
READ_DIR: Final = 1 << 3
READ: Final = EXECUTE | READ_FILE | READ_DIR
FILE_RIGHTS: Final = EXECUTE | 1 << 1 | READ_FILE | 1 << 14 | 1 << 15
"""Rights that a rule about a file, not a folder, may have: execute, write, read, truncate, ioctl."""
RIGHTS_OF_VERSION: Final = {1: 13, 2: 14, 3: 15, 4: 15}
"""How many file rights each version of Landlock knows; versions above 4 know 16."""
NETWORK_SINCE: Final = 4
TCP: Final = 1 << 0 | 1 << 1
"""To bind to a port, and to connect to one."""
SCOPES_SINCE: Final = 6
OTHERS: Final = 1 << 0 | 1 << 1
"""Abstract Unix sockets of others, and signals to others."""
SYSTEM: Final = (
    "/usr",
    "/lib",
    "/lib64",
    "/bin",
    "/dev/null",
    "/dev/urandom",
    "/sys/devices/system/cpu",
    # Nothing else of /etc: secrets are mounted there, such as /etc/phoserve/api-keys.json.
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/alternatives",
    "/etc/fonts",
    "/etc/localtime",
    "/etc/timezone",
    "/etc/locale.alias",
    "/etc/mime.types",
    "/etc/ssl/openssl.cnf",
)
_OWN_CODE: Final = tuple(str(Path(__file__).parents[2] / name) for name in ("ingest", "phoserve"))


class RulesetAttributes(ctypes.Structure):
    """`struct landlock_ruleset_attr`."""

    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class PathBeneath(ctypes.Structure):
    """`struct landlock_path_beneath_attr`."""

    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def confine(workspace: Path | None, readable: tuple[str, ...] = (), *, may_execute: bool = False) -> None:
    """Restrict this process, and what it becomes, to reading the system and `readable`, and to its `workspace`.

    It reaches neither the network nor other processes, and starts none; `may_execute` lets it become another program.
    """
    resource.setrlimit(resource.RLIMIT_NOFILE, (MAX_OPEN_FILES, MAX_OPEN_FILES))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _restrict_files(libc, workspace, readable)
    _drop_capabilities(libc)
    refuse_calls(libc, may_execute=may_execute)


def supported() -> frozenset[str]:
    """Return which of `landlock` and `seccomp` this kernel has."""
    libc = ctypes.CDLL(None, use_errno=True)
    found = set()
    if _landlock_version(libc) > 0:
        found.add("landlock")
    # An invalid filter is refused with EFAULT where filters exist, with EINVAL where they do not.
    libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, 0, 0, 0)
    if ctypes.get_errno() == errno.EFAULT and platform.machine() in AUDIT_ARCH:
        found.add("seccomp")
    return frozenset(found)


def _landlock_version(libc: ctypes.CDLL) -> int:
    return int(libc.syscall(LANDLOCK_CREATE_RULESET, None, 0, LANDLOCK_CREATE_RULESET_VERSION))


def _restrict_files(libc: ctypes.CDLL, workspace: Path | None, readable: tuple[str, ...]) -> None:
    version = _landlock_version(libc)
    if version <= 0:
        return
    everything = (1 << RIGHTS_OF_VERSION.get(version, 16)) - 1
    handled = RulesetAttributes(
        everything, TCP if version >= NETWORK_SINCE else 0, OTHERS if version >= SCOPES_SINCE else 0
    )
    size = 24 if version >= SCOPES_SINCE else 16 if version >= NETWORK_SINCE else 8
    ruleset = libc.syscall(LANDLOCK_CREATE_RULESET, ctypes.byref(handled), size, 0)
    if ruleset < 0:
        raise OSError(ctypes.get_errno(), "Landlock refused the rules")
    try:
        for path in _existing(readable):
            _allow(libc, ruleset, path, READ)
        if workspace is not None:
            _allow(libc, ruleset, workspace, everything)
        if libc.syscall(LANDLOCK_RESTRICT_SELF, ruleset, 0) != 0:
            raise OSError(ctypes.get_errno(), "Landlock could not restrict the parser")
    finally:
        os.close(ruleset)


def _existing(readable: tuple[str, ...]) -> Iterator[Path]:
    """Yield what Python and the libraries read: installed code and the system, never /proc of other processes.

    Of the folder with this project's code only the packages: a checkout has its configuration next to them.
    """
    names = (*SYSTEM, *_OWN_CODE, sys.prefix, sys.base_prefix, f"/proc/{os.getpid()}", *readable)
    yield from (path for path in {Path(name).resolve() for name in names if name} if path.exists())


def _allow(libc: ctypes.CDLL, ruleset: int, path: Path, rights: int) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = PathBeneath(rights if path.is_dir() else rights & FILE_RIGHTS, descriptor)
        if libc.syscall(LANDLOCK_ADD_RULE, ruleset, LANDLOCK_RULE_PATH_BENEATH, ctypes.byref(rule), 0) != 0:
            raise OSError(ctypes.get_errno(), f"Landlock refused the rule for {path}")
    finally:
        os.close(descriptor)


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    """Leave a process of root the rights of any other user."""
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    none = (ctypes.c_uint32 * 6)()
    if libc.capset(header, none) != 0 and os.geteuid() == 0:
        raise OSError(ctypes.get_errno(), "the capabilities could not be dropped")
