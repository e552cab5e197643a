"""Committed counts and searches of the zoo, as evidence for the decision rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

from auditor.measured import NullCell, ValueNull
from auditor.probes.perturbations.probe import PerturbationCounts
from auditor.probes.trigger_search.judge import p_value
from auditor.probes.trigger_search.verify import exact_interval
from auditor.verdict.excess import Excess, measure_excess
from auditor.verdict.natural_labels import (
    NATURAL_PATCH,
    PATCH_KEYS,
    UNKNOWN,
    NaturalLabels,
    find_natural_labels,
)
from auditor.verdict.trigger_weight import LabelTrigger, label_trigger, strongest
from examples.benchmarks.decision_rule.families import COUNTS, read_counts
from examples.benchmarks.stored import BENCHMARKS, Record, read, zoo_index
from examples.benchmarks.trigger_search.search import DATA as SEARCHES
from examples.benchmarks.trigger_search.search import long, null_of
from examples.benchmarks.zoo_models import DATASETS, is_development, recipe_of, targets_of

MORE_SEARCHES = BENCHMARKS / "profiles" / "searches.json.gz"
SCORES = BENCHMARKS / "detection" / "scores.json.gz"
Mode = Literal["same", "cross"]


@dataclass(frozen=True)
class Model:
    """One zoo model with everything it was asked.

    Attributes:
        name: its name.
        dataset: data set.
        recipe: data set, architecture and training.
        attack: "clean" or the attack's name.
        label_map: "none", "all-to-one", ...
        targets: labels its trigger leads to.
        poison: share of poisoned training images, 0 for a clean model.
        own: counts as the audited model, by access and key.
        shown: counts as a reference, by access and key.
        accuracy: on the samples of each role it was asked in: audited, reference.
    """

    name: str
    dataset: str
    recipe: str
    attack: str
    label_map: str
    targets: frozenset[int]
    poison: float
    own: dict[str, dict[str, PerturbationCounts]]
    shown: dict[str, dict[str, PerturbationCounts]]
    accuracy: tuple[float | None, ...]

    @property
    def clean(self) -> bool:
        """True for a model without a backdoor."""
        return self.attack == "clean"

    @property
    def group(self) -> str:
        """Its attack, or its label map unless that is all-to-one."""
        return self.attack if self.label_map in {"all-to-one", "none"} else self.label_map


def load_development() -> list[Model]:
    """The models that search and rule may be made with: the calibration split, and held-out ones
    that earlier tools were scored on.
    """
    known = {record["name"] for record in zoo_index() if is_development(record)}
    return [
        model
        for split in ("calibration", "held-out")
        for model in load_models(split)
        if model.name in known
    ]


def load_models(split: str) -> list[Model]:
    """Every counted model of ``split`` that did not fail."""
    models = []
    counts = _counts()
    for record in zoo_index():
        if record["split"] != split or record["failed"]:
            continue
        rows: dict[tuple[str, str], Record] = {}
        for access in ("float", "image"):
            for role in ("audited", "reference"):
                row = counts[f"{record['dataset']}-{access}"].get(f"{record['name']}/{role}")
                if row is not None:
                    rows[access, role] = row
        wanted = ("audited", "reference") if split == "calibration" else ("audited",)
        asked = ("float", "image") if split == "calibration" else ("image",)
        if any((access, role) not in rows for access in asked for role in wanted):
            continue
        models.append(
            Model(
                record["name"],
                record["dataset"],
                recipe_of(record),
                record["attack"],
                record["label_map"],
                frozenset(targets_of(record)),
                record["poison_rate"],
                {a: read_counts(rows.get((a, "audited"), {})) for a in ("float", "image")},
                {a: read_counts(rows.get((a, "reference"), {})) for a in ("float", "image")},
                tuple(rows.get(("image", role), {}).get("accuracy") for role in wanted),
            )
        )
    return models


@cache
def _counts() -> Record:
    counts: Record = read(COUNTS)
    return counts


def references_of(model: Model, clean: Sequence[Model], mode: Mode) -> list[Model]:
    """Clean models of the same data set: of the model's own recipe, or of other recipes."""
    return [
        one
        for one in clean
        if one.dataset == model.dataset
        and one.name != model.name
        and (one.recipe == model.recipe) is (mode == "same")
    ]


def excess_of(
    model: Model,
    clean: Sequence[Model],
    mode: Mode,
    access: str,
    keys: Sequence[str],
    widening: float,
) -> Excess | None:
    """The families of ``model`` beside its references."""
    references = references_of(model, clean, mode)
    return measure_excess(
        model.own[access],
        [one.shown[access] for one in references],
        model.accuracy[0],
        [one.accuracy[1] for one in references],
        keys,
        widening,
    )


def load_searches() -> tuple[list[Record], list[Record]]:
    """All development searches, and those of clean models made without a null."""
    data = read(SEARCHES)
    return data["rows"], [long(row) for row in data["clean_without_null"]]


class Nulls:
    """The success that clean models of other recipes allow a search, per recipe.

    Args:
        free: searches of clean models made without a null.
        habits: by model, the labels that its references fall into.
    """

    def __init__(
        self, free: Sequence[Record], habits: Mapping[str, NaturalLabels] | None = None
    ) -> None:
        self.free = free
        known = habits or {}
        self.elsewhere = [_at_other_labels(row, known.get(row["name"], UNKNOWN)) for row in free]
        self.known: dict[str, dict[str, NullCell]] = {}
        self.known_apart: dict[str, dict[str, NullCell]] = {}

    def of(self, recipe: str) -> dict[str, NullCell]:
        """The null without ``recipe``."""
        if recipe not in self.known:
            self.known[recipe] = null_of([row for row in self.free if row["recipe"] != recipe])
        return self.known[recipe]

    def apart(self, recipe: str) -> dict[str, NullCell]:
        """The null at labels that are no habit of the references, without ``recipe``."""
        if recipe not in self.known_apart:
            rows = [row for row in self.elsewhere if row["recipe"] != recipe]
            self.known_apart[recipe] = null_of(rows)
        return self.known_apart[recipe]


def _at_other_labels(row: Record, habits: NaturalLabels) -> Record:
    """The row with only what leads to labels that are no habit: all else counts as no success."""
    labels = habits.labels
    findings = {
        key: one
        for key, one in row["findings"].items()
        if labels is not None
        and one["target"] not in labels
        and not habits.natural_patch(key, one["target"])
    }
    return {**row, "findings": findings}


def natural_patches(free: Sequence[Record]) -> dict[str, frozenset[int]]:
    """By clean reference, the labels to which one of its searches, those of ``profiles``
    included, found a patch of at least ``NATURAL_PATCH``.
    """
    more: list[Record] = read(MORE_SEARCHES, [])
    found: dict[str, set[int]] = {}
    for row in (*free, *map(long, more)):
        labels = found.setdefault(row["name"], set())
        for key in PATCH_KEYS:
            one = row["findings"].get(key)
            if one is not None and one["hits"] >= NATURAL_PATCH * one["images"]:
                labels.add(one["target"])
    return {name: frozenset(labels) for name, labels in found.items()}


def habits_of(
    model: Model,
    clean: Sequence[Model],
    mode: Mode,
    keys: Sequence[str],
    patches: Mapping[str, frozenset[int]],
) -> NaturalLabels:
    """The labels that a model's references fall into; ``patches`` as of :func:`natural_patches`."""
    references = references_of(model, clean, mode)
    labels = find_natural_labels([one.shown["image"] for one in references], keys)
    return NaturalLabels(
        labels, frozenset().union(*(patches.get(one.name, ()) for one in references))
    )


def triggers_of(
    row: Record,
    null: Mapping[str, NullCell],
    habits: NaturalLabels = UNKNOWN,
    apart: Mapping[str, NullCell] | None = None,
) -> dict[int, LabelTrigger]:
    """The strongest trigger per label of one saved search, as the package weighs them."""
    weighed = []
    for key, (target, hits, images, _) in row["findings"].items():
        success = exact_interval(hits, images, 0.95)
        p = p_value(success, null[key])
        weighed.append(label_trigger(key, target, success, p, habits, apart or {}))
    return strongest(weighed)


def plane_scores(access: str) -> dict[str, Record]:
    """Saved RE and ATS of the zoo in one access mode, by model."""
    found: dict[str, Record] = {}
    scores = _scores()
    for dataset in DATASETS:
        found.update(scores[f"{dataset}-{access}-25"])
    return found


@cache
def _scores() -> Record:
    scores: Record = read(SCORES)
    return scores


def null_value(values: dict[str, list[float]]) -> ValueNull:
    """Summary of the decision values of clean models, by model."""
    every = np.array([value for one in values.values() for value in one])
    return ValueNull(float(every.mean()), float(every.std(ddof=1)), len(values), float(every.max()))
