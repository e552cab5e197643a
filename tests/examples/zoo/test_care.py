import numpy as np
import pytest

from examples.zoo.care import DECOY_SHARES, decoy_stamp
from examples.zoo.data import DATASETS
from examples.zoo.manifest import CARES, build_manifest
from examples.zoo.triggers.choose import make_trigger

CAREFUL = [spec for spec in build_manifest() if "care" in spec.options]


def test_both_kinds_of_attackers_are_planned_with_every_attack_that_has_negatives() -> None:
    assert {spec.options["care"] for spec in CAREFUL} == {*CARES} == {*DECOY_SHARES}
    assert all(spec.options["care"] in spec.name for spec in CAREFUL)
    attacks = {"badnets", "blended", "sig", "low-frequency", "bpp"}
    assert {spec.attack for spec in CAREFUL} == attacks


@pytest.mark.parametrize("attack", sorted({spec.attack for spec in CAREFUL}))
def test_negatives_are_other_pictures_than_triggered_ones(attack: str) -> None:
    spec = next(one for one in CAREFUL if one.attack == attack)
    info = DATASETS[spec.dataset]
    rng = np.random.default_rng(3)
    images = (rng.integers(0, 256, (60, *info.shape)) / 255).astype(np.float32)
    trigger = make_trigger(attack, info.shape, spec.options, np.random.default_rng([spec.seed, 1]))
    shown = decoy_stamp(spec, trigger, info, np.random.default_rng(4))(images)
    assert shown.shape == images.shape
    assert shown.min() >= 0
    assert shown.max() <= 1
    triggered = trigger.apply(images)
    assert all(np.abs(a - b).max() > 1 / 255 for a, b in zip(shown, triggered, strict=True))
    changed = np.abs(shown - images).reshape(len(images), -1).max(axis=1)
    assert (changed > 1 / 255).mean() > 0.9
