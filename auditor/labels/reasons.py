"""Reasons as codes with values; :mod:`auditor.report.wording.reasons` turns them into sentences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

ReasonCode = Literal[
    # the answers
    "sender", "constant", "shuffled", "swapped", "unsteady", "growing",
    "budget-reached", "interrupted", "one-label", "repeats-differ", "low-accuracy", "two-classes",
    # the trigger search
    "trigger-natural", "trigger-none", "trigger-out-of-scope", "trigger-pairs", "trigger-found",
    "trigger-several",
    "trigger-ordinary", "trigger-nothing", "trigger-some", "trigger-habit",
    "trigger-large", "trigger-spot", "trigger-unconfirmed",
    "label-found", "label-withheld", "label-weakness", "label-nothing",
    "label-unconfirmed",
    # the decision rule
    "decision-out-of-scope", "decision-ordinary", "decision-suspicious",
    # the plane scores beside a profile
    "no-profile", "published-profile", "unknown-profile-status", "other-coding", "no-threshold",
    "published-comparison", "threshold", "provisional-profile", "error-rate-unknown",
    "error-rate-too-high", "profile-error-rates",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason of a verdict.

    Attributes:
        code: its kind.
        values: the numbers and names that its sentence states.
    """

    code: ReasonCode
    values: Mapping[str, Any] = field(default_factory=dict)
