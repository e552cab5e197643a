"""Clean samples from disk: an ImageFolder, an ``.npz`` file, or a folder with ``labels.csv``."""

from __future__ import annotations

import csv
import stat
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from auditor.errors import SamplesError
from auditor.samples.arrays import load_npz
from auditor.samples.samples import Samples, assemble, resized, size_text, whole_number

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".ppm", ".pgm"})
MAX_PIXELS = 64 * 1024 * 1024
"""Larger images are refused: a tiny file can unpack into gigabytes."""


def load_samples(location: Path, resize: tuple[int, int] | None = None) -> Samples:
    """Read every sample at ``location``.

    Args:
        location: an ImageFolder (``class/….png``), an ``.npz`` with ``x`` and ``y``, or a
            flat folder with ``labels.csv`` (columns file name, label). A ``classes.txt`` in
            the folder, or beside an ``.npz`` that names its classes, states the class order,
            one name per line.
        resize: ``(height, width)`` to bring every image to, or None to take them as they are.

    Raises:
        SamplesError: missing, unreadable, of mixed sizes, or fewer than three classes.
    """
    if _is_file(location):
        indices, classes, images = load_npz(location, resize)
        numbered = all(whole_number(name) is not None for name in classes)
        order = None if numbered else _read_class_order(location.parent / "classes.txt")
        return assemble(location, indices, classes, images, order)
    labelled = location / "labels.csv"
    listed = _read_csv(labelled) if labelled.exists() else _walk_folder(location)
    refs, classes = [name for name, _ in listed], [label for _, label in listed]
    images = _read_images(location, refs, resize)
    return assemble(location, refs, classes, images, _read_class_order(location / "classes.txt"))


def _is_file(location: Path) -> bool:
    try:
        return not stat.S_ISDIR(location.stat().st_mode)
    except FileNotFoundError as error:
        raise SamplesError(f"there are no samples at {location}: no such file or folder") from error
    except OSError as error:
        raise SamplesError(f"the samples at {location} cannot be read: {error.strerror}") from error


def _walk_folder(folder: Path) -> list[tuple[str, str]]:
    listed = [(ref, ref.split("/")[0]) for ref in _image_files(folder, "*/*")]
    deep = next(iter(_image_files(folder, "*/*/*")), None)
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


def _image_files(folder: Path, pattern: str) -> list[str]:
    """Image files that match ``pattern``, relative to ``folder``; hidden files and folders hold
    other programs' thumbnails and checkpoints, not samples.
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
    """True if the first line names columns; a missing image is no header."""
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
        # A grey file among colour files is the same image with three equal channels.
        images = [np.repeat(i, 3, axis=0) if i.shape[0] == 1 else i for i in images]
    first = images[0].shape
    odd = next((i for i, image in enumerate(images) if image.shape != first), None)
    if odd is not None:
        raise SamplesError(
            f"the samples have mixed sizes: {refs[0]} is {size_text(first)} and {refs[odd]} is "
            f"{size_text(images[odd].shape)}; bring them to one size or pass --resize HxW"
        )
    return np.stack(images)


def _read_image(path: Path, resize: tuple[int, int] | None) -> NDArray[np.uint8]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=("PNG", "JPEG", "BMP", "WEBP", "PPM")) as picture:
                pixels = _decode(picture, path)
    except SamplesError:
        raise
    except Exception as error:  # a damaged image makes Pillow raise many kinds
        raise SamplesError(f"sample {path} cannot be read as a picture: {error}") from error
    plain = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)
    return plain if resize is None else resized(plain, resize)


def _decode(picture: Image.Image, path: Path) -> NDArray[np.uint8]:
    if picture.width * picture.height > MAX_PIXELS:
        raise SamplesError(f"sample {path} has more than {MAX_PIXELS} pixels")
    if picture.mode.startswith(("I", "F")):
        # Pillow would cut every value above 255 off, which leaves a white image.
        raise SamplesError(f"sample {path} holds more than 8 bits per channel: convert it first")
    grey = picture.mode in {"1", "L", "LA"}
    return np.asarray(picture.convert("L" if grey else "RGB"), dtype=np.uint8)
