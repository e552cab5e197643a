"""Changes that a search label by label finds, as transforms that the report can show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.probes.label_search.random_changes import ADDED, KINDS, LEVELS
from auditor.probes.trigger_search.sample_set import Pixels

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class WholeChange:
    """A pattern ``(c, h, w)`` of mean absolute value 1, added at ``strength`` 8-bit levels."""

    kind: str
    size: int
    pattern: Floats
    strength: float

    @property
    def texture(self) -> Floats:
        """The pattern at its strength, in 8-bit levels."""
        return self.strength * self.pattern

    def apply(self, pixels: Pixels) -> Pixels:
        """Add the pattern to ``pixels`` ``(n, c, h, w)``, clip and round."""
        return np.clip(np.rint(pixels + self.texture), 0, 255).astype(np.uint8)


@dataclass(frozen=True, eq=False)
class RandomChange:
    """One random change of a kind for each image, drawn from ``seed``."""

    kind: str
    seed: tuple[int, ...]

    @property
    def strength(self) -> float:
        """Mean change in 8-bit levels; 0 for shapes and posters, whose change varies."""
        return LEVELS if self.kind.removeprefix("random ") in ADDED else 0.0

    def apply(self, pixels: Pixels) -> Pixels:
        """Changed copies of ``pixels`` ``(n, c, h, w)``."""
        rng = np.random.default_rng(self.seed)
        make = KINDS[self.kind.removeprefix("random ")]
        return np.stack([make(image, rng) for image in pixels])
