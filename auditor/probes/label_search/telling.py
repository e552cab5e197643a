"""What tells a planted patch from a natural one as small.

A fragile model's natural patches are blobs of a colour over the object in the middle: their cells
may be rolled or mirrored, and most pictures still get the label. A planted pattern is learned as a
whole, cell by cell, so that another order of its cells does little; and attackers like the corners,
where natural patches have nothing to cover. Neither is true of every planted patch. What a patch
must be to speak for itself is measured on clean models like everything else.
"""

from __future__ import annotations

import numpy as np

from auditor.probes.trigger_search.patches import Patch, unit_of
from auditor.probes.trigger_search.sample_set import Asking, SampleSet

BORDER = 0.05
"""Largest distance from the nearest border, as a share of the smaller side, of a patch that lies at
it. Of 29 natural patches of 20 clean models none lies nearer than 0.07, and 27 lie beyond 0.1."""
OWN_ORDER = 0.3
"""Share of pictures that the patch's other orders move, all together, up to which its own counts:
of those 29 patches one is at 0.32, and the others are from 0.52 on."""


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


def at_border(patch: Patch, height: int, width: int) -> bool:
    """True if the patch lies at a border of a picture of ``height`` and ``width``."""
    row, column = patch.places[0]
    nearest = min(row, column, height - patch.side - row, width - patch.side - column)
    return nearest <= BORDER * min(height, width)


def tells(patch: Patch, label: int, sample_set: SampleSet, images: int) -> Asking[bool]:
    """True if ``patch`` is unlike those that clean models show: it lies at the border, or other
    orders of its cells send few of so many ``images`` to ``label``.
    """
    _, height, width = sample_set.spec.shape
    if at_border(patch, height, width):
        return True
    asked, orders = sample_set.pick(images, label), orders_of(patch, unit_of(sample_set.spec.shape))
    hits = yield from sample_set.hits([*orders], label, asked, "order")
    return bool(hits.mean() <= OWN_ORDER)
