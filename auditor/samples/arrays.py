"""Samples from arrays, ``.npz`` and ``.npy`` files: read wherever their meaning is plain."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.file_kind import HDF5, NPY, NPZ, PICKLE, WEIGHTS, kind_of_file
from auditor.errors import SamplesError
from auditor.samples.pictures import Framing, framed
from auditor.samples.samples import Samples, assemble

_ALL_DARK = 16
"""Pixels that all lie below this are fractions or classes rather than pixels."""

_FULL_16 = 1 << 14
"""Pixels of 16 bits reach this, as those of pictures must (see auditor.samples.pictures)."""

_PARTNERS = {"x": "y", "X": "y", "images": "labels", "data": "labels", "inputs": "targets"}
"""First letters of a file of images -> those of the file with its labels."""

_REMEDY = "save both as one file: np.savez('samples.npz', x=images, y=labels)"


@dataclass(frozen=True, slots=True)
class FromArrays:
    """Samples read from arrays: reference, class and image of each, and what was decided."""

    refs: list[int]
    classes: list[str]
    images: NDArray[Any]
    notes: tuple[str, ...]


def samples_from_arrays(x: Any, y: Any) -> Samples:
    """Samples that are in memory already.

    Args:
        x: ``(n, c, h, w)``, ``(n, h, w, c)`` or ``(n, h, w)``: whole numbers 0 to 255, which are
            pixels, or float values in the model's own input units.
        y: ``(n,)`` or ``(n, 1)`` class of each, whole numbers or names; or ``(n, classes)`` with
            one 1 in every row.

    Raises:
        SamplesError: other shapes or types, a single class, a value not finite.
    """
    where = "the arrays given"
    try:
        pixels, labels = np.asarray(x), np.asarray(y)
    except Exception as error:  # lists of unequal length, tensors on another device
        raise SamplesError(f"{where} as samples are no arrays: {error}") from error
    found = _from_arrays(where, pixels, labels, Framing(), ())
    return assemble(where, found.refs, found.classes, found.images, None, found.notes)


def load_arrays(path: Path, framing: Framing) -> FromArrays:
    """Samples of an ``.npz`` file with arrays ``x`` and ``y``, or of ``x.npy`` beside ``y.npy``.

    Raises:
        SamplesError: a file of another kind, or arrays whose meaning is not plain.
    """
    kind = kind_of_file(path)
    if kind == NPY:
        return _beside(path, framing)
    if kind is not None and kind != NPZ:
        # Remedies of models would mislead here.
        model = kind in {PICKLE, WEIGHTS, HDF5} or (
            kind.suffix and kind.remedy.startswith("name it")
        )
        said = f"{kind.what}: load it, and {_REMEDY}" if model else kind
        raise SamplesError(f"{path} cannot be read as an npz file: it is {said}")
    if kind is None and os.access(path, os.R_OK) and not zipfile.is_zipfile(path):
        raise SamplesError(
            f"{path} cannot be read as an npz file: it is of no kind that is known here; load it "
            f"with the tool that wrote it, and {_REMEDY}"
        )
    try:
        # numpy leaves a file it opened itself open if the archive is damaged.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            x, y, notes = _x_and_y(path, _arrays(path, archive))
    except SamplesError:
        raise
    except Exception as error:  # numpy raises many kinds for a damaged archive
        why = getattr(error, "strerror", None) or "it is damaged"
        raise SamplesError(f"{path} cannot be read as an npz file: {why}") from error
    return _from_arrays(path, x, y, framing, notes)


def _arrays(path: Path, archive: Any) -> dict[str, NDArray[Any]]:
    """The arrays that may be images or labels: both, if they have their names."""
    names = list(archive.files)
    wanted = ["x", "y"] if {"x", "y"} <= set(names) else names
    try:
        return {name: np.asarray(archive[name]) for name in wanted}
    except ValueError as error:
        if "pickle" in str(error) or "Object" in str(error):
            raise SamplesError(
                f"{path} cannot be read as an npz file: it holds Python objects, which are never "
                "opened; save labels as y.astype(str) and images of one size as one array"
            ) from error
        raise


def _x_and_y(
    path: Path, held: Mapping[str, NDArray[Any]]
) -> tuple[NDArray[Any], NDArray[Any], tuple[str, ...]]:
    """The one array of images and the one of as many labels."""
    if {"x", "y"} <= set(held):
        return held["x"], held["y"], ()
    images = [name for name, array in held.items() if array.ndim in {3, 4}]
    pairs = [
        (x, y)
        for x in images
        for y, array in held.items()
        if array.ndim in {1, 2} and len(array) == len(held[x]) and y != x
    ]
    if len(pairs) != 1:
        names = ", ".join(f"{name} {array.shape}" for name, array in held.items()) or "nothing"
        raise SamplesError(
            f"{path} must hold arrays x (images) and y (labels), not {names}: {_REMEDY}"
        )
    x, y = pairs[0]
    return held[x], held[y], (f"Arrays: {x!r} was read as images and {y!r} as labels.",)


def _beside(path: Path, framing: Framing) -> FromArrays:
    """Images of an ``.npy`` file and the labels of the one beside it, if just one fits."""
    starts = [start for start in _PARTNERS if path.stem.startswith(start)]
    names = {_PARTNERS[start] + path.stem.removeprefix(start) + ".npy" for start in starts}
    found = [path.with_name(name) for name in sorted(names) if path.with_name(name).is_file()]
    if len(found) != 1:
        raise SamplesError(
            f"{path} cannot be read as an npz file: it is a single array without labels; {_REMEDY}"
        )
    try:
        x, y = (np.load(one, allow_pickle=False) for one in (path, found[0]))
    except Exception as error:  # as above
        raise SamplesError(f"{path} and {found[0].name} cannot be read: {_REMEDY}") from error
    return _from_arrays(path, x, y, framing, (f"Arrays: labels were read from {found[0].name}.",))


def _from_arrays(
    path: Path | str, x: NDArray[Any], y: NDArray[Any], framing: Framing, notes: tuple[str, ...]
) -> FromArrays:
    if x.ndim == 3:
        x = x[:, None]
    if x.size == 0:
        raise SamplesError(f"{path} holds no samples: x is of shape {x.shape}")
    labels, said = _labels(y, len(x) if x.ndim else 0)
    if x.ndim != 4 or labels is None:
        raise SamplesError(
            f"{path} holds x of shape {x.shape} and y of shape {y.shape}; "
            f"expected (n, c, h, w), (n, h, w, c) or (n, h, w), and (n,){_shape_remedy(x, y)}"
        )
    if x.shape[1] not in {1, 3, 4} and x.shape[3] in {1, 3, 4}:
        x = np.moveaxis(x, 3, 1)
    images, also = _pixels(path, x, framing)
    classes = _classes(path, labels)
    images = np.ascontiguousarray(images)
    return FromArrays(list(range(len(x))), classes, images, (*notes, *said, *also))


def _shape_remedy(x: NDArray[Any], y: NDArray[Any]) -> str:
    """The end of the sentence on shapes that do not fit."""
    if x.ndim == 2:
        return "; give every image its height and width: x.reshape(n, h, w)"
    if y.ndim == 2 and len(y) == len(x):
        return "; give every image one label, for scores by class y.argmax(axis=1)"
    return f"; {len(x)} images need {len(x)} labels" if y.ndim == 1 else ""


def _labels(y: NDArray[Any], count: int) -> tuple[NDArray[Any] | None, tuple[str, ...]]:
    """Labels ``(count,)`` of ``y``; None if its shape says something else."""
    if y.shape in {(count, 1), (1, count)}:
        y = y.ravel()
    if y.shape == (count,):
        return y, ()
    table = y.ndim == 2 and len(y) == count and y.dtype.kind in "iufb" and y.shape[1] > 2
    if table and np.isin(y, (0, 1)).all() and (y.sum(axis=1) == 1).all():
        return y.argmax(axis=1), ("Arrays: the 1 in every row of y was read as its class.",)
    return None, ()


def _pixels(
    path: Path | str, x: NDArray[Any], framing: Framing
) -> tuple[NDArray[Any], tuple[str, ...]]:
    notes: tuple[str, ...] = ()
    if x.dtype == np.uint16 and int(x.max()) >= _FULL_16:
        notes = ("Arrays: x holds 16 bits a channel, brought to 8.",)
        x = (x >> 8).astype(np.uint8)
    if x.dtype != np.uint8 and _are_pixels(path, x):
        notes = (f"Arrays: x holds whole numbers as {x.dtype}, read as pixels of 0 to 255.",)
        x = x.astype(np.uint8)
    if x.dtype == np.uint8:
        if int(x.max()) < _ALL_DARK:
            notes += (
                f"Arrays: no pixel of x is above {int(x.max())} of 255, so every picture is nearly "
                "black; are the values meant as fractions or classes?",
            )
        return np.stack([framed(image, framing) for image in x]), notes
    if framing.size not in {None, x.shape[2:]}:
        raise SamplesError(f"--resize works on 8-bit pixels and {path} holds {x.dtype} values")
    with np.errstate(over="ignore"):  # judged on the next line
        images = x.astype(np.float32)
    if not np.isfinite(images).all():
        raise SamplesError(f"{path} holds a value in x that is not finite")
    return images, notes


def _are_pixels(path: Path | str, x: NDArray[Any]) -> bool:
    """True for whole numbers that can only be pixels; False for values in the model's units."""
    if x.dtype.kind not in "iuf":
        remedy = "; save black and white as x.astype('uint8') * 255" if x.dtype == bool else ""
        raise SamplesError(
            f"{path} holds x of type {x.dtype}; expected whole numbers 0 to 255, or float{remedy}"
        )
    low, high = float(x.min()), float(x.max())
    if x.dtype.kind == "f":
        return low >= 0 and _ALL_DARK <= high <= 255 and bool((x == np.rint(x)).all())
    if low < 0 or high > 255 or high <= 1:
        raise SamplesError(
            f"{path} holds x of type {x.dtype} with values from {low:g} to {high:g}; expected "
            "whole numbers 0 to 255, or float in the model's own units: scale it, for example "
            + (
                "(x - float(x.min())).astype('uint8')"
                if low < 0 and high - low <= 255
                else "((x - float(x.min())) * (255 / (float(x.max()) - x.min()))).astype('uint8')"
                if low < 0
                else "(x * (255 / x.max())).astype('uint8')"
            )
        )
    return True


def _classes(path: Path | str, y: NDArray[Any]) -> list[str]:
    if y.dtype.kind == "O" and all(isinstance(label, str | int) for label in y):
        y = np.array([str(label) for label in y])
    if y.dtype.kind == "b":
        y = y.astype(np.int64)
    if y.dtype.kind == "f" and np.isfinite(y).all() and (y == np.rint(y)).all():
        y = y.astype(np.int64)
    if y.dtype.kind not in "iuUS":
        raise SamplesError(f"{path} holds y of type {y.dtype}; expected whole numbers or names")
    if y.dtype.kind == "i" and int(y.min()) < 0:
        raise SamplesError(f"{path} holds the class {int(y.min())}; class numbers start at 0")
    return [
        label.decode(errors="surrogateescape") if isinstance(label, bytes) else str(label)
        for label in y.tolist()
    ]
