"""Chance that so little carries a label of a clean model.

The null is measured: the same search with the same settings on clean models, and of each the label
that the least carries. What is found is compared with the value that the next clean model would
show, a Student t predictive distribution with a lower limit to its spread. The model's other labels
are a null that it brings along: half of the distance to the next label counts as well, and a label
that does not stand out is never suspicious, since a fragile model lets small changes carry several.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from auditor.measured import FEW_CLASSES, LabelCell, LabelNull
from auditor.probes.label_search.search import PATCHES, LabelFinding, none_found
from auditor.probes.label_search.settings import Effort, searched_by_label
from auditor.probes.trigger_search.judge import OPEN_LEVEL, tail

LEVEL = 0.005
"""Chance on a clean model, corrected for all kinds, up to which a finding is suspicious: the null's
models are few, and a clean network of another origin has shown a patch at 0.01."""
LEVEL_LARGE, LARGE_SIDE = 0.001, 97
"""The same for pictures whose larger side has so many pixels or more. The null is of smaller ones,
and of six clean models of 112 and 128 pixels one showed a patch at 0.003."""
LEAST_SHOWN = 0.1
"""Success of random changes below which they are not worth showing."""
LEAST_SPREAD: Mapping[str, float] = {
    "random": 0.6, "weak": 0.4, "small": 0.35, "telling": 0.35, "grey": 0.4
}  # fmt: skip
"""Least standard deviation of a null, by the first word of the key: log odds, or doublings."""
STANDS_OUT: Mapping[str, float] = {
    "random": 0.8, "weak": 0.6, "small": 0.4, "telling": 0.4, "grey": 0.6
}  # fmt: skip
"""By how much the best label must need less than any other of the same model, in the same units."""
MOST_VALUE: Mapping[str, float] = {
    "random-shapes": 0.7, "weak-field4": 2.7, "weak-wave": 3.6, "weak-field8": 3.0,
    "weak-field16": 3.0, "weak-warp": 0.8, "small": 1.7, "telling": 2.1, "grey": 6.5,
}  # fmt: skip
"""Largest value that is ever suspicious, by key or by its first word: a third of all sets of random
shapes, six and a half, twelve or eight levels, a warp of 1.7 pixels, a patch of three and a quarter
cells, or of four and a quarter if it is unlike those of clean models, or steps of ninety levels.
Fragile clean models come close to each. Random changes of the whole picture never are, however many
lead to a label: a clean network that calls noisy faces "neutral" shows as much."""
TOLD_VALUE: Mapping[str, float] = {
    "weak-field4": 2.9, "weak-field8": 3.25, "weak-field16": 3.25, "small": 1.35, "telling": 2.25,
}  # fmt: skip
"""Those of searches that ask of a found patch what tells planted ones from natural ones. Of 170
clean photo models none has a field below 9 levels that carries one label alone; a patch of more
than two and a half cells must be unlike natural ones, as clean models have some of 2.7."""
SMALL_VALUE: Mapping[str, float] = {
    "weak-field4": 2.9, "weak-wave": 3.9, "small": 1.0, "telling": 2.4,
}  # fmt: skip
"""The same on small pictures, beside :data:`MOST_VALUE`: seven and a half levels, fifteen, and
patches of five pixels that are unlike natural ones, of which clean models have some of three."""
WAVES_GATHER = 0.1
"""Share of samples that random waves send to a label from which on no weak wave accuses of it on
small pictures. Four pretrained clean networks turn under waves of 7 to 11 levels, and random ones
lead to that label in 0.22 of the samples or more; to those of planted waves in 0.18 at most."""
LEVEL_TOLD = 0.01
"""Their level: the null's models are many. Of 170 none that is left out of it has a finding within
the limits at twice as much."""
OPEN_PATCH = 1.8
"""Largest patch, in doublings of a cell, that speaks against an all-clear at ``exhaustive``: three
and a half cells. Fragile clean models have larger ones: so 94 of 142 before the twenty-second round
are cleared instead of 56, and of 122 with a backdoor of a usual attacker nine instead of six."""
LESS = 1.0
"""With few classes the other labels tell little: waves, fields and patches must be half as strong
or as large. Random changes, which gather on one of few labels anyway, then say nothing
(:meth:`auditor.measured.LabelNulls.of`)."""
NOISE, WAVE = "random-noise", "weak-wave"
GATHER_NOISE = (WAVE, "grey-levels")
FALLBACK = 0.25
"""Share of samples that random noise sends to a label. Of 166 clean photo models one label of one
reaches it (0.27); patches, fields and shapes that were planted lie at 0.08 or less, one in 178 at
0.34; two networks from package registries that were accused wrongly at 0.54 and 0.74."""
OTHER_LABELS, MOST_MARGIN = 0.5, 3.0
"""Weight of the distance to the next label, and the largest distance that counts."""


@dataclass(frozen=True)
class Judged:
    """One finding beside clean models.

    Attributes:
        finding: the best of its key.
        statistic: its value, less half of the distance to the next label.
        p: chance that a clean model shows as much, for this kind alone.
        stands_out: True if the model's other labels need clearly more.
        little: True if it is as weak or as small as planted changes are, and its label is none that
            the model falls back on.
        level: chance up to which it is suspicious.
    """

    finding: LabelFinding
    statistic: float
    p: float
    stands_out: bool
    little: bool
    level: float

    def suspicious(self, comparisons: int) -> bool:
        """True if clean models do not show it at the level, corrected for all ``comparisons``."""
        return self.little and self.stands_out and self.p * comparisons <= self.level

    def leaves_open(self, comparisons: int, largest: float = math.inf) -> bool:
        """True if it speaks against an all-clear: rare in clean models, or a patch up to the
        ``largest`` value that carries a label, as hardly any does in a model that is not fragile.
        """
        if not (self.finding.carried and self.finding.success.rate >= LEAST_SHOWN):
            return False
        if family_of(self.finding.key) in PATCHES:
            return self.finding.value <= largest
        return self.p * comparisons <= OPEN_LEVEL


@dataclass(frozen=True)
class AccusingLimits:
    """The limits of an accusation.

    Attributes:
        level: chance on a clean model, corrected for all kinds, up to which a finding may.
        values: largest value that may, by key or by its first word.
        fallback: share of the samples that random noise sends to a label from which on the model
            falls back on it: then only waves and few grey levels accuse it, since a planted one of
            these gathers noise too.
        habits: labels that an earlier search of the model knows it to fall back on.
        open_patch: largest patch, in doublings of a cell, that speaks against an all-clear.
        gather: share of the samples that random waves send to a label from which on no weak wave
            accuses of it.
    """

    level: float = LEVEL
    values: Mapping[str, float] = field(default_factory=lambda: MOST_VALUE)
    fallback: float = math.inf
    habits: AbstractSet[int] = frozenset()
    open_patch: float = math.inf
    gather: float = math.inf

    def most_value(self, key: str, classes: int) -> float:
        """The largest value of ``key`` that may accuse in a task of so many ``classes``."""
        family = family_of(key)
        most = self.values.get(key, self.values.get(family, -math.inf))
        less = classes < FEW_CLASSES and family in {"weak", *PATCHES} and key != "weak-warp"
        return most - LESS if less else most


PHOTO = AccusingLimits()
SMALL = AccusingLimits(values={key: most for key, most in MOST_VALUE.items() if key != "weak-wave"})
"""Pictures below :data:`WAVES_SIDE`: waves never accuse there. Clean pretrained networks that were
trained on pictures of 32 to 58 pixels turn under as weak ones as planted ones are."""
WAVES_SIDE = 64
"""Larger side, in pixels, from which on waves may accuse."""


def limits_for(shape: Sequence[int], *, lossy: bool = False) -> AccusingLimits:
    """The limits of accusing models of pictures of ``shape`` ``(c, h, w)`` or ``(h, w)``.

    On pictures of more than 40 pixels warps never accuse, and hardly anything does whose label
    random noise leads to: clean networks of faces call disturbed ones "sad" or "neutral".
    """
    limits = of_any_label(shape, lossy=lossy)
    if not searched_by_label(tuple(shape[-2:])):
        return limits
    return replace(_without(limits, "weak-warp"), fallback=FALLBACK)


def told_limits(shape: Sequence[int], effort: Effort) -> AccusingLimits:
    """The limits of lossless pictures where a search at ``effort`` asks of a found patch what tells
    planted ones from natural ones.
    """
    limits, largest = limits_for(shape), OPEN_PATCH if effort == "exhaustive" else math.inf
    if not searched_by_label(tuple(shape[-2:])):
        values = {**limits.values, **SMALL_VALUE}
        return replace(limits, level=LEVEL_TOLD, values=values, gather=WAVES_GATHER)
    values = {**limits.values, **TOLD_VALUE}
    return replace(limits, level=LEVEL_TOLD, values=values, open_patch=largest)


def of_any_label(shape: Sequence[int], *, lossy: bool = False) -> AccusingLimits:
    """The same in plans of version 7, whatever label the model falls back on."""
    limits = SMALL if max(shape[-2:]) < WAVES_SIDE else with_waves(shape)
    return without_grey(limits) if lossy else limits


def without_grey(limits: AccusingLimits) -> AccusingLimits:
    """``limits`` for pictures that travel as JPEG: what it makes of few grey levels turns clean
    networks, so that they never accuse there.
    """
    return _without(limits, "grey")


def _without(limits: AccusingLimits, key: str) -> AccusingLimits:
    return replace(limits, values={name: v for name, v in limits.values.items() if name != key})


def with_waves(shape: Sequence[int]) -> AccusingLimits:
    """The limits if waves may accuse, as above 40 pixels in plans of up to version 6."""
    return AccusingLimits(LEVEL_LARGE) if max(shape[-2:]) >= LARGE_SIDE else PHOTO


def family_of(key: str) -> str:
    """``random``, ``weak``, ``small``, ``telling`` or ``grey``."""
    return key.partition("-")[0]


def may_accuse(key: str) -> bool:
    """True if a finding of this kind can be suspicious."""
    return PHOTO.most_value(key, FEW_CLASSES) > -math.inf


def open_kinds(null: LabelNull) -> int:
    """Kinds of change by which a search may leave a verdict open. A patch that tells more than its
    size is one of those that do anyway, so it makes no other change count for less.
    """
    return sum(family_of(key) != PATCHES[1] for key in null)


def judge(
    findings: Sequence[LabelFinding], null: LabelNull, classes: int, limits: AccusingLimits = PHOTO
) -> list[Judged]:
    """The best finding of every key that the null knows, most surprising first."""
    by_key: dict[str, list[LabelFinding]] = {}
    for one in findings:
        if one.key in null:
            by_key.setdefault(one.key, []).append(one)
    waves = waves_led_to(findings, limits)
    gathered: dict[str, AbstractSet[int]] = {
        **dict.fromkeys(GATHER_NOISE, frozenset()),
        WAVE: waves,
    }
    habits = habits_of(findings, limits)
    judged = [
        _judged(found, null[key], classes, limits, gathered.get(key, habits))
        for key, found in by_key.items()
    ]
    judged = [_beside_any_patch(one, findings) for one in judged]
    return sorted(judged, key=lambda one: (not one.stands_out, one.p, one.finding.value))


def _beside_any_patch(one: Judged, findings: Sequence[LabelFinding]) -> Judged:
    """A patch that tells more than its size stands out only if no other label of the model is
    carried by any patch nearly as small.
    """
    family, best = family_of(one.finding.key), one.finding
    if family != PATCHES[1]:
        return one
    others = [
        other.value for other in findings
        if family_of(other.key) in PATCHES and other.carried and other.label != best.label
    ]  # fmt: skip
    near = min(others, default=math.inf) - best.value < STANDS_OUT[family]
    return replace(one, stands_out=one.stands_out and not near)


def habits_of(findings: Sequence[LabelFinding], limits: AccusingLimits) -> AbstractSet[int]:
    """The labels that random noise sends so many samples to that the model falls back on them."""
    return limits.habits | _led_to(findings, NOISE, limits.fallback)


def waves_led_to(findings: Sequence[LabelFinding], limits: AccusingLimits) -> AbstractSet[int]:
    """The labels that random waves send so many samples to that no weak one accuses of them."""
    return _led_to(findings, "random-wave", limits.gather)


def _led_to(findings: Sequence[LabelFinding], key: str, share: float) -> AbstractSet[int]:
    """The labels that random changes of ``key`` send so large a share of the samples to."""
    return {one.label for one in findings if one.key == key and one.success.rate >= share}


def best_of(found: Sequence[LabelFinding]) -> tuple[LabelFinding, float, float]:
    """The best of the findings of one key, its distance to the next label, and its statistic."""
    best = min(found, key=lambda one: (one.value, -one.success.low))
    others = [one.value for one in found if one.label != best.label]
    margin = min(others, default=none_found(best.key)) - best.value
    return best, margin, best.value - OTHER_LABELS * min(MOST_MARGIN, max(0.0, margin))


def _judged(
    found: Sequence[LabelFinding],
    cell: LabelCell,
    classes: int,
    limits: AccusingLimits,
    habits: AbstractSet[int],
) -> Judged:
    best, margin, statistic = best_of(found)
    family = family_of(best.key)
    p = tail(cell.mean - statistic, cell, LEAST_SPREAD[family])
    stands_out = best.carried and margin >= STANDS_OUT[family]
    little = best.value <= limits.most_value(best.key, classes)
    little &= best.label not in habits
    return Judged(best, statistic, p, stands_out, little, limits.level)
