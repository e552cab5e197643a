"""The labels of an audit, by the probe that asked for them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from auditor.engine.contract import EngineResult
from auditor.engine.ledger import Ledger
from auditor.engine.store import NOT_ASKED
from auditor.labels.consistency import Repeats, wants_extra_repeats
from auditor.plan.adaptive import TriggerOutcome
from auditor.plan.plan import AuditPlan
from auditor.probes.label_map import LabelMap
from auditor.scores.intervals import Rate, binomial_rate

LabelArray = NDArray[np.uint16]


@dataclass(frozen=True)
class Answers:
    """Everything the model answered, by the name of the probe; 65535 if not asked.

    Attributes:
        plan: the plan that was asked.
        run: ends of the engine's runs, their ledger, and the labels of the plan's fixed probes.
        extra_repeats: labels of the plan's extra repeats; None if none were needed.
        perturbed: labels of the perturbed samples, per probe of ``plan.perturbations``; empty if
            none were asked or if labels are missing that had to be known.
        trigger: outcome of the trigger search; None without one, or if it was cut off.
        label_maps: label maps of the plan's first planes; empty if not all were drawn.
        stopped_early: True if planned queries were skipped because the verdict was already
            ``backdoor-suspected``.
    """

    plan: AuditPlan
    run: EngineResult
    extra_repeats: LabelArray | None = None
    perturbed: tuple[LabelArray, ...] = ()
    trigger: TriggerOutcome | None = None
    label_maps: tuple[LabelMap, ...] = ()
    stopped_early: bool = False

    @classmethod
    def of_labels(cls, plan: AuditPlan, labels: Sequence[LabelArray]) -> Answers:
        """Answers to the fixed probes of ``plan`` alone, in their order."""
        return cls(plan, EngineResult(list(labels), Ledger(), budget_reached=False, stopped=False))

    @property
    def samples(self) -> LabelArray:
        """Labels of the samples themselves, ``(used,)``."""
        return self.run.labels[0]

    @cached_property
    def planes(self) -> tuple[LabelArray, ...]:
        """Labels per plane: ``(S, S)`` of a grid, ``(m,)`` of net points."""
        settings = self.plan.settings
        found = tuple(self.run.labels[1 : 1 + len(self.plan.planes)])
        if settings.sampler != "paper":
            return found
        return tuple(plane.reshape(settings.density, settings.density) for plane in found)

    @cached_property
    def repeated(self) -> tuple[LabelArray, LabelArray] | None:
        """First and second labels ``(k,)`` of the inputs asked twice, extra repeats last."""
        plan = self.plan
        if plan.repeats is None or plan.extra_repeats is None:
            return None
        picks, second = plan.repeats.picks, self.run.labels[-1]
        if self.extra_repeats is not None:
            picks = np.concatenate([picks, plan.extra_repeats.picks])
            second = np.append(second, self.extra_repeats)
        first = np.array([self.run.labels[probe][item] for probe, item in picks], dtype="<u2")
        return first, second

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """Number of samples and points of planes with each label, ``(labels,)``."""
        seen = (self.samples, *self.planes)
        # One by one: together, and as 64 bits, they would take several times the labels' memory.
        counts = [np.bincount(labels[labels != NOT_ASKED]) for labels in seen]
        total = np.zeros(max(map(len, counts)), dtype=np.int64)
        for one in counts:
            total[: len(one)] += one
        return total

    @property
    def distinct(self) -> int:
        """Number of different labels among samples and planes."""
        return int((self.counts > 0).sum())

    def class_count(self, size: int | None, classes: NDArray[np.int64]) -> int:
        """Length of the share vectors: the number ``size`` of the model's classes if it is known,
        else enough for every label seen and every true class of the samples, ``classes``.
        """
        return size if size is not None else max(len(self.counts), 1 + int(classes.max()), 1)

    def accuracy(self, classes: NDArray[np.int64]) -> Rate | None:
        """Share of the used samples that got their true class of ``classes``."""
        asked = self.samples != NOT_ASKED
        if not asked.any():
            return None
        right = self.samples == classes[self.plan.used]
        return binomial_rate(int(right[asked].sum()), int(asked.sum()))

    def flip_rate(self) -> Rate | None:
        """Share of repeated inputs that got another label; None if none were asked twice."""
        if self.repeated is None:
            return None
        first, second = self.repeated
        both = (first != NOT_ASKED) & (second != NOT_ASKED)
        if not both.any():
            return None
        return binomial_rate(int((first != second)[both].sum()), int(both.sum()))

    def repeats(self) -> Repeats | None:
        """The inputs asked twice, with the moments of both answers; None without any."""
        plan, pairs = self.plan, self.repeated
        if plan.repeats is None or pairs is None:
            return None
        first, second = pairs
        both = (first != NOT_ASKED) & (second != NOT_ASKED)
        if not both.any():
            return None
        first_at, second_at = self._moments(len(second) - plan.repeats.size)
        own = int(both[: plan.repeats.size].sum())
        return Repeats(
            first[both].astype(np.int64),
            second[both].astype(np.int64),
            first_at[both],
            second_at[both],
            max(int(both.sum()), own + plan.most_extra_repeats),
            own,
        )

    def _moments(self, extra: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Moments at which repeated inputs were asked first and second, as shares of the audit."""
        plan = self.plan
        assert plan.repeats is not None
        picks, size = plan.repeats.picks, plan.repeats.size
        if extra and plan.extra_repeats is not None:
            picks = np.concatenate([picks, plan.extra_repeats.picks])
        own = np.stack([np.full(size, len(plan.probes) - 1), np.arange(size)], axis=1)
        at = plan.schedule.moments(np.concatenate([own, picks]))
        return at[size:], np.append(at[:size], np.ones(extra))

    def missing_extra_repeats(self) -> NDArray[np.int64]:
        """Numbers of the extra repeats that the answers call for and that were not asked yet.

        All of them if a flip may be a vendor's rare other model; as many as repeats are short if
        the planes ended early; none otherwise.
        """
        plan, labels = self.plan, self.run.labels
        if plan.extra_repeats is None or plan.repeats is None:
            return np.empty(0, dtype=np.int64)
        first = [labels[probe][item] for probe, item in plan.extra_repeats.picks]
        answered = np.array(first, dtype="<u2") != NOT_ASKED
        extra = self.extra_repeats
        known = np.zeros(len(answered), dtype=bool) if extra is None else extra != NOT_ASKED
        rate = self.flip_rate()
        asked = 0 if rate is None else rate.n
        flips = 0 if rate is None else round(rate.rate * rate.n)
        missing = np.flatnonzero(answered & ~known)
        planned = asked - int((answered & known).sum()) + plan.most_extra_repeats
        if wants_extra_repeats(flips, planned):
            return missing
        return missing[: max(0, plan.repeats.size - asked)]
