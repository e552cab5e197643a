"""Clean samples from every kind of place, and one sentence for everything wrong with them."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from adapters.contract import MAX_CLASSES, InputSpec, LabelSpace
from auditor.errors import SamplesError
from auditor.samples.arrays import samples_from_arrays
from auditor.samples.class_list import read_class_names
from auditor.samples.fit import class_indices, to_model_units
from auditor.samples.load import load_samples
from auditor.samples.pictures import MAX_PIXELS
from auditor.samples.samples import Samples, whole_number

GREY, COLOUR = (6, 4), (6, 4, 3)


def pixels(seed: int, shape: tuple[int, ...] = COLOUR) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def put(path: Path, seed: int, shape: tuple[int, ...] = COLOUR) -> NDArray[np.uint8]:
    """Write a picture of ``shape`` (h, w) or (h, w, 3) and return it as (c, h, w)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    array = pixels(seed, shape)
    Image.fromarray(array).save(path)
    return array[None] if array.ndim == 2 else np.moveaxis(array, -1, 0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An ImageFolder of three classes, two pictures each."""
    for number, name in enumerate(("cat", "dog", "frog")):
        for item in range(2):
            put(tmp_path / name / f"{item}.png", 10 * number + item)
    return tmp_path


def refused(location: Path, words: str, resize: tuple[int, int] | None = None) -> str:
    with pytest.raises(SamplesError, match=words) as caught:
        load_samples(location, resize)
    return str(caught.value)


# ---- ImageFolder -----------------------------------------------------------------------------


def test_an_image_folder(folder: Path) -> None:
    samples = load_samples(folder)
    assert samples.refs == (
        "cat/0.png",
        "cat/1.png",
        "dog/0.png",
        "dog/1.png",
        "frog/0.png",
        "frog/1.png",
    )
    assert samples.classes == ("cat", "cat", "dog", "dog", "frog", "frog")
    assert samples.class_order == ("cat", "dog", "frog")
    assert not samples.stated_order
    assert len(samples) == 6
    assert samples.images.dtype == np.uint8
    expected = np.moveaxis(pixels(11), -1, 0)
    assert samples.images[3].tolist() == expected.tolist()


def test_the_order_does_not_depend_on_when_files_were_written(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("reversed")
    for path in sorted(folder.rglob("*.png"), reverse=True):
        target = other / path.relative_to(folder)
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(path.read_bytes())
    one, two = load_samples(folder), load_samples(other)
    assert one.refs == two.refs
    assert one.digest == two.digest


def test_every_kind_of_picture_is_read(folder: Path) -> None:
    for seed, suffix in enumerate(("bmp", "webp", "ppm", "JPG", "jpeg"), 40):
        put(folder / "cat" / f"more.{suffix}", seed)
    assert len(load_samples(folder)) == 11


def test_other_files_are_no_samples(folder: Path) -> None:
    (folder / "cat" / "notes.txt").write_text("x")
    (folder / "README.md").write_text("x")
    assert len(load_samples(folder)) == 6


def test_hidden_files_and_folders_are_no_samples(folder: Path) -> None:
    put(folder / "cat" / ".hidden.png", 1)
    put(folder / ".checkpoints" / "0.png", 2)
    put(folder / "cat" / ".thumbnails" / "0.png", 3)
    assert load_samples(folder).class_order == ("cat", "dog", "frog")


def test_a_hidden_place_may_hold_samples(tmp_path: Path) -> None:
    for number, name in enumerate("abc"):
        put(tmp_path / ".cache" / name / "0.png", number)
    assert len(load_samples(tmp_path / ".cache")) == 3


def test_a_folder_called_like_a_picture_is_none(folder: Path) -> None:
    (folder / "cat" / "odd.png").mkdir()
    assert len(load_samples(folder)) == 6


def test_pictures_deeper_than_their_class_are_refused(folder: Path) -> None:
    put(folder / "cat" / "2024" / "5.png", 99)
    refused(folder, r"too deep, 'cat/2024/5.png': .*class/name.png")


def test_a_link_to_a_class_folder_counts(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    put(elsewhere / "0.png", 50)
    (folder / "goat").symlink_to(elsewhere)
    assert load_samples(folder).class_order == ("cat", "dog", "frog", "goat")


def test_an_empty_folder(tmp_path: Path) -> None:
    refused(tmp_path, "no samples found in .*class/name.png.*labels.csv")


def test_no_such_place(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere", "there are no samples at .*nowhere: no such file or folder")
    refused(tmp_path / ("x" * 300), "cannot be read: File name too long")


def test_fewer_than_two_classes(tmp_path: Path) -> None:
    put(tmp_path / "class0" / "0.png", 0)
    refused(
        tmp_path, r"hold 1 class \(class0.*an audit needs at least two, and three for its planes"
    )
    put(tmp_path / "class1" / "0.png", 1)
    assert load_samples(tmp_path).class_order == ("class0", "class1")


def test_huge_class_names_do_not_flood_a_message(tmp_path: Path) -> None:
    put(tmp_path / ("a" * 250) / "0.png", 1)
    message = refused(tmp_path, "hold 1 class ")
    assert "a" * 60 in message
    assert "a" * 61 not in message


def test_huge_class_names_work(folder: Path) -> None:
    put(folder / ("z" * 250) / "0.png", 77)
    samples = load_samples(folder)
    assert samples.class_order[-1] == "z" * 250
    with pytest.raises(SamplesError) as caught:
        class_indices(samples, LabelSpace(["cat", "dog", "frog", "goat"]))
    assert len(str(caught.value)) < 200


def test_a_name_that_is_no_unicode_is_refused(folder: Path) -> None:
    path = folder / "cat" / "caf\udce9.png"
    try:
        put(path, 3)
    except (OSError, UnicodeError):
        pytest.skip("this file system takes Unicode names only")
    assert "\\udce9" in refused(folder, "is not valid Unicode text: rename it")


# ---- pictures ----------------------------------------------------------------------------------


def test_grey_files_among_colour_files_get_three_equal_channels(folder: Path) -> None:
    grey = put(folder / "dog" / "grey.png", 60, GREY)
    samples = load_samples(folder)
    image = samples.images[samples.refs.index("dog/grey.png")]
    assert image.shape == (3, 6, 4)
    assert (image == grey).all()


def test_grey_files_alone_stay_grey(tmp_path: Path) -> None:
    for number, name in enumerate("abc"):
        put(tmp_path / name / "0.png", number, GREY)
    assert load_samples(tmp_path).images.shape == (3, 1, 6, 4)


def test_palettes_bitmaps_and_alpha_become_plain_pixels(folder: Path) -> None:
    colour = Image.fromarray(pixels(9))
    colour.quantize(8).save(folder / "cat" / "palette.png")
    colour.convert("RGBA").save(folder / "cat" / "alpha.png")
    Image.fromarray(pixels(2, GREY)).convert("1").save(folder / "cat" / "bits.png")
    Image.fromarray(pixels(3, GREY)).convert("LA").save(folder / "cat" / "grey-alpha.png")
    samples = load_samples(folder)
    images = dict(zip(samples.refs, samples.images, strict=True))
    assert images["cat/alpha.png"].tolist() == np.moveaxis(pixels(9), -1, 0).tolist()
    assert set(np.unique(images["cat/bits.png"])) <= {0, 255}
    assert (images["cat/grey-alpha.png"] == pixels(3, GREY)).all()


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_pictures_without_a_white_are_refused(folder: Path, dtype: type[Any]) -> None:
    deep = np.random.default_rng(0).integers(0, 65536, GREY).astype(dtype)
    Image.fromarray(deep).save(folder / "cat" / "deep.tif")
    refused(folder, r"deep.tif holds more than 8 bits per channel and no stated white.*convert it")


def test_mixed_sizes_name_both_and_the_remedy(folder: Path) -> None:
    put(folder / "dog" / "wide.png", 60, (6, 9, 3))
    refused(folder, r"cat/0.png is 6x4 .*dog/wide.png is 6x9 \(height x width\).*--resize HxW")


def test_resize_brings_everything_to_one_size(folder: Path) -> None:
    put(folder / "dog" / "wide.png", 60, (6, 9, 3))
    put(folder / "dog" / "grey.png", 61, (12, 9))
    samples = load_samples(folder, (5, 7))
    assert samples.images.shape == (8, 3, 5, 7)
    expected = Image.fromarray(pixels(10)).resize((7, 5), Image.Resampling.BILINEAR)
    picked = samples.images[samples.refs.index("dog/0.png")]
    assert picked.tolist() == np.moveaxis(np.asarray(expected), -1, 0).tolist()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no picture",
        b"\x89PNG\r\n\x1a\n",
        b"\x89PNG\r\n\x1a\n" + b"\0" * 40,
        b"\xff\xd8\xff\xe0",
    ],
)
def test_an_unreadable_picture_is_named(folder: Path, content: bytes) -> None:
    (folder / "dog" / "bad.png").write_bytes(content)
    refused(folder, r"dog/bad.png cannot be read as a picture")


def test_every_damage_of_a_picture_ends_in_one_sentence(folder: Path) -> None:
    whole = (folder / "dog" / "0.png").read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(150):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), 3):
            damaged[place] = rng.integers(256)
        (folder / "dog" / "0.png").write_bytes(damaged[: rng.integers(1, len(whole) + 1)])
        try:
            load_samples(folder)
        except SamplesError as error:
            assert "sample" in str(error)  # noqa: PT017 - surviving the damage is fine too


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@pytest.mark.parametrize("side", [8193, 13000, 60000])
def test_a_decompression_bomb_is_refused_unopened(folder: Path, side: int) -> None:
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0))
    body = _chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    bomb = b"\x89PNG\r\n\x1a\n" + header + body + _chunk(b"IEND", b"")
    (folder / "dog" / "bomb.png").write_bytes(bomb)
    assert side * side > MAX_PIXELS
    refused(folder, r"dog/bomb.png (has more than|cannot be read)")


def test_one_picture_in_two_classes_is_named_with_both(folder: Path) -> None:
    put(folder / "frog" / "again.png", 10)  # the pixels of dog/0.png
    refused(folder, r"dog/0.png \(dog\) and frog/again.png \(frog\) are the same picture")


def test_copies_within_a_class_count_once_and_are_named(folder: Path) -> None:
    alone = load_samples(folder)
    put(folder / "dog" / "again.png", 10)
    put(folder / "dog" / "other.bmp", 10)  # the same pixels in another encoding
    put(folder / "frog" / "more.png", 21)
    samples = load_samples(folder)
    assert samples.notes == (
        "Copies: 3 of 9 samples show the same picture as another one of their class and are left "
        "out (dog/again.png is dog/0.png, dog/other.bmp is dog/0.png, ...): 6 different pictures "
        "count.",
    )
    assert samples.refs == alone.refs
    assert samples.digest == alone.digest
    assert len(samples.images) == len(samples.classes) == 6


def test_pictures_that_a_smaller_size_makes_equal_are_copies(folder: Path) -> None:
    for number, shade in enumerate((100, 101)):
        array = np.full((40, 40), 100, dtype=np.uint8)
        array[0, 0] = shade
        Image.fromarray(array).save(folder / "cat" / f"flat{number}.png")
    assert len(load_samples(folder, (40, 40))) == 8
    assert len(load_samples(folder, (4, 4))) == 7


def test_copies_in_arrays_count_once() -> None:
    x = np.stack([pixels(seed, GREY) for seed in (1, 2, 1, 3)])
    samples = samples_from_arrays(x, ["a", "b", "a", "c"])
    assert samples.refs == (0, 1, 3)
    assert "1 of 4 samples show the same picture" in samples.notes[0]
    assert "(2 is 0): 3 different" in samples.notes[0]


# ---- a folder with labels.csv ------------------------------------------------------------------

ROWS = "0.png,cat\n1.png,dog\n2.png,frog\n"


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    for number in range(3):
        put(tmp_path / f"{number}.png", number)
    return tmp_path


@pytest.mark.parametrize(
    "text",
    [
        ROWS,
        "file,label\n" + ROWS,
        "\ufeff" + ROWS,
        "\ufefffilename,class\n" + ROWS,
        ROWS.replace("\n", "\r\n"),
        "\n" + ROWS.replace("\n", "\n\n"),
        "0.png , cat\n1.png, dog,more\n2.png,frog",
    ],
)
def test_labels_csv(flat: Path, text: str) -> None:
    (flat / "labels.csv").write_text(text, encoding="utf-8", newline="")
    samples = load_samples(flat)
    assert samples.refs == ("0.png", "1.png", "2.png")
    assert samples.classes == ("cat", "dog", "frog")


def test_labels_csv_may_name_files_in_subfolders(flat: Path) -> None:
    put(flat / "more" / "3.png", 3)
    (flat / "labels.csv").write_text(ROWS + "more/3.png,cat\n")
    assert load_samples(flat).refs[-1] == "more/3.png"


def test_a_missing_first_picture_is_no_header(flat: Path) -> None:
    (flat / "labels.csv").write_text("gone.png,cat\n" + ROWS)
    refused(flat, r"gone.png cannot be read as a picture")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "lists no samples"),
        ("file,label\n", "lists no samples"),
        (ROWS + "3.png\n", "line 4 does not hold a file name and a label"),
        ("\n\n" + ROWS + "3.png,\n", "line 6 does not hold a file name and a label"),
        (ROWS + ",cat\n", "line 4 does not hold"),
        (ROWS + "../3.png,cat\n", "names '../3.png', which lies outside"),
        ("../3.png,cat\n" + ROWS, "names '../3.png', which lies outside"),
        (ROWS + "a/../../3.png,cat\n", "lies outside"),
        (ROWS + "/3.png,cat\n", "no place in the samples folder: .* such as '3.png'"),
        (ROWS + "C:\\x\\3.png,cat\n", "no place in the samples folder: .* such as '3.png'"),
        (ROWS + "gone.png,cat\n", "gone.png cannot be read as a picture"),
        ("x" * 5000 + ",y\n" + ROWS.replace("frog", "cat").replace("dog", "cat"), "hold 1 class "),
        (ROWS + '"' + "x" * 200_000 + '",cat\n', "cannot be read as CSV"),
        (ROWS + "0.png,dog\n", "same picture"),
    ],
)
def test_a_bad_labels_csv(flat: Path, text: str, words: str) -> None:
    (flat / "labels.csv").write_text(text)
    refused(flat, words)


def test_a_labels_csv_that_is_no_text(flat: Path) -> None:
    (flat / "labels.csv").write_bytes(b"\xff\xfe\x00")
    refused(flat, "cannot be read as CSV")


# ---- classes.txt -------------------------------------------------------------------------------


def test_classes_txt_states_the_order(folder: Path) -> None:
    (folder / "classes.txt").write_text("\ufefffrog\r\ngoat\ncat \n dog\n\n", encoding="utf-8")
    samples = load_samples(folder)
    assert samples.class_order == ("frog", "goat", "cat", "dog")
    assert samples.stated_order
    indices, how = class_indices(samples, LabelSpace(size=4))
    assert indices.tolist() == [2, 2, 3, 3, 0, 0]
    assert how == "classes.txt"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"cat\n\ndog\nfrog\n", "blank in line 2: every class after it would be one off"),
        (b"cat\ndog\nfrog\ncat\n", r"'cat' of the samples may be 'cat \(0\)' or 'cat \(3\)' of"),
        (b"cat\ndog\n", "classes.txt has no class named 'frog'.*it has 'cat', 'dog'"),
        (b"\xff\xfe", "cannot be read"),
    ],
)
def test_a_bad_classes_txt(folder: Path, content: bytes, words: str) -> None:
    (folder / "classes.txt").write_bytes(content)
    refused(folder, words)


def test_a_class_list_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SamplesError, match="cannot be read"):
        read_class_names(tmp_path / "gone.txt")


# ---- npz ---------------------------------------------------------------------------------------

X = np.random.default_rng(1).integers(0, 256, (6, 3, 8, 9), dtype=np.uint8)
Y = np.array([0, 1, 2, 0, 1, 2])


def npz(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "samples.npz", **arrays)
    return folder / "samples.npz"


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (X, X),
        (np.moveaxis(X, 1, 3), X),
        (X[:, 0], X[:, :1]),
        (np.moveaxis(X[:, :1], 1, 3), X[:, :1]),
        (X[:, :, :3, :3], X[:, :, :3, :3]),
    ],
)
def test_npz_of_every_layout(tmp_path: Path, x: NDArray[Any], expected: NDArray[Any]) -> None:
    samples = load_samples(npz(tmp_path, x=x, y=Y))
    assert samples.images.dtype == np.uint8
    assert samples.images.tolist() == expected.tolist()
    assert samples.refs == (0, 1, 2, 3, 4, 5)
    assert samples.classes == ("0", "1", "2", "0", "1", "2")
    assert samples.stated_order


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_npz_floats_are_taken_as_model_units(tmp_path: Path, dtype: str) -> None:
    values = np.random.default_rng(0).normal(0.0, 3.0, X.shape).astype(dtype)
    samples = load_samples(npz(tmp_path, x=values, y=Y))
    spec = InputSpec((3, 8, 9), (0.0,) * 3, (255.0,) * 3)
    assert samples.images.dtype == np.float32
    assert to_model_units(samples, spec).tolist() == values.astype(np.float32).tolist()


@pytest.mark.parametrize("labels", [["cat", "dog", "frog"] * 2, [b"cat", b"dog", b"frog"] * 2])
def test_npz_labels_may_be_names(tmp_path: Path, labels: list[Any]) -> None:
    path = npz(tmp_path, x=X, y=np.array(labels))
    assert load_samples(path).classes == ("cat", "dog", "frog") * 2
    (tmp_path / "classes.txt").write_text("frog\ndog\ncat\n")
    assert class_indices(load_samples(path), LabelSpace(size=3))[0].tolist() == [2, 1, 0] * 2


def test_classes_txt_beside_an_npz_with_numbers_says_nothing_about_it(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("frog\ndog\ncat\n")
    assert load_samples(npz(tmp_path, x=X, y=Y)).class_order == ("0", "1", "2")


def test_npz_pixels_can_be_resized(tmp_path: Path) -> None:
    samples = load_samples(npz(tmp_path, x=X, y=Y), (4, 5))
    image = Image.fromarray(np.moveaxis(X[2], 0, -1)).resize((5, 4), Image.Resampling.BILINEAR)
    assert samples.images.shape == (6, 3, 4, 5)
    assert samples.images[2].tolist() == np.moveaxis(np.asarray(image), -1, 0).tolist()


def test_npz_floats_cannot_be_resized(tmp_path: Path) -> None:
    path = npz(tmp_path, x=X / 255.0, y=Y)
    refused(path, "--resize works on 8-bit pixels", (4, 4))


HUGE = np.full(X.shape, 1e300)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        (
            {"x_train": X, "y_train": Y, "x_test": X, "y_test": Y},
            r"must hold arrays x \(images\) and y \(labels\), not x_train \(6, 3, 8, 9\).*np.savez",
        ),
        ({}, "not nothing"),
        ({"x": X, "y": Y[:5]}, r"x of shape \(6, 3, 8, 9\) and y of shape \(5,\)"),
        ({"x": X, "y": np.full((6, 3), 0.3)}, r"y of shape \(6, 3\)"),
        ({"x": X.reshape(6, -1), "y": Y}, r"x of shape \(6, 216\).*x.reshape\(n, h, w\)"),
        ({"x": X[0, 0], "y": Y}, r"x of shape \(8, 9\)"),
        ({"x": X[:0], "y": Y[:0]}, r"holds no samples: x is of shape \(0, 3, 8, 9\)"),
        ({"x": X[:, :, :0], "y": Y}, r"holds no samples: x is of shape \(6, 3, 0, 9\)"),
        ({"x": X.astype(int) * 9, "y": Y}, "x of type int64 with values from 0 to 2295; expected"),
        ({"x": X.astype(int) - 128, "y": Y}, "x of type int64 with values from -128 to 127"),
        ({"x": (X > 99).astype(int), "y": Y}, "x of type int64 with values from 0 to 1; expected"),
        ({"x": X.astype(complex), "y": Y}, "x of type complex128"),
        ({"x": X + np.nan, "y": Y}, "not finite"),
        ({"x": X + np.inf, "y": Y}, "not finite"),
        ({"x": HUGE, "y": Y}, "not finite"),
        ({"x": X, "y": Y - 1}, "holds the class -1; class numbers start at 0"),
        ({"x": X, "y": Y + 0.5}, "y of type float64; expected whole numbers or names"),
        ({"x": X, "y": Y % 1}, "hold 1 class "),
        ({"x": X[[0, 0, 1, 2, 3, 4]], "y": Y}, r"samples 0 \(0\) and 1 \(1\) are the same picture"),
        ({"x": X, "y": np.array([b"\xff", b"b", b"c"] * 2)}, "not valid Unicode"),
        ({"x": np.array([None] * 6), "y": Y}, "cannot be read as an npz file"),
    ],
)
def test_a_bad_npz(tmp_path: Path, arrays: dict[str, Any], words: str) -> None:
    refused(npz(tmp_path, **arrays), words)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x93NUMPY\x01\x00", b"text"])
def test_a_file_that_is_no_npz(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "samples.npz").write_bytes(content)
    refused(tmp_path / "samples.npz", "cannot be read as an npz file")


def test_an_npy_file_is_no_npz(tmp_path: Path) -> None:
    np.save(tmp_path / "samples.npy", X)
    refused(tmp_path / "samples.npy", "cannot be read as an npz file")


# ---- the digest --------------------------------------------------------------------------------


def _recolour(folder: Path) -> None:
    picture = np.asarray(Image.open(folder / "cat" / "0.png")).copy()
    picture[0, 0, 0] ^= 1
    Image.fromarray(picture).save(folder / "cat" / "0.png")


CHANGES: dict[str, Callable[[Path], Any]] = {
    "a pixel": _recolour,
    "a file name": lambda f: (f / "cat" / "0.png").rename(f / "cat" / "00.png"),
    "a class name": lambda f: (f / "cat").rename(f / "cats"),
    "the class order": lambda f: (f / "classes.txt").write_text("frog\ndog\ncat\n"),
    "an order that is stated": lambda f: (f / "classes.txt").write_text("cat\ndog\nfrog\n"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_digest_covers(folder: Path, change: str) -> None:
    before = load_samples(folder).digest
    assert load_samples(folder).digest == before
    CHANGES[change](folder)
    assert load_samples(folder).digest != before


# ---- to the model's units ----------------------------------------------------------------------


def samples_of(images: NDArray[Any], classes: tuple[str, ...] | None = None) -> Samples:
    names = classes or tuple(str(index) for index in range(len(images)))
    order = tuple(sorted(set(names), key=lambda n: (whole_number(n) or 0, n)))
    return Samples(tuple(range(len(images))), names, images, order, classes is None, "digest")


def spec_of(*shape: int) -> InputSpec:
    c, h, w = shape
    return InputSpec((c, h, w), (-1.0,) * c, (1.0,) * c)


def test_pixels_are_scaled_to_the_models_range() -> None:
    inputs = to_model_units(samples_of(X), spec_of(3, 8, 9))
    np.testing.assert_allclose(inputs, X / 127.5 - 1.0, atol=1e-7)
    assert inputs.dtype == np.float32


def test_grey_samples_suit_a_colour_model_and_grey_colours_a_grey_one() -> None:
    grey = X[:, :1]
    spread = to_model_units(samples_of(grey), spec_of(3, 8, 9))
    assert (spread == spread[:, :1]).all()
    back = to_model_units(samples_of(np.repeat(grey, 3, axis=1)), spec_of(1, 8, 9))
    assert back.tolist() == to_model_units(samples_of(grey), spec_of(1, 8, 9)).tolist()


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((1, 8, 9), "samples are in colour and the model takes one grey channel"),
        (
            (3, 9, 8),
            "samples are 3 channels, 8x9 and the model takes 3 channels, 9x8.*--resize 9x8",
        ),
        ((4, 8, 9), "samples are 3 channels, 8x9 and the model takes 4 channels"),
    ],
)
def test_samples_that_do_not_fit(shape: tuple[int, int, int], words: str) -> None:
    with pytest.raises(SamplesError, match=words):
        to_model_units(samples_of(X), spec_of(*shape))


# ---- classes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "number"),
    [("0", 0), ("007", 7), ("00000000000012", 12), ("999999999", 999_999_999)],
)
def test_whole_numbers(name: str, number: int) -> None:
    assert whole_number(name) == number


@pytest.mark.parametrize("name", ["", "-1", "1.0", "\u00b2", "\u0663", "1e3", " 1", "9" * 5000])
def test_words(name: str) -> None:
    assert whole_number(name) is None


def match(names: tuple[str, ...], space: LabelSpace) -> tuple[list[int], str]:
    indices, how = class_indices(samples_of(X[: len(names)], names), space)
    assert indices.dtype == np.int64
    return indices.tolist(), how


def test_names_are_found_in_the_models_list() -> None:
    space = LabelSpace(["frog", "dog", "cat", "goat"])
    assert match(("cat", "dog", "frog"), space) == ([2, 1, 0], "class names")


def test_digits_are_names_where_the_model_lists_them_so() -> None:
    assert match(("7", "8", "9"), LabelSpace(["9", "8", "7"])) == ([2, 1, 0], "class names")


def test_digits_are_indices() -> None:
    assert match(("2", "10", "03"), LabelSpace(size=11)) == ([2, 10, 3], "whole-number class names")
    assert match(("2", "0", "1"), LabelSpace(["cat", "dog", "frog"]))[0] == [2, 0, 1]


def test_digits_are_names_where_the_target_answers_with_names() -> None:
    space = LabelSpace(open=True)
    indices, how = match(("7", "10", "9"), space)
    assert how == "class names"
    assert [space.names[index] for index in indices] == ["7", "10", "9"]


def test_an_open_label_space_learns_the_samples_classes() -> None:
    space = LabelSpace(open=True)
    assert match(("cat", "dog", "frog"), space) == ([0, 1, 2], "class names")
    assert space.names == ["cat", "dog", "frog"]


def test_names_count_alphabetically_where_they_cover_the_model() -> None:
    found = ([1, 0, 2], "alphabetical order of the class names")
    assert match(("dog", "cat", "frog"), LabelSpace(size=3)) == found
    assert match(("dog", "cat", "frog"), LabelSpace()) == found


def test_listed_digits_follow_the_list(tmp_path: Path) -> None:
    for number, name in enumerate(("0", "1", "10")):
        put(tmp_path / name / "0.png", number)
    (tmp_path / "classes.txt").write_text("0\n1\n10\n2\n")
    indices, how = class_indices(load_samples(tmp_path), LabelSpace(size=4))
    assert (indices.tolist(), how) == ([0, 1, 2], "classes.txt")


@pytest.mark.parametrize(
    ("names", "space", "words"),
    [
        (("0", "1", "10"), LabelSpace(size=10), "of class 10, the model's classes end at 9"),
        (("0", "1", str(MAX_CLASSES)), LabelSpace(), f"at most {MAX_CLASSES} are supported"),
        (
            ("cat", "dog", "frog"),
            LabelSpace(["a", "b", "c"]),
            "no class named 'cat'; it has 'a', 'b', 'c': name the samples' classes so",
        ),
        (("cat", "dog", "frog"), LabelSpace(size=10), "name 3 classes and the model has 10"),
        (("1", "2", "-3"), LabelSpace(size=10), "name 3 classes and the model has 10"),
    ],
)
def test_classes_that_do_not_match(names: tuple[str, ...], space: LabelSpace, words: str) -> None:
    with pytest.raises(SamplesError, match=words):
        match(names, space)


def test_a_list_longer_than_the_model_is_refused(folder: Path) -> None:
    (folder / "classes.txt").write_text("cat\ndog\nfrog\ngoat\n")
    with pytest.raises(SamplesError, match=r"classes.txt names 4 classes and the model has 3"):
        class_indices(load_samples(folder), LabelSpace(size=3))


def test_a_pipe_among_the_samples_is_refused_at_once(folder: Path) -> None:
    """To open one would take forever."""
    (some := next(folder.glob("*/*.png"))).unlink()
    os.mkfifo(some)
    refused(folder, "is no plain file")
    os.mkfifo(folder / "samples.npz")
    refused(folder / "samples.npz", "no plain file")


@pytest.mark.parametrize("name", ["", " "])
def test_an_empty_class_name_is_refused(tmp_path: Path, name: str) -> None:
    x = np.random.default_rng(1).integers(0, 256, (4, 5, 5), dtype=np.uint8)
    np.savez(tmp_path / "s.npz", x=x, y=np.array([name, "b", "c", "d"]))
    refused(tmp_path / "s.npz", "empty class name")


@pytest.mark.parametrize("data", [b"\x80\x04\x95", b"\x89HDF\r\n\x1a\n" + bytes(40)])
def test_a_file_of_a_model_or_of_objects_gets_the_remedy_of_samples(
    tmp_path: Path, data: bytes
) -> None:
    (tmp_path / "s.dat").write_bytes(data)
    refused(tmp_path / "s.dat", "np.savez")
