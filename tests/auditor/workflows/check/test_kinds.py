"""Both commands for each kind of model file; kinds whose library is missing are left out."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from tests.auditor.workflows.check.conftest import two_commands

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(600)]  # the libraries' own


def values(plain: str) -> tuple[Any, Any]:
    """Weights ``(192, 5)`` and biases ``(5,)`` of the ONNX model ``plain``."""
    held = {one.name: onnx.numpy_helper.to_array(one) for one in onnx.load(plain).graph.initializer}
    return held["w"], held["b"]


def quantised(plain: str) -> str:
    tools = pytest.importorskip("onnxruntime.quantization")
    tools.quantize_dynamic(plain, "int8.onnx")
    return "int8.onnx"


def beside(plain: str) -> str:
    how: dict[str, Any] = {
        "save_as_external_data": True,
        "location": "model.onnx.data",
        "size_threshold": 0,
    }
    onnx.save(onnx.load(plain), "model.onnx", **how)
    assert Path("model.onnx.data").exists()
    return "model.onnx"


def torch_file(plain: str, suffix: str, *, ranked: bool = False) -> str:
    torch = pytest.importorskip("torch")
    weight, bias = (torch.from_numpy(one.copy()) for one in values(plain))

    class Nearest(torch.nn.Module):  # type: ignore[misc, name-defined] # untyped
        def forward(self, x: Any) -> Any:
            scores = x.flatten(1) @ weight + bias
            return tuple(torch.topk(scores, 3)) if ranked else scores

    example = torch.zeros(2, 3, 8, 8)
    if suffix == "pt":
        torch.jit.trace(Nearest(), example).save("model.pt")
    else:
        sizes = ({0: torch.export.Dim("n")},)
        exported = torch.export.export(Nearest(), (example,), dynamic_shapes=sizes)
        torch.export.save(exported, "model.pt2")
    return f"model.{suffix}"


def keras_file(plain: str, suffix: str) -> str:
    os.environ.setdefault("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    weight, bias = values(plain)
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(5)]
    )
    model.layers[-1].set_weights(
        [weight.reshape(3, 8, 8, 5).transpose(1, 2, 0, 3).reshape(192, 5), np.asarray(bias)]
    )
    model.save(f"model.{suffix}")
    return f"model.{suffix}"


KINDS: dict[str, Callable[[str], str]] = {
    "onnx": lambda plain: plain,
    "int8": quantised,
    "weights beside": beside,
    "torchscript": lambda plain: torch_file(plain, "pt"),
    "torch.export": lambda plain: torch_file(plain, "pt2"),
    "top-k": lambda plain: torch_file(plain, "pt2", ranked=True),
    "keras": lambda plain: keras_file(plain, "keras"),
    "h5": lambda plain: keras_file(plain, "h5"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_two_commands_for_a_file(
    command: Any, onnx_of_pictures: Callable[[], str], pictures: Callable[..., Path], kind: str
) -> None:
    shape = ["--shape", "3,8,8"] if kind == "torchscript" else []
    two_commands(command, pictures(), "--model", KINDS[kind](onnx_of_pictures()), *shape)
