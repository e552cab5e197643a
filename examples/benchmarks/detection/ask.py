"""Plane scores of every model of the zoo, by the audit's own code, in both access modes.

With the frugal sampler, the default of an audit, the scores of every plane are kept; with the
paper's grid (``--density S``) label counts per plane, so that N, alpha and t can be varied
afterwards without asking again. Models already scored are skipped, so a run that was cut off
continues. Which models are ``calibration`` and which ``held-out`` was fixed by the zoo's manifest
before anything was scored.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from adapters.registry import open_oracle
from adapters.target import Target
from auditor.engine.contract import EngineLimits
from auditor.engine.engine import QueryEngine
from auditor.engine.store import LabelStore
from auditor.labels.answers import Answers
from auditor.plan.settings import AuditSettings, choose_settings
from auditor.samples.load import load_samples
from auditor.samples.samples import Samples
from auditor.verdict.profile import SCORE_NAMES
from auditor.workflows.judge import judge
from auditor.workflows.prepare import prepare
from examples.benchmarks.stored import Record, read, write, zoo_index
from examples.benchmarks.zoo_models import ACCESS, images_for

FRUGAL = choose_settings(
    {"sampler": "frugal", "canaries": 0, "trigger_search": False, "families": False}
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the step ``ask``, those of asking apart."""
    parser.add_argument("--density", type=int, help="the paper's grid with S points per side")
    parser.add_argument("--only", default="", help="score only models whose name contains this")
    parser.add_argument("--access", nargs="+", default=list(ACCESS), choices=ACCESS)
    parser.add_argument("--split", default="", help="score only this split")


async def score_all(path: Path, options: argparse.Namespace) -> None:
    """Score every model of the index that is neither failed nor scored; ``path`` keeps them."""
    wanted = [
        m
        for m in zoo_index()
        if not m["failed"] and options.only in m["name"] and options.split in {"", m["split"]}
    ]
    known: Record = read(path, {})
    for dataset in sorted({m["dataset"] for m in wanted}):
        samples = calibration_samples(dataset, options)
        for access in options.access:
            settings = FRUGAL if options.density is None else grid(options.density)
            name = f"{dataset}-{access}-{options.density or FRUGAL.sampler}"
            scored = known.setdefault(name, {})
            for model in (m for m in wanted if m["dataset"] == dataset):
                if scored.get(model["name"], {}).get("digest") == model["digest"]:
                    continue
                file = options.models / f"{model['name']}.onnx"
                if not file.exists():
                    print(f"{model['name']}: no file, skipped", file=sys.stderr)
                    continue
                scored[model["name"]] = await score(model, file, samples, access, settings)
                write(path, known)
                print(f"{access} {model['name']} RE {scored[model['name']]['re']:.3f}")


def calibration_samples(dataset: str, options: argparse.Namespace) -> Samples:
    """Test images number 10 to 29 of each class, in file order.

    The first ten of each class are left to demos and tests, so that no model is judged on the
    very planes its profile was made from.
    """
    images, labels = images_for({"dataset": dataset}, options)
    picked = np.sort(
        np.concatenate([np.flatnonzero(labels == c)[10:30] for c in np.unique(labels)])
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{dataset}.npz"
        np.savez(path, x=images[picked], y=labels[picked])
        return load_samples(path)


async def score(
    model: dict[str, Any], file: Path, samples: Samples, access: Any, settings: AuditSettings
) -> dict[str, Any]:
    """Ask one model and keep the part that later analysis needs."""
    target = Target("onnx", str(file), access=access, value_range=(0.0, 1.0), threads=1, batch=250)
    oracle = await open_oracle(target)
    store = LabelStore(Path(":memory:"))
    try:
        ready = prepare(oracle, samples, settings)
        engine = QueryEngine(oracle, store, EngineLimits(concurrency=2))
        asked = await engine.run(ready.plan.probes, ready.plan.digest, ready.plan.schedule.rounds())
        report = judge(oracle, ready, Answers(ready.plan, asked), None, {}).report
    finally:
        store.close()
        await oracle.aclose()
    found: dict[str, Any] = report["scores"]
    scores: dict[str, float] = {
        str(name): found[name]["mean"] for name in SCORE_NAMES if name in found
    }
    kept: dict[str, Any] = {
        "digest": model["digest"],
        **scores,
        "target": report["target_label"],
        "accuracy": report["samples"]["accuracy"],
    }
    return {**kept, **(scattered if settings.sampler == "frugal" else counted)(report)}


def grid(density: int) -> AuditSettings:
    """The paper's sampler on its first planes."""
    return AuditSettings.paper(density=density, canaries=0, trigger_search=False, families=False)


def scattered(report: dict[str, Any]) -> dict[str, Any]:
    """Scores per plane of a frugal audit, and the mean shares."""
    planes = report["planes"]
    return {
        "plane_re": [round(p["re"], 5) for p in planes],
        "plane_ats_by_label": [round(p["ats_by_label"], 5) for p in planes],
        "shares": [round(share, 5) for share in report["scores"]["shares"]],
        "queries": report["queries"]["planned"],
    }


def counted(report: dict[str, Any]) -> dict[str, Any]:
    """Label counts per plane of a paper audit."""
    planes = report["planes"]
    points = report["settings"]["density"] ** 2
    return {
        "plane_ats": [round(p["ats"], 6) for p in planes],
        "plane_classes": [p["triplet_classes"] for p in planes],
        "plane_counts": [
            np.rint(np.array(p["shares"]) * points).astype(int).tolist() for p in planes
        ],
        "points": points,
    }
