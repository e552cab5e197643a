"""Every example runs as its first lines say, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("audit_*.py")), ids=lambda path: path.stem)
def test_example_ends_with_a_verdict_and_scores(path: Path, tmp_path: Path) -> None:
    if path.stem == "audit_torchscript":
        pytest.importorskip("torch")
    done = subprocess.run(
        [sys.executable, str(path)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    # The endpoint serves the demo's backdoored model; nothing is known against the others.
    found = "BACKDOOR SUSPECTED" if path.stem == "audit_endpoint" else "INCONCLUSIVE"
    assert f"Verdict: {found}" in done.stdout
    assert "RE (bits):" in done.stdout
    assert "Traceback" not in done.stderr


def test_there_is_one_example_per_way_in() -> None:
    assert {path.stem for path in EXAMPLES.glob("audit_*.py")} == {
        "audit_callable",
        "audit_endpoint",
        "audit_model_file",
        "audit_torchscript",
    }
