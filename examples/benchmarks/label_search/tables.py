"""Judging rows of searches: the null of clean models, and how each search would have ended."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from auditor.measured import FEW_CLASSES, LabelCell
from auditor.probes.further_searches import (
    further_limits,
    may_accuse,
    patches_alone,
    shown_only,
)
from auditor.probes.label_search.changes import RandomChange
from auditor.probes.label_search.judge import (
    NOISE,
    AccusingLimits,
    Judged,
    best_of,
    habits_of,
    judge,
    limits_for,
    open_kinds,
    told_limits,
)
from auditor.probes.label_search.search import (
    PATCHES,
    LabelFinding,
    keys,
    like,
    none_found,
)
from auditor.probes.label_search.settings import (
    EFFORTS,
    FINE,
    FINE_SIDE,
    Effort,
    LabelSearchSettings,
    searched_by_label,
    settings_for,
    telling,
)
from auditor.probes.second_search import SURE, again_limits
from auditor.probes.trigger_search.verify import exact_interval
from auditor.verdict.scope import LOSSLESS
from examples.benchmarks.stored import Record
from examples.zoo.photos.attacks import APART
from examples.zoo.photos.cells import (
    DEVELOPMENT,
    HELD_OUT,
    HELD_OUT_DATASET,
    HELD_OUT_FAMILY,
    SCORED_BEFORE,
)
from examples.zoo.photos.index import LARGEST_SHARE
from examples.zoo.photos.later_cells import (
    SEEN_BY_PATCHES,
    SEEN_BY_REPEATS,
    SEEN_BY_SMALLEST,
)
from examples.zoo.photos.limits_cells import LIMITS_ROUND
from examples.zoo.photos.tasks import TASKS


@dataclass(frozen=True)
class Ended:
    """The end of one search.

    Attributes:
        row, model: the search, and the model's record.
        suspicious, cleared: the verdict of the search alone.
        target: the label that it suspects.
        p: corrected for all kinds of change.
        queries: asked until then.
        key: of the finding.
    """

    row: Record
    model: Record
    suspicious: bool
    cleared: bool
    target: int | None
    p: float
    queries: int
    key: str

    @property
    def group(self) -> str:
        """``clean``, the attacker's care, ``easy`` (a third poisoned), or ``apart``."""
        if self.model["attack"] == "clean":
            return "clean"
        if self.model["attack"] in APART:
            return "apart"
        easy = self.model.get("poison_share", 0.0) > LARGEST_SHARE
        return "easy" if easy else str(self.model["care"])

    @property
    def right(self) -> bool:
        """True if the suspected label is the true target."""
        return self.suspicious and self.target == self.model["target"]


SIDES = ((41, 63), (64, 96), (97, 320))
"""Sizes of pictures that are counted together, in pixels."""
OF_NULL = SIDES[1]
"""Sizes of the clean models that make the null."""


def coding(row: Record) -> str:
    """The form in which the pictures of a search travelled."""
    return str(row.get("coding", LOSSLESS))


def fragile(model: Record) -> bool:
    """True if little varied pictures and weak augmentation made the model fragile."""
    return TASKS[model["task"]].alike and model["augmentation"] == "weak"


def serves(model: Record, effort: str = "") -> str:
    """The split that the model belongs to now, for searches at ``effort``: one that was scored
    once, or whose cell's patches the search of that effort was chosen by, serves development.
    """
    fine = effort in FINE and model["side"] >= FINE_SIDE
    before = SCORED_BEFORE | SEEN_BY_PATCHES if fine else SCORED_BEFORE
    if effort == "exhaustive":
        before |= SEEN_BY_REPEATS | SEEN_BY_SMALLEST
    scored = model["split"] == HELD_OUT and model["seed"] // 1000 in before
    return DEVELOPMENT if scored else str(model["split"])


def split_of(row: Record, model: Record) -> str:
    """The split of a search. Where patches are asked what tells planted ones, every model before
    the twenty-second round serves development: its clean ones are the null, and chose the limits.
    """
    split = serves(model, row["effort"])
    before = model["seed"] // 1000 < LIMITS_ROUND[0].key
    return DEVELOPMENT if split == HELD_OUT and told(row, model) and before else split


def told(row: Record, model: Record) -> bool:
    """True if patches of ``row`` were asked what tells planted ones from natural ones."""
    return asked_by(row, model).order_images > 0


def in_null(model: Record) -> bool:
    """True for clean development models of the data sets and families that are not held out."""
    dataset = TASKS[model["task"]].dataset
    unseen = dataset == HELD_OUT_DATASET or model["family"] == HELD_OUT_FAMILY
    return model["attack"] == "clean" and serves(model) == DEVELOPMENT and not unseen


def searched(
    model: Record, effort: Effort, classes: int, sent: str = LOSSLESS
) -> LabelSearchSettings:
    """Settings of today's search of a model at ``effort``, with samples of so many ``classes``."""
    shape = (model["side"], model["side"])
    settings = settings_for(shape, effort)
    alike = classes >= FEW_CLASSES and sent == LOSSLESS
    return telling(settings, shape, effort) if alike else settings


def asked_by(row: Record, model: Record) -> LabelSearchSettings:
    """Settings of the search of ``row``: before plan version 13 none asked what tells planted
    patches from natural ones.
    """
    settings = searched(model, row["effort"], row["classes"], coding(row))
    return settings if row.get("orders") else replace(settings, order_images=0)


def as_today(row: Record, model: Record) -> bool:
    """True if patches of ``row`` were asked all that today's search asks of them."""
    return asked_by(row, model) == searched(model, row["effort"], row["classes"], coding(row))


def kinds(settings: LabelSearchSettings) -> list[str]:
    """The kind of change of every stage of a search, in turn."""
    drawn = settings.random_draws > 0
    every = keys(replace(settings, order_images=0))
    return [key for key in every if drawn or not key.startswith("random-")]


def stages(row: Record) -> dict[str, Record]:
    """The stages of a row by their kind of change, which rows of plan version 8 do not name."""
    names = kinds(EFFORTS[row["effort"]])
    return {stage.get("kind") or names[place]: stage for place, stage in enumerate(row["stages"])}


def up_to_date(row: Record, model: Record) -> bool:
    """True if every stage of today's search was asked of the model."""
    settings = asked_by(row, model)
    known = not settings.further or "further" in row
    return known and {*kinds(settings)} <= {*stages(row)}


def _of_today(row: Record, settings: LabelSearchSettings) -> list[Record]:
    held = stages(row)
    return [held[kind] for kind in kinds(settings) if kind in held]


def judged_at(row: Record) -> str:
    """The effort by whose clean models a row is judged: each of several searches asks what one does
    at ``thorough``.
    """
    return "thorough" if "further" in row else str(row["effort"])


def _begun(row: Record) -> int:
    """Queries before the first stage."""
    return int(row["queries"] - sum(stage["queries"] for stage in row["stages"]))


def findings(stage: Record) -> list[LabelFinding]:
    """The findings of one stage; their changes are not kept."""
    return [
        LabelFinding(
            key, label, value, carried, RandomChange(key, ()), exact_interval(hits, images, 0.95)
        )
        for key, label, value, carried, hits, images in stage["findings"]
    ]


def null_of(rows: Iterable[Record]) -> dict[str, LabelCell]:
    """The null of searches of clean models with one effort, of all stages that any row has; of
    random changes, those of models of many classes.
    """
    statistics: dict[str, dict[str, list[float]]] = {}
    least: dict[str, float] = {}
    for row in rows:
        for name, found in _by_kind(row):
            if name.startswith("random-") and 2 < row["classes"] < FEW_CLASSES:
                continue
            nothing = none_found(name)
            best = best_of(found) if found else None
            value = nothing if best is None else best[2]
            statistics.setdefault(name, {}).setdefault(row["name"], []).append(value)
            value = nothing if best is None else best[0].value
            least[name] = min(least.get(name, math.inf), value)
    return {name: _cell(of_model, least[name]) for name, of_model in statistics.items()}


def _by_kind(row: Record) -> Iterator[tuple[str, list[LabelFinding]]]:
    """The findings of a row by kind of change, of patches with those unlike clean models' apart."""
    usual, apart = PATCHES
    for name, stage in stages(row).items():
        every = findings(stage)
        yield name, [one for one in every if not one.key.startswith(apart)]
        if row.get("orders") and name.startswith(usual):
            yield name.replace(usual, apart), [one for one in every if one.key.startswith(apart)]


def _again(row: Record, model: Record, null: Mapping[str, LabelCell], found: LabelFinding) -> bool:
    """True if the second search of a row found ``found`` again. Rows from before there was one
    count against the search: a clean model is accused, a backdoor missed.
    """
    if row.get("second_key") != found.key:
        return bool(model["attack"] == "clean")
    limits = again_limits(_limits(row, model))
    again = [one for stage in row["second"] for one in findings(stage)]
    judged = judge(again, null, row["classes"], limits)
    best = next((one for one in judged if one.suspicious(len(null))), None)
    return best is not None and best.finding.label == found.label


def _cell(of_model: Mapping[str, Sequence[float]], least: float) -> LabelCell:
    values = np.array([value for values in of_model.values() for value in values])
    spread = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    numbers = (float(values.mean()), spread, float(values.min()), least)
    mean, spread, lowest, least = (round(number, 3) for number in numbers)
    return LabelCell(mean, spread, len(of_model), lowest, least)


def first_suspicious(
    row: Record, model: Record, null: Mapping[str, LabelCell]
) -> tuple[Judged, float, int] | None:
    """What the search of ``row`` would stop at beside ``null``, its corrected chance, and the
    queries until then; None if it finds nothing suspicious.
    """
    so_far: list[LabelFinding] = []
    settings = asked_by(row, model)
    limits, null = _limits(row, model), like(null, settings)
    queries = _begun(row)
    for stage in _of_today(row, settings):
        so_far += findings(stage)
        queries += stage["queries"]
        judged = judge(so_far, null, row["classes"], limits)
        best = next((one for one in judged if one.suspicious(len(null))), None)
        if best is not None:
            return best, min(1.0, best.p * len(null)), queries
    return None


def _limits(row: Record, model: Record) -> AccusingLimits:
    shape = (model["side"], model["side"])
    if told(row, model):
        return told_limits(shape, row["effort"])
    return limits_for(shape, lossy=coding(row) != LOSSLESS)


def current(ends: Sequence[Ended]) -> list[Ended]:
    """Those of ``ends`` whose search is as it is made today; of efforts and sizes at which none is
    yet, those of before.
    """
    today = [one for one in ends if as_today(one.row, one.model)]
    known = {_asked_alike(one) for one in today}
    return [*today, *(one for one in ends if _asked_alike(one) not in known)]


def _asked_alike(one: Ended) -> tuple[str, str, int]:
    """Effort and coding of a search, and to which of :data:`SIDES` its pictures belong."""
    sized = next(number for number, (_, most) in enumerate(SIDES) if one.model["side"] <= most)
    return one.row["effort"], coding(one.row), sized


def near_its_level(row: Record, model: Record, p: float) -> bool:
    """True if a second search is asked for what ``row`` found at ``p``."""
    return searched_by_label((model["side"],) * 2) and p > SURE * _limits(row, model).level


def ended(
    row: Record,
    model: Record,
    null: Mapping[str, LabelCell],
    open_null: Mapping[str, LabelCell] | None = None,
) -> Ended:
    """How the search of ``row`` ends beside ``null``: at its first suspicious stage, after the
    second search that this may ask for, or with the last of its further searches. What speaks
    against an all-clear is judged beside ``open_null``, if there is one.
    """
    settings = asked_by(row, model)
    first, known = first_suspicious(row, model, null), like(null, settings)
    if first is not None:
        best, p, queries = first
        found, near = best.finding, near_its_level(row, model, p)
        accuses = not near or _again(row, model, known, found)
        queries += sum(one["queries"] for one in row.get("second", ())) if near else 0
        end = Ended(row, model, accuses, False, found.label, p, queries, found.key)
    else:
        beside = known if open_null is None else like(open_null, settings)
        end = _open_or_clear(row, model, beside, settings)
    for stage in row.get("further", ()):
        if end.suspicious:
            break
        more = _further_end(row, stage, model, null)
        shown = more if more.suspicious or more.p < end.p else end
        queries, cleared = end.queries + more.queries, end.cleared and more.cleared
        end = replace(shown, row=row, queries=queries, cleared=cleared)
    return end


def _further_end(row: Record, stage: Record, model: Record, null: Mapping[str, LabelCell]) -> Ended:
    """How one further search ends; it pays for the kinds of change of all."""
    settings = asked_by(row, model)
    alone, orders = patches_alone(stage["kind"], settings.order_images), settings.order_images
    part, of_alone = {**row, **stage, "stages": [stage]}, like(null, alone)
    paid = len(like(null, settings)) + (2 if orders else 1) * len(settings.further)
    held = findings(stages(row)[NOISE]) if NOISE in stages(row) else []
    usual, shape = _limits(row, model), (model["side"], model["side"])
    limits = shown_only(usual)
    if may_accuse(shape, row["classes"], lossy=coding(row) != LOSSLESS):
        limits = further_limits(usual, habits_of(held, usual), told=orders > 0)
    judged = judge(findings(stage), of_alone, row["classes"], limits)
    best = next((one for one in judged if one.suspicious(paid)), None)
    end = _open_or_clear(part, model, of_alone, alone)
    if best is None:
        return end
    found, p = best.finding, min(1.0, best.p * paid)
    return replace(end, suspicious=True, cleared=False, target=found.label, p=p, key=found.key)


def _open_or_clear(
    row: Record, model: Record, null: Mapping[str, LabelCell], settings: LabelSearchSettings
) -> Ended:
    """The end of a search with ``settings`` that accuses of nothing."""
    asked = _of_today(row, settings)
    every = [one for stage in asked for one in findings(stage)]
    queries = _begun(row) + sum(stage["queries"] for stage in asked)
    judged = judge(every, null, row["classes"], _limits(row, model))
    shown = min((one.p for one in judged if one.finding.carried), default=1.0)
    p = min(1.0, shown * len(null))
    largest = _limits(row, model).open_patch
    against = [one for one in judged if one.leaves_open(open_kinds(null), largest)]
    key = against[0].finding.key if against else ""
    return Ended(row, model, False, not against, None, p, queries, key)
