"""A plan built again without its images, completed by its record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from auditor.errors import EvidenceError
from auditor.plan.digest import READABLE_VERSIONS, UNVERSIONED
from auditor.plan.plan import AuditPlan


def recorded_version(record: Mapping[str, Any]) -> int:
    """Version of the plan in ``record``, the content of ``plan.json``.

    Raises:
        EvidenceError: a version that cannot be read.
    """
    version = record.get("plan_version", UNVERSIONED)
    if type(version) is not int or version not in READABLE_VERSIONS:
        *first, last = map(str, READABLE_VERSIONS)
        raise EvidenceError(
            f"plan.json is of plan version {str(version)[:20]} and this program reads "
            f"{', '.join(first)} and {last}: verify it with the release that wrote it"
        )
    return version


def plan_from_record(built: AuditPlan, record: Mapping[str, Any]) -> AuditPlan:
    """``built``, the same plan with noise for images that are withheld, but everything that depends
    on images is as ``record``, the content of ``plan.json``, states.

    Raises:
        EvidenceError: the record is of another plan.
        KeyError, TypeError: it is no record of a plan.
    """
    perturbed = record["families"]["probes"]
    if len(record["planes"]) != len(built.planes) or len(record["probes"]) != len(built.probes):
        raise EvidenceError("plan.json lists other probes than its settings lead to")
    if len(perturbed) != len(built.perturbations):
        raise EvidenceError("plan.json lists other probe families than its settings lead to")
    stated = record["trigger_search"]["settings"]
    trigger = replace(built.trigger, two_toned=stated.get("two_toned") is True)
    samples = built.samples.as_recorded(record["probes"][0])
    planes = tuple(
        probe.as_recorded(one) for probe, one in zip(built.planes, record["planes"], strict=True)
    )
    repeats, extra_repeats = (
        None if one is None else replace(one, sources=(samples, *planes))
        for one in (built.repeats, built.extra_repeats)
    )
    return replace(
        built,
        samples=samples,
        trigger=trigger,
        planes=planes,
        repeats=repeats,
        extra_repeats=extra_repeats,
        perturbations=tuple(
            probe.as_recorded(one)
            for probe, one in zip(built.perturbations, perturbed, strict=True)
        ),
        recorded_digest=str(record["plan_digest"]),
    )
