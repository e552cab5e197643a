from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_the_command_answers_about_itself_without_pydantic(option: str) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "auditor", option],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "adapters.target.description" in loaded
    assert "pydantic" not in loaded
