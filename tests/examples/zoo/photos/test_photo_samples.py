from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from examples.zoo.errors import DataMissingError
from examples.zoo.photos.__main__ import main
from examples.zoo.photos.manifest import build_manifest
from examples.zoo.photos.sources import load
from examples.zoo.photos.tasks import TASKS

WIDE, TALL = (90, 70), (70, 90)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three tiny hands a class and split, as wide and as tall pictures."""
    rng = np.random.default_rng(0)
    for split in ("train", "validation", "test"):
        for folder in TASKS["digits"].folders:
            where = tmp_path / "sign-digits" / split / folder
            where.mkdir(parents=True)
            for number, (width, height) in enumerate((WIDE, TALL, WIDE)):
                pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(where / f"{number}.jpg")
    return tmp_path


def test_pictures_become_square_and_labels_follow_the_task(data: Path, tmp_path: Path) -> None:
    digits = load("digits", 64, data)
    half = load("digits-half", 64, data, tmp_path / "cache")
    again = load("digits-half", 64, data, tmp_path / "cache")
    assert digits.x_train.shape == (30, 3, 64, 64)
    assert digits.x_test.shape == (60, 3, 64, 64)
    assert np.array_equal(digits.x_train, half.x_train)
    assert np.array_equal(half.y_train, digits.y_train >= 5)
    assert np.array_equal(half.x_test, again.x_test)
    assert np.array_equal(half.y_test, again.y_test)


def test_tasks_of_other_folders_share_no_pictures_in_a_cache(data: Path, tmp_path: Path) -> None:
    for task in ("digits-low", "digits-high", "digits", "digits-half"):
        fresh, kept = load(task, 24, data), load(task, 24, data, tmp_path / "cache")
        again = load(task, 24, data, tmp_path / "cache")
        for one in (kept, again):
            assert np.array_equal(one.x_train, fresh.x_train)
            assert np.array_equal(one.y_test, fresh.y_test)
    assert len([*(tmp_path / "cache").iterdir()]) == 3


def test_samples_are_written_by_class(data: Path, tmp_path: Path) -> None:
    spec = next(spec for spec in build_manifest() if spec.task == "digits-half")
    out = tmp_path / "samples"
    command = ["samples", spec.name, "--data", str(data), "--out", str(out), "--per-class", "4"]
    assert main(command) == 0
    assert {folder.name for folder in out.iterdir()} == {"below-5", "from-5"}
    files = sorted(out.rglob("*.png"))
    assert len(files) == 8
    with Image.open(files[0]) as picture:
        assert picture.size == (spec.side, spec.side)


def test_an_unknown_model_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["samples", "nothing", "--data", str(tmp_path), "--out", str(tmp_path)]) == 4
    assert "no photo model is called 'nothing'" in capsys.readouterr().err


def test_missing_data_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataMissingError, match=r"unpack sign-digits/train.tar"):
        load("digits", 64, tmp_path)
