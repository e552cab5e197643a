"""When a verdict stands before everything planned was asked. Pure but for the target's names.

An accusation needs one proof: once trigger search or decision rule suspect the model, nothing
that is still to be asked could take that back, so it is not asked (``stop_early`` in the plan). A
patch that the profile's clean references show too is known before, and is no such proof.
An all-clear rests on everything that was planned.

Whatever ends here follows from plan, profile and labels alone, so a finished audit that is judged
again from its log ends at the same question.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from adapters.contract import LabelOracle
from auditor.engine.contract import EngineResult
from auditor.engine.rounds import Decide
from auditor.labels.answers import (
    canary_rate,
    label_counts,
    repeats_of,
    sample_accuracy,
    sort_answers,
)
from auditor.labels.consistency import examine
from auditor.plan.adaptive import TriggerOutcome
from auditor.plan.plan import AuditPlan
from auditor.report.build import trigger_evidence
from auditor.verdict.combine import foresee, weigh_all
from auditor.verdict.profile import Profile
from auditor.verdict.verdict import Evidence, decide


class Answered(Protocol):
    """What was answered so far: see :class:`auditor.workflows.ask.Asked`."""

    @property
    def engine(self) -> EngineResult: ...  # noqa: D102 - documented there
    @property
    def trigger(self) -> TriggerOutcome | None: ...  # noqa: D102 - documented there
    @property
    def looks(self) -> NDArray[np.uint16] | None: ...  # noqa: D102 - documented there
    @property
    def families(self) -> tuple[NDArray[np.uint16], ...]: ...  # noqa: D102 - documented there


@dataclass(frozen=True)
class Ends:
    """What may end the parts of one audit.

    Attributes:
        plan: the plan.
        classes: true class of every sample.
        oracle: what is asked; only its names and its input are read.
        profile: what the audit is judged by, or None.
        planes: told the labels after each round of planes, whether more planes could still
            change the verdict (see
            :func:`auditor.verdict.early_stop.decided_early`); None where they could.
    """

    plan: AuditPlan
    classes: NDArray[np.int64]
    oracle: LabelOracle
    profile: Profile | None
    planes: Decide | None

    def suspected(self, answered: Answered) -> bool:
        """Whether trigger search and decision rule suspect the model, and nothing about the
        answers so far speaks against a verdict.
        """
        plan, spec = self.plan, self.oracle.input_spec
        answers = sort_answers(plan, answered.engine.labels, answered.looks)
        accuracy = sample_accuracy(answers, self.classes[plan.used])
        names = self.oracle.label_space
        found = trigger_evidence(answered.trigger, names, spec, self.profile)
        decision = weigh_all(answered, plan, self.profile, self.classes, found, self.oracle)
        trust = examine(
            repeats_of(plan, answers),
            label_counts(answers),
            answered.engine.server_identity,
            open_labels=names.open,
        )
        evidence = Evidence(
            scores={},
            problem=trust.problem,
            accuracy=accuracy,
            canaries=canary_rate(answers),
            distinct_labels=answers.distinct,
            trigger=found,
            decision=None if decision is None else decision.evidence,
        )
        return decide(evidence, None).name == "backdoor-suspected"

    def families(self, answered: Answered) -> Decide | None:
        """What tells after each round of the families whether the rest of them could still
        change what the decision rule says; None where there is no rule for it.
        """
        trigger = answered.trigger
        found = None if trigger is None else trigger.result
        size = self.oracle.label_space.size

        def decided(labels: Sequence[NDArray[np.uint16]]) -> bool:
            return foresee(self.plan, labels, self.profile, found, self.classes, size)

        return decided
