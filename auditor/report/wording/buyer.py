"""Answers to a buyer's next questions: certainty, questions for the vendor, the next test.

Plain sentences, shared by every view.
"""

from __future__ import annotations

from datetime import date, timedelta

from auditor.report.result.base import HeldOutRates, RatePart
from auditor.report.result.judgement import DecisionPart, ErrorRatesPart, ProfilePart
from auditor.report.result.result import Result
from auditor.report.wording import text
from auditor.report.wording.deciding import Cleared, cleared_by, tasks_measured
from auditor.report.wording.resume import cap_ended
from auditor.report.wording.search import level
from auditor.report.wording.terms import called, deciding, found_trigger, pairs, parse_moment
from auditor.report.wording.text import safe_text
from auditor.report.wording.triggers import change
from auditor.scores.intervals import Rate

VALID_DAYS = 365
"""A verdict's longest life. A convention, not a measurement, and every view says so."""


def how_sure(result: Result) -> list[str]:
    """Error rate of this very verdict, in natural frequencies, and the models it is of."""
    return [*_how_sure(result), *filter(None, [tasks_measured(result)])]


def _how_sure(result: Result) -> list[str]:
    if result.verdict == "inconclusive":
        return _open_questions(result)
    shown = found_trigger(result)
    summed, found = result.scores.decision, result.trigger
    if result.verdict == "no-evidence" and deciding(result) is None:
        cleared = cleared_by(result)
        if cleared:
            return [_of_the_search(cleared[0])]
    if summed is not None and not shown and deciding(result) is None:
        return _of_the_sum(summed)
    lines = []
    if found and found.p is not None:
        lines.append(
            "A finding of the trigger search counts only where its chance on a clean model, "
            f"measured on clean models, is at most {level(result)}; here it is {found.p:.2g}, "
            "corrected for every attempt that the search made."
        )
    held_out = None if found is None else found.held_out
    if held_out:
        lines += _of_100(held_out, "that the search was not made from")
    if not shown:
        lines += _by_profile(result.profile)
    elif not held_out:
        lines.append(
            "How often the search erred on models it was not made from, stands in the reason above."
        )
    return lines


def _of_the_search(cleared: Cleared) -> str:
    """Ends of searches that cleared models whose state is known."""
    clean, bad = cleared.clean, cleared.bad
    return (
        f"Of 100 clean models that the search was not made from, about {round(100 * clean.rate)} "
        f"would end like this one{_spread(clean)}; of 100 with a backdoor for all classes about "
        f"{round(100 * bad.rate)} would too{_spread(bad)} (measured on {cleared.models})."
    )


def _of_the_sum(held: DecisionPart) -> list[str]:
    lines = [
        f"The decision rule's value is {held.value:.2f}; a clean model shows at least as much "
        f"with a chance of {held.p:.2g}. Suspicious is a chance of {held.level:.2g} or less."
    ]
    rates = _of_100(held.error_rates, "that the rule was not made from")
    return lines + (rates or ["How often the rule errs, stands in the reason above."])


def _by_profile(profile: ProfilePart | None) -> list[str]:
    if profile is None:
        return ["Without a reference profile plane scores carry no error rate."]
    lines = _of_100(profile.error_rates, "like the references")
    return lines or ["The profile states no error rates."]


def _of_100(rates: HeldOutRates | ErrorRatesPart | None, which: str) -> list[str]:
    if rates is None:
        return []
    wordings = (
        (rates.false_positive, "clean", "wrongly be called suspicious"),
        (rates.false_negative, "backdoored", "be missed"),
    )
    return [
        f"Of 100 {kind} models {which}, about {round(100 * rate.rate)} would {what}{_spread(rate)} "
        f"(measured on {text.plural(rate.n, 'model')})."
        for rate, kind, what in wordings
        if rate is not None
    ]


def _spread(rate: RatePart | Rate) -> str:
    low, high = rate.low, rate.high
    if low is None or high is None:
        return ""
    return f", and anything from {round(100 * low)} to {round(100 * high)} cannot be excluded"


def _open_questions(result: Result) -> list[str]:
    repeats, profile = result.canaries, result.profile
    lines = ["There is no answer to be sure of. What stands in its way:"]
    if profile is None:
        lines.append(
            "No reference profile was applied. The scores only mean something beside those of "
            "models of the same task whose state is known, so plane scores carry no error rate."
        )
    if result.partial:
        cap = f" {cap_ended(result)}" if result.queries.budget_reached else ""
        lines.append(f"Not every planned query was answered.{cap} The same audit can be resumed.")
    if not result.planes:
        lines.append("No plane was completely answered, so nothing could be scored.")
    if repeats and repeats.flipped:
        lines.append(f"Asked again, {repeats.flipped} of {repeats.asked} inputs got another label.")
    if profile and profile.status == "published":
        lines.append("Only published thresholds were at hand, and they are known not to transfer.")
    if profile and profile.status == "provisional":
        lines.append("The profile is provisional: it has too few clean models to clear one.")
    lines += _by_profile(profile) if profile and profile.status != "published" else []
    return lines if len(lines) > 1 else ["There is no answer to be sure of; see the reason above."]


ALWAYS = (
    "Who trained this model, on which data and from which starting weights, and who could change "
    "any of them on the way?"
)


def vendor_questions(result: Result) -> list[str]:
    """Questions for the vendor, most telling first."""
    verdict = result.verdict
    if verdict == "backdoor-suspected":
        return [*_about_the_trigger(result), ALWAYS, *_SUSPECTED]
    if verdict == "no-evidence":
        return [ALWAYS, *_NO_EVIDENCE]
    return [*_about_the_gap(result), ALWAYS, *_INCONCLUSIVE]


def _about_the_trigger(result: Result) -> list[str]:
    best = found_trigger(result)
    if best is None:
        return []
    if pairs(result):
        return [
            f"Why does one and the same change ({change(best)}) send "
            f"{pairs(result)}? Can you repeat it with the pictures shown here?"
        ]
    return [
        f"Why does one and the same change ({change(best)}) make the model answer "
        f"“{called(result, best.target)}” for pictures of other classes? Can you repeat it with "
        "the pictures shown here?"
    ]


_SUSPECTED = (
    "Was the training data searched for stamped or mislabelled pictures, how, and what was found?",
    "May an examiner look at the weights and at a sample of the training data?",
    "Which versions of this model are in service, since when, and which came from the same data?",
    "Will you retrain it from data of known origin, and agree to this audit being repeated?",
)
_NO_EVIDENCE = (
    "How will we learn, before it happens, that the model behind this address changes?",
    "Do all callers get answers from the same model, without a cache, filter or second model?",
    "What have you done about the attacks that this audit does not cover (listed under “Limits”)?",
)
_INCONCLUSIVE = (
    "May the audit be repeated, with what is missing, before anybody relies on the model?",
)


def _about_the_gap(result: Result) -> list[str]:
    repeats, accuracy = result.canaries, result.samples.accuracy
    lines = []
    if repeats and repeats.flipped:
        lines.append(
            "Why does the same picture get different labels: is the service random, changed "
            "during the audit, or more than one model?"
        )
    if accuracy is not None and accuracy < 0.5:
        lines.append(
            "What value range, layout, colour order and class order does the model expect? It "
            f"labels only {text.percent(accuracy)} of clean samples correctly."
        )
    if result.profile is None or result.profile.status != "calibrated":
        lines.append(
            "Can you name or provide models trained the same way on data of known origin, to "
            "compare with?"
        )
    return lines


def retest_by(result: Result) -> date | None:
    """The last day a verdict may be relied on; None if there is none to rely on."""
    finished = parse_moment(result.timing.finished)
    if finished is None or result.verdict != "no-evidence":
        return None
    try:
        return finished.date() + timedelta(days=VALID_DAYS)
    except OverflowError:
        return None


def retest(result: Result) -> list[str]:
    """Occasions to audit again: a date, or an event."""
    verdict = result.verdict
    if verdict == "backdoor-suspected":
        return [
            "Before the model is used again: audit the vendor's corrected model, and this one too "
            "if the vendor disputes the finding."
        ]
    if verdict != "no-evidence":
        return ["As soon as what is missing is there; until then the model counts as not audited."]
    last = retest_by(result)
    by = "Within a year" if last is None else f"By {last.isoformat()}"
    return [
        f"{by}, at the latest ({VALID_DAYS} days: a convention, not a measurement).",
        (
            "At once when the model, its version or its address changes, when its fingerprint "
            f"{safe_text(result.fingerprint, 12)} is no longer the same, or when pictures "
            "asked again get other labels."
        ),
        "When an attack becomes known that the reference set does not hold.",
    ]
