"""A perturbation of samples as a fixed probe, and the counts of its labels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from adapters.contract import InputSpec
from auditor.probes.base import RecordedProbe, array_digest, digest_of
from auditor.probes.perturbations.recipes import Perturb

GROUP = 8
"""Inputs that share one direction: eight samples of as many classes as there are, or, on a ray,
eight distances from one sample."""
_STREAM = 11

Start = Literal["samples", "sample", "nothing"]
"""Samples that one direction is applied to: eight different ones, one sample eight times (rays), or
no sample at all."""


@dataclass(frozen=True)
class Perturbation:
    """One recipe at one strength.

    Attributes:
        name: of the recipe.
        strength: in the recipe's own unit.
        perturb: the recipe.
        start: the samples it is applied to.
    """

    name: str
    strength: float
    perturb: Perturb
    start: Start = "samples"

    @property
    def key(self) -> str:
        """Name and strength, as reports and profiles give them."""
        return f"{self.name}:{self.strength:g}"


@dataclass(frozen=True)
class PerturbationProbe(RecordedProbe):
    """``size`` inputs of one perturbation around clean samples.

    Input number ``i`` uses direction ``i // GROUP``. It depends on the seed, the perturbation, the
    samples and ``i`` alone.

    Attributes:
        perturbation: recipe and strength.
        samples: clean samples ``(n, c, h, w)`` float32 in model units, n at least 2.
        order: ``(n,)`` the order in which the samples are used, classes in turn.
        spec: maps between pixels and model units.
        seed: seeds the directions.
        size: number of inputs.
        eight_bit: True if inputs are clipped to the range and rounded to 8 bits here, so that
            both access modes send the same. If False, values may leave the range.
    """

    perturbation: Perturbation
    samples: NDArray[np.float32]
    order: NDArray[np.int64]
    spec: InputSpec
    seed: int
    size: int
    eight_bit: bool = False
    repeat: bool = False

    @property
    def key(self) -> str:
        """Name and strength of the perturbation."""
        return self.perturbation.key

    @property
    def kind(self) -> str:
        """The one line of the ledger for all perturbations; it keeps its name."""
        return "family"

    def _digest(self) -> str:
        return digest_of(
            "family/1", self.perturbation.key, str(self.seed), str(self.size), str(GROUP),
            str(self.eight_bit), str((self.spec.low, self.spec.high)), str(self.order.tolist()),
            array_digest(self.samples),
        )  # fmt: skip

    @cached_property
    def _pixels(self) -> NDArray[np.float64]:
        """The samples as 8-bit values, so that both access modes start from the same image."""
        return self.spec.to_pixels(self.samples).astype(np.float64)

    def base(self) -> NDArray[np.int64]:
        """Index of the sample each input starts from, ``(size,)``; -1 for none."""
        if self.perturbation.start == "nothing":
            return np.full(self.size, -1, dtype=np.int64)
        return self._sample_of(np.arange(self.size))

    def _sample_of(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        turn = numbers // GROUP if self.perturbation.start == "sample" else numbers
        return np.asarray(self.order[turn % len(self.order)])

    def inputs(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """Inputs number ``indices``, ``(len(indices), c, h, w)`` in model units."""
        made = np.empty((len(indices), *self.samples.shape[1:]), dtype=np.float32)
        groups = indices // GROUP
        for group in np.unique(groups):
            members = np.flatnonzero(groups == group)
            made[members] = self._group(int(group))[indices[members] % GROUP]
        return made

    def _group(self, group: int) -> NDArray[np.float32]:
        """All inputs of one direction: always made whole, so that slices agree."""
        samples = self._pixels[self._sample_of(group * GROUP + np.arange(GROUP))]
        name = [ord(letter) for letter in self.perturbation.key]
        rng = np.random.default_rng([self.seed, _STREAM, group, *name])
        strength = self.perturbation.strength
        perturbed = self.perturbation.perturb(samples, self._pixels, rng, strength)
        inputs = self.spec.from_pixels(perturbed)
        # Rounded from float32, as an upload is: halves must fall to the same side.
        return self.spec.from_pixels(self.spec.to_pixels(inputs)) if self.eight_bit else inputs


@dataclass(frozen=True, slots=True)
class PerturbationCounts:
    """Counts of the labels of one perturbation: all that is kept for the decision.

    Attributes:
        key: the perturbation's.
        asked: per class, inputs (on rays: rays) whose sample did not carry the label anyway.
        moved: per class, those of them that got the label; on rays, as their first other label.
        kept: inputs that kept their sample's label.
        inputs: all inputs.
    """

    key: str
    asked: tuple[int, ...]
    moved: tuple[int, ...]
    kept: int
    inputs: int


def count_perturbation(
    probe: PerturbationProbe,
    labels: NDArray[np.integer],
    clean: NDArray[np.integer],
    classes: int,
    known: NDArray[np.bool_] | None = None,
) -> PerturbationCounts:
    """Count the answers of one perturbation.

    Args:
        probe: the inputs.
        labels: ``(size,)`` the answers.
        clean: ``(n,)`` the model's own label of every sample, unperturbed.
        classes: length of the counts; above every label.
        known: ``(size,)`` True for inputs that were answered; None for all. Of rays only whole
            ones count.

    Raises:
        ValueError: not one label per input.
    """
    if len(labels) != probe.size:
        raise ValueError(f"{len(labels)} labels for {probe.size} inputs")
    answered = np.asarray(labels, dtype=np.int64)
    base = probe.base()
    own = np.where(base < 0, -1, np.asarray(clean, dtype=np.int64)[base])
    if known is not None:
        if probe.perturbation.start == "sample":
            known = known.reshape(-1, GROUP).all(axis=1).repeat(GROUP)
        answered, own = answered[known], own[known]
    kept = int((answered == own).sum())
    starts, moves = _first_moves(probe, answered, own)
    asked = len(starts) - np.bincount(starts[starts >= 0], minlength=classes)
    moved = np.bincount(moves, minlength=classes)
    return PerturbationCounts(
        probe.perturbation.key, tuple(asked.tolist()), tuple(moved.tolist()), kept, len(answered)
    )


def _first_moves(
    probe: PerturbationProbe, answered: NDArray[np.int64], own: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The own label of every unit that was asked, and the new labels of those that changed.

    A unit is one input, or one whole ray, whose first other label counts.
    """
    if probe.perturbation.start != "sample":
        return own, answered[answered != own]
    starts = own[::GROUP]
    new = []
    for number, start in enumerate(starts.tolist()):
        ray = answered[number * GROUP : (number + 1) * GROUP]
        new += ray[ray != start][:1].tolist()
    return starts, np.array(new, dtype=np.int64)
