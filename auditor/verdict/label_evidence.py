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
from auditor.probes.label_search.judge import WAVE, family_of
from auditor.probes.label_search.settings import searched_by_label
from auditor.probes.trigger_search.per_source import PAIR, PAIRS
from auditor.probes.trigger_search.result import ByLabel, TriggerFinding, TriggerResult
from auditor.verdict.changes import change_values
from auditor.verdict.clearing import LEAST_CLEARING
from auditor.verdict.label_scope import (
    accuses_at,
    accusing_effort,
    as_ruled,
    clears_at,
    measured_on,
    outside_label_measurements,
    rates_for,
)
from auditor.verdict.scope import KnownOnlyFor
from auditor.verdict.verdict import TriggerEvidence


def label_evidence(
    result: TriggerResult, terms: ByLabel, names: LabelSpace, spec: InputSpec
) -> TriggerEvidence:
    """The evidence of ``result``, searched on ``terms``."""
    best, only = result.best, outside_label_null(spec, result, terms.classes)
    small = not searched_by_label(spec.shape[1:])
    asked = (spec.shape, spec.coding, terms.classes)
    measured = rates_for(*asked)
    rates = measured.get(terms.effort)
    values: dict[str, Any] = {
        "effort": terms.effort,
        "comparisons": result.comparisons,
        "p": result.p,
        "earlier": terms.earlier,
        "looks": terms.looks,
        "rates": None if rates is None else as_ruled(rates),
        "population": measured_on(*asked),
        "deciding": accusing_effort(measured),
    }
    if only is not None:
        if best is None:
            return TriggerEvidence(False, Reason("trigger-none"), None)
        values |= {**_change(best, names), "only": only}
        return TriggerEvidence(False, Reason("trigger-out-of-scope", values), best.target)
    if best is not None and best.unconfirmed:
        reason = Reason("label-unconfirmed", values | _change(best, names))
        return TriggerEvidence(False, reason, best.target, natural=True)
    if result.suspicious:
        assert best is not None
        accuses = rates is not None and accuses_at(rates)
        code: ReasonCode = "label-found" if accuses else "label-withheld"
        of_search = {"rates": rates, "steady": small and best.key == WAVE}
        of_search = values | of_search | _change(best, names)
        return TriggerEvidence(accuses, Reason(code, of_search), best.target)
    target = None if best is None else best.target
    values |= {"best": None if best is None else _change(best, names)}
    if terms.weakness:
        return TriggerEvidence(False, Reason("label-weakness", values), target)
    may = rates is not None and clears_at(rates, after_success=small)
    clears = may and result.search_images + result.validation_images >= LEAST_CLEARING
    return TriggerEvidence(False, Reason("label-nothing", values), target, clears=clears)


def outside_label_null(spec: InputSpec, result: TriggerResult, classes: int) -> KnownOnlyFor | None:
    """The limit that a search lies outside of, or None if clean models like it were measured."""
    only = outside_label_measurements(spec, classes)
    if only is not None:
        return only
    if not result.comparisons or (result.best is not None and result.best.key in (PAIR, PAIRS)):
        return KnownOnlyFor("search")
    return None


def _change(best: TriggerFinding, names: LabelSpace) -> dict[str, Any]:
    """A change, how little of it there is, and its effect, as values of a reason."""
    little = {"strength": best.strength, "measure": family_of(best.key)}
    return change_values(best, names) | little
