"""What a program in the sandbox cannot do, each shown to work outside of it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.model_files import open as _model_file
from adapters.model_files.sandbox import sandbox, seccomp
from adapters.model_files.sandbox.allowed_paths import ENVIRONMENT
from adapters.target import Target

pytestmark = pytest.mark.skipif(
    bool(_model_file.why_not("cpu")), reason=f"no isolation here: {_model_file.why_not('cpu')}"
)

ATTEMPTS = Path(__file__).with_name("_attempts.py")
REFUSED = {
    "PermissionError", "OSError", "BlockingIOError", "FileNotFoundError", "ValueError",
    "ZeroDivisionError",
}  # fmt: skip
HARMLESS_AS_ROOT_ONLY = {"change an owner", "new namespaces", "read the auditor's memory"}
"""These need rights that an ordinary user may lack anyway."""
MAY_BE_MISSING = {"set up io_uring"}
"""Switched off on some machines."""

Describe = Callable[[Target], dict[str, Any]]
Ask = Callable[..., Any]
Program = Callable[..., Target]


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with something to steal and something to spoil."""
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "spare").write_text("spare")
    return tmp_path


def state(folder: Path) -> dict[str, Any]:
    """All that an escape could have changed."""
    return {
        path.name: (path.read_bytes(), path.stat().st_mode, path.stat().st_mtime_ns)
        for path in folder.iterdir()
        if path.is_file()
    }


def test_every_attempt_works_outside(folder: Path, port: int) -> None:
    done = subprocess.run(
        [sys.executable, str(ATTEMPTS), str(folder), str(port)],
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    failed = {name for name, outcome in found.items() if outcome != "done"}
    assert failed <= HARMLESS_AS_ROOT_ONLY | MAY_BE_MISSING, found
    assert (folder / "hard").exists()
    for left in ("/tmp/xray-audit-hostile-test", "/dev/shm/xray-audit-hostile-test"):
        Path(left).unlink()


def test_no_attempt_works_inside(
    describe: Describe, program: Program, folder: Path, port: int
) -> None:
    code = ATTEMPTS.read_text().split('if __name__ == "__main__"')[0]
    target = program(
        f"{code}\nsaid = facts(found=outcomes({str(folder)!r}, {os.getpid()}, {port}))"
    )
    before = state(folder)
    found = describe(target)["found"]
    assert len(found) == code.count('        "') >= 36
    assert {n: o for n, o in found.items() if o not in REFUSED} == {}
    assert state(folder) == before
    assert not Path("/tmp/xray-audit-hostile-test").exists()
    assert not Path("/dev/shm/xray-audit-hostile-test").exists()


def test_it_gets_no_environment_no_files_and_no_words(
    describe: Describe, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XRAY_AUDIT_API_KEY", "canary-7f3e")
    monkeypatch.setenv("MY_TOKEN", "canary-7f3e")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with socket.create_server(("127.0.0.1", 0)):
        found = describe(
            program(
                """
                import os, sys
                files = {n: os.readlink(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd")
                         if os.path.exists(f"/proc/self/fd/{n}")}
                said = facts(environment=dict(os.environ), files=sorted(set(files.values())),
                             words=sys.orig_argv[1:4], folder=os.getcwd(),
                             raw=open("/proc/self/environ").read(),
                             session=os.getsid(0) == os.getpid())
                """
            )
        )
    allowed = {*ENVIRONMENT, "HOME", "LANG", "LC_ALL", "TORCHINDUCTOR_CACHE_DIR", "USER"}
    assert set(found["environment"]) <= allowed
    assert found["environment"]["OMP_NUM_THREADS"] == "1"
    kinds = {name.split(":")[0] for name in found["files"]}
    assert kinds <= {"/dev/null", "pipe", "/memfd", "/proc/self/fd"} | {
        n for n in kinds if n.startswith("/proc/")
    }
    assert found["words"] == ["-I", "-S", "-B"]
    assert (found["folder"], found["session"]) == ("/", True)
    assert "canary" not in json.dumps(found)


def test_the_report_says_how_it_ran(describe: Describe, program: Program) -> None:
    said = describe(program("pass", model_memory=0.5, model_timeout=7))["isolation"]
    assert f"Landlock ABI {sandbox.landlock_abi()}" in said["files"]
    assert said["memory_bytes"] == 2**29
    assert said["seconds_per_batch"] == 7


def test_an_honest_program_answers(ask: Ask, program: Program) -> None:
    first, second, third = ask(program("pass", model_timeout=20), rounds=3, n=5)
    assert first.tolist() == [0, 1, 2, 3, 0]
    assert first.dtype.name == "int64"
    assert first.tolist() == second.tolist() == third.tolist()


def test_no_process_is_left(ask: Ask, program: Program) -> None:
    ask(program("pass", model_timeout=20))
    left = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    commands = [Path(f"/proc/{pid}/cmdline").read_text() for pid in left.split()]
    assert not [command for command in commands if "isolation" in command]


ORPHAN = """
import asyncio, os, sys
from adapters.model_files.sandbox import host
from adapters.target import Target

async def main():
    oracle = await host.open_isolated(Target("onnx", sys.argv[1]), "hostile_runtime", None)
    print(oracle._process.pid, flush=True)
    await asyncio.sleep(60)

sys.path.insert(0, sys.argv[2])
asyncio.run(main())
"""


def test_it_dies_with_the_auditor(program: Program, runtime: str, tmp_path: Path) -> None:
    target = program(
        "import threading, time\nthreading.Thread(target=time.sleep, args=[60]).start()"
    )
    assert runtime == "hostile_runtime"
    auditor = subprocess.Popen(
        [sys.executable, "-c", ORPHAN, target.location, str(tmp_path / "site-packages")],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert auditor.stdout is not None
    model = int(auditor.stdout.readline())
    handle = os.pidfd_open(model)
    auditor.kill()
    auditor.wait()
    auditor.stdout.close()
    import select  # noqa: PLC0415 - POSIX only

    ended, _, _ = select.select([handle], [], [], 30)  # readable once the process is gone
    os.close(handle)
    assert ended


@pytest.mark.parametrize("name", sorted(seccomp.MACHINES))
def test_both_processors_refuse_the_same_calls(name: str) -> None:
    here, others = seccomp.MACHINES[name], seccomp.MACHINES.values()
    assert all(number not in here.refused for number in (here.clone, here.tgkill, here.prctl))
    # What only one family has: fork, vfork, the calls by path of older systems, port access.
    assert abs(len(here.refused) - max(len(m.refused) for m in others)) <= 15


def test_threads_before_the_sandbox_are_refused() -> None:
    code = (
        "import threading, time\n"
        "from adapters.model_files.sandbox.sandbox import AllowedPaths, enter\n"
        "threading.Thread(target=time.sleep, args=[5], daemon=True).start()\n"
        "enter(AllowedPaths(()))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "threads were started before" in done.stderr


def test_a_lower_limit_of_the_shell_stays() -> None:
    """``ulimit -v`` before the command: no file is blamed for what cannot be raised."""
    script = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))\n"
        "from adapters.model_files.sandbox import sandbox\n"
        "sandbox.limit_memory(8 << 30); print(resource.getrlimit(resource.RLIMIT_AS))"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == str((3 << 30, 3 << 30))
