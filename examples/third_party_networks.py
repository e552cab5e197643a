"""Networks of packages, each read to a function that gives labels."""

from __future__ import annotations

import itertools
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.model_files.file import ModelFile
from adapters.objects import keras_file
from examples.third_party_expressions import EXPRESSION_SCALE, expression_network
from examples.third_party_packages import unpacked
from examples.third_party_shards import shards_network

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]
Classify = Callable[[Floats], Labels]
"""Labels ``(n,)`` of pictures ``(n, c, h, w)`` in 0 to 1."""
SCALE = (127 / 255, 128 / 255)
"""Mean and deviation that the EfficientNets were trained with."""
DIGIT_SCALE = (0.1307, 0.3081)


def _column(values: tuple[float, ...]) -> Floats:
    return np.array(values, np.float32)[:, None, None]


def _session(path: str) -> Any:
    import onnxruntime  # noqa: PLC0415 - only these models need it

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def from_onnx(mean: tuple[float, ...], std: tuple[float, ...], *, bgr: bool) -> Any:
    """A loader of an ONNX file that takes ``(n, c, h, w)``, normalised like this."""

    def load(path: Path, _: tuple[int, int, int]) -> Classify:
        session = _session(str(path))
        name = session.get_inputs()[0].name

        def classify(pictures: Floats) -> Labels:
            turned = pictures[:, ::-1] if bgr else pictures
            inputs = ((turned - _column(mean)) / _column(std)).astype(np.float32)
            labels: Labels = session.run(None, {name: inputs})[0].argmax(axis=1)
            return labels

        return classify

    return load


def open_nsfw(path: Path, _: tuple[int, int, int]) -> Classify:
    """Takes rows of pixels, blue first, less the mean of its training pictures."""
    session = _session(str(path))
    name, mean = session.get_inputs()[0].name, np.array([104, 117, 123], np.float32)

    def classify(pictures: Floats) -> Labels:
        inputs = pictures[:, ::-1].transpose(0, 2, 3, 1) * 255 - mean
        labels: Labels = session.run(None, {name: inputs.astype(np.float32)})[0].argmax(axis=1)
        return labels

    return classify


def efficient_net(path: Path) -> Any:
    """The torch module of an EfficientNet-Lite."""
    import torch  # noqa: PLC0415 - only these models need it

    sys.path.insert(0, str(unpacked("efficientnet-lite-pytorch==0.1.0", path.parents[2])))
    from efficientnet_lite_pytorch import EfficientNet  # noqa: PLC0415 - only these models need it

    module = EfficientNet.from_name("-".join(path.name.split("-")[:2]))
    module.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return module.eval()


def efficient(path: Path, shape: tuple[int, int, int]) -> Classify:
    """An EfficientNet-Lite, with its own normalisation."""
    return by_onnx(efficient_net(path), shape, *SCALE)


def by_onnx(module: Any, shape: tuple[int, int, int], mean: Any, std: Any) -> Classify:
    """A torch module that takes pictures of this ``shape``, less ``mean`` by ``std``, computed by
    ONNX Runtime: on one thread, at 224 pixels, in less than a fifth of torch's time.
    """
    import torch  # noqa: PLC0415 - only these models need it

    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "network.onnx")
        # The newer exporter needs onnxscript too.
        torch.onnx.export(
            module.eval(), (torch.zeros(1, *shape),), file, dynamo=False,
            input_names=["pictures"], dynamic_axes={"pictures": {0: "count"}},
        )  # fmt: skip
        session = _session(file)

    def classify(pictures: Floats) -> Labels:
        inputs = ((pictures - mean) / std).astype(np.float32)
        labels: Labels = session.run(None, {"pictures": inputs})[0].argmax(axis=1)
        return labels

    return classify


def of_torch(module: Any, mean: Any, std: Any) -> Classify:
    """A torch function that takes pictures less ``mean`` by ``std``, on one thread."""
    import torch  # noqa: PLC0415 - only these models need it

    torch.set_num_threads(1)

    def classify(pictures: Floats) -> Labels:
        with torch.inference_mode():
            scores = module(torch.from_numpy(((pictures - mean) / std).astype(np.float32)))
        labels: Labels = scores.argmax(dim=1).numpy()
        return labels

    return classify


def digit_network(path: Path) -> Any:
    """The torch module of digit-recognizer-py: three convolutions, two dense layers."""
    from torch import load, nn  # noqa: PLC0415 - only these models need it

    module = nn.Sequential()
    channels = (1, 32, 64, 128)
    convolutions = nn.Sequential()
    for given, made in itertools.pairwise(channels):
        for layer in (nn.Conv2d(given, made, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)):
            convolutions.append(layer)
    module.add_module("conv_layers", convolutions)
    module.add_module("flat", nn.Flatten())
    dense = nn.Sequential(nn.Linear(128 * 3 * 3, 256), nn.ReLU(), nn.Linear(256, 10))
    module.add_module("fc_layers", dense)
    module.load_state_dict(load(path, map_location="cpu", weights_only=True))
    return module.eval()


def digits_of_torch(path: Path, _: tuple[int, int, int]) -> Classify:
    """digit-recognizer-py, with its own normalisation."""
    return of_torch(digit_network(path), *DIGIT_SCALE)


def expressions(path: Path, _: tuple[int, int, int]) -> Classify:
    """The expressions of face-api, with its own normalisation."""
    return of_torch(expression_network(path), *EXPRESSION_SCALE)


def from_keras(low: float, high: float) -> Any:
    """A loader of a Keras file that takes rows of pixels in ``low`` to ``high``."""

    def load(path: Path, _: tuple[int, int, int]) -> Classify:
        infer = keras_file.load(ModelFile(path.name, "", path.read_bytes()), "cpu", 1).infer

        def classify(pictures: Floats) -> Labels:
            inputs = pictures.transpose(0, 2, 3, 1) * np.float32(high - low) + np.float32(low)
            labels: Labels = infer(inputs).argmax(axis=1)
            return labels

        return classify

    return load


def from_tflite(low: float, high: float) -> Any:
    """A loader of a TensorFlow Lite file that takes rows of pixels in ``low`` to ``high``, rounded
    as the file says.
    """

    def load(path: Path, shape: tuple[int, int, int]) -> Classify:
        from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415 - only these need it

        runner = Interpreter(str(path), num_threads=1)
        entry, exit_ = runner.get_input_details()[0], runner.get_output_details()[0]["index"]
        scale, zero = entry["quantization"]

        def classify(pictures: Floats) -> Labels:
            inputs = pictures.transpose(0, 2, 3, 1) * (high - low) + low
            if entry["dtype"] is not np.float32:
                least, most = np.iinfo(entry["dtype"]).min, np.iinfo(entry["dtype"]).max
                inputs = np.clip(np.rint(inputs / scale + zero), least, most)
            runner.resize_tensor_input(entry["index"], (len(inputs), *shape[1:], shape[0]))
            runner.allocate_tensors()
            runner.set_tensor(entry["index"], inputs.astype(entry["dtype"]))
            runner.invoke()
            labels: Labels = runner.get_tensor(exit_).argmax(axis=1)
            return labels

        return classify

    return load


def shards(path: Path, shape: tuple[int, int, int]) -> Classify:
    """A model of nsfwjs, which takes pictures as they are."""
    return by_onnx(shards_network(path), shape, 0.0, 1.0)
