"""Scores every model of the zoo with the audit's own code, in both access modes.

    python -m examples.benchmarks.score_zoo --data-dir DATA

Writes one small JSON per data set and access mode to ``examples/benchmarks/scores/``: label
counts per plane, so that N, alpha and t can be varied afterwards without asking again. Models
already scored are skipped, so a run that was cut off continues. Which models are ``calibration``
and which ``held-out`` was fixed by the zoo's manifest before anything was scored.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from adapters.registry import open_oracle
from adapters.target import Target
from auditor.auditing import Asked, judge, prepare
from auditor.engine.scheduler import EngineLimits, QueryEngine
from auditor.engine.store import LabelStore
from auditor.plan import AuditSettings
from auditor.samples import Samples, load_samples
from examples.zoo import default_folder
from examples.zoo.data import load

HERE = Path(__file__).parent
SETTINGS = AuditSettings(planes=20, density=25, canaries=0)


def main() -> None:
    """Score what is not scored yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, default=default_folder())
    parser.add_argument("--data-dir", type=Path, required=True, help="as the zoo's training takes")
    parser.add_argument("--index", type=Path, default=HERE.parent / "zoo" / "index.json")
    parser.add_argument("--scores", type=Path, default=HERE / "scores")
    parser.add_argument("--density", type=int, default=SETTINGS.density)
    parser.add_argument("--only", default="", help="score only models whose name contains this")
    parser.add_argument("--access", nargs="+", default=["float", "image"])
    parser.add_argument("--split", default="", help="score only this split")
    asyncio.run(score_all(parser.parse_args()))


async def score_all(options: argparse.Namespace) -> None:
    """Score every model of the index that is neither failed nor scored."""
    models = json.loads(options.index.read_text())["models"]
    wanted = [
        m
        for m in models
        if not m["failed"] and options.only in m["name"] and options.split in {"", m["split"]}
    ]
    options.scores.mkdir(parents=True, exist_ok=True)
    for dataset in sorted({m["dataset"] for m in wanted}):
        samples = calibration_samples(dataset, options.data_dir, options.models / "data")
        for access in options.access:
            path = options.scores / f"{dataset}-{access}-{options.density}.json"
            scored = json.loads(path.read_text()) if path.exists() else {}
            for model in (m for m in wanted if m["dataset"] == dataset):
                if scored.get(model["name"], {}).get("digest") == model["digest"]:
                    continue
                file = options.models / f"{model['name']}.onnx"
                if not file.exists():
                    print(f"{model['name']}: no file, skipped", file=sys.stderr)
                    continue
                scored[model["name"]] = await score(model, file, samples, access, options.density)
                path.write_text(_compact(scored))
                print(f"{access} {model['name']} RE {scored[model['name']]['re']:.3f}")


def calibration_samples(dataset: str, data_dir: Path, cache: Path) -> Samples:
    """Test images number 10 to 29 of each class, in file order.

    The first ten of each class are left to demos and tests, so that no model is judged on the
    very planes its profile was made from.
    """
    data = load(dataset, data_dir, cache)
    labels = np.asarray(data.y_test)
    picked = np.sort(
        np.concatenate([np.flatnonzero(labels == c)[10:30] for c in np.unique(labels)])
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{dataset}.npz"
        np.savez(path, x=np.asarray(data.x_test)[picked], y=labels[picked])
        return load_samples(path)


async def score(
    model: dict[str, Any], file: Path, samples: Samples, access: Any, density: int
) -> dict[str, Any]:
    """Ask one model and keep what later analysis needs."""
    target = Target("onnx", str(file), access=access, value_range=(0.0, 1.0), threads=1, batch=250)
    oracle = await open_oracle(target)
    settings = AuditSettings(
        planes=SETTINGS.planes, density=density, canaries=0, trigger_search=False
    )
    store = LabelStore(Path(":memory:"))
    try:
        ready = prepare(oracle, samples, settings)
        engine = QueryEngine(oracle, store, EngineLimits(concurrency=2))
        asked = await engine.run(ready.plan.probes, ready.plan.digest)
        report = judge(oracle, ready, Asked(asked, None), None, {}).report
    finally:
        store.close()
        await oracle.aclose()
    planes = report["planes"]
    points = density**2
    return {
        "digest": model["digest"],
        "re": report["scores"]["re"]["mean"],
        "ats": report["scores"]["ats"]["mean"],
        "ats_by_label": report["scores"]["ats_by_label"]["mean"],
        "target": report["target_label"],
        "accuracy": report["samples"]["accuracy"],
        "plane_ats": [round(p["ats"], 6) for p in planes],
        "plane_classes": [p["triplet_classes"] for p in planes],
        "plane_counts": [
            np.rint(np.array(p["shares"]) * points).astype(int).tolist() for p in planes
        ],
        "points": points,
    }


def _compact(scored: dict[str, Any]) -> str:
    """One line per model: small, and readable in a diff."""
    lines = [f"{json.dumps(n)}: {json.dumps(v, separators=(',', ':'))}" for n, v in scored.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    main()
