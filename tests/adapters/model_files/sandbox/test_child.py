"""The process that a model file runs in loads what it needs, and no reader of descriptions."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from adapters.model_files.open import why_not
from adapters.target import Target

MODULES = (
    "adapters.contract",
    "adapters.model_files.file",
    "adapters.model_files.labels",
    "adapters.model_files.loaded_model",
    "adapters.model_files.onnx.runtime",
    "adapters.model_files.torchscript",
)
OUTSIDE = ("adapters.target", "httpx", "onnxruntime", "pydantic", "torch")


def loaded_after(module: str) -> list[str]:
    code = (
        f"import sys, {module}\n"
        f"print(*[name for name in {OUTSIDE} if name in sys.modules and name != {module!r}])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize("module", MODULES)
def test_what_the_child_imports_loads_no_description_and_no_runtime(module: str) -> None:
    assert loaded_after(module) == []


@pytest.mark.skipif(bool(why_not("cpu")), reason=f"no isolation here: {why_not('cpu')}")
def test_the_child_itself_holds_none_of_them(
    describe: Callable[[Target], dict[str, Any]], program: Callable[..., Target]
) -> None:
    looked_for = ("numpy", *OUTSIDE, "orjson", "scipy")
    code = f"import sys; said = facts(modules=[m for m in {looked_for} if m in sys.modules])"
    assert describe(program(code))["modules"] == ["numpy"]


def test_the_look_would_find_something() -> None:
    assert loaded_after("adapters.registry") == ["adapters.target"]
