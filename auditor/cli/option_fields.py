"""Panels of the help, and the fields that options are made of."""

from __future__ import annotations

from dataclasses import field
from typing import Any

AUDITED, SAMPLED, HARD = "What you audit", "Samples", "How hard"
LIMITED, JUDGED, SHOWN, EXPERT = "Limits", "Verdict", "Output", "Expert"
PANELS = (AUDITED, SAMPLED, HARD, LIMITED, JUDGED, SHOWN, EXPERT)
"""Panels of the help, in their order."""
BASIC = (
    "endpoint", "model", "target", "range", "samples", "effort", "max_queries", "rate", "profile",
    "output",
)  # fmt: skip
"""Options that ``--help`` shows; ``--help-all`` shows the others too."""


ALL = "xray-audit.help-all"
"""Key of the context's memory: true if the help shows every option."""


def option(
    text: str,
    default: Any = None,
    *,
    flags: str = "",
    metavar: str | None = None,
    env: bool = True,
    panel: str = "",
) -> Any:
    """A field of a group: an option named after it, and unless ``env`` is false a variable too.

    ``panel`` is that of the help, if it is not the group's.
    """
    return field(default=default, metadata={"of": (text, flags, metavar, env, panel)})
