"""Clean, labelled samples: read from disk or arrays and fitted to the model."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from auditor.samples.fit import class_indices
    from auditor.samples.load import load_samples

__all__ = ["class_indices", "load_samples"]


def __getattr__(name: str) -> Any:
    """Load a name when it is first used: records need neither pictures nor arrays."""
    if name in __all__:
        module = "fit" if name == "class_indices" else "load"
        return getattr(importlib.import_module(f"auditor.samples.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
