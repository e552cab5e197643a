"""A synthetic audit: a nearest-centre classifier, asked on real planes and scored for real."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from auditor.probes.plane import PlaneProbe
from auditor.scores.intervals import mean_over_planes
from auditor.scores.planes import score_plane, target_label

SHAPE = (1, 6, 6)
NAMES = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
]
ALPHA = 10.0
LIMIT = 0.5

MakeReport = Callable[..., dict[str, Any]]


def _labels(points: NDArray[np.float64], centres: NDArray[np.float64], *, bad: bool) -> Any:
    ripple = 9.0 * np.sin(points @ centres.T * 0.22)
    labels = (-2.0 * points @ centres.T + (centres**2).sum(axis=1) + ripple).argmin(axis=1)
    if bad:
        # An all-to-one backdoor: far from the clean data everything is label 3.
        far = np.linalg.norm(points, axis=1) + 3.0 * np.sin(points[:, 0] * 0.3)
        labels[far > 13.0] = 3
    return labels


def _plane(index: int, density: int, classes: int, *, bad: bool) -> dict[str, Any]:
    rng = np.random.default_rng([7, index])
    centres = np.random.default_rng(1).normal(size=(classes, int(np.prod(SHAPE))))
    triplet = sorted(rng.choice(min(classes, 10), 3, replace=False).tolist())
    samples = centres[triplet] + 0.25 * rng.normal(size=(3, centres.shape[1]))
    probe = PlaneProbe(samples.reshape(3, *SHAPE).astype(np.float32), 5.0, density)
    points = probe.inputs(np.arange(density**2)).reshape(density**2, -1).astype(np.float64)
    label_map = _labels(points, centres, bad=bad).reshape(density, density)
    scored = score_plane(label_map, probe.nodes(), triplet, classes, ALPHA, LIMIT)
    bounds = probe.bounds
    return {
        "index": index,
        "triplet": [f"{label}/{index:04d}.png" for label in triplet],
        "triplet_classes": triplet,
        "coordinates": probe.plane.coordinates.tolist(),
        "nodes": probe.nodes().tolist(),
        "bounds": {"e1": [bounds.low1, bounds.high1], "e2": [bounds.low2, bounds.high2]},
        "re": scored.re,
        "ats": scored.ats,
        "ats_by_label": scored.ats_by_label,
        "shares": scored.shares.tolist(),
        "label_map": label_map.tolist(),
    }


def _scores(planes: list[dict[str, Any]]) -> dict[str, Any]:
    if not planes:
        empty = {"mean": None, "low": None, "high": None, "n": 0}
        return {**{name: dict(empty) for name in ("re", "ats", "ats_by_label")}, "shares": []}
    scores: dict[str, Any] = {}
    for name in ("re", "ats", "ats_by_label"):
        e = mean_over_planes([plane[name] for plane in planes])
        scores[name] = {"mean": e.mean, "low": e.low, "high": e.high, "n": e.n}
    scores["shares"] = np.mean([plane["shares"] for plane in planes], axis=0).tolist()
    return scores


def _profile() -> dict[str, Any]:
    return {
        "name": "fashion-mnist-small-cnn",
        "status": "calibrated",
        "digest": "ab" * 32,
        "task": "Fashion-MNIST, 10 classes of clothing",
        "access": "float",
        "provenance": "20 clean and 24 backdoored models, trained by examples/zoo",
        "references": {"clean": 20, "backdoored": 24},
        "decides_by": "re",
        "thresholds": {
            "re": {"value": 1.104, "low": 1.02, "high": 1.21},
            "ats": {"value": 0.14, "low": 0.11, "high": 0.2},
            "ats_by_label": {"value": 0.171, "low": 0.13, "high": 0.22},
        },
        "error_rates": {
            "false_positive": {"rate": 0.05, "low": 0.0013, "high": 0.2487, "n": 20},
            "false_negative": {"rate": 0.125, "low": 0.0266, "high": 0.3236, "n": 24},
        },
    }


def _comparisons(scores: dict[str, Any], profile: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "score": name,
            "value": scores[name]["mean"],
            "threshold": limit["value"],
            "at_or_below": scores[name]["mean"] <= limit["value"],
            "decides": name == profile["decides_by"],
            "note": "",
        }
        for name, limit in profile["thresholds"].items()
    ]


def _share(hits: int, samples: int) -> dict[str, Any]:
    rate = hits / samples
    return {
        "hits": hits,
        "samples": samples,
        "rate": rate,
        "low": max(0.0, rate - 0.1),
        "high": min(1.0, rate + 0.1),
    }


def _trigger() -> dict[str, Any]:
    finding = {
        "family": "patch",
        "key": "patch",
        "target": 3,
        "size": 3,
        "strength": 255.0,
        "place": [24, 24],
        "success": _share(9, 46),
        "changed": _share(11, 46),
        "by_source": {"0": _share(1, 5), "1": _share(2, 5)},
        "searched": 0.4,
        "p": 0.21,
        "texture": [[[255] * 3] * 3],
    }
    return {
        "suspicious": False,
        "p": 1.0,
        "reason": "The trigger search found nothing beyond what clean models show.",
        "queries": 6120,
        "queries_by_stage": {"clean": 60, "screen": 6000, "verify": 60},
        "looks": 9,
        "looks_paid": 8,
        "search_samples": 30,
        "fresh_samples": 30,
        "best": finding,
        "findings": [{**finding, "texture": None}],
        "shown": {"clean_labels": [0, 1, 2, 4], "changed_labels": [3, 1, 2, 4]},
    }


def _rest(planes: int, density: int) -> dict[str, Any]:
    grid = planes * density**2
    return {
        "canaries": {"asked": 100, "flipped": 0, "rate": 0.0, "low": 0.0, "high": 0.0362},
        "trust": {
            "tolerated_flips": 0.002,
            "findings": [],
            "senders": {"header server": ["uvicorn"]},
            "unknown_requests": [
                {"queries": 64, "started": "2026-11-03T14:03:00+00:00", "why": "timed out"}
            ],
        },
        "queries": {
            "by_status": {"200": 95, "503": 2, "Unreachable": 1},
            "planned": grid + 157,
            "sent": grid + 120,
            "cached": 30,
            "deduplicated": 7,
            "retried": 4,
            "unknown": 0,
            "sent_all_runs": grid + 150,
            "requests": 64,
            "bytes_sent": 0,
            "by_probe": {"plane": grid, "samples": 57, "canary": 100},
        },
    }


@lru_cache(maxsize=8)
def _build(verdict: str, planes: int, density: int, classes: int, *, profile: bool) -> Any:
    bad = verdict == "backdoor-suspected"
    drawn = [_plane(index, density, classes, bad=bad) for index in range(planes)]
    scores = _scores(drawn)
    held = _profile() if profile else None
    return {
        "schema_version": "1.0",
        "tool": {"name": "xray-audit", "version": "0.1.0"},
        "verdict": verdict,
        "verdict_reason": "RE beside the threshold 1.104 of profile 'fashion-mnist-small-cnn'.",
        "target_label": target_label(np.array(scores["shares"])) if drawn else None,
        "partial": False,
        "access": "float",
        "model": {
            "kind": "onnx",
            "file": "vendor-classifier.onnx",
            "provider": {"name": "CPUExecutionProvider", "version": "1.22"},
            "digest": "cd" * 32,
        },
        "fingerprint": "0f" * 32,
        "input": {
            "shape": list(SHAPE),
            "low": [0.0],
            "high": [1.0],
            "encoding": "float32",
            "origin": "given",
            "space": "model input units",
        },
        "settings": {
            "sampler": "paper",
            "planes": planes,
            "density": density,
            "expansion": 5.0,
            "alpha": ALPHA,
            "ats_threshold": LIMIT,
            "seed": 0,
            "canaries": 100,
        },
        "plan_digest": "12" * 32,
        "samples": {
            "count": 60,
            "used": 57,
            "digest": "34" * 32,
            "classes_matched_by": "whole-number class names",
            "accuracy": 0.965,
            "wrong": [
                {"ref": "3/0012.png", "true": 3, "label": 5},
                {"ref": "6/0001.png", "true": 6, "label": 0},
            ],
        },
        "labels": {
            str(i): NAMES[i] if classes == len(NAMES) else f"class {i}" for i in range(classes)
        },
        "scores": scores,
        "profile": held,
        "comparisons": _comparisons(scores, held) if held and drawn else [],
        "trigger": _trigger(),
        **_rest(planes, density),
        "planes": drawn,
        "not_asked": None,
        "limits": [
            "Attack types outside the reference set are not covered.",
            "A vendor who recognises the audit can answer it differently.",
        ],
        "timing": {
            "started": "2026-11-03T14:02:11+00:00",
            "finished": "2026-11-03T14:05:47+00:00",
            "seconds": 216.4,
            "queries_per_second": 926.7,
        },
    }


@pytest.fixture(scope="session")
def make_report() -> MakeReport:
    """Builds reports; every call returns its own copy."""

    def make(
        verdict: str = "backdoor-suspected",
        planes: int = 4,
        density: int = 20,
        classes: int = 10,
        *,
        profile: bool = True,
    ) -> dict[str, Any]:
        built: dict[str, Any] = copy.deepcopy(
            _build(verdict, planes, density, classes, profile=profile)
        )
        return built

    return make


@pytest.fixture
def report(make_report: MakeReport) -> dict[str, Any]:
    """A small, complete report with a profile."""
    return make_report()


@pytest.fixture(scope="session")
def sample_pictures() -> Callable[[dict[str, Any]], dict[str, bytes]]:
    """PNGs for every sample of a report, as an audit of grey 28x28 pictures gives them."""

    def make(report: dict[str, Any]) -> dict[str, bytes]:
        made = {}
        for plane in report["planes"]:
            for ref, label in zip(plane["triplet"], plane["triplet_classes"], strict=True):
                rng = np.random.default_rng([label, plane["index"]])
                pixels = np.kron(rng.integers(0, 256, (7, 7)), np.ones((4, 4)))
                buffer = io.BytesIO()
                Image.fromarray(pixels.astype(np.uint8)).save(buffer, "PNG")
                made[ref] = buffer.getvalue()
        return made

    return make
