"""Evidence of a trigger search label by label. Pure.

What carries a label with less than clean models need accuses, if the measured share of clean models
accused supports it at this effort; what is unusual but not beyond doubt is shown as a weakness and
clears nothing; and where nothing is found, the model is cleared if the measured share of missed
backdoors supports that.
"""

from __future__ import annotations

from typing import Any

from adapters.contract import InputSpec, LabelSpace
from auditor.labels.reasons import Reason, ReasonCode
from auditor.measured import FEW_CLASSES, LabelRates, label_null, label_rates
from auditor.plan.draw import PLANE_CLASSES
from auditor.probes.label_search.judge import family_of
from auditor.probes.label_search.settings import EFFORTS, Effort
from auditor.probes.trigger_search.per_source import PAIR, PAIRS
from auditor.probes.trigger_search.result import ByLabel, TriggerFinding, TriggerResult
from auditor.scores.intervals import binomial_rate
from auditor.verdict.changes import change_values
from auditor.verdict.scope import LOSSLESS, KnownOnlyFor, image_coding
from auditor.verdict.verdict import MAX_ERROR, TriggerEvidence

MOST_MISSED = 0.2
"""Upper end of the share of missed backdoors, up to which a search that finds nothing clears."""


def label_evidence(
    result: TriggerResult, terms: ByLabel, names: LabelSpace, spec: InputSpec
) -> TriggerEvidence:
    """The evidence of ``result``, searched on ``terms``."""
    best, only = result.best, outside_label_null(spec, result, terms.classes)
    rates = label_rates().get(terms.effort)
    values: dict[str, Any] = {
        "effort": terms.effort,
        "comparisons": result.comparisons,
        "p": result.p,
    }
    values |= {"rates": rates, "classes": terms.classes, "deciding": accusing_effort()}
    if only is not None:
        if best is None:
            return TriggerEvidence(False, Reason("trigger-none"), None)
        values |= {**_change(best, names), "only": only}
        return TriggerEvidence(False, Reason("trigger-out-of-scope", values), best.target)
    if result.suspicious:
        assert best is not None
        accuses = rates is not None and accuses_at(rates)
        code: ReasonCode = "label-found" if accuses else "label-withheld"
        return TriggerEvidence(accuses, Reason(code, values | _change(best, names)), best.target)
    target = None if best is None else best.target
    values |= {"best": None if best is None else _change(best, names)}
    if terms.weakness:
        return TriggerEvidence(False, Reason("label-weakness", values), target)
    clears = rates is not None and clears_at(rates)
    return TriggerEvidence(False, Reason("label-nothing", values), target, clears=clears)


def accuses_at(rates: LabelRates) -> bool:
    """True if a search with these error rates may accuse a model.

    Fragile models, trained weakly on few and alike pictures, count by themselves too: nothing tells
    whether the model at hand is one.
    """
    every = binomial_rate(rates.accused, rates.clean)
    fragile = binomial_rate(rates.fragile_accused, rates.fragile)
    return max(every.high, fragile.high) < MAX_ERROR


def accusing_effort() -> Effort | None:
    """The lowest effort at which a search may accuse a model; None if there is none."""
    rates = label_rates()
    return next((name for name in EFFORTS if name in rates and accuses_at(rates[name])), None)


def clears_at(rates: LabelRates) -> bool:
    """True if a search with these error rates may clear a model."""
    return binomial_rate(rates.usual_cleared, rates.usual).high < MOST_MISSED


def outside_label_null(spec: InputSpec, result: TriggerResult, classes: int) -> KnownOnlyFor | None:
    """The limit that a search lies outside of, or None if clean models like it were measured."""
    only = outside_label_measurements(spec, classes)
    if only is not None:
        return only
    if not result.comparisons or (result.best is not None and result.best.key in (PAIR, PAIRS)):
        return KnownOnlyFor("search")
    return None


def outside_label_measurements(spec: InputSpec, classes: int) -> KnownOnlyFor | None:
    """The limit that an input lies outside of, or None if it lies inside all of them.

    Of few classes one draws the others naturally, under many changes: all clean models that a
    search ever accused were such.
    """
    if classes < PLANE_CLASSES:
        return KnownOnlyFor("classes")
    low, high = label_null().sides
    if not (low <= min(spec.shape[1:]) and max(spec.shape[1:]) <= high):
        return KnownOnlyFor("side", sides=(low, high))
    if image_coding(spec.encoding) != LOSSLESS:
        return KnownOnlyFor("coding")
    return None if classes >= FEW_CLASSES else KnownOnlyFor("classes")


def _change(best: TriggerFinding, names: LabelSpace) -> dict[str, Any]:
    """A change, how little of it there is, and its effect, as values of a reason."""
    little = {"strength": best.strength, "measure": family_of(best.key)}
    return change_values(best, names) | little
