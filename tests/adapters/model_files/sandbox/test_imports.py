"""The process that a model file runs in loads no library that it does not need."""

from __future__ import annotations

import subprocess
import sys

MODULES = (
    "adapters.model_files.sandbox.child",
    "adapters.model_files.file",
    "adapters.model_files.labels",
    "adapters.model_files.loaded_model",
    "adapters.model_files.onnx.runtime",
    "adapters.model_files.torchscript",
)


def test_a_model_file_runs_without_pydantic() -> None:
    code = f"import sys, {', '.join(MODULES)}\nprint('pydantic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"
