"""``check --model`` of files that leave open, or fix, what a user did not state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from auditor.errors import ExitCode


def model(path: Path, kind: int, sides: list[Any], axes: list[int]) -> Path:
    """The class is the channel with the largest mean."""
    nodes = [
        helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["f"], ["y"], axes=axes, keepdims=0),
    ]
    x = helper.make_tensor_value_info("x", kind, ["n", *sides])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])
    graph = helper.make_graph(nodes, "g", [x], [y])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(made, path)
    return path


@pytest.mark.parametrize(
    ("kind", "sides", "axes", "note"),
    [
        (TensorProto.UINT8, [8, 8, 3], [1, 2], "access is image"),
        (TensorProto.FLOAT, [3, "h", "w"], [2, 3], "input.shape is [3, 8, 8]"),
    ],
)
def test_what_the_file_says_is_taken(
    command: Any, tmp_path: Path, kind: int, sides: list[Any], axes: list[int], note: str
) -> None:
    rng = np.random.default_rng(3)
    for channel, name in enumerate("abc"):
        (tmp_path / "s" / name).mkdir(parents=True)
        for number in range(8):
            pixels = rng.integers(0, 100, (8, 8, 3), dtype=np.uint8)
            pixels[..., channel] += 120
            Image.fromarray(pixels).save(tmp_path / "s" / name / f"{number}.png")
    file = model(tmp_path / "m.onnx", kind, sides, axes)
    ran = command("check", "--model", file, "--samples", tmp_path / "s", "--write", "t.toml")
    assert ran.code == ExitCode.NO_EVIDENCE, ran.out + ran.err
    assert note in ran.out
    ran = command("plan", "--target", "t.toml", "--samples", tmp_path / "s")
    assert ran.code == ExitCode.NO_EVIDENCE, ran.err
