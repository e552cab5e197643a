"""``check --model`` of files that leave open, or fix, what a user did not state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from adapters import registry
from adapters.contract import LabelOracle
from adapters.target import Target, read_description
from auditor.errors import ExitCode
from auditor.workflows.check import client


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


def coloured(folder: Path, names: str, seed: int, levels: tuple[int, int], more: int) -> None:
    """Eight pictures of each class, whose own channel, if it has one, is by ``more`` brighter."""
    rng = np.random.default_rng(seed)
    for channel, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for number in range(8):
            pixels = rng.integers(*levels, (8, 8, 3), dtype=np.uint8)
            pixels[..., channel : channel + 1] += more
            Image.fromarray(pixels).save(folder / name / f"{number}.png")


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
    coloured(tmp_path / "s", "abc", 3, (0, 100), 120)
    file = model(tmp_path / "m.onnx", kind, sides, axes)
    ran = command("check", "--model", file, "--samples", tmp_path / "s", "--write", "t.toml")
    assert ran.code == ExitCode.NO_EVIDENCE, ran.out + ran.err
    assert note in ran.out
    ran = command("plan", "--target", "t.toml", "--samples", tmp_path / "s")
    assert ran.code == ExitCode.NO_EVIDENCE, ran.err


def test_a_range_that_nobody_stated_is_searched_and_the_model_opened_once(
    command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three of four classes are right in 0 to 1 too, and only -1 to 1 gives the fourth."""
    coloured(tmp_path / "s", "abcd", 4, (78, 82), 25)
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["m"], axes=[2, 3], keepdims=0),
        helper.make_node("Pad", ["m", "pads", "dark"], ["y"]),
    ]
    fixed = [
        helper.make_tensor("pads", TensorProto.INT64, [4], [0, 0, 0, 1]),
        helper.make_tensor("dark", TensorProto.FLOAT, [], [-0.2]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 8, 8])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4])
    graph = helper.make_graph(nodes, "g", [x], [y], fixed)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8),
        tmp_path / "m.onnx",
    )
    opened: list[Target] = []
    closed: list[Target] = []
    inner = registry.open_oracle

    async def counted(target: Target) -> LabelOracle:
        opened.append(target)
        oracle = await inner(target)
        close = oracle.aclose

        async def counted_close() -> None:
            closed.append(target)
            await close()

        monkeypatch.setattr(oracle, "aclose", counted_close)
        return oracle

    monkeypatch.setattr(client, "open_oracle", counted)
    ran = command("check", "--model", "m.onnx", "--samples", "s", "--write", "t.toml")
    assert ran.code == ExitCode.NO_EVIDENCE, ran.out + ran.err
    assert "Accuracy:    100% of" in ran.out
    assert "only 77% of the samples got the label they were given" in ran.out
    assert read_description(tmp_path / "t.toml")["input"]["range"] == [-1, 1]
    assert len(opened) == len(closed) == 1
