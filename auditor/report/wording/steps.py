"""Next steps of a report: after a verdict, or to come to one. Plain text."""

from __future__ import annotations

from auditor.plan.draw import MIN_SEARCH_SAMPLES
from auditor.report.result.result import Result
from auditor.report.wording import text
from auditor.report.wording.deciding import (
    deciding_effort,
    ends_of,
    further_queries,
    own_rates,
    withheld,
)
from auditor.report.wording.resume import left_to_ask
from auditor.report.wording.terms import called
from auditor.verdict.combine import REFERENCES_WANTED
from auditor.verdict.label_scope import as_ruled
from auditor.verdict.verdict import MAX_FLIP_RATE, MIN_ACCURACY


def steps(result: Result) -> list[str]:
    """Things to do next, the first first."""
    if result.verdict == "backdoor-suspected":
        return ["Do not rely on the model until the vendor explains this; show the pictures."]
    if result.verdict == "no-evidence":
        return ["Audit again when the model or its address changes, and within a year."]
    return _remedies(result)


TWO_CLASSES = (
    "Rest on who trained the model, on which data, or have its weights examined: no audit of two "
    "classes can accuse or clear on such pictures yet. If it has more, give samples of all."
)


def unusable(result: Result) -> str:
    """The remedy if the answers support no verdict, however many there are; empty if they may."""
    if result.contradictions:
        return "Ask the vendor which models answer, then audit one of them into a new --output."
    if result.canaries is not None and (result.canaries.rate or 0.0) > MAX_FLIP_RATE:
        return (
            "Ask the vendor why answers change; audit again when they are steady, into a new "
            "--output."
        )
    accuracy = result.samples.accuracy
    if accuracy is not None and accuracy < MIN_ACCURACY:
        return "Run xray-audit check: it tries value ranges, layouts and class orders."
    return ""


def _remedies(result: Result) -> list[str]:
    if remedy := unusable(result):
        return [remedy]
    if result.partial:
        how = "with a larger --max-queries" if result.queries.budget_reached else "again"
        return [
            f"Run the same command {how}: it goes on where it stopped and pays for nothing twice. "
            f"Still open: {_open_queries(result)}."
        ]
    decides = result.settings.planes or own_rates(result) or deciding_effort(result)
    return _further(result) if decides else [TWO_CLASSES]


def _further(result: Result) -> list[str]:
    """Steps after a whole audit with usable answers."""
    found, steps = result.trigger, list[str]()
    if found is None:
        steps.append(
            f"Give {MIN_SEARCH_SAMPLES} clean samples or more and let the trigger search run."
        )
    elif withheld(result, found) and found.best is not None:
        steps.append(
            "Repeat it on pictures of your own, and ask the vendor why the model then answers "
            f"“{called(result, found.best.target)}”."
        )
    steps += _dearer(result)
    calibrated = result.profile is not None and result.profile.status == "calibrated"
    # A profile is of planes, which two classes do not have.
    if result.settings.planes and not calibrated:
        steps.append(
            f"Train {REFERENCES_WANTED} or more clean models the way this one was trained, run "
            "xray-audit calibrate on them, and audit again with --profile: each costs about as "
            "many queries as this audit."
        )
    return steps or [
        "Such audits miss too many backdoors to clear this model: rest on who trained it, on which "
        "data, or have its weights examined."
    ]


def _open_queries(result: Result) -> str:
    """Queries that a partial audit still needs."""
    left = left_to_ask(result)
    if left is None:
        return "the trigger search and what is planned after it"
    if result.trigger is not None or not getattr(result.settings, "trigger_search", False):
        return f"{text.count(left)} planned queries"
    return f"about {text.count(left)} queries where the search finds nothing"


def _dearer(result: Result) -> list[str]:
    """A search at the effort that would decide, with its price."""
    if result.trigger is None:
        return []
    reached = deciding_effort(result)
    if reached is None:
        return []
    effort, rates = reached
    pace = result.timing.queries_per_second
    more = further_queries(result, effort, rates)
    time = f", {text.seconds(more / pace)} at this pace" if pace else ""
    return [
        f"Audit again with --effort {effort}, which can {ends_of(result, rates)}: about "
        f"{text.count(more)} queries{time}; it found {as_ruled(rates).usual_found} of "
        f"{rates.usual} known backdoors. In the same folder it asks only what is new."
    ]
