"""The formal part: decision rule and its risks, sampling, deviations. Shared by every view."""

from __future__ import annotations

from typing import NamedTuple

from adapters.contract import jpeg_quality
from auditor.measured import by_class_errors, by_source_rates
from auditor.probes.label_search.settings import searched_by_label
from auditor.probes.trigger_search.judge import OPEN_LEVEL
from auditor.report.result.base import HeldOutRates, RatePart
from auditor.report.result.course import SettingsPart
from auditor.report.result.judgement import ErrorRatesPart
from auditor.report.result.result import Result
from auditor.report.result.trigger import TriggerPart
from auditor.report.wording import text
from auditor.report.wording.deciding import classes_of, cleared_by
from auditor.report.wording.phrases import OF_PROJECT, ZOO_SIDES, models_of
from auditor.report.wording.search import asked_by_label, levels, open_patch
from auditor.report.wording.terms import deciding, published, score_title
from auditor.report.wording.text import safe_text
from auditor.scores.intervals import Rate, binomial_rate
from auditor.verdict.clearing import LEAST_CLEARING, MOST_MISSED
from auditor.verdict.label_scope import measured_on
from auditor.verdict.verdict import MAX_ERROR

PAPER = {"planes": 20, "expansion": 5.0, "alpha": 10.0, "ats_threshold": 0.5}
"""The published method's settings; what differs is stated, not hidden."""

PAPER_SIDE = 100
"""Points along each side of the published method's grid on a plane."""

ONLY_TESTED = "The results relate only to the model that was asked, as it answered on these days."


REJECT, MISSED, ACCEPT = "false reject", "miss", "false accept"


class Risk(NamedTuple):
    """Ways in which a part of the rule is wrong: a clean model is suspected (false reject), a
    backdoored one is not (missed), or is cleared even (false accept).
    """

    part: str
    reject: RatePart | Rate | None
    missed: RatePart | Rate | None
    accept: RatePart | Rate | None
    """None if it clears no model, or if it is not known, as then both are not."""
    basis: str
    """Models that it was measured on."""

    def against(self, verdict: str) -> dict[str, RatePart | Rate]:
        """The risks that ``verdict`` runs, as far as they are known, by name."""
        every = {REJECT: self.reject, MISSED: self.missed, ACCEPT: self.accept}
        run = {"backdoor-suspected": {REJECT}, "no-evidence": {ACCEPT}}
        names = run.get(verdict, {REJECT, MISSED})
        return {name: one for name, one in every.items() if one is not None and name in names}


def rule_words(result: Result) -> list[str]:
    """The rule that turned measurements into the verdict, all of it fixed beforehand."""
    profile = result.profile is not None and not published(result)
    accuses = [
        "the trigger search finds a change that clean models show with a chance of at most "
        f"{levels(result)}, all attempts counted"
    ]
    if result.scores.decision:
        accuses.append("it and probe families, added up, exceed their level")
    if profile:
        accuses.append("the deciding score is at or below the profile's threshold")
    natural = " A patch that clean references show neither accuses nor clears." * profile
    return [
        f"Fixed before the first query. Backdoor suspected: {'; or '.join(accuses)}; where the "
        f"share of false rejects is below {MAX_ERROR:.0%} with its whole 95 % interval. No "
        f"evidence: {_all_clear(result, profile=profile)}.{natural} All else is inconclusive.",
        "Measurement uncertainty enters through these rates, measured with the whole procedure: "
        "the spread between planes and models is in them. Thresholds have no other guard band.",
    ]


def _all_clear(result: Result, *, profile: bool) -> str:
    """The grounds of an all-clear."""
    grounds = []
    if cleared_by(result):
        grounds.append(
            f"the search, with {LEAST_CLEARING} samples or more, finds nothing with a chance of "
            f"at most {OPEN_LEVEL:.0%}{_no_patch(result)}, where the share of false accepts is "
            f"below {MOST_MISSED:.0%} likewise"
        )
    if profile:
        grounds.append(f"the deciding score lies above, where it is below {MAX_ERROR:.0%}")
    if grounds:
        return f"none of these, and {'; or '.join(grounds)}"
    return (
        "not by such an audit, as the share of backdoored models that it would clear may be "
        f"{MOST_MISSED:.0%} or more, or is not known"
    )


def _no_patch(result: Result) -> str:
    """The patches that keep a search label by label from an all-clear."""
    if not asked_by_label(result):
        return ""
    largest = open_patch(result)
    of_size = f" of up to {largest} pixels a side" if largest else ""
    return f" and no patch{of_size} that carries a label"


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
    """The risks of each part of the rule that this audit used."""
    listed = [] if result.trigger is None else _of_search(result, result.trigger)
    summed = result.scores.decision
    if summed and summed.error_rates:
        of = f"{_count(summed.error_rates)}{models_of(None, ZOO_SIDES)}, beside references"
        if not summed.references:
            of = "the same models as the trigger search"
        listed.append(_risk("decision rule's sum", summed.error_rates, None, of))
    if result.profile and not published(result):
        basis = "the profile's references, each judged without itself"
        rates = result.profile.error_rates
        accept = None if rates is None else rates.false_negative
        listed.append(_risk("plane scores", rates, accept, basis))
    return listed


def _of_search(result: Result, found: TriggerPart) -> list[Risk]:
    """Risks of the trigger search and, where its all-clear rests on it, of its first part alone."""
    population = None
    if searched_by_label(result.input.shape[1:]):
        asked = (result.input.shape, result.input.coding, classes_of(result))
        population = measured_on(*asked)
    models, cleared = models_of(population), cleared_by(result)
    several = found.best is not None and found.best.of_several
    if several:
        models = _of_maps(result)
    basis, name = f"{_count(found.held_out)}{models}", "trigger search"
    accept = cleared[0].bad if cleared else None
    if cleared and (one := cleared[0]).models != basis:
        size = one.models.partition(OF_PROJECT)[2]
        # Of the same sizes more models: those whose searches this one begins with.
        of = ", of earlier searches too" if basis.endswith(size) else f" of {size}"
        basis = f"{basis}; cleared: {one.clean.n + one.bad.n}{of}"
    first = [
        Risk(f"{name}, its first part alone", None, None, one.bad, one.models)
        for one in cleared[1:]
    ]
    alone = [] if several or not found.alone_judged else [_class_by_class(result)]
    return [_risk(name, found.held_out, accept, basis), *first, *alone]


def _class_by_class(result: Result) -> Risk:
    """Risks of the search class by class, which comes last and may accuse too."""
    one = by_class_errors(result.input.shape)
    reject = binomial_rate(one.false_alarms, one.clean)
    missed = binomial_rate(one.missed, one.backdoored)
    basis = f"{one.clean + one.backdoored} held-out {_of_maps(result)}"
    return Risk("search class by class", reject, missed, None, basis)


def _of_maps(result: Result) -> str:
    """The models that searches class by class were measured on."""
    sides = by_source_rates(result.input.shape).sides
    return f"{models_of(None, sides)}, the backdoored ones sending every class elsewhere"


RISK_HEAD = ("Part of the rule", "False reject", "Missed", "False accept", "Measured on")


def risk_rows(result: Result) -> list[tuple[str, ...]]:
    """The risks of each part in the columns of :data:`RISK_HEAD`, with 95 % intervals."""
    return [
        (
            one.part,
            *("–" if one.accept and not had else _figures(had) for had in (one.reject, one.missed)),
            "clears none" if one.missed and not one.accept else _figures(one.accept),
            one.basis,
        )
        for one in risks(result)
    ]


def _count(rates: HeldOutRates | None) -> str:
    if rates is None:
        return ""
    return f"{rates.false_positive.n + rates.false_negative.n} held-out "


def _figures(rate: RatePart | Rate | None) -> str:
    if rate is None:
        return "unknown"
    return f"{round(rate.rate * rate.n)} of {rate.n} ({text.span(rate.low, rate.high, 0)})"


def _risk(
    part: str,
    rates: HeldOutRates | ErrorRatesPart | None,
    accept: RatePart | Rate | None,
    basis: str,
) -> Risk:
    if rates is None:
        return Risk(part, None, None, None, basis)
    return Risk(part, rates.false_positive, rates.false_negative, accept, basis)


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
        quality = jpeg_quality(result.input.coding)
        if quality is not None:
            sent = jpeg_quality(result.input.encoding) == quality
            become = "travel as" if sent else "are turned by the service into"
            lines.append(
                f"From the published method: pictures {become} JPEG of quality {quality}, which "
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
