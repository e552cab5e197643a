"""Models whose output is one number about two classes, read against a threshold."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper

from adapters.contract import LabelOracle
from adapters.errors import BadReply, ModelFileError, TargetError
from adapters.objects.open import open_object, read_object
from adapters.registry import open_oracle
from adapters.target import Target, read_target

Batch = NDArray[np.float32]
SHAPE = (3, 6, 5)
CLASSES = ("cat", "dog")


def asked(batch: Batch, kind: str, path: str | Path, **how: Any) -> tuple[list[int], LabelOracle]:
    async def go() -> tuple[list[int], LabelOracle]:
        target = Target(kind, str(path), shape=SHAPE, **how)
        oracle = await open_oracle(target)
        try:
            return [int(label) for label in await oracle.predict_labels(batch)], oracle
        finally:
            await oracle.aclose()

    return asyncio.run(go())


WEIGHTS = np.random.default_rng(0).normal(size=(90, 4))
"""Those of the linear models."""


def scores(batch: Batch) -> NDArray[Any]:
    return np.asarray(batch.reshape(len(batch), -1) @ WEIGHTS)


def second(numbers: NDArray[Any], threshold: float) -> list[int]:
    """Labels of two classes; both must occur, and none lie at the threshold."""
    labels = [int(above) for above in numbers >= threshold]
    assert 0 < sum(labels) < len(labels)
    assert np.abs(numbers - threshold).min() > 1e-3
    return labels


@pytest.mark.parametrize("reply", ["one", "number"])
@pytest.mark.parametrize("trusted", [False, True])
def test_an_onnx_file(
    onnx_file: Callable[..., str], batch: Batch, reply: str, *, trusted: bool
) -> None:
    numbers = scores(batch).max(axis=1)
    middle = float(np.median(numbers)) + 0.1
    how: dict[str, Any] = {"classes": CLASSES, "trust_model_file": trusted}
    labels, oracle = asked(batch, "onnx", onnx_file(reply=reply), threshold=middle, **how)
    assert labels == second(numbers, middle)
    assert oracle.label_space.names == list(CLASSES)
    assert oracle.description["threshold"] == middle
    # Another threshold gives other labels, so it is another target.
    _, other = asked(batch, "onnx", onnx_file(reply=reply), threshold=middle + 1.0, **how)
    assert other.fingerprint != oracle.fingerprint


@pytest.mark.parametrize(("suffix", "reply"), [(".pt", "one"), (".pt", "mean"), (".pt2", "one")])
def test_a_torch_file(
    torch_file: Callable[..., str], batch: Batch, suffix: str, reply: str
) -> None:
    pytest.importorskip("torch")
    flat = scores(batch)[:, 0]
    numbers = flat if reply == "one" else batch.mean(axis=(1, 2, 3)) + WEIGHTS.sum()
    middle = float(np.sort(numbers)[5:7].mean())
    # One form of each kind in its own process: torch takes two seconds to load there.
    how = {"threshold": middle, "trust_model_file": reply == "mean"}
    labels, oracle = asked(batch, "torchscript", torch_file(suffix, reply=reply), **how)
    assert labels == second(numbers, middle)
    assert oracle.label_space.size == 2


@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_keras_file_and_object(batch: Batch, tmp_path: Path) -> None:
    os.environ.setdefault("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    layers = [keras.layers.Permute((3, 1, 2)), keras.layers.Flatten()]
    model = keras.Sequential(
        [keras.Input((6, 5, 3)), *layers, keras.layers.Dense(1, "sigmoid", use_bias=False)]
    )
    model.set_weights([WEIGHTS[:, :1]])
    model.save(tmp_path / "model.keras")
    wanted = second(scores(batch)[:, 0], 0.0)
    labels, _ = asked(batch, "keras", tmp_path / "model.keras", threshold=0.5)
    assert labels == wanted

    async def of_object() -> list[int]:
        found = read_object(model)
        assert found is not None
        oracle = await open_object(found, Target("function", "it", threshold=0.5), "it")
        try:
            return [int(label) for label in await oracle.predict_labels(batch)]
        finally:
            await oracle.aclose()

    assert asyncio.run(of_object()) == wanted


def test_without_a_threshold_the_sentence_names_it(
    onnx_file: Callable[..., str], torch_file: Callable[..., str], batch: Batch
) -> None:
    for reply in ("one", "number"):
        with pytest.raises((ModelFileError, BadReply)) as caught:
            asked(batch, "onnx", onnx_file(reply=reply))
        assert reply == "number" or "--threshold 0.5 for a probability" in str(caught.value)
        assert reply == "number" or "class itself must be of a whole type" in str(caught.value)
    pytest.importorskip("torch")
    for reply in ("one", "mean"):
        path = torch_file(".pt", reply=reply)
        with pytest.raises(BadReply, match=r"--threshold 0\.5 for a probability, 0 for a logit"):
            asked(batch, "torchscript", path, trust_model_file=reply == "mean")


def test_a_threshold_is_refused_where_it_reads_nothing(
    onnx_file: Callable[..., str], batch: Batch
) -> None:
    with pytest.raises(BadReply, match="a threshold is for one number each"):
        asked(batch, "onnx", onnx_file(), threshold=0.5)
    with pytest.raises(BadReply, match="NaN"):
        asked(batch, "onnx", _nan(onnx_file), threshold=0.5)
    with pytest.raises(TargetError, match="a threshold is for model files"):
        asked(batch, "http", "http://127.0.0.1:9/predict", threshold=0.5)
    described = read_target(
        {"model": "m.onnx", "response": {"kind": "binary", "threshold": 0.5}, "input": {}}
    )
    assert described.threshold == 0.5


def _nan(onnx_file: Callable[..., str]) -> str:
    """A model whose one number is none."""
    path = onnx_file("nan.onnx", reply="one")
    model = onnx.load(path)
    model.graph.node.append(helper.make_node("Sub", ["one", "one"], ["none"]))
    model.graph.node.append(helper.make_node("Div", ["none", "none"], ["nothing"]))
    model.graph.output[0].name = "nothing"
    onnx.save(model, path)
    return path
