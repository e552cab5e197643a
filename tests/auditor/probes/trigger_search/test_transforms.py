from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from auditor.probes.trigger_search.transforms import (
    Blend,
    Field,
    Quantise,
    ScalableTransform,
    Warp,
    Wave,
    draw_wave,
    upsample,
)

CLEAN = np.random.default_rng(1).integers(0, 256, (3, 3, 20, 24)).astype(np.uint8)


def signs(rng: np.random.Generator, channels: int, size: int) -> NDArray[np.float64]:
    return np.where(rng.random((channels, size, size)) < 0.5, -1.0, 1.0)


def transforms() -> list[ScalableTransform]:
    rng = np.random.default_rng(0)
    return [
        Field(signs(rng, 3, 4), 20.0), Field(signs(rng, 3, 20), 20.0, "noise"),
        Blend(signs(rng, 3, 8), 0.2), draw_wave(rng, 8, 20.0), Warp(signs(rng, 2, 4), 1.0),
        Quantise(5, dithered=True), Quantise(5, dithered=False),
    ]  # fmt: skip


@pytest.mark.parametrize("transform", transforms(), ids=lambda transform: transform.kind)
def test_every_transform_gives_images_and_moves_something(transform: ScalableTransform) -> None:
    for one in (transform, transform.at(transform.strength / 2)):
        changed = one.apply(CLEAN)
        assert changed.dtype == np.uint8
        assert changed.shape == CLEAN.shape
        assert (changed != CLEAN).any()


@pytest.mark.parametrize("transform", transforms(), ids=lambda transform: transform.kind)
def test_a_transform_treats_every_image_alone(transform: ScalableTransform) -> None:
    together = transform.apply(CLEAN)
    alone = np.concatenate([transform.apply(CLEAN[i : i + 1]) for i in range(len(CLEAN))])
    assert np.array_equal(together, alone)


def test_a_field_adds_its_strength_and_clips() -> None:
    field = Field(np.ones((1, 4, 4)), 30.0)
    assert np.array_equal(
        field.apply(np.full((1, 1, 6, 6), 100, dtype=np.uint8))[0, 0, 0], [130] * 6
    )
    assert field.apply(np.full((1, 1, 6, 6), 250, dtype=np.uint8)).max() == 255


def test_a_blend_mixes_in_its_share_of_the_pattern() -> None:
    blend = Blend(np.ones((1, 4, 4)), 0.2)
    grey = np.full((1, 1, 6, 6), 100, dtype=np.uint8)
    assert np.array_equal(blend.apply(grey)[0, 0, 0], [131] * 6)  # 0.8 x 100 + 0.2 x 255
    assert np.array_equal(blend.at(0.0).apply(CLEAN), CLEAN)
    assert (blend.at(1.0).apply(CLEAN) == 255).all()


def test_a_wave_is_the_published_sinusoid() -> None:
    wave = Wave((0.0, 6.0), 0.0, 40.0)
    expected = 40 * np.sin(2 * np.pi * 6 * np.arange(24) / 24)
    assert np.allclose(wave.texture(20, 24)[0, 3], expected)


def test_a_warp_without_shift_changes_nothing() -> None:
    assert np.array_equal(Warp(np.ones((2, 4, 4)), 0.0).apply(CLEAN), CLEAN)


def test_a_warp_of_one_pixel_down_moves_rows() -> None:
    control = np.stack([np.ones((4, 4)), np.zeros((4, 4))])
    assert np.array_equal(Warp(control, 1.0).apply(CLEAN)[:, :, :-1], CLEAN[:, :, 1:])


@pytest.mark.parametrize("dithered", [True, False])
def test_quantised_images_have_few_levels_and_keep_their_mean(dithered: bool) -> None:  # noqa: FBT001
    changed = Quantise(4, dithered).apply(CLEAN)
    assert set(np.unique(changed)) <= {0, 85, 170, 255}
    assert abs(changed.mean() - CLEAN.mean()) < 3


def test_upsampling_keeps_constants_and_control_points() -> None:
    assert np.allclose(upsample(np.full((2, 4, 4), 0.5), 9, 7), 0.5)
    control = np.random.default_rng(0).normal(size=(1, 5, 5))
    assert np.allclose(upsample(control, 5, 5), control)


def dithered_pixel_by_pixel(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    height, width = image.shape
    step, work = 255.0 / (size - 1), np.zeros((height + 1, width + 2))
    work[:height, 1:-1] = image
    for row in range(height):
        for column in range(1, width + 1):
            old = work[row, column]
            work[row, column] = np.rint(np.clip(old, 0, 255) / step) * step
            error = (old - work[row, column]) / 16
            work[row, column + 1] += 7 * error
            work[row + 1, column - 1 : column + 2] += np.array([3, 5, 1]) * error
    return np.clip(np.rint(work[:height, 1:-1]), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("shape", [(20, 24), (7, 13), (13, 7), (1, 5), (5, 1), (2, 2)])
@pytest.mark.parametrize("size", [2, 3, 7])
def test_dithering_gives_each_pixel_its_errors_as_row_by_row(
    shape: tuple[int, int], size: int
) -> None:
    pixels = np.random.default_rng(size).integers(0, 256, (2, 3, *shape)).astype(np.uint8)
    found = Quantise(size, dithered=True).apply(pixels)
    for image, channels in zip(pixels, found, strict=True):
        for channel, made in zip(image, channels, strict=True):
            assert np.array_equal(made, dithered_pixel_by_pixel(channel, size))
