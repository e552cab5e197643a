"""Labels that clean models of the same kind fall into when their samples are perturbed.

Much of what a trigger search finds is natural to the data set: noise makes a frog of most images,
shadows a bag. The clean references show it: a label that takes more than its share of their
perturbed samples is natural. A change that sends samples to such a label is judged by what clean
models show there, one that sends them elsewhere by what they show elsewhere, which is far less.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.probes.perturbations.probe import PerturbationCounts
from auditor.probes.trigger_search.judge import SOME_CLASSES

PATCH_KEYS = ("patch", SOME_CLASSES)
NATURAL_KEYS = (*PATCH_KEYS, "patch@pairs")
NATURAL_PATCH = 0.4
"""Success of a clean reference's patch from which its label is one that has natural patches."""
EVEN_SHARES = 1.0
"""A label is natural if, under any perturbation, it takes more than this many times its even share
of the moved answers."""


@dataclass(frozen=True, slots=True)
class NaturalLabels:
    """Labels that clean references are known to fall into.

    Attributes:
        labels: natural labels under the perturbations; None if nothing is known.
        patches: labels to which a trigger search on a clean reference found a patch of at least
            :data:`NATURAL_PATCH`.
    """

    labels: frozenset[int] | None = None
    patches: frozenset[int] = frozenset()

    def natural_patch(self, key: str, label: int) -> bool:
        """True if clean references show findings of ``key`` towards ``label``."""
        return label in self.patches and key in NATURAL_KEYS


UNKNOWN = NaturalLabels()


def find_natural_labels(
    references: Sequence[Mapping[str, PerturbationCounts]], keys: Sequence[str]
) -> frozenset[int] | None:
    """Natural labels of ``references``, whose counts go by the key of the perturbation.

    References that lack one of ``keys`` are left out; None if no reference is left.
    """
    complete = [one for one in references if all(key in one for key in keys)]
    if not complete:
        return None
    classes = max(len(one[key].moved) for one in complete for key in keys)
    shares = np.array([[_shares(one[key], classes) for one in complete] for key in keys])
    largest = shares.mean(axis=1).max(axis=0)
    return frozenset(np.flatnonzero(largest * classes > EVEN_SHARES).tolist())


def _shares(counts: PerturbationCounts, classes: int) -> NDArray[np.float64]:
    """Share of each label among the moved answers, ``(classes,)``."""
    moved = np.zeros(classes)
    moved[: len(counts.moved)] = counts.moved
    return np.asarray(moved / max(1.0, moved.sum()))
