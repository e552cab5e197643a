"""The effort that could decide what an audit left open, and the queries that a search needs."""

from __future__ import annotations

from auditor.measured import FEW_CLASSES, LabelRates, label_null, label_rates, search_queries
from auditor.probes.label_search.settings import EFFORTS, searched_by_label
from auditor.report.result.result import Result
from auditor.verdict.label_evidence import accusing_effort
from auditor.verdict.scope import LOSSLESS, image_coding


def deciding_effort(result: Result) -> tuple[str, LabelRates] | None:
    """The effort above the audit's own from which a search accuses, and its measured rates.

    None if there is none, or if such pictures, codings or numbers of classes were not measured.
    """
    effort, own = accusing_effort(), result.settings.effort
    sides, (low, high) = result.input.shape[1:], label_null().sides
    classes = {label for plane in result.planes for label in plane.triplet_classes}
    measured = (
        low <= min(sides)
        and max(sides) <= high
        and image_coding(result.input.encoding) == LOSSLESS
        and len(classes) >= FEW_CLASSES
    )
    order = [*EFFORTS]
    if not measured or effort is None or order.index(effort) <= order.index(own):  # type: ignore[arg-type]  # reports hold any text
        return None
    return effort, label_rates()[effort]


def search_cost(result: Result) -> int | None:
    """Queries of a search like the audit's that finds nothing; None if that was not measured."""
    if not searched_by_label(result.input.shape[1:]):
        return round(search_queries().not_found.mean)
    rates = label_rates().get(result.settings.effort)
    return None if rates is None else rates.not_found
