"""Other processes are out of reach of a model file, whatever version of Landlock the kernel has."""

from __future__ import annotations

import ctypes
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from adapters.model_files import open as _model_file
from adapters.model_files.sandbox import sandbox, seccomp

pytestmark = pytest.mark.skipif(
    bool(_model_file.why_not("cpu")), reason=f"no isolation here: {_model_file.why_not('cpu')}"
)

PROGRAM = Path(__file__).with_name("_other_processes.py")
ROOT = Path(__file__).parents[4]
ABIS = range(1, sandbox.landlock_abi() + 1)
KILLERS = ("own", "own_ex", "kill", "pidfd", "queue")
HONEST = {
    "read flags", "set flags", "duplicate", "close on exec", "bytes waiting", "is it a terminal",
    "own limit", "own processors", "own signal",
}  # fmt: skip
MAY_BE_MISSING = {
    "bpf", "get_robust_list", "ioprio_set", "keyctl", "lease a file", "migrate_pages", "mq_unlink",
    "perf_event_open", "pidfd_getfd", "process_madvise", "process_mrelease", "process_vm_readv",
    "ptrace", "sched_setattr", "setpgid", "share a core", "userfaultfd", "kcmp", "prctl",
}  # fmt: skip
"""Switched off or a matter of rights on some machines, even outside of a sandbox."""
VICTIM = "import sys; print('here', flush=True); sys.stdin.read()"


@pytest.fixture
def victim() -> Iterator[subprocess.Popen[str]]:
    """Another process of the user, which ends in order when its input does."""
    with subprocess.Popen(
        [sys.executable, "-c", VICTIM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process


@pytest.fixture
def objects() -> Iterator[list[int]]:
    """Ids of a shared memory segment, a semaphore and a queue of this process."""
    libc = ctypes.CDLL(None)
    with ExitStack() as made:
        shared = libc.shmget(0, 4096, 0o600 | 0o1000)
        made.callback(libc.shmctl, shared, 0, None)
        semaphore = libc.semget(0, 1, 0o600 | 0o1000)
        made.callback(libc.semctl, semaphore, 0, 0)
        queue = libc.msgget(0, 0o600 | 0o1000)
        made.callback(libc.msgctl, queue, 0, None)
        yield [shared, semaphore, queue]


def tried(abi: int, victim: subprocess.Popen[str], ids: list[int], mode: str) -> dict[str, str]:
    words = [str(number) for number in (abi, victim.pid, *ids)]
    done = subprocess.run(
        [sys.executable, str(PROGRAM), *words, mode],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"},
    )
    found: dict[str, str] = json.loads(done.stdout)
    return found


def end_of(victim: subprocess.Popen[str]) -> int:
    """Exit code of the victim once it is asked to end."""
    assert victim.stdin is not None
    victim.stdin.close()
    return victim.wait(30)


def test_every_attempt_works_outside(victim: subprocess.Popen[str], objects: list[int]) -> None:
    found = tried(0, victim, objects, "all")
    failed = {name for name, outcome in found.items() if outcome != "done"}
    assert failed <= MAY_BE_MISSING, found
    assert len(found) - len(HONEST) >= 45


@pytest.mark.parametrize("abi", ABIS)
def test_no_attempt_works_inside(
    victim: subprocess.Popen[str], objects: list[int], abi: int
) -> None:
    found = tried(abi, victim, objects, "all")
    assert {name for name, outcome in found.items() if outcome == "done"} == HONEST
    refused = {found[name] for name in found.keys() - HONEST}
    assert refused <= {"PermissionError", "ZeroDivisionError"}, found
    assert end_of(victim) == 0


@pytest.mark.parametrize("way", KILLERS)
def test_each_way_to_kill_works_outside(
    victim: subprocess.Popen[str], objects: list[int], way: str
) -> None:
    tried(0, victim, objects, way)
    assert end_of(victim) == -signal.SIGKILL


@pytest.mark.parametrize("way", KILLERS)
@pytest.mark.parametrize("abi", [1, 5, *ABIS[-1:]])
def test_no_way_to_kill_works_inside(
    victim: subprocess.Popen[str], objects: list[int], abi: int, way: str
) -> None:
    tried(abi, victim, objects, way)
    assert end_of(victim) == 0


HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}


@pytest.mark.parametrize("name", sorted(seccomp.MACHINES))
def test_each_number_is_the_kernels(name: str) -> None:
    if not HEADERS[name].exists():
        pytest.skip("the kernel's headers are not installed")
    words = [line.split() for line in HEADERS[name].read_text().splitlines()]
    names = {
        int(line[2]): line[1].removeprefix("__NR3264_").removeprefix("__NR_")
        for line in words
        if line[:1] == ["#define"] and len(line) == 3 and line[2].isdigit()
    }
    machine = seccomp.MACHINES[name]
    # A header may be older than the newest calls.
    refused = {names[number] for number in machine.refused if number in names}
    assert {"kill", "ptrace", "pidfd_open", "process_madvise", "shmat", "semctl"} <= refused
    assert not refused & {"read", "write", "futex", "mmap", "openat", "exit_group", "fcntl"}
    by_argument = (machine.fcntl, machine.ioctl, machine.setaffinity, machine.prlimit)
    named = [names[number] for number in by_argument]
    assert named == ["fcntl", "ioctl", "sched_setaffinity", "prlimit64"]
