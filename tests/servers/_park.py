"""Real prediction servers for tests and benchmarks: installed, started and stopped.

Each has a folder in ``set_ups`` with ``requirements.txt`` and ``serve.py``, and a virtual
environment of its own under the user's cache, made when it is first needed.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

SET_UPS = Path(__file__).parent / "set_ups"
READY = {
    "bentoml": "/readyz",
    "fastapi": "/docs",
    "gradio": "/gradio_api/info",
    "kserve": "/v2/models/audit/ready",
    "litserve": "/health",
    "mlflow": "/ping",
    "mlserver": "/v2/models/audit/ready",
    "mosec": "/",
    "torchserve": "/ping",
}
"""Servers, and a path that answers with 200 once they serve."""
START_S = 180.0
PORTS = 5


class ServerError(Exception):
    """A server could not be installed or started; the message holds its own last words."""


@dataclass(frozen=True)
class Running:
    """A server that serves. ``address`` has no slash at its end."""

    name: str
    address: str
    ports: tuple[int, ...]


def needs(name: str) -> str:
    """What this machine lacks for a server, in words, or empty."""
    return "Java" if name == "torchserve" and shutil.which("java") is None else ""


def installed(name: str) -> Path:
    """The Python of the server's own environment, made first where it is missing or outdated.

    Raises:
        ServerError: a package could not be installed.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "xray-audit" / "servers" / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two runs must not fill one environment
        return _made(folder, SET_UPS / name / "requirements.txt")


def _made(folder: Path, wanted: Path) -> Path:
    digest = hashlib.sha256(wanted.read_bytes()).hexdigest()
    mark, python = folder / "installed", folder / "bin" / "python"
    if mark.is_file() and mark.read_text().strip() == digest:
        return python
    _run(sys.executable, "-m", "venv", "--clear", str(folder))
    _run(str(python), "-m", "pip", "install", "--quiet", "--requirement", str(wanted))
    mark.write_text(digest + "\n")
    return python


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServerError(f"{' '.join(words)} failed:\n{done.stderr[-2000:]}")


@contextlib.contextmanager
def serving(name: str, model: Path) -> Iterator[Running]:
    """Serve the ONNX file ``model`` with the server ``name`` on loopback, until the block ends.

    Raises:
        ServerError: it cannot be installed, or does not serve in time.
    """
    python = installed(name)
    with tempfile.TemporaryDirectory() as folder:
        ports = _free_ports()
        log = Path(folder, "log.txt")
        scratch = Path(folder, "scratch")
        scratch.mkdir()
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [python, SET_UPS / name / "serve.py"],
                cwd=scratch,
                env=_environment(model, ports, scratch),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that its children can be stopped with it
            )
            try:
                running = Running(name, f"http://127.0.0.1:{ports[0]}", ports)
                _wait(running, process, log)
                yield running
            finally:
                _stop(process)


def _environment(model: Path, ports: tuple[int, ...], scratch: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("XRAY_AUDIT", "PYTHON"))}
    return {
        **kept,
        "MODEL": str(model),
        "PORT": str(ports[0]),
        "PORTS": ",".join(map(str, ports)),
        "FOLDER": str(scratch),
        "PYTHONPATH": str(SET_UPS),
        "OMP_NUM_THREADS": "1",
        "GRADIO_ANALYTICS_ENABLED": "False",
    }


def _free_ports() -> tuple[int, ...]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(PORTS)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return tuple(one.getsockname()[1] for one in sockets)


def _wait(running: Running, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(running.address + READY[running.name], timeout=5).status_code == 200:
                return
        time.sleep(0.2)
    said = log.read_bytes().decode(errors="replace")[-3000:]
    raise ServerError(f"{running.name} does not serve; its last words:\n{said}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the server's whole process group: several leave children behind."""
    for number, patience in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 10.0)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
