"""Stochastic curtailment: could missing answers still change the decision rule's outcome? Pure.

Every round asks a random part of each perturbation, so the answers so far are a draw without
replacement from those of all its inputs, and the rest can be predicted: the missing answers are
drawn from an urn that holds the ones so far and a few of the clean references'. If the rule says
the same with :data:`DRAWS` such completions, the rest is not worth asking. Comparing again after
every round costs nothing: the chance that the full count says something else is a martingale, so
it ends above 1 % at most as often as that after it was once below.

Related work: stochastic curtailment (Lan, Simon and Halperin 1982) and predictive probability
(Spiegelhalter, Freedman and Blackburn 1986) in clinical trials.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from auditor.probes.perturbations.probe import PerturbationCounts

DRAWS = 300
"""Completions that must all agree: then the chance of another outcome is below 1 %, at 95 %."""
URN_ANSWERS = 4.0
"""Answers of the clean references that the urn holds besides the model's own."""

Suspicious = Callable[[Mapping[str, PerturbationCounts]], bool]


def expected_counts(
    partial: PerturbationCounts, asked: Sequence[int], inputs: int
) -> PerturbationCounts:
    """Full counts of a perturbation, of the given ``asked`` and ``inputs``, if the rest is answered
    as the answers so far.
    """
    if partial.inputs == inputs:
        return partial
    moved = [
        round(hits * whole / part) if part else 0
        for hits, whole, part in zip(partial.moved, asked, partial.asked, strict=True)
    ]
    kept = round(partial.kept * inputs / max(1, partial.inputs))
    return PerturbationCounts(partial.key, tuple(asked), tuple(moved), kept, inputs)


def rest_changes_nothing(
    partial: Sequence[PerturbationCounts],
    whole: Mapping[str, tuple[Sequence[int], int]],
    references: Sequence[Mapping[str, PerturbationCounts]],
    suspicious: Suspicious,
    rng: np.random.Generator,
) -> bool:
    """True if the rest of the answers would leave the outcome of the rule as it is.

    Args:
        partial: the counts so far, one per perturbation.
        whole: by key, ``asked`` and the number of inputs of the full counts.
        references: counts of the clean references, by key.
        suspicious: the rule, a function of full counts by key.
        rng: draws the completions.
    """
    if not partial or any(one.inputs == 0 for one in partial):
        return False
    now = suspicious({one.key: expected_counts(one, *whole[one.key]) for one in partial})
    drawn = {one.key: _completions(one, *whole[one.key], references, rng) for one in partial}
    return all(
        suspicious({key: counts[number] for key, counts in drawn.items()}) is now
        for number in range(DRAWS)
    )


def _completions(
    partial: PerturbationCounts,
    asked: Sequence[int],
    inputs: int,
    references: Sequence[Mapping[str, PerturbationCounts]],
    rng: np.random.Generator,
) -> list[PerturbationCounts]:
    """:data:`DRAWS` full counts that the partial ones may grow into."""
    seen = np.array([*partial.moved, partial.kept], dtype=np.float64)
    urn = seen + URN_ANSWERS * _usual(partial.key, len(partial.moved), references)
    more = rng.multinomial(inputs - partial.inputs, rng.dirichlet(urn, DRAWS))
    full = seen.astype(np.int64) + more
    # A label cannot be reached from samples that carry it.
    full[:, :-1] = np.minimum(full[:, :-1], np.asarray(asked))
    return [
        PerturbationCounts(
            partial.key, tuple(asked), tuple(row[:-1].tolist()), int(row[-1]), inputs
        )
        for row in full
    ]


def _usual(
    key: str, classes: int, references: Sequence[Mapping[str, PerturbationCounts]]
) -> NDArray[np.float64]:
    """Shares of the labels moved to, and of kept labels last, among the references' answers:
    ``(classes + 1,)``, above 0 everywhere.
    """
    total = np.full(classes + 1, 1.0 / (classes + 1))
    for reference in references:
        moved = reference[key].moved[:classes]
        total[: len(moved)] += moved
        total[-1] += reference[key].kept
    return np.asarray(total / total.sum())
