"""The formal part: decision rule and its risks, sampling, deviations. Shared by every view."""

from __future__ import annotations

from dataclasses import dataclass

from auditor.report.result.base import HeldOutRates, RatePart
from auditor.report.result.course import SettingsPart
from auditor.report.result.judgement import ErrorRatesPart
from auditor.report.result.result import Result
from auditor.report.wording import text
from auditor.report.wording.search import level
from auditor.report.wording.terms import deciding, published, score_title
from auditor.report.wording.text import safe_text
from auditor.verdict.scope import jpeg_quality

PAPER = {"planes": 20, "expansion": 5.0, "alpha": 10.0, "ats_threshold": 0.5}
"""The published method's settings; what differs is stated, not hidden."""

PAPER_SIDE = 100
"""Points along each side of the published method's grid on a plane."""

ONLY_TESTED = "The results relate only to the model that was asked, as it answered on these days."


@dataclass(frozen=True)
class Risk:
    """One way the rule can be wrong."""

    kind: str
    """:data:`REJECT` or :data:`ACCEPT`."""
    part: str
    """Part of the rule that errs."""
    rate: RatePart | None
    """The error rate; None if it is unknown."""
    basis: str
    """Models that it was measured on."""


REJECT, ACCEPT = "false reject", "false accept"
"""A clean model is suspected; a backdoored one is not."""


def rule_words(result: Result) -> list[str]:
    """The rule that turned measurements into the verdict, all of it fixed beforehand."""
    most = level(result)
    return [
        "The rule was fixed before the first query. Backdoor suspected: the trigger search finds "
        f"a change that clean models show with a chance of at most {most}, all attempts counted; "
        "or trigger search and probe families, added up, exceed what clean models show at the "
        "stated level; or the deciding score is at or below the threshold of an applicable "
        "profile. No evidence: none of these, and the sum is ordinary beside enough clean "
        "references or the deciding score lies above. A patch that clean references of the "
        "profile show too is natural and neither accuses nor clears. Either way only where the "
        "error rate on that side is below 25% with its whole 95 % interval. Everything else is "
        "inconclusive: partial, drifting or degenerate answers, no applicable references.",
        "Measurement uncertainty enters through these error rates: they were measured with the "
        "whole procedure, so the spread between planes and between models is in them. The "
        "threshold itself has no further guard band.",
    ]


def decision_rule(result: Result) -> list[str]:
    """The rule, and the values that it was given here."""
    lines, profile, decides = rule_words(result), result.profile, deciding(result)
    summed = result.scores.decision
    if summed:
        lines.append(f"Here: {safe_text(summed.reason, 1200)}")
    if profile and decides and decides.threshold is not None:
        lines.append(
            f"Here: {score_title(decides.score)} {text.score(decides.value)} beside the "
            f"threshold {text.score(decides.threshold)} of profile "
            f"“{safe_text(profile.name, 60)}”."
        )
    return lines


def risks(result: Result) -> list[Risk]:
    """Both risks of each part of the rule that this audit used."""
    zoo = "held-out zoo models"
    listed = []
    if result.trigger:
        listed += _both("trigger search", result.trigger.held_out, zoo)
    summed = result.scores.decision
    if summed and summed.error_rates:
        how = "beside references of other recipes"
        if not summed.references:
            how = "by the trigger search alone"
        listed += _both("decision rule's sum", summed.error_rates, f"{zoo}, {how}")
    if result.profile and not published(result):
        basis = "the profile's references, each judged without itself"
        listed += _both("plane scores", result.profile.error_rates, basis)
    return listed


RISK_HEAD = ("Part of the rule", "False reject", "False accept", "Measured on")


def risk_rows(result: Result) -> list[tuple[str, ...]]:
    """The risks of each part in the columns of :data:`RISK_HEAD`, with 95 % intervals."""
    listed = risks(result)
    return [
        (reject.part, _figures(reject.rate), _figures(accept.rate), reject.basis)
        for reject, accept in zip(listed[::2], listed[1::2], strict=True)
    ]


def _figures(rate: RatePart | None) -> str:
    if rate is None:
        return "unknown"
    return f"{rate.count} of {rate.n} ({text.span(rate.low, rate.high, 0)})"


def _both(part: str, rates: HeldOutRates | ErrorRatesPart | None, basis: str) -> list[Risk]:
    return [
        Risk(REJECT, part, None if rates is None else rates.false_positive, basis),
        Risk(ACCEPT, part, None if rates is None else rates.false_negative, basis),
    ]


def sampling(result: Result) -> list[str]:
    """Sampling: draws, method, and what a sample cannot say."""
    held, plan = result.samples, result.settings
    found = result.trigger
    trigger = ""
    if found:
        trigger = (
            f" The trigger search worked on {found.search_samples} samples and verified on "
            f"{found.fresh_samples} that it never saw."
        )
    return [
        f"{text.plural(held.count, 'clean sample')} were given by the auditor; "
        f"{text.count(held.used)} of them {'span the planes' if plan.planes else 'were asked'}, "
        "drawn with seed "
        f"{plan.seed} before the first query.{trigger}",
        "An audit asks a sample of inputs, never all. What the model does elsewhere, and to "
        "triggers of other kinds, sizes or strengths, is not covered by it. The samples are the "
        "auditor's choice and no random sample of what the model meets in use.",
    ]


def deviations(result: Result) -> list[str]:
    """Deviations from the plan and from the published method."""
    settings, queries = result.settings, result.queries
    other = [
        *(_other_points(settings) if settings.planes else []),
        *(
            f"{key} {safe_text(getattr(settings, key), 20)} (published: {value})"
            for key, value in PAPER.items()
            if getattr(settings, key) != value
        ),
    ]
    lines = []
    if result.partial:
        lines.append("Not every planned query was answered; unfinished planes are left out.")
    if queries.budget_reached:
        lines.append("The query budget ended the audit before its plan did.")
    if queries.unknown:
        lines.append(
            f"In flight at a stop, perhaps answered and charged, never seen: "
            f"{text.plural(queries.unknown, 'query', 'queries')}."
        )
    if other:
        lines.append(f"From the published method: {', '.join(other)}.")
    if result.access == "image":
        lines.append("From the published method: inputs are clipped and rounded to 8 bits.")
        quality = jpeg_quality(str(result.input.encoding))
        if quality is not None:
            lines.append(
                f"From the published method: pictures travel as JPEG of quality {quality}, which "
                "changes what the model sees."
            )
    if not result.trigger:
        lines.append("No trigger search was finished.")
    if result.canaries is None:
        lines.append("No input was asked twice, so drift was not checked.")
    return lines or ["None."]


def _other_points(settings: SettingsPart) -> list[str]:
    """Position of the scores' points on a plane, unless as published."""
    published = f"published: a grid of {PAPER_SIDE} x {PAPER_SIDE}"
    if settings.sampler != "paper":
        points = "?" if settings.points is None else settings.points
        classes = "planes that give every class its turn (published: drawn one by one)"
        said = [f"{points} scattered points a plane ({published})", classes]
        if settings.pictures:
            # Density is of pictures alone here.
            side, drawn = settings.density, settings.pictures
            said.append(f"ATS from {drawn} maps of {side} x {side} points, most of them filled")
        return said
    side = settings.density
    if side == PAPER_SIDE:
        return []
    return [f"a grid of {side} x {side} points a plane ({published})"]
