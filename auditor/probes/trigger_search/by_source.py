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
import scipy
from numpy.typing import NDArray

from adapters.contract import InputSpec
from auditor.measured import ValueNull, by_source_null
from auditor.probes.base import Pictures
from auditor.probes.trigger_search.judge import LEAST_SPREAD, SIGNIFICANCE, logit
from auditor.probes.trigger_search.patches import Patch
from auditor.probes.trigger_search.per_source import PAIR, PAIRS, Source, search_labels
from auditor.probes.trigger_search.result import TriggerFinding, TriggerResult
from auditor.probes.trigger_search.sample_set import Asking
from auditor.probes.trigger_search.settings import TriggerSettings
from auditor.probes.trigger_search.verify import Interval, exact_interval

COUNTS = (3, 4)
"""Pairs of as many targets that are judged, each beside clean models."""
CARRIED = 4
"""Patches that are tried on the other labels' samples."""


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
) -> Asking[TriggerResult]:
    """Search the most frequent labels one by one, and add what is found to ``before``.

    Args:
        samples: clean samples ``(n, c, h, w)`` in model units, best 30 of every class.
        spec: the model's input.
        settings: of the audit's search; ``sources`` labels are searched.
        seed: with the labels, it determines every question.
        before: what the other searches found.

    Returns:
        ``before`` with the two best pairs beside its findings; or, if clean models do not show as
        much, two of those that one patch moves as the finding, corrected for two comparisons more
        than before. Of pictures that travel as JPEG no clean model was asked, so nothing accuses.
    """
    sources = yield from search_labels(samples, spec, settings, seed)
    best = sorted(sources, key=lambda one: -one.low)
    moved = yield from moved_by(best, spec)
    asked = len(samples) + sum(one.result.queries for one in sources) + queries_of(moved)
    spent = {**before.spent, "sources": asked}
    verifications = before.verifications + sum(one.result.verifications for one in sources)
    after = replace(before, spent=spent, queries=sum(spent.values()), verifications=verifications)
    return _shown(after, best) if spec.lossy else _judged(after, best, moved)


def moved_by(best: Sequence[Source], spec: InputSpec) -> Asking[list[list[Pair]]]:
    """Try the first sources' patches on the samples of the others.

    Args:
        best: the sources, the most successful first.
        spec: the model's input.

    Returns:
        For each patch the pair of its own source, and then what it does to the others.
    """
    moved = []
    for one in best[:CARRIED]:
        if one.found is not None:
            own = Pair(one.label, one.found.target, one.found.success)
            others = [other for other in best if other is not one]
            moved.append([own, *(yield from _carried(one.found, others, spec))])
    return moved


def _carried(
    found: TriggerFinding, others: Sequence[Source], spec: InputSpec
) -> Asking[list[Pair]]:
    assert found.place is not None
    assert found.texture is not None
    patch, pairs = Patch(found.texture.astype(np.uint8), (found.place,)), []
    for one in others:
        answers = yield Pictures(spec, patch.apply(one.pixels))
        counts = np.bincount(answers[answers != one.label], minlength=1)
        target = int(counts.argmax())
        success = exact_interval(int(counts[target]), len(answers), 0.95)
        pairs.append(Pair(one.label, target, success))
    return pairs


def queries_of(moved: Sequence[Sequence[Pair]]) -> int:
    """Queries that trying patches on other sources took."""
    return sum(pair.success.images for pairs in moved for pair in pairs[1:])


def apart(pairs: Sequence[Pair]) -> list[Pair]:
    """Of a patch's pairs the best one of every target, the most successful first."""
    by_target: dict[int, Pair] = {}
    for pair in sorted(pairs, key=_low, reverse=True):
        by_target.setdefault(pair.target, pair)
    return list(by_target.values())


def statistic(moved: Sequence[Sequence[Pair]], count: int) -> tuple[float, list[Pair]]:
    """The most that one patch does to ``count`` pairs of as many targets.

    Returns:
        The success of the last of them, by its lower end and in log odds; and the pairs.
    """
    best: list[Pair] = max(map(apart, moved), key=lambda pairs: _last(pairs, count), default=[])
    return _last(best, count), best[:count]


def _last(pairs: Sequence[Pair], count: int) -> float:
    return logit(_low(pairs[count - 1]) if len(pairs) >= count else 0.0)


def _low(pair: Pair) -> float:
    return pair.success.low


def most_by_source(settings: TriggerSettings, samples: int) -> int:
    """More than :func:`search_by_source` asks of ``samples``: for each label its samples, its turn,
    and three last steps, each with a verification; and what is carried to the others.
    """
    last = settings.screen_batch * (settings.screen_images + 2) + 2 * settings.verify_images
    last += (settings.place_side - settings.small_cells + 1) ** 2 * settings.control_images
    each = (1 + CARRIED) * settings.source_samples + settings.source_queries + 3 * last
    return samples + settings.sources * each if settings.sources else 0


def chance_of(value: float, null: ValueNull) -> float:
    """Chance that a clean model shows at least a statistic ``value``."""
    spread = max(null.spread, LEAST_SPREAD) * np.sqrt(1.0 + 1.0 / null.models)
    return float(scipy.special.stdtr(null.models - 1, (null.mean - value) / spread))


def accusing(
    moved: Sequence[Sequence[Pair]], nulls: Mapping[str, ValueNull], comparisons: int
) -> tuple[float, list[Pair]] | None:
    """The chance on a clean model of what the patches move, corrected for ``comparisons``, and the
    pairs; None if it is not clearly more than any clean model's.
    """
    bad = []
    for count in COUNTS:
        (value, pairs), null = statistic(moved, count), nulls[str(count)]
        p = min(1.0, comparisons * chance_of(value, null))
        if value >= null.highest + LEAST_SPREAD and p <= SIGNIFICANCE:
            bad.append((p, pairs))
    return min(bad, key=lambda one: one[0], default=None)


def _shown(after: TriggerResult, best: Sequence[Source]) -> TriggerResult:
    """``after`` with the two best pairs of sources that were searched by themselves."""
    found = [replace(one.found, p=None) for one in best if one.found is not None]
    pairs = [replace(one, key=key) for one, key in zip(found, (PAIR, PAIRS), strict=False)]
    return replace(after, findings=(*after.findings, *pairs))


def _judged(
    after: TriggerResult, best: Sequence[Source], moved: Sequence[Sequence[Pair]]
) -> TriggerResult:
    comparisons = after.comparisons + len(COUNTS)
    accused = accusing(moved, by_source_null(), comparisons)
    if accused is None:
        return _shown(after, best)
    p, pairs = accused
    owner = next(one for one, own in zip(_with_patch(best), moved, strict=False) if pairs[0] in own)
    assert owner.found is not None
    first, second = (
        replace(
            owner.found, key=key, target=pair.target, success=pair.success, p=p / comparisons,
            by_source={pair.source: pair.success},
        )
        for pair, key in zip(pairs[:2], (PAIR, PAIRS), strict=True)
    )  # fmt: skip
    of_success, result = after.of_success or after, owner.result
    return replace(
        of_success, findings=(second, first, *of_success.findings), best=second, suspicious=True,
        p=p, comparisons=comparisons, queries=after.queries, spent=after.spent,
        verifications=after.verifications, preview=result.preview,
        preview_clean=result.preview_clean, preview_clean_labels=result.preview_clean_labels,
        by_label=None,
        other=after.other if of_success is after else replace(after, other=None),
    )  # fmt: skip


def of_one_patch(result: TriggerResult) -> bool:
    """True if ``result`` accuses by several pairs that one patch moves."""
    pairs = [one.texture for one in result.findings[:2] if one.key in (PAIR, PAIRS)]
    return result.suspicious and len(pairs) == 2 and pairs[0] is pairs[1]


def _with_patch(best: Sequence[Source]) -> list[Source]:
    return [one for one in best[:CARRIED] if one.found is not None]
