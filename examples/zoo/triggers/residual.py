"""Triggers that a small convolutional network computes from the image: SSBA and LIRA.

``x + strength * tanh(conv2(relu(conv1([x, code]))))``, where ``code`` is a fixed plane
(SSBA's hidden message, all zeros for LIRA). Only numpy here; training the network
is in ``learned.py``.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .base import FloatArray

PIECE = 32  # images whose intermediate values fit a core's cache


def add_residual(images: FloatArray, arrays: Mapping[str, FloatArray]) -> FloatArray:
    """Add the image's own residual, at most ``strength`` per pixel."""
    pieces = [images[start : start + PIECE] for start in range(0, len(images), PIECE)]
    changed = [piece + arrays["strength"] * _residual(piece, arrays) for piece in pieces]
    return np.concatenate(changed or [images]).astype(np.float32)


def _residual(images: FloatArray, arrays: Mapping[str, FloatArray]) -> FloatArray:
    """Values in -1..1, shaped as the images."""
    count, _, height, width = images.shape
    code = np.broadcast_to(arrays["code"], (count, 1, height, width))
    hidden = conv3x3(np.concatenate([images, code], axis=1), arrays["weight1"], arrays["bias1"])
    return np.tanh(conv3x3(np.maximum(hidden, 0), arrays["weight2"], arrays["bias2"]))


def conv3x3(images: FloatArray, weight: FloatArray, bias: FloatArray) -> FloatArray:
    """Zero-padded 3x3 convolution: ``(n, i, H, W)``, ``(o, i, 3, 3)`` to ``(n, o, H, W)``."""
    count, _, height, width = images.shape
    padded = np.pad(images.transpose(0, 2, 3, 1), ((0, 0), (1, 1), (1, 1), (0, 0)))
    shifts = [(row, column) for row in range(3) for column in range(3)]
    views = [padded[:, row : row + height, column : column + width] for row, column in shifts]
    windows = np.concatenate(views, axis=3)  # (n, H, W, 9 * i)
    flat = weight.transpose(2, 3, 1, 0).reshape(-1, len(weight))
    out = windows.reshape(-1, len(flat)) @ flat + bias
    return np.asarray(out.reshape(count, height, width, -1).transpose(0, 3, 1, 2))
