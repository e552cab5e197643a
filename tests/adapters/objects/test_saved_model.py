"""TensorFlow SavedModels, in the sandbox; left out where TensorFlow is not installed."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.errors import MissingExtra, ModelFileError
from adapters.registry import open_oracle
from adapters.target import read_target


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """The class is the channel with the largest mean; features come before the scores."""
    tf: Any = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")

    class Model(tf.Module):  # type: ignore[misc]  # no types without TensorFlow
        def __init__(self) -> None:
            super().__init__()
            self.scale = tf.Variable(2.0)

        @tf.function(input_signature=[tf.TensorSpec([None, 4, 4, 3], tf.float32, name="x")])  # type: ignore[untyped-decorator]  # the same
        def scores(self, x: Any) -> Any:
            return {"a_map": x[:, :, 0, 0], "probabilities": self.scale * tf.reduce_mean(x, [1, 2])}

    model = Model()
    tf.saved_model.save(model, str(tmp_path / "m"), signatures={"serving_default": model.scores})
    return tmp_path / "m"


def labels(folder: Path, batch: Any, **stated: Any) -> Any:
    async def run() -> Any:
        oracle = await open_oracle(read_target({"model": str(folder), **stated}))
        try:
            return (await oracle.predict_labels(batch)).tolist(), oracle.description
        finally:
            await oracle.aclose()

    return asyncio.run(run())


def test_a_saved_model_answers_in_the_sandbox(saved: Path) -> None:
    batch = np.zeros((3, 3, 4, 4), np.float32)
    for row, channel in enumerate((2, 0, 1)):
        batch[row, channel] = 1.0
    found, description = labels(saved, batch)
    assert found == [2, 0, 1]
    assert description["output"] == "probabilities"
    assert description["other_outputs"] == ["a_map"]


@pytest.mark.parametrize("stated", [{}, {"response": {"path": "classes"}}])
def test_of_the_best_scores_and_their_classes_the_first_class_is_the_label(
    tmp_path: Path, stated: dict[str, Any]
) -> None:
    tf: Any = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")

    @tf.function(input_signature=[tf.TensorSpec([None, 4, 4, 3], tf.float32, name="x")])  # type: ignore[untyped-decorator]  # the same
    def best(x: Any) -> Any:
        scores, classes = tf.math.top_k(tf.reduce_mean(x, [1, 2]), 2)
        return {"scores": scores, "classes": classes}

    tf.saved_model.save(tf.Module(), str(tmp_path / "m"), signatures=best)
    batch = np.zeros((3, 3, 4, 4), np.float32)
    for row, channel in enumerate((2, 0, 1)):
        batch[row, channel] = 1.0
    found, description = labels(tmp_path / "m", batch, **stated)
    assert found == [2, 0, 1]
    assert description["output"] == "classes ranked by scores"
    assert description["other_outputs"] == []


def test_another_output_is_refused_by_name(saved: Path) -> None:
    with pytest.raises(ModelFileError, match="no output 'nothing'; it has"):
        labels(saved, np.zeros((1, 3, 4, 4), np.float32), response={"path": "nothing"})


def test_without_tensorflow_two_ways_are_named(tmp_path: Path) -> None:
    if importlib.util.find_spec("tensorflow") is not None:
        pytest.skip("TensorFlow is installed")
    (tmp_path / "saved_model.pb").write_bytes(b"\x08\x01\x12\x90\x01")
    with pytest.raises(MissingExtra, match=r"xray-audit\[tensorflow\].*tf2onnx"):
        labels(tmp_path, np.zeros((1, 3, 4, 4), np.float32))
