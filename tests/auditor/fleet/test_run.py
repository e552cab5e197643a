"""Fleets on Dask's workers: what is run, resumed, shared and stopped."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fsspec", reason="the extra fleet is not installed")

from auditor.evidence.files import read_files
from examples.benchmarks.fleet.tiny import prototypes

Write = Callable[[str, str], Path]
Run = Callable[..., Any]
FOUR = '[[audit]]\nmodels = "zoo/m00[0-3].onnx"\n'


def report(folder: Path) -> dict[str, Any]:
    made = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return {k: v for k, v in made.items() if k not in {"timing", "queries"}}


def test_two_workers_give_what_one_gives(write_fleet: Write, run: Run, tmp_path: Path) -> None:
    file = write_fleet(FOUR, "four.toml")
    one, _ = run(file, tmp_path / "one", 1)
    two, _ = run(file, tmp_path / "two", 2)
    assert {row["outcome"] for row in one.values()} == {"done"}
    for name, row in one.items():
        assert (row["verdict"], row["queries"]) == (two[name]["verdict"], two[name]["queries"])
        assert report(tmp_path / "one" / name) == report(tmp_path / "two" / name)
        # A full bundle, without a file that no audit writes.
        files = read_files(tmp_path / "two" / name)
        assert "report.html" in files
        assert files.strange == ()


def test_a_model_that_cannot_be_audited_fails_by_itself_and_is_tried_again(
    write_fleet: Write, run: Run, tmp_path: Path, zoo: Path
) -> None:
    file = write_fleet(
        '[[audit]]\nmodel = "late.onnx"\n[[audit]]\nmodel = "zoo/m004.onnx"\n', "late.toml"
    )
    rows, _ = run(file, tmp_path)
    assert rows["late"]["outcome"] == "failed"
    assert rows["late"]["code"] == 2
    assert "there is no model file" in rows["late"]["reason"]
    assert rows["m004"]["outcome"] == "done"
    (zoo / "late.onnx").write_bytes((zoo / "zoo/m005.onnx").read_bytes())
    rows, todo = run(file, tmp_path, only="failed")
    assert dict(todo.why) == {"late": "failed"}
    assert rows["late"]["outcome"] == "done"
    rows, todo = run(file, tmp_path)
    assert dict(todo.why) == {}
    assert {row["outcome"] for row in rows.values()} == {"done"}


def test_only_what_changed_is_run_again(write_fleet: Write, run: Run, tmp_path: Path) -> None:
    two = '[[audit]]\nmodel = "zoo/m002.onnx"\n[[audit]]\nmodel = "zoo/m003.onnx"\n'
    run(write_fleet(two, "changed.toml"), tmp_path)
    rows, todo = run(write_fleet(two + "planes = 5\n", "changed.toml"), tmp_path)
    assert dict(todo.why) == {"m003": "changed"}
    assert len(report(tmp_path / "m003")["planes"]) == 5
    # The planes that both plans have were not asked again.
    assert 0 < rows["m003"]["sent_now"] < rows["m002"]["queries"]


def test_queries_of_all_audits_stay_below_the_cap_and_more_go_on(
    write_fleet: Write, run: Run, tmp_path: Path
) -> None:
    whole, _ = run(write_fleet(FOUR, "whole.toml"), tmp_path / "whole")
    needed = sum(row["queries"] for row in whole.values())
    cap = needed // 2
    file = write_fleet(f"{FOUR}[limits]\nmax_queries = {cap}\n", "capped.toml")
    rows, _ = run(file, tmp_path / "capped")
    sent = sum(row["queries"] for row in rows.values())
    assert 0 < sent <= cap
    assert "partial" in {row["outcome"] for row in rows.values()}
    file = write_fleet(f"{FOUR}[limits]\nmax_queries = {needed + 1000}\n", "capped.toml")
    rows, todo = run(file, tmp_path / "capped")
    assert set(todo.why.values()) == {"partial"}
    assert {row["outcome"] for row in rows.values()} == {"done"}
    # Nothing that was paid for is asked again.
    assert {n: row["queries"] for n, row in rows.items()} == {
        n: row["queries"] for n, row in whole.items()
    }


def test_money_of_all_audits_stays_below_the_cap(
    write_fleet: Write, run: Run, tmp_path: Path
) -> None:
    priced = FOUR + "price_per_1000 = 10.0\n[limits]\nmax_money = 3.0\n"
    rows, _ = run(write_fleet(priced, "priced.toml"), tmp_path)
    spent = sum(row["money"] for row in rows.values())
    assert 0 < spent <= 3.0
    assert spent == pytest.approx(sum(row["queries"] for row in rows.values()) / 100.0)


class Server(ThreadingHTTPServer):
    """Answers ``instances`` by the nearest prototype, slowly, and counts requests in flight."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.now = self.most = 0
        self.answers_left = 1_000_000
        self.lock = threading.Lock()
        self.slow = threading.Event()


class Answer(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        with self.server.lock:
            self.server.now += 1
            self.server.most = max(self.server.most, self.server.now)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        pictures = np.asarray(body["instances"]).reshape(len(body["instances"]), -1)
        known = prototypes().reshape(10, -1)
        scores = 2 * pictures @ known.T - (known**2).sum(axis=1)
        self.server.slow.wait(0.005)
        with self.server.lock:
            self.server.now -= 1
            self.server.answers_left -= 1
        if self.server.answers_left < 0:
            self.send_error(403)
            return
        data = json.dumps({"predictions": scores.tolist()}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@contextmanager
def serving() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def served_fleet(server: Server, limits: str) -> str:
    url = f"http://127.0.0.1:{server.server_port}"
    audits = "".join(
        f'[[audit]]\nname = "{name}"\nendpoint = "{url}/{name}"\npreset = "instances"\n'
        'shape = "1,28,28"\nbatch = 16\n'
        for name in ("a", "b")
    )
    return f"{audits}[limits.hosts.'127.0.0.1']\n{limits}\n"


def test_audits_of_one_host_share_its_requests_in_flight(
    write_fleet: Write, run: Run, tmp_path: Path
) -> None:
    with serving() as server:
        rows, _ = run(write_fleet(served_fleet(server, "concurrency = 2"), "served.toml"), tmp_path)
    assert {row["outcome"] for row in rows.values()} == {"done"}, rows
    assert server.most <= 2


def test_audits_of_one_host_share_its_rate(write_fleet: Write, run: Run, tmp_path: Path) -> None:
    with serving() as server:
        rows, _ = run(write_fleet(served_fleet(server, "rate = 400"), "served.toml"), tmp_path)
    assert {row["outcome"] for row in rows.values()} == {"done"}, rows
    sent = sum(row["queries"] for row in rows.values())
    # The last request's own time is not waited for.
    assert max(row["seconds"] for row in rows.values()) >= (sent - 2 * 16) / 400


@pytest.mark.slow
def test_ctrl_c_keeps_what_was_paid_for(write_fleet: Write, run: Run, tmp_path: Path) -> None:
    whole, _ = run(write_fleet(FOUR, "whole.toml"), tmp_path / "whole")
    file = write_fleet(FOUR + "rate = 30.0\nbatch = 8\n", "stopped.toml")

    def stop_when_begun() -> None:
        begun = tmp_path / "stopped" / "m000" / "log.jsonl"
        for _ in range(600):
            if begun.exists() and begun.read_bytes().count(b'"rows"') > 1:
                break
            threading.Event().wait(0.1)
        os.kill(os.getpid(), signal.SIGINT)

    watch = threading.Thread(target=stop_when_begun)
    watch.start()
    rows, _ = run(file, tmp_path / "stopped", 1)
    watch.join()
    assert rows["m000"]["outcome"] == "stopped"
    assert "m003" not in rows
    paid = rows["m000"]["queries"]
    assert 0 < paid < whole["m000"]["queries"]
    rows, _ = run(write_fleet(FOUR, "stopped.toml"), tmp_path / "stopped")
    assert rows["m000"]["sent_now"] == whole["m000"]["queries"] - paid
    assert {n: r["queries"] for n, r in rows.items()} == {n: r["queries"] for n, r in whole.items()}


def test_queries_of_an_audit_that_failed_count(
    write_fleet: Write, run: Run, tmp_path: Path
) -> None:
    with serving() as server:
        server.answers_left = 4
        rows, _ = run(
            write_fleet(served_fleet(server, "concurrency = 1"), "failing.toml"), tmp_path
        )
    assert {row["outcome"] for row in rows.values()} == {"failed"}, rows
    assert all("403" in row["reason"] for row in rows.values())
    # Four requests were answered, and each audit was refused at least one more.
    assert sum(row["queries"] for row in rows.values()) >= 4 * 16
