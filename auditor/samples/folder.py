"""Class folders with pictures in them (``class/name.png``)."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from pathlib import Path

from auditor.errors import SamplesError
from auditor.samples import left_out
from auditor.samples.pictures import SUFFIXES

_OWN = frozenset(("classes.txt", "labels.csv"))


@dataclass(frozen=True, slots=True)
class ListedSamples:
    """Samples by reference with their classes, and what was left out with its reason."""

    refs: list[str]
    classes: list[str]
    left: list[tuple[str, str]]


def walk_folder(folder: Path) -> ListedSamples:
    """Every picture in the class folders of ``folder``, in the order of their names.

    Raises:
        SamplesError: there are none, a class has none, or one lies too deep.
    """
    found = ListedSamples([], [], [])
    for entry in sorted(folder.iterdir()):
        if left_out.is_hidden(entry.name):
            found.left.append((entry.name, left_out.HIDDEN))
        elif entry.is_dir():
            _walk_class(folder, entry, found)
        elif entry.name not in _OWN:
            picture = entry.suffix.lower() in SUFFIXES
            why = left_out.OUTSIDE if picture else left_out.reason(entry.name)
            found.left.append((entry.name, why))
    if not found.refs:
        also = "".join(f". {line}" for line in left_out.said(found.left))
        raise SamplesError(
            f"no samples found in {folder}: expected class folders with pictures "
            f"(class/name.png), or a labels.csv beside the pictures{also}"
        )
    return found


def _walk_class(folder: Path, place: Path, found: ListedSamples) -> None:
    name, before = place.name, len(found.refs)
    left: list[tuple[str, str]] = []
    for entry in sorted(place.iterdir()):
        ref = f"{name}/{entry.name}"
        if left_out.is_hidden(entry.name):
            left.append((ref, left_out.HIDDEN))
        elif entry.is_dir():
            _refuse_deep(folder, entry)
            left.append((ref, left_out.FOLDER))
        elif entry.suffix.lower() in SUFFIXES:
            found.refs.append(ref)
            found.classes.append(name)
        else:
            left.append((ref, left_out.reason(entry.name)))
    if len(found.refs) == before:
        held = "".join(f". {line}" for line in left_out.said(left))
        raise SamplesError(
            f"the class folder {name[:60]!r} in {folder} holds no picture that can be read, so its "
            f"class would vanish: add pictures, or remove the folder{held}"
        )
    found.left.extend(left)


def _refuse_deep(folder: Path, place: Path) -> None:
    """Refuse pictures deeper than their class: without them other samples would be audited than
    the user believes.
    """
    deep = sorted(p for p in place.iterdir() if p.suffix.lower() in SUFFIXES and not p.is_dir())
    if not deep or left_out.is_hidden(deep[0].name):
        return
    inside = place.parent.name
    raise SamplesError(
        f"{folder} holds a picture too deep, {deep[0].relative_to(folder).as_posix()!r}: pictures "
        "must lie directly in their class folder (class/name.png); if the classes lie in "
        f"{inside!r}, pass --samples {folder / inside}"
    )


def merged_names(classes: list[str]) -> tuple[str, ...]:
    """A line on classes whose names differ only in the form of their letters, as two systems
    write them: they count as one class.
    """
    forms: dict[str, set[str]] = {}
    for name in set(classes):
        forms.setdefault(unicodedata.normalize("NFC", name), set()).add(name)
    double = sorted(name for name, written in forms.items() if len(written) > 1)
    if not double:
        return ()
    return (
        f"Classes: {', '.join(map(repr, double[:4]))} is written in two Unicode forms, which count "
        "as one class.",
    )
