"""Arrays as data tools write them: read where their meaning is plain, else the remedy is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.contract import InputSpec
from auditor.errors import SamplesError
from auditor.samples.arrays import samples_from_arrays
from auditor.samples.fit import range_note, to_model_units
from auditor.samples.load import load_samples

X = np.random.default_rng(1).integers(0, 256, (6, 3, 8, 9), dtype=np.uint8)
X[0, 0, 0, :2] = (0, 255)
Y = np.array([0, 1, 2, 0, 1, 2])
SPEC = InputSpec((3, 8, 9), (0.0,) * 3, (1.0,) * 3)


@pytest.mark.parametrize(
    "y",
    [
        Y[:, None],
        Y[None],
        Y.astype(np.float32),
        Y.astype(np.float64)[:, None],
        np.eye(3)[Y],
        np.eye(3, dtype=int)[Y],
        Y.astype(object),
        Y.astype(str),
        [0, 1, 2, 0, 1, 2],
    ],
)
def test_labels_of_every_plain_form(y: Any) -> None:
    assert samples_from_arrays(X, y).classes == ("0", "1", "2") * 2


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (X, Y[:-1], "; 6 images need 6 labels"),
        (X, np.full((6, 3), 0.2), r"one label, for scores by class y\.argmax\(axis=1\)"),
        (X > 99, Y, r"of type bool; .*save black and white as x\.astype\('uint8'\) \* 255"),
    ],
)
def test_arrays_that_do_not_say_what_they_mean_get_the_remedy(x: Any, y: Any, words: str) -> None:
    with pytest.raises(SamplesError, match=words):
        samples_from_arrays(x, y)


def test_names_as_objects() -> None:
    names = np.array(["cat", "dog", "frog"] * 2, dtype=object)
    assert samples_from_arrays(X, names).classes == ("cat", "dog", "frog") * 2


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint16", "float32", "float64", "float16"])
@pytest.mark.parametrize("order", ["NCHW", "NHWC"])
def test_whole_numbers_to_255_are_pixels(dtype: str, order: str) -> None:
    x = X if order == "NCHW" else X.transpose(0, 2, 3, 1)
    samples = samples_from_arrays(x.astype(dtype), Y)
    assert samples.images.dtype == np.uint8
    assert samples.images.tolist() == X.tolist()
    assert samples.notes == (
        f"Arrays: x holds whole numbers as {dtype}, read as pixels of 0 to 255.",
    )


def test_arrays_of_16_bits_are_brought_to_8_as_pictures_are() -> None:
    samples = samples_from_arrays(X.astype(np.uint16) * 257, Y)
    assert samples.images.tolist() == X.tolist()
    assert samples.notes == ("Arrays: x holds 16 bits a channel, brought to 8.",)
    with pytest.raises(SamplesError, match="uint16 with values from 0 to 4080; expected"):
        samples_from_arrays(X.astype(np.uint16) * 16, Y)


def test_fractions_stay_in_the_models_units() -> None:
    samples = samples_from_arrays((X / 255).astype(np.float32), Y)
    assert samples.images.dtype == np.float32
    assert (samples.notes, range_note(samples, SPEC)) == ((), "")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (X * 1.003 + 2, "every value lies outside 0 to 1, the range of the target: they go from 2"),
        (X / 127.5 - 1, "% of the values lie outside 0 to 1, the range of the target"),
        (X / 255 * 4 - 2, "State the range that they are made for (--range, --mean, --std)"),
    ],
)
def test_values_outside_the_range_are_said(values: Any, words: str) -> None:
    samples = samples_from_arrays(values.astype(np.float32), Y)
    assert words in range_note(samples, SPEC)
    assert to_model_units(samples, SPEC).shape == X.shape


def test_pixels_that_are_all_nearly_black_are_said() -> None:
    assert "no pixel of x is above 9 of 255" in samples_from_arrays(X % 10, Y).notes[0]


@pytest.mark.parametrize(
    "names", [("images", "labels"), ("X", "Y"), ("arr_0", "arr_1"), ("data", "target"), ("x", "t")]
)
def test_an_archive_with_one_pair_under_other_names(tmp_path: Path, names: tuple[str, str]) -> None:
    held: dict[str, Any] = {names[0]: X, names[1]: Y, "about": np.array("mine")}
    np.savez(tmp_path / "s.npz", **held)
    samples = load_samples(tmp_path / "s.npz")
    assert samples.images.tolist() == X.tolist()
    assert samples.notes == (
        f"Arrays: {names[0]!r} was read as images and {names[1]!r} as labels.",
    )


@pytest.mark.parametrize(
    ("x", "y"), [("x", "y"), ("X", "y"), ("x_test", "y_test"), ("images", "labels")]
)
def test_a_single_array_beside_its_labels(tmp_path: Path, x: str, y: str) -> None:
    np.save(tmp_path / f"{x}.npy", X)
    np.save(tmp_path / f"{y}.npy", Y)
    samples = load_samples(tmp_path / f"{x}.npy")
    assert samples.classes == ("0", "1", "2") * 2
    assert samples.notes == (f"Arrays: labels were read from {y}.npy.",)


@pytest.mark.parametrize("name", ["x.npy", "samples.npz"])
def test_a_single_array_alone_names_the_remedy(tmp_path: Path, name: str) -> None:
    with (tmp_path / name).open("wb") as stream:
        np.save(stream, X)
    with pytest.raises(SamplesError, match=r"a single array without labels; .*np.savez\('samples"):
        load_samples(tmp_path / name)


def test_python_objects_are_never_opened(tmp_path: Path) -> None:
    np.savez(tmp_path / "s.npz", x=X, y=np.array([object()] * 6))
    with pytest.raises(SamplesError, match=r"Python objects, which are never opened; save labels"):
        load_samples(tmp_path / "s.npz")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "it is a Git LFS pointer"),
        (b"<html>", "it is an HTML page"),
        (b"\x89HDF\r\n\x1a\n" + bytes(20), "it is an HDF5 file"),
        (b"\x1f\x8b" + bytes(20), "it is a gzip archive: unpack it"),
    ],
)
def test_another_kind_of_file_is_named(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "s.npz").write_bytes(data)
    with pytest.raises(SamplesError, match=f"cannot be read as an npz file: {words}"):
        load_samples(tmp_path / "s.npz")


@pytest.mark.parametrize("kind", ["int8", "int16"])
def test_the_remedy_for_negative_whole_numbers_keeps_their_order(tmp_path: Path, kind: str) -> None:
    x = (X.astype(float) - 128).astype(kind) * (1 if kind == "int8" else 256)
    np.savez(tmp_path / "s.npz", x=x, y=np.arange(6) % 3)
    with pytest.raises(SamplesError) as caught:
        load_samples(tmp_path / "s.npz")
    advised = eval(str(caught.value).split("for example ")[1], {"x": x})
    assert advised.dtype == np.uint8
    order = np.argsort(x, axis=None, kind="stable")
    assert (np.diff(advised.ravel()[order].astype(int)) >= 0).all()
    np.savez(tmp_path / "s.npz", x=advised, y=np.arange(6) % 3)
    assert len(load_samples(tmp_path / "s.npz")) == 6
