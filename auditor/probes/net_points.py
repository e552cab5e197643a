"""Few points per plane instead of a grid: a scrambled Sobol net over the plane's rectangle.

A label's share of the rectangle is an area. A net of ``m`` points, a power of two, puts exactly one
point into each of the ``m`` boxes of every dyadic shape, and the error of an area with a smooth
boundary then falls as m^(-3/4) instead of m^(-1/2) (He and Wang 2015). Every half of the net in its
own order is a net too, from which :func:`auditor.scores.planes.score_points` takes the bias.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from auditor.probes.base import array_digest, digest_of
from auditor.probes.plane import OnPlane


def scrambled_net(points: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """``(points, 2)`` of the Sobol sequence in [0, 1), scrambled by Owen's nested uniform
    permutation: each point is uniform, and together they stay a net. ``points`` is a power of two.

    All of it is done here and not by scipy, so that one plan gives the same points under every
    version of it.
    """
    depth = points.bit_length() - 1
    columns = [_scramble(column, depth, rng) for column in _sobol(depth)]
    return np.stack(columns, axis=1)


def _sobol(depth: int) -> NDArray[np.int64]:
    """The first ``2**depth`` points of the plain sequence, times ``2**depth``: ``(2, n)``,
    in the order of the Gray code.
    """
    number = np.arange(2**depth)
    gray = number ^ (number >> 1)
    columns = np.zeros((2, len(gray)), np.int64)
    direction = 1  # of the second axis, from the polynomial x + 1; the first axis has 1 throughout
    for bit in range(depth):
        is_set = (gray >> bit) & 1
        columns[0] ^= is_set << (depth - 1 - bit)
        columns[1] ^= (is_set * direction) << (depth - 1 - bit)
        direction ^= direction << 1
    return columns


def _scramble(
    digits: NDArray[np.int64], depth: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Flip each binary digit at random, alike for all numbers that agree in the digits before."""
    scrambled = np.zeros_like(digits)
    for level in range(depth):
        place = depth - 1 - level
        flips = rng.integers(0, 2, 2**level)[digits >> (place + 1)]
        scrambled |= (((digits >> place) & 1) ^ flips) << place
    return (scrambled + rng.random(len(digits))) / 2.0**depth


@dataclass(frozen=True)
class NetPointsProbe(OnPlane):
    """One plane asked at the points of a scrambled net.

    Attributes:
        points: number of points, a power of two of at least 4.
        seed: seeds the scrambling: a list of whole numbers, its own for every plane.
    """

    points: int
    seed: tuple[int, ...]
    kind: str = "plane"
    repeat: bool = False

    @cached_property
    def net(self) -> NDArray[np.float64]:
        """The points as shares of the rectangle's sides: ``(points, 2)`` in [0, 1)."""
        return scrambled_net(self.points, np.random.default_rng(list(self.seed)))

    def _digest(self) -> str:
        images = [array_digest(sample) for sample in self.samples]
        net = np.ascontiguousarray(self.net, dtype="<f8").tobytes()
        return digest_of("scatter/1", *images, repr(float(self.expansion)), net)

    @property
    def size(self) -> int:
        """One input per point."""
        return self.points

    def inputs(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """Points number ``indices``, ``(n, c, h, w)``."""
        low = np.array([self.bounds.low1, self.bounds.low2])
        high = np.array([self.bounds.high1, self.bounds.high2])
        return self.plane.points(low + self.net[indices] * (high - low))
