"""Settings of a search label by label. With the samples and the seed they fix every question."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

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


EFFORTS: Mapping[Effort, LabelSearchSettings] = {
    "quick": LabelSearchSettings(120, ("field4",), 240, 2, 2, (4,), 500, 1, 6, 2, 48, 1),
    "standard": LabelSearchSettings(
        160, ("field4", "wave", "field8"), 300, 3, 2, (4,), 1200, 1, 8, 3, 72, 2
    ),
    "thorough": LabelSearchSettings(
        300, ("field4", "wave", "field8"), 800, 5, 3, (4, 6), 2500, 2, 16, 4, 96, 4
    ),
    "exhaustive": LabelSearchSettings(
        600, ("field4", "wave", "field8", "field16"), 2400, 20, 4, (4, 6), 10000, 4, 40, 5, 120, 6
    ),
}
"""Some 2,000, 6,000, 25,000 and 100,000 queries where nothing is found."""
