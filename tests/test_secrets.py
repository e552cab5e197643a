"""A marked key goes through the real command in every way it can end, and is searched for after."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import urllib.parse
from base64 import b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trustme

KEY = "canary-Zq83-do+not/print=me"
FORMS = (
    KEY,
    urllib.parse.quote(KEY, safe=""),
    b64encode(KEY.encode()).decode(),
    KEY[:14],
    KEY[-14:],
)
"""The key as it could be written down, and pieces of it, for a cut in the middle."""


class Handler(BaseHTTPRequestHandler):
    """Repeats the key wherever a server could, in the way that the path's first part says."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        said = self.headers.get("Authorization", "nothing")
        key = said.removeprefix("Bearer ")
        way = self.path.split("/")[1]
        self.server.seen.append(said)  # type: ignore[attr-defined]  # made below
        count = len(self.server.seen)  # type: ignore[attr-defined]  # as above
        status = 200
        body: dict[str, Any] = {"label": str(count % 3)}
        if way == "refuse":
            status, body = 401, {"error": f"{said} is not a key; {key!r}"}
        elif way == "fail":
            status, body = 500, {"error": {"message": f"upstream said {key}", "trace": [said]}}
        elif way == "label":
            body = {"label": f"is it {key}?" if count % 5 == 0 else str(count % 3)}
        elif way == "shape":
            body = {key: key}
        elif way == "redirect":
            status = 302
        elif way == "slow":
            self.server.held.wait(30)  # type: ignore[attr-defined]  # made below
        content = b"<html>" + key.encode() if way == "html" else json.dumps(body).encode()
        self.send_response(status, key if way == "refuse" else None)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Model-Version", f"v1 {key}")
        self.send_header("X-Request-Id", key)
        if way == "redirect":
            self.send_header("Location", f"http://127.0.0.1:9/{key}")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A client that hangs up is expected."""


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(("127.0.0.1", 0), Handler)
    made.seen, made.held = [], threading.Event()  # type: ignore[attr-defined]  # for the handler
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.held.set()  # type: ignore[attr-defined]  # as above
    made.shutdown()
    made.server_close()
    thread.join()


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """A working folder with samples."""
    x = np.random.default_rng(0).integers(0, 256, (6, 1, 4, 4), dtype=np.uint8)
    np.savez(tmp_path / "samples.npz", x=x, y=np.arange(6) % 3)
    return tmp_path


def target(room: Path, url: str, extra: str = "") -> None:
    (room / "target.toml").write_text(
        f"""
        url = "{url}"
        [auth]
        type = "bearer"
        secret_env = "CANARY_KEY"
        [input]
        shape = [1, 4, 4]
        [response]
        path = "label"
        kind = "label"
        [batch]
        max = 1
        [retry]
        max = 1
        {extra}
        """
    )


def command(*, python: tuple[str, ...] = ()) -> list[str]:
    arguments = "--target target.toml --samples samples.npz --planes 1 --canaries 0"
    program = [sys.executable, *python, "-m", "auditor", *arguments.split()]
    return [*program, "--no-trigger-search", "--output", "out"]


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "CANARY_KEY": KEY, "XRAY_AUDIT_API_KEY": KEY, **more}


def run(room: Path, *words: str, python: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """The real command, as talkative as it can be."""
    return subprocess.run(
        [*command(python=python), *words],
        cwd=room,
        env=environment(XRAY_AUDIT_DEBUG="1", PYTHONASYNCIODEBUG="1", PYTHONFAULTHANDLER="1"),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def assert_nowhere(room: Path, *texts: str) -> None:
    """The key, in no form, is in what was printed or written."""
    for text in texts:
        for form in FORMS:
            assert form not in text
    for path in room.rglob("*"):
        assert not path.name.startswith("core"), "a core dump"
        if path.is_file():
            content = path.read_bytes()
            for form in FORMS:
                assert form.encode() not in content, path.name


def address(server: Server, way: str) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}/{way}"


@pytest.mark.parametrize(
    "way",
    [
        "refuse",
        "label",
        *(
            pytest.param(w, marks=pytest.mark.slow)
            for w in ("ok", "shape", "redirect", "fail", "html")
        ),
    ],
)
def test_it_is_nowhere_however_the_server_repeats_it(room: Path, server: Server, way: str) -> None:
    target(room, address(server, way))
    done = run(room)
    assert f"Bearer {KEY}" in server.seen  # type: ignore[attr-defined]  # it did travel
    assert done.returncode == (3 if way in {"ok", "label"} else 4), done.stderr
    assert_nowhere(room, done.stdout, done.stderr)


@pytest.mark.slow
def test_it_is_not_in_development_mode_s_output(room: Path, server: Server) -> None:
    target(room, address(server, "refuse"))
    done = run(room, python=("-X", "dev"))
    assert done.returncode == 4
    assert_nowhere(room, done.stdout, done.stderr)


def test_a_failed_handshake_does_not_tell_it(room: Path, server: Server) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    target(room, address(server, "ok").replace("http:", "https:"))
    done = run(room)
    assert done.returncode == 4, done.stderr
    assert "certificate" in done.stderr
    assert not server.seen  # type: ignore[attr-defined]  # it never left
    assert_nowhere(room, done.stdout, done.stderr)


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGABRT, pytest.param(signal.SIGSEGV, marks=pytest.mark.slow)]
)
def test_interrupted_or_crashed_it_is_in_no_file_and_no_process_list(
    room: Path, server: Server, number: signal.Signals
) -> None:
    target(room, address(server, "slow"))
    audit = subprocess.Popen(
        command(),
        cwd=room,
        env=environment(PYTHONFAULTHANDLER="1", XRAY_AUDIT_DEBUG="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not server.seen and audit.poll() is None:  # type: ignore[attr-defined]  # as above
        threading.Event().wait(0.02)  # the request is on its way; the handler notes it
    process = Path(f"/proc/{audit.pid}")
    if process.exists():
        assert KEY not in (process / "cmdline").read_text()
        limits = (process / "limits").read_text().splitlines()
        (core,) = (line for line in limits if line.startswith("Max core file size"))
        assert core.split()[4] == "0"
    audit.send_signal(number)
    if number == signal.SIGINT:
        server.held.set()  # type: ignore[attr-defined]  # requests in flight are awaited
    out, err = audit.communicate(timeout=60)
    assert audit.returncode == (130 if number == signal.SIGINT else -number)
    assert_nowhere(room, out, err)


def test_an_unexpected_failure_does_not_tell_it(room: Path, server: Server) -> None:
    """A bug's traceback, asked for, with the key in the error itself."""
    target(room, address(server, "ok"))
    code = (
        "import os, sys, auditor.workflows.audit\n"
        "def broken(*_, **__): raise RuntimeError('key ' + os.environ['CANARY_KEY'])\n"
        "auditor.workflows.audit.prepare = broken\n"
        "from auditor.__main__ import main\n"
        f"sys.argv = ['xray-audit', *{command()[3:]!r}]\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=room,
        env=environment(XRAY_AUDIT_DEBUG="1"),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 4
    assert "RuntimeError" in done.stderr
    assert_nowhere(room, done.stdout, done.stderr)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_other_programs_of_the_user_cannot_look_into_the_process() -> None:
    code = (
        "import ctypes\n"
        "from auditor.__main__ import harden_process\n"
        "harden_process()\n"
        "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"
