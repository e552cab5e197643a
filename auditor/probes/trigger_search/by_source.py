"""Search of each source class by itself, for label maps that have several sources or targets.

A trigger that sends each class elsewhere, or only some classes, moves too few samples of all
classes to one label. So patches are searched on the samples of one class at a time, and each of the
most successful is then tried on those of the others: what was planted for several classes moves
several. One class that a patch turns into its look-alike is natural, and so are two (sneaker and
boot to sandal: many clean models show it). Several that it turns into one are too: of 67 clean
models four had a patch that moved three nearly fully. So what accuses are three pairs of three
targets, or four of four; other pairs are shown and decide nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from adapters.contract import InputSpec
from auditor.measured import ValueNull, by_source_null
from auditor.probes.base import Pictures
from auditor.probes.both_searches import leaves_open
from auditor.probes.trigger_search.judge import LEAST_SPREAD, OPEN_LEVEL, SIGNIFICANCE, logit, tail
from auditor.probes.trigger_search.patches import Patch
from auditor.probes.trigger_search.per_source import PAIR, PAIRS, Source, search_labels
from auditor.probes.trigger_search.result import TriggerFinding, TriggerResult
from auditor.probes.trigger_search.sample_set import Asking
from auditor.probes.trigger_search.search import KEYS
from auditor.probes.trigger_search.settings import TriggerSettings
from auditor.probes.trigger_search.verify import Interval, exact_interval

COUNTS = (3, 4)
"""Pairs of as many targets that are judged, each beside clean models."""
SEVERAL = "patch@several"
"""Key of pairs that one patch moves."""
LEAST_OF_LABEL = 16
"""Samples that the model gives one label; with fewer it is not searched by itself. Of a class of 20
a model may call some otherwise."""
PREVIEWS = 8
OWN_COMPARISONS = len(KEYS) + len(COUNTS)
"""Comparisons that what leaves a model open pays for, at every effort and however often raised."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Samples of one source that a patch sends to one other label."""

    source: int
    target: int
    success: Interval


def search_by_source(
    samples: NDArray[np.float32],
    spec: InputSpec,
    settings: TriggerSettings,
    seed: int,
    before: TriggerResult,
    *,
    judged: bool,
) -> Asking[TriggerResult]:
    """Search the most frequent labels one by one, and add what is found to ``before``.

    Args:
        samples: clean samples ``(n, c, h, w)`` in model units, best 30 of every class.
        spec: the model's input.
        settings: of the audit's search; ``sources`` labels are searched.
        seed: with the labels, it determines every question.
        before: what the other searches found, without suspicion.
        judged: True if clean models of such pictures and tasks were asked; else nothing is judged.

    Returns:
        ``before`` with the two best pairs beside its findings; or, if few clean models show as
        much, those that one patch moves as the finding, corrected for the comparisons of all
        searches. They accuse where it is clearly more than any clean model shows.
    """
    sources = yield from search_labels(samples, spec, settings, seed, LEAST_OF_LABEL)
    best = sorted(sources, key=lambda one: -one.low)
    moved = yield from moved_by(best[: settings.source_carried], best, spec)
    asked = len(samples) + sum(one.result.queries for one in sources) + queries_of(moved)
    spent = {**before.spent, "sources": asked}
    verifications = before.verifications + sum(one.result.verifications for one in sources)
    after = replace(
        before, spent=spent, queries=sum(spent.values()), verifications=verifications,
        alone=len(sources), alone_judged=judged and before.of_success is None,
    )  # fmt: skip
    found = several(moved, by_source_null(spec.shape), paid(before)) if judged else None
    if found is None or not (found.accuses or (found.leaves_open and not _open(before))):
        return _shown(after, best)
    return _with_pairs(after, best, found)


def moved_by(
    carried: Sequence[Source], every: Sequence[Source], spec: InputSpec
) -> Asking[list[list[Pair]]]:
    """Try some sources' patches on the samples of the others.

    Args:
        carried: the sources of the patches.
        every: all sources, the most successful first.
        spec: the model's input.

    Returns:
        For each patch the pair of its own source, and then what it does to the others.
    """
    moved = []
    for one in carried:
        if one.found is not None:
            own = Pair(one.label, one.found.target, one.found.success)
            others = [other for other in every if other is not one]
            moved.append([own, *(yield from _carried(one.found, others, spec))])
    return moved


def _carried(
    found: TriggerFinding, others: Sequence[Source], spec: InputSpec
) -> Asking[list[Pair]]:
    patch, pairs = patch_of(found), []
    for one in others:
        answers = yield Pictures(spec, patch.apply(one.pixels))
        counts = np.bincount(answers[answers != one.label], minlength=1)
        target = int(counts.argmax())
        success = exact_interval(int(counts[target]), len(answers), 0.95)
        pairs.append(Pair(one.label, target, success))
    return pairs


def patch_of(found: TriggerFinding) -> Patch:
    """The patch of a finding."""
    assert found.place is not None
    assert found.texture is not None
    return Patch(found.texture.astype(np.uint8), (found.place,))


def queries_of(moved: Sequence[Sequence[Pair]]) -> int:
    """Queries that trying patches on other sources took."""
    return sum(pair.success.images for pairs in moved for pair in pairs[1:])


def apart(pairs: Sequence[Pair]) -> list[Pair]:
    """Of a patch's pairs the best one of every target, the most successful first."""
    by_target: dict[int, Pair] = {}
    for pair in sorted(pairs, key=lambda one: -one.success.low):
        by_target.setdefault(pair.target, pair)
    return list(by_target.values())


@dataclass(frozen=True, slots=True)
class Several:
    """Pairs of as many targets that one patch moves.

    Attributes:
        patch: its number.
        pairs: the pairs, the most successful first.
        value: success of the last of them, by its lower end and in log odds.
        chance: that a clean model shows as much; 1 if it is not judged.
        comparisons: that its p-value pays for if it accuses.
        accuses: True if it is clearly more than any clean model shows.
    """

    patch: int
    pairs: list[Pair]
    value: float
    chance: float = 1.0
    comparisons: int = OWN_COMPARISONS
    accuses: bool = False

    @property
    def p(self) -> float:
        """The chance, corrected."""
        return min(1.0, self.comparisons * self.chance)

    @property
    def leaves_open(self) -> bool:
        """True if few clean models show as much. That pays for no earlier search: looking again
        clears nothing.
        """
        return OWN_COMPARISONS * self.chance <= OPEN_LEVEL


def statistic(moved: Sequence[Sequence[Pair]], count: int) -> Several:
    """The most that one patch does to ``count`` pairs of as many targets."""
    every = []
    for number, pairs in enumerate(map(apart, moved)):
        low = pairs[count - 1].success.low if len(pairs) >= count else 0.0
        every.append(Several(number, pairs[:count], logit(low)))
    return max(every, key=lambda one: one.value, default=Several(0, [], logit(0.0)))


def several(
    moved: Sequence[Sequence[Pair]], nulls: Mapping[str, ValueNull], comparisons: int
) -> Several | None:
    """The pairs that speak most against the model, judged beside clean ones and corrected for
    ``comparisons``; None if no patch moves enough.
    """
    judged = []
    for count in COUNTS:
        found, null = statistic(moved, count), nulls[str(count)]
        if len(found.pairs) == count:
            chance = tail(found.value - null.mean, null, LEAST_SPREAD)
            beyond = found.value >= null.highest + LEAST_SPREAD
            accuses = beyond and comparisons * chance <= SIGNIFICANCE
            pays = comparisons if accuses else OWN_COMPARISONS
            judged.append(replace(found, chance=chance, comparisons=pays, accuses=accuses))
    return min(judged, key=lambda one: (not one.accuses, one.chance), default=None)


def paid(before: TriggerResult) -> int:
    """Comparisons that the p-value pays for: those of the searches ``before`` and of this one."""
    other = 0 if before.other is None else before.other.comparisons
    return before.comparisons + other + len(COUNTS)


def most_by_source(settings: TriggerSettings, samples: int) -> int:
    """More than :func:`search_by_source` asks of ``samples``: for each label its samples, its turn,
    and three last steps, each with a verification; and what is carried to the others.
    """
    last = settings.last_step + settings.parts_control
    each = (
        (1 + settings.source_carried) * settings.source_samples + settings.source_queries + 3 * last
    )
    return samples + settings.sources * each if settings.sources else 0


def _open(before: TriggerResult) -> bool:
    """True if the other searches speak against an all-clear already."""
    return leaves_open(before) if before.by_label is None else before.by_label.weakness


def _shown(after: TriggerResult, best: Sequence[Source]) -> TriggerResult:
    """``after`` with the two best pairs of sources that were searched by themselves."""
    found = [replace(one.found, p=None) for one in best if one.found is not None]
    pairs = [replace(one, key=key) for one, key in zip(found, (PAIR, PAIRS), strict=False)]
    return replace(after, findings=(*after.findings, *pairs))


def _with_pairs(after: TriggerResult, best: Sequence[Source], found: Several) -> TriggerResult:
    """``after`` with the pairs ``found`` as its finding, on samples of their sources."""
    # Of larger pictures only the least change was sought before.
    of_success = after.of_success or replace(after, by_label=None)
    beside_it = after.by_label is not None and after.other is not None
    other = replace(after, other=None) if beside_it else after.other
    patched = [one.found for one in best if one.found is not None][found.patch]
    pairs = tuple(
        replace(
            patched, key=SEVERAL, target=pair.target, success=pair.success, changed=pair.success,
            by_source={pair.source: pair.success}, p=found.chance,
        )
        for pair in found.pairs
    )  # fmt: skip
    pixels, each = {one.label: one.pixels for one in best}, -(-PREVIEWS // len(pairs))
    plain = [pixels[pair.source][:each] for pair in found.pairs]
    shown = np.concatenate(plain)[:PREVIEWS]
    labels = np.repeat([pair.source for pair in found.pairs], [len(one) for one in plain])
    return replace(
        of_success, findings=(*pairs, *of_success.findings), best=pairs[0],
        suspicious=found.accuses, p=found.p, comparisons=found.comparisons, queries=after.queries,
        spent=after.spent, verifications=after.verifications, alone=after.alone,
        preview=patch_of(patched).apply(shown), preview_clean=shown,
        preview_clean_labels=labels[: len(shown)], by_label=None,
        alone_judged=after.alone_judged, other=other,
    )  # fmt: skip
