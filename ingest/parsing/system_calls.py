"""The system calls that a parser may not use: those that reach the network, other processes or other files' attributes.

A seccomp filter refuses them with EPERM. Numbers are those of the kernel's tables, `arch/x86/entry/syscalls` and
`include/uapi/asm-generic/unistd.h`.
"""

import ctypes
import errno
import os
import platform
import struct
from dataclasses import dataclass
from typing import Final

# Linux, include/uapi/linux/prctl.h, seccomp.h, sched.h, audit.h, bpf_common.h.
PR_SET_SECCOMP: Final = 22
SECCOMP_MODE_FILTER: Final = 2
SECCOMP_RET_ALLOW: Final = 0x7FFF0000
SECCOMP_RET_ERRNO: Final = 0x00050000
CLONE_THREAD: Final = 0x10000
CLONE_NAMESPACES: Final = 0x7E020080
F_SETOWN, F_SETSIG, F_SETOWN_EX = 8, 10, 15
TIOCSTI, FIOSETOWN = 0x5412, 0x8901
SOCK_STREAM, SOCK_TYPES = 1, 0xF
X32_CALLS: Final = 0x40000000
"""x86-64 numbers from here on are the x32 variants of the same calls."""

_SINCE_5_1: Final = {  # the same on every architecture
    "pidfd_send_signal": 424, "io_uring_setup": 425, "open_tree": 428, "move_mount": 429, "fsopen": 430,
    "fspick": 433, "pidfd_open": 434, "clone3": 435, "pidfd_getfd": 438, "process_madvise": 440, "mount_setattr": 442,
    "process_mrelease": 448, "fchmodat2": 452, "setxattrat": 463, "removexattrat": 466,
}  # fmt: skip
X86_64: Final = {
    "ioctl": 16, "shmget": 29, "shmat": 30, "shmctl": 31, "socket": 41, "connect": 42, "bind": 49, "listen": 50,
    "socketpair": 53, "clone": 56, "fork": 57, "vfork": 58, "execve": 59, "kill": 62, "semget": 64, "semop": 65,
    "semctl": 66, "msgget": 68, "msgsnd": 69, "msgrcv": 70, "msgctl": 71, "fcntl": 72, "chmod": 90, "fchmod": 91,
    "chown": 92, "fchown": 93, "lchown": 94, "ptrace": 101, "syslog": 103, "setpgid": 109, "setsid": 112,
    "utime": 132, "setpriority": 141, "sched_setparam": 142, "sched_setscheduler": 144, "chroot": 161, "mount": 165,
    "setxattr": 188, "lsetxattr": 189, "fsetxattr": 190, "removexattr": 197, "lremovexattr": 198,
    "fremovexattr": 199, "tkill": 200, "sched_setaffinity": 203, "semtimedop": 220, "tgkill": 234, "utimes": 235,
    "mq_open": 240, "mq_unlink": 241, "add_key": 248, "request_key": 249, "keyctl": 250, "ioprio_set": 251,
    "inotify_init": 253, "migrate_pages": 256, "fchownat": 260, "futimesat": 261, "fchmodat": 268, "unshare": 272,
    "move_pages": 279, "utimensat": 280, "inotify_init1": 294, "rt_sigqueueinfo": 129, "rt_tgsigqueueinfo": 297,
    "perf_event_open": 298, "fanotify_init": 300, "prlimit64": 302, "open_by_handle_at": 304, "setns": 308,
    "process_vm_readv": 310, "process_vm_writev": 311, "kcmp": 312, "sched_setattr": 314, "bpf": 321,
    "execveat": 322, "userfaultfd": 323, **_SINCE_5_1,
}  # fmt: skip
AARCH64: Final = {
    "setxattr": 5, "lsetxattr": 6, "fsetxattr": 7, "removexattr": 14, "lremovexattr": 15, "fremovexattr": 16,
    "fcntl": 25, "inotify_init1": 26, "ioctl": 29, "ioprio_set": 30, "mount": 40, "chroot": 51, "fchmod": 52,
    "fchmodat": 53, "fchownat": 54, "fchown": 55, "utimensat": 88, "unshare": 97, "syslog": 116, "ptrace": 117,
    "sched_setparam": 118, "sched_setscheduler": 119, "sched_setaffinity": 122, "kill": 129, "tkill": 130,
    "tgkill": 131, "rt_sigqueueinfo": 138, "setpriority": 140, "setpgid": 154, "setsid": 157, "mq_open": 180,
    "mq_unlink": 181, "msgget": 186, "msgctl": 187, "msgrcv": 188, "msgsnd": 189, "semget": 190, "semctl": 191,
    "semtimedop": 192, "semop": 193, "shmget": 194, "shmctl": 195, "shmat": 196, "socket": 198, "socketpair": 199,
    "bind": 200, "listen": 201, "connect": 203, "add_key": 217, "request_key": 218, "keyctl": 219, "clone": 220,
    "execve": 221, "migrate_pages": 238, "move_pages": 239, "rt_tgsigqueueinfo": 240, "perf_event_open": 241,
    "prlimit64": 261, "fanotify_init": 262, "open_by_handle_at": 265, "setns": 268, "process_vm_readv": 270,
    "process_vm_writev": 271, "kcmp": 272, "sched_setattr": 274, "bpf": 280, "execveat": 281, "userfaultfd": 282,
    **_SINCE_5_1,
}  # fmt: skip
NUMBERS: Final = {"x86_64": X86_64, "aarch64": AARCH64}
AUDIT_ARCH: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


@dataclass(frozen=True, slots=True)
class Condition:
    """Refuse or allow a call by one of its arguments, of which the lower 32 bits count."""

    argument: int
    values: tuple[int, ...]
    mask: int = 0xFFFFFFFF
    allowed: bool = True
    """Whether the call is allowed where the masked argument is one of `values`; otherwise it is refused there."""


# struct seccomp_data: the number at 0, the architecture at 4, the arguments from 16 on, 8 bytes each.
_LOAD: Final = 0x20
_JUMP_EQUAL: Final = 0x15
_JUMP_AT_LEAST: Final = 0x35
_AND: Final = 0x54
_RETURN: Final = 0x06
_ARGUMENTS: Final = 16
_REFUSE: Final = SECCOMP_RET_ERRNO | errno.EPERM
_MISSING: Final = SECCOMP_RET_ERRNO | errno.ENOSYS


class _Program(ctypes.Structure):
    """`struct sock_fprog`."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def refuse_calls(libc: ctypes.CDLL, *, may_execute: bool) -> None:
    """Take the calls away from this process and all that it starts. Without known numbers nothing happens.

    `may_execute` leaves it the call that replaces it by another program. Raises OSError if the kernel has filters and
    refuses this one.
    """
    machine = platform.machine()
    if machine not in NUMBERS:
        return
    code = filter_of(machine, os.getpid(), may_execute=may_execute)
    instructions = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(code) // 8, ctypes.addressof(instructions))
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) != 0:
        number = ctypes.get_errno()
        if number not in {
            errno.EINVAL,
            errno.EPERM,
            errno.ENOSYS,
        }:  # there are no filters, or none may be set
            raise OSError(number, "seccomp refused the filter")


def conditions(process: int) -> dict[str, tuple[Condition, ...]]:
    """Return the calls that are allowed in part: to a process itself, and without effect on others."""
    itself = Condition(0, (process,))
    itself_or_0 = Condition(0, (0, process))
    return {
        # Threads, but no processes and no namespaces.
        "clone": (
            Condition(0, (0,), CLONE_NAMESPACES),
            Condition(0, (CLONE_THREAD,), CLONE_THREAD),
        ),
        "kill": (itself,),
        "tgkill": (itself,),
        "prlimit64": (itself_or_0,),
        "sched_setaffinity": (itself_or_0,),
        # Signals to others when a file is ready; input to a terminal.
        "fcntl": (Condition(1, (F_SETOWN, F_SETSIG, F_SETOWN_EX), allowed=False),),
        "ioctl": (Condition(1, (TIOCSTI, FIOSETOWN), allowed=False),),
        # A datagram socket could send to any other by its path.
        "socketpair": (Condition(1, (SOCK_STREAM,), SOCK_TYPES),),
    }


def filter_of(machine: str, process: int, *, may_execute: bool) -> bytes:
    """Return the filter as a classic BPF program; calls of another architecture are refused as well."""
    numbers, conditional = NUMBERS[machine], conditions(process)
    lines = [
        _instruction(_LOAD, 4),
        *_return_unless_equal(AUDIT_ARCH[machine], _REFUSE),
        _instruction(_LOAD, 0),
        _instruction(_JUMP_AT_LEAST, X32_CALLS, otherwise=1),
        _instruction(_RETURN, _REFUSE),
    ]
    for name, number in numbers.items():
        if name in {"execve", "execveat"} and may_execute:
            continue
        block = _tests(conditional[name]) if name in conditional else [_instruction(_RETURN, _refusal(name))]
        lines += [_instruction(_JUMP_EQUAL, number, otherwise=len(block)), *block]
    return b"".join([*lines, _instruction(_RETURN, SECCOMP_RET_ALLOW)])


def _refusal(name: str) -> int:
    # Libraries then use `clone`, whose flags a filter can read.
    return _MISSING if name == "clone3" else _REFUSE


def _tests(wanted: tuple[Condition, ...]) -> list[bytes]:
    """Return instructions that end the filter with the decision about a call."""
    lines: list[bytes] = []
    for each in wanted:
        lines.append(_instruction(_LOAD, _ARGUMENTS + 8 * each.argument))
        lines.append(_instruction(_AND, each.mask))
        if each.allowed:
            # To the next condition from any of the values; a refusal behind the last.
            count = len(each.values)
            lines += [_instruction(_JUMP_EQUAL, value, then=count - at) for at, value in enumerate(each.values)]
            lines.append(_instruction(_RETURN, _REFUSE))
        else:
            for value in each.values:
                lines += [_instruction(_JUMP_EQUAL, value, otherwise=1), _instruction(_RETURN, _REFUSE)]
    return [*lines, _instruction(_RETURN, SECCOMP_RET_ALLOW)]


def _return_unless_equal(value: int, decision: int) -> list[bytes]:
    return [_instruction(_JUMP_EQUAL, value, then=1), _instruction(_RETURN, decision)]


def _instruction(operation: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
    """Return a `struct sock_filter`; jumps count the instructions that are passed."""
    return struct.pack("=HBBI", operation, then, otherwise, value)
