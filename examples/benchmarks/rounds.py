"""Which held-out models belong to which scoring.

The first round was scored when cells 1 to 18 of the manifest were what was planned. The second
was planned before anything that it judges was changed: models of cells that no choice, no null
and no scoring had seen. The third was planned in the same way, after the second's scoring and
before any change that followed it. The fourth was planned after the third's scoring, for the same
tool, to narrow the intervals.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DEVELOPMENT_ROUNDS = (1, 2)
"""Rounds whose models were scored by earlier tools, and from then on serve to make the next one:
what it shows on them is no test of it any more."""
SECOND_ROUND_CELLS = (19, 20, 21, 22)
THIRD_ROUND_CELLS = tuple(range(24, 33))
FOURTH_ROUND_CELLS = tuple(range(33, 37))
SEEDS_PER_CELL = 10_000


def round_of(model: Mapping[str, Any]) -> int:
    """The scoring that a held-out model belongs to, by its cell of the manifest: 1, 2, 3, 4, or
    0 for a model that no scoring of the rule takes.
    """
    cell = model["seed"] // SEEDS_PER_CELL
    if cell in FOURTH_ROUND_CELLS:
        return 4
    if cell in THIRD_ROUND_CELLS:
        return 3
    if cell in SECOND_ROUND_CELLS:
        return 2
    return 1 if cell < min(SECOND_ROUND_CELLS) else 0


def is_development(model: Mapping[str, Any]) -> bool:
    """Whether the present search and rule may have been made with a trained model: those of the
    calibration split, and held-out ones of rounds that earlier tools were scored on.
    """
    held_out = model["split"] == "held-out" and round_of(model) in DEVELOPMENT_ROUNDS
    return not model["failed"] and (model["split"] == "calibration" or held_out)
