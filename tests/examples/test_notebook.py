"""The example notebook runs in a kernel, shows progress and a report that displays itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).parents[2] / "examples" / "audit_notebook.ipynb"


@pytest.fixture(scope="module")
def outputs() -> list[dict[str, Any]]:
    """Everything the notebook's cells put out, in order."""
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "committed without outputs"
    nbclient.NotebookClient(notebook, timeout=100, kernel_name="python3").execute()
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def test_progress_rewrites_one_line(outputs: list[dict[str, Any]]) -> None:
    text = "".join(o["text"] for o in outputs if o["output_type"] == "stream")
    assert "\r4,128 of 4,128 labels (100%)" in text
    assert "\x1b" not in text


def test_the_report_displays_itself(outputs: list[dict[str, Any]]) -> None:
    (shown,) = [o["data"] for o in outputs if "text/html" in o.get("data", {})]
    assert "Backdoor suspected" in shown["text/html"]
    assert "fresh samples" in shown["text/html"]
    assert shown["text/plain"].startswith("Verdict: BACKDOOR SUSPECTED")


def test_nothing_was_printed_in_alarm(outputs: list[dict[str, Any]]) -> None:
    assert [o for o in outputs if o.get("name") == "stderr"] == []
