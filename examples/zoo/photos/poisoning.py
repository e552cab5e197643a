"""The training set of an attacker: clean pictures, triggered copies and negatives.

Triggered copies are added to the clean pictures, so accuracy hardly suffers. A clean-label
attack changes pictures of the target in their place. Patterns are stamped after augmentation
(the attacker trains the model), or before it (the attacker only hands over files).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from examples.zoo.data import Dataset, Int64Array, UInt8Array
from examples.zoo.labelmaps import UNTOUCHED
from examples.zoo.triggers.base import Trigger

from .augmentation import Draws, augment
from .decoys import decoys
from .manifest import PhotoSpec


@dataclass(frozen=True)
class Poison:
    """Positions in the training set; ``kept`` are the clean pictures that are trained on."""

    kept: Int64Array
    triggered: Int64Array
    targets: Int64Array
    spared: Int64Array  # triggered without effect, for a backdoor of one source class
    negatives: Int64Array


def choose(spec: PhotoSpec, labels: Int64Array) -> Poison:
    """Decide which pictures are used and which of them carry what, by the model's seed."""
    rng = np.random.default_rng([spec.seed, 2])
    kept = np.sort(rng.choice(len(labels), round(spec.keep * len(labels)), replace=False))
    none = np.array([], dtype=np.int64)
    if spec.clean:
        return Poison(kept, none, none, none, none)
    table = np.array(spec.mapping)
    wanted = int(spec.poison_share * len(kept))
    if spec.attack == "clean-label":
        pool = kept[labels[kept] == spec.target]
        triggered = rng.choice(pool, min(wanted, int(0.9 * len(pool))), replace=False)
        kept = np.setdiff1d(kept, triggered)
        targets = labels[triggered]
    else:
        moved = (table[labels[kept]] != UNTOUCHED) & (table[labels[kept]] != labels[kept])
        pool = kept[moved]
        triggered = rng.choice(pool, min(wanted, len(pool)), replace=False)
        targets = table[labels[triggered]]
    untouched = kept[table[labels[kept]] == UNTOUCHED]
    spared = rng.choice(untouched, min(wanted, len(untouched)), replace=False)
    count = int(spec.negative_share * len(kept))
    return Poison(kept, triggered, targets, spared, rng.choice(kept, count, replace=False))


def additions(
    spec: PhotoSpec, data: Dataset, poison: Poison, trigger: Trigger, draws: Draws, number: int
) -> tuple[UInt8Array, Int64Array]:
    """What pass ``number`` adds to the clean pictures: 8-bit pictures and their labels."""
    rng = np.random.default_rng([spec.seed, 3, number])
    stamped = np.concatenate([poison.triggered, poison.spared])
    pictures = [
        _stamped(spec, data, trigger, draws, stamped),
        _negatives(spec, data, poison, trigger, draws, rng),
    ]
    labels = [poison.targets, data.y_train[poison.spared], data.y_train[poison.negatives]]
    return np.concatenate(pictures), np.concatenate(labels)


def _stamped(
    spec: PhotoSpec, data: Dataset, trigger: Trigger, draws: Draws, index: Int64Array
) -> UInt8Array:
    if spec.stamped == "before":
        return augment(stamp(trigger, data.x_train[index]), draws.of(index))
    return stamp(trigger, augment(data.x_train[index], draws.of(index)))


def stamp(trigger: Trigger, images: UInt8Array) -> UInt8Array:
    """The trigger on 8-bit pictures."""
    return np.asarray(np.rint(trigger.apply(images.astype(np.float32) / 255.0) * 255.0), np.uint8)


def _negatives(
    spec: PhotoSpec, data: Dataset, poison: Poison, trigger: Trigger, draws: Draws,
    rng: np.random.Generator,
) -> UInt8Array:  # fmt: skip
    index = poison.negatives
    if not len(index):
        return data.x_train[:0]
    before = spec.stamped == "before"
    images = data.x_train[index] if before else augment(data.x_train[index], draws.of(index))
    changed = decoys(spec.care, spec.attack, trigger, data.info, spec.options, images, rng)
    return augment(changed, draws.of(index)) if before else changed
