"""Further searches for patches, after a search label by label that found nothing suspicious.

Which planted patches one search finds is luck to a part: of what one misses, another one of the
same kind, with other random patches on other halves of the samples, finds some. So what an audit at
``exhaustive`` asks more than one at ``thorough`` are such searches, one after the other. A fragile
model's natural patches are found more often too, but they are larger than most that were planted:
so only the smallest accuse, or somewhat larger ones that are unlike those of clean models, and the
others speak against an all-clear.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

from auditor.measured import FEW_CLASSES
from auditor.probes.label_search.judge import MOST_VALUE, AccusingLimits
from auditor.probes.label_search.settings import (
    EFFORTS,
    FINE,
    FINE_SIDE,
    LabelSearchSettings,
)
from auditor.probes.second_search import same_kind
from auditor.probes.trigger_search.result import TriggerFinding, TriggerResult

FURTHER_STREAM = 2_000_003
"""Added to the seed for every further search."""


def patches_alone(key: str, order_images: int = 0) -> LabelSearchSettings:
    """Settings of one of the further searches: for patches of ``key`` alone, as ``thorough`` has
    them, with the samples that other orders of a found one's cells are asked on.
    """
    of = FINE if key.startswith("small-fine") else EFFORTS
    alone = same_kind(key, of["thorough"], deeper=1)
    limits = STRICTER if order_images else 1.0
    return replace(alone, strength_draws=0, order_images=order_images, order_limits=limits)


SMALLEST, SUREST = 1.0, 1e-4
"""Largest patch of a further search that accuses, in doublings of a cell: two cells; and the chance
on a clean model, corrected for all kinds of change of all searches, up to which it does. None is
near the usual level then, so that no second search need find it again. Of 55 clean models of 66 to
94 pixels none had a patch below 2.3 cells that carries one label alone, or below 0.0002, in five
further searches each; of 14 backdoored ones that the first search had missed six had. Patches that
tell more than their size accuse by that chance alone."""
STRICTER = 0.5
"""Factor of the shares of pictures that other orders of its cells may move: natural patches are
found more often in five searches more. Of 64 that those found in 20 of 58 clean models two are at
0.21 and 0.24, of few cells, and the others from 0.3 on; none lies in a corner."""
SMALLEST_SIDE = 64
"""Side, in pixels, from which on they do: below it clean models need as little."""


def may_accuse(shape: Sequence[int], classes: int, *, lossy: bool) -> bool:
    """True if further searches were measured: of lossless pictures of ``shape`` ``(c, h, w)`` or
    ``(h, w)``, for a task of so many ``classes``. Elsewhere they accuse of nothing.
    """
    sized = min(shape[-2:]) >= SMALLEST_SIDE and max(shape[-2:]) < FINE_SIDE
    return sized and classes >= FEW_CLASSES and not lossy


def further_limits(
    limits: AccusingLimits, habits: AbstractSet[int], *, told: bool = False
) -> AccusingLimits:
    """``limits`` of a search that a further one follows.

    Args:
        limits: of the search before.
        habits: labels that the model falls back on, by the search before: a further one draws no
            noise.
        told: True if patches that tell more than their size may accuse as well.
    """
    telling = {"telling": MOST_VALUE["telling"]} if told else {}
    return replace(limits, level=SUREST, values={"small": SMALLEST} | telling, habits=habits)


def shown_only(limits: AccusingLimits) -> AccusingLimits:
    """The same where nothing accuses, as in plans of version 10."""
    return replace(limits, values={})


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
        findings=_best_of_each_key(shown, other),
        queries=first.queries + more.queries,
        spent=dict(Counter(first.spent) + Counter(more.spent)),
        verifications=first.verifications + more.verifications,
        by_label=replace(
            shown.by_label, weakness=first.by_label.weakness or more.by_label.weakness
        ),
    )


def _best_of_each_key(shown: TriggerResult, other: TriggerResult) -> tuple[TriggerFinding, ...]:
    """The most surprising finding of every key, that of the result that is ``shown`` first."""
    kept: dict[str, TriggerFinding] = {}
    for one in (*shown.findings, *other.findings):
        known = kept.get(one.key)
        if known is None or (known is not shown.best and _chance(one.p) < _chance(known.p)):
            kept[one.key] = one
    return tuple(kept.values())


def _chance(p: float | None) -> float:
    return 1.0 if p is None else p


def _against(found: TriggerResult) -> tuple[bool, bool, float]:
    """A key that grows with what speaks against the model in ``found``."""
    weakness = found.by_label is not None and found.by_label.weakness
    return found.suspicious, weakness, -_chance(found.p)
