"""A runtime whose "models" are Python programs: the most hostile file there can be."""

from __future__ import annotations

import asyncio
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from adapters.model_files.sandbox import host
from adapters.target import Limits, Target

RUNTIME = """
import os, sys
from adapters.model_files.loaded_model import LoadedModel, ModelFacts

ANSWERS = int(sys.argv[2])

def prepare(device, threads):
    pass

def facts(**description):
    return ModelFacts("onnx", "hostile", description, (1, 2, 2), layout="NCHW")

def load(file, device, threads):
    scope = {"facts": facts, "ANSWERS": ANSWERS, "infer": lambda x: x.reshape(len(x), -1)}
    exec(bytes(file.data).decode(), scope)
    return LoadedModel(scope["infer"], scope.get("said") or facts())
"""


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of the runtime whose models are programs, installed where packages are."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    (folder / "hostile_runtime.py").write_text(RUNTIME)
    monkeypatch.syspath_prepend(str(folder))
    return "hostile_runtime"


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., Target]:
    """Write a program as a model file, and describe it as a target."""

    def write(code: str, **limits: Any) -> Target:
        path = tmp_path / "model.onnx"
        path.write_text(textwrap.dedent(code))
        return Target("onnx", str(path), limits=Limits(**limits))

    return write


@pytest.fixture
def ask(runtime: str) -> Callable[..., list[NDArray[Any]]]:
    """Labels of a few batches of ``n``, asked two at a time as the engine does."""

    def asking(target: Target, rounds: int = 1, n: int = 3) -> list[NDArray[Any]]:
        async def go() -> list[NDArray[Any]]:
            oracle = await host.open_isolated(target, runtime, None)
            try:
                batch = np.eye(4, dtype=np.float32)[np.arange(n) % 4].reshape(n, 1, 2, 2)
                found: list[NDArray[Any]] = []
                while len(found) < rounds:
                    two = range(min(2, rounds - len(found)))
                    found += await asyncio.gather(*(oracle.predict_labels(batch) for _ in two))
                return found
            finally:
                await oracle.aclose()

        return asyncio.run(go())

    return asking


@pytest.fixture
def describe(runtime: str) -> Callable[[Target], dict[str, Any]]:
    """What the report says of a model that was opened and closed."""

    def describing(target: Target) -> dict[str, Any]:
        async def go() -> dict[str, Any]:
            oracle = await host.open_isolated(target, runtime, None)
            await oracle.aclose()
            return oracle.description

        return asyncio.run(go())

    return describing
