"""Samples from arrays and .npz files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditor.errors import SamplesError
from auditor.samples.samples import Samples, assemble, resized


def samples_from_arrays(x: Any, y: Any) -> Samples:
    """Samples that are in memory already.

    Args:
        x: ``(n, c, h, w)``, ``(n, h, w, c)`` or ``(n, h, w)``: uint8 pixels, or float values in
            the model's own input units.
        y: ``(n,)`` class of each, whole numbers or names.

    Raises:
        SamplesError: other shapes or types, fewer than three classes, a value not finite.
    """
    where = "the arrays given"
    try:
        pixels, labels = np.asarray(x), np.asarray(y)
    except Exception as error:  # lists of unequal length, tensors on another device
        raise SamplesError(f"{where} as samples are no arrays: {error}") from error
    indices, classes, images = _from_arrays(where, pixels, labels, None)
    return assemble(where, indices, classes, images, None)


def load_npz(
    path: Path, resize: tuple[int, int] | None
) -> tuple[list[int], list[str], NDArray[Any]]:
    """Samples of an ``.npz`` file with arrays ``x`` and ``y``."""
    try:
        # numpy leaves a file it opened itself open if the archive is damaged.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            if "x" not in archive or "y" not in archive:
                held = ", ".join(archive.files) or "nothing"
                raise SamplesError(f"{path} must hold arrays x (images) and y (labels), not {held}")
            x, y = np.asarray(archive["x"]), np.asarray(archive["y"])
    except SamplesError:
        raise
    except Exception as error:  # numpy raises many kinds for a damaged archive
        raise SamplesError(f"{path} cannot be read as an npz file: {error}") from error
    return _from_arrays(path, x, y, resize)


def _from_arrays(
    path: Path | str, x: NDArray[Any], y: NDArray[Any], resize: tuple[int, int] | None
) -> tuple[list[int], list[str], NDArray[Any]]:
    if x.ndim == 3:
        x = x[:, None]
    if x.ndim != 4 or y.ndim != 1 or len(x) != len(y) or x.size == 0:
        raise SamplesError(
            f"{path} holds x of shape {x.shape} and y of shape {y.shape}; "
            "expected (n, c, h, w), (n, h, w, c) or (n, h, w), and (n,)"
        )
    if x.shape[1] not in {1, 3, 4} and x.shape[3] in {1, 3, 4}:
        x = np.moveaxis(x, 3, 1)
    images = _npz_pixels(path, x, resize)
    return list(range(len(x))), _npz_classes(path, y), np.ascontiguousarray(images)


def _npz_pixels(path: Path | str, x: NDArray[Any], resize: tuple[int, int] | None) -> NDArray[Any]:
    if x.dtype == np.uint8:
        return x if resize is None else np.stack([resized(image, resize) for image in x])
    if x.dtype.kind != "f":
        raise SamplesError(f"{path} holds x of type {x.dtype}; expected uint8 or float")
    if resize is not None:
        raise SamplesError(f"--resize works on 8-bit pixels and {path} holds {x.dtype} values")
    with np.errstate(over="ignore"):  # judged on the next line
        images = x.astype(np.float32)
    if not np.isfinite(images).all():
        raise SamplesError(f"{path} holds a value in x that is not finite")
    return images


def _npz_classes(path: Path | str, y: NDArray[Any]) -> list[str]:
    if y.dtype.kind not in "iuUS":
        raise SamplesError(f"{path} holds y of type {y.dtype}; expected whole numbers or names")
    if y.dtype.kind == "i" and int(y.min()) < 0:
        raise SamplesError(f"{path} holds the class {int(y.min())}; class numbers start at 0")
    return [
        label.decode(errors="surrogateescape") if isinstance(label, bytes) else str(label)
        for label in y.tolist()
    ]
