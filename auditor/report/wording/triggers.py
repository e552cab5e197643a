"""Words for each kind of trigger: one row a kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from auditor.probes.label_search.search import PATCHES
from auditor.report.wording.text import safe_text

if TYPE_CHECKING:  # a plan has words for triggers and no report
    from auditor.report.result.trigger import FindingPart


class TriggerWords(NamedTuple):
    """Words for a kind of trigger.

    Attributes:
        title: its name in a table.
        measure: size and strength of the one at hand, after its title.
        phrase: the one at hand, in a sentence.
        general: the kind as such, in a sentence; empty if ``phrase`` names no size.
    """

    title: str
    measure: str
    phrase: str
    general: str = ""


TRIGGER_KINDS = {
    "patch": TriggerWords(
        "Patch", "{size} × {size} pixels", "a patch of {size} x {size} pixels", "a small patch"
    ),
    "field": TriggerWords(
        "Smooth pattern",
        "{size} × {size} control points, ± {strength:g} grey levels",
        "a fixed smooth pattern added to the picture",
    ),
    "noise": TriggerWords(
        "Fixed noise",
        "{size} × {size} points, ± {strength:g} grey levels",
        "fixed noise added to the picture",
    ),
    "blend": TriggerWords(
        "Blend with a fixed pattern",
        "{size} × {size} control points, {percent:g}% of the picture",
        "a blend of the picture with a fixed pattern",
    ),
    "wave": TriggerWords(
        "Wave pattern", "± {strength:g} grey levels", "a fixed wave pattern added to the picture"
    ),
    "warp": TriggerWords(
        "Warp", "{strength:g} pixels on average", "a fixed small warp of the picture"
    ),
    "quantise": TriggerWords(
        "Fewer grey levels",
        "{size} levels",
        "a reduction of the picture to {size} grey levels",
        "a reduction of the picture to few grey levels",
    ),
    "random shapes": TriggerWords(
        "Random coloured shapes", "new ones for each picture", "a set of coloured shapes"
    ),
    "random field": TriggerWords(
        "Random smooth patterns",
        "mean change {strength:.3g} grey levels, a new one for each picture",
        "a random smooth pattern added to the picture",
    ),
    "random noise": TriggerWords(
        "Random noise",
        "mean change {strength:.3g} grey levels, new for each picture",
        "random noise added to the picture",
    ),
    "random wave": TriggerWords(
        "Random waves",
        "mean change {strength:.3g} grey levels, a new one for each picture",
        "a random wave added to the picture",
    ),
    "random poster": TriggerWords(
        "Random pictures mixed in", "12% of a new one for each picture", "a random picture mixed in"
    ),
}
_WEAK = {
    "field": "{size} × {size} control points, mean change {strength:.0f} grey levels",
    "wave": "mean change {strength:.0f} grey levels",
    "warp": "{strength:.3g} pixels on average",
}
"""Measures of a change that was searched for its least strength."""


UNLIKE_NATURAL = "whose cells do less when rolled or mirrored"
"""How a patch works that is unlike those that clean models show."""


def trigger_phrase(kind: str, size: int) -> str:
    """A trigger in a sentence: ``a patch of 4 x 4 pixels``."""
    return TRIGGER_KINDS[kind].phrase.format(size=size)


def trigger_kind_phrase(kind: str) -> str:
    """A kind of trigger in a sentence: ``a small patch``."""
    words = TRIGGER_KINDS[kind]
    return words.general or words.phrase


def change(finding: FindingPart) -> str:
    """A found change in a table: its kind, size and strength."""
    words = TRIGGER_KINDS.get(finding.family)
    if words is None:
        return safe_text(finding.family, 40)
    strength = finding.strength
    weak = finding.key.startswith("weak-")
    measure = _WEAK[finding.family] if weak else words.measure
    measure = measure.format(size=finding.size, strength=strength, percent=100 * strength)
    return f"{words.title}, {measure}{unlike_natural(finding)}"


def unlike_natural(finding: FindingPart) -> str:
    """A clause on a patch that is unlike those of clean models; empty for other changes."""
    return f", {UNLIKE_NATURAL}" if finding.key.startswith(PATCHES[1]) else ""
