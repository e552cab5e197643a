"""The labels of an audit, by what was asked. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.engine.store import NOT_ASKED
from auditor.labels.consistency import Repeats, wants_second_look
from auditor.plan.plan import AuditPlan
from auditor.scores.intervals import Rate, binomial_rate


@dataclass(frozen=True)
class Answers:
    """The labels of an audit, sorted by what was asked.

    Attributes:
        samples: ``(used,)`` labels of the samples themselves.
        maps: per plane its labels: ``(S, S)`` of a grid, ``(m,)`` of scattered points.
        canaries: ``(k,)`` second answers, those of second looks last; or None.
        first: ``(k,)`` first answers to the same inputs, or None.
    """

    samples: NDArray[np.uint16]
    maps: tuple[NDArray[np.uint16], ...]
    canaries: NDArray[np.uint16] | None
    first: NDArray[np.uint16] | None

    @property
    def distinct(self) -> int:
        """Number of different labels among samples and maps."""
        seen = np.unique(np.concatenate([self.samples, *(m.ravel() for m in self.maps)]))
        return int((seen != NOT_ASKED).sum())


def sort_answers(
    plan: AuditPlan,
    labels: Sequence[NDArray[np.uint16]],
    looks: NDArray[np.uint16] | None = None,
) -> Answers:
    """Give the engine's labels their meaning.

    Args:
        plan: what was asked.
        labels: in the order of ``plan.probes``.
        looks: labels of the plan's second looks, or None where they were not asked.
    """
    density = plan.settings.density
    maps = tuple(labels[1 : 1 + len(plan.planes)])
    if plan.settings.sampler == "paper":
        maps = tuple(plane.reshape(density, density) for plane in maps)
    if plan.canaries is None or plan.second_looks is None:
        return Answers(labels[0], maps, None, None)
    picks, second = plan.canaries.picks, labels[-1]
    if looks is not None:
        picks, second = np.concatenate([picks, plan.second_looks.picks]), np.append(second, looks)
    first = np.array([labels[probe][item] for probe, item in picks], dtype="<u2")
    return Answers(labels[0], maps, second, first)


def class_count(answers: Answers, size: int | None, classes: NDArray[np.int64]) -> int:
    """Length of the share vectors: the label space where it is known, else what was seen."""
    if size is not None:
        return size
    seen = np.concatenate([answers.samples, *(m.ravel() for m in answers.maps)])
    seen = seen[seen != NOT_ASKED]
    return 1 + max(int(seen.max(initial=0)), int(classes.max()))


def canary_rate(answers: Answers) -> Rate | None:
    """Share of inputs that got another label the second time; None where none were asked."""
    if answers.canaries is None or answers.first is None:
        return None
    both = (answers.canaries != NOT_ASKED) & (answers.first != NOT_ASKED)
    if not both.any():
        return None
    flips = (answers.canaries != answers.first) & both
    return binomial_rate(int(flips.sum()), int(both.sum()))


def repeats_of(plan: AuditPlan, answers: Answers) -> Repeats | None:
    """The inputs that were asked twice, with the moments of both answers; None without any."""
    if plan.canaries is None or answers.canaries is None or answers.first is None:
        return None
    moments = plan.moments()
    extra = len(answers.canaries) - plan.canaries.size
    picks = plan.canaries.picks
    if extra and plan.second_looks is not None:
        picks = np.concatenate([picks, plan.second_looks.picks])
    first_at = np.array([moments[probe][item] for probe, item in picks])
    second_at = np.append(moments[-1], np.ones(extra))
    both = (answers.canaries != NOT_ASKED) & (answers.first != NOT_ASKED)
    if not both.any():
        return None
    return Repeats(
        answers.first[both].astype(np.int64),
        answers.canaries[both].astype(np.int64),
        first_at[both],
        second_at[both],
        max(int(both.sum()), int(both[: plan.canaries.size].sum()) + plan.most_second_looks),
        int(both[: plan.canaries.size].sum()),
    )


def looks_missing(
    plan: AuditPlan, labels: Sequence[NDArray[np.uint16]], looks: NDArray[np.uint16] | None
) -> NDArray[np.int64]:
    """Numbers of the second looks that the answers call for and that were not asked yet.

    All of them where a flip needs telling apart from a vendor's rare other model; as many as
    repeats are short where the planes ended early; none otherwise.

    Args:
        plan: what was asked.
        labels: in the order of ``plan.probes``.
        looks: labels of the second looks so far, or None.
    """
    if plan.second_looks is None or plan.canaries is None:
        return np.empty(0, dtype=np.int64)
    answered = np.array(
        [labels[probe][item] != NOT_ASKED for probe, item in plan.second_looks.picks], dtype=bool
    )
    known = np.zeros(len(answered), dtype=bool) if looks is None else looks != NOT_ASKED
    rate = canary_rate(sort_answers(plan, labels, looks))
    asked = 0 if rate is None else rate.n
    flips = 0 if rate is None else round(rate.rate * rate.n)
    missing = np.flatnonzero(answered & ~known)
    planned = asked - int((answered & known).sum()) + plan.most_second_looks
    if wants_second_look(flips, planned):
        return missing
    return missing[: max(0, plan.canaries.size - asked)]


def label_counts(answers: Answers) -> NDArray[np.int64]:
    """How many samples and points of planes got each label, ``(labels,)``."""
    seen = np.concatenate([answers.samples, *(m.ravel() for m in answers.maps)])
    return np.bincount(seen[seen != NOT_ASKED].astype(np.int64))


def sample_accuracy(answers: Answers, true: NDArray[np.int64]) -> Rate | None:
    """Share of the used samples that the model labels as given; ``true`` is ``(used,)``."""
    asked = answers.samples != NOT_ASKED
    if not asked.any():
        return None
    return binomial_rate(int((answers.samples == true)[asked].sum()), int(asked.sum()))
