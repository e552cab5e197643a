"""The system calls that a model file's process may not make, as a seccomp filter.

Landlock governs files and TCP. What it leaves open is closed here: every socket, new processes
and programs, other processes, and the attributes of files (Landlock does not cover chmod, chown,
utime or xattr). No call may name another process, reach its memory or have the kernel signal it,
whatever Landlock's version: of calls that do this by an argument, only harmless arguments are
allowed. A refused call fails with EPERM, so that a runtime can say what went wrong.

Standard library only: this runs before anything else is imported.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from dataclasses import dataclass

_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2
_SET_MODE_FILTER, _TSYNC = 1, 1

_LOAD, _JUMP_EQ, _JUMP_GE, _JUMP_SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_AND, _SHIFT_RIGHT = 0x54, 0x74
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16
"""Offsets in ``struct seccomp_data``."""

_CLONE_THREAD = 0x00010000
_X32 = 0x40000000
"""On x86-64, system call numbers from here on are a second ABI for the same calls."""

_F_SETFL, _O_ASYNC = 4, 0x2000
_FCNTL = (0, 1, 2, 3, 5, 6, 7, 36, 37, 38, 1030, 1032, 1034)
"""Commands of fcntl that stay: duplicates, flags, locks, and reading a pipe's size and seals. Gone
are owners and signals (F_SETOWN with F_SETSIG has the kernel kill another process), leases, notices
and new seals.
"""
_IOCTL = (0x5401, 0x802C542A, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
"""Requests of ioctl that stay: asking whether a file is a terminal and how large it is, bytes
waiting, non-blocking, and close-on-exec. Gone are owners (FIOSETOWN, SIOCSPGRP), typing into and
signalling a terminal's processes (TIOCSTI, TIOCSIG and others), and attributes of files.
"""
_NVIDIA = (0x00, 0x46)
"""Types of the requests (second byte) by which CUDA speaks to the driver's devices."""
_PRCTL = (1, 4, 62, 0x59616D61)
"""Operations of prctl that are refused: outliving the auditor, being dumped to disk, sharing a core
with other processes' cookies, and naming a process that may trace this one.
"""


@dataclass(frozen=True)
class Machine:
    """Numbers of the system calls that we name, on one processor family: ``arch`` is the kernel's
    AUDIT_ARCH constant; seccomp, capset and landlock (the first of 3) are calls we make ourselves;
    ``refused`` are refused with any arguments, the others by their arguments.
    """

    arch: int
    seccomp: int
    capset: int
    clone: int
    tgkill: int
    prctl: int
    prlimit: int
    setrlimit: int
    fcntl: int
    ioctl: int
    setaffinity: int
    refused: tuple[int, ...]
    clone3: int = 435
    landlock: int = 444


_SINCE_5 = {
    "pidfd_send_signal": 424, "io_uring_setup": 425, "io_uring_enter": 426,
    "io_uring_register": 427, "open_tree": 428, "move_mount": 429, "fsopen": 430,
    "fsconfig": 431, "fsmount": 432, "fspick": 433, "pidfd_open": 434, "pidfd_getfd": 438,
    "process_madvise": 440, "mount_setattr": 442, "quotactl_fd": 443, "memfd_secret": 447,
    "process_mrelease": 448, "set_mempolicy_home_node": 450, "fchmodat2": 452,
    "setxattrat": 463, "removexattrat": 466, "open_tree_attr": 467, "file_setattr": 469,
}  # fmt: skip
"""Numbers that all processor families share."""

_X86_64 = {
    "shmget": 29, "shmat": 30, "shmctl": 31, "socket": 41, "connect": 42, "accept": 43,
    "sendto": 44, "sendmsg": 46, "bind": 49, "listen": 50, "socketpair": 53, "fork": 57,
    "vfork": 58, "execve": 59, "kill": 62, "semget": 64, "semop": 65, "semctl": 66,
    "msgget": 68, "msgsnd": 69, "msgrcv": 70, "msgctl": 71, "truncate": 76, "chmod": 90,
    "fchmod": 91, "chown": 92, "fchown": 93, "lchown": 94, "ptrace": 101, "syslog": 103,
    "setpgid": 109, "rt_sigqueueinfo": 129, "utime": 132, "personality": 135,
    "setpriority": 141, "sched_setparam": 142, "sched_setscheduler": 144, "vhangup": 153,
    "pivot_root": 155, "adjtimex": 159, "chroot": 161, "acct": 163, "settimeofday": 164,
    "mount": 165, "umount2": 166, "swapon": 167, "swapoff": 168, "reboot": 169,
    "sethostname": 170, "setdomainname": 171, "iopl": 172, "ioperm": 173, "init_module": 175,
    "delete_module": 176, "quotactl": 179, "setxattr": 188, "lsetxattr": 189, "fsetxattr": 190,
    "removexattr": 197, "lremovexattr": 198, "fremovexattr": 199, "tkill": 200,
    "semtimedop": 220, "clock_settime": 227, "utimes": 235, "mq_open": 240, "mq_unlink": 241,
    "kexec_load": 246, "add_key": 248, "request_key": 249, "keyctl": 250, "ioprio_set": 251,
    "inotify_init": 253, "inotify_add_watch": 254, "migrate_pages": 256, "fchownat": 260,
    "futimesat": 261, "fchmodat": 268, "unshare": 272, "get_robust_list": 274,
    "move_pages": 279, "utimensat": 280, "accept4": 288, "inotify_init1": 294,
    "rt_tgsigqueueinfo": 297, "perf_event_open": 298, "fanotify_init": 300,
    "name_to_handle_at": 303, "open_by_handle_at": 304, "clock_adjtime": 305, "sendmmsg": 307,
    "setns": 308, "process_vm_readv": 310, "process_vm_writev": 311, "kcmp": 312,
    "finit_module": 313, "sched_setattr": 314, "memfd_create": 319, "kexec_file_load": 320,
    "bpf": 321, "execveat": 322, "userfaultfd": 323,
}  # fmt: skip

_ARM64 = {
    "setxattr": 5, "lsetxattr": 6, "fsetxattr": 7, "removexattr": 14, "lremovexattr": 15,
    "fremovexattr": 16, "inotify_init1": 26, "inotify_add_watch": 27, "ioprio_set": 30,
    "umount2": 39, "mount": 40, "pivot_root": 41, "truncate": 45, "chroot": 51, "fchmod": 52,
    "fchmodat": 53, "fchownat": 54, "fchown": 55, "vhangup": 58, "quotactl": 60,
    "utimensat": 88, "acct": 89, "personality": 92, "unshare": 97, "get_robust_list": 100,
    "kexec_load": 104, "init_module": 105, "delete_module": 106, "clock_settime": 112,
    "syslog": 116, "ptrace": 117, "sched_setparam": 118, "sched_setscheduler": 119, "kill": 129,
    "tkill": 130, "rt_sigqueueinfo": 138, "setpriority": 140, "reboot": 142, "setpgid": 154,
    "sethostname": 161, "setdomainname": 162, "settimeofday": 170, "adjtimex": 171,
    "mq_open": 180, "mq_unlink": 181, "msgget": 186, "msgctl": 187, "msgrcv": 188,
    "msgsnd": 189, "semget": 190, "semctl": 191, "semtimedop": 192, "semop": 193, "shmget": 194,
    "shmctl": 195, "shmat": 196, "socket": 198, "socketpair": 199, "bind": 200, "listen": 201,
    "accept": 202, "connect": 203, "sendto": 206, "sendmsg": 211, "add_key": 217,
    "request_key": 218, "keyctl": 219, "execve": 221, "swapon": 224, "swapoff": 225,
    "migrate_pages": 238, "move_pages": 239, "rt_tgsigqueueinfo": 240, "perf_event_open": 241,
    "accept4": 242, "fanotify_init": 262, "name_to_handle_at": 264, "open_by_handle_at": 265,
    "clock_adjtime": 266, "setns": 268, "sendmmsg": 269, "process_vm_readv": 270,
    "process_vm_writev": 271, "kcmp": 272, "finit_module": 273, "sched_setattr": 274,
    "memfd_create": 279, "bpf": 280, "execveat": 281, "userfaultfd": 282,
    "kexec_file_load": 294,
}  # fmt: skip


def _machine(table: dict[str, int], **named: int) -> Machine:
    return Machine(refused=tuple(sorted({*table.values(), *_SINCE_5.values()})), **named)


MACHINES = {
    "x86_64": _machine(
        _X86_64, arch=0xC000003E, seccomp=317, capset=126, clone=56, tgkill=234, prctl=157,
        prlimit=302, setrlimit=160, fcntl=72, ioctl=16, setaffinity=203,
    ),
    "aarch64": _machine(
        _ARM64, arch=0xC00000B7, seccomp=277, capset=91, clone=220, tgkill=131, prctl=167,
        prlimit=261, setrlimit=164, fcntl=25, ioctl=29, setaffinity=122,
    ),
}  # fmt: skip
"""``platform.machine()`` -> its system calls."""


def this_machine() -> Machine | None:
    """The system calls of this processor; None if we do not know them."""
    # A 32-bit Python on a 64-bit kernel makes other system calls than the kernel's name says.
    return MACHINES.get(platform.machine()) if ctypes.sizeof(ctypes.c_void_p) == 8 else None


def refuse_calls(machine: Machine, *, devices: bool) -> None:
    """Refuse, for good and for all threads, what a model has no use for; with ``devices`` it may
    still speak to those of a GPU.
    """
    _install(machine, _first_filter(machine, os.getpid(), _NVIDIA if devices else ()))


def freeze_limits(machine: Machine) -> None:
    """Refuse, for good and for all threads, to change a resource limit."""
    refused = _return(_ERRNO | errno.EPERM)
    program = [
        *_same_machine(machine),
        _jump(_JUMP_EQ, machine.setrlimit, 0, 1), refused,
        # prlimit also reads limits: it is refused if it is given a new one.
        _jump(_JUMP_EQ, machine.prlimit, 0, 5),
        _load(_ARGUMENTS + 16), _jump(_JUMP_EQ, 0, 0, 2),
        _load(_ARGUMENTS + 20), _jump(_JUMP_EQ, 0, 1, 0), refused,
        _return(_ALLOW),
    ]  # fmt: skip
    _install(machine, program)


def _first_filter(machine: Machine, own_pid: int, drivers: tuple[int, ...]) -> list[bytes]:
    refused, allowed = _return(_ERRNO | errno.EPERM), _return(_ALLOW)
    program = _same_machine(machine)
    for number in machine.refused:
        program += [_jump(_JUMP_EQ, number, 0, 1), refused]
    program += [
        # glibc then falls back to clone, whose flags a filter can see.
        _jump(_JUMP_EQ, machine.clone3, 0, 1), _return(_ERRNO | errno.ENOSYS),
        _jump(_JUMP_EQ, machine.clone, 0, 4),
        _load(_ARGUMENTS), _jump(_JUMP_SET, _CLONE_THREAD, 0, 1), allowed, refused,
        # Raising O_ASYNC would have files report to an owner.
        _jump(_JUMP_EQ, machine.fcntl, 0, 4 + len(_FCNTL) * 2 + 2),
        _load(_ARGUMENTS + 8), _jump(_JUMP_EQ, _F_SETFL, 0, 2),
        _load(_ARGUMENTS + 16), _jump(_JUMP_SET, _O_ASYNC, len(_FCNTL) * 2, len(_FCNTL) * 2 + 1),
        *_if_one_of(_FCNTL, allowed), refused, allowed,
    ]  # fmt: skip
    driver = [_compute(_SHIFT_RIGHT, 8), _compute(_AND, 0xFF), *_if_one_of(drivers, allowed)]
    program += [
        *_by_argument(machine.ioctl, 1, [*_if_one_of(_IOCTL, allowed), *driver], refused),
        # abort() signals its own process, which harms no other process.
        *_by_argument(machine.tgkill, 0, _if_one_of((own_pid,), allowed), refused),
        *_by_argument(machine.prlimit, 0, _if_one_of((0, own_pid), allowed), refused),
        *_by_argument(machine.setaffinity, 0, _if_one_of((0, own_pid), allowed), refused),
        *_by_argument(machine.prctl, 0, _if_one_of(_PRCTL, refused), allowed),
        allowed,
    ]
    return program


def _by_argument(number: int, argument: int, rules: list[bytes], otherwise: bytes) -> list[bytes]:
    """Ends the call ``number`` by ``rules`` over the lower half of an argument, all that the kernel
    reads of it; other calls go on.
    """
    rules = [_load(_ARGUMENTS + 8 * argument), *rules, otherwise]
    return [_jump(_JUMP_EQ, number, 0, len(rules)), *rules]


def _if_one_of(values: tuple[int, ...], then: bytes) -> list[bytes]:
    return [step for value in values for step in (_jump(_JUMP_EQ, value, 0, 1), then)]


def _same_machine(machine: Machine) -> list[bytes]:
    """Ends the process that calls the kernel in another ABI; leaves the call's number loaded."""
    program = [_load(_ARCH), _jump(_JUMP_EQ, machine.arch, 1, 0), _return(_KILL), _load(_NUMBER)]
    if machine is MACHINES["x86_64"]:
        program += [_jump(_JUMP_GE, _X32, 0, 1), _return(_KILL)]
    return program


def _load(offset: int) -> bytes:
    return struct.pack("=HBBI", _LOAD, 0, 0, offset)


def _jump(kind: int, value: int, met: int, unmet: int) -> bytes:
    return struct.pack("=HBBI", kind, met, unmet, value)


def _compute(kind: int, value: int) -> bytes:
    return struct.pack("=HBBI", kind, 0, 0, value)


def _return(action: int) -> bytes:
    return struct.pack("=HBBI", _RETURN, 0, 0, action)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def _install(machine: Machine, program: list[bytes]) -> None:
    code = b"".join(program)
    made = _Program(len(program), code)
    libc = ctypes.CDLL(None, use_errno=True)
    # With TSYNC a positive answer names a thread that could not be covered.
    done = libc.syscall(machine.seccomp, _SET_MODE_FILTER, _TSYNC, ctypes.byref(made))
    if done != 0:
        number = ctypes.get_errno() or errno.EBUSY
        raise OSError(number, f"seccomp: {os.strerror(number)}")
