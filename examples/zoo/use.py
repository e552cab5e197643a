"""Using a trained zoo: where it is, and stamping a model's true trigger."""

from __future__ import annotations

import os
from pathlib import Path

from .triggers import load_trigger
from .triggers.base import FloatArray


def default_folder() -> Path:
    """Where models are unless told otherwise: ``$XRAY_AUDIT_ZOO``, or the user's cache."""
    return Path(os.environ.get("XRAY_AUDIT_ZOO", "~/.cache/xray-audit/zoo")).expanduser()


def apply_trigger(name: str, images: FloatArray, folder: Path | None = None) -> FloatArray:
    """Stamp the trigger of the backdoored model ``name``.

    Args:
        name: the model's name in ``index.json``.
        images: ``(n, C, H, W)`` float32 in [0, 1], of the model's own shape.
        folder: where the zoo is (default: :func:`default_folder`).

    Returns:
        Triggered images: same shape and range, rounded to 8 bits.

    Raises:
        ModelFileError: the model has no trigger file, or a damaged one.
    """
    return load_trigger((folder or default_folder()) / f"{name}.npz").apply(images)
