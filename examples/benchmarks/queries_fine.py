"""Asks whole grids at the paper's density, which the reference of ``queries`` is checked against.

    python -m examples.benchmarks.queries_fine --data-dir DATA

For one clean and one backdoored model of each chosen kind, two million queries a model: the 200
planes of ``dense/`` at 100 x 100 points each instead of 32 x 32. Writes per plane the number of
nodes of each label, the classes of its samples and ATS by region to ``dense/fine.json``. What is
there already is not asked again.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from auditor.scores.ats import ats_by_region
from examples.benchmarks.queries_ask import PLANES, Asked, in_turn
from examples.zoo import default_folder

HERE = Path(__file__).parent
PATH = HERE / "dense" / "fine.json"
SIDE, LIMIT = 100, 0.5
KINDS = [
    (dataset, kind)
    for kind in ("cnn", "preactresnet", "vit")
    for dataset in ("fashion-mnist", "gtsrb")
]


def main() -> None:
    """Ask what is missing, one model of each kind, then a second one."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", type=Path, default=default_folder())
    parser.add_argument("--data-dir", type=Path, required=True, help="as the zoo's training takes")
    parser.add_argument("--each", type=int, default=1, help="models of each kind")
    options = parser.parse_args()
    index = json.loads((HERE.parent / "zoo" / "index.json").read_text())["models"]
    found = json.loads(PATH.read_text()) if PATH.exists() else {}
    for model in chosen(index, options.each):
        if model["name"] not in found:
            found[model["name"]] = grids(model, options)
            PATH.write_text(_one_per_line(found), encoding="utf-8")
            print(model["name"], flush=True)


def chosen(index: list[dict[str, Any]], each: int) -> list[dict[str, Any]]:
    """``each`` models of every kind that ``dense/`` holds, clean and backdoored in turn."""
    known = [m for m in in_turn(index) if (HERE / "dense" / f"{m['name']}.npz").exists()]
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


def grids(model: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    """Label counts and ATS by region of all planes."""
    asked = Asked(model, options)
    counts, regions = [], []
    for number in range(PLANES):
        probe = asked.probe(number, SIDE)
        labels = asked.labels(probe)
        classes = asked.triplet_classes[number].tolist()
        size = 1 + max(int(labels.max()), *classes)
        regions.append(ats_by_region(labels.reshape(SIDE, SIDE), probe.nodes(), classes, LIMIT))
        counts.append(np.bincount(labels, minlength=size).tolist())
    return {"classes": asked.triplet_classes.tolist(), "counts": counts, "ats": regions}


def _one_per_line(found: dict[str, Any]) -> str:
    lines = [f"{json.dumps(k)}: {json.dumps(v, separators=(',', ':'))}" for k, v in found.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    main()
