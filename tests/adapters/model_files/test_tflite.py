"""TensorFlow Lite models: one linear classifier, as floats and as full 8-bit integers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from adapters.contract import LabelOracle
from adapters.errors import ModelFileError, TargetError
from adapters.model_files.open import open_oracle
from adapters.target import HttpOptions, ReplyFormat, Target

flatbuffers = pytest.importorskip("flatbuffers")
schema = pytest.importorskip("ai_edge_litert.schema_py_generated")

SHAPE = (3, 6, 5)
CLASSES = 4


def weights() -> NDArray[np.float32]:
    """Weights of the linear classifier, ``(classes, h * w * c)``."""
    return np.random.default_rng(0).normal(size=(CLASSES, 90)).astype(np.float32)


def tensor(name: str, shape: list[int], kind: int, buffer: int, scale: float = 0.0) -> Any:
    made = schema.TensorT()
    made.name, made.shape, made.type, made.buffer = name.encode(), shape, kind, buffer
    if scale:
        made.quantization = schema.QuantizationParametersT()
        made.quantization.scale, made.quantization.zeroPoint = [scale], [0]
    return made


def top_three(graph: Any, model: Any) -> None:
    """Let ``graph`` answer with the three best scores and their classes, classes first."""
    three = schema.BufferT()
    three.data = np.frombuffer(np.int32(3).tobytes(), np.uint8)
    model.buffers.append(three)
    whole, wide = schema.TensorType.INT32, schema.TensorType.FLOAT32
    graph.tensors += [
        tensor("k", [], whole, 2),
        tensor("best", [1, 3], wide, 0),
        tensor("numbers", [1, 3], whole, 0),
    ]
    code, layer = schema.OperatorCodeT(), schema.OperatorT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.TOPK_V2
    code.version = 1
    model.operatorCodes.append(code)
    layer.opcodeIndex, layer.inputs, layer.outputs = 1, [2, 4], [5, 6]
    layer.builtinOptionsType = schema.BuiltinOptions.TopKV2Options
    layer.builtinOptions = schema.TopKV2OptionsT()
    graph.operators.append(layer)
    graph.outputs = [6, 5]


def tflite_file(
    path: Path, *, integers: bool = False, inputs: int = 1, ranked: bool = False
) -> str:
    """A model of one fully connected layer; of int8 throughout if ``integers``."""
    kind = schema.TensorType.INT8 if integers else schema.TensorType.FLOAT32
    data = weights()
    scale = float(np.abs(data).max() / 127)
    stored = np.rint(data / scale).astype(np.int8) if integers else data
    graph = schema.SubGraphT()
    scales = (1 / 255, scale, 0.3) if integers else (0.0, 0.0, 0.0)
    graph.tensors = [
        tensor("images", [1, 6, 5, 3], kind, 0, scales[0]),
        tensor("weights", [CLASSES, 90], kind, 1, scales[1]),
        tensor("scores", [1, CLASSES], kind, 0, scales[2]),
        tensor("other", [1, 6, 5, 3], kind, 0, scales[0]),
    ]
    if integers:
        graph.tensors[0].quantization.zeroPoint = [-128]
    layer = schema.OperatorT()
    layer.inputs, layer.outputs = [0, 1, -1], [2]
    layer.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
    layer.builtinOptions = schema.FullyConnectedOptionsT()
    graph.operators = [layer]
    graph.inputs, graph.outputs = [0, 3][:inputs], [2]
    code = schema.OperatorCodeT()
    code.builtinCode = schema.BuiltinOperator.FULLY_CONNECTED
    code.deprecatedBuiltinCode = schema.BuiltinOperator.FULLY_CONNECTED
    code.version = 4 if integers else 1
    model = schema.ModelT()
    empty, full = schema.BufferT(), schema.BufferT()
    full.data = np.frombuffer(stored.tobytes(), np.uint8)
    model.version, model.operatorCodes = 3, [code]
    model.subgraphs, model.buffers = [graph], [empty, full]
    if ranked:
        top_three(graph, model)
    builder = flatbuffers.Builder(4096)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return str(path)


def asked(location: str, make: Callable[[LabelOracle], NDArray[Any]], **how: Any) -> Any:
    async def go() -> tuple[NDArray[np.int64], LabelOracle]:
        oracle = await open_oracle(Target("tflite", location, **how))
        try:
            return await oracle.predict_labels(make(oracle)), oracle
        finally:
            await oracle.aclose()

    return asyncio.run(go())


@pytest.mark.parametrize("trusted", [True, False])
def test_a_float_model_gives_its_labels(
    tmp_path: Path, batch: NDArray[np.float32], *, trusted: bool
) -> None:
    path = tflite_file(tmp_path / "model.tflite")
    labels, oracle = asked(path, lambda _: batch, trust_model_file=trusted)
    flat = batch.transpose(0, 2, 3, 1).reshape(len(batch), -1)
    assert labels.tolist() == (flat @ weights().T).argmax(1).tolist()
    assert len(set(labels.tolist())) > 1
    assert oracle.input_spec.shape == SHAPE
    assert oracle.label_space.size == CLASSES


@pytest.mark.parametrize("wanted", ["", "numbers"])
def test_of_the_best_scores_and_their_classes_the_first_class_is_the_label(
    tmp_path: Path, batch: NDArray[np.float32], wanted: str
) -> None:
    path = tflite_file(tmp_path / "model.tflite", ranked=True)
    stated = {"http": HttpOptions(reply=ReplyFormat(wanted))}
    labels, oracle = asked(path, lambda _: batch, **stated)
    flat = batch.transpose(0, 2, 3, 1).reshape(len(batch), -1)
    assert labels.tolist() == (flat @ weights().T).argmax(1).tolist()
    assert oracle.label_space.size is None
    assert oracle.description["output"] == "numbers ranked by best"


def test_an_output_that_is_not_there_is_refused(tmp_path: Path, batch: NDArray[np.float32]) -> None:
    path = tflite_file(tmp_path / "model.tflite", ranked=True)
    stated = {"http": HttpOptions(reply=ReplyFormat("third"))}
    with pytest.raises(ModelFileError, match="no output 'third' with one row of scores: numbers"):
        asked(path, lambda _: batch, **stated)


def test_a_model_of_integers_takes_pixels(tmp_path: Path) -> None:
    path = tflite_file(tmp_path / "model.tflite", integers=True)
    pixels = np.random.default_rng(1).integers(0, 256, (40, *SHAPE)).astype(np.uint8)
    labels, oracle = asked(path, lambda o: o.input_spec.from_pixels(pixels), access="image")
    flat = pixels.transpose(0, 2, 3, 1).reshape(40, -1) / 255
    assert oracle.input_spec.encoding == "uint8"
    assert (labels == (flat @ weights().T).argmax(1)).mean() > 0.9  # but for rounding
    with pytest.raises(TargetError, match="only be audited in image access"):
        asked(path, lambda o: o.input_spec.from_pixels(pixels))


def test_a_model_of_two_inputs_is_refused(tmp_path: Path) -> None:
    path = tflite_file(tmp_path / "model.tflite", inputs=2)
    with pytest.raises(ModelFileError, match=r"takes 2 inputs \(images, other\), not one"):
        asked(path, lambda _: np.zeros((1, *SHAPE), np.float32))


@pytest.mark.parametrize("name", ["model.onnx", "model.keras"])
def test_a_file_that_is_named_like_another_kind_is_told(tmp_path: Path, name: str) -> None:
    kind = {"model.onnx": "onnx", "model.keras": "keras"}[name]
    path = tflite_file(tmp_path / name)
    with pytest.raises(ModelFileError, match="TensorFlow Lite model: name it so that it ends"):
        asyncio.run(open_oracle(Target(kind, path)))
