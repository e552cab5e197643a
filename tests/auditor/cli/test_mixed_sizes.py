"""Photographs of several sizes: what ``check`` makes of them, and the remedy it prints."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from auditor.errors import ExitCode
from tests.auditor.conftest import RunCommand

COLOURS = {"blue": (30, 30, 200), "green": (30, 200, 30), "red": (200, 30, 30)}


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Three classes by their mean colour, no two pictures of one size."""
    rng = np.random.default_rng(1)
    for name, colour in COLOURS.items():
        (tmp_path / "s" / name).mkdir(parents=True)
        for number in range(5):
            size = (20 + 3 * number, 34 - 2 * number, 3)
            pixels = np.clip(np.array(colour) + rng.normal(0, 25, size), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "s" / name / f"{number}.png")
    return tmp_path / "s"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """The mean colour of pictures of ``(3, 16, 16)`` as scores."""
    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["x"], ["means"]),
            helper.make_node("Flatten", ["means"], ["flat"]),
            helper.make_node("MatMul", ["flat", "w"], ["scores"]),
        ],
        "colour",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 16, 16])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 3])],
        [numpy_helper.from_array(np.eye(3, dtype=np.float32)[::-1].copy(), "w")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    made.ir_version = 8
    onnx.save(made, tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


def test_check_finds_the_size_and_its_remedy_works(
    command: RunCommand, photographs: Path, model: Path
) -> None:
    given = ("--model", model, "--samples", photographs)
    refused = command("plan", *given)
    assert refused.code == ExitCode.USAGE
    assert "mixed sizes" in refused.sentence
    assert "xray-audit check finds" in refused.sentence
    checked = command("check", *given)
    assert checked.code == ExitCode.NO_EVIDENCE, checked.out
    assert "The samples have mixed sizes" in checked.err
    assert "(3, 16, 16)" in checked.out
    assert "Accuracy:    100%" in checked.out
    remedy = re.search(r"pass (--resize) (\d+x\d+)\.", checked.out)
    assert remedy is not None
    assert command("plan", *given, *remedy.groups()).code == 0


def test_a_stated_size_is_taken(command: RunCommand, photographs: Path, model: Path) -> None:
    toml = photographs.parent / "t.toml"
    toml.write_text(f'model = "{model}"\n[input]\nshape = [3, 16, 16]\n')
    checked = command("check", "--target", toml, "--samples", photographs)
    assert checked.code == ExitCode.NO_EVIDENCE, checked.err + checked.out
    assert "brought to 16x16 unless" in checked.err
