"""Model objects: read without a change, asked in inference mode, given back as they were."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from adapters.contract import LabelOracle
from adapters.errors import BadReply, ModelFileError, TargetError
from adapters.objects import keras
from adapters.objects.kinds import library_of
from adapters.objects.open import open_object, read_object
from adapters.target import Target

Make = Callable[[str, int], Any]
SHAPE = (3, 6, 5)


async def oracle_of(model: Any, **how: Any) -> LabelOracle:
    found = read_object(model)
    assert found is not None
    return await open_object(found, Target("object", "it", **{"shape": SHAPE, **how}), "it")


def opened(model: Any, **how: Any) -> LabelOracle:
    async def go() -> LabelOracle:
        oracle = await oracle_of(model, **how)
        await oracle.aclose()
        return oracle

    return asyncio.run(go())


@pytest.mark.parametrize(
    ("made", "library"),
    [
        ("torch", "torch"),
        ("timm", "timm"),
        ("transformers", "transformers"),
        ("pair", "transformers"),
        ("keras", "keras"),
        ("sklearn", "sklearn"),
        ("session", "onnxruntime"),
    ],
)
def test_a_library_is_told_by_the_object(model_object: Make, made: str, library: str) -> None:
    assert library_of(model_object(made, 0)) == library


@pytest.mark.parametrize("thing", [len, (), (1, 2), "text", np.zeros(3), object()])
def test_other_objects_belong_to_no_library(thing: Any) -> None:
    assert library_of(thing) is None
    assert read_object(thing) is None


def test_telling_imports_no_library() -> None:
    code = (
        "import sys, adapters.objects.open as o; o.read_object(len); print({*sys.modules} & "
        "{'torch', 'keras', 'sklearn', 'timm', 'transformers', 'onnxruntime'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_torch_module_is_asked_in_eval_mode_and_gets_its_own_back(
    model_object: Make, reference: Callable[..., NDArray[Any]], batch: NDArray[np.float32]
) -> None:
    torch = pytest.importorskip("torch")
    model = model_object("torch", 0).train()
    model[0].eval()
    seen = []
    model.register_forward_hook(
        lambda part, given, _: seen.append((part.training, given[0].requires_grad))
    )

    async def go() -> None:
        oracle = await oracle_of(model)
        assert not any(part.training for part in model.modules())
        labels = await oracle.predict_labels(batch)
        assert labels.tolist() == reference(batch).tolist()
        await oracle.aclose()

    asyncio.run(go())
    assert seen == [(False, False)]
    assert [part.training for part in model.modules()] == [True, False, True, True]
    assert all(weight.grad is None and weight.requires_grad for weight in model.parameters())
    assert torch.is_grad_enabled()


def test_a_torch_module_stays_on_its_device_and_in_its_precision(
    model_object: Make, batch: NDArray[np.float32]
) -> None:
    torch = pytest.importorskip("torch")
    model = model_object("torch", 0).to(torch.bfloat16)
    seen = []
    model.register_forward_hook(lambda _, given, __: seen.append((given[0].device, given[0].dtype)))

    async def go() -> None:
        oracle = await oracle_of(model)
        await oracle.predict_labels(batch)
        await oracle.aclose()

    asyncio.run(go())
    assert seen == [(torch.device("cpu"), torch.bfloat16)]
    assert {weight.dtype for weight in model.parameters()} == {torch.bfloat16}


def test_other_weights_under_one_name_are_another_model(model_object: Make) -> None:
    torch = pytest.importorskip("torch")
    model = model_object("torch", 0)
    first = opened(model).fingerprint
    assert opened(model).fingerprint == first
    with torch.no_grad():
        model[1].weight[0, 0] += 1
    assert opened(model).fingerprint != first


def test_preprocessing_of_a_timm_model_is_its_own(model_object: Make) -> None:
    model = model_object("timm", 0)
    config = model.pretrained_cfg
    spec = opened(model).input_spec
    mean, std = (np.asarray(config[key]) for key in ("mean", "std"))
    assert np.allclose(spec.low, -mean / std)
    assert np.allclose(spec.high, (1 - mean) / std)
    assert spec.range_source == "model metadata"
    found = read_object(model)
    assert found is not None
    assert found.facts.shape == tuple(config["input_size"])
    assert found.fit == "crop"


def test_a_range_that_the_caller_states_wins(model_object: Make) -> None:
    spec = opened(model_object("timm", 0), value_range=(0.0, 255.0)).input_spec
    assert (spec.low, spec.high) == ((0.0,) * 3, (255.0,) * 3)


def test_a_processor_and_a_config_state_range_size_and_names(model_object: Make) -> None:
    pair = model_object("pair", 0)
    oracle = opened(pair, shape=None)
    assert np.allclose(oracle.input_spec.high, [0.5 / 0.2, 0.6 / 0.3, 0.7 / 0.4])
    assert oracle.input_spec.shape == SHAPE
    assert oracle.label_space.names == ["ant", "bee", "cat", "dog"]


def test_a_pipeline_is_its_model_and_processor(model_object: Make) -> None:
    transformers = pytest.importorskip("transformers")
    model, processor = model_object("pair", 0)
    classify = transformers.pipeline("image-classification", model=model, image_processor=processor)
    assert opened(classify).input_spec == opened((model, processor)).input_spec
    classify.task = "image-segmentation"
    with pytest.raises(TargetError, match="an audit takes 'image-classification'"):
        read_object(classify)


def test_labels_of_a_classifier_are_numbered_in_its_order(
    model_object: Make, reference: Callable[..., NDArray[Any]], batch: NDArray[np.float32]
) -> None:
    model = model_object("sklearn", 0)
    model.classes_ = np.array(["ant", "bee", "cat", "dog"])

    async def go() -> None:
        oracle = await oracle_of(model, layout="NCHW")
        labels = await oracle.predict_labels(batch)
        assert oracle.label_space.names == ["ant", "bee", "cat", "dog"]
        assert labels.tolist() == reference(batch).tolist()
        await oracle.aclose()

    asyncio.run(go())


def test_a_classifier_of_other_pictures_is_refused(model_object: Make) -> None:
    with pytest.raises(TargetError, match="takes 90 features, and one picture"):
        opened(model_object("sklearn", 0), shape=(1, 6, 5))


def test_what_is_no_fitted_classifier_is_refused() -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    with pytest.raises(TargetError, match="no fitted classifier"):
        read_object(linear.LogisticRegression())


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_keras_model_of_two_inputs_is_refused_with_a_way() -> None:
    keras = pytest.importorskip("keras")
    first, second = keras.Input((6, 5, 3)), keras.Input((1,))
    flat = keras.layers.Concatenate()([keras.layers.Flatten()(first), second])
    model = keras.Model([first, second], keras.layers.Dense(4)(flat))
    with pytest.raises(TargetError, match=r"takes 2 inputs .* wrap it in a function"):
        read_object(model)


def test_a_session_that_is_no_classifier_is_refused(onnx_file: Callable[..., str]) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(onnx_file("scaled.onnx", reply="scaled"))
    with pytest.raises(ModelFileError, match="no output with one label per input"):
        read_object(session)


def test_of_the_best_scores_and_their_classes_keras_gives_the_first_class() -> None:
    best, classes = np.array([[5.0, 2.0], [4.0, 4.0]]), np.array([[3, 0], [1, 7]], np.int32)
    for reply in ([best, classes], {"classes": classes, "best": best}):
        assert keras.pick(reply, 2).tolist() == [3, 1]
    with pytest.raises(BadReply, match="scores do not descend or a number comes twice"):
        keras.pick([best[:, ::-1], classes], 2)
    with pytest.raises(BadReply, match="a number comes twice"):
        keras.pick([best, classes * 0], 2)
