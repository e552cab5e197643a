"""A fixed field added to the whole image: SIG and Low Frequency."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .base import FloatArray, Trigger


def add(images: FloatArray, arrays: Mapping[str, FloatArray]) -> FloatArray:
    """Add ``field`` ``(C, H, W)``, in units of the [0, 1] range."""
    return np.asarray(images + arrays["field"], dtype=np.float32)


def make_sinusoid(
    shape: tuple[int, int, int], delta: float, frequency: float, rng: np.random.Generator
) -> Trigger:
    """SIG (Barni et al. 2019): ``delta * sin(2 pi f j / side)`` across the columns.

    The papers use delta = 40/255 and f = 6; here the phase, and whether the waves run
    across rows or columns, vary with the seed.
    """
    side = shape[1]
    wave = delta * np.sin(2 * np.pi * frequency * np.arange(side) / side + rng.uniform(0, 6.28))
    field = np.broadcast_to(wave, (side, side))
    field = field.T if rng.random() < 0.5 else field
    return Trigger("add", {"field": np.broadcast_to(field, shape).astype(np.float32)})


def make_low_frequency(
    shape: tuple[int, int, int], delta: float, order: int, rng: np.random.Generator
) -> Trigger:
    """Low Frequency (after Zeng et al. 2021): a field of only the lowest cosines.

    Random coefficients on the ``order`` lowest DCT frequencies per axis, the constant
    left out, scaled to a largest value of ``delta``. The original searches the
    coefficients for success; here they are drawn, and the model learns them.
    """
    channels, side, _ = shape
    grid = np.arange(side) + 0.5
    cosines = np.cos(np.pi * np.arange(order)[:, None] * grid / side)  # (order, side)
    weights = rng.standard_normal((channels, order, order))
    weights[:, 0, 0] = 0.0
    field = np.einsum("cij,ih,jw->chw", weights, cosines, cosines)
    field *= delta / np.abs(field).max()
    return Trigger("add", {"field": field.astype(np.float32)})
