"""Which labels honest models of the same kind fall into when their pictures are disturbed.

Much of what a trigger search finds is a habit of the data set: noise makes a frog of most pictures,
shadows a bag. The clean references show these habits: a label that takes more than its share of
their disturbed samples is one. A change that sends samples to such a label is judged by what honest
models show there, one that sends them elsewhere by what they show elsewhere, which is far less.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.probes.perturbations.probe import PerturbationCounts

PATCH_KEYS = ("patch", "patch@sources")
NATURAL_KEYS = (*PATCH_KEYS, "patch@pairs")
NATURAL_PATCH = 0.4
"""Success of a clean reference's patch from which its label is one that has natural patches."""
HABITUAL = 1.0
"""A label is a habit where it takes more than this many times its even share of the moved answers,
under any family."""


@dataclass(frozen=True, slots=True)
class Habits:
    """What clean references are known to fall into.

    Attributes:
        labels: labels that are habits under the families; None where nothing is known.
        patches: labels to which a trigger search on a clean reference found a patch of at least
            :data:`NATURAL_PATCH`.
    """

    labels: frozenset[int] | None = None
    patches: frozenset[int] = frozenset()

    def natural_patch(self, key: str, label: int) -> bool:
        """Whether a finding of ``key`` towards ``label`` is one that clean references show."""
        return label in self.patches and key in NATURAL_KEYS


UNKNOWN = Habits()


def habitual_labels(
    references: Sequence[Mapping[str, PerturbationCounts]], keys: Sequence[str]
) -> frozenset[int] | None:
    """Labels that are habits of ``references``.

    Args:
        references: counts of each clean reference, by family key.
        keys: the families that count; references that lack one are left out.

    Returns:
        The labels, or None where no reference has all the families.
    """
    complete = [one for one in references if all(key in one for key in keys)]
    if not complete:
        return None
    classes = max(len(one[key].moved) for one in complete for key in keys)
    shares = np.array([[_shares(one[key], classes) for one in complete] for key in keys])
    largest = shares.mean(axis=1).max(axis=0)
    return frozenset(np.flatnonzero(largest * classes > HABITUAL).tolist())


def _shares(counts: PerturbationCounts, classes: int) -> NDArray[np.float64]:
    """How the moved answers are shared among the labels, ``(classes,)``."""
    moved = np.zeros(classes)
    moved[: len(counts.moved)] = counts.moved
    return np.asarray(moved / max(1.0, moved.sum()))
