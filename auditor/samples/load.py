"""Clean samples from disk: an ImageFolder, an ``.npz`` file, or a folder with ``labels.csv``."""

from __future__ import annotations

import csv
import hashlib
import stat
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from auditor.errors import SamplesError
from auditor.samples.arrays import _load_npz

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".ppm", ".pgm"})
MAX_PIXELS = 64 * 1024 * 1024
"""Refuse larger pictures: a tiny file can unpack into gigabytes."""


@dataclass(frozen=True)
class Samples:
    """Clean, labelled samples.

    Attributes:
        refs: where each came from: a path relative to the samples folder, or an npz index.
        classes: class name of each, as written by the user.
        images: ``(n, c, h, w)`` uint8 pixels, or float32 already in model units.
        class_order: class names in index order where the user stated one, else sorted names.
        stated_order: whether ``class_order`` was stated (``classes.txt`` or whole numbers).
        digest: hex digest over all of the above.
    """

    refs: tuple[str | int, ...]
    classes: tuple[str, ...]
    images: NDArray[Any]
    class_order: tuple[str, ...]
    stated_order: bool
    digest: str

    def __len__(self) -> int:
        return len(self.refs)


def _refuse_twins(refs: Sequence[str | int], classes: Sequence[str], images: NDArray[Any]) -> None:
    """One picture under two classes would give triplets that span no plane."""
    seen: dict[bytes, int] = {}
    for index, image in enumerate(images):
        first = seen.setdefault(hashlib.sha256(image.tobytes()).digest(), index)
        if classes[first] != classes[index]:
            raise SamplesError(
                f"samples {refs[first]} ({classes[first]}) and {refs[index]} ({classes[index]}) "
                "are the same picture, so they span no plane: remove one of them"
            )


def load_samples(location: Path, resize: tuple[int, int] | None = None) -> Samples:
    """Read every sample at ``location``.

    Args:
        location: an ImageFolder (``class/….png``), an ``.npz`` with ``x`` and ``y``, or a
            flat folder with ``labels.csv`` (columns file name, label). A ``classes.txt`` in
            the folder, or beside an ``.npz`` that names its classes, states the class order,
            one name per line.
        resize: ``(height, width)`` to bring every picture to, or None to take them as they are.

    Raises:
        SamplesError: missing, unreadable, of mixed sizes, or fewer than three classes.
    """
    if _is_file(location):
        indices, classes, images = _load_npz(location, resize)
        numbered = all(whole_number(name) is not None for name in classes)
        order = None if numbered else _read_class_order(location.parent / "classes.txt")
        return _assemble(location, indices, classes, images, order)
    labelled = location / "labels.csv"
    listed = _read_csv(labelled) if labelled.exists() else _walk_folder(location)
    refs, classes = [name for name, _ in listed], [label for _, label in listed]
    images = _read_images(location, refs, resize)
    return _assemble(location, refs, classes, images, _read_class_order(location / "classes.txt"))


def _is_file(location: Path) -> bool:
    try:
        return not stat.S_ISDIR(location.stat().st_mode)
    except FileNotFoundError as error:
        raise SamplesError(f"there are no samples at {location}: no such file or folder") from error
    except OSError as error:
        raise SamplesError(f"the samples at {location} cannot be read: {error.strerror}") from error


def _assemble(
    location: Path | str,
    refs: Sequence[str | int],
    classes: Sequence[str],
    images: NDArray[Any],
    order: tuple[str, ...] | None,
) -> Samples:
    _refuse_unprintable(refs, classes)
    names = sorted(set(classes), key=_class_key)
    if len(names) < 3:
        raise SamplesError(
            f"the samples at {location} hold {len(names)} class"
            f"{'' if len(names) == 1 else 'es'} ({', '.join(name[:60] for name in names)}), "
            "an audit needs at least three: a plane runs through three classes"
        )
    unknown = sorted(set(names) - set(order)) if order else []
    if unknown:
        raise SamplesError(f"classes.txt does not list class {unknown[0][:60]!r} of the samples")
    _refuse_twins(refs, classes, images)
    stated_order = order is not None or all(whole_number(name) is not None for name in names)
    class_order = order or tuple(names)
    state = hashlib.sha256(repr((class_order, stated_order)).encode())
    for ref, name, image in zip(refs, classes, images, strict=True):
        state.update(f"{ref}\0{name}\0{image.dtype}{image.shape}\0".encode())
        state.update(np.ascontiguousarray(image).tobytes())
    return Samples(
        refs=tuple(refs),
        classes=tuple(classes),
        images=images,
        class_order=class_order,
        stated_order=stated_order,
        digest=state.hexdigest(),
    )


def _refuse_unprintable(refs: Sequence[str | int], classes: Sequence[str]) -> None:
    """Names go into digests, reports and stores, which hold Unicode text and nothing else."""
    for name in (*refs, *classes):
        if any("\ud800" <= character <= "\udfff" for character in str(name)):
            raise SamplesError(f"the name {str(name)[:60]!r} is not valid Unicode text: rename it")


def whole_number(name: str) -> int | None:
    """The class index that ``name`` spells in plain digits, or None where it is a word."""
    plain = name.isascii() and name.isdigit() and len(name.lstrip("0")) <= 9
    return int(name) if plain else None


def _class_key(name: str) -> tuple[int, int, str]:
    number = whole_number(name)
    return (1, 0, name) if number is None else (0, number, name)


def _walk_folder(folder: Path) -> list[tuple[str, str]]:
    listed = [(ref, ref.split("/")[0]) for ref in _pictures(folder, "*/*")]
    deep = next(iter(_pictures(folder, "*/*/*")), None)
    if deep is not None:
        # Leaving it out would audit with other samples than the user believes.
        raise SamplesError(
            f"{folder} holds a picture too deep, {deep!r}: pictures must lie directly in their "
            "class folder (class/name.png)"
        )
    if not listed:
        raise SamplesError(
            f"no samples found in {folder}: expected class folders with pictures "
            "(class/name.png), or a labels.csv beside the pictures"
        )
    return listed


def _pictures(folder: Path, pattern: str) -> list[str]:
    """Pictures that match ``pattern``, relative to ``folder``; hidden files and folders hold
    what other programs keep there (thumbnails, checkpoints), not samples.
    """
    found = []
    for path in sorted(folder.glob(pattern)):
        ref = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in ref.parts)
        if path.suffix.lower() in IMAGE_SUFFIXES and not hidden and not path.is_dir():
            found.append(ref.as_posix())
    return found


def _read_csv(path: Path) -> list[tuple[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream)
            rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SamplesError(f"{path} cannot be read as CSV: {error}") from error
    bad = next((line for line, row in rows if len(row) < 2 or not (row[0] and row[1])), None)
    if bad is not None:
        raise SamplesError(f"{path} line {bad} does not hold a file name and a label")
    listed = [(row[0], row[1]) for _, row in rows]
    outside = next((n for n, _ in listed if Path(n).is_absolute() or ".." in Path(n).parts), None)
    if outside is not None:
        raise SamplesError(f"{path} names {outside!r}, which lies outside the samples folder")
    if listed and _is_header(path.parent / listed[0][0]):
        listed = listed[1:]
    if not listed:
        raise SamplesError(f"{path} lists no samples")
    return listed


def _is_header(first: Path) -> bool:
    """Whether the first line names columns; a picture that is missing is no header."""
    if first.suffix.lower() in IMAGE_SUFFIXES:
        return False
    try:
        return not first.is_file()
    except OSError:  # too long for a file name
        return True


def read_class_names(path: Path) -> tuple[str, ...]:
    """Class names in index order from a text file, one per line.

    Raises:
        SamplesError: unreadable, empty, a blank line between names, or a name given twice.
    """
    try:
        text = path.read_text(encoding="utf-8-sig").rstrip()
    except (OSError, UnicodeDecodeError) as error:
        raise SamplesError(f"class list {path} cannot be read: {error}") from error
    names = tuple(line.strip() for line in text.split("\n"))
    if not text:
        raise SamplesError(f"class list {path} is empty")
    if not all(names):
        line = names.index("") + 1
        raise SamplesError(
            f"class list {path} is blank in line {line}: every class after it would be one off"
        )
    if len(set(names)) != len(names):
        raise SamplesError(f"class list {path} names a class twice")
    return names


def _read_class_order(path: Path) -> tuple[str, ...] | None:
    return read_class_names(path) if path.exists() else None


def _read_images(
    folder: Path, refs: Sequence[str], resize: tuple[int, int] | None
) -> NDArray[np.uint8]:
    images = [_read_image(folder / ref, resize) for ref in refs]
    if any(image.shape[0] == 3 for image in images):
        # A grey file among colour files is the same picture with three equal channels.
        images = [np.repeat(i, 3, axis=0) if i.shape[0] == 1 else i for i in images]
    first = images[0].shape
    odd = next((i for i, image in enumerate(images) if image.shape != first), None)
    if odd is not None:
        raise SamplesError(
            f"the samples have mixed sizes: {refs[0]} is {_size(first)} and {refs[odd]} is "
            f"{_size(images[odd].shape)}; bring them to one size or pass --resize HxW"
        )
    return np.stack(images)


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[2]} (height x width)"


def _read_image(path: Path, resize: tuple[int, int] | None) -> NDArray[np.uint8]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=("PNG", "JPEG", "BMP", "WEBP", "PPM")) as picture:
                pixels = _decode(picture, path)
    except SamplesError:
        raise
    except Exception as error:  # a damaged picture makes Pillow raise many kinds
        raise SamplesError(f"sample {path} cannot be read as a picture: {error}") from error
    plain = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)
    return plain if resize is None else _resized(plain, resize)


def _decode(picture: Image.Image, path: Path) -> NDArray[np.uint8]:
    if picture.width * picture.height > MAX_PIXELS:
        raise SamplesError(f"sample {path} has more than {MAX_PIXELS} pixels")
    if picture.mode.startswith(("I", "F")):
        # Pillow would cut every value above 255 off, which leaves a white picture.
        raise SamplesError(f"sample {path} holds more than 8 bits per channel: convert it first")
    grey = picture.mode in {"1", "L", "LA"}
    return np.asarray(picture.convert("L" if grey else "RGB"), dtype=np.uint8)


def _resized(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """``pixels`` ``(c, h, w)`` brought to ``size`` (height, width), channel by channel."""
    height, width = size
    channels = [
        Image.fromarray(np.ascontiguousarray(channel)).resize(
            (width, height), Image.Resampling.BILINEAR
        )
        for channel in pixels
    ]
    return np.stack([np.asarray(channel, dtype=np.uint8) for channel in channels])
