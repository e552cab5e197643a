"""Loading the three datasets as 8-bit tensors.

Layout under the data directory (``--data-dir`` or ``XRAY_AUDIT_ZOO_DATA``)::

    fashion-mnist/{train,t10k}-{images-idx3,labels-idx1}-ubyte.gz
    cifar10/{train,test}.tar      <split>/<class>/<n>.jpg inside
    gtsrb/gtsrb32.npz             x_train, y_train, x_test, y_test

CIFAR-10 is decoded once and kept as an npz in the cache directory.
"""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import DataMissingError

UInt8Array = npt.NDArray[np.uint8]
Int64Array = npt.NDArray[np.int64]

FASHION_MNIST_CLASSES = (
    "t-shirt", "trouser", "pullover", "dress", "coat",
    "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip
CIFAR10_CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer",
    "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
GTSRB_CLASSES = tuple(f"sign {number:02d}" for number in range(43))


@dataclass(frozen=True)
class DatasetInfo:
    """What the manifest needs to know about a dataset without loading it."""

    name: str
    channels: int
    side: int
    classes: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Image shape ``(C, H, W)``."""
        return (self.channels, self.side, self.side)


@dataclass(frozen=True)
class Dataset:
    """Images ``(n, C, H, W)`` in 0..255 and class indices ``(n,)``, both splits."""

    info: DatasetInfo
    x_train: UInt8Array
    y_train: Int64Array
    x_test: UInt8Array
    y_test: Int64Array


DATASETS = {
    info.name: info
    for info in (
        DatasetInfo("fashion-mnist", 1, 28, FASHION_MNIST_CLASSES),
        DatasetInfo("cifar10", 3, 32, CIFAR10_CLASSES),
        DatasetInfo("gtsrb", 3, 32, GTSRB_CLASSES),
    )
}


def load(name: str, data_dir: Path, cache_dir: Path) -> Dataset:
    """Load a dataset by name.

    Raises:
        DataMissingError: a file is not there, or cannot be read.
    """
    loaders = {
        "fashion-mnist": _load_fashion_mnist,
        "cifar10": _load_cifar10,
        "gtsrb": _load_gtsrb,
    }
    try:
        return loaders[name](data_dir, cache_dir)
    except (OSError, KeyError, ValueError, EOFError) as error:
        message = f"{name} could not be read below {data_dir} ({error}); see examples/zoo/README.md"
        raise DataMissingError(message) from error


def _load_fashion_mnist(data_dir: Path, _cache_dir: Path) -> Dataset:
    folder = data_dir / "fashion-mnist"
    arrays: list[UInt8Array] = []
    for split in ("train", "t10k"):
        arrays.append(_read_idx(folder / f"{split}-images-idx3-ubyte.gz")[:, None])
        arrays.append(_read_idx(folder / f"{split}-labels-idx1-ubyte.gz"))
    x_train, y_train, x_test, y_test = arrays
    info = DATASETS["fashion-mnist"]
    return Dataset(info, x_train, y_train.astype(np.int64), x_test, y_test.astype(np.int64))


def _read_idx(path: Path) -> UInt8Array:
    """Read a gzipped IDX file: 2 zero bytes, type, rank, big-endian sizes, data."""
    with gzip.open(path, "rb") as stream:
        raw = stream.read()
    rank = raw[3]
    shape = np.frombuffer(raw, dtype=">u4", count=rank, offset=4)
    return np.frombuffer(raw, dtype=np.uint8, offset=4 + 4 * rank).reshape(shape.tolist()).copy()


def _load_cifar10(data_dir: Path, cache_dir: Path) -> Dataset:
    cached = cache_dir / "cifar10.npz"
    if not cached.exists():
        arrays: dict[str, Any] = {}
        for split in ("train", "test"):
            images, labels = _decode_tar(data_dir / "cifar10" / f"{split}.tar")
            arrays |= {f"x_{split}": images, f"y_{split}": labels}
        cache_dir.mkdir(parents=True, exist_ok=True)
        partial = cached.with_suffix(f".{os.getpid()}.npz")
        np.savez(partial, **arrays)
        partial.replace(cached)
    return _from_npz("cifar10", cached, channels_last=False)


def _decode_tar(path: Path) -> tuple[UInt8Array, UInt8Array]:
    """Decode every ``<split>/<class>/<n>.jpg``, in name order, to ``(n, 3, 32, 32)``."""
    from PIL import Image  # noqa: PLC0415 - the other datasets need no Pillow

    decoded: dict[str, UInt8Array] = {}
    with tarfile.open(path) as archive:
        for member in archive:
            stream = archive.extractfile(member) if member.name.endswith(".jpg") else None
            if stream is not None:
                image = Image.open(io.BytesIO(stream.read())).convert("RGB")
                decoded[member.name] = np.asarray(image, dtype=np.uint8).transpose(2, 0, 1)
    names = sorted(decoded)
    labels = [CIFAR10_CLASSES.index(name.split("/")[-2]) for name in names]
    return np.stack([decoded[name] for name in names]), np.array(labels, dtype=np.uint8)


def _load_gtsrb(data_dir: Path, _cache_dir: Path) -> Dataset:
    return _from_npz("gtsrb", data_dir / "gtsrb" / "gtsrb32.npz", channels_last=True)


def _from_npz(name: str, path: Path, *, channels_last: bool) -> Dataset:
    with np.load(path) as file:
        arrays = {key: file[key] for key in ("x_train", "y_train", "x_test", "y_test")}
    if channels_last:
        for key in ("x_train", "x_test"):
            arrays[key] = np.ascontiguousarray(arrays[key].transpose(0, 3, 1, 2))
    return Dataset(
        DATASETS[name],
        arrays["x_train"],
        arrays["y_train"].astype(np.int64),
        arrays["x_test"],
        arrays["y_test"].astype(np.int64),
    )
