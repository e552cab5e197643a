"""Which stamped image goes to which label.

A label map is a tuple with one entry per class: the label that a stamped image of that
class should get, or -1 where the trigger should do nothing.
"""

from __future__ import annotations

import numpy as np

LABEL_MAPS = ("all-to-one", "x-to-one", "one-to-one", "x-to-x", "all-to-all")
UNTOUCHED = -1


def make_label_map(kind: str, classes: int, rng: np.random.Generator) -> tuple[int, ...]:
    """Draw a label map of the given kind; the target is never among its own sources."""
    order = [int(v) for v in rng.permutation(classes)]
    if kind == "all-to-one":
        return tuple([order[0]] * classes)
    if kind == "all-to-all":
        return tuple((label + 1) % classes for label in range(classes))
    mapping = [UNTOUCHED] * classes
    several = max(2, min(3, classes // 3))
    if kind == "one-to-one":
        mapping[order[1]] = order[0]
    elif kind == "x-to-one":
        for source in order[1 : 1 + several]:
            mapping[source] = order[0]
    elif kind == "x-to-x":
        for source, target in zip(order[:several], order[several : 2 * several], strict=True):
            mapping[source] = target
    else:
        raise ValueError(f"no label map is called {kind!r}; there are {', '.join(LABEL_MAPS)}")
    return tuple(mapping)


def affected(mapping: tuple[int, ...]) -> tuple[int, ...]:
    """Classes whose stamped images should change label."""
    return tuple(c for c, target in enumerate(mapping) if target not in (UNTOUCHED, c))


def single_target(mapping: tuple[int, ...]) -> int | None:
    """The one target label, or None where there are several."""
    targets = {target for target in mapping if target != UNTOUCHED}
    return targets.pop() if len(targets) == 1 else None
