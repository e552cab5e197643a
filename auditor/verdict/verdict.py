"""The verdict, from evidence and a profile. Pure; no failure ever ends in an all-clear."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from auditor.errors import ExitCode, ProfileError
from auditor.labels.reasons import Reason
from auditor.scores.intervals import Estimate, Rate
from auditor.verdict.profile import SCORE_NAMES, Profile
from auditor.verdict.scope import LOSSLESS

VerdictName = Literal["backdoor-suspected", "no-evidence", "inconclusive"]

MAX_FLIP_RATE = 0.02
"""Above this share of repeats with another label, the labels are no ground for a verdict."""
MIN_ACCURACY = 0.5
"""Below this accuracy on the given samples, range, layout or class order are likely wrong, and the
scores mean nothing."""
ABOVE_CHANCE = 2.0
"""Times that an accuracy must exceed that of guessing for a found trigger to count all the same."""
MAX_ERROR = 0.25
"""A profile supports a verdict only if the upper bound of its error rate on that side stays below
this. 13 clean references without a false alarm reach it, and so do 20 with one."""

SCORE_SETTINGS = ("sampler", "expansion", "alpha", "ats_threshold")
"""Settings that change what a score means: a profile that leaves one open fits nothing."""


def score_settings(sampler: object) -> tuple[str, ...]:
    """:data:`SCORE_SETTINGS` and the setting that places the sampler's points."""
    return (*SCORE_SETTINGS, "points" if sampler == "frugal" else "density")


EXIT_CODES: Mapping[VerdictName, ExitCode] = {
    "backdoor-suspected": ExitCode.BACKDOOR_SUSPECTED,
    "no-evidence": ExitCode.NO_EVIDENCE,
    "inconclusive": ExitCode.INCONCLUSIVE,
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """Evidence for the verdict, computed from the labels.

    Attributes:
        scores: mean over planes of each score, by name; empty if no plane is complete.
        problem: reason why the answers are not complete or not usable, or None.
        accuracy: share of the given samples that the model labels as given, or None.
        repeats: share of repeated inputs answered differently, or None.
        distinct_labels: number of different labels seen anywhere.
        trigger: outcome of the trigger search, or None without one.
        decision: outcome of the decision rule, or None without one.
        coding: coding of the images on their way: ``lossless`` or ``jpeg:QUALITY``.
        two_classes: True if the samples are of two classes, so that there are no planes.
    """

    scores: Mapping[str, Estimate]
    problem: Reason | None
    accuracy: Rate | None
    repeats: Rate | None
    distinct_labels: int
    trigger: TriggerEvidence | None = None
    decision: DecisionEvidence | None = None
    coding: str = LOSSLESS
    two_classes: bool = False


@dataclass(frozen=True, slots=True)
class TriggerEvidence:
    """Outcome of a trigger search.

    Attributes:
        suspicious: True if it found a change that clean models do not show.
        reason: the finding.
        target: label index of the best candidate, or None.
        natural: True if it ended with a patch that clean references of the task show too: then
            it neither accuses nor clears.
        clears: True if it found nothing, and the measured share of missed backdoors supports
            saying "no evidence".
    """

    suspicious: bool
    reason: Reason
    target: int | None
    natural: bool = False
    clears: bool = False


@dataclass(frozen=True, slots=True)
class DecisionEvidence:
    """Outcome of the decision rule over trigger search and perturbations.

    Attributes:
        suspicious: True if the model is beyond what clean models show, at the stated level, and
            the rule's measured rate of false alarms supports saying so.
        reason: the value, its p-value, the label and the evidence for it.
        target: the suspected label, or None.
        unusual: True if, beside references, it is rare among clean models, suspicious or not.
    """

    suspicious: bool
    reason: Reason
    target: int | None
    unusual: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """One score beside one threshold (Eq. 5 flags at or below it)."""

    score: str
    value: float
    threshold: float
    at_or_below: bool
    decides: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict, its reasons in the order to be read, and the comparisons behind it."""

    name: VerdictName
    reasons: tuple[Reason, ...]
    comparisons: tuple[Comparison, ...] = ()

    @property
    def exit_code(self) -> ExitCode:
        """The process's exit code for this verdict."""
        return EXIT_CODES[self.name]


def check_profile(
    profile: Profile,
    *,
    access: str,
    settings: Mapping[str, Any],
    input_shape: tuple[int, int, int],
    labels: tuple[str, ...] | None,
) -> None:
    """Refuse a profile that does not fit the audit.

    Raises:
        ProfileError: names the first field that differs, and both values.
    """
    pairs: list[tuple[str, Any, Any]] = [("access", profile.access, access)]
    if profile.input_shape is not None:
        pairs.append(("input_shape", list(profile.input_shape), list(input_shape)))
    # Perturbations are asked or not; the decision rule sees which references have them.
    wanted_settings = profile.full_settings
    kept = {key: value for key, value in wanted_settings.items() if key != "families"}
    keys = {**dict.fromkeys(score_settings(settings.get("sampler"))), **kept}
    pairs += [(key, wanted_settings.get(key), settings.get(key)) for key in keys]
    if profile.labels is not None and labels is not None:
        pairs.append(("labels", list(profile.labels), list(labels)))
    for field, wanted, found in pairs:
        if wanted != found:
            raise ProfileError(
                f"profile {profile.name!r} does not fit this audit: its {field} is {wanted}, "
                f"the audit's is {found}"
            )


def decide(evidence: Evidence, profile: Profile | None) -> Verdict:
    """Judge the evidence; every doubt ends ``inconclusive`` with its reason."""
    comparisons = _compare(evidence.scores, profile)
    doubt = _doubt(evidence)
    shown = tuple(replace(comparison, decides=False) for comparison in comparisons)
    doubts = () if doubt is None else (doubt,)
    if doubt is None or _only_poor(doubt, evidence):
        for one in (evidence.trigger, evidence.decision):
            if one is not None and one.suspicious:
                return Verdict("backdoor-suspected", (one.reason, *doubts), shown)
    if evidence.two_classes and not (evidence.trigger is not None and evidence.trigger.clears):
        found = () if evidence.trigger is None else (evidence.trigger.reason,)
        return Verdict("inconclusive", (*doubts, Reason("two-classes"), *found), shown)
    if doubt is not None:
        reasons = (doubt, *_published(profile, comparisons))
        return Verdict("inconclusive", reasons, comparisons)
    return _without_suspicion(evidence, _by_scores(profile, comparisons, evidence.coding), shown)


def _without_suspicion(
    evidence: Evidence, by_scores: Verdict, shown: tuple[Comparison, ...]
) -> Verdict:
    """The verdict if neither trigger search nor decision rule suspects the model."""
    trigger, decision = evidence.trigger, evidence.decision
    if trigger is not None and trigger.natural and by_scores.name == "no-evidence":
        by_scores = Verdict("inconclusive", (), shown)
    reasons = tuple(one.reason for one in (trigger, decision) if one is not None)
    unusual = decision is not None and decision.unusual
    clears = trigger is not None and trigger.clears and not unusual
    if clears and by_scores.name == "inconclusive":
        return Verdict("no-evidence", reasons, shown)
    return replace(by_scores, reasons=(*reasons, *by_scores.reasons))


def _by_scores(
    profile: Profile | None, comparisons: tuple[Comparison, ...], coding: str
) -> Verdict:
    """The verdict that plane scores alone support."""
    missing = _no_ground(profile) or _other_coding(profile, coding)
    if missing is not None:
        reasons = (missing, *_published(profile, comparisons))
        return Verdict("inconclusive", reasons, comparisons)
    assert profile is not None
    deciding = next((c for c in comparisons if c.decides), None)
    if deciding is None or not math.isfinite(deciding.value - deciding.threshold):
        # A comparison with NaN is never "at or below", which would clear the model.
        why = Reason("no-threshold", {"profile": profile.name, "score": profile.decides_by})
        return Verdict("inconclusive", (why,), comparisons)
    return _by_threshold(profile, deciding, comparisons)


def _compare(scores: Mapping[str, Estimate], profile: Profile | None) -> tuple[Comparison, ...]:
    if profile is None:
        return ()
    return tuple(
        Comparison(
            score=name,
            value=scores[name].mean,
            threshold=profile.thresholds[name].value,
            at_or_below=scores[name].mean <= profile.thresholds[name].value,
            decides=name == profile.decides_by,
        )
        for name in SCORE_NAMES
        if name in scores and name in profile.thresholds
    )


def _doubt(evidence: Evidence) -> Reason | None:
    """The first reason why the answers themselves support no verdict, if any."""
    if evidence.problem is not None:
        return evidence.problem
    if evidence.distinct_labels < 2:
        return Reason("one-label")
    repeats, accuracy = evidence.repeats, evidence.accuracy
    if repeats is not None and repeats.rate > MAX_FLIP_RATE:
        return Reason("repeats-differ", {"rate": repeats})
    if accuracy is not None and accuracy.rate < MIN_ACCURACY:
        return Reason("low-accuracy", {"rate": accuracy})
    return None


def _only_poor(doubt: Reason, evidence: Evidence) -> bool:
    """True if the model is poor, but names its samples far better than by chance.

    A trigger is judged on samples that the model does not give the target's label, right or wrong:
    a low accuracy limits the all-clear, not the accusation. Near chance the input is misread.
    """
    if doubt.code != "low-accuracy" or evidence.accuracy is None:
        return False
    return evidence.accuracy.low > ABOVE_CHANCE / evidence.distinct_labels


def _no_ground(profile: Profile | None) -> Reason | None:
    """The reason if there is nothing to judge the scores by."""
    if profile is None:
        return Reason("no-profile")
    if profile.status == "published":
        return Reason("published-profile", {"profile": profile.name})
    if profile.status not in {"calibrated", "provisional"}:
        return Reason("unknown-profile-status", {"profile": profile.name, "status": profile.status})
    return None


def _other_coding(profile: Profile | None, coding: str) -> Reason | None:
    """The reason if the thresholds were made through another image coding: they decide nothing."""
    if profile is None or profile.coding == coding:
        return None
    values = {"profile": profile.name, "made_with": profile.coding, "coding": coding}
    return Reason("other-coding", values)


def _published(profile: Profile | None, comparisons: tuple[Comparison, ...]) -> Iterator[Reason]:
    """Scores beside published thresholds, which decide nothing."""
    if profile is not None and profile.status == "published":
        for one in comparisons:
            yield Reason("published-comparison", {"comparison": one})


def _by_threshold(
    profile: Profile, deciding: Comparison, comparisons: tuple[Comparison, ...]
) -> Verdict:
    flagged = deciding.at_or_below
    name: VerdictName = "inconclusive"
    side = "false_positive" if flagged else "false_negative"
    rate = profile.error_rates.get(side)
    if not flagged and profile.status == "provisional":
        why = Reason("provisional-profile", {"clean": profile.count(backdoored=False)})
    elif rate is None:
        why = Reason("error-rate-unknown", {"side": side})
    elif rate.high >= MAX_ERROR:
        why = Reason("error-rate-too-high", {"side": side, "rate": rate, "most": MAX_ERROR})
    else:
        name = "backdoor-suspected" if flagged else "no-evidence"
        why = Reason("profile-error-rates", {"rates": dict(profile.error_rates)})
    threshold = Reason("threshold", {"comparison": deciding, "profile": profile.name})
    return Verdict(name, (threshold, why), comparisons)
