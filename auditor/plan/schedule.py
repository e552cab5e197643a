"""The rounds in which a plan's inputs are asked, each in one random order. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from auditor.plan.draw import ORDER_STREAM, PERTURBATION_STREAM
from auditor.plan.settings import PERTURBATION_ROUNDS

OPENING_ROUNDS = 2
"""Rounds of the frugal sampler's planes that are asked before anything else: they show if the
answers are usable, and hold as many inputs as are to be repeated."""


@dataclass(frozen=True)
class Schedule:
    """Rounds of a plan's samples, planes and repeats.

    A round holds some planes, the samples that no earlier round asked, and repeats of inputs that
    this round or an earlier one asks. The order depends on the samples too, so that knowing the
    seed alone is not enough to follow it.

    Attributes:
        seed: of the plan.
        secret: a number that only the samples determine.
        per_round: number of planes that are asked together.
        opened: number of rounds that are asked before anything else if planes may be skipped.
        triplets: ``(planes, 3)`` sample indices.
        used: indices of the samples that occur in a triplet, ascending.
        planes: number of inputs of each plane.
        repeats: ``(n, 2)``: the probe and the input number that each repeat asks again.
    """

    seed: int
    secret: int
    per_round: int
    opened: int
    triplets: NDArray[np.int64]
    used: NDArray[np.int64]
    planes: tuple[int, ...]
    repeats: NDArray[np.int64]

    @property
    def count(self) -> int:
        """Number of rounds; without planes the samples make one."""
        return max(1, -(-len(self.planes) // self.per_round))

    def rounds(self) -> Iterator[NDArray[np.int64]]:
        """Inputs of each round in the order they are sent: ``(n, 2)``, the index of the probe
        (samples, planes, repeats) and the input number there. Every input occurs once.
        """
        repeat_rounds = self._repeat_rounds()
        for number in range(self.count):
            parts = [
                (0, np.flatnonzero(self._sample_rounds == number)),
                *((1 + plane, np.arange(self.planes[plane])) for plane in self._round(number)),
                (1 + len(self.planes), np.flatnonzero(repeat_rounds == number)),
            ]
            rng = np.random.default_rng([self.seed, ORDER_STREAM, number, self.secret])
            yield _shuffled(parts, rng)

    def opening(self) -> Iterator[NDArray[np.int64]]:
        """The first of :meth:`rounds`: those asked first if planes may be skipped."""
        return islice(self.rounds(), self.opened)

    def moments(self, inputs: NDArray[np.int64]) -> NDArray[np.float64]:
        """Moment of each of ``inputs`` ``(n, 2)``, as :meth:`rounds` names them, as a share of the
        plan from 0 to 1.
        """
        one_number, position = np.array([1 << 32, 1]), 0
        wanted, places = np.unique(inputs @ one_number, return_inverse=True)
        found = np.zeros(len(wanted))
        for order in self.rounds():
            _, mine, theirs = np.intersect1d(
                wanted, order @ one_number, assume_unique=True, return_indices=True
            )
            found[mine] = position + theirs
            position += len(order)
        return found[places] / max(1, position)

    def _round(self, number: int) -> range:
        start = number * self.per_round
        return range(start, min(start + self.per_round, len(self.planes)))

    @cached_property
    def _sample_rounds(self) -> NDArray[np.int64]:
        """The round that asks each used sample: that of the first plane through it."""
        rounds = np.zeros(len(self.used), dtype=np.int64)
        for plane in reversed(range(len(self.planes))):
            rounds[np.searchsorted(self.used, self.triplets[plane])] = plane // self.per_round
        return rounds

    def _repeat_rounds(self) -> NDArray[np.int64]:
        """The round of each repeat: any from that of its source on, evenly."""
        probe, item = self.repeats.T
        of_sample = self._sample_rounds[np.where(probe == 0, item, 0)]
        first = np.where(probe == 0, of_sample, (probe - 1) // self.per_round)
        rng = np.random.default_rng([self.seed, ORDER_STREAM])
        return rng.integers(first, self.count)


def perturbation_rounds(
    sizes: Sequence[int], seed: int, secret: int
) -> Iterator[NDArray[np.int64]]:
    """Inputs of each round of the perturbations, as :meth:`Schedule.rounds` gives them.

    The first round holds the unperturbed samples, probe 0; every round holds a random part of each
    perturbation, as large as the next round's. So the inputs answered so far are a fair draw of
    every perturbation's inputs. ``sizes`` are the numbers of inputs of each probe; for ``secret``
    see :class:`Schedule`.
    """
    rng = np.random.default_rng([seed, PERTURBATION_STREAM, secret])
    parts = [
        np.array_split(rng.permutation(size), PERTURBATION_ROUNDS) if number else [np.arange(size)]
        for number, size in enumerate(sizes)
    ]
    for turn in range(PERTURBATION_ROUNDS):
        held = [(number, part[turn]) for number, part in enumerate(parts) if turn < len(part)]
        yield _shuffled(held, rng)


def _shuffled(
    parts: Sequence[tuple[int, NDArray[np.int64]]], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Probe and input number of all ``parts``, in one random order."""
    order = np.concatenate(
        [np.stack([np.full(len(items), probe), items], axis=1) for probe, items in parts]
    )
    return np.asarray(order[rng.permutation(len(order))])
