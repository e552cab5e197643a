"""What the decision rule is known to miss, in words for every report."""

from __future__ import annotations

from collections.abc import Sequence

from auditor.measured.decision import (
    ACCUSED_RECIPES,
    MISSED_KINDS,
    WITH_REFERENCES,
    WITHOUT_REFERENCES,
)
from auditor.verdict.rule import Counted

NAMES = {
    "badnets": "BadNets", "trojannn": "TrojanNN", "blind": "Blind", "blended": "Blended",
    "sig": "SIG", "ssba": "SSBA", "low-frequency": "Low Frequency", "bpp": "BPP",
    "wanet": "WaNet", "lira": "LIRA",
}  # fmt: skip
"""Attacks as their papers spell them; label maps go by their own names."""


def rule_limit() -> str:
    """What it missed and whom it accused, on models that it was not made from."""
    beside, alone = WITH_REFERENCES, WITHOUT_REFERENCES
    return (
        "The trigger search and the decision rule look for one label that most samples are sent "
        f"to. On held-out models the rule missed {beside.missed} of {beside.backdoored} "
        f"all-to-one backdoors beside references and {alone.missed} of {alone.backdoored} without."
        f" Missed beside references, by attack or label map: {in_words(MISSED_KINDS)}. "
        f"Honest models accused there: {in_words(ACCUSED_RECIPES)}. Attacks on one source class, "
        "x-to-x and all-to-all maps have no such label."
    )


def in_words(kinds: Sequence[Counted]) -> str:
    """The kinds that anything happened to, with how often."""
    said = (
        f"{NAMES.get(one.kind, one.kind)} {one.hits} of {one.models}" for one in kinds if one.hits
    )
    return ", ".join(said) or "none"
