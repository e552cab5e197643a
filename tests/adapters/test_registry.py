from __future__ import annotations

import asyncio
import importlib.util
import inspect
import subprocess
import sys
from typing import Any

import pytest

from adapters.errors import TargetError
from adapters.registry import ADAPTERS, open_oracle
from adapters.target import Target


def test_an_unknown_adapter_lists_the_known_ones() -> None:
    with pytest.raises(
        TargetError,
        match="known adapters: files, http, keras, onnx, savedmodel, snapshot, synthetic, tflite, "
        "torchscript",
    ):
        asyncio.run(open_oracle(Target("caffe", "model.prototxt")))


def test_the_registry_opens_what_it_names() -> None:
    oracle = asyncio.run(open_oracle(Target("synthetic", "prototypes:1:3:1:4:4")))
    assert oracle.input_spec.shape == (1, 4, 4)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"color": "bgr"}, "input.color is for endpoints and model files, and the target is synth"),
        ({"upload_size": (9, 9)}, "input.upload_size is for endpoints"),
    ],
)
def test_what_a_kind_of_target_would_ignore_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(TargetError, match=words):
        asyncio.run(open_oracle(Target("synthetic", "prototypes:1:3:1:4:4", **fields)))


@pytest.mark.parametrize("path", sorted(ADAPTERS.values()))
def test_every_name_leads_to_an_async_open_oracle(path: str) -> None:
    module = importlib.import_module(path)
    assert inspect.iscoroutinefunction(module.open_oracle)


def test_importing_adapters_imports_no_runtime() -> None:
    heavy = ["onnxruntime", "torch", "httpx", "aiohttp"]
    code = (
        "import sys, adapters.registry\n"
        "import adapters.model_files.open\n"
        "import adapters.model_files.onnx.runtime, adapters.model_files.torchscript\n"
        f"print([m for m in {heavy} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
