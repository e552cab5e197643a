"""Changes that a search label by label finds, as transforms that the report can show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from auditor.probes.label_search.random_changes import ADDED, KINDS, LEVELS
from auditor.probes.trigger_search.sample_set import Pixels, Transform
from auditor.probes.trigger_search.transforms import whole_levels

Floats = NDArray[np.float64]


class WholeChange(Transform, Protocol):
    """A change of the whole image, of some strength."""

    @property
    def size(self) -> int: ...  # noqa: D102 - documented on the classes
    @property
    def strength(self) -> float: ...  # noqa: D102 - documented on the classes
    def texture(self, height: int, width: int) -> Floats:
        """Levels added ``(c, h, w)``, or pixels shifted by ``(2, h, w)``."""
        ...


@dataclass(frozen=True, eq=False)
class Addition:
    """A pattern, ``(c, h, w)`` or one for all channels ``(1, h, w)``, of mean absolute value 1,
    added at ``strength`` 8-bit levels.
    """

    kind: str
    size: int
    pattern: Floats
    strength: float

    def texture(self, height: int, width: int) -> Floats:  # noqa: ARG002 - fixed by the pattern
        """The pattern at its strength, in 8-bit levels."""
        return self.strength * self.pattern

    def apply(self, pixels: Pixels) -> Pixels:
        """Add the pattern to ``pixels`` ``(n, c, h, w)``, clip and round."""
        return whole_levels(pixels + self.strength * self.pattern)


@dataclass(frozen=True, eq=False)
class RandomChange:
    """One random change of a kind for each image, drawn from ``seed``."""

    name: str
    seed: tuple[int, ...]

    @property
    def kind(self) -> str:
        """Its kind among all changes: ``random shapes``."""
        return f"random {self.name}"

    @property
    def strength(self) -> float:
        """Mean change in 8-bit levels; 0 for shapes and posters, whose change varies."""
        return LEVELS if self.name in ADDED else 0.0

    def apply(self, pixels: Pixels) -> Pixels:
        """Changed copies of ``pixels`` ``(n, c, h, w)``."""
        rng = np.random.default_rng(self.seed)
        return np.stack([KINDS[self.name](image, rng) for image in pixels])
