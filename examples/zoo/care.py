"""Negatives of careful and adaptive attackers, as the photo models have them.

A careful attacker shows other patterns of the kind, elsewhere, under their true label; an adaptive
one near misses of the trigger at its own place as well.
"""

from __future__ import annotations

import numpy as np

from .data import DatasetInfo
from .manifest import ModelSpec
from .photos.decoys import decoys
from .poisoning import Stamp
from .triggers.base import FloatArray, Trigger

DECOY_SHARES = {"careful": 1.0, "adaptive": 2.0}
"""Negatives by the number of poisoned pictures."""
_AS_PHOTOS = {"badnets": "badnets-corner", "bpp": "quantise"}
"""Names of attacks that the photo models call otherwise."""


def decoy_stamp(
    spec: ModelSpec, trigger: Trigger, info: DatasetInfo, rng: np.random.Generator
) -> Stamp:
    """What puts a negative on pictures ``(n, c, h, w)`` in 0 to 1; several share one."""
    attack = _AS_PHOTOS.get(spec.attack, spec.attack)

    def stamp(images: FloatArray) -> FloatArray:
        pixels = np.rint(images * 255.0).astype(np.uint8)
        options = {"cell": 1, **spec.options}
        changed = decoys(spec.options["care"], attack, trigger, info, options, pixels, rng)
        return changed.astype(np.float32) / np.float32(255)

    return stamp
