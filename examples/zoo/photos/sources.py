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


def load(task: str, side: int, data_dir: Path, cache_dir: Path | None = None) -> Dataset:
    """Training pictures, and the test and validation pictures that accuracy is measured on.

    With a cache directory, pictures are decoded once for each data set, its folders and side.

    Raises:
        DataMissingError: a folder is missing or holds no pictures.
    """
    kind = TASKS[task]
    arrays = (
        _cached(kind, side, data_dir, cache_dir) if cache_dir else _decode(kind, side, data_dir)
    )
    labels = np.array(kind.labels, dtype=np.int64)
    y_train, y_test = labels[arrays["y_train"]], labels[arrays["y_test"]]
    return Dataset(info_of(task, side), arrays["x_train"], y_train, arrays["x_test"], y_test)


def _decode(task: Task, side: int, data_dir: Path) -> dict[str, UInt8Array]:
    x_train, y_train = _read(task, TRAIN, side, data_dir)
    x_test, y_test = _read(task, TEST, side, data_dir)
    return {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}


def _cached(task: Task, side: int, data_dir: Path, cache_dir: Path) -> dict[str, UInt8Array]:
    path = cache_dir / f"{pictures_of(task)}-{side}.npz"
    if path.exists():
        with np.load(path) as file:
            return {key: np.asarray(file[key]) for key in file.files}
    arrays = _decode(task, side, data_dir)
    cache_dir.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.npz")
    np.savez(partial, **arrays)  # type: ignore[arg-type]
    partial.replace(path)
    return arrays


def pictures_of(task: Task) -> str:
    """Name of the pictures of a task: its data set, and its folders if it leaves any out."""
    most = max(len(one.folders) for one in TASKS.values() if one.dataset == task.dataset)
    few = [] if len(task.folders) == most else task.folders
    return "-".join([task.dataset, *few])


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
