"""The models of a fleet ranked against each other, from their reports: none is asked again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from auditor.errors import AuditError, UsageError
from auditor.evidence.bundle import read_report
from auditor.evidence.files import read_regular
from auditor.evidence.layout import REPORT
from auditor.fleet.rows import DONE
from auditor.report.result.planes import PlanePart
from auditor.report.result.result import Result
from auditor.verdict.cohort import MIN_COHORT, Rank, rank_cohort
from auditor.verdict.profile import Reference
from auditor.workflows.calibrate import doubt_of
from auditor.workflows.compare.diff import same_classes

SUMMARY = "summary.json"
MIN_PLANES = 4
_LARGEST = 1 << 30


def rank_fleet(folder: Path, error_rate: float) -> tuple[Sequence[Rank], dict[str, str]]:
    """Rank the models of the fleet whose output is ``folder``.

    Audits end early at different planes, so that each model is scored on the planes that all have.

    Returns:
        The models, the most suspicious first, and those left out, each with the reason.

    Raises:
        UsageError: there is no fleet's summary, or too few models can be compared.
    """
    try:
        audits = json.loads(read_regular(folder / SUMMARY, SUMMARY, _LARGEST))["audits"]
    except (AuditError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{folder} holds no summary of a fleet: {error}") from error
    results: dict[str, Result] = {}
    skipped: dict[str, str] = {}
    for audit in audits:
        name = audit["name"]
        if audit["outcome"] != DONE:
            skipped[name] = f"its audit is not done ({audit['outcome']})"
            continue
        try:
            result = read_report(folder / name / REPORT)
        except AuditError as error:
            skipped[name] = str(error)
            continue
        doubt = doubt_of(result.content)
        if doubt or (results and not _comparable(result, next(iter(results.values())))):
            skipped[name] = doubt or "its task, samples or settings differ from the first model's"
        else:
            results[name] = result
    return rank_cohort(_references(results), error_rate), skipped


def _comparable(one: Result, two: Result) -> bool:
    return same_classes(one, two) and _asked(one) == _asked(two)


def _asked(result: Result) -> tuple[object, ...]:
    """Everything that decides which questions were asked, besides the model."""
    content = result.content
    settings = {k: v for k, v in content["settings"].items() if k in _PLANES}
    return content["access"], content["input"], settings


_PLANES = ("planes", "sampler", "density", "points", "expansion", "alpha", "ats_threshold", "seed")


def _references(results: Mapping[str, Result]) -> list[Reference]:
    if len(results) < MIN_COHORT:
        raise UsageError(
            f"a cohort needs at least {MIN_COHORT} finished audits of one task, this fleet has "
            f"{len(results)}"
        )
    planes = {name: {_key(one): one for one in result.planes} for name, result in results.items()}
    common = set.intersection(*(set(found) for found in planes.values()))
    if len(common) < MIN_PLANES:
        raise UsageError(
            f"the models of this fleet have {len(common)} planes in common, too few to compare "
            "them: set stop_early = false in the fleet file and run it again"
        )
    return [
        Reference(
            name=name,
            attack="",
            re=float(np.mean([found[key].re for key in common])),
            ats=None,
            ats_by_label=float(np.mean([found[key].ats_by_label for key in common])),
        )
        for name, found in planes.items()
    ]


def _key(plane: PlanePart) -> tuple[object, ...]:
    """Equal for one plane asked of two models."""
    return plane.index, plane.triplet
