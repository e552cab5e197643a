"""The index: every model of the manifest that was trained, and whether it counts."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from .files import write_json
from .manifest import ModelSpec, build_manifest

LEAST_SUCCESS = 0.90
LARGEST_LOSS = 0.02  # of accuracy, against the mean of the clean siblings
INDEX_PATH = Path(__file__).with_name("index.json")

Record = Mapping[str, Any]


def read_record(path: Path, spec: ModelSpec) -> dict[str, Any] | None:
    """A finished model's record, or None where it is missing, damaged or of another recipe."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    planned = json.loads(json.dumps(spec.as_json()))
    if not isinstance(record, dict) or any(record.get(key) != planned[key] for key in planned):
        return None
    return record


def success_bar(record: Record) -> float:
    """The attack success that counts.

    0.90 for all-to-one. The other label maps need the model to tell the source classes
    apart, so their bar is 0.90 of its own accuracy on clean images of those classes.
    """
    if record["label_map"] == "all-to-one":
        return LEAST_SUCCESS
    return LEAST_SUCCESS * float(record["accuracy_on_sources"])


def judge(records: Iterable[Record]) -> list[dict[str, Any]]:
    """Add ``clean_mean``, ``success_bar``, ``failed`` and ``reason`` to every record."""
    records = list(records)
    clean: dict[tuple[Any, ...], list[float]] = defaultdict(list)
    for record in records:
        if record["attack"] == "clean":
            clean[_siblings(record)].append(record["accuracy"])
    judged = []
    for record in records:
        accuracies = clean[_siblings(record)]
        mean = round(fmean(accuracies), 4) if accuracies else None
        reason = _why_failed(record, mean)
        bar = None if record["attack"] == "clean" else round(success_bar(record), 4)
        verdict = {"clean_mean": mean, "success_bar": bar, "failed": bool(reason)}
        judged.append({**record, **verdict, "reason": reason})
    return judged


def _siblings(record: Record) -> tuple[Any, ...]:
    return tuple(record[key] for key in ("dataset", "architecture", "training", "epochs"))


def _why_failed(record: Record, clean_mean: float | None) -> str:
    if record.get("error"):
        return str(record["error"])
    if clean_mean is None:
        return "no clean sibling is trained yet, so its accuracy cannot be judged"
    if record["accuracy"] < clean_mean - LARGEST_LOSS:
        return f"accuracy {record['accuracy']:.4f}, clean siblings {clean_mean:.4f}"
    if record["attack"] != "clean" and record["attack_success"] < success_bar(record):
        return f"attack success {record['attack_success']:.4f} < {success_bar(record):.4f}"
    return ""


def collect(out: Path) -> list[dict[str, Any]]:
    """The judged records of all finished models below ``out``, in manifest order."""
    found = ((spec, read_record(out / f"{spec.name}.json", spec)) for spec in build_manifest())
    return judge(record for _, record in found if record is not None)


def summary(models: list[dict[str, Any]], planned: int) -> dict[str, Any]:
    """Counts of what is trained, by state and split."""
    good = [model for model in models if not model["failed"]]
    counts: dict[str, Any] = {
        "planned": planned,
        "trained": len(models),
        "clean": sum(model["attack"] == "clean" for model in good),
        "backdoored": sum(model["attack"] != "clean" for model in good),
        "failed": len(models) - len(good),
    }
    for split in ("demo", "calibration", "held-out"):
        counts[split] = sum(model["split"] == split for model in good)
    return counts


def write_index(out: Path, path: Path = INDEX_PATH, *, add: bool = False) -> dict[str, Any]:
    """Write the index of what is below ``out``, and with ``add`` of what it lists that is not
    there; returns its summary.
    """
    models = collect(out)
    if add:
        models = _with_listed(models, path)
    counts = summary(models, len(build_manifest()))
    write_json(path, {"version": 1, "summary": counts, "models": models})
    return counts


def _with_listed(models: list[dict[str, Any]], path: Path) -> list[dict[str, Any]]:
    """``models`` and those of the index at ``path`` that are none of them, in manifest order."""
    listed = json.loads(path.read_text(encoding="utf-8"))["models"]
    held = {model["name"]: model for model in (*models, *listed)}
    return [held[spec.name] for spec in build_manifest() if spec.name in held]
