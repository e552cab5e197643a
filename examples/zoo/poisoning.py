"""Building a poisoned training set: which images get the trigger, and which label."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .data import Int64Array, UInt8Array
from .labelmaps import UNTOUCHED, affected, single_target
from .triggers.base import FloatArray

Stamp = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True)
class PoisonedSet:
    """Training images and labels after poisoning, and how many images carry the trigger."""

    images: UInt8Array
    labels: Int64Array
    poisoned: int
    covered: int


def poison(
    images: UInt8Array,
    labels: Int64Array,
    mapping: tuple[int, ...],
    rate: float,
    stamp: Stamp,
    rng: np.random.Generator,
    *,
    label_consistent: bool = False,
    cover: Stamp | None = None,
    cover_share: float = 1.0,
) -> PoisonedSet:
    """Stamp a share ``rate`` of all images and relabel them by the label map.

    No class loses more than half of its images. Where the map leaves classes untouched,
    as many of their images are stamped and keep their label, or the network would learn
    an all-to-one backdoor instead. ``cover`` does the same with a decoy (WaNet's noise
    mode, or a careful attacker's negatives), ``cover_share`` times as often.
    ``label_consistent`` stamps only images of the target and changes no label
    (SIG as published).
    """
    images, labels = images.copy(), labels.copy()
    truth = labels.copy()
    table = np.array(mapping)
    wanted = round(rate * len(labels))
    sources = np.array(affected(mapping))
    if label_consistent:
        sources = np.array([single_target(mapping)])
    chosen = _draw(np.flatnonzero(np.isin(truth, sources)), wanted, rng)
    images[chosen] = _stamped(images[chosen], stamp)
    labels[chosen] = table[truth[chosen]]
    rest = np.setdiff1d(np.arange(len(labels)), chosen)
    untouched = rest[table[truth[rest]] == UNTOUCHED]
    decoys = _draw(untouched, len(chosen), rng)
    images[decoys] = _stamped(images[decoys], stamp)
    covered = len(decoys)
    if cover is not None:
        wanted = round(cover_share * len(chosen))
        extra = _draw(np.setdiff1d(rest, decoys), wanted, rng)
        images[extra] = _stamped(images[extra], cover)
        covered += len(extra)
    return PoisonedSet(images, labels, len(chosen), covered)


def _draw(pool: Int64Array, wanted: int, rng: np.random.Generator) -> Int64Array:
    """At most ``wanted`` and at most half of the pool, sorted."""
    return np.sort(rng.choice(pool, min(wanted, len(pool) // 2), replace=False))


def _stamped(images: UInt8Array, stamp: Stamp) -> UInt8Array:
    if not len(images):
        return images
    floats = images.astype(np.float32) / 255.0
    return np.asarray(np.rint(stamp(floats) * 255.0), dtype=np.uint8)
