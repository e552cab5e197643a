"""Labels of zoo models under every probe family at every strength, counted.

Each model is asked twice, on different samples and directions: once as a reference (role
``reference``) and once as the audited model (role ``audited``), so that no model is compared
with a reference on the very images it was asked itself. 200 queries per family, strength,
access mode and role; an image that both access modes send alike is asked once. Labels go to
``--labels`` (not committed), counts to ``counts.json.gz``. Models asked already are skipped, so
that a run that was cut off continues. Held-out models are never references:
``--split held-out --roles audited --rule-only``.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.contract import Access, InputSpec
from auditor.measured import decision_rule
from auditor.plan.draw import pick_search_samples
from auditor.probes.perturbations.catalogue import CATALOGUE
from auditor.probes.perturbations.probe import (
    PerturbationCounts,
    PerturbationProbe,
    count_perturbation,
)
from examples.benchmarks.stored import Record, read, write
from examples.benchmarks.zoo_models import classifier, round_of, test_images
from examples.zoo.data import DATASETS
from examples.zoo.index import collect

COUNTS = Path(__file__).with_name("counts.json.gz")
QUERIES = 200
ROLES = ("reference", "audited")
ACCESS: tuple[Access, ...] = ("float", "image")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the step ``ask``, those of asking apart."""
    parser.add_argument("--labels", type=Path, help="folder for the labels that are counted")
    parser.add_argument("--split", default="calibration")
    parser.add_argument("--round", type=int, help="only models of one round of scoring")
    parser.add_argument("--roles", nargs="+", default=list(ROLES), choices=ROLES)
    parser.add_argument(
        "--rule-only", action="store_true", help="only the decision rule's families, as images"
    )


def ask(options: argparse.Namespace) -> None:
    """Ask what is not asked yet, then write the counts of all that was asked."""
    if options.labels is None:
        raise SystemExit("this step keeps the labels it counts: give --labels FOLDER")
    models = [
        m
        for m in collect(options.models)
        if m["split"] == options.split and not m["failed"] and options.round in {None, round_of(m)}
    ]
    for dataset in sorted({m["dataset"] for m in models}):
        ask_dataset(dataset, [m for m in models if m["dataset"] == dataset], options)
    write_counts(models, options)


def probes_for(
    dataset: str, role: str, options: argparse.Namespace
) -> tuple[NDArray[np.float32], InputSpec, list[PerturbationProbe], NDArray[np.int64]]:
    """The samples of one role, all probes around them, and the samples' true classes."""
    images, classes = test_images(dataset, tuple(options.data_dir), options.models / "data")
    seed = ROLES.index(role)
    # Test images at even places serve references, those at odd places audited models.
    places = np.arange(seed, len(images), 2)
    picked = places[pick_search_samples(classes[places], seed)]
    channels = images.shape[1]
    spec = InputSpec((channels, *images.shape[2:]), (0.0,) * channels, (1.0,) * channels)
    samples = spec.from_pixels(images[picked])
    order = np.random.default_rng(seed).permutation(len(picked))
    probes = [
        PerturbationProbe(family, samples, order, spec, seed, QUERIES)
        for family in CATALOGUE.values()
        if family.key in decision_rule().rule.keys or not options.rule_only
    ]
    return samples, spec, probes, classes[picked]


def ask_dataset(dataset: str, models: list[Record], options: argparse.Namespace) -> None:
    """Ask all models of one data set; the inputs are built once."""
    options.labels.mkdir(parents=True, exist_ok=True)
    for role in options.roles:
        wanted = [m for m in models if not _file(options.labels, m, role).exists()]
        if not wanted:
            continue
        samples, spec, probes, _ = probes_for(dataset, role, options)
        numbers = np.arange(QUERIES)
        inputs = {"float": [probe.inputs(numbers) for probe in probes]}
        image = replace(spec, access="image", encoding="uint8")
        inputs["image"] = [image.as_sent(batch) for batch in inputs["float"]]
        for model in wanted:
            labels = classifier(options.models / f"{model['name']}.onnx")
            answers = {"clean": labels(samples)}
            for number, probe in enumerate(probes):
                key = probe.perturbation.key
                answers[f"image/{key}"] = labels(inputs["image"][number])
                if not options.rule_only:
                    same = np.array_equal(inputs["float"][number], inputs["image"][number])
                    answers[f"float/{key}"] = (
                        answers[f"image/{key}"] if same else labels(inputs["float"][number])
                    )
            packed = {key: value.astype(np.uint8) for key, value in answers.items()}
            np.savez_compressed(_file(options.labels, model, role), **packed)  # type: ignore[arg-type]  # the stub takes the keys for its own flags
            print(role, model["name"], flush=True)


def _file(folder: Path, model: Record, role: str) -> Path:
    return folder / f"{model['name']}.{role}.npz"


def write_counts(models: list[Record], options: argparse.Namespace) -> None:
    """Add the counts of these models, by data set and access mode, then by model and role."""
    known: Record = read(COUNTS, {})
    for dataset in sorted({m["dataset"] for m in models}):
        made = {role: probes_for(dataset, role, options) for role in options.roles}
        for access in ("image",) if options.rule_only else ACCESS:
            rows = known.setdefault(f"{dataset}-{access}", {})
            for model in (m for m in models if m["dataset"] == dataset):
                for role, (_, _, probes, truth) in made.items():
                    file = _file(options.labels, model, role)
                    if file.exists():
                        rows[f"{model['name']}/{role}"] = counts_of(
                            model, np.load(file), probes, access, truth
                        )
    write(COUNTS, {name: dict(sorted(rows.items())) for name, rows in known.items()})


def counts_of(
    model: Record,
    labels: Any,
    probes: list[PerturbationProbe],
    access: str,
    truth: NDArray[np.int64],
) -> Record:
    """Counts of one model in one role, as :func:`read_counts` takes them."""
    clean = labels["clean"].astype(np.int64)
    count = len(DATASETS[model["dataset"]].classes)
    row: Record = {
        "digest": model["digest"][:16],
        "accuracy": round(float((clean == truth).mean()), 4),
        "asked": {},
    }
    for probe in probes:
        family = probe.perturbation
        if f"{access}/{family.key}" not in labels:
            continue
        counts = count_perturbation(probe, labels[f"{access}/{family.key}"], clean, count)
        row["asked"][family.start] = list(counts.asked)
        moved = {str(label): number for label, number in enumerate(counts.moved) if number}
        row[family.key] = [counts.kept, moved]
    return row


def read_counts(row: Record) -> dict[str, PerturbationCounts]:
    """The counts of one committed row, by family key."""
    counts = {}
    for key, family in CATALOGUE.items():
        if key in row:
            kept, sparse = row[key]
            asked = row["asked"][family.start]
            moved = [sparse.get(str(label), 0) for label in range(len(asked))]
            counts[key] = PerturbationCounts(key, tuple(asked), tuple(moved), kept, QUERIES)
    return counts
