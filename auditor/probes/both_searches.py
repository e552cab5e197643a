"""Two searches of small pictures as one outcome: for the most successful, then the least change.

The second is made only if the first found nothing suspicious. Each is judged by its own null, and
the share of clean models that one or the other accuses is measured for both together.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from auditor.probes.trigger_search.judge import OPEN_LEVEL, SOME_CLASSES
from auditor.probes.trigger_search.result import TriggerResult
from auditor.probes.trigger_search.search import KEYS


def both(first: TriggerResult, second: TriggerResult) -> TriggerResult:
    """The outcome of both: the one that speaks more against the model, with the other beside it.

    Args:
        first: the search for the most successful change, without suspicion.
        second: the search label by label.
    """
    weakness = second.by_label is not None and second.by_label.weakness
    first_counts = leaves_open(first) and not (second.suspicious or weakness)
    shown, other = (first, second) if first_counts else (second, first)
    return replace(
        shown,
        queries=first.queries + second.queries,
        spent=dict(Counter(first.spent) + Counter(second.spent)),
        other=other,
    )


def leaves_open(found: TriggerResult) -> bool:
    """True if a search for the most successful change speaks against an all-clear."""
    best = found.best
    if best is None or found.p is None or found.comparisons != len(KEYS):
        return True
    return found.p <= OPEN_LEVEL or best.key == SOME_CLASSES or best.unconfirmed
