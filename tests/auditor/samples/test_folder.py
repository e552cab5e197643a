"""Class folders: what is left out is counted and named, and no class vanishes."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adapters.contract import LabelSpace
from auditor.errors import SamplesError
from auditor.samples.fit import class_indices
from auditor.samples.load import load_samples
from auditor.samples.pictures import READS_HEIC


def put(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.random.default_rng(seed).integers(0, 256, (6, 4, 3), dtype=np.uint8)
    Image.fromarray(array).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, name in enumerate(("cat", "dog", "eel")):
        for item in range(2):
            put(tmp_path / name / f"{item}.png", 10 * number + item)
    return tmp_path


@pytest.mark.parametrize("suffix", ["gif", "jfif", "jpe", "tif", "TIFF", "avif", "pnm", "JPG"])
def test_every_ending_that_can_be_read_is_read(folder: Path, suffix: str) -> None:
    form = {"gif": "GIF", "avif": "AVIF", "pnm": "PPM", "tif": "TIFF", "TIFF": "TIFF"}
    place = folder / "cat" / f"2.{suffix}"
    array = np.random.default_rng(5).integers(0, 256, (6, 4, 3), dtype=np.uint8)
    Image.fromarray(array).save(place, format=form.get(suffix, "JPEG"))
    samples = load_samples(folder)
    assert (len(samples), samples.notes) == (7, ())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cat/2.jxl", "1 .jxl, which is not read (convert it to PNG or JPEG): cat/2.jxl"),
        (
            "cat/2.npy",
            "1 .npy, which is not read (put arrays into an .npz with x and y): cat/2.npy",
        ),
        ("cat/.DS_Store", "1 hidden or made by a system: cat/.DS_Store"),
        ("cat/Thumbs.db", "1 hidden or made by a system: cat/Thumbs.db"),
        ("cat/notes.txt", "1 .txt, no picture: cat/notes.txt"),
        ("cat/2", "1 without an ending, which pictures need: cat/2"),
        ("stray.png", "1 in no class folder: stray.png"),
        ("__MACOSX/cat/._0.png", "1 hidden or made by a system: __MACOSX"),
    ],
)
def test_what_is_left_out_is_named_with_the_reason(folder: Path, name: str, words: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(b"x")
    samples = load_samples(folder)
    assert len(samples) == 6
    assert samples.notes == (f"Left out: 1 file ({words}).",)


@pytest.mark.skipif(READS_HEIC, reason="pillow-heif is installed")
def test_pictures_of_iphones_are_left_out_with_the_way_to_read_them(folder: Path) -> None:
    (folder / "cat" / "2.HEIC").write_bytes(b"x")
    (words,) = load_samples(folder).notes
    assert "1 .heic, which is not read (pip install 'xray-audit[heic]', or convert it to" in words


@pytest.mark.skipif(not READS_HEIC, reason="needs pillow-heif")
@pytest.mark.parametrize("name", ["2.heic", "2.HEIF", "2.jpg"])
def test_pictures_of_iphones_are_read_upright(folder: Path, name: str) -> None:
    pixels = np.zeros((64, 64, 3), dtype=np.uint8)
    pixels[:32] = (240, 40, 40)
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    turned = Image.Exif()
    turned[0x0112] = 3
    (folder / "cat").rename(folder / "cow")
    for place in folder.glob("*/*.png"):
        Image.open(place).resize((64, 64)).save(place)
    Image.fromarray(pixels).save(
        folder / "cow" / name, format="HEIF", exif=turned.tobytes(), quality=95
    )
    samples = load_samples(folder)
    image = next(
        image
        for image, ref in zip(samples.images, samples.refs, strict=True)
        if str(ref).endswith(name)
    )
    assert image[0, 50:].min() > 200  # it was red above, and is turned by half
    assert image[0, :14].max() < 50


def test_all_of_it_is_one_line(folder: Path) -> None:
    for number in range(4):
        (folder / "dog" / f"{number}.jxl").write_bytes(b"x")
    (folder / "eel" / ".hidden").write_bytes(b"x")
    assert load_samples(folder).notes == (
        "Left out: 5 files (4 .jxl, which is not read (convert it to PNG or JPEG): dog/0.jxl, "
        "dog/1.jxl, ...; 1 hidden or made by a system: eel/.hidden).",
    )


@pytest.mark.parametrize(
    ("inside", "words"),
    [
        ([], "holds no picture that can be read, so its class would vanish: add pictures"),
        (["0.jxl", "1.jxl"], r"vanish.*2 .jxl, which is not read \(convert it to PNG or JPEG\)"),
        ([".DS_Store"], "vanish.*1 hidden or made by a system: fox/.DS_Store"),
    ],
)
def test_a_class_that_vanishes_is_an_error(folder: Path, inside: list[str], words: str) -> None:
    (folder / "fox").mkdir()
    for name in inside:
        (folder / "fox" / name).write_bytes(b"x")
    with pytest.raises(SamplesError, match=f"class folder 'fox' .*{words}"):
        load_samples(folder)


def test_a_folder_of_folders_of_classes_says_which_to_pass(tmp_path: Path) -> None:
    for name in ("cat", "dog", "eel"):
        put(tmp_path / "all" / "train" / name / "0.png", len(name))
    with pytest.raises(SamplesError) as caught:
        load_samples(tmp_path / "all")
    assert f"pass --samples {tmp_path / 'all' / 'train'}" in str(caught.value)


def test_pictures_without_class_folders_are_counted(tmp_path: Path) -> None:
    for number in range(3):
        put(tmp_path / f"{number}.png", number)
    with pytest.raises(SamplesError, match=r"no samples found.*3 in no class folder: 0.png, 1.png"):
        load_samples(tmp_path)


NAMES = ["café", "naïve", "über"]


@pytest.mark.parametrize("written", ["NFC", "NFD"])
@pytest.mark.parametrize("known", ["NFC", "NFD"])
def test_letters_in_either_form_are_the_same_class(
    tmp_path: Path, written: str, known: str
) -> None:
    for number, name in enumerate(NAMES):
        put(tmp_path / unicodedata.normalize(written, name) / "0.png", number)  # type: ignore[arg-type]  # one of its forms
    listed = [unicodedata.normalize(known, name) for name in NAMES]  # type: ignore[arg-type]  # as above
    samples = load_samples(tmp_path)
    assert samples.classes == tuple(NAMES)
    indices, how = class_indices(samples, LabelSpace(listed))
    assert (indices.tolist(), how) == ([0, 1, 2], "class names")
    space = LabelSpace(open=True)
    class_indices(samples, space)
    assert [space.index(name) for name in listed] == [0, 1, 2]
    (tmp_path / "classes.txt").write_text("\n".join(reversed(listed)), encoding="utf-8")
    assert load_samples(tmp_path).class_order == tuple(reversed(NAMES))


def test_one_class_in_both_forms_is_one_and_that_is_said(folder: Path) -> None:
    for number, form in enumerate(("NFC", "NFD")):
        put(folder / unicodedata.normalize(form, "café") / f"{number}.png", 70 + number)  # type: ignore[arg-type]  # as above
    samples = load_samples(folder)
    assert len(samples.class_order) == 4
    assert samples.notes == (
        "Classes: 'café' is written in two Unicode forms, which count as one class.",
    )


def test_classes_that_differ_in_case_only_are_said(folder: Path) -> None:
    put(folder / "Cat" / "0.png", 77)
    (words,) = load_samples(folder).notes
    assert words.startswith("Classes: 'Cat' and 'cat' differ only in case, spaces and dashes: if")


def test_a_link_to_nowhere_is_said(folder: Path) -> None:
    (folder / "cat" / "2.png").symlink_to("away.png")
    with pytest.raises(SamplesError, match=r"2\.png is a link to away\.png, which is not there"):
        load_samples(folder)
