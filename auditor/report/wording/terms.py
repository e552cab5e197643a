"""Names and numbers of a report in words, the same in every view. Plain text, not markup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from auditor.report.wording import text
from auditor.report.wording.text import safe_text
from auditor.report.wording.triggers import change

if TYPE_CHECKING:  # a plan has names for scores and no report
    from auditor.report.result.base import RatePart, SharePart
    from auditor.report.result.judgement import ComparisonPart, DecisionLabel
    from auditor.report.result.result import Result
    from auditor.report.result.trigger import FindingPart, TriggerPart
    from auditor.scores.intervals import Rate

SCORE_TITLES = {"re": "RE", "ats": "ATS", "ats_by_label": "ATS by label"}
SCORE_HEADS = {**SCORE_TITLES, "re": "RE (bits)"}
"""Titles with the unit, for tables."""


def model_name(result: Result) -> str:
    """The shortest name that identifies the model to a reader."""
    model = result.model
    keys = ("name", "file", "url", "kind")
    return safe_text(next((model[key] for key in keys if model.get(key)), "a classifier"), 80)


def label_name(result: Result, label: int) -> str:
    """``3 Dress``: the label's number and its name, or the number alone."""
    name = result.labels.get(str(label))
    return str(label) if name in {None, "", str(label)} else f"{label} {safe_text(name, 60)}"


def called(result: Result, label: int) -> str:
    """The label's name alone, as a buyer reads it: ``Dress``; ``class 3`` if it has none."""
    name = result.labels.get(str(label))
    return f"class {label}" if name in {None, "", str(label)} else safe_text(name, 60)


def moment(value: object) -> str:
    """An ISO 8601 time as ``2026-11-03 14:02 UTC``; any other text as it is."""
    parsed = parse_moment(value)
    if parsed is None:
        return safe_text(value, 40)
    return parsed.strftime("%Y-%m-%d %H:%M") + (" UTC" if parsed.tzinfo else "")


def parse_moment(value: object) -> datetime | None:
    """An ISO 8601 time, in UTC if it names its zone; None for any other text."""
    try:
        parsed = datetime.fromisoformat(str(value))
        return parsed if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def utc_time(value: object, days: int = 0) -> str | None:
    """An ISO 8601 time as ``2026-11-03T14:02:11Z``, ``days`` later; None without a time zone."""
    parsed = parse_moment(value)
    if parsed is None or parsed.tzinfo is None:
        return None
    try:
        return (parsed + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
    except OverflowError:
        return None


def unnoticed(result: Result) -> str:
    """Limit of the repeats, as a sentence after a space; empty if not known."""
    share = None if result.trust is None else result.trust.least_caught
    if share is None:
        return ""
    return (
        f" A second model that changes {text.percent(share)} of the answers or more (its share of "
        "the queries times that of its other labels) would have been noticed with 95 % chance."
    )


def score_title(name: str) -> str:
    """A score's name as the report writes it."""
    return SCORE_TITLES.get(name, safe_text(name, 30))


def with_unit(name: str, value: float | None) -> str:
    """A score with its unit: bits for RE, a share of the plane for the others."""
    return f"{text.score(value)} bits" if name == "re" and value is not None else text.score(value)


def mean_shares(result: Result) -> Sequence[float]:
    """Mean share of each label; empty if no plane was scored."""
    return result.scores.shares or ()


def likely_target(result: Result) -> str | None:
    """The conditional sentence about the target label; None if no plane was scored."""
    shares = mean_shares(result)
    if not shares:
        return None
    label = largest_first(shares)[0]
    most = (
        f"Label {label_name(result, label)} covers the most, {text.percent(shares[label])} of the "
        "planes on average."
    )
    found = found_trigger(result)
    if found is not None and pairs(result):
        return f"{most} The trigger that was found has several targets: that is what counts."
    if found is not None and found.target == label:
        return f"{most} It is also the label that the trigger which was found leads to."
    if found is not None:
        return (
            f"{most} The trigger that was found leads to {label_name(result, found.target)}: "
            "that is what counts, and the largest share means nothing here."
        )
    return (
        f"{most} If the model is backdoored so that every triggered input gets one "
        "label, this is the likely one; otherwise the largest share means nothing."
    )


def found_trigger(result: Result) -> FindingPart | None:
    """The best finding of a trigger search that the verdict rests on; None without one."""
    found = result.trigger
    return found.best if found is not None and found.suspicious else None


def pairs(result: Result) -> str:
    """The pairs of labels that one patch moves, as ``25 of 26 fresh samples of “sneaker” to “bag”
    and …``; empty if the best finding is no such patch.
    """
    found = result.trigger
    if found is None or found.best is None or not found.best.of_several:
        return ""
    said = [
        f"{one.success.hits} of {one.success.samples} fresh samples of “{called(result, source)}” "
        f"to “{called(result, one.target)}”"
        for one in found.findings
        if one.of_several
        for source in map(int, one.by_source)
    ]
    return text.listed(said)


def deciding(result: Result) -> ComparisonPart | None:
    """The comparison that the verdict would rest on; None without one."""
    return next((item for item in result.comparisons if item.decides), None)


def published(result: Result) -> bool:
    """True if the profile holds published thresholds, which decide nothing."""
    return result.profile is not None and result.profile.status == "published"


FINDINGS_HEAD = ("Change", "To label", "Success on fresh samples", "p, one look")


def finding_rows(result: Result, found: TriggerPart) -> list[tuple[str, ...]]:
    """The trigger search's findings in the columns of :data:`FINDINGS_HEAD`."""
    return [
        (
            change(finding),
            label_name(result, finding.target),
            hits(finding.success),
            "not known" if finding.p is None else f"{finding.p:.2g}",
        )
        for finding in found.findings
    ]


EVIDENCE_HEAD = ("Label", "Value", "From the trigger search", "From the families")


def evidence_row(result: Result, one: DecisionLabel) -> tuple[str, ...]:
    """The decision rule's evidence for a label in the columns of :data:`EVIDENCE_HEAD`."""
    parts = (one.value, one.trigger, one.families)
    return (label_name(result, one.label), *(f"{part:.2f}" for part in parts))


def largest_first(shares: Sequence[float]) -> list[int]:
    """Labels by falling share; of equal ones the lower number first."""
    return sorted(range(len(shares)), key=lambda label: (-shares[label], label))


def hits(interval: SharePart) -> str:
    """``9 of 46 = 19.6% (95 % interval 9.4% to 33.9%)``."""
    return (
        f"{interval.hits} of {interval.samples} = {text.percent(interval.rate)} "
        f"({text.rate_interval(interval.low, interval.high)})"
    )


def rate(value: RatePart | Rate) -> str:
    """``5.0% of 20 models (95 % interval 0.1% to 24.9%)``."""
    spread = ""
    if value.low is not None and value.high is not None:
        spread = f" ({text.rate_interval(value.low, value.high)})"
    return f"{text.percent(value.rate)} of {text.plural(value.n, 'model')}{spread}"


def further(result: Result) -> dict[str, Any]:
    """The report's keys of later versions."""
    known = type(result).model_fields.keys()
    return {key: value for key, value in result.content.items() if key not in known}


def flatten(value: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """A free-form JSON object as ``a.b.c`` keys with their values, in the order given."""
    pairs: list[tuple[str, str]] = []
    for key, inner in value.items():
        path = f"{prefix}.{key}" if prefix else str(key)
        if isinstance(inner, Mapping) and inner and path.count(".") < 6:
            pairs.extend(flatten(inner, path))
        else:
            pairs.append((safe_text(path, 80), _free_form(inner)))
    return pairs


def _free_form(value: object) -> str:
    if value is None:
        return "not stated"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple | Mapping) and not value:
        return "none"
    if isinstance(value, list | tuple):
        return safe_text(", ".join(str(part)[:80] for part in value[:100]), 240)
    return safe_text(value, 240)
