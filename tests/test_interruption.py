"""Kills and Ctrl-C through the real command line, against a server that keeps its own record."""

from __future__ import annotations

import codecs
import fcntl
import json
import os
import pty
import random
import re
import signal
import struct
import subprocess
import sys
import termios
import time
import urllib.request
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from auditor.errors import ExitCode
from auditor.evidence.chain import read_chain, split_lines
from auditor.workflows.verify.verify import verify_bundle

SERVER = """
import asyncio, hashlib, json, socket, sys
from collections import Counter
from pathlib import Path
import uvicorn
from auditor.workflows.demo.server import ServedModel, make_app

asked, state = Counter(), {"held": None}

class Recording(ServedModel):
    def scores(self, batch):
        asked.update(hashlib.sha256(row).hexdigest() for row in batch)
        return super().scores(batch)

inner = make_app({"model": Recording("model", Path(sys.argv[1]))})

async def app(scope, receive, send):
    path = scope.get("path", "")
    if path == "/hold":
        state["held"] = asyncio.Event()
    if path == "/release":
        state["held"].set()
        state["held"] = None
    if path == "/forget":
        asked.clear()
    if path.startswith("/v2") or scope["type"] != "http":
        if path.endswith("/infer"):
            await asyncio.sleep(0.02)
            if state["held"] and asked.total() >= 100:
                await state["held"].wait()
        return await inner(scope, receive, send)
    body = json.dumps(asked if path == "/asked" else asked.total()).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})

listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen()
print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])
"""
ASSETS = resources.files("auditor.workflows.demo").joinpath("assets")
PLAN = ("--canaries", "15", "--seed", "3", "--batch", "4", "--no-trigger-search")
PLANNED = 100 + 44 * 16 + 15
INTERRUPTED, INCONCLUSIVE = 130, 3


class Server:
    """The server's record."""

    def __init__(self, address: str) -> None:
        self.address = address

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.address}/{path}", timeout=20) as reply:
            return json.load(reply)

    def wait_for(self, total: int, audit: subprocess.Popen[str]) -> None:
        """Return once ``total`` inputs were asked, or the audit is over."""
        deadline = time.monotonic() + 60
        while self.get("total") < total and audit.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.002)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with resources.as_file(ASSETS / "clean.onnx") as model:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(model)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        try:
            yield Server(process.stdout.readline().strip())
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def start(
    server: Server, output: Path, terminal: int = subprocess.PIPE, **changes: str
) -> subprocess.Popen[str]:
    """The audit, as a user starts it; both its outputs go to ``terminal``."""
    output.mkdir(exist_ok=True)
    with resources.as_file(ASSETS / "fashion-mnist-samples.npz") as samples:
        command = [
            *(sys.executable, "-m", "auditor", "--endpoint", f"{server.address}/v2/models/model"),
            *("--range", "0,1", "--samples", str(samples), "--output", str(output), *PLAN),
        ]
        return subprocess.Popen(
            command,
            cwd=output,
            env={k: v for k, v in os.environ.items() if not k.startswith("XRAY_AUDIT_")} | changes,
            stdout=terminal,
            stderr=terminal,
            text=True,
        )


def end(audit: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code and what the user saw on stderr."""
    _, errors = audit.communicate(timeout=60)
    return audit.returncode, errors


def read_report(output: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((output / "report.json").read_text(encoding="utf-8"))
    return report


def without_history(report: dict[str, Any]) -> dict[str, Any]:
    """What must not depend on how often, and when, the audit was cut off."""
    kept = {name: part for name, part in report.items() if name not in {"timing", "queries"}}
    trust = {k: v for k, v in report["trust"].items() if k != "unknown_requests"}
    return {**kept, "trust": trust}


@pytest.fixture(scope="module")
def undisturbed(
    server: Server, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], dict[str, int]]:
    """Report of a run that nobody disturbed, and how often the server was asked what."""
    server.get("forget")
    output = tmp_path_factory.mktemp("undisturbed")
    code, errors = end(start(server, output))
    assert code == INCONCLUSIVE, errors
    report = read_report(output)
    queries = report["queries"]
    assert queries["planned"] == PLANNED
    assert queries["planned"] == queries["sent"] + queries["deduplicated"]
    assert (queries["cached"], queries["retried"], queries["unknown"]) == (0, 0, 0)
    return report, server.get("asked")


def check_books(
    report: dict[str, Any], record: dict[str, int], undisturbed: tuple[Any, dict[str, int]]
) -> None:
    """Nothing that was committed was asked again: every further send is listed as unknown."""
    expected, once = undisturbed
    assert without_history(report) == without_history(expected)
    queries, paid = report["queries"], sum(once.values())
    assert queries["planned"] == PLANNED
    new = queries["sent"] - queries["retried"]
    assert queries["planned"] == queries["cached"] + queries["deduplicated"] + new
    assert queries["sent_all_runs"] == paid + queries["unknown"]
    listed = report["trust"]["unknown_requests"]
    assert sum(request["queries"] for request in listed) == queries["unknown"]
    assert set(record) == set(once)
    assert all(record[digest] >= times for digest, times in once.items())
    assert paid <= sum(record.values()) <= paid + queries["unknown"]


def check_evidence(output: Path, kills: int) -> None:
    """The log's chain went on through every kill, and the verdict follows from it."""
    found = verify_bundle(output)
    assert found.exit_code == ExitCode.NO_EVIDENCE, found.checks
    lines, torn = split_lines((output / "log.jsonl").read_bytes())
    runs = read_chain(lines).runs
    assert torn == b""
    # A kill may come before a run has opened the log.
    assert 2 <= len(runs) <= kills + 1
    assert [run.closed is None for run in runs] == [True] * (len(runs) - 1) + [False]


def killed_at(server: Server, output: Path, moments: list[int]) -> None:
    for moment in moments:
        audit = start(server, output)
        server.wait_for(moment, audit)
        audit.kill()
        end(audit)


@pytest.mark.parametrize(("kills", "seed"), [(2, 1), pytest.param(20, 2, marks=pytest.mark.slow)])
def test_kills_at_any_moment_cost_nothing_that_was_committed(
    server: Server,
    undisturbed: tuple[dict[str, Any], dict[str, int]],
    tmp_path: Path,
    kills: int,
    seed: int,
) -> None:
    server.get("forget")
    rng = random.Random(seed)
    killed_at(server, tmp_path, sorted(rng.randrange(1, PLANNED) for _ in range(kills)))
    code, errors = end(start(server, tmp_path))
    assert code == INCONCLUSIVE, errors
    report = read_report(tmp_path)
    assert report["queries"]["cached"] > 0
    assert report["queries"]["unknown"] > 0
    check_books(report, server.get("asked"), undisturbed)
    check_evidence(tmp_path, kills)
    # And once more: everything is known, so nothing is asked and nothing changes.
    server.get("forget")
    assert end(start(server, tmp_path))[0] == INCONCLUSIVE
    assert server.get("asked") == {}
    again = read_report(tmp_path)
    assert without_history(again) == without_history(report)
    assert again["queries"]["cached"] == PLANNED
    assert again["queries"]["unknown"] == report["queries"]["unknown"]


def stopped_once(server: Server, output: Path) -> subprocess.Popen[str]:
    """An audit that waits for requests in flight, after its first Ctrl-C."""
    server.get("forget")
    server.get("hold")  # from 100 queries on, so that the audit cannot be over too early
    audit = start(server, output)
    server.wait_for(100, audit)
    assert audit.poll() is None
    audit.send_signal(signal.SIGINT)
    assert audit.stderr is not None
    while "Stopping: waiting for requests in flight" not in (line := audit.stderr.readline()):
        assert line
    return audit


def test_the_first_ctrl_c_drains_and_saves(
    server: Server, undisturbed: tuple[dict[str, Any], dict[str, int]], tmp_path: Path
) -> None:
    audit = stopped_once(server, tmp_path)
    server.get("release")
    code, errors = end(audit)
    assert code == INTERRUPTED, errors
    assert "Traceback" not in errors
    partial = read_report(tmp_path)
    assert partial["partial"]
    assert partial["verdict"] == "inconclusive"
    assert partial["verdict_reason"].startswith("The audit was interrupted")
    assert partial["not_asked"] is None
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "left out as" not in page
    assert partial["queries"]["unknown"] == 0
    assert partial["queries"]["sent"] == server.get("total")
    assert end(start(server, tmp_path))[0] == INCONCLUSIVE
    report = read_report(tmp_path)
    assert report["queries"]["unknown"] == 0
    check_books(report, server.get("asked"), undisturbed)


def test_the_second_ctrl_c_stops_at_once(
    server: Server, undisturbed: tuple[dict[str, Any], dict[str, int]], tmp_path: Path
) -> None:
    audit = stopped_once(server, tmp_path)
    try:
        time.sleep(0.3)
        assert audit.poll() is None  # it waits for what is in flight
        pressed = time.monotonic()
        audit.send_signal(signal.SIGINT)
        code, errors = end(audit)
        assert time.monotonic() - pressed < 10  # the server would never have answered
    finally:
        server.get("release")
    assert code == INTERRUPTED, errors
    assert "what was answered is saved" in errors
    assert "Traceback" not in errors
    assert end(start(server, tmp_path))[0] == INCONCLUSIVE
    report = read_report(tmp_path)
    assert report["queries"]["unknown"] > 0
    assert report["queries"]["cached"] >= 90
    check_books(report, server.get("asked"), undisturbed)


# ---- a terminal ----------------------------------------------------------------------------------


class Screen:
    """The lines that a terminal shows of what a program writes; wrapped lines do not flow anew."""

    CODE = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])")

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.lines, self.row, self.column = [""], 0, 0

    def feed(self, text: str) -> None:
        at = 0
        while at < len(text):
            code = self.CODE.match(text, at)
            if code:
                self._obey(code[1], code[2])
                at = code.end()
                continue
            self._put(text[at])
            at += 1

    def _obey(self, number: str, letter: str) -> None:
        if letter == "A":
            self.row = max(0, self.row - int(number or 1))
        elif letter == "K":
            self.lines[self.row] = ""
        else:
            assert letter in "mhl", letter

    def _put(self, char: str) -> None:
        if char == "\r":
            self.column = 0
        elif char == "\n":
            self._down()
        else:
            if self.column >= self.columns:
                self._down()
                self.column = 0
            line = self.lines[self.row].ljust(self.column)
            self.lines[self.row] = line[: self.column] + char + line[self.column + 1 :]
            self.column += 1

    def _down(self) -> None:
        self.row += 1
        if self.row == len(self.lines):
            self.lines.append("")


class Terminal:
    """An audit on a pseudo-terminal of a given width."""

    def __init__(self, server: Server, output: Path, columns: int) -> None:
        self.screen = Screen(columns)
        self.shown = ""
        self._ours, theirs = pty.openpty()
        self._resize(theirs, columns)
        self.audit = start(server, output, theirs, TERM="xterm-256color")
        os.close(theirs)

    def resize(self, columns: int) -> None:
        self._resize(self._ours, columns)
        self.screen.columns = columns

    @staticmethod
    def _resize(end: int, columns: int) -> None:
        fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def read_until(self, words: str) -> None:
        """Show what comes until ``words`` were shown; until the program ends if they are empty."""
        decode = codecs.getincrementaldecoder("utf-8")().decode
        before = len(self.shown)
        while not words or words not in self.shown[before:]:
            try:
                text = decode(os.read(self._ours, 65536))
            except OSError:  # the program closed its end
                assert not words, self.shown
                break
            self.shown += text
            self.screen.feed(text)

    def close(self) -> int:
        self.read_until("")
        os.close(self._ours)
        return self.audit.wait(timeout=60)


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        (120, 60),
        pytest.param(80, 60, marks=pytest.mark.slow),
        pytest.param(60, 120, marks=pytest.mark.slow),
    ],
)
def test_a_terminal_that_is_resized_shows_one_region(
    server: Server, tmp_path: Path, wide: int, narrow: int
) -> None:
    server.get("forget")
    server.get("hold")
    terminal = Terminal(server, tmp_path, wide)
    try:
        terminal.read_until("queries/s")
        region = [line for line in terminal.screen.lines if "of at most" in line]
        assert len(region) == 1
        terminal.resize(narrow)
        for _ in range(3):  # it is drawn again, though nothing is answered
            terminal.read_until("of at most")
    finally:
        server.get("release")
    assert terminal.close() == INCONCLUSIVE
    lines = [line.rstrip() for line in terminal.screen.lines if line.strip()]
    # Of each phase one line stays, and nothing of the region.
    assert sum(": " in line and " labels, " in line for line in lines) == 1
    assert not [line for line in lines if "of at most" in line or "queries/s" in line]
    assert sum(line.startswith("Verdict: ") for line in lines) == 1
    assert any(line.startswith("Next: xray-audit ") for line in lines)
    assert terminal.shown.count("\x1b[?25h") == terminal.shown.count("\x1b[?25l")


def test_ctrl_c_on_a_terminal_says_what_is_kept_and_how_to_go_on(
    server: Server, tmp_path: Path
) -> None:
    server.get("forget")
    server.get("hold")
    terminal = Terminal(server, tmp_path, 80)
    try:
        terminal.read_until("queries/s")
        terminal.audit.send_signal(signal.SIGINT)
        terminal.read_until("Stopping: waiting for requests in flight")
    finally:
        server.get("release")
    assert terminal.close() == INTERRUPTED
    text = "\n".join(line.rstrip() for line in terminal.screen.lines)
    following = text[text.index("Next: xray-audit --endpoint") :]
    sent = read_report(tmp_path)["queries"]["sent_all_runs"]
    assert f"goes on: {sent:,} answers are kept in" in " ".join(following.split())
