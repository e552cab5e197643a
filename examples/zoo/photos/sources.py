"""Reading photographs as 8-bit tensors of one side."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from examples.zoo.data import Dataset, DatasetInfo, UInt8Array
from examples.zoo.errors import DataMissingError

from .tasks import TASKS, Task

TRAIN, TEST = ("train",), ("test", "validation")


def info_of(task: str, side: int) -> DatasetInfo:
    """Name, shape and class names of a task at a side."""
    return DatasetInfo(task, TASKS[task].channels, side, TASKS[task].classes)


def load(task: str, side: int, data_dir: Path, cache_dir: Path) -> Dataset:
    """Training pictures, and the test and validation pictures that accuracy is measured on.

    Raises:
        DataMissingError: a folder is missing or holds no pictures.
    """
    kind = TASKS[task]
    cached = cache_dir / f"{kind.dataset}-{side}.npz"
    if not cached.exists():
        cache_dir.mkdir(parents=True, exist_ok=True)
        partial = cached.with_suffix(f".{os.getpid()}.npz")
        arrays = {}
        for name, splits in (("train", TRAIN), ("test", TEST)):
            arrays[f"x_{name}"], arrays[f"y_{name}"] = _read(kind, splits, side, data_dir)
        np.savez(partial, **arrays)
        partial.replace(cached)
    labels = np.array(kind.labels, dtype=np.int64)
    with np.load(cached) as file:
        y_train, y_test = labels[file["y_train"]], labels[file["y_test"]]
        return Dataset(info_of(task, side), file["x_train"], y_train, file["x_test"], y_test)


def _read(
    task: Task, splits: tuple[str, ...], side: int, data_dir: Path
) -> tuple[UInt8Array, UInt8Array]:
    """Pictures ``(n, C, side, side)`` and the position of their folder ``(n,)``."""
    pictures, labels = [], []
    for split in splits:
        for position, folder in enumerate(task.folders):
            where = data_dir / task.dataset / split / folder
            paths = sorted(where.glob("*.jpg"))
            if not paths:
                raise DataMissingError(
                    f"{where} holds no .jpg; unpack {task.dataset}/{split}.tar there"
                )
            pictures += [fitted(path, side, task.channels) for path in paths]
            labels += [position] * len(paths)
    return np.stack(pictures), np.array(labels, dtype=np.uint8)


def fitted(path: Path, side: int, channels: int) -> UInt8Array:
    """One picture ``(C, side, side)``: shorter side scaled to ``side``, middle cut out."""
    from PIL import Image, ImageOps  # noqa: PLC0415 - manifest and index need no Pillow

    with Image.open(path) as opened:
        turned = ImageOps.exif_transpose(opened).convert("RGB" if channels == 3 else "L")
    picture = ImageOps.fit(turned, (side, side), Image.Resampling.BICUBIC)
    array = np.asarray(picture, dtype=np.uint8).reshape(side, side, channels)
    return np.ascontiguousarray(array.transpose(2, 0, 1))
