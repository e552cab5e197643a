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

from adapters.contract import MAX_CLASSES, InputSpec, LabelSpace
from auditor.errors import SamplesError

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


def samples_from_arrays(x: Any, y: Any) -> Samples:
    """Samples that are in memory already.

    Args:
        x: ``(n, c, h, w)``, ``(n, h, w, c)`` or ``(n, h, w)``: uint8 pixels, or float values in
            the model's own input units.
        y: ``(n,)`` class of each, whole numbers or names.

    Raises:
        SamplesError: other shapes or types, fewer than three classes, a value not finite.
    """
    where = "the arrays given"
    try:
        pixels, labels = np.asarray(x), np.asarray(y)
    except Exception as error:  # lists of unequal length, tensors on another device
        raise SamplesError(f"{where} as samples are no arrays: {error}") from error
    indices, classes, images = _from_arrays(where, pixels, labels, None)
    return _assemble(where, indices, classes, images, None)


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


def _load_npz(
    path: Path, resize: tuple[int, int] | None
) -> tuple[list[int], list[str], NDArray[Any]]:
    try:
        # numpy leaves a file it opened itself open where the archive is damaged.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            if "x" not in archive or "y" not in archive:
                held = ", ".join(archive.files) or "nothing"
                raise SamplesError(f"{path} must hold arrays x (images) and y (labels), not {held}")
            x, y = np.asarray(archive["x"]), np.asarray(archive["y"])
    except SamplesError:
        raise
    except Exception as error:  # numpy raises many kinds for a damaged archive
        raise SamplesError(f"{path} cannot be read as an npz file: {error}") from error
    return _from_arrays(path, x, y, resize)


def _from_arrays(
    path: Path | str, x: NDArray[Any], y: NDArray[Any], resize: tuple[int, int] | None
) -> tuple[list[int], list[str], NDArray[Any]]:
    if x.ndim == 3:
        x = x[:, None]
    if x.ndim != 4 or y.ndim != 1 or len(x) != len(y) or x.size == 0:
        raise SamplesError(
            f"{path} holds x of shape {x.shape} and y of shape {y.shape}; "
            "expected (n, c, h, w), (n, h, w, c) or (n, h, w), and (n,)"
        )
    if x.shape[1] not in {1, 3, 4} and x.shape[3] in {1, 3, 4}:
        x = np.moveaxis(x, 3, 1)
    images = _npz_pixels(path, x, resize)
    return list(range(len(x))), _npz_classes(path, y), np.ascontiguousarray(images)


def _npz_pixels(path: Path | str, x: NDArray[Any], resize: tuple[int, int] | None) -> NDArray[Any]:
    if x.dtype == np.uint8:
        return x if resize is None else np.stack([_resized(image, resize) for image in x])
    if x.dtype.kind != "f":
        raise SamplesError(f"{path} holds x of type {x.dtype}; expected uint8 or float")
    if resize is not None:
        raise SamplesError(f"--resize works on 8-bit pixels and {path} holds {x.dtype} values")
    with np.errstate(over="ignore"):  # judged on the next line
        images = x.astype(np.float32)
    if not np.isfinite(images).all():
        raise SamplesError(f"{path} holds a value in x that is not finite")
    return images


def _npz_classes(path: Path | str, y: NDArray[Any]) -> list[str]:
    if y.dtype.kind not in "iuUS":
        raise SamplesError(f"{path} holds y of type {y.dtype}; expected whole numbers or names")
    if y.dtype.kind == "i" and int(y.min()) < 0:
        raise SamplesError(f"{path} holds the class {int(y.min())}; class numbers start at 0")
    return [
        label.decode(errors="surrogateescape") if isinstance(label, bytes) else str(label)
        for label in y.tolist()
    ]


def to_model_units(samples: Samples, spec: InputSpec) -> NDArray[np.float32]:
    """All samples as the model takes them, ``(n, c, h, w)`` float32.

    Raises:
        SamplesError: the shapes differ; the message says how to fix it.
    """
    images = samples.images
    channels = spec.shape[0]
    if images.shape[1] == 1 and channels == 3:
        images = np.repeat(images, 3, axis=1)
    elif images.shape[1] == 3 and channels == 1:
        if not (images == images[:, :1]).all():
            raise SamplesError("the samples are in colour and the model takes one grey channel")
        images = images[:, :1]
    if images.shape[1:] != spec.shape:
        height, width = spec.shape[1:]
        raise SamplesError(
            f"the samples are {_shape(images.shape[1:])} and the model takes "
            f"{_shape(spec.shape)}; bring them to that size or pass --resize {height}x{width}"
        )
    return spec.from_pixels(images) if images.dtype == np.uint8 else images


def _shape(shape: tuple[int, ...]) -> str:
    return f"{shape[0]} channel{'' if shape[0] == 1 else 's'}, {shape[1]}x{shape[2]}"


def class_indices(samples: Samples, labels: LabelSpace) -> tuple[NDArray[np.int64], str]:
    """True class index ``(n,)`` of every sample in the model's labels, and how it was found.

    Names are matched with the target's own class names where it has them; else whole-number
    names are indices; else the stated or alphabetical order of the class names counts, which
    must cover every class of the model where their number is known. (Where it is not, a wrong
    order shows as a low accuracy on the samples, and no verdict rests on that.)

    Raises:
        SamplesError: the classes cannot be matched.
    """
    if labels.open:
        # Such a target answers with names, digits included, so names are all that counts.
        labels.learn(samples.class_order)
    if labels.names and set(samples.classes) <= set(labels.names):
        return _positions(samples.classes, labels.names), "class names"
    order = samples.class_order
    numbers = [whole_number(name) for name in samples.classes]
    listed = order != tuple(sorted(set(samples.classes), key=_class_key))
    if None not in numbers and not listed:
        indices = np.array(numbers, dtype=np.int64)
        _refuse_beyond(int(indices.max()), labels.size)
        return indices, "whole-number class names"
    if labels.names:
        missing = sorted(set(samples.classes) - set(labels.names))
        raise SamplesError(f"the model has no class named {missing[0][:60]!r}")
    if labels.size is not None and labels.size != len(order):
        raise SamplesError(
            f"{'classes.txt names' if samples.stated_order else 'the samples name'} {len(order)} "
            f"classes and the model has {labels.size}: put a classes.txt (one name per line, in "
            "the model's order) beside the samples"
        )
    how = "classes.txt" if samples.stated_order else "alphabetical order of the class names"
    return _positions(samples.classes, order), how


def _positions(classes: Sequence[str], order: Sequence[str]) -> NDArray[np.int64]:
    places = {name: index for index, name in enumerate(order)}
    return np.array([places[name] for name in classes], dtype=np.int64)


def _refuse_beyond(largest: int, size: int | None) -> None:
    if size is not None and largest >= size:
        raise SamplesError(f"a sample is of class {largest}, the model's classes end at {size - 1}")
    if largest >= MAX_CLASSES:
        raise SamplesError(f"a sample is of class {largest}, at most {MAX_CLASSES} are supported")
