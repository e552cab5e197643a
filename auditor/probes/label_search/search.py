"""Search label by label for the smallest and the weakest change, in labels alone.

Random changes come first, then the least strength of whole-image changes, then the least side of a
patch. Nothing stops at the first success: a natural change, large and strong, must not hide a
planted one, which is small or weak. The statistic is how small or weak a change may be and still
carry four fifths of fresh samples, beside clean models and beside the model's other labels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from string import ascii_lowercase

import numpy as np
from numpy.typing import NDArray

from adapters.contract import InputSpec
from auditor.measured import LabelNull
from auditor.probes.label_search.changes import RandomChange, WholeChange
from auditor.probes.label_search.families import Family, Fields, Warps, Waves
from auditor.probes.label_search.fresh import CONFIDENCE
from auditor.probes.label_search.grey_levels import most_grey_levels
from auditor.probes.label_search.least_patch import PlacedPatch, least_patches
from auditor.probes.label_search.least_strength import LeastStrength, least_strengths
from auditor.probes.label_search.random_changes import KINDS
from auditor.probes.label_search.settings import LabelSearchSettings
from auditor.probes.trigger_search.judge import logit
from auditor.probes.trigger_search.patches import Patch, unit_of
from auditor.probes.trigger_search.sample_set import Asking, SampleSet, ask_halves
from auditor.probes.trigger_search.transforms import Quantise
from auditor.probes.trigger_search.verify import Interval, exact_interval

LOUDEST = {"field4": 22.0, "wave": 22.0, "field8": 28.0, "field16": 36.0, "warp": 2.0}
"""Strength of the random draws of each family: finer fields must be stronger."""
BEYOND = 1.25  # factor of the largest value tried, for a label that nothing carried
BATCH = 100
FLOOR, CEILING = 0.02, 0.98
PATCHES = ("small", "telling")
"""First words of the keys of patches: of all, and of those unlike clean models' ones."""
AnyChange = Patch | WholeChange | RandomChange | Quantise


def keys(settings: LabelSearchSettings) -> list[str]:
    """Every key that a search with ``settings`` may have findings of."""
    return [
        *(f"random-{kind}" for kind in KINDS),
        *(f"weak-{name}" for name in settings.families),
        *(["grey-levels"] if settings.strength_draws else []),
        *(
            patch_key(settings, side, family)
            for family in _patches(settings)
            for side in settings.patch_sides
        ),
    ]


def patch_key(settings: LabelSearchSettings, side: int, family: str = PATCHES[0]) -> str:
    """Key of patches of at most ``side`` cells: those of other searches for them have others."""
    return f"{family}-{_searched(settings)}{side}"


def _patches(settings: LabelSearchSettings) -> tuple[str, ...]:
    """First words of the keys of the patches that a search has findings of."""
    return PATCHES if settings.order_images else PATCHES[:1]


def _searched(settings: LabelSearchSettings) -> str:
    """The word for how a search looks for patches."""
    return "fine" if settings.fine else "patch"


def like(null: LabelNull, settings: LabelSearchSettings) -> LabelNull:
    """The cells of ``null`` of searches like one with ``settings``: patches that were searched for
    otherwise are left out.
    """
    alike = tuple(f"{family}-{_searched(settings)}" for family in _patches(settings))
    return {
        key: cell
        for key, cell in null.items()
        if key.partition("-")[0] not in PATCHES or key.startswith(alike)
    }


def cells_of(key: str) -> int:
    """Cells of the largest patch of ``key``, a key of patches."""
    return int(key.lstrip(ascii_lowercase + "-"))


def none_found(key: str) -> float:
    """Value of a label that nothing of the kind carries: beyond the largest that was tried."""
    family, _, name = key.partition("-")
    if family == "random":
        return -logit(FLOOR, FLOOR, CEILING)
    most = {"weak": LOUDEST.get(name, 0.0), "grey": 127.5}.get(family)
    return float(np.log2(BEYOND * (cells_of(key) + 1 if most is None else most)))


@dataclass(frozen=True, eq=False)
class LabelFinding:
    """The best change of one kind for one label.

    Attributes:
        key: the kind, and the key of the null.
        label: the label that it sends images to.
        value: how little it takes, the smaller the more surprising: log2 of the strength in levels
            or of the side in cells, minus the log odds of the share of random changes.
        carried: False if no change of this kind carries the label.
        change: the change.
        success: share of fresh samples, not of the label already, that it sends there.
    """

    key: str
    label: int
    value: float
    carried: bool
    change: AnyChange
    success: Interval


@dataclass
class LabelSearch:
    """One search: its samples and its findings so far."""

    settings: LabelSearchSettings
    seed: int
    search_set: SampleSet
    validation_set: SampleSet
    findings: list[LabelFinding] = field(default_factory=list)

    def stages(self) -> Iterator[Asking[list[LabelFinding]]]:
        """The stages in turn, the cheapest first."""
        for number, kind in enumerate(KINDS if self.settings.random_draws else ()):
            yield self._random(kind, number)
        shape = self.search_set.spec.shape
        for name in self.settings.families:
            yield self._strength(_family(name, shape))
        if self.settings.strength_draws:
            yield self._grey_levels()
        for side in self.settings.patch_sides:
            yield self._patch(side)

    def _random(self, kind: str, number: int) -> Asking[list[LabelFinding]]:
        """Random changes of one kind, each on one sample, of either half."""
        both, rng = (self.search_set, self.validation_set), self.search_set.rng
        pixels = np.concatenate([one.pixels for one in both])
        labels = np.concatenate([one.labels for one in both])
        images = rng.integers(0, len(pixels), self.settings.random_draws)
        answers = np.empty(len(images), dtype=np.int64)
        for first in range(0, len(images), BATCH):
            part = images[first : first + BATCH]
            asked = pixels[part]
            for place, image in enumerate(asked):
                asked[place] = KINDS[kind](image, rng)
            answers[first : first + BATCH] = yield from self.search_set.ask(asked, "random")
        classes = self.search_set.classes = max(self.search_set.classes, int(answers.max()) + 1)
        found = []
        for label in range(classes):
            other = labels[images] != label
            success = exact_interval(
                int((answers[other] == label).sum()), int(other.sum()), CONFIDENCE
            )
            change = RandomChange(kind, (self.seed, number, label))
            value = -logit(success.rate, FLOOR, CEILING)
            found.append(LabelFinding(f"random-{kind}", label, value, True, change, success))
        return found

    def _strength(self, family: Family) -> Asking[list[LabelFinding]]:
        found = yield from least_strengths(
            family, self.search_set, self.validation_set, self.settings
        )
        return [_weak(family, one) for one in found]

    def _grey_levels(self) -> Asking[list[LabelFinding]]:
        """The most grey levels that still carry a label, plain and dithered."""
        found = yield from most_grey_levels(self.search_set, self.validation_set)
        return [
            LabelFinding(
                "grey-levels", one.label, float(np.log2(one.change.strength)), True, one.change,
                one.success,
            )
            for one in found
        ]  # fmt: skip

    def _patch(self, side: int) -> Asking[list[LabelFinding]]:
        found = yield from least_patches(self.search_set, self.validation_set, self.settings, side)
        unit = unit_of(self.search_set.spec.shape)
        return [
            _small(patch_key(self.settings, side, family), unit, one)
            for family in PATCHES
            for one in found
            if one.telling or family == PATCHES[0]
        ]


def _family(name: str, shape: tuple[int, int, int]) -> Family:
    loudest = LOUDEST[name]
    if name == "warp":
        return Warps(shape, loudest)
    if name == "wave":
        return Waves(shape, loudest)
    return Fields(shape, int(name.removeprefix("field")), loudest)


def _weak(family: Family, one: LeastStrength) -> LabelFinding:
    strength = family.loudest if one.strength is None else one.strength
    key = f"weak-{family.name}"
    value = none_found(key) if one.strength is None else float(np.log2(strength))
    change = family.change(one.weights, strength)
    carried = one.strength is not None
    return LabelFinding(key, one.label, value, carried, change, one.success)


def _small(key: str, unit: int, one: PlacedPatch) -> LabelFinding:
    value = float(np.log2(one.patch.side / unit)) if one.carried else none_found(key)
    return LabelFinding(key, one.label, value, one.carried, one.patch, one.success)


def prepare(
    samples: NDArray[np.float32],
    classes: NDArray[np.int64],
    spec: InputSpec,
    settings: LabelSearchSettings,
    seed: int,
) -> Asking[LabelSearch]:
    """Round the samples, split them evenly by class, and ask their labels.

    Args:
        samples: clean samples ``(n, c, h, w)`` in model units, best 60 to 120.
        classes: their true classes ``(n,)``; used only to split them evenly.
        spec: the model's input.
        settings: numbers of questions.
        seed: with the labels, it determines every question.

    Raises:
        ValueError: fewer than 8 samples.
    """
    sets = yield from ask_halves(samples, classes, spec, np.random.default_rng(seed))
    return LabelSearch(settings, seed, *sets)
