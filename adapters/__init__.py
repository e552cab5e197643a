"""Adapters: everything that knows how to reach a model, behind one hard-label contract."""

from adapters.contract import (
    Access,
    Batch,
    InputSpec,
    LabelOracle,
    Labels,
    LabelSpace,
    PaceHint,
    WireCount,
)
from adapters.errors import AdapterError, RetryAdvice

XRAY_AUDIT_ADAPTERS = True
"""Marks this package as ours: another distribution installs the same import name."""

__all__ = [
    "XRAY_AUDIT_ADAPTERS",
    "Access",
    "AdapterError",
    "Batch",
    "InputSpec",
    "LabelOracle",
    "LabelSpace",
    "Labels",
    "PaceHint",
    "RetryAdvice",
    "WireCount",
]
