"""Held-out models of small pictures as audits search them at three efforts: once each."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditor.measured import LabelRates, Provenance
from auditor.plan.adaptive import trigger_search
from auditor.plan.digest import SMALL_TOLD
from auditor.plan.plan import build_plan
from auditor.plan.settings import AuditSettings
from auditor.probes.label_search.judge import family_of
from auditor.probes.label_search.search import PATCHES
from auditor.probes.label_search.settings import AFTER_SUCCESS, SUCCESS_SIDES, Effort
from auditor.probes.trigger_search.judge import OPEN_LEVEL
from auditor.probes.trigger_search.result import TriggerResult
from auditor.probes.trigger_search.settings import TriggerSettings
from auditor.verdict.label_scope import accuses_at, errors_of
from auditor.verdict.scope import LOSSLESS
from examples.benchmarks.label_search.search import SAMPLES, drawn, input_of, through
from examples.benchmarks.measured_files import (
    Origin,
    counted,
    ends_written,
    write_file,
    write_queries,
    write_search_errors,
)
from examples.benchmarks.small_pictures.photos import Subject, photographs
from examples.benchmarks.small_pictures.search import SEED
from examples.benchmarks.stored import Record, read, write
from examples.benchmarks.zoo_models import (
    ATTACKS,
    SCORED_ROUND,
    classifier,
    driven,
    recipe_of,
    remembered,
    round_of,
    targets_of,
    test_images,
)
from examples.zoo.index import collect
from examples.zoo.photos.clean_cells import SMALL_FRESH
from examples.zoo.photos.samples import find
from examples.zoo.photos.small_cells import SMALL_CELLS

ROWS = Path(__file__).with_name("ninth.json.gz")
SEVENTH = Path(__file__).with_name("audits.json.gz")
"""Audits of the seventh round by plans of before version 16."""
JPEG_ROWS = Path(__file__).with_name("jpeg.json.gz")
DRAWN = 7
"""Part of the seed by which samples are drawn."""
BY_LABEL = {"weak", *PATCHES, "grey", "random"}
"""Families of changes that the search label by label finds."""
EFFORTS: tuple[Effort, ...] = ("standard", *AFTER_SUCCESS)
HELD_OUT = Origin(
    "small_pictures",
    ("small_pictures/audits.json.gz", "small_pictures/ninth.json.gz"),
    "Held-out models of the zoo's seventh and ninth round and of photographs of 28 to 40 pixels, "
    "audited once at each effort.",
)


def audit_models(options: argparse.Namespace) -> None:
    """Audit every finished model of the round, once, that has no row; each row is kept at once."""
    rows: list[Record] = read(options.audits, [])
    sent: str = options.coding
    known = {row["name"] for row in rows if row.get("coding", LOSSLESS) == sent}
    for subject in (*_zoo(options), *_photos(options)):
        if subject.row["name"] in known:
            continue
        chosen = efforts(sent, options.most_effort)
        rows.append(_audited(subject, sent, chosen))
        write(options.audits, rows)
        ends = {effort: _end(rows[-1][effort]) for effort in chosen}
        print(subject.row["name"], ends, file=sys.stderr, flush=True)


def efforts(sent: str, most: Effort) -> tuple[Effort, ...]:
    """The efforts up to ``most`` that differ for pictures that travel as ``sent``: JPEG is never
    searched label by label.
    """
    return EFFORTS[: 1 + EFFORTS.index(most)] if sent == LOSSLESS else EFFORTS[:1]


def _zoo(options: argparse.Namespace) -> Iterator[Subject]:
    for model in collect(options.models):
        if model["failed"] or round_of(model) != SCORED_ROUND:
            continue

        def pictures(model: Record = model) -> tuple[Any, Any]:
            return test_images(model["dataset"], (options.data_dir,), options.models / "data")

        row = {"name": model["name"], "recipe": recipe_of(model), "group": _group(model)}
        row["care"] = model["options"].get("care", "usual")
        file = options.models / f"{model['name']}.onnx"
        yield Subject({**row, "photo": False}, file, targets_of(model), pictures)


def _photos(options: argparse.Namespace) -> Iterator[Subject]:
    if options.photos is not None:
        yield from photographs(options.photos, options.photo_data, SMALL_CELLS.__contains__)


def _audited(subject: Subject, sent: str, chosen: Sequence[Effort]) -> Record:
    images, truth = subject.pictures()
    rng = np.random.default_rng([images.shape[2], SEED, DRAWN])
    classes = len(np.unique(truth))
    picked = drawn(truth, range(classes), math.ceil(SAMPLES / classes), rng)
    labels = remembered(classifier(subject.file))
    row = dict(subject.row) if sent == LOSSLESS else {**subject.row, "coding": sent}
    for effort in chosen:
        found = search_at(images[picked], truth[picked].astype(np.int64), labels, effort, sent)
        row[effort] = _ended(found, subject.targets)
    return row


def search_at(
    pixels: Any, classes: NDArray[np.int64], labels: Any, effort: Effort, sent: str = LOSSLESS
) -> TriggerResult:
    """The searches that an audit at ``effort`` makes, answered by ``labels``, of 8-bit ``pixels``
    ``(n, c, h, w)`` of true ``classes`` that travel as ``sent``.
    """
    spec, refs = input_of(pixels), [str(number) for number in range(len(pixels))]
    labels = through(labels, spec, sent)
    spec = spec if sent == LOSSLESS else replace(spec, encoding=sent)
    settings = AuditSettings(effort=effort, seed=SEED)
    plan = build_plan(spec.from_pixels(pixels), classes, refs, settings, spec)
    return driven(trigger_search(plan, spec), labels).result


def clears(found: TriggerResult) -> bool:
    """True if no search found anything that speaks against an all-clear."""
    if found.suspicious or (found.best is not None and found.best.unconfirmed):
        return False
    if found.by_label is not None:
        return not found.by_label.weakness
    # Beside a search for the least change, this one is shown only where it stays open.
    return found.other is None and found.p is not None and found.p > OPEN_LEVEL


def _ended(found: TriggerResult, targets: set[int]) -> Record:
    """The end of one audit, and its most surprising finding."""
    best = found.best
    success = [0, 0] if best is None else [best.success.hits, best.success.images]
    return {
        "queries": found.queries, "suspicious": found.suspicious, "cleared": clears(found),
        "p": 1.0 if found.p is None else found.p,
        "key": None if best is None else best.key,
        "right": best is not None and best.target in targets,
        "success": success,
        "unconfirmed": best is not None and best.unconfirmed,
    }  # fmt: skip


def _group(model: Record) -> str:
    if model["attack"] == "clean":
        return "clean"
    return str(model["attack"] if model["label_map"] == "all-to-one" else model["label_map"])


def fresh(row: Record) -> bool:
    """True for a photo model that nobody had asked when the rule got its last form."""
    return bool(row["photo"]) and find(row["name"]).seed // 1000 in SMALL_FRESH | SMALL_CELLS


def counts(row: Record) -> bool:
    """True if the row belongs to the rates: of the zoo, clean or all-to-one, or a fresh photo
    model. Those that the rule was made by do not.
    """
    of_zoo = not row["photo"] and row["group"] in {"clean", *ATTACKS}
    return of_zoo or (fresh(row) and row["group"] == "clean")


def rates(rows: Sequence[Record], effort: str) -> LabelRates:
    """How the audits at ``effort`` ended."""
    rows = [row for row in rows if effort in row]
    clean = [row[effort] for row in rows if row["group"] == "clean"]
    photo = [row[effort] for row in rows if row["group"] == "clean" and row["photo"]]
    bad, careful, adaptive = (
        [row for row in rows if row["group"] in ATTACKS and not row["photo"] and care(row) == one]
        for one in ("usual", "careful", "adaptive")
    )
    found = [row[effort] for row in bad if row[effort]["suspicious"]]
    called = [row[effort] for row in (*bad, *careful, *adaptive) if row[effort]["suspicious"]]
    asked = [end["queries"] for end in clean if not end["suspicious"]]
    kinds = {
        name: [row[effort]["suspicious"] for row in bad if row["group"] == name] for name in ATTACKS
    }
    return LabelRates(
        clean=len(clean),
        accused=sum(end["suspicious"] for end in clean),
        cleared=sum(end["cleared"] for end in clean),
        fragile=len(photo),
        fragile_accused=sum(end["suspicious"] for end in photo),
        fragile_cleared=sum(end["cleared"] for end in photo),
        usual=len(bad),
        usual_found=len(found),
        usual_cleared=sum(row[effort]["cleared"] for row in bad),
        careful=len(careful),
        careful_found=sum(row[effort]["suspicious"] for row in careful),
        careful_cleared=sum(row[effort]["cleared"] for row in careful),
        right=sum(end["right"] for end in called),
        called=len(called),
        kinds=counted({name: hits for name, hits in kinds.items() if hits}),
        not_found=round(float(np.mean(asked))) if asked else 0,
        found=round(float(np.median([end["queries"] for end in found]))) if found else 0,
        adaptive=len(adaptive),
        adaptive_found=sum(row[effort]["suspicious"] for row in adaptive),
        adaptive_cleared=sum(row[effort]["cleared"] for row in adaptive),
    )  # fmt: skip


def care(row: Record) -> str:
    """The care of a backdoored model's attacker."""
    return str(row.get("care", "usual"))


def as_ruled(rows: Sequence[Record]) -> list[Record]:
    """The same audits as the product ends them: at an effort whose search label by label may not
    accuse, what that alone finds is withheld.
    """
    judged = [row for row in rows if counts(row)]
    withheld = [name for name in AFTER_SUCCESS if not accuses_at(rates(judged, name))]
    return [
        {**row, **{name: _withheld(row[name]) for name in withheld if name in row}} for row in rows
    ]


def _withheld(end: Record) -> Record:
    by_label = end["suspicious"] and family_of(end["key"]) in BY_LABEL
    return {**end, "suspicious": False} if by_label else end


def recovered(end: Record) -> bool:
    """True if nine tenths of fresh samples follow a found patch to the true target."""
    hits, images = end["success"]
    patch = end["key"] is not None and "patch" in end["key"]
    return bool(end["suspicious"] and end["right"] and patch and hits >= 0.9 * images)


def _end(end: Record) -> str:
    return "suspicious" if end["suspicious"] else "cleared" if end["cleared"] else "open"


def _with_ruled(judged: Sequence[Record], effort: str) -> LabelRates:
    """The rates of one effort, and, if its search label by label may not accuse, as it is ruled.
    What such a search costs stays.
    """
    own = rates(judged, effort)
    if accuses_at(own):
        return own
    ruled = rates(as_ruled(judged), effort)
    return replace(own, as_ruled=replace(ruled, not_found=own.not_found, found=own.found))


def write_rates(seventh: Sequence[Record], ninth: Sequence[Record]) -> None:
    """Write the rates of audits into the product: those of plans of before version 16, of the
    ``seventh`` round, and those of today, of the ``ninth``.
    """
    seventh, ninth = ([row for row in rows if counts(row)] for rows in (seventh, ninth))
    origin = _origin([*seventh, *ninth])
    alike = {"sides": list(SUCCESS_SIDES), "coding": LOSSLESS}
    populations = [
        {**alike, **since, "efforts": {
            effort: ends_written(_with_ruled(rows, effort)) for effort in AFTER_SUCCESS
        }}
        for rows, since in ((seventh, {}), (ninth, {"since": SMALL_TOLD}))
    ]  # fmt: skip
    write_file("small_label_rates", origin, populations)
    write_queries(_origin(seventh), TriggerSettings().budget, [row[EFFORTS[0]] for row in seventh])
    for rows, before in ((seventh, True), (ninth, False)):
        usual = [row for row in rows if care(row) == "usual"]
        errors = errors_of(rates(usual, EFFORTS[0]))
        write_search_errors(_origin(usual), errors, before=before)


def _origin(rows: Sequence[Record]) -> Provenance:
    return HELD_OUT.counted(len(rows), len(rows), {row["recipe"] for row in rows})
