"""Further searches for patches, after a search label by label that found nothing suspicious.

Which planted patches one search finds is luck to a part: of what one misses, another one of the
same kind, with other random patches on other halves of the samples, finds some. So what an audit at
``exhaustive`` asks more than one at ``thorough`` are such searches, one after the other. Each is
judged by itself, beside clean models that were searched once, and the p-value of every finding pays
for all of them (Bonferroni).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from auditor.probes.trigger_search.result import TriggerResult

FURTHER_STREAM = 2_000_003
"""Added to the seed for every further search."""


def joined(first: TriggerResult, more: TriggerResult) -> TriggerResult:
    """The outcome of both: the one that speaks more against the model, with the findings, the
    queries and the weaknesses of both.

    Args:
        first: a search label by label, or several that were joined, without suspicion.
        more: a further search of the same samples.
    """
    assert first.by_label is not None
    assert more.by_label is not None
    shown, other = (more, first) if _against(more) > _against(first) else (first, more)
    assert shown.by_label is not None
    return replace(
        shown,
        findings=(*shown.findings, *other.findings),
        queries=first.queries + more.queries,
        spent=dict(Counter(first.spent) + Counter(more.spent)),
        verifications=first.verifications + more.verifications,
        by_label=replace(
            shown.by_label, weakness=first.by_label.weakness or more.by_label.weakness
        ),
    )


def _against(found: TriggerResult) -> tuple[bool, bool, float]:
    """How much ``found`` speaks against the model; to be compared."""
    weakness = found.by_label is not None and found.by_label.weakness
    return found.suspicious, weakness, -1.0 if found.p is None else -found.p
