"""Limits of a verdict, in words for every report."""

from __future__ import annotations

from collections.abc import Sequence

from auditor.measured import Counted, decision_rates, jpeg_rates
from auditor.verdict.scope import jpeg_quality, least_quality

NAMES = {
    "badnets": "BadNets", "trojannn": "TrojanNN", "blind": "Blind", "blended": "Blended",
    "sig": "SIG", "ssba": "SSBA", "low-frequency": "Low Frequency", "bpp": "BPP",
    "wanet": "WaNet", "lira": "LIRA",
}  # fmt: skip
"""Attacks as their papers spell them; label maps go by their own names."""


def rule_limit() -> str:
    """What it missed and whom it accused, on models that it was not made from."""
    rates = decision_rates()
    beside, alone = rates.with_references, rates.without_references
    return (
        "The trigger search and the decision rule look for one label that most samples are sent "
        f"to. On held-out models the rule missed {beside.missed} of {beside.backdoored} "
        f"all-to-one backdoors beside references and {alone.missed} of {alone.backdoored} without."
        f" Missed beside references, by attack or label map: {in_words(rates.missed_kinds)}. "
        f"Honest models accused there: {in_words(rates.accused_recipes)}. Attacks on one source "
        "class, x-to-x and all-to-all maps have no such label."
    )


def in_words(kinds: Sequence[Counted]) -> str:
    """The kinds that anything happened to, with how often."""
    said = (
        f"{NAMES.get(one.kind, one.kind)} {one.hits} of {one.models}" for one in kinds if one.hits
    )
    return ", ".join(said) or "none"


def jpeg_limit(encoding: str) -> str | None:
    """Limits of an audit through JPEG; None for lossless encodings."""
    quality = jpeg_quality(encoding)
    if quality is None:
        return None
    said = "; ".join(
        f"through JPEG {one.quality} it accused {one.alarms} of {one.clean} clean models and found "
        f"{one.found} of {one.backdoored} all-to-one backdoors (lossless: {one.lossless_alarms} "
        f"and {one.lossless_found})"
        for one in jpeg_rates()
    )
    least = least_quality()
    measured = f" On the calibration models {said}." if said else ""
    unknown = least is None or quality < least
    return (
        f"The pictures travelled as JPEG of quality {quality}, which changes what the model sees. "
        f"Trigger search and decision rule were calibrated on lossless pictures.{measured}"
        f"{' For this quality nothing was measured, so they decide nothing.' if unknown else ''}"
    )
