"""What a hostile model file tries. Run as a program it shows that each works outside a sandbox."""

# ruff: noqa: PTH102, PTH101, PTH104, PTH108, PTH123, PTH208, PTH211 - the calls themselves are tried

from __future__ import annotations

import ctypes
import json
import os
import resource
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

LIBC = ctypes.CDLL(None, use_errno=True)


def syscall(*numbers: int | bytes) -> None:
    if LIBC.syscall(*(ctypes.c_long(n) if isinstance(n, int) else n for n in numbers)) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def read(path: str) -> None:
    with open(path, "rb") as file:
        assert file.read(1)


def write(path: str, mode: str = "w") -> None:
    with open(path, mode) as file:
        file.write("x")


def in_thread(call: Callable[[], Any]) -> None:
    caught: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:  # noqa: BLE001 - raised by the caller
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if caught:
        raise caught[0]


def fork() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def peek(pid: int) -> None:
    """Read a byte of another process's memory."""
    with open(f"/proc/{pid}/maps") as file:
        start = int(file.readline().split("-")[0], 16)
    with open(f"/proc/{pid}/mem", "rb") as file:
        file.seek(start)
        file.read(1)


def raise_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (hard, hard))


def attempts(folder: str, parent: int, port: int) -> dict[str, Callable[[], Any]]:
    """Name -> attempt. ``folder`` holds secret.txt; a server listens on loopback ``port``."""
    secret = f"{folder}/secret.txt"

    def inside(name: str) -> str:
        return f"{folder}/{name}"

    return {
        "read a file": lambda: read(secret),
        "read a file from a thread": lambda: in_thread(lambda: read(secret)),
        "read /etc/passwd": lambda: read("/etc/passwd"),
        "read it through /proc": lambda: read("/proc/self/root/etc/passwd"),
        "list a folder": lambda: os.listdir(folder),
        "map a file": lambda: np.memmap(secret, mode="r"),
        "write a file": lambda: write(inside("new")),
        "write to /tmp": lambda: write("/tmp/xray-audit-hostile-test"),
        "write to /dev/shm": lambda: write("/dev/shm/xray-audit-hostile-test"),
        "append to a file": lambda: write(secret, "a"),
        "truncate a file": lambda: os.truncate(inside("spare"), 0),
        "make a folder": lambda: os.mkdir(inside("sub")),
        "link a file": lambda: os.link(secret, inside("hard")),
        "make a symbolic link": lambda: os.symlink(secret, inside("soft")),
        "rename a file": lambda: os.rename(inside("spare"), inside("moved")),
        "remove a file": lambda: os.unlink(inside("moved")),
        "change a mode": lambda: os.chmod(secret, 0o600),
        "change an owner": lambda: os.chown(secret, os.getuid(), os.getgid()),
        "change a time": lambda: os.utime(secret),
        "make a FIFO": lambda: os.mkfifo(inside("fifo")),
        "connect by TCP": lambda: socket.create_connection(("127.0.0.1", port), 5).close(),
        "send by UDP": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(
            b"x", ("127.0.0.1", port)
        ),
        "listen": lambda: socket.create_server(("127.0.0.1", 0)).close(),
        "make a UNIX socket": lambda: socket.socket(socket.AF_UNIX).close(),
        "make a pair of sockets": lambda: [s.detach() for s in socket.socketpair()],
        "fork": fork,
        "start a program": lambda: subprocess.run(["/bin/true"], check=True),
        "signal the auditor": lambda: os.kill(parent, 0),
        "open the auditor": lambda: os.close(os.pidfd_open(parent)),
        "read the auditor's environment": lambda: read(f"/proc/{parent}/environ"),
        "read the auditor's memory": lambda: peek(parent),
        "see the auditor's command line": lambda: read(f"/proc/{parent}/cmdline"),
        "change a limit": raise_limit,
        "make memory without a file": lambda: os.close(os.memfd_create("x")),
        "outlive the auditor": lambda: LIBC.prctl(1, 0) and 1 / 0,
        "set up io_uring": lambda: syscall(425, 4, struct.pack("=30I", *[0] * 30)),
        "new namespaces": lambda: syscall(272 if os.uname().machine == "x86_64" else 97, 0),
    }


def outcomes(folder: str, parent: int, port: int) -> dict[str, str]:
    """Name -> "done", or the name of the error that refused it."""
    found: dict[str, str] = {}
    for name, attempt in attempts(folder, parent, port).items():
        try:
            attempt()
        except BaseException as error:  # noqa: BLE001 - its name is the finding
            found[name] = type(error).__name__
        else:
            found[name] = "done"
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(outcomes(sys.argv[1], os.getppid(), int(sys.argv[2]))))
