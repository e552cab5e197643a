"""Takes from the calling process what a model file has no use for; there is no way back.

Landlock for files and TCP, seccomp for everything else, resource limits, no capabilities, no core
dump, no new privileges. Standard library only: it runs before anything else is imported, because
Landlock holds for the calling thread and those it starts later, not for threads that exist.
"""

from __future__ import annotations

import ctypes
import os
import signal
import stat
import struct
from dataclasses import dataclass

from adapters.model_files.sandbox import seccomp

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38

# Landlock's access rights
_WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 1, 1 << 2, 1 << 3
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
_FS_RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}
"""ABI -> number of file rights it knows, from execute (bit 0) on."""
_TCP_RIGHTS = 0b11
_SCOPES = 0b11
"""Abstract UNIX sockets and signals: both only within the sandbox."""

_CAP_DAC_READ_SEARCH = 1 << 2


@dataclass(frozen=True)
class AllowedPaths:
    """Paths that may still be read, and devices that may be read, written and controlled."""

    read: tuple[str, ...]
    use: tuple[str, ...] = ()


def landlock_abi() -> int:
    """Version of Landlock in this kernel; 0 if there is none or it is switched off."""
    machine = seccomp.this_machine()
    if machine is None or os.name != "posix":
        return 0
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        found = libc.syscall(machine.landlock, None, ctypes.c_size_t(0), 1)
    except AttributeError:  # a libc without syscall()
        return 0
    return max(0, int(found))


def die_with_parent(parent: int) -> None:
    """Have the kernel end this process when the thread that started it ends."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise OSError("the auditor is gone")


def enter(paths: AllowedPaths) -> int:
    """Give up everything but ``paths``, threads and memory; returns Landlock's version. Raises
    OSError if the kernel does not take all of it; nothing untrusted may run then.
    """
    machine = seccomp.this_machine()
    abi = landlock_abi()
    if machine is None or abi < 1:
        raise OSError("this kernel has no Landlock, or this processor's calls are not known")
    if len(os.listdir("/proc/self/task")) != 1:  # noqa: PTH208 - pathlib costs 10 ms of the start
        raise OSError("threads were started before the sandbox")
    _first_to_go()
    _no_limits_left_open()
    _prctl(_PR_SET_DUMPABLE, 0)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _restrict_files(machine, abi, paths)
    _drop_capabilities(machine)
    seccomp.refuse_calls(machine, devices=any(path != "/dev/null" for path in paths.use))
    return abi


def limit_memory(more: int | None) -> None:
    """Let the process take ``more`` bytes (None: any) beyond what it has, and freeze all limits."""
    import resource  # noqa: PLC0415 - not on Windows

    if more is not None:
        page = resource.getpagesize()
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - as above
            sizes = [int(part) * page for part in file.read().split()]
        for kind, now in ((resource.RLIMIT_AS, sizes[0]), (resource.RLIMIT_DATA, sizes[5])):
            _limit(kind, now + more)
    machine = seccomp.this_machine()
    assert machine is not None
    seccomp.freeze_limits(machine)


def _first_to_go() -> None:
    """Volunteer to be ended first if memory runs out, before the audit or a neighbour."""
    try:
        with open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123 - as above
            file.write("1000")
    except OSError:
        return  # a kernel or container that does not let us volunteer; the limits still hold


def _no_limits_left_open() -> None:
    import resource  # noqa: PLC0415 - not on Windows

    for kind, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
        (resource.RLIMIT_NOFILE, 256),
    ):
        _limit(kind, most)


def _limit(kind: int, most: int) -> None:
    """Lower the limit to ``most``, or leave a lower one that the auditor was started with."""
    import resource  # noqa: PLC0415 - not on Windows

    hard = resource.getrlimit(kind)[1]
    least = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (least, least))


def _restrict_files(machine: seccomp.Machine, abi: int, paths: AllowedPaths) -> None:
    handled = (1 << max(n for since, n in _FS_RIGHTS.items() if since <= abi)) - 1
    fields = [handled]
    if abi >= 4:
        fields.append(_TCP_RIGHTS)
    if abi >= 6:
        fields.append(_SCOPES)
    attributes = struct.pack(f"={len(fields)}Q", *fields)
    libc = ctypes.CDLL(None, use_errno=True)
    size = ctypes.c_size_t(len(attributes))
    ruleset = _checked(libc.syscall(machine.landlock, attributes, size, 0), "landlock")
    reading = _READ_FILE | _READ_DIR
    using = reading | _WRITE_FILE | _TRUNCATE | _IOCTL_DEV
    for path, rights in (
        *((path, reading) for path in paths.read),
        *((path, using) for path in paths.use),
    ):
        _allow(libc, machine, ruleset, path, rights & handled)
    _checked(libc.syscall(machine.landlock + 2, ruleset, 0), "landlock")
    os.close(ruleset)


def _allow(
    libc: ctypes.CDLL, machine: seccomp.Machine, ruleset: int, path: str, rights: int
) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # not on this machine, so nothing to allow
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            rights &= ~_READ_DIR
        rule = struct.pack("=Qi", rights, place)
        done = libc.syscall(machine.landlock + 1, ruleset, 1, rule, 0)
        _checked(done, "landlock")
    finally:
        os.close(place)


def _drop_capabilities(machine: seccomp.Machine) -> None:
    """Keep none, but for root the right to read what it could read: packages in a user's home."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = struct.pack("=Ii", 0x20080522, 0)
    held = (ctypes.c_uint32 * 6)()
    _checked(libc.syscall(machine.capset - 1, header, held), "capget")
    kept = held[1] & _CAP_DAC_READ_SEARCH
    wanted = struct.pack("=6I", kept & held[0], kept, 0, 0, 0, 0)
    _checked(libc.syscall(machine.capset, header, wanted), "capset")


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    zero = ctypes.c_ulong(0)
    _checked(libc.prctl(option, ctypes.c_ulong(value), zero, zero, zero), "prctl")


def _checked(done: int, what: str) -> int:
    if done < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return done
