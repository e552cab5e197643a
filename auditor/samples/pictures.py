"""One picture file as plain 8-bit pixels, under one policy that is said once.

Pictures are turned upright as their EXIF data says; what is transparent is laid on a stated
colour; of several frames the first counts; 16 bits a channel become their upper 8; CMYK becomes
RGB. Whatever has no one meaning (32-bit and float values) is refused.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageOps

from adapters.contract import Fit
from adapters.file_kind import HEIC_PICTURE, TEXT, kind_of_file
from auditor.errors import SamplesError

HEIC = frozenset((".heic", ".heif", ".hif"))
"""Pictures that are read if the package pillow-heif is installed."""
READS_HEIC = importlib.util.find_spec("pillow_heif") is not None
SUFFIXES = (HEIC if READS_HEIC else frozenset()) | frozenset((
    ".apng", ".avif", ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".mpo", ".pbm", ".pgm",
    ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp",
))  # fmt: skip
_FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "PPM", "GIF", "TIFF", "AVIF")
_HEIF = "HEIF"
MAX_PIXELS = 64 * 1024 * 1024
"""Larger images are refused: a tiny file can unpack into gigabytes."""

_LEAST_TOP = 64
"""Least largest value of pictures of 16 bits, brought to 8: less means that they hold fewer bits
(12 in microscopes and X-ray machines), and then nothing says what white is."""

TURNED, CLEAR, FRAMES, DEEP, CMYK, LAB = "turned", "clear", "frames", "deep", "cmyk", "lab"
_SAID = {
    TURNED: "turned upright as EXIF says",
    CLEAR: "with transparency, laid on {}",
    FRAMES: "with several frames, the first used",
    DEEP: "of 16 bits a channel, brought to 8",
    CMYK: "in CMYK, converted to RGB",
    LAB: "in CIELAB, converted to RGB",
}
"""Change to a picture -> its words, in the order that they are said."""


@dataclass(frozen=True, slots=True)
class Framing:
    """The way to a model's shape.

    Attributes:
        size: ``(height, width)``, or None to take pictures as they are.
        fit: ``squash`` scales both sides by themselves; ``crop`` fills the size and cuts off
            what is over, the same on both sides; ``pad`` keeps all of the picture and fills up
            with the background.
        background: name or ``#rrggbb`` of the colour beneath transparency and around a padded
            picture.
    """

    size: tuple[int, int] | None = None
    fit: Fit = "squash"
    background: str = "white"

    def __post_init__(self) -> None:
        try:
            ImageColor.getrgb(self.background)
        except ValueError as error:
            raise SamplesError(
                f"the background {self.background[:40]!r} is no colour: give a name such as white "
                "or black, or #rrggbb"
            ) from error

    @property
    def colour(self) -> tuple[int, int, int]:
        """The background as red, green and blue."""
        red, green, blue = ImageColor.getrgb(self.background)[:3]
        return red, green, blue


@dataclass(frozen=True, slots=True)
class Picture:
    """``(c, h, w)`` pixels, the changes made to get them, and their largest value before that."""

    pixels: NDArray[np.uint8]
    changes: frozenset[str]
    top: int


def read_picture(path: Path, framing: Framing) -> Picture:
    """The picture in a file, in the size that ``framing`` states.

    Raises:
        SamplesError: it is no picture that can be read, too large, or of no plain meaning.
    """
    if path.exists() and not path.is_file():  # to open a pipe would take forever
        raise SamplesError(f"sample {path} is no plain file")
    if path.is_symlink() and not path.exists():
        raise SamplesError(f"sample {path} is a link to {path.readlink()}, which is not there")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=_formats(path)) as picture:
                found = _decode(picture, path, framing)
    except SamplesError:
        raise
    except Exception as error:  # a damaged image makes Pillow raise many kinds
        why = _why(path, error)
        raise SamplesError(f"sample {path} cannot be read as a picture: {why}") from error
    return Picture(framed(found.pixels, framing), found.changes, found.top)


def _formats(path: Path) -> tuple[str, ...]:
    """Formats that the picture at ``path`` may have: a phone's HEIC is often called .jpg."""
    if not READS_HEIC or (path.suffix.lower() not in HEIC and kind_of_file(path) != HEIC_PICTURE):
        return _FORMATS
    import pillow_heif  # noqa: PLC0415 - an extra

    pillow_heif.register_heif_opener()
    return (*_FORMATS, _HEIF)


def framed(pixels: NDArray[np.uint8], framing: Framing) -> NDArray[np.uint8]:
    """``pixels`` ``(c, h, w)`` in the size that ``framing`` states, channel by channel.

    Pillow's bilinear filter widens where it makes smaller, as training pipelines do: antialiased.
    """
    if framing.size is None:
        return pixels
    height, width = framing.size
    h, w = pixels.shape[1:]
    scale = (min if framing.fit == "pad" else max)(height / h, width / w)
    box = (0.0, 0.0, float(w), float(h))
    inner = (width, height)
    if framing.fit == "crop":
        left, top = (w - width / scale) / 2, (h - height / scale) / 2
        box = (max(left, 0.0), max(top, 0.0), min(w - left, w), min(h - top, h))
    elif framing.fit == "pad":
        inner = (max(1, round(w * scale)), max(1, round(h * scale)))
    images = (Image.fromarray(np.ascontiguousarray(channel)) for channel in pixels)
    scaled = [np.asarray(i.resize(inner, Image.Resampling.BILINEAR, box=box)) for i in images]
    return _padded(np.stack(scaled), framing.size, framing.colour)


def _padded(
    pixels: NDArray[np.uint8], size: tuple[int, int], colour: tuple[int, int, int]
) -> NDArray[np.uint8]:
    if pixels.shape[1:] == size:
        return pixels
    grey = ImageColor.getcolor("#{:02x}{:02x}{:02x}".format(*colour), "L")
    fill = np.array(colour if len(pixels) == 3 else [grey] * len(pixels), dtype=np.uint8)
    canvas = np.broadcast_to(fill[:, None, None], (len(pixels), *size)).copy()
    top, left = ((whole - part) // 2 for whole, part in zip(size, pixels.shape[1:], strict=True))
    canvas[:, top : top + pixels.shape[1], left : left + pixels.shape[2]] = pixels
    return canvas


def said(found: Mapping[str, Picture], framing: Framing) -> tuple[str, ...]:
    """The one line on everything that was changed, by names of pictures; none if nothing was.

    Raises:
        SamplesError: the pictures of 16 bits hold no value of more than 14 bits.
    """
    parts = []
    for change, words in _SAID.items():
        names = [name for name, picture in found.items() if change in picture.changes]
        if names:
            text = words.format(framing.background)
            parts.append(f"{len(names)} {text} ({_some(names)})")
    deep = [(name, picture.top) for name, picture in found.items() if DEEP in picture.changes]
    if deep and max(top for _, top in deep) < _LEAST_TOP:
        raise SamplesError(
            f"sample {deep[0][0]} and all other pictures of 16 bits end below a quarter of the "
            "range, as data of 12 bits does, and nothing says what their white is: bring them to "
            "8 bits first"
        )
    if framing.size is not None and framing.fit != "squash":
        done = "cropped" if framing.fit == "crop" else f"padded with {framing.background}"
        parts.append(f"all {done} to {framing.size[0]}x{framing.size[1]}")
    return (f"Pictures: {'; '.join(parts)}.",) if parts else ()


def _some(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]}, ..."


def _why(path: Path, error: Exception) -> str:
    """Reason why a picture cannot be read, in words."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    kind = kind_of_file(path)
    readable = READS_HEIC and kind == HEIC_PICTURE
    if not readable and kind not in {None, TEXT} and kind.suffix not in SUFFIXES:
        return f"it is {kind}"
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"it has more than {MAX_PIXELS:,} pixels"
    return "it is damaged, cut short, or no picture at all"


def _decode(picture: Image.Image, path: Path, framing: Framing) -> Picture:
    if picture.width * picture.height > MAX_PIXELS:
        raise SamplesError(f"sample {path} has more than {MAX_PIXELS} pixels")
    changes = {FRAMES} if getattr(picture, "is_animated", False) else set()
    deep = _is_deep(picture)  # before EXIF data is read, which may load the pixels
    if deep:
        changes.add(DEEP)
    turn = _orientation(picture)
    plain = ImageOps.exif_transpose(_eight_bits(picture, path, deep=deep))
    if 2 <= turn <= 8:
        changes.add(TURNED)
    changes |= {name for name in (CMYK, LAB) if plain.mode.lower() == name}
    top = int(np.asarray(plain).max()) if deep else 255
    opaque = _opaque(plain, framing.colour)
    if opaque is not None:
        changes.add(CLEAR)
        plain = opaque
    grey = plain.mode in {"1", "L", "LA", "La"}
    pixels = np.asarray(plain.convert("L" if grey else "RGB"), dtype=np.uint8)
    shaped = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)
    return Picture(shaped, frozenset(changes), top)


def _orientation(picture: Image.Image) -> int:
    """EXIF's orientation, read before Pillow turns a TIFF by itself; 1 if it states none."""
    try:
        return int(picture.getexif().get(0x0112, 1))
    except Exception:  # noqa: BLE001 - damaged EXIF data says nothing
        return 1


def _is_deep(picture: Image.Image) -> bool:
    stated = [str(getattr(tile, "args", tile)) for tile in getattr(picture, "tile", ())]
    wide = picture.format == "PPM" and any("65535" in text for text in stated)
    return wide or any(";16" in text for text in stated)


def _eight_bits(picture: Image.Image, path: Path, *, deep: bool) -> Image.Image:
    """``picture`` with 8 bits a channel: of 16 the upper ones, as Pillow reads 16-bit colour."""
    clear = picture.info.get("transparency")
    if deep and isinstance(clear, tuple):
        picture.info["transparency"] = tuple(value >> 8 for value in clear)
    if picture.mode.startswith("I;16") or (picture.mode == "I" and deep):
        values = np.asarray(picture)
        if getattr(picture, "tag_v2", {}).get(262) == 0:  # a TIFF whose zero is white
            values = 65535 - values
        small = Image.fromarray((values >> 8).astype(np.uint8))
        if clear is not None:
            small.putalpha(Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8)))
        small.info["exif"] = picture.info.get("exif", b"")
        return small
    if picture.mode.startswith(("I", "F")):
        # Pillow would cut every value above 255 off, which leaves a white image.
        raise SamplesError(
            f"sample {path} holds more than 8 bits per channel and no stated white (32-bit or "
            "float values): convert it first"
        )
    return picture


def _opaque(picture: Image.Image, colour: tuple[int, int, int]) -> Image.Image | None:
    """``picture`` on a ground of ``colour``; None if nothing of it is transparent."""
    if not picture.has_transparency_data:
        return None
    clear = picture.convert("RGBA")
    if int(np.asarray(clear)[..., 3].min()) == 255:
        return None
    ground = Image.new("RGBA", clear.size, (*colour, 255))
    flat = Image.alpha_composite(ground, clear).convert("RGB")
    grey = picture.mode in {"1", "L", "LA", "La"} and len(set(colour)) == 1
    return flat.convert("L") if grey else flat
