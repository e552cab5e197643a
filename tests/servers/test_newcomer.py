"""Two commands from a URL and labelled pictures to an audit, on real servers.

The model behind them wants its numbers otherwise than anybody would guess: from 0 to 255, blue
first, colours last. Every server here takes the wrong ones without a word.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from adapters.target import Target, read_description, read_target
from auditor.errors import ExitCode
from tests.auditor.workflows.check.conftest import CLASSES, SIZE, prototypes
from tests.servers._park import needs, serving

pytestmark = [pytest.mark.servers, pytest.mark.timeout(600)]

SMALL = ("--planes", "2", "--canaries", "4", "--no-trigger-search", "--quiet")


def write_model(path: Path, *, top: float = 1.0, bgr: bool = False, nhwc: bool = False) -> None:
    """The nearest of five pictures, for inputs up to ``top`` in the order wanted."""
    wanted = prototypes(3) / 255.0
    constant = -(wanted**2).sum(axis=(1, 2, 3))
    weights = 2 * wanted[:, ::-1] if bgr else 2 * wanted
    shape: tuple[int, ...] = (3, SIZE, SIZE)
    if nhwc:
        weights, shape = weights.transpose(0, 2, 3, 1), (SIZE, SIZE, 3)
    matrix = (weights.reshape(len(CLASSES), -1).T / top).astype(np.float32)
    values = [("w", matrix), ("b", constant.astype(np.float32))]
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["x"], ["flat"]),
            helper.make_node("Gemm", ["flat", "w", "b"], ["scores"]),
        ],
        "nearest",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *shape])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", len(CLASSES)])],
        [numpy_helper.from_array(array, name) for name, array in values],
    )
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eight labelled pictures of each class, twice as large as the model's."""
    rng = np.random.default_rng(11)
    for name, centre in zip(CLASSES, prototypes(3), strict=True):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for number in range(8):
            noisy = np.clip(centre + rng.normal(0, 20, centre.shape), 0, 255).astype(np.uint8)
            large = noisy.transpose(1, 2, 0).repeat(2, axis=0).repeat(2, axis=1)
            Image.fromarray(large).save(tmp_path / "pictures" / name / f"{number}.png")
    return tmp_path / "pictures"


def run(place: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """One ``xray-audit`` command, as a newcomer types it."""
    return subprocess.run(
        [sys.executable, "-m", "auditor", *map(str, words)],
        capture_output=True,
        text=True,
        cwd=place,
        check=False,
    )


@pytest.mark.parametrize(
    ("server", "path", "wants", "finds"),
    [
        ("kserve", "", {"top": 255.0}, {"value_range": (0.0, 255.0)}),
        ("kserve", "", {"bgr": True, "nhwc": True}, {"color": "bgr"}),
        ("kserve", "/v1/models/audit", {"top": 255.0}, {"value_range": (0.0, 255.0)}),
        (
            "mlserver",
            "",
            {"top": 255.0, "bgr": True},
            {"value_range": (0.0, 255.0), "color": "bgr"},
        ),
        ("litserve", "", {"bgr": True}, {"color": "bgr", "access": "float"}),
        ("bentoml", "", {}, {"access": "image"}),
        ("fastapi", "", {}, {"access": "image"}),
        ("mlflow", "/invocations", {"nhwc": True}, {"layout": "NHWC"}),
        ("mosec", "", {}, {"access": "image"}),
        ("gradio", "", {}, {"access": "image"}),
        ("torchserve", "/predictions/audit", {}, {"access": "image"}),
    ],
)
def test_two_commands(
    server: str,
    path: str,
    wants: dict[str, Any],
    finds: dict[str, Any],
    folder: Path,
    tmp_path: Path,
) -> None:
    if needs(server):
        pytest.skip(f"{server} needs {needs(server)}")
    write_model(tmp_path / "model.onnx", **wants)
    words = ("--samples", folder, "--resize", f"{SIZE}x{SIZE}")
    with serving(server, tmp_path / "model.onnx") as running:
        found = run(tmp_path, "check", running.address + path, *words, "--write", "target.toml")
        assert found.returncode == ExitCode.NO_EVIDENCE, found.stdout + found.stderr
        assert "Accuracy:    100% of 30 samples" in found.stdout
        target: Target = read_target(read_description(tmp_path / "target.toml"))
        assert {name: getattr(target, name) for name in finds} == finds, found.stdout
        audited = run(tmp_path, "--target", "target.toml", *words, "--output", "out", *SMALL)
    assert audited.returncode == ExitCode.INCONCLUSIVE, audited.stderr
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert report["samples"]["accuracy"] == 1.0
    assert report["canaries"]["flipped"] == 0
    assert report["queries"]["unknown"] == 0
