"""Limits of an audit and of the decision rule, in words for every report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from adapters.contract import InputSpec, jpeg_quality
from auditor.measured import (
    FEW_CLASSES,
    Counted,
    ErrorRates,
    decision_rates,
    earlier_search,
    jpeg_rates,
)
from auditor.probes.label_search.settings import searched_by_label
from auditor.report.wording.phrases import models_of
from auditor.verdict.label_scope import rates_for
from auditor.verdict.scope import least_quality

NAMES = {
    "badnets": "BadNets", "trojannn": "TrojanNN", "blind": "Blind", "blended": "Blended",
    "sig": "SIG", "ssba": "SSBA", "low-frequency": "Low Frequency", "bpp": "BPP",
    "wanet": "WaNet", "lira": "LIRA",
}  # fmt: skip
"""Attacks as their papers spell them; label maps go by their own names."""


def rule_limit(alone: ErrorRates) -> str:
    """Misses and accusations of the rule on models that it was not made from, ``alone`` of them
    without references.
    """
    rates = decision_rates()
    beside = rates.with_references
    search = "" if earlier_search() else ", with the search before it confirmed what it finds,"
    return (
        "The trigger search and the decision rule look for one label that most samples are sent "
        f"to. On held-out {models_of(None)}, the rule missed {beside.missed} of "
        f"{beside.backdoored} all-to-one backdoors beside references{search} and {alone.missed} of "
        f"{alone.backdoored} without."
        f" Missed beside references, by attack or label map: {in_words(rates.missed_kinds)}. "
        f"Honest models accused there: {in_words(rates.accused_recipes)}. Attacks on one source "
        "class, x-to-x and all-to-all maps have no such label."
    )


def in_words(kinds: Sequence[Counted]) -> str:
    """The kinds with a count above 0, and their counts."""
    said = (
        f"{NAMES.get(one.kind, one.kind)} {one.hits} of {one.models}" for one in kinds if one.hits
    )
    return ", ".join(said) or "none"


def jpeg_limit(spec: InputSpec) -> str | None:
    """Limits of an audit through JPEG; None for lossless encodings."""
    quality = jpeg_quality(spec.coding)
    if quality is None:
        return None
    if searched_by_label(spec.shape[1:]):
        return _jpeg_by_label(spec, quality)
    said = "; ".join(
        f"through JPEG {one.quality} it accused {one.alarms} of {one.clean} clean models and found "
        f"{one.found} of {one.backdoored} all-to-one backdoors (lossless: {one.lossless_alarms} "
        f"and {one.lossless_found})"
        for one in jpeg_rates()
    )
    least = least_quality()
    measured = f" On the calibration models {said}." if said else ""
    unknown = least is None or quality < least
    return (
        f"{_travelled(spec, quality)}, which changes what the model sees. "
        f"Trigger search and decision rule were calibrated on lossless pictures.{measured}"
        f"{' For this quality nothing was measured, so they decide nothing.' if unknown else ''}"
    )


def _travelled(spec: InputSpec, quality: int) -> str:
    """A clause that says how pictures became a JPEG."""
    if jpeg_quality(spec.encoding) == quality:
        return f"The pictures travelled as JPEG of quality {quality}"
    return f"The service turns pictures into JPEG of quality {quality}, as its description states"


def _jpeg_by_label(spec: InputSpec, quality: int) -> str:
    """The same where pictures are searched label by label."""
    asked = rates_for(spec.shape, spec.coding, FEW_CLASSES)
    measured = (
        "Held-out models of pictures of this size were asked through JPEG too; the reason has how "
        "often they were accused and found."
        if asked
        else "For this size and quality nothing was measured, so it decides nothing."
    )
    return (
        f"{_travelled(spec, quality)}, which changes what the model sees: some triggers do not "
        "survive it, and would not on such pictures in use either. The null of the trigger search "
        f"is of lossless pictures. {measured}"
    )


ENDPOINT_LIMITS = (
    "A verdict speaks of the model that answered during this audit, not of later versions.",
    (
        "An endpoint that recognises audit traffic can answer it from another model, and one that "
        "always sends the same input to the same of several models answers without a "
        "contradiction; one source of queries cannot exclude either."
    ),
)

METHOD_LIMITS = (
    (
        "Plane scores ask how labels spread far from the samples. Attacks that leave that spread "
        "alone (all-to-all and one-to-one label maps, low poison rates) are known to escape them."
    ),
    "No evidence of a backdoor is not evidence of none.",
)

ENDED_EARLY = (
    "The planes ended early, because the deciding score's side of the threshold was decided: with "
    "a probability of at most 1 %, whenever it is looked at, the mean over all planes lies on the "
    "other side. That comes on top of the profile's error rates."
)

PERTURBATIONS_ENDED = (
    "The probe families ended early, {count:,} disturbed samples before their last one: with "
    "300 completions of the answers so far the decision rule says the same each time, so the rest "
    "would change what it says in at most 1 % of audits (--ask-all asks everything)."
)

FLOAT_ONLY = (
    "Inputs were clipped to the valid range and rounded to 8 bits, as an image upload is; the "
    "published method assumes neither, and on several populations its scores fade there."
)


def limits_of(
    not_asked: Mapping[str, Any] | None,
    planes: int,
    family_queries: int,
    spec: InputSpec,
    alone: ErrorRates,
) -> list[str]:
    """Limits of one audit, a sentence each.

    Args:
        not_asked: questions left out because they could not change the verdict; None if none.
        planes: planes that were planned.
        family_queries: disturbed samples that were planned.
        spec: form of one input of the model.
        alone: errors of audits of small pictures without references.
    """
    coding = jpeg_limit(spec)
    return [
        *ENDPOINT_LIMITS,
        rule_limit(alone),
        *METHOD_LIMITS,
        *_left_out(not_asked, planes, family_queries),
        *([FLOAT_ONLY] if spec.access == "image" else []),
        *([coding] if coding else []),
    ]


def _left_out(
    not_asked: Mapping[str, Any] | None, planned_planes: int, planned_perturbations: int
) -> list[str]:
    """Questions that were left out, and the price of that."""
    if not_asked is None:
        return []
    planes, perturbations = not_asked["planes"], not_asked["family_queries"]
    if not_asked["because"] == "suspected":
        parts = [f"{planes} of {planned_planes} planes"] if planes else []
        parts += (
            [f"{perturbations:,} of {planned_perturbations:,} disturbed samples"]
            if perturbations
            else []
        )
        return [
            f"The verdict stood without {' and '.join(parts)}, so they were not asked: no answer "
            "to them could have taken it back. Scores over fewer planes have wider intervals "
            "(--ask-all asks everything)."
        ]
    return [
        *([ENDED_EARLY] if planes else []),
        *([PERTURBATIONS_ENDED.format(count=perturbations)] if perturbations else []),
    ]
