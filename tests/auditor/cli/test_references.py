"""``calibrate`` and ``cohort``: from a list of models to a profile and a ranking."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from auditor.errors import ExitCode
from auditor.workflows.profiles import load_profile

RunCommand = Callable[..., Any]
SMALL = ("--planes", "2", "--canaries", "4", "--quiet", "--range", "0,1")
CLASSES, SIDE = 4, 6
RNG = np.random.default_rng(11)
WEIGHTS = RNG.normal(size=(SIDE * SIDE, CLASSES)).astype(np.float32)
PICTURES = RNG.integers(0, 256, (16, SIDE, SIDE), dtype=np.uint8)


def scores(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    flat = PICTURES.reshape(len(PICTURES), -1).astype(np.float32) / 255.0
    return np.asarray((flat - 0.5) @ weights, dtype=np.float32)


def write_linear(path: Path, weights: NDArray[np.float32]) -> None:
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["x"], ["flat"]),
            helper.make_node("Gemm", ["flat", "w", "b"], ["scores"]),
        ],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, SIDE, SIDE])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", CLASSES])],
        [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(-weights.sum(0) / 2, "b")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.save(model, path)


@pytest.fixture
def references(tmp_path: Path) -> Path:
    """Four models that agree on the samples, and their list beside them."""
    np.savez(tmp_path / "samples.npz", x=PICTURES, y=scores(WEIGHTS).argmax(1))
    noise = np.random.default_rng(5)
    entries = []
    for number in range(4):
        changed = WEIGHTS + noise.normal(0, 0.01, WEIGHTS.shape).astype(np.float32)
        write_linear(tmp_path / f"m{number}.onnx", changed)
        entries.append({"name": f"m{number}", "model": f"m{number}.onnx"})
    (tmp_path / "list.json").write_text(json.dumps({"references": entries}))
    return tmp_path / "list.json"


def test_a_cohort_is_ranked_and_clears_no_model(command: RunCommand, references: Path) -> None:
    ran = command("cohort", references, "--samples", "samples.npz", *SMALL, "--json")
    assert ran.err == ""
    data = json.loads(ran.out)
    assert {rank["name"] for rank in data["ranking"]} == {"m0", "m1", "m2", "m3"}
    assert (data["error_rate"], data["skipped"]) == (0.05, {})
    flagged = any(rank["outlier"] for rank in data["ranking"])
    assert ran.code == (ExitCode.BACKDOOR_SUSPECTED if flagged else ExitCode.INCONCLUSIVE)


def test_a_profile_is_made_and_a_model_that_cannot_be_opened_is_skipped(
    command: RunCommand, references: Path, tmp_path: Path
) -> None:
    (tmp_path / "m3.onnx").unlink()
    words = ("--name", "mine", "--task", "toys", "--output", "out")
    ran = command("calibrate", references, "--samples", "samples.npz", *SMALL, *words)
    assert (ran.code, ran.err) == (0, "")
    assert "there is no model file" in ran.out
    made = load_profile(str(tmp_path / "out" / "profile.json"))
    assert (made.name, made.task) == ("mine", "toys")
    assert [one.name for one in made.references] == ["m0", "m1", "m2"]


@pytest.mark.parametrize("name", ["calibrate", "cohort"])
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--endpoint", "http://host.invalid/m"], "drop --endpoint, --model, --target"),
        (["--concurrency", "1001"], "--concurrency is 1001, at most 1000"),
        (["--rate", "0"], "--rate is 0.0, it must be above 0"),
        (["--planes", "0"], "planes is 0, it must be from 1"),
    ],
)
def test_a_bad_option_is_one_sentence(
    command: RunCommand, references: Path, name: str, words: list[str], sentence: str
) -> None:
    ran = command(name, references, "--samples", "samples.npz", *words)
    assert ran.code == ExitCode.USAGE
    assert sentence in ran.sentence


@pytest.mark.parametrize(
    ("kept", "words", "sentence"),
    [(3, [], "at least 4 models"), (4, ["--error-rate", "2"], "between 0 and 1")],
)
def test_a_cohort_that_cannot_be_ranked_is_refused_before_any_query(
    command: RunCommand, references: Path, kept: int, words: list[str], sentence: str
) -> None:
    entries = json.loads(references.read_text())["references"][:kept]
    references.write_text(json.dumps({"references": entries}))
    ran = command("cohort", references, "--samples", "samples.npz", *SMALL, *words)
    assert ran.code == ExitCode.USAGE
    assert sentence in ran.sentence
    assert "labels" not in ran.out + ran.err


def test_a_bad_list_is_one_sentence(command: RunCommand, references: Path) -> None:
    references.write_text('{"references": [{"name": "a", "modle": "a.onnx"}]}')
    ran = command("cohort", references, "--samples", "samples.npz")
    assert ran.code == ExitCode.USAGE
    assert "entry 1 has no field 'modle'; did you mean 'model'?" in ran.sentence
