"""Clean, labelled samples, and the checks on them that every source shares."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditor.errors import SamplesError
from auditor.samples.names import folded, match_names, number_of


@dataclass(frozen=True)
class Samples:
    """Clean, labelled samples.

    Attributes:
        refs: name of each: a path relative to the samples folder, or an npz index.
        classes: class name of each, as written by the user.
        images: ``(n, c, h, w)`` uint8 pixels, or float32 already in model units.
        class_order: class names in the index order that the user stated, else sorted.
        stated_order: True if ``class_order`` was stated (``classes.txt`` or whole numbers).
        digest: hex digest over all of the above.
        notes: everything changed or left out on the way, a line each.
    """

    refs: tuple[str | int, ...]
    classes: tuple[str, ...]
    images: NDArray[Any]
    class_order: tuple[str, ...]
    stated_order: bool
    digest: str
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.refs)


def _distinct(
    refs: Sequence[str | int], classes: Sequence[str], images: NDArray[Any]
) -> tuple[list[int], tuple[str, ...]]:
    """Numbers of the samples that are no copy of one before, and the line on the copies, if any: a
    picture that counted twice would stand for evidence that nobody has.

    Raises:
        SamplesError: one image under two classes: triplets with both span no plane.
    """
    seen: dict[bytes, int] = {}
    copies: list[str] = []
    for index, image in enumerate(images):
        first = seen.setdefault(hashlib.sha256(image.tobytes()).digest(), index)
        if classes[first] != classes[index]:
            raise SamplesError(
                f"samples {refs[first]} ({classes[first]}) and {refs[index]} ({classes[index]}) "
                "are the same picture, so they span no plane: remove one of them"
            )
        if first != index:
            copies.append(f"{refs[index]} is {refs[first]}")
    if not copies:
        return list(seen.values()), ()
    return list(seen.values()), (
        f"Copies: {len(copies)} of {len(refs)} samples show the same picture as another one of "
        f"their class and are left out ({', '.join(copies[:2])}{', ...' if copies[2:] else ''}): "
        f"{len(seen)} different pictures count.",
    )


def assemble(
    location: Path | str,
    refs: Sequence[str | int],
    classes: Sequence[str],
    images: NDArray[Any],
    order: tuple[str, ...] | None,
    notes: tuple[str, ...] = (),
) -> Samples:
    """Check pixels and classes, names in their composed form (NFC), leave out copies of pictures,
    and put the rest together.

    Raises:
        SamplesError: a single class, an unlisted class, one image under two classes.
    """
    _refuse_unprintable(refs, classes)
    classes = _plain_names(classes)
    names = sorted(set(classes), key=class_key)
    if len(names) < 2:
        raise SamplesError(
            f"the samples at {location} hold {len(names)} class"
            f"{'' if len(names) == 1 else 'es'} ({', '.join(name[:60] for name in names)}), "
            "an audit needs at least two, and three for its planes"
        )
    if order is not None:
        classes, notes = _as_listed(classes, order, notes)
        names = sorted(set(classes), key=class_key)
    distinct, copied = _distinct(refs, classes, images)
    if copied:
        refs, classes = [refs[n] for n in distinct], [classes[n] for n in distinct]
        images = images[distinct]
    notes = (*notes, *copied, *_twins(names))
    stated_order = order is not None or all(whole_number(name) is not None for name in names)
    class_order = order or tuple(names)
    # Plain text, not an object: reports of every release compare samples by this digest.
    state = hashlib.sha256(repr((class_order, stated_order)).encode())
    for ref, name, image in zip(refs, classes, images, strict=True):
        state.update(f"{ref}\0{name}\0{image.dtype}{image.shape}\0".encode())
        state.update(np.ascontiguousarray(image).tobytes())
    digest = state.hexdigest()
    return Samples(tuple(refs), tuple(classes), images, class_order, stated_order, digest, notes)


def _twins(names: Sequence[str]) -> tuple[str, ...]:
    """The line on classes that are likely to be one, under two spellings; none without any."""
    by_fold: dict[str, list[str]] = {}
    for name in names:
        by_fold.setdefault(folded(name), []).append(repr(name[:60]))
    twins = [" and ".join(alike) for alike in by_fold.values() if len(alike) > 1]
    if not twins:
        return ()
    return (
        f"Classes: {'; '.join(twins[:3])} differ only in case, spaces and dashes: if they are one "
        "class, put their samples into one.",
    )


def _plain_names(classes: Sequence[str]) -> list[str]:
    """Names in their composed form; numbers without the ".0" that data tools add."""
    plain = [unicodedata.normalize("NFC", name) for name in classes]
    numbers = [number_of(name) for name in plain]
    if None not in numbers and any("." in name for name in plain):
        return [str(number) for number in numbers]
    return plain


def _as_listed(
    classes: Sequence[str], order: tuple[str, ...], notes: tuple[str, ...]
) -> tuple[list[str], tuple[str, ...]]:
    """``classes`` as classes.txt writes them, and a line if that is another name."""
    found = match_names(classes, order, "classes.txt")
    if found.problem:
        raise SamplesError(found.problem)
    if found.ways:
        notes = (*notes, f"Classes: classes.txt was matched by {found.how}.")
    return [found.pairs[name] for name in classes], notes


def _refuse_unprintable(refs: Sequence[str | int], classes: Sequence[str]) -> None:
    """Refuse names that are no Unicode text: digests, reports and stores hold nothing else. And
    empty ones, which no reader sees.
    """
    empty = next((ref for ref, name in zip(refs, classes, strict=True) if not name.strip()), None)
    if empty is not None:
        raise SamplesError(f"sample {empty} has an empty class name: give it one")
    for name in (*refs, *classes):
        if any("\ud800" <= character <= "\udfff" for character in str(name)):
            raise SamplesError(f"the name {str(name)[:60]!r} is not valid Unicode text: rename it")


def whole_number(name: str) -> int | None:
    """The class index that ``name`` spells in plain digits, or None if it is a word."""
    plain = name.isascii() and name.isdigit() and len(name.lstrip("0")) <= 9
    return int(name) if plain else None


def class_key(name: str) -> tuple[int, int, str]:
    """Sort key of a class name: numbers by value, before words."""
    number = whole_number(name)
    return (1, 0, name) if number is None else (0, number, name)


def size_text(shape: tuple[int, ...]) -> str:
    """Size of an image, in words."""
    return f"{shape[1]}x{shape[2]} (height x width)"
