"""The trigger search as evidence for a verdict, and in words."""

from __future__ import annotations

from adapters.contract import InputSpec, LabelSpace
from auditor.engine.adaptive import TriggerOutcome
from auditor.measured.trigger_error_rates import (
    ALL_TO_ONE_MODELS,
    CLEAN_MODELS,
    FALSE_ALARMS,
    MISSED,
)
from auditor.probes.trigger_search.judge import natural
from auditor.probes.trigger_search.per_source import PAIRS
from auditor.probes.trigger_search.result import Finding, TriggerResult
from auditor.scores.intervals import binomial_rate
from auditor.verdict import scope
from auditor.verdict.natural_labels import Habits
from auditor.verdict.profile import Profile
from auditor.verdict.verdict import TriggerEvidence


def trigger_evidence(
    outcome: TriggerOutcome | None,
    labels: LabelSpace,
    spec: InputSpec,
    profile: Profile | None,
) -> TriggerEvidence | None:
    """What a verdict takes of a trigger search; None where none was finished."""
    if outcome is None:
        return None
    result = outcome.result
    target = None if result.best is None else result.best.target
    known_for = scope.known_for(spec)
    suspicious = result.suspicious and not known_for
    if suspicious and result.best is not None and profile is not None:
        habits = Habits(patches=profile.natural_patches)
        if habits.natural_patch(result.best.key, result.best.target):
            return TriggerEvidence(
                False, _natural_sentence(result.best, labels, profile), target, natural=True
            )
    return TriggerEvidence(suspicious, _trigger_sentence(result, labels, known_for), target)


def _natural_sentence(best: Finding, labels: LabelSpace, profile: Profile) -> str:
    return (
        f"{_what_it_does(best, labels)}, but clean references of profile {profile.name!r} have "
        "natural patches to that label too, so it is no sign of a backdoor. The search ended with "
        "it and did not look for others."
    )


def _trigger_sentence(result: TriggerResult, labels: LabelSpace, known_for: str) -> str:
    best = result.best
    if best is None:
        return "The trigger search verified no candidate."
    what = _what_it_does(best, labels)
    if known_for:
        return (
            f"At best {what}; what clean models show is known only for {known_for}, so this "
            "decides nothing."
        )
    if result.suspicious and best.key == PAIRS:
        return (
            f"Searched class by class: {result.reason} How often this accuses clean models is "
            "measured on calibration models only, not on held-out ones."
        )
    if result.suspicious:
        return (
            f"One and the same change does it: {what}; clean reference models do not show that "
            f"(p = {result.p:.2g}, all {result.paid} looks paid for). On held-out models the "
            f"search wrongly accused {_held_out(FALSE_ALARMS, CLEAN_MODELS)} clean ones."
        )
    # A success that honest models show decides nothing, however small its p-value.
    shown = result.p is not None and not natural(best.key, best.success)
    chance = f" (p = {result.p:.2g})" if shown else ""
    return (
        f"The trigger search found nothing beyond what clean models show: at best {what}{chance}. "
        f"On held-out models it missed {_held_out(MISSED, ALL_TO_ONE_MODELS)} backdoored ones."
    )


def _what_it_does(best: Finding, labels: LabelSpace) -> str:
    return (
        f"{TRIGGER_WORDS[best.family].format(size=best.size)} sends {best.success.hits} of "
        f"{best.success.images} fresh samples to label {best.target} "
        f"({labels.name(best.target)[:60]})"
    )


def _held_out(errors: int, models: int) -> str:
    rate = binomial_rate(errors, models)
    return f"{errors} of {models} (95 % interval {rate.low:.0%} to {rate.high:.0%})"


TRIGGER_WORDS = {
    "patch": "a patch of {size} x {size} pixels",
    "field": "a fixed smooth pattern added to the picture",
    "noise": "fixed noise added to the picture",
    "blend": "a blend of the picture with a fixed pattern",
    "wave": "a fixed wave pattern added to the picture",
    "warp": "a fixed small warp of the picture",
    "quantise": "a reduction of the picture to {size} grey levels",
}
"""The families of the trigger search, in words."""
