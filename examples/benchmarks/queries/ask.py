"""Label maps of reference models, which samplers and refined maps are compared on.

``ask`` writes to ``--dense`` one file per model with the label maps of 200 planes at 32 x 32 points
(204,800 queries; the calibration split and the vision transformers), and to ``data.json.gz`` dense
and refined maps compared. ``fine`` asks, for one clean and one backdoored model of each chosen
kind, the same planes at the paper's density, 100 x 100 points each (two million queries a model),
which the reference is checked against. Nothing is asked twice.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from auditor.plan.draw import draw_triplets
from auditor.probes import label_map as picture
from auditor.probes.plane import PlaneProbe
from auditor.scores.ats import ats_by_region
from examples.benchmarks.detection.ask import calibration_samples
from examples.benchmarks.stored import Record, read, write, zoo_index
from examples.benchmarks.zoo_models import classifier, driven

DATA = Path(__file__).with_name("data.json.gz")
PLANES, SIDE, ETA, BATCH = 200, 32, 5.0, 256
PICTURED, PICTURE_SIDE = 2, 100
SHARES = (0.05, 0.08, 0.12, 0.16, 0.20, 0.25)
"""Shares of a map's points that a picture may ask, for the curve."""


FINE_SIDE, LIMIT = 100, 0.5
KINDS = [
    (dataset, kind)
    for kind in ("cnn", "preactresnet", "vit")
    for dataset in ("fashion-mnist", "gtsrb")
]


def ask(options: argparse.Namespace) -> None:
    """Ask what is missing."""
    wanted = [m for m in in_turn(zoo_index()) if (options.models / f"{m['name']}.onnx").exists()]
    for model in () if options.pictures_only else wanted:
        path: Path = options.dense / f"{model['name']}.npz"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            asked = Asked(model, options)
            maps = np.stack([asked.labels(asked.probe(n, SIDE)) for n in range(PLANES)])
            np.savez_compressed(path, maps=maps.astype(np.uint8), classes=asked.triplet_classes)
            print(path.name, flush=True)
    compare_pictures(wanted, options)
    write_geometry(wanted, options)


def write_geometry(models: list[Record], options: argparse.Namespace) -> None:
    """The distances between the samples of every plane, which one model of a data set tells."""
    sides = {}
    for model in {m["dataset"]: m for m in models}.values():
        asked = Asked(model, options)
        corners = asked.images[asked.triplets].reshape(PLANES, 3, -1).astype(np.float64)
        apart = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2)
        sides[model["dataset"]] = apart.round(4).tolist()
    write(DATA, {**read(DATA, {}), "geometry": sides})


def in_turn(index: list[Record]) -> list[Record]:
    """The models of the study, one of each kind after the other."""
    kinds: dict[tuple[str, str, bool], list[Record]] = {}
    for model in index:
        chosen = model["split"] == "calibration" or model["architecture"] == "vit"
        if chosen and not model["failed"]:
            kind = (model["dataset"], model["architecture"], model["attack"] == "clean")
            kinds.setdefault(kind, []).append(model)
    rounds = max(map(len, kinds.values()))
    return [kinds[k][n] for n in range(rounds) for k in sorted(kinds) if n < len(kinds[k])]


class Asked:
    """One model, its samples and its planes, asked directly."""

    def __init__(self, model: Record, options: argparse.Namespace) -> None:
        samples = calibration_samples(model["dataset"], options)
        self.ask = classifier(options.models / f"{model['name']}.onnx")
        self.images = (samples.images / np.float32(255)).astype(np.float32)
        classes = np.array([int(name) for name in samples.classes])
        self.triplets = draw_triplets(classes, PLANES, 0)
        self.triplet_classes = classes[self.triplets]

    def probe(self, number: int, side: int) -> PlaneProbe:
        """Plane ``number`` with ``side`` points a side."""
        return PlaneProbe(self.images[self.triplets[number]], ETA, side)

    def labels(self, probe: PlaneProbe) -> NDArray[np.int64]:
        """The whole map of a plane, flat."""
        numbers = np.arange(probe.size)
        parts = [
            self.ask(probe.inputs(numbers[start : start + BATCH]))
            for start in range(0, probe.size, BATCH)
        ]
        return np.concatenate(parts)


def compare_pictures(models: list[Record], options: argparse.Namespace) -> None:
    """Refined maps beside dense ones, for the first two models of each kind."""
    data = read(DATA, {})
    held = data.setdefault("pictures", {})
    seen: dict[tuple[str, str, bool], int] = {}
    for model in models:
        kind = (model["dataset"], model["architecture"], model["attack"] == "clean")
        seen[kind] = seen.get(kind, 0) + 1
        if seen[kind] > 1 or model["name"] in held:
            continue
        asked = Asked(model, options)
        held[model["name"]] = [curve(asked, number) for number in range(PICTURED)]
        write(DATA, data)
        print("pictures", model["name"], flush=True)


def curve(asked: Asked, number: int) -> list[Record]:
    """Agreement with the dense map for each share of points asked."""
    probe = asked.probe(number, PICTURE_SIDE)
    dense = asked.labels(probe).reshape(PICTURE_SIDE, PICTURE_SIDE)
    rows = []
    for share in SHARES:
        picture.MOST = share
        drawn = driven(picture.draw_label_map(probe, 0), asked.ask)
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


# ---- the paper's density -------------------------------------------------------------------------


def ask_fine(options: argparse.Namespace) -> None:
    """Ask what is missing, one model of each kind, then a second one."""
    data = read(DATA, {})
    found = data.setdefault("fine", {})
    for model in chosen(options.dense, options.each):
        if model["name"] not in found:
            found[model["name"]] = grids(model, options)
            write(DATA, data)
            print(model["name"], flush=True)


def chosen(dense: Path, each: int) -> list[Record]:
    """``each`` models of every kind that ``dense`` holds, clean and backdoored in turn."""
    known = [m for m in in_turn(zoo_index()) if (dense / f"{m['name']}.npz").exists()]
    picked = []
    for turn in range(each):
        for number, kind in enumerate(KINDS):
            clean = (number + number // 2 + turn) % 2 == 0
            group = [
                m
                for m in known
                if (m["dataset"], m["architecture"]) == kind and (m["attack"] == "clean") == clean
            ]
            picked += group[turn // 2 : turn // 2 + 1]
    return picked


def grids(model: Record, options: argparse.Namespace) -> Record:
    """Label counts and ATS by region of all planes."""
    asked = Asked(model, options)
    counts, regions = [], []
    for number in range(PLANES):
        probe = asked.probe(number, FINE_SIDE)
        labels = asked.labels(probe)
        classes = asked.triplet_classes[number].tolist()
        size = 1 + max(int(labels.max()), *classes)
        regions.append(
            ats_by_region(labels.reshape(FINE_SIDE, FINE_SIDE), probe.nodes(), classes, LIMIT)
        )
        counts.append(np.bincount(labels, minlength=size).tolist())
    return {"classes": asked.triplet_classes.tolist(), "counts": counts, "ats": regions}
