"""The example notebook runs in a kernel, shows progress and a report that displays itself."""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

ASSETS = Path(str(resources.files("auditor.workflows.demo"))) / "assets"
NOTEBOOK = Path(__file__).parents[2] / "examples" / "audit_notebook.ipynb"


@pytest.fixture(scope="module")
def outputs() -> list[dict[str, Any]]:
    """Everything the notebook's cells put out, in order."""
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("matplotlib")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "committed without outputs"
    nbclient.NotebookClient(notebook, timeout=100, kernel_name="python3").execute()
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def test_progress_rewrites_one_line(outputs: list[dict[str, Any]]) -> None:
    text = "".join(o["text"] for o in outputs if o["output_type"] == "stream")
    shown = re.findall(r"\r[^\r\n\d]*([\d,]+) of ([\d,]+) labels \((\d+%)\)", text)
    counts = [(int(a.replace(",", "")), int(b.replace(",", "")), share) for a, b, share in shown]
    # A found trigger ends the audit early, so no line need come to its 100 %.
    assert all(0 < done <= planned for done, planned, _ in counts)
    assert all(share == f"{done / planned:.0%}" for done, planned, share in counts)
    assert len({planned for _, planned, _ in counts}) >= 2, "planes, then the search"
    assert "\rSearching for a trigger" in text
    assert "\x1b" not in text


def test_the_report_displays_itself(outputs: list[dict[str, Any]]) -> None:
    shown = next(o["data"] for o in outputs if "text/html" in o.get("data", {}))
    assert "Backdoor suspected" in shown["text/html"]
    assert "fresh samples" in shown["text/html"]
    assert len(shown["text/html"]) < 1_000_000
    assert shown["text/plain"].startswith("Verdict: BACKDOOR SUSPECTED")


def test_its_table_and_its_figure_are_shown(outputs: list[dict[str, Any]]) -> None:
    _, table, figure, _ = [o["data"] for o in outputs if "data" in o]
    assert "hits" in table["text/plain"]
    assert "five" in table["text/plain"]
    assert "image/png" in figure


def test_events_reach_a_function_and_nothing_is_asked_twice(outputs: list[dict[str, Any]]) -> None:
    text = "".join(o["text"] for o in outputs if o["output_type"] == "stream")
    assert re.search(r"^0 queries: Planes .*; Looking for a trigger; Repeats$", text, re.MULTILINE)


def test_a_bundle_is_read_back(outputs: list[dict[str, Any]]) -> None:
    text = "".join(o["text"] for o in outputs if o["output_type"] == "stream")
    assert "backdoor-suspected (exit code 1), target five" in text


def test_nothing_was_printed_in_alarm(outputs: list[dict[str, Any]]) -> None:
    assert [o for o in outputs if o.get("name") == "stderr"] == []


CELL = """
import time
from auditor import audit

def slow(images):
    time.sleep(0.05)
    return (images.reshape(len(images), -1).mean(1) * 10).astype(int).clip(0, 9)

audit(slow, {samples!r}, name="slow", value_range=(0, 1), output={output!r}, batch=16)
"""


@pytest.mark.slow
def test_the_stop_button_keeps_what_was_answered(tmp_path: Path) -> None:
    manager_module = pytest.importorskip("jupyter_client.manager")
    manager, client = manager_module.start_new_kernel(kernel_name="python3")
    try:
        samples, output = str(ASSETS / "fashion-mnist-samples.npz"), str(tmp_path / "out")
        client.execute(CELL.format(samples=samples, output=output))
        error = stop_once_it_shows_progress(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert error["ename"] == "AuditInterrupted"
    assert "the same call continues it" in error["evalue"]
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert report["partial"]
    assert report["queries"]["sent"] > 0


def stop_once_it_shows_progress(manager: Any, client: Any) -> dict[str, Any]:
    """The error that the cell ends in."""
    stopped = False
    while True:
        message = client.get_iopub_msg(timeout=60)
        if message["msg_type"] == "error":
            return dict(message["content"])
        if message["msg_type"] == "stream" and not stopped:
            stopped = True
            manager.interrupt_kernel()
