"""The trigger record, its file form, and the dispatch to the code that applies it."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from examples.zoo.errors import ModelFileError

FloatArray = npt.NDArray[np.float32]
Apply = Callable[[FloatArray, Mapping[str, FloatArray]], FloatArray]

# kind -> (module, function); imported on use, so that reading one kind costs one kind
KINDS = {
    "stamp": ("stamp", "stamp"),
    "add": ("additive", "add"),
    "warp": ("warp", "warp"),
    "quantise": ("quantise", "quantise"),
    "residual": ("residual", "add_residual"),
    "scatter": ("scatter", "scatter"),
}


def finish(images: npt.NDArray[np.floating]) -> FloatArray:
    """Clip to [0, 1] and round to 8 bits: a triggered image is one that a file can hold."""
    whole = np.rint(np.clip(images, 0.0, 1.0) * 255.0)
    return np.asarray(whole / 255.0, dtype=np.float32)


@dataclass(frozen=True)
class Trigger:
    """One fixed trigger: a kind, and the arrays that kind needs."""

    kind: str
    arrays: Mapping[str, FloatArray]

    def apply(self, images: FloatArray, chunk: int = 1024) -> FloatArray:
        """Stamp ``(n, C, H, W)`` images in [0, 1]; the answer has the same shape and range."""
        module, function = KINDS[self.kind]
        package = __name__.rpartition(".")[0]
        apply = cast("Apply", getattr(importlib.import_module(f".{module}", package), function))
        out = np.empty(images.shape, dtype=np.float32)
        for start in range(0, len(images), chunk):
            part = images[start : start + chunk]
            out[start : start + chunk] = finish(apply(part, self.arrays))
        return out


def save_trigger(trigger: Trigger, path: Path) -> None:
    """Write the trigger as an npz: its arrays, and ``kind``. Atomic."""
    partial = path.with_name(f".{path.stem}.{os.getpid()}.npz")
    arrays: dict[str, Any] = {"kind": np.array(trigger.kind), **trigger.arrays}
    np.savez(partial, **arrays)
    partial.replace(path)


def load_trigger(path: Path) -> Trigger:
    """Read what :func:`save_trigger` wrote.

    Raises:
        ModelFileError: the file is missing or is no trigger.
    """
    try:
        with np.load(path) as file:
            arrays = {key: np.asarray(file[key]) for key in file.files}
        kind = str(arrays.pop("kind"))
    except (OSError, KeyError, ValueError, EOFError) as error:
        raise ModelFileError(f"{path} holds no trigger: {error}") from error
    if kind not in KINDS:
        raise ModelFileError(f"{path} holds a trigger of the unknown kind {kind!r}")
    return Trigger(kind, arrays)
