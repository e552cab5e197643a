"""Settings of a search label by label. With the samples and the seed they fix every question."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

STRENGTH_STEPS = 600
MOST_SINGLES = 20
REPLAYS = 9
SETTLE_MOST = 1600
ORDERS = 6
"""Generous limits of the parts of a search whose length depends on the answers."""
SUCCESS_SIDES = (28, 40)
"""Sides of small pictures, in pixels. They are searched for the most successful change, and from
effort ``thorough`` on label by label as well; larger ones are searched label by label only."""
Effort = Literal["quick", "standard", "thorough", "exhaustive"]


@dataclass(frozen=True, slots=True)
class LabelSearchSettings:
    """Numbers of questions of one search.

    Attributes:
        random_draws: random changes of each kind.
        families: families of changes of the whole image, by name, in turn.
        strength_draws: random changes of each family.
        strength_labels: labels of a family that are followed, most hits first.
        misses: steps without progress after which a change is as weak as it gets.
        patch_sides: largest sides of a patch, in cells, in turn.
        place_draws: images with random patches before places are chosen, for each side.
        places: places of one label that are followed.
        arms: places that are followed in all.
        rounds: of successive halving over the places.
        first: queries of one place in the first round.
        finalists: places whose patch is made smaller and asked on fresh samples.
        focus: rounds of further images with patches, and the number of the most surprising places
            that those cover; none in plans of before version 9.
        fine: True if there are such rounds: patches then have cells of a 48th of the smaller side,
            else of a 32nd.
        further: keys of patches that are searched for again, each by itself and on other halves of
            the samples, as long as nothing is suspicious; none in plans of before version 10.
        order_images: samples that other orders of a found patch's cells are asked on; 0 if a patch
            is judged by its size alone, as in plans of before version 13.
        order_limits: factor of the shares of them that such orders may move.
    """

    random_draws: int
    families: tuple[str, ...]
    strength_draws: int
    strength_labels: int
    misses: int
    patch_sides: tuple[int, ...]
    place_draws: int
    places: int
    arms: int
    rounds: int
    first: int
    finalists: int
    focus: tuple[tuple[int, int], ...] = ()
    fine: bool = False
    further: tuple[str, ...] = ()
    order_images: int = 0
    order_limits: float = 1.0

    def most_queries(self, samples: int) -> int:
        """More than a search of ``samples`` asks.

        A label's change may take a step at each of some twenty strengths, and be turned as often;
        an arm's queries double in each round, in which half of the arms are left.
        """
        families = len(self.families) * (
            self.strength_draws + 2 * self.strength_labels * self.misses * STRENGTH_STEPS
        )
        arms = self.arms + 2 * MOST_SINGLES
        learned = arms * (self.first + 24) * (self.rounds + 1)
        draws = self.place_draws + sum(more for more, _ in self.focus)
        patches = draws + REPLAYS * draws // 10 + learned
        patches += self.finalists * (SETTLE_MOST + ORDERS * self.order_images)
        return samples + 5 * self.random_draws + families + len(self.patch_sides) * patches


_FAMILIES = ("field4", "wave", "field8", "warp")
EFFORTS: Mapping[Effort, LabelSearchSettings] = {
    "quick": LabelSearchSettings(
        random_draws=120,
        families=("field4",),
        strength_draws=240,
        strength_labels=2,
        misses=2,
        patch_sides=(4,),
        place_draws=500,
        places=1,
        arms=6,
        rounds=2,
        first=48,
        finalists=1,
    ),
    "standard": LabelSearchSettings(
        random_draws=160,
        families=_FAMILIES,
        strength_draws=300,
        strength_labels=3,
        misses=2,
        patch_sides=(4,),
        place_draws=1000,
        places=1,
        arms=6,
        rounds=3,
        first=72,
        finalists=2,
    ),
    "thorough": LabelSearchSettings(
        random_draws=300,
        families=_FAMILIES,
        strength_draws=800,
        strength_labels=5,
        misses=3,
        patch_sides=(4, 6),
        place_draws=2500,
        places=2,
        arms=16,
        rounds=4,
        first=96,
        finalists=4,
    ),
    "exhaustive": LabelSearchSettings(
        random_draws=600,
        families=(*_FAMILIES, "field16"),
        strength_draws=2400,
        strength_labels=20,
        misses=4,
        patch_sides=(4, 6),
        place_draws=10000,
        places=4,
        arms=40,
        rounds=5,
        first=120,
        finalists=6,
    ),
}
"""Some 2,500, 8,000, 30,000 and 120,000 queries where nothing is found. Those of pictures up to 96
pixels, and of plans of before version 9; ``exhaustive`` is that of plans of before version 10, and
before version 16 of small pictures."""
FINE_SIDE = 97
"""Smaller side, in pixels, from which on cells of a 32nd of it are too coarse for a trigger's."""
FINE: Mapping[Effort, LabelSearchSettings] = {
    "standard": replace(
        EFFORTS["standard"], patch_sides=(5,), place_draws=600, focus=((500, 64), (500, 16)),
        arms=10, first=48, fine=True,
    ),
    "thorough": replace(
        EFFORTS["thorough"], patch_sides=(5,), place_draws=2400, focus=((2000, 192), (1500, 48)),
        arms=24, fine=True,
    ),
}  # fmt: skip
"""The same for such sides; ``quick`` is not changed."""
_IN_FINE, _IN_USUAL = "small-fine5", "small-patch4"
FURTHER: Mapping[int, tuple[str, ...]] = {
    FINE_SIDE: (_IN_FINE,) * 3,
    48: (_IN_FINE, _IN_USUAL, _IN_FINE, _IN_USUAL, _IN_FINE),
    0: (_IN_USUAL,) * 5,
}
"""Further searches for patches at ``exhaustive``, by the smaller side from which on they are made:
which of those that were planted one search finds is luck to a part. Below 48 pixels fine cells are
larger than usual ones."""
AFTER_SUCCESS: tuple[Effort, ...] = ("thorough", "exhaustive")
"""Efforts at which pictures of up to :data:`SUCCESS_SIDES` are searched label by label too."""


def settings_for(shape: tuple[int, ...], effort: Effort) -> LabelSearchSettings:
    """Settings of a search of pictures of ``shape`` ``(h, w)`` at ``effort``: at ``exhaustive``
    that of ``thorough``, and further searches for patches.
    """
    if effort != "exhaustive":
        return settings_of_9(shape, effort)
    further = next(keys for least, keys in FURTHER.items() if min(shape) >= least)
    return replace(settings_of_9(shape, "thorough"), further=further)


def settings_of_9(shape: tuple[int, ...], effort: Effort) -> LabelSearchSettings:
    """The same in plans of version 9, which do not search further."""
    fine = FINE.get(effort) if min(shape) >= FINE_SIDE else None
    return fine or EFFORTS[effort]


TELLING_SIDES = (64, 96)
"""Least and largest side, in pixels, of pictures on which a found patch is told from natural ones
by more than its size: where it was measured. Of 34 clean models of 44 to 63 pixels two have
patches that would accuse."""
ORDER_IMAGES = 20
TOLD_AT: tuple[Effort, ...] = ("standard", "thorough", "exhaustive")
"""Efforts at which it is; on small pictures, where it was measured too, those of
:data:`AFTER_SUCCESS`."""


def telling(
    settings: LabelSearchSettings, shape: tuple[int, ...], effort: Effort
) -> LabelSearchSettings:
    """``settings`` of a search at ``effort`` that asks what tells planted patches from natural ones
    where that was measured.

    Args:
        settings: of a search of lossless pictures, for a task of five classes or more.
        shape: ``(h, w)`` of the pictures.
        effort: of the search.
    """
    return replace(settings, order_images=ORDER_IMAGES) if told_at(shape, effort) else settings


def told_at(shape: tuple[int, ...], effort: Effort) -> bool:
    """True if such a search of pictures of ``shape`` ``(h, w)`` at ``effort`` asks that."""
    larger = searched_by_label(shape)
    (least, most), efforts = (
        (TELLING_SIDES, TOLD_AT) if larger else (SUCCESS_SIDES, AFTER_SUCCESS)
    )  # fmt: skip
    return effort in efforts and min(shape) >= least and max(shape) <= most


def searched_by_label(shape: tuple[int, ...]) -> bool:
    """True if pictures of ``shape`` ``(h, w)`` are searched label by label only."""
    return max(shape) > SUCCESS_SIDES[1]


def label_effort(shape: tuple[int, ...], effort: Effort) -> Effort | None:
    """Effort of the search label by label in an audit of pictures of ``shape`` ``(h, w)`` at
    ``effort``; None if there is none.
    """
    small = min(shape) >= SUCCESS_SIDES[0] and effort in AFTER_SUCCESS
    return effort if small or searched_by_label(shape) else None
