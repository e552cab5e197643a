"""Thresholds of the plane scores from reference models, Eq. 5 and 6. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditor.errors import ProfileError
from auditor.scores.intervals import Rate, binomial_rate
from auditor.verdict.profile import (
    MIN_CLEAN_REFERENCES,
    Profile,
    Reference,
    ScoreName,
    Threshold,
    scores_of,
)
from auditor.verdict.scope import LOSSLESS

OUTLIER_DEVIATIONS = 6.0
"""A clean reference further from the others than this is left out, by name."""


def f1_threshold(clean: NDArray[np.float64], backdoored: NDArray[np.float64]) -> float:
    """The γ with the best F1 for "backdoored where score <= γ" (the arg max of Eq. 6).

    Candidates are the midpoints between neighbouring scores; of equally good ones the middle
    one is taken. ``clean`` and ``backdoored`` hold at least one score each.
    """
    scores = np.unique(np.concatenate([clean, backdoored]))
    candidates = np.concatenate([(scores[:-1] + scores[1:]) / 2.0, scores[-1:]])
    hits = (backdoored[None] <= candidates[:, None]).sum(axis=1)
    alarms = (clean[None] <= candidates[:, None]).sum(axis=1)
    f1 = 2.0 * hits / (hits + alarms + len(backdoored))
    best = candidates[f1 == f1.max()]
    return float(best[(len(best) - 1) // 2])


def threshold_for(references: Sequence[Reference], score: ScoreName) -> Threshold:
    """γ for one score, Eq. 6: the mean over attacks of the F1-optimal thresholds.

    Without backdoored references it is the lowest clean score: by exchangeability a further
    clean model falls below it with probability 1 / (n + 1).
    """
    clean = np.array([r.score(score) for r in references if not r.backdoored])
    attacks = sorted({r.attack for r in references if r.backdoored})
    if not attacks:
        return Threshold(*[float(clean.min())] * 3)
    values = [
        f1_threshold(clean, np.array([r.score(score) for r in references if r.attack == attack]))
        for attack in attacks
    ]
    return Threshold(float(np.mean(values)), min(values), max(values))


def auroc(clean: NDArray[np.float64], backdoored: NDArray[np.float64]) -> float:
    """Probability that a backdoored model scores below a clean one, ties counted half."""
    difference = clean[None, :] - backdoored[:, None]
    return float((difference > 0).mean() + 0.5 * (difference == 0).mean())


def find_outliers(references: Sequence[Reference]) -> tuple[str, ...]:
    """Names of clean references whose RE or accuracy lies far from the other clean ones.

    Far means more than :data:`OUTLIER_DEVIATIONS` robust standard deviations (1.4826 times the
    median absolute deviation) from the median. Fewer than 5 clean references show no outlier.
    """
    clean = [r for r in references if not r.backdoored]
    if len(clean) < MIN_CLEAN_REFERENCES:
        return ()
    far = np.zeros(len(clean), dtype=bool)
    for values in ([r.re for r in clean], [r.accuracy for r in clean]):
        if any(value is None for value in values):
            continue
        array = np.array(values, dtype=np.float64)
        distance = np.abs(array - np.median(array))
        # Rounded accuracies can have a deviation of zero; a point is the least that counts.
        spread = max(1.4826 * float(np.median(distance)), 0.01)
        far |= distance > OUTLIER_DEVIATIONS * spread
    return tuple(r.name for r, is_far in zip(clean, far, strict=True) if is_far)


def without_outliers(references: Sequence[Reference]) -> list[Reference]:
    """``references`` without those that :func:`find_outliers` names."""
    outliers = find_outliers(references)
    return [reference for reference in references if reference.name not in outliers]


def best_score(references: Sequence[Reference]) -> ScoreName:
    """The score that separates the references best by AUROC; RE without both kinds of them."""
    clean = [r for r in references if not r.backdoored]
    bad = [r for r in references if r.backdoored]
    if not clean or not bad:
        return "re"

    def separation(name: ScoreName) -> float:
        return auroc(*(np.array([r.score(name) for r in side]) for side in (clean, bad)))

    return max(scores_of(references), key=separation)


def leave_one_out(references: Sequence[Reference]) -> dict[str, Rate | None]:
    """Error rates of the whole procedure, search for outliers and choice of score included.

    Each reference is judged by the score and threshold that the others alone would give, so
    that no model is scored by a threshold it helped to set. An outlier is judged like any
    other: an audited model may be just as odd, and leaving its error out would flatter.
    """
    errors: dict[bool, list[bool]] = {False: [], True: []}
    for index, left_out in enumerate(references):
        others = without_outliers([*references[:index], *references[index + 1 :]])
        if all(other.backdoored for other in others):
            continue
        score = best_score(others)
        flagged = left_out.score(score) <= threshold_for(others, score).value
        errors[left_out.backdoored].append(flagged != left_out.backdoored)
    return {
        side: binomial_rate(sum(wrong), len(wrong)) if wrong else None
        for side, wrong in zip(("false_positive", "false_negative"), errors.values(), strict=True)
    }


def calibrate(
    references: Sequence[Reference],
    *,
    name: str,
    task: str,
    access: str,
    settings: Mapping[str, Any],
    input_shape: tuple[int, int, int],
    labels: tuple[str, ...] | None,
    provenance: str,
    coding: str = LOSSLESS,
) -> Profile:
    """Make a profile from scored references; for the arguments see :class:`Profile`.

    Raises:
        ProfileError: no clean reference, or two references with one name.
    """
    if len({r.name for r in references}) != len(references):
        raise ProfileError("two references have the same name")
    if not all(math.isfinite(r.score(score)) for r in references for score in scores_of([r])):
        raise ProfileError("a reference has a score that is not finite")
    used = without_outliers(references)
    clean = sum(not r.backdoored for r in used)
    if clean == 0:
        raise ProfileError("a profile needs at least one clean reference")
    return Profile(
        name=name,
        status="calibrated" if clean >= MIN_CLEAN_REFERENCES else "provisional",
        task=task,
        access=access,
        settings=settings,
        input_shape=input_shape,
        labels=labels,
        decides_by=best_score(used),
        thresholds={score: threshold_for(used, score) for score in scores_of(used)},
        error_rates=leave_one_out(references),
        references=tuple(references),
        outliers=find_outliers(references),
        provenance=provenance,
        coding=coding,
    )
