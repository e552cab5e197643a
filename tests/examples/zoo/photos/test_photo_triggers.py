import numpy as np
import pytest

from examples.zoo.photos.attacks import (
    ATTACKS,
    LEARNED,
    PATCHES,
    WHOLE,
    draw_options,
    make_trigger,
)
from examples.zoo.photos.decoys import decoys
from examples.zoo.photos.manifest import PhotoSpec, build_manifest
from examples.zoo.photos.sources import info_of
from examples.zoo.triggers.base import FloatArray

DRAWN = [attack for attack in ATTACKS if attack not in LEARNED]
# Mean change of a triggered picture of uniform noise, in 8-bit levels: patches and stickers are
# small, whole-picture changes weak. A warp and a quantiser depend on the picture more.
LARGEST_CHANGE = 20.0
PICTURES = 24


def pictures(spec: PhotoSpec) -> np.ndarray:
    """Smooth pictures, as photographs are."""
    info = info_of(spec.task, spec.side)
    rng = np.random.default_rng(1)
    coarse = rng.random((PICTURES, info.channels, 8, 8))
    index = np.arange(spec.side) * 8 // spec.side
    fine = coarse[:, :, index][:, :, :, index]
    return np.asarray(np.rint(fine * 255), dtype=np.uint8)


def example(attack: str, care: str = "usual") -> PhotoSpec:
    found = [s for s in build_manifest() if s.attack == attack and s.care == care]
    return min(found, key=lambda spec: abs(spec.side - 64))


def floats(images: np.ndarray) -> FloatArray:
    return images.astype(np.float32) / np.float32(255)


def stamped(spec: PhotoSpec) -> np.ndarray:
    trigger = make_trigger(spec.attack, info_of(spec.task, spec.side), spec.options, spec.seed)
    return trigger.apply(floats(pictures(spec)))


@pytest.mark.parametrize("attack", DRAWN)
def test_a_trigger_is_an_8_bit_picture_and_a_function_of_its_seed(attack: str) -> None:
    spec = example(attack)
    changed = stamped(spec)
    assert changed.shape == pictures(spec).shape
    assert np.allclose(changed * 255, np.rint(changed * 255), atol=1e-3)
    assert np.array_equal(changed, stamped(spec))
    assert np.all(np.any(changed * 255 != pictures(spec), axis=(1, 2, 3)))


@pytest.mark.parametrize("attack", [a for a in DRAWN if a not in {"warp", "quantise"}])
def test_triggers_are_small_or_weak(attack: str) -> None:
    spec = example(attack)
    change = np.abs(stamped(spec) * 255 - pictures(spec))
    assert 0.3 <= change.mean() <= LARGEST_CHANGE
    touched = np.any(change > 0.5, axis=1).mean()
    if attack in WHOLE:
        assert touched > 0.5
    else:
        assert touched < 0.06


@pytest.mark.parametrize("side", [64, 96, 128, 160, 224])
@pytest.mark.parametrize("attack", PATCHES[:3])
def test_a_patch_is_about_a_twelfth_of_the_side(attack: str, side: int) -> None:
    for seed in range(5):
        options = draw_options(attack, side, np.random.default_rng(seed))
        assert 0.05 <= options["cells"] * options["cell"] / side <= 0.13


@pytest.mark.parametrize(
    ("attack", "care"),
    sorted(
        {(s.attack, s.care) for s in build_manifest() if s.negative_share and s.attack in DRAWN}
    ),
)
def test_negatives_are_no_copies_of_the_trigger(attack: str, care: str) -> None:
    spec = next(s for s in build_manifest() if s.attack == attack and s.care == care)
    info = info_of(spec.task, spec.side)
    trigger = make_trigger(attack, info, spec.options, spec.seed)
    images = pictures(spec)
    shown = decoys(care, attack, trigger, info, spec.options, images, np.random.default_rng(2))
    true = np.rint(trigger.apply(floats(images)) * 255)
    plain = np.abs(true - images).mean(axis=(1, 2, 3))
    apart = np.abs(true - shown).mean(axis=(1, 2, 3))
    assert np.mean(np.any(shown != images, axis=(1, 2, 3))) > 0.9
    assert np.all(apart > 0.05 * plain)
