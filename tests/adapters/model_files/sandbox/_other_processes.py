"""Every call that names another process or has the kernel signal one, tried inside or outside.

    python _other_processes.py ABI VICTIM SHARED SEMAPHORE QUEUE MODE

``ABI`` is the version of Landlock to pretend, 0 for no sandbox. ``MODE`` is ``all`` for a list of
harmless attempts, or one of the ways to kill the process ``VICTIM``.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import pty
import signal
import socket
import struct
import sys
from collections.abc import Callable

from adapters.model_files.sandbox import sandbox

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long
ARM = os.uname().machine == "aarch64"
F_SETSIG, F_SETOWN_EX, O_ASYNC, F_OWNER_PID = 10, 15, 0x2000, 1
FIOASYNC, FIOSETOWN, SIOCSPGRP, TIOCSIG = 0x5452, 0x8901, 0x8902, 0x40045436
NUMBERS = {
    "kill": (62, 129), "tkill": (200, 130), "tgkill": (234, 131), "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240), "setpriority": (141, 140), "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119), "sched_setaffinity": (203, 122), "sched_setattr": (314, 274),
    "prlimit64": (302, 261), "ioprio_set": (251, 30), "migrate_pages": (256, 238),
    "move_pages": (279, 239), "process_vm_readv": (310, 270), "kcmp": (312, 272),
    "get_robust_list": (274, 100), "perf_event_open": (298, 241), "setpgid": (109, 154),
    "shmat": (30, 196), "shmctl": (31, 195), "semctl": (66, 191), "msgctl": (71, 187),
    "mq_unlink": (241, 181), "keyctl": (250, 219), "inotify_init1": (294, 26), "prctl": (157, 167),
    "userfaultfd": (323, 282), "bpf": (321, 280), "ptrace": (101, 117),
    "pidfd_send_signal": (424, 424), "pidfd_open": (434, 434), "pidfd_getfd": (438, 438),
    "process_madvise": (440, 440), "process_mrelease": (448, 448),
}  # fmt: skip
QUEUE = b"xray-audit-hostile-test"


def call(name: str, *arguments: int | bytes | ctypes.Array[ctypes.c_char]) -> None:
    """A raw system call; OSError if it fails."""
    held = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    if LIBC.syscall(ctypes.c_long(NUMBERS[name][ARM]), *held) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


class Opened:
    """Files and objects made before the sandbox closes, as a runtime may have left them."""

    def __init__(self, victim: int) -> None:
        self.reading, self.writing = os.pipe()
        self.socket, self.other = socket.socketpair()
        self.pidfd = os.pidfd_open(victim)
        self.terminal, self.line = pty.openpty()
        self.library = os.open(os.__file__, os.O_RDONLY)


def killers(victim: int, opened: Opened) -> dict[str, Callable[[], object]]:
    """Ways to have the kernel kill ``victim``."""
    file, owner = opened.reading, struct.pack("=ii", F_OWNER_PID, victim)

    def notified(own: Callable[[], object]) -> Callable[[], object]:
        def run() -> None:
            for step in (
                own,
                lambda: fcntl.fcntl(file, F_SETSIG, signal.SIGKILL),
                lambda: fcntl.fcntl(file, fcntl.F_SETFL, O_ASYNC | os.O_NONBLOCK),
                lambda: fcntl.ioctl(file, FIOASYNC, struct.pack("=i", 1)),
            ):
                try:
                    step()
                except OSError:
                    continue  # the next step may still do
            os.write(opened.writing, b"x")

        return run

    return {
        "own": notified(lambda: fcntl.fcntl(file, fcntl.F_SETOWN, victim)),
        "own_ex": notified(lambda: fcntl.fcntl(file, F_SETOWN_EX, owner)),
        "kill": lambda: call("kill", victim, signal.SIGKILL),
        "pidfd": lambda: call("pidfd_send_signal", opened.pidfd, signal.SIGKILL, 0, 0),
        "queue": lambda: call(
            "rt_sigqueueinfo", victim, signal.SIGKILL, struct.pack("=iii", 9, 0, -1) + bytes(116)
        ),
    }


def attempts(
    victim: int, opened: Opened, shared: int, semaphore: int, queue: int
) -> dict[str, Callable[[], object]]:
    """Name -> attempt; each works outside and changes nothing of note."""
    file, mask = opened.reading, ctypes.create_string_buffer(128)
    owner = struct.pack("=ii", F_OWNER_PID, victim)
    info = struct.pack("=iii", 0, 0, -1) + bytes(116)
    here = struct.pack("=QQ", ctypes.addressof(mask), 1)
    ctypes.memset(mask, 0xFF, 128)
    named = {
        "kill": (victim, 0),
        "tkill": (victim, 0),
        "tgkill": (victim, victim, 0),
        "rt_sigqueueinfo": (victim, 0, info),
        "rt_tgsigqueueinfo": (victim, victim, 0, info),
        "pidfd_open": (victim, 0),
        "pidfd_send_signal": (opened.pidfd, 0, 0, 0),
        "pidfd_getfd": (opened.pidfd, 0, 0),
        "setpriority": (0, victim, 0),
        "sched_setparam": (victim, struct.pack("=i", 0)),
        "sched_setscheduler": (victim, 0, struct.pack("=i", 0)),
        "sched_setaffinity": (victim, 128, mask),
        "sched_setattr": (victim, struct.pack("=IIQiIQQQ", 48, 0, 0, 0, 0, 0, 0, 0), 0),
        "prlimit64": (victim, 7, 0, bytes(16)),
        "ioprio_set": (1, victim, 0x4004),
        "migrate_pages": (victim, 64, bytes(8), bytes(8)),
        "move_pages": (victim, 0, 0, 0, 0, 0),
        "process_vm_readv": (victim, here, 1, here, 0, 0),
        "kcmp": (os.getpid(), victim, 1, 0, 0),
        "get_robust_list": (victim, bytes(8), bytes(8)),
        "perf_event_open": (struct.pack("=IIQ", 1, 64, 0) + bytes(48), victim, -1, -1, 0),
        "ptrace": (0x4206, victim, 0, 0),
        "shmat": (shared, 0, 0),
        "shmctl": (shared, 2, ctypes.create_string_buffer(256)),
        "semctl": (semaphore, 0, 12, 0),
        "msgctl": (queue, 2, ctypes.create_string_buffer(256)),
        "mq_unlink": (QUEUE,),
        "keyctl": (0, -3, 0),
        "inotify_init1": (0,),
        "prctl": (0x59616D61, victim, 0, 0, 0),
        "setpgid": (0, 0),
        "userfaultfd": (1,),
        "bpf": (1, bytes(64), 64),
        "process_madvise": (opened.pidfd, here, 0, 20, 0),
        "process_mrelease": (opened.pidfd, 0),
    }  # fmt: skip
    calls: dict[str, Callable[[], object]] = {
        name: lambda name=name, arguments=arguments: call(name, *arguments)  # type: ignore[misc]
        for name, arguments in named.items()
    }
    return calls | {
        "share a core": lambda: LIBC.prctl(62, 2, victim, 0, 0) and 1 / 0,
        "own by F_SETOWN": lambda: fcntl.fcntl(file, fcntl.F_SETOWN, victim),
        "own by F_SETOWN, a group": lambda: fcntl.fcntl(file, fcntl.F_SETOWN, -os.getpgid(victim)),
        "own by F_SETOWN_EX": lambda: fcntl.fcntl(file, F_SETOWN_EX, owner),
        "choose the signal": lambda: fcntl.fcntl(file, F_SETSIG, 0),
        "be notified by F_SETFL": lambda: fcntl.fcntl(file, fcntl.F_SETFL, O_ASYNC),
        "be notified by FIOASYNC": lambda: fcntl.ioctl(file, FIOASYNC, struct.pack("=i", 0)),
        "own by FIOSETOWN": lambda: fcntl.ioctl(
            opened.socket, FIOSETOWN, struct.pack("=i", victim)
        ),
        "own by SIOCSPGRP": lambda: fcntl.ioctl(
            opened.socket, SIOCSPGRP, struct.pack("=i", victim)
        ),
        "signal a terminal": lambda: fcntl.ioctl(opened.terminal, TIOCSIG, signal.SIGINT),
        "lease a file": lambda: fcntl.fcntl(opened.library, 1024, fcntl.F_RDLCK),
        "seal a file": lambda: fcntl.fcntl(opened.reading, 1031, 4096),
    }


def honest(opened: Opened) -> dict[str, Callable[[], object]]:
    """Uses of the same calls that harm no other process."""
    return {
        "read flags": lambda: fcntl.fcntl(opened.reading, fcntl.F_GETFL),
        "set flags": lambda: os.set_blocking(opened.reading, False),
        "duplicate": lambda: os.close(os.dup(opened.reading)),
        "close on exec": lambda: os.set_inheritable(opened.reading, False),
        "bytes waiting": lambda: fcntl.ioctl(opened.reading, 0x541B, bytes(4)),
        "is it a terminal": lambda: os.isatty(opened.line) or 1 / 0,
        "own limit": lambda: call("prlimit64", 0, 7, 0, bytes(16)),
        "own processors": lambda: os.sched_setaffinity(0, os.sched_getaffinity(0)),
        "own signal": lambda: call("tgkill", os.getpid(), os.getpid(), 0),
    }


def outcome(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except BaseException as error:  # noqa: BLE001 - its name is the finding
        return type(error).__name__
    return "done"


def main() -> None:
    abi, victim, shared, semaphore, queue = (int(word) for word in sys.argv[1:6])
    mode, opened = sys.argv[6], Opened(victim)
    if abi:
        sandbox.landlock_abi = lambda: abi
        sandbox.enter(sandbox.AllowedPaths(("/usr/lib",)))
    if mode == "all":
        tried = attempts(victim, opened, shared, semaphore, queue)
    else:
        tried = {mode: killers(victim, opened)[mode]}
    found = {name: outcome(attempt) for name, attempt in tried.items()}
    found |= {name: outcome(attempt) for name, attempt in honest(opened).items()}
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
