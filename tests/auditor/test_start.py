"""What ``xray-audit`` and the sandboxed process load before they are asked to do anything."""

from __future__ import annotations

import subprocess
import sys

import pytest

SANDBOXED = (
    "adapters.model_files.sandbox.child",
    "adapters.model_files.file",
    "adapters.model_files.labels",
    "adapters.model_files.loaded_model",
    "adapters.model_files.onnx.runtime",
    "adapters.model_files.torchscript",
)


def _loads_pydantic(code: str) -> bool:
    """Whether a new process that runs ``code`` has loaded pydantic at its end."""
    end = "import atexit, sys; atexit.register(lambda: print('pydantic' in sys.modules))\n"
    done = subprocess.run(
        [sys.executable, "-c", end + code], check=True, capture_output=True, text=True
    )
    return done.stdout.splitlines()[-1] == "True"


@pytest.mark.parametrize("word", ["--help", "--version"])
def test_help_and_version_do_not_wait_for_pydantic(word: str) -> None:
    code = f"import sys; sys.argv = ['xray-audit', {word!r}]\n"
    assert not _loads_pydantic(code + "from auditor.__main__ import main; main()")


def test_the_sandboxed_process_never_loads_pydantic() -> None:
    assert not _loads_pydantic("import " + ", ".join(SANDBOXED))


def test_a_report_is_checked_by_pydantic() -> None:
    assert _loads_pydantic("import auditor.report.result.result")
