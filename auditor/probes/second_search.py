"""A second search before a trigger search accuses.

Success alone misleads on fragile models: clean networks of few, alike photographs let strong fields
and warps, and sometimes few grey levels, carry a label. What was planted works far weaker. So in
the search for the most successful change of small pictures, a change of the whole picture accuses
only if the least strength for its label is small as well. Any other finding near its level, of
either search, accuses only if a second, independent one, on other halves of the samples, finds it
again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from auditor.probes.label_search.judge import AccusingLimits
from auditor.probes.label_search.search import PATCHES, cells_of, keys
from auditor.probes.label_search.settings import EFFORTS, LabelSearchSettings
from auditor.probes.trigger_search.judge import SIGNIFICANCE, natural
from auditor.probes.trigger_search.result import TriggerFinding, TriggerResult

SURE = 0.1
"""Part of the level up to which one search is enough."""
SECOND_STREAM = 1_000_003
"""Added to the seed."""
AGAIN = 4
"""Factor of the level up to which a second search label by label finds a change again."""
_ADDED = ("field4", "field8")
DEEPER = 2
"""Factor of the draws and places of a second search label by label."""
FAMILIES: Mapping[str, tuple[str, ...]] = {
    "field": _ADDED, "noise": _ADDED, "blend": _ADDED, "wave": _ADDED, "warp": ("warp",),
    "quantise": (),
}  # fmt: skip
"""Families whose least strength tells of a kind of change of the whole picture; that of fewer grey
levels is searched for in any case."""
WEAK = AccusingLimits(0.01, {"weak-field4": 3.3, "weak-field8": 3.3, "weak-warp": 0.8, "grey": 6.5})
"""How weak such a change may be to accuse."""


def borderline(found: TriggerResult, level: float) -> bool:
    """True if ``found`` is suspicious at ``level`` by less than a factor of ten."""
    return found.suspicious and found.p is not None and found.p > SURE * level


def weakest(found: TriggerResult) -> LabelSearchSettings | None:
    """Settings of a search for the least strength of what ``found`` accuses by; None of a patch."""
    assert found.best is not None
    families = FAMILIES.get(found.best.kind)
    if families is None:
        return None
    return replace(EFFORTS["thorough"], random_draws=0, families=families, patch_sides=())


def same_kind(key: str, settings: LabelSearchSettings, deeper: int = DEEPER) -> LabelSearchSettings:
    """``settings`` of a search label by label for changes of ``key`` alone.

    Random changes of every kind are drawn if it is one, and fewer grey levels are tried always.

    Args:
        key: the kind.
        settings: of the first search.
        deeper: factor of its draws and places. A search finds what was planted by chance, and one
            that is no deeper than the first loses much of what that found.
    """
    family, _, name = key.partition("-")
    return replace(
        settings,
        random_draws=deeper * settings.random_draws if family == "random" else 0,
        families=(name,) if family == "weak" else (),
        strength_draws=deeper * settings.strength_draws,
        patch_sides=(cells_of(key),) if family in PATCHES else (),
        place_draws=deeper * settings.place_draws,
        focus=tuple((deeper * draws, places) for draws, places in settings.focus),
        places=deeper * settings.places,
        arms=deeper * settings.arms,
    )


def most_of_same_kind(settings: LabelSearchSettings, samples: int, deeper: int = DEEPER) -> int:
    """More than :func:`same_kind` of any finding of a search with ``settings`` asks."""
    return max(same_kind(key, settings, deeper).most_queries(samples) for key in keys(settings))


def again_limits(limits: AccusingLimits) -> AccusingLimits:
    """Limits of a second search label by label after a first one with ``limits``."""
    return replace(limits, level=AGAIN * limits.level)


def confirm(first: TriggerResult, second: TriggerResult) -> TriggerResult:
    """``first``, suspicious only if ``second`` found the same; with the queries of both."""
    assert first.best is not None
    if second.by_label is None:
        again = any(_same(first.best, one) for one in second.findings)
    else:
        again = second.suspicious and _target(second) == first.best.target
    spent = Counter(first.spent) + Counter({"second": second.queries})
    first = replace(first, queries=first.queries + second.queries, spent=dict(spent))
    return first if again else _held_back(first)


def _held_back(first: TriggerResult) -> TriggerResult:
    """``first`` without its accusation."""
    best = first.best
    assert best is not None
    held = replace(best, unconfirmed=True)
    others = tuple(one for one in first.findings if one is not best)
    terms = None if first.by_label is None else replace(first.by_label, weakness=True)
    findings = (held, *others)
    return replace(first, suspicious=False, best=held, findings=findings, by_label=terms)


def _target(found: TriggerResult) -> int | None:
    return None if found.best is None else found.best.target


def _same(best: TriggerFinding, other: TriggerFinding) -> bool:
    """True if ``other`` is of the kind and label of ``best``, and rare on clean models."""
    alike = (other.kind, other.target) == (best.kind, best.target)
    rare = other.p is not None and other.p <= SIGNIFICANCE
    return alike and rare and not natural(other.key, other.success)
