"""``labels.csv``: a table of file names and their labels, as spreadsheets and scripts write it."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

from adapters.file_kind import why_unreadable
from auditor.errors import SamplesError
from auditor.samples import left_out
from auditor.samples.folder import ListedSamples
from auditor.samples.pictures import SUFFIXES

_MARKS = (",", ";", "\t", "|")
_FILES = (
    "file", "filename", "file_name", "image", "image_name", "image_path", "image_id", "path",
    "filepath", "file_path", "img", "name", "id",
)  # fmt: skip
_LABELS = (
    "label", "labels", "class", "class_name", "classname", "category", "target", "species",
    "class_id", "label_name",
)  # fmt: skip

Row = tuple[int, list[str]]
"""Number of a line, and its cells."""


def read_labels_csv(path: Path) -> ListedSamples:
    """The samples that the table at ``path`` lists, and the pictures beside it that it does not.

    Raises:
        SamplesError: unreadable, a line without a file and a label, or a file outside the folder.
    """
    rows = _rows(path, _text(path))
    whole = rows
    file_at, label_at, rows = _columns(path, rows)
    width = len(whole[0][1]) if len(rows) < len(whole) else None
    least = max(file_at, label_at)
    bad = next((n for n, r in rows if len(r) <= least or not (r[file_at] and r[label_at])), None)
    if bad is not None:
        raise SamplesError(
            f"{path} line {bad} does not hold a file name and a label: write FILE,LABEL there"
        )
    wide = next((n for n, r in rows if width and any(r[width:])), None)
    if wide is not None:
        raise SamplesError(
            f"{path} line {wide} has more columns than the first line: put a label that holds the "
            "mark between them into quotes"
        )
    if not rows:
        raise SamplesError(f"{path} lists no samples")
    refs = _refs(path, [(number, row[file_at]) for number, row in rows])
    once = Counter(zip(refs, (row[label_at] for _, row in rows), strict=True))
    again = [(ref, left_out.AGAIN) for (ref, _), n in once.items() for _ in range(n - 1)]
    left = [*again, *_unlisted(path.parent, refs)]
    return ListedSamples([ref for ref, _ in once], [label for _, label in once], left)


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
        wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
        text = data.decode("utf-16" if wide else "utf-8-sig")
        if "\0" in text:
            raise ValueError("it is no text")
        # Excel's own line on the mark, which is found anyway.
        return text.partition("\n")[2] if text[:4].lower() == "sep=" else text
    except (OSError, ValueError) as error:
        raise SamplesError(
            f"{path} cannot be read as CSV: {why_unreadable(path, error)}"
        ) from error


def _rows(path: Path, text: str) -> list[Row]:
    """The lines of ``text`` under the mark that parts all of them, the comma if none does.

    Where several do, the one under which the most lines begin with a file that is there.
    """
    best: tuple[int, list[Row]] | None = None
    for mark in _MARKS:
        try:
            reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark)
            rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if row]
        except csv.Error as error:
            raise SamplesError(f"{path} cannot be read as CSV: {error}") from error
        parted = [row for row in rows if len(row[1]) > 1]
        score = len(parted) + sum(_there(path.parent, row[0]) for _, row in parted)
        if best is None or score > best[0]:
            best = (score, rows)
    assert best is not None
    return best[1]


def _columns(path: Path, rows: list[Row]) -> tuple[int, int, list[Row]]:
    """Places of file and label, by the names in a first line that has them, and the other lines."""
    if not rows:
        return 0, 1, rows
    folder = path.parent
    names = [cell.lower().replace(" ", "_").replace("-", "_") for cell in rows[0][1]]
    file_at = next((names.index(name) for name in _FILES if name in names), None)
    label_at = next((names.index(name) for name in _LABELS if name in names), None)
    if file_at is not None and label_at is not None:
        return file_at, label_at, rows[1:]
    if file_at is not None and len(names) > 2 and not _is_file(folder, rows[0][1][file_at]):
        raise SamplesError(
            f"{path} names no column label or class: name the one with the labels so, and where "
            "each class has a column of its own, write the class's name into one (it has "
            f"{', '.join(rows[0][1])[:200]})"
        )
    first = rows[0][1][0]
    if len(rows[0][1]) > 1 and not _is_file(folder, first) and not _is_file(folder, rows[0][1][1]):
        rows = rows[1:]
    # A plain number may be the name of a picture without its ending, or count the lines.
    wide = max((len(row) for _, row in rows), default=0) > 2
    if wide and not _all_there(folder, rows, 0) and _all_there(folder, rows, 1):
        raise SamplesError(
            f"{path} has more than two columns and does not name them: begin it with a line such "
            "as file,label"
        )
    turned = rows and _all_there(folder, rows, 1)
    if turned and not any(_is_file(folder, row[0]) for _, row in rows):
        return 1, 0, rows
    return 0, 1, rows


def _all_there(folder: Path, rows: Sequence[Row], column: int) -> bool:
    return all(len(row) > column and _there(folder, row[column]) for _, row in rows)


def _is_file(folder: Path, name: str) -> bool:
    """True for a file that is there, or would be a picture: a missing one is no header."""
    named = PurePosixPath(name).suffix.lower() in SUFFIXES
    return named or _found(folder, name) is not None


def _there(folder: Path, name: str) -> bool:
    try:
        return bool(name) and (folder / name).is_file()
    except (OSError, ValueError):  # too long for a file name, or no name at all
        return False


def _found(folder: Path, name: str) -> str | None:
    """The file that ``name`` means: as written, with slashes for Windows' marks, or by its stem."""
    slashed = name.replace("\\", "/")
    stems = [slashed + suffix for suffix in sorted(SUFFIXES) if _there(folder, slashed + suffix)]
    if _there(folder, name) or not _there(folder, slashed):
        return name if _there(folder, name) else stems[0] if len(stems) == 1 else None
    return slashed


def _refs(path: Path, names: Sequence[tuple[int, str]]) -> list[str]:
    """The file that each line means. One that is not there may be so in other case, or in the
    other Unicode form, as another system wrote the table.
    """
    names = [(number, _inside(path, name)) for number, name in names]
    found = [(n, name, _found(path.parent, name)) for n, name in names]
    places = {(path.parent / name).parent for _, name, ref in found if ref is None}
    near: dict[str, list[str]] = {}
    for file in (file for place in places if place.is_dir() for file in place.iterdir()):
        there = file.relative_to(path.parent).as_posix()
        near.setdefault(_folded(there), []).append(there)
    refs = []
    for number, name, ref in found:
        others = near.get(_folded(PurePosixPath(name).as_posix()), [])
        if ref is None and len(others) != 1:
            raise SamplesError(
                f"sample {path.parent / name} cannot be read as a picture: there is no such file "
                f"({path.name} line {number})"
            )
        refs.append(ref or others[0])
    return refs


def _inside(path: Path, name: str) -> str:
    """``name`` from the samples folder on, which it may be stated with."""
    folder = path.parent.absolute()
    if Path(name).is_relative_to(folder):
        return Path(name).relative_to(folder).as_posix()
    plain = PurePosixPath(name.replace("\\", "/"))
    if plain.is_absolute() or PureWindowsPath(name).is_absolute():
        raise SamplesError(
            f"{path} names {name!r}, which is no place in the samples folder: write names as they "
            f"are within it, such as {plain.name!r}"
        )
    if ".." in plain.parts:
        raise SamplesError(f"{path} names {name!r}, which lies outside the samples folder")
    return name


def _folded(ref: str) -> str:
    return unicodedata.normalize("NFC", ref).casefold()


def _unlisted(folder: Path, refs: Sequence[str]) -> list[tuple[str, str]]:
    listed = {PurePosixPath(ref).as_posix() for ref in refs}
    places = {folder, *(folder / PurePosixPath(ref).parent for ref in refs)}
    beside = sorted(p for place in places if place.is_dir() for p in place.iterdir())
    names = ((p.relative_to(folder).as_posix(), p) for p in beside)
    return [
        (name, left_out.HIDDEN if left_out.is_hidden(p.name) else left_out.UNLISTED)
        for name, p in names
        if p.suffix.lower() in SUFFIXES and name not in listed
    ]
