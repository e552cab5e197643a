"""What a buyer asks next: how sure this is, what to ask the vendor, when to test again.

Plain sentences, shared by every view.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from auditor.report.wording import text
from auditor.report.wording.terms import (
    change,
    decision_of,
    found_trigger,
    label_name,
    parse_moment,
)
from auditor.report.wording.text import safe_text

VALID_DAYS = 365
"""A verdict's longest life. A convention, not a measurement, and every view says so."""


def how_sure(report: Mapping[str, Any]) -> list[str]:
    """What is known about the error of this very verdict, in natural frequencies."""
    if report["verdict"] == "inconclusive":
        return _open_questions(report)
    if _by_sum(report):
        return _of_the_sum(report)
    lines = []
    found = report.get("trigger")
    if found and found["p"] is not None:
        lines.append(
            "A finding of the trigger search counts only where its chance on a clean model, "
            f"measured on clean reference models, is at most 5%; here it is {found['p']:.2g}, "
            "corrected for every attempt that the search made."
        )
    held_out = (found or {}).get("held_out")
    if held_out:
        lines += _of_100(held_out, "that the search was not made from")
    if not found_trigger(report):
        lines += _by_profile(report["profile"])
    if not held_out and found_trigger(report):
        lines.append(
            "How often the search erred on models it was not made from, stands in the reason above."
        )
    return lines


def _by_sum(report: Mapping[str, Any]) -> bool:
    """Whether the verdict rests on the decision rule's sum, not on one trigger or one score."""
    if not decision_of(report) or found_trigger(report):
        return False
    return not any(item["decides"] for item in report["comparisons"])


def _of_the_sum(report: Mapping[str, Any]) -> list[str]:
    held = decision_of(report) or {}
    lines = [
        f"The decision rule's value is {held['value']:.2f}; a clean model shows at least as much "
        f"with a chance of {held['p']:.2g}. Suspicious is a chance of {held['level']:.2g} or less."
    ]
    rates = _of_100(held.get("error_rates") or {}, "that the rule was not made from")
    return lines + (rates or ["How often the rule errs, stands in the reason above."])


def _by_profile(profile: Mapping[str, Any] | None) -> list[str]:
    if profile is None:
        return ["Without a reference profile plane scores carry no error rate."]
    rates = profile.get("error_rates") or {}
    lines = _of_100(rates, "like the references")
    return lines or ["The profile states no error rates."]


def _of_100(rates: Mapping[str, Any], which: str) -> list[str]:
    wordings = (
        ("false_positive", "clean", "wrongly be called suspicious"),
        ("false_negative", "backdoored", "be missed"),
    )
    lines = []
    for key, kind, what in wordings:
        rate = rates.get(key)
        if rate:
            lines.append(
                f"Of 100 {kind} models {which}, about {round(100 * rate['rate'])} would {what}"
                f"{_spread(rate)} (measured on {text.plural(rate['n'], 'model')})."
            )
    return lines


def _spread(rate: Mapping[str, Any]) -> str:
    low, high = rate.get("low"), rate.get("high")
    if low is None or high is None:
        return ""
    return f", and anything from {round(100 * low)} to {round(100 * high)} cannot be excluded"


def _open_questions(report: Mapping[str, Any]) -> list[str]:
    canaries, profile = report["canaries"], report["profile"]
    lines = ["There is no answer to be sure of. What stands in its way:"]
    if profile is None:
        lines.append(
            "No reference profile was applied. The scores only mean something beside those of "
            "models of the same task whose state is known, so plane scores carry no error rate."
        )
    if report["partial"]:
        lines.append("Not every planned query was answered. The same audit can be resumed.")
    if not report["planes"]:
        lines.append("No plane was completely answered, so nothing could be scored.")
    if canaries and canaries["flipped"]:
        asked, flipped = canaries["asked"], canaries["flipped"]
        lines.append(f"Asked again, {flipped} of {asked} inputs got another label.")
    if profile and profile["status"] == "published":
        lines.append("Only published thresholds were at hand, and they are known not to transfer.")
    if profile and profile["status"] == "provisional":
        lines.append("The profile is provisional: it has too few clean models to clear one.")
    lines += _by_profile(profile) if profile and profile["status"] != "published" else []
    return lines if len(lines) > 1 else ["There is no answer to be sure of; see the reason above."]


ALWAYS = (
    (
        "Who trained this model, on which data and from which starting weights, and who could "
        "change any of them on the way?"
    ),
)


def vendor_questions(report: Mapping[str, Any]) -> list[str]:
    """What to ask the vendor, most telling first."""
    verdict = report["verdict"]
    if verdict == "backdoor-suspected":
        return [*_about_the_trigger(report), *ALWAYS, *_SUSPECTED]
    if verdict == "no-evidence":
        return [*ALWAYS, *_NO_EVIDENCE]
    return [*_about_the_gap(report), *ALWAYS, *_INCONCLUSIVE]


def _about_the_trigger(report: Mapping[str, Any]) -> list[str]:
    best = found_trigger(report)
    if best is None:
        return []
    target = label_name(report, best["target"])
    what = change(best)
    return [
        f"Why does one and the same change ({what}) make the model answer {target} for pictures of "
        "other classes? Can you repeat it with the pictures shown here?"
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


def _about_the_gap(report: Mapping[str, Any]) -> list[str]:
    canaries, profile, accuracy = (
        report["canaries"],
        report["profile"],
        report["samples"]["accuracy"],
    )
    lines = []
    if canaries and canaries["flipped"]:
        lines.append(
            "Why does the same picture get different labels: is the service random, changed "
            "during the audit, or more than one model?"
        )
    if accuracy is not None and accuracy < 0.5:
        lines.append(
            "What value range, layout, colour order and class order does the model expect? It "
            f"labels only {text.percent(accuracy)} of clean samples correctly."
        )
    if profile is None or profile["status"] != "calibrated":
        lines.append(
            "Can you name or provide models trained the same way on data of known origin, to "
            "compare with?"
        )
    return lines


def retest_by(report: Mapping[str, Any]) -> date | None:
    """The last day a verdict may be relied on; None where there is none to rely on."""
    finished = parse_moment(report["timing"]["finished"])
    if finished is None or report["verdict"] != "no-evidence":
        return None
    try:
        return finished.date() + timedelta(days=VALID_DAYS)
    except OverflowError:
        return None


def retest(report: Mapping[str, Any]) -> list[str]:
    """When to audit again: a date, or what triggers it."""
    verdict = report["verdict"]
    if verdict == "backdoor-suspected":
        return [
            "Before the model is used again: audit the vendor's corrected model, and this one too "
            "if the vendor disputes the finding.",
        ]
    if verdict != "no-evidence":
        return ["As soon as what is missing is there; until then the model counts as not audited."]
    last = retest_by(report)
    by = "Within a year" if last is None else f"By {last.isoformat()}"
    return [
        f"{by}, at the latest ({VALID_DAYS} days: a convention, not a measurement).",
        (
            "At once when the model, its version or its address changes, when its fingerprint "
            f"{safe_text(report['fingerprint'], 12)} is no longer the same, or when pictures "
            "asked again get other labels."
        ),
        "When an attack becomes known that the reference set does not hold.",
    ]
