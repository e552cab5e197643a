"""Triggers that a small convolutional network computes from the image: SSBA and LIRA.

``x + strength * tanh(conv2(relu(conv1([x, code]))))``, where ``code`` is a fixed plane
(SSBA's hidden message, all zeros for LIRA). Only numpy here; training the network
is in ``learned.py``.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .base import FloatArray


def add_residual(images: FloatArray, arrays: Mapping[str, FloatArray]) -> FloatArray:
    """Add the image's own residual, at most ``strength`` per pixel."""
    count, _, height, width = images.shape
    code = np.broadcast_to(arrays["code"], (count, 1, height, width))
    hidden = conv3x3(np.concatenate([images, code], axis=1), arrays["weight1"], arrays["bias1"])
    residual = np.tanh(conv3x3(np.maximum(hidden, 0), arrays["weight2"], arrays["bias2"]))
    return np.asarray(images + arrays["strength"] * residual, dtype=np.float32)


def conv3x3(images: FloatArray, weight: FloatArray, bias: FloatArray) -> FloatArray:
    """Zero-padded 3x3 convolution: ``(n, i, H, W)``, ``(o, i, 3, 3)`` to ``(n, o, H, W)``."""
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    out = np.tensordot(windows, weight, axes=((1, 4, 5), (1, 2, 3))).transpose(0, 3, 1, 2)
    return np.asarray(out + bias[:, None, None], dtype=np.float32)
