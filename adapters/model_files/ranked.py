"""Outputs as top-k operators give them: the best scores, and the numbers of the classes they are
of, ``(n, k)`` each. The label is the first number of a row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from adapters.contract import Labels
from adapters.errors import BadReply

Shapes = Mapping[str, tuple[str, Sequence[Any]]]
"""Name of an output -> numpy's kind of its numbers (``f``, ``i``, ``u``) and its shape."""


def ranked_pair(outputs: Shapes, name: str, wanted: str = "") -> tuple[str, str] | None:
    """Names of the scores and of the class numbers, if ``name`` is one of the two; or None. An open
    axis fits another open one, and the replies decide. Scores that are ``wanted`` by name are
    scores of every class.
    """
    for other in outputs if name in outputs else ():
        scores, numbers = (name, other) if outputs[name][0] == "f" else (other, name)
        if outputs[scores][0] != "f" or outputs[numbers][0] not in {"i", "u"}:
            continue
        sides = [outputs[one][1] for one in (scores, numbers)]
        widths = [side[1] if len(side) == 2 else 1 for side in sides]
        known = [width if isinstance(width, int) and width > 0 else None for width in widths]
        if known[0] == known[1] != 1:
            return None if scores == wanted else (scores, numbers)
    return None


def in_words(numbers: str, scores: str = "") -> str:
    """The name of the output that carries the label, and of what ranks its rows."""
    return f"{numbers} ranked by {scores}" if scores else numbers


def first_ranked(scores: Any, numbers: Any, names: tuple[str, str]) -> Labels:
    """Labels ``(n,)``: the first of ``numbers`` ``(n, k)``, whose ``scores`` must descend. Raises
    BadReply, with the ``names`` of the two outputs, where they do not.
    """
    scores, numbers = np.asarray(scores), np.asarray(numbers)
    if np.isnan(scores).any():
        raise BadReply("the model returned NaN instead of a score, so it gave no label")
    in_order = scores.shape == numbers.shape and bool((np.diff(scores, axis=1) <= 0).all())
    if not in_order or not np.diff(np.sort(numbers, axis=1), axis=1).all():
        raise BadReply(
            f"outputs {names[0]} (scores) and {names[1]} (whole numbers) have one shape, as the "
            "best scores and their classes would, but the scores do not descend or a number comes "
            f"twice: where {names[0]} scores every class, state --output-name {names[0]}"
        )
    labels: Labels = numbers[:, 0].astype(np.int64)
    return labels
