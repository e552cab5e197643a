"""Clean samples from disk: an ImageFolder, an ``.npz`` file, or a folder with ``labels.csv``."""

from __future__ import annotations

import csv
import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from adapters.contract import InputSpec, LabelSpace
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
            flat folder with ``labels.csv`` (columns file name, label). A ``classes.txt``
            beside the images states the class order, one name per line.
        resize: ``(height, width)`` to bring every picture to, or None to take them as they are.

    Raises:
        SamplesError: missing, unreadable, of mixed sizes, or fewer than three classes.
    """
    if not location.exists():
        raise SamplesError(f"there are no samples at {location}: no such file or folder")
    if location.is_file():
        indices, classes, images = _load_npz(location)
        return _assemble(location, indices, classes, images, None)
    labelled = location / "labels.csv"
    listed = _read_csv(labelled) if labelled.exists() else _walk_folder(location)
    refs, classes = [name for name, _ in listed], [label for _, label in listed]
    images = _read_images(location, refs, resize)
    order = _read_class_order(location / "classes.txt")
    return _assemble(location, refs, classes, images, order)


def _assemble(
    location: Path,
    refs: Sequence[str | int],
    classes: Sequence[str],
    images: NDArray[Any],
    order: tuple[str, ...] | None,
) -> Samples:
    names = sorted(set(classes), key=_class_key)
    if len(names) < 3:
        raise SamplesError(
            f"the samples at {location} hold {len(names)} class"
            f"{'' if len(names) == 1 else 'es'} ({', '.join(names)}), "
            "an audit needs at least three: a plane runs through three classes"
        )
    unknown = sorted(set(names) - set(order)) if order else []
    if unknown:
        raise SamplesError(f"classes.txt does not list class {unknown[0]!r} of the samples")
    _refuse_twins(refs, classes, images)
    state = hashlib.sha256()
    for ref, name, image in zip(refs, classes, images, strict=True):
        state.update(f"{ref}\0{name}\0{image.dtype}{image.shape}\0".encode())
        state.update(np.ascontiguousarray(image).tobytes())
    return Samples(
        refs=tuple(refs),
        classes=tuple(classes),
        images=images,
        class_order=order or tuple(names),
        stated_order=order is not None or all(name.isdigit() for name in names),
        digest=state.hexdigest(),
    )


def _class_key(name: str) -> tuple[int, int, str]:
    return (0, int(name), name) if name.isdigit() else (1, 0, name)


def _walk_folder(folder: Path) -> list[tuple[str, str]]:
    listed = [
        (path.relative_to(folder).as_posix(), path.parent.name)
        for path in sorted(folder.glob("*/*"))
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
    ]
    if not listed:
        raise SamplesError(
            f"no samples found in {folder}: expected class folders with pictures "
            "(class/name.png), or a labels.csv beside the pictures"
        )
    return listed


def _read_csv(path: Path) -> list[tuple[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = [row for row in csv.reader(stream) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SamplesError(f"{path} cannot be read as CSV: {error}") from error
    bad = next((number for number, row in enumerate(rows, 1) if len(row) < 2), None)
    if bad is not None:
        raise SamplesError(f"{path} line {bad} does not hold a file name and a label")
    listed = [(row[0].strip(), row[1].strip()) for row in rows]
    if listed and not (path.parent / listed[0][0]).is_file():
        listed = listed[1:]  # a header line
    if not listed:
        raise SamplesError(f"{path} lists no samples")
    outside = next((n for n, _ in listed if Path(n).is_absolute() or ".." in Path(n).parts), None)
    if outside is not None:
        raise SamplesError(f"{path} names {outside!r}, which lies outside the samples folder")
    return listed


def _read_class_order(path: Path) -> tuple[str, ...] | None:
    if not path.exists():
        return None
    names = tuple(line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    names = tuple(name for name in names if name)
    if len(set(names)) != len(names):
        raise SamplesError(f"{path} lists a class twice")
    return names


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
                if picture.width * picture.height > MAX_PIXELS:
                    raise SamplesError(f"sample {path} has more than {MAX_PIXELS} pixels")
                grey = picture.mode in {"1", "L"}
                plain = picture.convert("L" if grey else "RGB")
                if resize is not None:
                    height, width = resize
                    plain = plain.resize((width, height), Image.Resampling.BILINEAR)
                pixels = np.asarray(plain, dtype=np.uint8)
    except SamplesError:
        raise
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Warning) as error:
        raise SamplesError(f"sample {path} cannot be read as a picture: {error}") from error
    return pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)


def _load_npz(path: Path) -> tuple[list[int], list[str], NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            if "x" not in archive or "y" not in archive:
                held = ", ".join(archive.files) or "nothing"
                raise SamplesError(f"{path} must hold arrays x (images) and y (labels), not {held}")
            x, y = np.asarray(archive["x"]), np.asarray(archive["y"])
    except SamplesError:
        raise
    except Exception as error:  # numpy raises many kinds for a damaged archive
        raise SamplesError(f"{path} cannot be read as an npz file: {error}") from error
    if x.ndim == 3:
        x = x[:, None]
    if x.ndim != 4 or len(x) != len(y) or y.ndim != 1 or len(x) == 0:
        raise SamplesError(
            f"{path} holds x of shape {x.shape} and y of shape {y.shape}; "
            "expected (n, c, h, w), (n, h, w, c) or (n, h, w), and (n,)"
        )
    if x.shape[1] not in {1, 3, 4} and x.shape[3] in {1, 3, 4}:
        x = np.moveaxis(x, 3, 1)
    if x.dtype != np.uint8:
        if x.dtype.kind != "f":
            raise SamplesError(f"{path} holds x of type {x.dtype}; expected uint8 or float")
        if not np.isfinite(x).all():
            raise SamplesError(f"{path} holds a value in x that is not finite")
        x = x.astype(np.float32)
    return list(range(len(x))), [str(label) for label in y.tolist()], np.ascontiguousarray(x)


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
    is only safe where it covers every class of the model.

    Raises:
        SamplesError: the classes cannot be matched without guessing.
    """
    if labels.names and set(samples.classes) <= set(labels.names):
        return np.array([labels.names.index(c) for c in samples.classes]), "class names"
    if all(name.isdigit() for name in samples.classes):
        indices = np.array([int(name) for name in samples.classes], dtype=np.int64)
        if labels.size is not None and int(indices.max()) >= labels.size:
            raise SamplesError(
                f"a sample is of class {int(indices.max())}, the model has {labels.size} classes"
            )
        return indices, "whole-number class names"
    order = samples.class_order
    if labels.open:
        labels.learn(order)
        return np.array([labels.names.index(c) for c in samples.classes]), "class names"
    if labels.names:
        missing = sorted(set(samples.classes) - set(labels.names))
        raise SamplesError(f"the model has no class named {missing[0]!r}")
    if not samples.stated_order and labels.size is not None and labels.size != len(order):
        raise SamplesError(
            f"the samples name {len(order)} classes and the model has {labels.size}: put a "
            "classes.txt (one name per line, in the model's order) beside the samples"
        )
    how = "classes.txt" if samples.stated_order else "alphabetical order of the class names"
    return np.array([order.index(name) for name in samples.classes], dtype=np.int64), how
