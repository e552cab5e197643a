"""Keras files and hub snapshots: loaded in the sandbox, without code of their own."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from adapters.contract import LabelOracle
from adapters.errors import ModelFileError
from adapters.model_files.open import open_oracle
from adapters.target import Target

Make = Callable[[str, int], Any]

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.timeout(600),  # the libraries take long to import on a busy machine
]


def asked(kind: str, path: Path, batch: NDArray[Any], **how: Any) -> Any:
    async def go() -> tuple[list[int], LabelOracle]:
        oracle = await open_oracle(Target(kind, str(path), **how))
        try:
            return (await oracle.predict_labels(batch)).tolist(), oracle
        finally:
            await oracle.aclose()

    return asyncio.run(go())


@pytest.fixture
def keras() -> Any:
    os.environ.setdefault("KERAS_BACKEND", "torch")
    return pytest.importorskip("keras")


@pytest.mark.usefixtures("keras")
@pytest.mark.parametrize(("suffix", "trusted"), [("keras", False), ("h5", True)])
def test_a_keras_file_gives_the_labels_of_its_model(
    model_object: Make,
    reference: Callable[..., NDArray[Any]],
    batch: NDArray[np.float32],
    tmp_path: Path,
    suffix: str,
    *,
    trusted: bool,
) -> None:
    path = tmp_path / f"model.{suffix}"
    model_object("keras", 0).save(path)
    labels, oracle = asked("keras", path, batch, trust_model_file=trusted)
    assert labels == reference(batch).tolist()
    assert oracle.label_space.size == 4


@pytest.mark.usefixtures("keras")
def test_a_file_of_an_old_keras_without_an_input_layer_is_read(
    model_object: Make,
    reference: Callable[..., NDArray[Any]],
    batch: NDArray[np.float32],
    tmp_path: Path,
) -> None:
    """Its first layer states the input's shape, with the batch."""
    path, h5py = tmp_path / "model.h5", pytest.importorskip("h5py")
    model_object("keras", 0).save(path)
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        first, *others = config["config"]["layers"]
        assert first["class_name"] == "InputLayer"
        others[0]["config"]["batch_input_shape"] = first["config"]["batch_shape"]
        config["config"]["layers"] = others
        file.attrs["model_config"] = json.dumps(config)
    labels, _ = asked("keras", path, batch)
    assert labels == reference(batch).tolist()


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_a_lambda_in_a_keras_file_is_not_run(keras: Any, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"model.{suffix}"
    layers = [keras.layers.Flatten(), keras.layers.Lambda(lambda x: x), keras.layers.Dense(4)]
    keras.Sequential([keras.Input((6, 5, 3)), *layers]).save(path)
    runtime = pytest.importorskip("adapters.objects.keras_file")
    model_file = pytest.importorskip("adapters.model_files.file")
    file = model_file.read_model_file(str(path))
    with pytest.raises(ModelFileError, match="holds code of its own"):
        runtime.load(file, "cpu", None)


def hub_snapshot(model_object: Make, folder: Path) -> Any:
    pair = model_object("pair", 0)
    for part in pair:
        part.save_pretrained(folder)
    return pair


def test_a_snapshot_states_names_and_preprocessing(
    model_object: Make,
    object_labels: Callable[..., NDArray[Any]],
    batch: NDArray[np.float32],
    tmp_path: Path,
) -> None:
    pair = hub_snapshot(model_object, tmp_path)
    labels, oracle = asked("snapshot", tmp_path, batch)
    assert labels == object_labels("pair", pair, batch).tolist()
    assert oracle.label_space.names == ["ant", "bee", "cat", "dog"]
    assert np.allclose(oracle.input_spec.low, [-2.5, -4 / 3, -0.75])
    assert set(oracle.description["files_beside"]) == {"config.json", "preprocessor_config.json"}


@pytest.mark.parametrize("more", [{}, {"model_args": {"num_classes": 4}}])
def test_a_timm_snapshot_is_its_architecture_and_configuration(
    model_object: Make, tmp_path: Path, more: dict[str, Any]
) -> None:
    """Newer timm states the number of classes among the model's arguments too."""
    model = model_object("timm", 0)
    pytest.importorskip("safetensors.torch").save_file(
        model.state_dict(), tmp_path / "model.safetensors"
    )
    stated = {"input_size": [3, 32, 32], "mean": [0.5] * 3, "std": [0.25] * 3}
    config = {
        "architecture": "test_efficientnet",
        "num_classes": 4,
        "pretrained_cfg": stated,
        **more,
    }
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    batch = np.random.default_rng(3).normal(size=(4, 3, 32, 32)).astype(np.float32)
    labels, oracle = asked("snapshot", tmp_path, batch, trust_model_file=True)
    torch = pytest.importorskip("torch")
    with torch.no_grad():
        assert labels == model.eval()(torch.from_numpy(batch)).argmax(1).tolist()
    assert (oracle.input_spec.low, oracle.input_spec.high) == ((-2.0,) * 3, (2.0,) * 3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"auto_map": {"AutoModel": "evil.Model"}}, "brings code of its own"),
        ({"model_type": "evil"}, "knows no model type 'evil'"),
        ({"hidden_sizes": [16]}, "not those of an image classifier|does not load"),
    ],
)
def test_a_snapshot_that_is_not_what_it_says_is_refused(
    model_object: Make, tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    hub_snapshot(model_object, tmp_path)
    config = tmp_path / "config.json"
    stated = {**json.loads(config.read_text(encoding="utf-8")), **change}
    config.write_text(json.dumps(stated), encoding="utf-8")
    with pytest.raises(ModelFileError, match=words):
        asked("snapshot", tmp_path, np.zeros((1, 3, 6, 5), np.float32), trust_model_file=True)
