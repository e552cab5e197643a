"""Asks reference models what ``queries`` compares samplers and pictures on.

    python -m examples.benchmarks.queries_ask --data-dir DATA

Writes to ``examples/benchmarks/dense/``: one file per model with the label maps of 200 planes at
32 x 32 points (204,800 queries; the calibration split and the vision transformers), and
``pictures.json`` with dense and refined maps compared. What is there already is not asked again.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from auditor.plan.draw import draw_triplets
from auditor.probes import label_map as picture
from auditor.probes.plane import PlaneProbe
from examples.benchmarks.score_zoo import calibration_samples
from examples.zoo import default_folder

HERE = Path(__file__).parent
PLANES, SIDE, ETA, BATCH = 200, 32, 5.0, 256
PICTURED, PICTURE_SIDE = 2, 100
SHARES = (0.05, 0.08, 0.12, 0.16, 0.20, 0.25)
"""Shares of a map's points that a picture may ask, for the curve."""


def main() -> None:
    """Ask what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, default=default_folder())
    parser.add_argument("--data-dir", type=Path, required=True, help="as the zoo's training takes")
    parser.add_argument("--pictures-only", action="store_true")
    options = parser.parse_args()
    index = json.loads((HERE.parent / "zoo" / "index.json").read_text())["models"]
    wanted = [m for m in in_turn(index) if (options.models / f"{m['name']}.onnx").exists()]
    for model in () if options.pictures_only else wanted:
        path = HERE / "dense" / f"{model['name']}.npz"
        if not path.exists():
            asked = Asked(model, options)
            maps = np.stack([asked.labels(asked.probe(n, SIDE)) for n in range(PLANES)])
            np.savez_compressed(path, maps=maps.astype(np.uint8), classes=asked.triplet_classes)
            print(path.name, flush=True)
    compare_pictures(wanted, options)
    write_geometry(wanted, options)


def write_geometry(models: list[dict[str, Any]], options: argparse.Namespace) -> None:
    """The distances between the samples of every plane, which one model of a data set tells."""
    sides = {}
    for model in {m["dataset"]: m for m in models}.values():
        asked = Asked(model, options)
        corners = asked.images[asked.triplets].reshape(PLANES, 3, -1).astype(np.float64)
        apart = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2)
        sides[model["dataset"]] = apart.round(4).tolist()
    path = HERE / "dense" / "geometry.json"
    path.write_text(json.dumps(sides, separators=(",", ":")) + "\n", encoding="utf-8")


def in_turn(index: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The models of the study, one of each kind after the other."""
    kinds: dict[tuple[str, str, bool], list[dict[str, Any]]] = {}
    for model in index:
        chosen = model["split"] == "calibration" or model["architecture"] == "vit"
        if chosen and not model["failed"]:
            kind = (model["dataset"], model["architecture"], model["attack"] == "clean")
            kinds.setdefault(kind, []).append(model)
    rounds = max(map(len, kinds.values()))
    return [kinds[k][n] for n in range(rounds) for k in sorted(kinds) if n < len(kinds[k])]


class Asked:
    """One model, its samples and its planes, asked directly."""

    def __init__(self, model: dict[str, Any], options: argparse.Namespace) -> None:
        samples = calibration_samples(model["dataset"], options.data_dir, options.models / "data")
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = 1
        file = str(options.models / f"{model['name']}.onnx")
        self.session = onnxruntime.InferenceSession(
            file, settings, providers=["CPUExecutionProvider"]
        )
        self.name = self.session.get_inputs()[0].name
        self.images = (samples.images / np.float32(255)).astype(np.float32)
        classes = np.array([int(name) for name in samples.classes])
        self.triplets = draw_triplets(classes, PLANES, 0)
        self.triplet_classes = classes[self.triplets]

    def probe(self, number: int, side: int) -> PlaneProbe:
        """Plane ``number`` with ``side`` points a side."""
        return PlaneProbe(self.images[self.triplets[number]], ETA, side)

    def ask(self, batch: NDArray[np.float32]) -> NDArray[np.int64]:
        """Labels of inputs."""
        parts = [batch[start : start + BATCH] for start in range(0, len(batch), BATCH)]
        scores = [self.session.run(None, {self.name: part})[0] for part in parts]
        labels: NDArray[np.int64] = np.concatenate([np.argmax(part, axis=1) for part in scores])
        return labels

    def labels(self, probe: PlaneProbe) -> NDArray[np.int64]:
        """The whole map of a plane, flat."""
        numbers = np.arange(probe.size)
        parts = [
            self.ask(probe.inputs(numbers[start : start + BATCH]))
            for start in range(0, probe.size, BATCH)
        ]
        return np.concatenate(parts)


def compare_pictures(models: list[dict[str, Any]], options: argparse.Namespace) -> None:
    """Refined maps beside dense ones, for the first two models of each kind."""
    path = HERE / "dense" / "pictures.json"
    held = json.loads(path.read_text()) if path.exists() else {}
    seen: dict[tuple[str, str, bool], int] = {}
    for model in models:
        kind = (model["dataset"], model["architecture"], model["attack"] == "clean")
        seen[kind] = seen.get(kind, 0) + 1
        if seen[kind] > 1 or model["name"] in held:
            continue
        asked = Asked(model, options)
        held[model["name"]] = [curve(asked, number) for number in range(PICTURED)]
        path.write_text(json.dumps(held, indent=1) + "\n")
        print("pictures", model["name"], flush=True)


def curve(asked: Asked, number: int) -> list[dict[str, Any]]:
    """Agreement with the dense map for each share of points asked."""
    probe = asked.probe(number, PICTURE_SIDE)
    dense = asked.labels(probe).reshape(PICTURE_SIDE, PICTURE_SIDE)
    rows = []
    for share in SHARES:
        picture.MOST = share
        drawn = draw(asked, probe)
        rows.append(
            {
                "share": share,
                "queries": drawn.queries,
                "agreement": float((drawn.labels == dense).mean()),
                "rechecked": drawn.rechecked,
                "wrong": drawn.wrong,
            }
        )
    return rows


def draw(asked: Asked, probe: PlaneProbe) -> picture.LabelMap:
    """One picture."""
    drawing = picture.draw_label_map(probe, 0)
    try:
        batch = next(drawing)
        while True:
            batch = drawing.send(asked.ask(batch))
    except StopIteration as end:
        drawn: picture.LabelMap = end.value
        return drawn


if __name__ == "__main__":
    main()
