"""The first screen of a report: verdict, reason, certainty, gaps, next steps. Plain text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from auditor.measured import FEW_CLASSES
from auditor.probes.label_search.fresh import CARRIES
from auditor.report.result.base import HeldOutRates, RatePart
from auditor.report.result.judgement import ErrorRatesPart
from auditor.report.result.result import Result
from auditor.report.result.trigger import FindingPart, TriggerPart
from auditor.report.wording import text
from auditor.report.wording.deciding import (
    all_clear_need,
    clearing_search,
    own_rates,
    rates_of,
    tasks_measured,
    withheld,
)
from auditor.report.wording.label_reasons import of_before
from auditor.report.wording.phrases import KNOWN_ONLY
from auditor.report.wording.resume import cap_ended
from auditor.report.wording.search import (
    NOT_MEASURED,
    asked_by_label,
    by_label,
    by_least,
    clean_models,
    exceeds,
    hits,
    kind_title,
    kinds_tried,
    moved,
    strongest,
)
from auditor.report.wording.steps import steps
from auditor.report.wording.terms import called, deciding, found_trigger, pairs, score_title
from auditor.report.wording.text import first, safe_text
from auditor.report.wording.triggers import TRIGGER_KINDS, change, unlike_natural
from auditor.report.wording.verdict import wording
from auditor.verdict.clearing import LEAST_CLEARING, Need
from auditor.verdict.label_scope import usual_cleared
from auditor.verdict.verdict import MAX_FLIP_RATE, MIN_ACCURACY


@dataclass(frozen=True)
class Summary:
    """A report on one screen.

    Attributes:
        title: the verdict.
        tone: class name that colours it.
        plain: the verdict as a sentence.
        reason: the one reason.
        sure: its certainty, with counts.
        uncovered: what it does not cover.
        steps: what to do next, the first first.
    """

    title: str
    tone: str
    plain: str
    reason: str
    sure: str
    uncovered: str
    steps: tuple[str, ...]


def summary(result: Result) -> Summary:
    """The first screen of ``result``."""
    words = wording(result)
    return Summary(
        words.title, words.tone, words.plain, _reason(result), _sure(result), _uncovered(result),
        tuple(steps(result)),
    )  # fmt: skip


# ---- the reason --------------------------------------------------------------------------------


def _reason(result: Result) -> str:
    if result.verdict == "backdoor-suspected":
        return _suspicion(result)
    if result.verdict == "no-evidence":
        return _nothing(result)
    return _obstacle(result)


def _suspicion(result: Result) -> str:
    found, best, summed = result.trigger, found_trigger(result), result.scores.decision
    if found is not None and best is not None:
        return _carries(result, found, best)
    if summed is not None and summed.suspicious and summed.targets:
        return (
            f"Trigger search and other probes add up for “{called(result, summed.targets[0])}” to "
            f"more than clean models show (p = {summed.p:.1g})."
        )
    return _by_score(result)


def _by_score(result: Result) -> str:
    one = deciding(result)
    if one is None:
        return first(result.verdict_reason)
    side = "at or below" if one.at_or_below else "above"
    return (
        f"{score_title(one.score)}, the deciding score, is {text.score(one.value)}: {side} the "
        f"threshold {text.score(one.threshold)} between clean and backdoored reference models."
    )


def _carries(result: Result, found: TriggerPart, best: FindingPart) -> str:
    beside = exceeds(result, found)
    said = f"{_changed(best)} sends {moved(best)} to “{called(result, best.target)}”"
    if best.of_several:
        return f"{_changed(best)} sends {pairs(result)}."
    return f"{said}; {beside}." if beside else f"{said}."


def _changed(best: FindingPart) -> str:
    words = TRIGGER_KINDS.get(best.family)
    if words is None:
        return safe_text(best.family, 40)
    if best.family == "patch":
        apart = unlike_natural(best)
        return f"A patch of {best.size} × {best.size} pixels{apart}{',' if apart else ''}"
    phrase = words.phrase.format(size=best.size)
    measure = {"warp": "pixels of shift", "quantise": ""}.get(best.family, "of 255 grey levels")
    strength = f", {best.strength:.0f} {measure}," if by_least(best) and measure else ""
    return _capital(phrase) + strength


def _nothing(result: Result) -> str:
    found = result.trigger
    if found is None:
        return _by_score(result)
    return _tried(result, found)


def _tried(result: Result, found: TriggerPart) -> str:
    best, kinds = found.best, text.plural(kinds_tried(found), "kind")
    # The reason says so of inputs that no clean model was searched with.
    unknown = KNOWN_ONLY in found.reason
    beyond = "what clean models show is not known for such pictures" if unknown else ""
    said = f"{kinds} of change tried, {beyond or 'none beyond what clean models show'}"
    if best is None:
        return f"{said}{_strongest(result, found)}."
    if not best.success.hits:
        return f"{said}."
    clean = NOT_MEASURED if unknown else clean_models(result, best)
    beside = "" if clean == NOT_MEASURED else f" (clean models: {clean})"
    return (
        f"{said}: the strongest, {_lower(change(best).partition(',')[0])}, sends {hits(best)} to "
        f"“{called(result, best.target)}”{beside}."
    )


def _strongest(result: Result, found: TriggerPart) -> str:
    """The change of a search label by label that moves most, where none carries a label."""
    best = strongest(found)
    if best is None:
        return ""
    beside = f" (clean models: {clean_models(result, best)})"
    if by_least(best):
        beside = f"; a trigger moves {math.ceil(CARRIES * best.success.samples)} or more"
    return f": the strongest, {kind_title(best)}, moves {hits(best)} samples{beside}"


def _lower(words: str) -> str:
    return words[:1].lower() + words[1:]


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _obstacle(result: Result) -> str:
    """The first obstacle to a verdict."""
    found, queries = result.trigger, result.queries
    if result.contradictions:
        return first(result.contradictions[0].reason)
    if result.canaries is not None and (result.canaries.rate or 0.0) > MAX_FLIP_RATE:
        repeats = result.canaries
        return (
            f"The answers change: asked again, {repeats.flipped} of {repeats.asked} inputs got "
            "another label."
        )
    accuracy = result.samples.accuracy
    if accuracy is not None and accuracy < MIN_ACCURACY:
        return (
            f"The model labels only {text.percent(accuracy, 0)} of the clean samples as given: "
            "something about the inputs may be wrong."
        )
    if result.partial:
        how = "The query budget ran out" if queries.budget_reached else "The audit was interrupted"
        cap = f" {cap_ended(result)}" if queries.budget_reached else ""
        return f"{how} before its end: {_finished(result)}.{cap}"
    if found is None:
        return "No trigger search was made, and plane scores alone tell nothing without references."
    return _search_without_verdict(result, found)


def _finished(result: Result) -> str:
    planes = f"{len(result.planes)} of {result.settings.planes} planes answered"
    return planes if result.trigger else f"{planes}, the trigger search not finished"


def _search_without_verdict(result: Result, found: TriggerPart) -> str:
    best = found.best
    if not result.settings.planes and own_rates(result) is None:
        tried = _tried(result, found) if best is None else _carries(result, found, best)
        where = "at this effort" if rates_of(result) else "on such pictures"
        return (
            f"{tried} With two classes that decides nothing: no clean models were measured {where}."
        )
    if best is not None and found.natural:
        # The reason names the profile whose references show the patch, if there is one.
        of_profile = "of profile" in found.reason
        show = "references of the profile show" if of_profile else "networks can show"
        such = "patches" if best.family == "patch" else "changes"
        return f"{_carries(result, found, best)} But clean {show} such {such} too."
    if best is not None and withheld(result, found):
        rates = own_rates(result)
        measured = "that was not measured"
        if rates is not None:
            measured = f"{rates.accused} of {rates.clean} clean models were accused"
        return (
            f"{_carries(result, found, best)} Such a search is not yet safe enough to accuse "
            f"by: {measured}."
        )
    need = all_clear_need(result)
    if best is not None and best.of_several:
        few = "Few clean models have such a patch: it may be natural or planted."
        return f"{_carries(result, found, best)} {few}"
    if best is not None and need == "unusual" and by_label(best):
        spot = "Few clean models have such a weak spot: it may be natural or planted."
        return f"{_carries(result, found, best)} {spot}"
    lacks = LACKS.get(need, "That is too little to call the model clean.")
    return f"{_tried(result, found)} {lacks}"


LACKS: Mapping[Need | None, str] = {
    "unusual": "One of them is too unusual among clean models to call this one clean.",
    "samples": f"To call the model clean, {LEAST_CLEARING} samples or more are needed.",
    "classes": f"To call the model clean, samples of {FEW_CLASSES} classes or more are needed.",
    "coding": "To call the model clean, the pictures must reach it without loss.",
}
"""What keeps a search of small pictures without suspicion from clearing the model."""


CUT_OFF = "Not at all: what was not asked yet can still change the answer."
NO_RATES = "Not known: no error rates were measured for audits like this one."


# ---- certainty and gaps ------------------------------------------------------------------------


def _sure(result: Result) -> str:
    said = _certainty(result)
    of = "" if said in {CUT_OFF, NO_RATES} else tasks_measured(result)
    return f"{said} {of}".strip()


def _certainty(result: Result) -> str:
    found, summed = result.trigger, result.scores.decision
    rates: HeldOutRates | ErrorRatesPart | None = None if found is None else found.held_out
    what = "such a search"
    if found_trigger(result) is None and summed is not None and summed.error_rates is not None:
        rates, what = summed.error_rates, "this rule"
    if rates is None and result.verdict != "inconclusive" and result.profile is not None:
        rates, what = result.profile.error_rates, "this profile"
    if result.verdict == "backdoor-suspected":
        return _sure_of_suspicion(result, rates, what)
    if result.partial and result.verdict == "inconclusive":
        return CUT_OFF
    missed = None if rates is None else rates.false_negative
    if missed is None:
        return NO_RATES
    if result.verdict == "no-evidence":
        return f"Not certain: {_passed(result, missed, what)}, so one may still be there."
    accused = rates.false_positive if rates is not None else None
    also = "" if accused is None else f" and accused {counted(accused)} clean models"
    known = f"{missed.n - missed.count} of {missed.n} known backdoors"
    own = own_rates(result) if asked_by_label(result) else None
    name = own.measured_at if own is not None and own.measured_at else result.settings.effort
    effort = f" at effort {name}" if asked_by_label(result) else ""
    return f"No answer to be sure of: {what}{effort} found {known}{also}."


def _passed(result: Result, missed: RatePart, what: str) -> str:
    """Known backdoors that such an audit ends without evidence of.

    A search label by label also ends undecided: those it missed are more than those it cleared.
    """
    rates = own_rates(result) if asked_by_label(result) else None
    small = clearing_search(result)
    more = ""
    if rates is not None:
        cleared = "{} also cleared {} of {}".format(what, *usual_cleared(rates))
        more = of_before(rates)
    elif small is not None:
        cleared = f"such a search also cleared {small.missed} of {small.backdoored}"
    else:
        return f"{what} missed {counted(missed)} known backdoors"
    return f"{cleared} models with a known backdoor{more}"


def _sure_of_suspicion(
    result: Result, rates: HeldOutRates | ErrorRatesPart | None, what: str
) -> str:
    accused = None if rates is None else rates.false_positive
    found, summed = result.trigger, result.scores.decision
    p = found.p if found is not None and found.suspicious else summed.p if summed else None
    # A few dozen clean photo models tell no small chance: their count alone is said.
    few = found is not None and found.best is not None and by_label(found.best)
    chance = "" if p is None or few else f"{_one_in(p)} clean models would show this. "
    if accused is None:
        return chance.strip() or NO_RATES
    most = "" if accused.high is None else f"; up to {accused.high:.0%} cannot be excluded"
    return f"{chance}{_capital(what)} wrongly accused {counted(accused)} clean models{most}."


def _one_in(p: float) -> str:
    """A chance in natural frequencies: ``About 1 in 800``; no smaller than some hundred models
    tell.
    """
    if p < 0.001:
        return "Fewer than 1 in 1,000"
    many = 1.0 / p
    size = 10 ** max(0, len(str(int(many))) - 2)
    return f"About 1 in {text.count(round(many / size) * size)}"


def counted(rate: RatePart) -> str:
    """``1 of 40``."""
    return f"{rate.count} of {rate.n}"


def _uncovered(result: Result) -> str:
    gaps = []
    if result.trigger is None:
        gaps.append("triggers, as no search for them was finished")
    else:
        gaps += ["triggers of other kinds or sizes", "backdoors in one class only"]
    gaps += ["later versions of the model", "a service that recognises an audit"]
    return f"{_capital('; '.join(gaps))}."
