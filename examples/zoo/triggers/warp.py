"""WaNet (Nguyen & Tran 2021): a smooth, fixed warp of the whole image."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from .base import FloatArray, Trigger


def warp(images: FloatArray, arrays: Mapping[str, FloatArray]) -> FloatArray:
    """Sample each image bilinearly at ``rows``, ``columns``, both ``(H, W)`` in pixels."""
    side = images.shape[-1]
    rows = np.clip(arrays["rows"], 0, side - 1)
    columns = np.clip(arrays["columns"], 0, side - 1)
    top = np.minimum(rows.astype(np.int64), side - 2)
    left = np.minimum(columns.astype(np.int64), side - 2)
    down, right = rows - top, columns - left
    upper = images[:, :, top, left] * (1 - right) + images[:, :, top, left + 1] * right
    lower = images[:, :, top + 1, left] * (1 - right) + images[:, :, top + 1, left + 1] * right
    return np.asarray(upper * (1 - down) + lower * down, dtype=np.float32)


def make_warp(
    shape: tuple[int, int, int], points: int, strength: float, rng: np.random.Generator
) -> Trigger:
    """A field from ``points`` x ``points`` control points (the paper's k = 4).

    ``strength`` is the mean shift in pixels (the paper's s, 0.5 there; small nets
    trained briefly need 1 to 2).
    """
    side = shape[1]
    control = rng.uniform(-1, 1, (2, points, points))
    control /= np.abs(control).mean()
    shifts = strength * upsample(control, side)
    rows, columns = np.mgrid[:side, :side].astype(np.float32)
    arrays = {"rows": rows + shifts[0], "columns": columns + shifts[1]}
    return Trigger("warp", {key: value.astype(np.float32) for key, value in arrays.items()})


def upsample(control: npt.NDArray[np.floating], side: int) -> FloatArray:
    """Cubic-smooth ``(n, k, k)`` to ``(n, side, side)``, end points on the edges."""
    weights = _cubic_weights(control.shape[1], side)
    return np.asarray(np.einsum("hi,nij,wj->nhw", weights, control, weights), dtype=np.float32)


def _cubic_weights(points: int, side: int) -> FloatArray:
    """``(side, points)`` Catmull-Rom weights, repeated at the ends."""
    position = np.linspace(0, points - 1, side)
    base = np.minimum(position.astype(int), points - 2)
    t = position - base
    taps = (
        -0.5 * t + t**2 - 0.5 * t**3,
        1 - 2.5 * t**2 + 1.5 * t**3,
        0.5 * t + 2 * t**2 - 1.5 * t**3,
        -0.5 * t**2 + 0.5 * t**3,
    )
    weights = np.zeros((side, points), dtype=np.float32)
    for offset, tap in zip((-1, 0, 1, 2), taps, strict=True):
        np.add.at(weights, (np.arange(side), np.clip(base + offset, 0, points - 1)), tap)
    return weights
