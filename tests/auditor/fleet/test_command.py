"""``xray-audit fleet`` on processes of its own, as users run it."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from auditor.errors import ExitCode
from auditor.plan.settings import AuditSettings
from auditor.workflows.audit import run_audit
from auditor.workflows.request import AuditRequest

RunCommand = Callable[..., Any]
Write = Callable[[str, str], Path]
TWO = '[[audit]]\nmodels = "zoo/m00[01].onnx"\n'

pytestmark = pytest.mark.timeout(400)


def test_a_mistake_in_the_file_is_one_sentence(command: RunCommand, tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="the extra fleet is not installed")
    (tmp_path / "fleet.toml").write_text('[[audit]]\nmodl = "a.onnx"\n', encoding="utf-8")
    ran = command("fleet", "fleet.toml")
    assert ran.code == ExitCode.USAGE
    assert "fleet.toml (line 2) names 'modl', which is no option; did you mean" in ran.sentence


def test_without_the_extra_it_says_which(
    command: RunCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [one for one in sys.modules if one.startswith(("auditor.fleet.", "distributed"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.setitem(sys.modules, "dask", None)
    (tmp_path / "fleet.toml").write_text('[[audit]]\nmodel = "a.onnx"\n', encoding="utf-8")
    ran = command("fleet", "fleet.toml")
    assert ran.code == ExitCode.FAILED
    assert "pip install 'xray-audit[fleet]'" in ran.sentence


def start(file: Path, output: Path) -> subprocess.Popen[str]:
    words = ["fleet", str(file), "--output", str(output), "--workers", "2"]
    return subprocess.Popen(
        [sys.executable, "-m", "auditor", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def worker_of(client: int, store: Path) -> int:
    """The child of ``client`` that has ``store`` open."""
    tasks = Path(f"/proc/{client}/task").glob("*/children")
    for child in [one for task in tasks for one in task.read_text().split()]:
        for link in Path(f"/proc/{child}/fd").iterdir():
            try:
                if link.readlink() == store:
                    return int(child)
            except OSError:
                continue
    return 0


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_killed_worker_loses_nothing_and_nothing_stored_is_asked_again(
    write_fleet: Write,
    request_for: Callable[..., AuditRequest],
    kept: Callable[[Path], tuple[list[Any], dict[str, Any]]],
    tmp_path: Path,
) -> None:
    pytest.importorskip("distributed", reason="the extra fleet is not installed")
    file = write_fleet(f"rate = 40.0\nbatch = 4\nconcurrency = 2\n{TWO}", "killed.toml")
    running = start(file, tmp_path / "out")
    log, store = tmp_path / "out/m000/log.jsonl", tmp_path / "out/m000/labels.sqlite3"
    deadline = time.monotonic() + 200
    # A quarter of the answers are there.
    while not log.exists() or log.read_bytes().count(b'"s":"ok"') < 5:
        assert time.monotonic() < deadline
        assert running.poll() is None, running.communicate()
        time.sleep(0.05)
    victim = worker_of(running.pid, store)
    assert victim
    os.kill(victim, signal.SIGKILL)
    out, err = running.communicate(timeout=300)
    assert running.returncode == ExitCode.INCONCLUSIVE, err
    assert "2 audits: 0 backdoor-suspected, 2 inconclusive" in out
    summary = json.loads((tmp_path / "out/summary.json").read_text(encoding="utf-8"))
    rows = {row["name"]: row for row in summary["audits"]}
    assert {row["outcome"] for row in rows.values()} == {"done"}
    # Only what was in flight is asked a second time.
    assert rows["m000"]["sent_now"] < rows["m000"]["queries"]
    asked_twice = rows["m000"]["queries"] - rows["m001"]["queries"]
    assert 0 <= asked_twice <= 2 * 4
    undisturbed = replace(
        request_for(tmp_path / "alone"),
        settings=AuditSettings(planes=4, canaries=4, trigger_search=False),
    )
    asyncio.run(run_audit(undisturbed))
    assert kept(tmp_path / "out/m000")[0] == kept(tmp_path / "alone")[0]
    check_views(tmp_path / "out", rows)


def check_views(output: Path, rows: dict[str, Any]) -> None:
    """Every view of the summary holds every audit."""
    page = (output / "index.html").read_text(encoding="utf-8")
    assert all(f'href="{name}/report.html"' in page for name in rows)
    with (output / "summary.csv").open(encoding="utf-8", newline="") as file:
        assert [row["name"] for row in csv.DictReader(file)] == list(rows)
    suite = ET.parse(output / "junit.xml").getroot()
    assert [case.get("name") for case in suite.iter("testcase")] == list(rows)
    log = json.loads((output / "fleet.sarif").read_text(encoding="utf-8"))
    places = [
        result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        for result in log["runs"][0]["results"]
    ]
    assert places == [f"{name}/report.json" for name in rows]
