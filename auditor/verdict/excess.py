"""Excess of perturbed samples that drift to a label, compared with clean reference models.

Per perturbation and label, the log rate of answers is compared with the log rates of clean
references. Few references say little about their own spread, so it is shrunk towards a prior one;
counts of a few answers are uncertain, and that uncertainty is part of the spread; and one
perturbation can contribute only so much, since tails are heavy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.probes.perturbations.probe import PerturbationCounts

Floats = NDArray[np.float64]
Counts = Mapping[str, PerturbationCounts]

PRIOR_ANSWERS = 4.0
"""Answers added to every count, spread over the labels as the references' answers are."""
PRIOR_SPREAD = 0.35
"""Standard deviation of log rates among clean models before any was seen."""
PRIOR_MODELS = 4.0
"""References that the prior spread counts as."""
PRIOR_SHIFT = 0.3
"""Standard deviation among clean models of the log odds that a label changes at all, and of
the log odds of the accuracy, before any was seen."""
LARGEST = 4.0
"""One perturbation's excess counts at most this, in standard deviations, either way."""
LEAST_REFERENCES = 2
"""With fewer clean references nothing is compared."""


@dataclass(frozen=True)
class Excess:
    """The perturbations of one model beside those of clean references.

    Attributes:
        by_label: ``(classes,)`` mean over the perturbations of the standardised excess, widened.
        by_perturbation: the same per perturbation, before widening.
        shift: ``(classes,)`` difference from the references in all answers but those that name
            this label: mean square of standardised differences in how often labels change at all,
            and in accuracy. About 1 among like models.
        references: number of clean references compared with.
    """

    by_label: Floats
    by_perturbation: Mapping[str, Floats]
    shift: Floats
    references: int


def measure_excess(
    counts: Counts,
    references: Sequence[Counts],
    accuracy: float | None,
    reference_accuracies: Sequence[float | None],
    keys: Sequence[str],
    widening: float,
) -> Excess | None:
    """Compare one model with clean references, perturbation by perturbation.

    Args:
        counts: the model's, by the key of the perturbation.
        references: those of each clean reference.
        accuracy: share of its samples that the model labels as given, or None.
        reference_accuracies: the same for each reference.
        keys: the perturbations that count.
        widening: factor of the shift in the variance of the excess, at least 0.

    Returns:
        The excess, or None if a perturbation is missing or there are too few references.
    """
    complete = [r for r in references if all(key in r for key in keys)]
    if len(complete) < LEAST_REFERENCES or any(key not in counts for key in keys):
        return None
    classes = max(len(c[key].moved) for c in (counts, *complete) for key in keys)
    by_perturbation = {
        key: _standardised(counts[key], [r[key] for r in complete], classes) for key in keys
    }
    known = [a for a in reference_accuracies if a is not None]
    shifts = [_change_shift(counts[key], [r[key] for r in complete], classes) for key in keys]
    if accuracy is not None and len(known) >= LEAST_REFERENCES:
        of_accuracy = _shift(_odds(accuracy), [_odds(a) for a in known], np.zeros(()))
        shifts.append(np.full(classes, float(of_accuracy)))
    shift = np.mean(shifts, axis=0)
    mean = np.mean(list(by_perturbation.values()), axis=0)
    return Excess(mean / np.sqrt(1.0 + widening * shift), by_perturbation, shift, len(complete))


def _standardised(
    own: PerturbationCounts, others: Sequence[PerturbationCounts], classes: int
) -> Floats:
    """Excess of every label's log rate in standard deviations, clipped: ``(classes,)``."""
    moved = np.array([_padded(other.moved, classes) for other in others])
    asked = np.array([_padded(other.asked, classes, other.asked[-1]) for other in others])
    usual = moved.sum(axis=0) + 1.0
    usual /= usual.sum()
    rates = _log_rate(moved, asked, usual)
    rate = _log_rate(_padded(own.moved, classes), _padded(own.asked, classes, own.asked[-1]), usual)
    n, mean = len(others), rates.mean(axis=0)
    few_answers = 1.0 / (np.exp(mean) * asked[0] + 1.0)
    variance = _shrunk(rates, PRIOR_SPREAD**2 + few_answers)
    excess = (rate - mean) / np.sqrt(variance * (1.0 + 1.0 / n))
    return np.asarray(np.clip(excess, -LARGEST, LARGEST))


def _shrunk(values: Floats, prior: Floats | float) -> Floats:
    """Variance of ``values`` over the references, shrunk towards ``prior``."""
    n = len(values)
    variance = (n - 1) * values.var(axis=0, ddof=1) + PRIOR_MODELS * prior
    return np.asarray(variance / (n - 1 + PRIOR_MODELS))


def _padded(values: Sequence[int], classes: int, fill: int = 0) -> Floats:
    """``values`` as ``(classes,)``: a label that a model never named has no answers."""
    out = np.full(classes, float(fill))
    out[: len(values)] = values
    return out


def _log_rate(moved: Floats, asked: Floats, usual: Floats) -> Floats:
    return np.asarray(np.log((moved + PRIOR_ANSWERS * usual) / (asked + PRIOR_ANSWERS)))


def _change_shift(
    own: PerturbationCounts, others: Sequence[PerturbationCounts], classes: int
) -> Floats:
    """Per label, shift in how often inputs that did not get this label changed theirs."""
    changed, kept = _changed(own, classes), own.kept + 2.0
    return _shift(
        np.log(changed / kept),
        [np.log(_changed(other, classes) / (other.kept + 2.0)) for other in others],
        np.asarray(1.0 / changed + 1.0 / kept),
    )


def _changed(counts: PerturbationCounts, classes: int) -> Floats:
    """Inputs that got neither their sample's label nor this one, plus 2: ``(classes,)``.

    The label itself is left out, so that a target's own pull does not make a model unlike.
    """
    others = counts.inputs - counts.kept - _padded(counts.moved, classes)
    return np.asarray(np.maximum(others, 0.0) + 2.0)


def _odds(share: float) -> Floats:
    kept = min(max(share, 0.005), 0.995)
    return np.asarray(np.log(kept / (1.0 - kept)))


def _shift(own: Floats, others: Sequence[Floats], uncertain: Floats) -> Floats:
    """Squared distance from the references in their own standard deviations; ``uncertain`` is the
    variance that counting adds.
    """
    values = np.array(others)
    variance = _shrunk(values, PRIOR_SHIFT**2) * (1.0 + 1.0 / len(values)) + uncertain
    return np.asarray((own - values.mean(axis=0)) ** 2 / variance)
