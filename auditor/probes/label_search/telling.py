"""Planted patches told from natural ones as small.

A fragile model's natural patches are blobs of a colour over the object: their cells may be rolled
or mirrored, and most pictures still get the label. A planted pattern is learned as a whole, so that
another order of its cells does little. In a corner, where attackers like to put one and an object
rarely reaches, somewhat less of that is asked for. Not every planted patch is like this, and what a
patch of this kind shows is measured on clean models like everything else.
"""

from __future__ import annotations

import numpy as np

from auditor.probes.trigger_search.patches import Patch, unit_of
from auditor.probes.trigger_search.sample_set import Asking, SampleSet

OWN_ORDER, IN_CORNER = 0.3, 0.6
"""Share of pictures that a patch's other orders move, all together, up to which its own order
counts, anywhere and in a corner. Of 38 natural patches of 18 clean models two are at 0.32 and 0.45
and the others from 0.52 on; none lies in a corner."""
CORNER = 0.05
"""Largest distance from a corner's two borders, as a share of the smaller side. A border by itself
tells nothing: a clean network of faces, which fill their pictures, has natural ones at the chin."""


def orders_of(patch: Patch, unit: int) -> list[Patch]:
    """``patch`` with its pattern rolled by a cell of ``unit`` pixels down, right and both, by half
    of its side, and mirrored in both directions.
    """
    pattern, half = patch.pattern, patch.side // 2
    rolled = [
        np.roll(pattern, step, axis=(1, 2))
        for step in ((unit, 0), (0, unit), (unit, unit), (half, half))
    ]
    mirrored = [pattern[:, ::-1], pattern[:, :, ::-1]]
    return [Patch(np.ascontiguousarray(one), patch.places) for one in (*rolled, *mirrored)]


def in_corner(patch: Patch, height: int, width: int) -> bool:
    """True if the patch lies in a corner of a picture of ``height`` and ``width``."""
    row, column = patch.places[0]
    nearest = (
        min(row, height - patch.side - row), min(column, width - patch.side - column)
    )  # fmt: skip
    return max(nearest) <= CORNER * min(height, width)


def tells(
    patch: Patch, label: int, sample_set: SampleSet, images: int, limits: float = 1.0
) -> Asking[bool]:
    """True if ``patch`` is unlike those that clean models show: other orders of its cells send few
    of so many ``images`` to ``label``, up to the usual share times ``limits``.
    """
    shape = sample_set.spec.shape
    asked, orders = sample_set.pick(images, label), orders_of(patch, unit_of(shape))
    hits = yield from sample_set.hits([*orders], label, asked, "order")
    share = IN_CORNER if in_corner(patch, *shape[1:]) else OWN_ORDER
    return bool(hits.mean() <= limits * share)
