"""Pictures whose pixels are not all there is to them: one policy, said in one line."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from auditor.errors import SamplesError
from auditor.samples.load import load_samples
from auditor.samples.pictures import READS_HEIC, Framing, framed, read_picture

RED, BLUE = (240, 40, 40), (30, 30, 230)


def picture(seed: int = 9) -> NDArray[np.uint8]:
    """Red above, blue below, noise at the left, so that no two are equal."""
    array = np.zeros((20, 24, 3), np.uint8)
    array[:10], array[10:] = RED, BLUE
    array[:, :6] = np.random.default_rng(seed).integers(0, 255, (20, 6, 3))
    return array


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(array: NDArray[Any], colour: int, bits: int, clear: bytes = b"") -> bytes:
    """A PNG of ``array`` (h, w, c), as other tools write it and Pillow cannot."""
    big = array.astype(">u2" if bits == 16 else np.uint8)
    raw = b"".join(b"\0" + row.tobytes() for row in big)
    head = struct.pack(">IIBBBBB", array.shape[1], array.shape[0], bits, colour, 0, 0, 0)
    extra = _chunk(b"tRNS", clear) if clear else b""
    body = _chunk(b"IHDR", head) + extra + _chunk(b"IDAT", zlib.compress(raw))
    return b"\x89PNG\r\n\x1a\n" + body + _chunk(b"IEND", b"")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three classes of two ordinary pictures."""
    for number, name in enumerate(("cat", "dog", "eel")):
        (tmp_path / name).mkdir()
        for item in range(2):
            place = tmp_path / name / f"{item}.png"
            Image.fromarray(picture(10 * number + item)).save(place)
    return tmp_path


def odd(folder: Path, name: str = "odd.png") -> tuple[NDArray[np.uint8], str]:
    """The pixels (h, w, c) of ``cat/NAME``, and what was said."""
    samples = load_samples(folder)
    image = samples.images[samples.refs.index(f"cat/{name}")]
    return np.moveaxis(image, 0, -1), " ".join(samples.notes)


def test_ordinary_pictures_go_without_a_word(folder: Path) -> None:
    Image.fromarray(picture()).convert("RGBA").save(folder / "cat" / "odd.png")
    array, said = odd(folder)
    assert array.tolist() == picture().tolist()
    assert said == ""


# ---- EXIF --------------------------------------------------------------------------------------


@pytest.mark.parametrize("turn", range(2, 9))
@pytest.mark.parametrize("suffix", ["png", "tif", "webp", "jpg"])
def test_a_picture_stands_as_a_viewer_shows_it(folder: Path, turn: int, suffix: str) -> None:
    upright = np.asarray(picture())
    stored = {
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[turn]
    tags = Image.Exif()
    tags[0x0112] = turn
    options: dict[str, Any] = {"lossless": True} if suffix == "webp" else {}
    options |= {"quality": 98, "subsampling": 0} if suffix == "jpg" else {}
    place = folder / "cat" / f"odd.{suffix}"
    Image.fromarray(np.ascontiguousarray(stored)).save(place, exif=tags.tobytes(), **options)
    array, said = odd(folder, f"odd.{suffix}")
    tolerance = 60 if suffix == "jpg" else 0
    worst = np.abs(array.astype(int) - upright.astype(int))[:, 8:].max()
    assert worst <= tolerance
    assert said == f"Pictures: 1 turned upright as EXIF says (cat/odd.{suffix})."


def test_damaged_exif_data_says_nothing(folder: Path) -> None:
    place = folder / "cat" / "odd.png"
    Image.fromarray(picture()).save(place, exif=b"Exif\0\0MM\0*\0\0\xff\xff")
    array, said = odd(folder)
    assert (array.tolist(), said) == (picture().tolist(), "")


# ---- transparency ------------------------------------------------------------------------------


def clear_above(hidden: int = 0) -> NDArray[np.uint8]:
    array = np.dstack([picture(), np.full((20, 24), 255, np.uint8)])
    array[:10, :, :3], array[:10, :, 3] = hidden, 0
    return array


def palette(folder: Path) -> None:
    image = Image.fromarray(picture()[10:]).quantize(8)
    whole = Image.new("P", (24, 20), 200)
    colours = (image.getpalette() or [])[:24]
    whole.putpalette(colours + [5] * (768 - len(colours)))
    whole.paste(image, (0, 10))
    whole.save(folder / "odd.png", transparency=200)


def grey_alpha(folder: Path) -> None:
    Image.fromarray(clear_above()).convert("LA").save(folder / "odd.png")


def grey_key(folder: Path) -> None:
    grey = np.asarray(Image.fromarray(picture()).convert("L")).copy()
    grey[:10] = 7
    (folder / "odd.png").write_bytes(png(grey[..., None], 0, 8, struct.pack(">H", 7)))


def colour_key(folder: Path) -> None:
    array = picture()
    array[:10] = (1, 2, 3)
    (folder / "odd.png").write_bytes(png(array, 2, 8, struct.pack(">HHH", 1, 2, 3)))


def grey_key_16(folder: Path) -> None:
    grey = np.asarray(Image.fromarray(picture()).convert("L")).astype(np.uint16) * 257
    grey[:10] = 700
    (folder / "odd.png").write_bytes(png(grey[..., None], 0, 16, struct.pack(">H", 700)))


def rgba_16(folder: Path) -> None:
    (folder / "odd.png").write_bytes(png(clear_above().astype(np.uint16) * 257, 6, 16))


CLEAR: dict[str, Callable[[Path], None]] = {
    "rgba": lambda f: Image.fromarray(clear_above()).save(f / "odd.png"),
    "rgba of another hidden colour": lambda f: Image.fromarray(clear_above(99)).save(f / "odd.png"),
    "palette": palette,
    "grey and alpha": grey_alpha,
    "grey with a key": grey_key,
    "colour with a key": colour_key,
    "16-bit grey with a key": grey_key_16,
    "16-bit rgba": rgba_16,
}


@pytest.mark.parametrize("kind", CLEAR)
def test_hidden_colours_never_become_the_sample(folder: Path, kind: str) -> None:
    CLEAR[kind](folder / "cat")
    array, said = odd(folder)
    assert (array[:10] == 255).all()
    assert not (array[10:, 8:] == 255).all()
    assert "1 with transparency, laid on white (cat/odd.png)" in said
    dark = load_samples(folder, background="#000000")
    image = dark.images[dark.refs.index("cat/odd.png")]
    assert (image[:, :10] == 0).all()
    assert "laid on #000000" in dark.notes[0]
    assert dark.digest != load_samples(folder).digest


def test_half_transparent_pixels_are_mixed(folder: Path) -> None:
    array = np.dstack([np.zeros((20, 24, 3), np.uint8), np.full((20, 24), 128, np.uint8)])
    Image.fromarray(array).save(folder / "cat" / "odd.png")
    assert set(np.unique(odd(folder)[0])) <= {127, 128}


def test_grey_with_alpha_stays_grey(tmp_path: Path) -> None:
    for number, name in enumerate("abc"):
        (tmp_path / name).mkdir()
        array = np.zeros((4, 4, 2), np.uint8)
        array[0, 0] = (number, 255)
        Image.fromarray(array).save(tmp_path / name / "0.png")
    assert load_samples(tmp_path).images.shape == (3, 1, 4, 4)


def test_a_background_that_is_no_colour(folder: Path) -> None:
    with pytest.raises(SamplesError, match=r"'wite' is no colour: give a name such as white"):
        load_samples(folder, background="wite")


# ---- several frames, 16 bits, CMYK -------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["webp", "gif", "png", "apng", "avif", "tif"])
def test_of_several_frames_the_first_counts_and_that_is_said(folder: Path, suffix: str) -> None:
    place, first = folder / "cat" / f"odd.{suffix}", Image.fromarray(picture())
    options: dict[str, Any] = {"lossless": True} if suffix == "webp" else {}
    options |= {"format": "PNG"} if suffix == "apng" else {}
    options |= {"quality": 100, "subsampling": "4:4:4"} if suffix == "avif" else {}
    more = [Image.fromarray(255 - picture())]
    first.save(place, save_all=True, append_images=more, **options)
    array, said = odd(folder, f"odd.{suffix}")
    assert np.abs(array[2, 20].astype(int) - RED).max() < 10
    assert said == f"Pictures: 1 with several frames, the first used (cat/odd.{suffix})."


WIDE = picture().astype(np.uint16) * 257
DEEP: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "grey png": ("odd.png", lambda p: Image.fromarray(WIDE[..., 0]).save(p)),
    "grey tiff": ("odd.tif", lambda p: Image.fromarray(WIDE[..., 0]).save(p)),
    "colour png": ("odd.png", lambda p: p.write_bytes(png(WIDE, 2, 16))),
    "colour ppm": (
        "odd.ppm",
        lambda p: p.write_bytes(b"P6 24 20 65535\n" + WIDE.astype(">u2").tobytes()),
    ),
    "grey pgm": (
        "odd.pgm",
        lambda p: p.write_bytes(b"P5 24 20 65535\n" + WIDE[..., 0].astype(">u2").tobytes()),
    ),
}


@pytest.mark.parametrize("kind", DEEP)
def test_sixteen_bits_are_brought_to_eight_grey_and_colour_alike(folder: Path, kind: str) -> None:
    name, write = DEEP[kind]
    write(folder / "cat" / name)
    array, said = odd(folder, name)
    plain = picture() if kind.startswith("colour") else np.repeat(picture()[..., :1], 3, axis=2)
    assert array.tolist() == plain.tolist()
    assert said == f"Pictures: 1 of 16 bits a channel, brought to 8 (cat/{name})."


def test_a_tiff_whose_zero_is_white(folder: Path) -> None:
    place = folder / "cat" / "odd.tif"
    Image.fromarray(65535 - WIDE[..., 0]).save(place, tiffinfo={262: 0})
    assert odd(folder, "odd.tif")[0][..., 0].tolist() == picture()[..., 0].tolist()


def test_twelve_bits_in_sixteen_are_not_made_black(folder: Path) -> None:
    values = np.random.default_rng(0).integers(0, 4096, (20, 24), dtype=np.uint16)
    Image.fromarray(values).save(folder / "cat" / "odd.png")
    with pytest.raises(SamplesError, match=r"cat/odd.png .*as data of 12 bits does.*8 bits first"):
        load_samples(folder)


def test_cmyk_is_said(folder: Path) -> None:
    Image.fromarray(picture()).convert("CMYK").save(folder / "cat" / "odd.jpg", quality=98)
    array, said = odd(folder, "odd.jpg")
    assert np.abs(array[2, 20].astype(int) - RED).max() < 12
    assert said == "Pictures: 1 in CMYK, converted to RGB (cat/odd.jpg)."


def test_everything_is_said_in_one_line(folder: Path) -> None:
    for item in range(3):
        array = clear_above()
        array[10:, :6, 0] = item
        Image.fromarray(array).save(folder / "cat" / f"odd{item}.png")
    Image.fromarray(picture()).convert("CMYK").save(folder / "dog" / "odd.jpg")
    samples = load_samples(folder)
    assert samples.notes == (
        "Pictures: 3 with transparency, laid on white (cat/odd0.png, ...); 1 in CMYK, converted to "
        "RGB (dog/odd.jpg).",
    )


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        (
            "photo.jpg",
            b"\0\0\0\x20ftypheic" + bytes(99),
            "it is damaged" if READS_HEIC else "it is an HEIC picture: pip install",
        ),
        ("a.png", b"version https://git-lfs.github.com/spec/v1\n", "it is a Git LFS pointer"),
        ("b.png", b"<!DOCTYPE html><p>404", "it is an HTML page"),
        ("e.png", b"", "it is an empty file"),
        ("f.jpg", b'{"error": "no such file"}', "it is JSON text, perhaps the error reply"),
        ("c.gif", b"GIF89a", "it is damaged, cut short, or no picture at all"),
        ("d.webp", b"RIFF\x10\0\0\0WEBPVP8 ", "it is damaged, cut short"),
    ],
)
def test_a_picture_that_is_none_is_called_by_its_name(
    folder: Path, name: str, data: bytes, words: str
) -> None:
    (folder / "cat" / name).write_bytes(data)
    with pytest.raises(SamplesError) as caught:
        load_samples(folder)
    assert f"cat/{name} cannot be read as a picture: {words}" in str(caught.value)


# ---- the way to another size -------------------------------------------------------------------


def stripes() -> NDArray[np.uint8]:
    """A wide picture (10 x 30): its middle third white, the rest black."""
    array = np.zeros((3, 10, 30), np.uint8)
    array[:, :, 10:20] = 255
    return array


def test_crop_keeps_the_middle_and_the_proportions() -> None:
    assert (framed(stripes(), Framing((10, 10), "crop")) == 255).all()
    tall = stripes().transpose(0, 2, 1)
    assert (framed(tall, Framing((10, 10), "crop")) == 255).all()
    bigger = framed(stripes(), Framing((20, 20), "crop"))
    assert bigger.shape == (3, 20, 20)
    assert (bigger[:, :, 2:-2] == 255).all()


def test_pad_keeps_everything() -> None:
    kept = framed(stripes(), Framing((30, 30), "pad", "red"))
    assert kept[:, 10:20].tolist() == stripes().tolist()
    assert (kept[0, :10] == 255).all()
    assert (kept[1:, :10] == 0).all()
    assert (framed(stripes()[:1], Framing((30, 30), "pad"))[0, 25:] == 255).all()


def test_squash_is_what_resize_always_was() -> None:
    array = np.random.default_rng(0).integers(0, 256, (3, 17, 41), dtype=np.uint8)
    image = Image.fromarray(np.moveaxis(array, 0, -1)).resize((8, 5), Image.Resampling.BILINEAR)
    assert framed(array, Framing((5, 8))).tolist() == np.moveaxis(np.asarray(image), -1, 0).tolist()


@pytest.mark.parametrize("fit", ["squash", "crop", "pad"])
def test_making_smaller_is_antialiased(fit: Any) -> None:
    board = np.indices((64, 64)).sum(axis=0) % 2 * 255
    small = framed(board.astype(np.uint8)[None], Framing((8, 8), fit))
    assert np.abs(small.astype(int) - 127)[:, 1:-1, 1:-1].max() < 12


@pytest.mark.parametrize("fit", ["squash", "crop", "pad"])
def test_every_fit_gives_the_size_from_any_size(fit: Any) -> None:
    rng = np.random.default_rng(1)
    for _ in range(60):
        h, w, height, width = (int(side) for side in rng.integers(1, 50, 4))
        array = rng.integers(0, 256, (3, h, w), dtype=np.uint8)
        assert framed(array, Framing((height, width), fit)).shape == (3, height, width)


def test_a_crop_is_recorded(folder: Path) -> None:
    samples = load_samples(folder, (8, 8), "crop")
    assert samples.notes == ("Pictures: all cropped to 8x8.",)
    assert load_samples(folder, (8, 8), "pad", "grey").notes[0].endswith("padded with grey to 8x8.")
    assert load_samples(folder, (8, 8)).notes == ()


def test_one_picture_alone(folder: Path) -> None:
    found = read_picture(folder / "cat" / "0.png", Framing((10, 12)))
    assert (found.pixels.shape, found.changes) == ((3, 10, 12), frozenset())
