"""Confine the parser's process: no network, no files but its input, the interpreter and the system's libraries.

Landlock (Linux 5.13) restricts files, seccomp restricts system calls; both need no privileges and cannot be undone. A
kernel without one of them gets the other: `supported` lists those in force.
"""

import ctypes
import errno
import os
import platform
import resource
import struct
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

MAX_OPEN_FILES: Final = 256

# Linux, include/uapi/linux/prctl.h, seccomp.h, landlock.h.
PR_SET_DUMPABLE: Final = 4
PR_SET_NO_NEW_PRIVS: Final = 38
PR_SET_SECCOMP: Final = 22
SECCOMP_MODE_FILTER: Final = 2
SECCOMP_RET_ALLOW: Final = 0x7FFF0000
SECCOMP_RET_ERRNO: Final = 0x00050000
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
SYSTEM: Final = (
    "/usr",
    "/lib",
    "/lib64",
    "/bin",
    "/etc",
    "/opt",
    "/dev/null",
    "/dev/urandom",
    "/sys/devices/system/cpu",
)

# System calls that reach the network or other processes, by architecture (arch/*/entry/syscalls).
AUDIT_ARCH: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
DENIED_CALLS: Final = {
    # socket, ptrace, process_vm_readv, process_vm_writev, perf_event_open, bpf, userfaultfd, io_uring_setup, unshare,
    # mount, keyctl, pidfd_getfd
    "x86_64": (41, 101, 310, 311, 298, 321, 323, 425, 272, 165, 250, 438),
    "aarch64": (198, 117, 270, 271, 241, 280, 282, 425, 97, 40, 219, 438),
}
X32_CALLS: Final = 0x40000000
"""x86-64 numbers from here on are the x32 variants of the same calls."""


class PathBeneath(ctypes.Structure):
    """`struct landlock_path_beneath_attr`."""

    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


class FilterProgram(ctypes.Structure):
    """`struct sock_fprog`."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def confine(workspace: Path) -> None:
    """Restrict this process, and all that it starts, to reading the system and to its `workspace`, without network."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (MAX_OPEN_FILES, MAX_OPEN_FILES))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _restrict_files(libc, workspace)
    _deny_calls(libc)


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


def _restrict_files(libc: ctypes.CDLL, workspace: Path) -> None:
    version = _landlock_version(libc)
    if version <= 0:
        return
    everything = (1 << RIGHTS_OF_VERSION.get(version, 16)) - 1
    handled = ctypes.c_uint64(everything)
    ruleset = libc.syscall(LANDLOCK_CREATE_RULESET, ctypes.byref(handled), ctypes.sizeof(handled), 0)
    if ruleset < 0:
        raise OSError(ctypes.get_errno(), "Landlock refused the rules")
    try:
        for path in _readable():
            _allow(libc, ruleset, path, READ)
        _allow(libc, ruleset, workspace, everything)
        if libc.syscall(LANDLOCK_RESTRICT_SELF, ruleset, 0) != 0:
            raise OSError(ctypes.get_errno(), "Landlock could not restrict the parser")
    finally:
        os.close(ruleset)


def _readable() -> Iterator[Path]:
    """Yield what Python and the libraries read: installed code and the system, never /proc of other processes."""
    names: Iterable[str] = (*SYSTEM, sys.prefix, sys.base_prefix, *sys.path, f"/proc/{os.getpid()}")
    yield from (path for path in {Path(name).resolve() for name in names if name} if path.exists())


def _allow(libc: ctypes.CDLL, ruleset: int, path: Path, rights: int) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = PathBeneath(rights if path.is_dir() else rights & FILE_RIGHTS, descriptor)
        if libc.syscall(LANDLOCK_ADD_RULE, ruleset, LANDLOCK_RULE_PATH_BENEATH, ctypes.byref(rule), 0) != 0:
            raise OSError(ctypes.get_errno(), f"Landlock refused the rule for {path}")
    finally:
        os.close(descriptor)


def _deny_calls(libc: ctypes.CDLL) -> None:
    machine = platform.machine()
    if machine not in AUDIT_ARCH:
        return
    code = _filter(AUDIT_ARCH[machine], DENIED_CALLS[machine])
    instructions = ctypes.create_string_buffer(code, len(code))
    program = FilterProgram(len(code) // 8, ctypes.addressof(instructions))
    libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0)


def _filter(architecture: int, denied: tuple[int, ...]) -> bytes:
    """Return a classic BPF program over `struct seccomp_data` (call number at 0, architecture at 4).

    Calls of another architecture and the denied ones fail with EPERM.
    """
    load, jump_equal, jump_at_least, give = 0x20, 0x15, 0x35, 0x06
    refuse = SECCOMP_RET_ERRNO | errno.EPERM

    def instruction(operation: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
        return struct.pack("=HBBI", operation, then, otherwise, value)

    count = len(denied)
    return b"".join(
        [
            instruction(load, 4),
            instruction(jump_equal, architecture, otherwise=count + 3),
            instruction(load, 0),
            instruction(jump_at_least, X32_CALLS, then=count + 1),
            *(instruction(jump_equal, call, then=count - place) for place, call in enumerate(denied)),
            instruction(give, SECCOMP_RET_ALLOW),
            instruction(give, refuse),
        ]
    )
