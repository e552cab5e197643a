"""The index: one JSON line for each trained model, and whether it is valid."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from examples.zoo.errors import ModelFileError
from examples.zoo.files import write_text

from .attacks import APART
from .manifest import PhotoSpec, build_manifest

LEAST_SUCCESS = 0.90
LARGEST_LOSS = 0.02  # of accuracy, against the clean twin
LARGEST_SHARE = 0.10  # of the clean training pictures; the easy ones are labelled and exempt
INDEX_PATH = Path(__file__).with_name("index.json")
LINES = "index.jsonl"

Record = Mapping[str, Any]


def append_record(out: Path, record: Record) -> None:
    """Add one line to ``index.jsonl``, in one write."""
    with (out / LINES).open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(record) + "\n")


def read_records(out: Path) -> dict[str, dict[str, Any]]:
    """The last record of every model of the manifest's present recipe, by name.

    Raises:
        ModelFileError: a line is no record.
    """
    path = out / LINES
    if not path.exists():
        return {}
    planned = {spec.name: json.loads(json.dumps(spec.as_json())) for spec in build_manifest()}
    found = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            record = json.loads(line)
            name = record["name"]
        except (ValueError, KeyError, TypeError) as error:
            raise ModelFileError(f"{path}, line {number}: no record; delete the line") from error
        plan = planned.get(name)
        if plan is not None and all(record.get(key) == value for key, value in plan.items()):
            found[name] = record
    return found


def is_done(spec: PhotoSpec, out: Path, records: Mapping[str, Record]) -> bool:
    """True if the model's record and file are both there."""
    return spec.name in records and (out / f"{spec.name}.onnx").exists()


def success_bar(record: Record) -> float:
    """The success that counts: 0.90 where all labels become one.

    All-to-all and one source class need the model to tell the classes apart, so their bar is 0.90
    of its own accuracy on the clean pictures that the trigger should move.
    """
    if record["target"] is not None and record["attack"] != "one-source":
        return LEAST_SUCCESS
    return LEAST_SUCCESS * float(record["accuracy_on_sources"])


def judge(records: Iterable[Record]) -> list[dict[str, Any]]:
    """Add ``valid`` and ``why_not`` to every record."""
    by_name = {record["name"]: record for record in records}
    judged = []
    for record in by_name.values():
        why_not = _why_not(record, by_name.get(record["twin"]))
        judged.append({**record, "valid": not why_not, "why_not": why_not})
    return judged


def _why_not(record: Record, twin: Record | None) -> str:
    if record["attack"] == "clean":
        return ""
    if twin is None:
        return "its clean twin is not trained yet"
    loss = twin["accuracy"] - record["accuracy"]
    if loss > LARGEST_LOSS + 1e-9:
        return f"accuracy {record['accuracy']:.3f}, clean twin {twin['accuracy']:.3f}"
    bar = success_bar(record)
    if record["success"] < bar:
        return f"success {record['success']:.3f}, wanted {bar:.3f}"
    return ""


def summary(models: list[dict[str, Any]], planned: int) -> dict[str, Any]:
    """Counts of what is trained, by split and kind."""
    good = [model for model in models if model["valid"]]
    counts = Counter((model["split"], _kind(model)) for model in good)
    table: dict[str, dict[str, int]] = {}
    for (split, kind), count in sorted(counts.items()):
        table.setdefault(split, {})[kind] = count
    return {
        "planned": planned,
        "trained": len(models),
        "not_valid": len(models) - len(good),
        "valid": table,
    }


def _kind(model: Record) -> str:
    if model["attack"] == "clean":
        return "clean"
    if model["poison_share"] > LARGEST_SHARE:
        return "easy"
    apart = model["attack"] in APART
    return "apart" if apart else str(model["care"])


def write_index(out: Path, path: Path = INDEX_PATH, *, add: bool = False) -> dict[str, Any]:
    """Write the index of what is below ``out``; returns its summary.

    With ``add`` what the index holds stays, and only models that it lacks are added: those of one
    index need not have been trained on one machine. What another machine made of a listed recipe is
    listed as ``rebuilt``: the last bits of its weights differ.
    """
    manifest = build_manifest()
    records = read_records(out)
    rebuilt: list[dict[str, Any]] = []
    if add and path.exists():
        index = json.loads(path.read_text(encoding="utf-8"))
        held = {record["name"]: record for record in index["models"]}
        rebuilt = _rebuilt(held, records, index.get("rebuilt", []))
        records |= held
    models = judge(records[spec.name] for spec in manifest if spec.name in records)
    counts = summary(models, len(manifest))
    parts = {"models": models, **({"rebuilt": rebuilt} if rebuilt else {})}
    lists = ",\n".join(f'"{name}": {_lines(part)}' for name, part in parts.items())
    write_text(path, f'{{"version": 1,\n"summary": {json.dumps(counts)},\n{lists}}}\n')
    return counts


def _rebuilt(
    held: Mapping[str, Record], records: Mapping[str, Record], before: Iterable[Record]
) -> list[dict[str, Any]]:
    """Models of listed recipes with other weights, each judged beside the twin of its machine."""
    known = {record["sha256"] for record in held.values()}
    other = [record for record in records.values() if record["sha256"] not in known]
    names = {record["name"] for record in other} & held.keys()
    fresh = [model for model in judge({**held, **records}.values()) if model["name"] in names]
    by_hash = {model["sha256"]: dict(model) for model in (*before, *fresh)}
    return sorted(by_hash.values(), key=lambda model: (model["seed"], model["sha256"]))


def _lines(models: Iterable[Record]) -> str:
    """A list of one model a line, for small diffs."""
    lines = ",\n".join(json.dumps(model) for model in models)
    return f"[\n{lines}\n]"
