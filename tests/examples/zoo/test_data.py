import gzip
from pathlib import Path

import numpy as np
import pytest

from examples.zoo.data import load
from examples.zoo.errors import DataMissingError


def write_idx(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    path.write_bytes(gzip.compress(header + array.astype(np.uint8).tobytes()))


def test_fashion_mnist_is_read_from_its_original_files(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 28, 28))
    for split in ("train", "t10k"):
        folder = tmp_path / "fashion-mnist"
        write_idx(folder / f"{split}-images-idx3-ubyte.gz", images)
        write_idx(folder / f"{split}-labels-idx1-ubyte.gz", np.arange(5))
    data = load("fashion-mnist", tmp_path, tmp_path)
    assert np.array_equal(data.x_test, images[:, None])
    assert data.y_train.tolist() == [0, 1, 2, 3, 4]


def test_gtsrb_becomes_channels_first(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3)).astype(np.uint8)
    labels = np.array([0, 42, 7], dtype=np.uint8)
    (tmp_path / "gtsrb").mkdir()
    np.savez(
        tmp_path / "gtsrb" / "gtsrb32.npz",
        x_train=images,
        y_train=labels,
        x_test=images,
        y_test=labels,
    )
    data = load("gtsrb", tmp_path, tmp_path)
    assert np.array_equal(data.x_train[:, 2], images[..., 2])


@pytest.mark.parametrize("name", ["fashion-mnist", "cifar10", "gtsrb"])
def test_a_missing_dataset_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataMissingError, match=name):
        load(name, tmp_path, tmp_path)
