"""Reads the labels that a batch job gave: CSV, JSON, JSON lines or npz."""

from __future__ import annotations

import csv
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from adapters.batch_files.exchange import FileExchange, Round
from adapters.contract import LabelSpace
from adapters.errors import TargetError

ID_NAMES = ("id", "file", "name", "input")
LABEL_NAMES = ("label", "labels", "class", "prediction")
_ID = re.compile(r"([0-9a-f]{6})-(\d{3,})-(\d{6,})")
_WHOLE = re.compile(r"(\d+)(?:\.0*)?")
_SUFFIXES = (".png", ".jpg", ".jpeg")
MAX_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Row:
    """One answer as written: its place in the file, its input, its label, its input's digest."""

    where: str
    id: str
    label: Any
    sha256: str = ""


def read_labels(
    path: Path, exchange: FileExchange, waiting: Round, space: LabelSpace, digests: Sequence[str]
) -> list[int]:
    """Labels of the round that waits, in the order of its inputs.

    Rows of earlier rounds may be in the same file and are passed over.

    Args:
        path: ``.csv``, ``.json``, ``.jsonl`` or ``.npz``.
        exchange: the exchange that the labels must belong to.
        waiting: the round that waits for labels.
        space: meaning of the labels; an open one grows.
        digests: SHA-256 of each input as handed out, checked if the file states it.

    Raises:
        TargetError: unreadable, or not exactly one usable label for each input of the round.
    """
    texts: list[str | None] = [None] * waiting.inputs
    seen: set[str] = set()
    for row in _rows(path):
        number, item = _place(row, path, exchange)
        if row.id in seen:
            raise TargetError(f"{path}, {row.where}: the input {row.id} has a second label")
        seen.add(row.id)
        if number < waiting.number:
            continue
        if number > waiting.number or item >= waiting.inputs:
            raise TargetError(f"{path}, {row.where}: no input {row.id} was handed out")
        if row.sha256 and row.sha256.lower() != digests[item]:
            raise TargetError(
                f"{path}, {row.where}: the input {row.id} was labelled from other bytes than "
                "were handed out (its sha256 differs)"
            )
        texts[item] = _text(row, path)
    return _indices(texts, path, exchange, waiting, space)


def _indices(
    texts: list[str | None], path: Path, exchange: FileExchange, waiting: Round, space: LabelSpace
) -> list[int]:
    missing = [item for item, text in enumerate(texts) if text is None]
    if missing:
        first = f"{exchange.prefix(waiting.number)}{missing[0]:06d}"
        raise TargetError(
            f"{path} lacks the labels of {len(missing):,} of the {waiting.inputs:,} inputs of "
            f"round {waiting.number}, the first is {first}; nothing of it was taken over"
        )
    # Checked before any name is learned: a refused file leaves nothing behind.
    labels = {text: _known(text, space) for text in texts if text is not None}
    for text, index in labels.items():
        if index is None and (not space.open or _NUMBER.fullmatch(text)):
            item = texts.index(text)
            named = f"one of the {space.size} classes" if not space.open else "a class"
            raise TargetError(
                f"{path}: the input {exchange.prefix(waiting.number)}{item:06d} has the label "
                f"{text[:60]!r}, which is not {named}; labels are wanted, not scores"
            )
    _refuse_other_kind(labels, path, space)
    found = {text: space.index(text) if i is None else i for text, i in labels.items()}
    if None in found.values():
        raise TargetError(f"{path} names more classes than can be kept")
    return [int(found[text]) for text in texts if text is not None]  # type: ignore[arg-type]  # just checked


def _refuse_other_kind(texts: Iterable[str], path: Path, space: LabelSpace) -> None:
    """Refuse numbers among names and names among numbers: no order of classes is guessed."""
    if not space.open or not space.names:
        return
    numbered = {name.isdigit() for name in space.names}
    stray = next((text for text in texts if text.isdigit() not in numbered), None)
    if stray is not None:
        kinds = ("a number", "names") if stray.isdigit() else ("a name", "numbers")
        raise TargetError(
            f"{path} has the label {stray[:60]!r}, {kinds[0]}, and the samples give their classes "
            f"as {kinds[1]}: list the model's classes in its order with --classes FILE"
        )


_NUMBER = re.compile(r"[-+]?\d*\.\d+(?:[eE][-+]?\d+)?|[-+]\d+|nan|inf", re.IGNORECASE)
"""Pattern of a score, which no class name has."""


def _known(text: str, space: LabelSpace) -> int | None:
    if text in space.names:
        return space.names.index(text)
    if space.open or not text.isdigit() or len(text) > 9:
        return None
    index = int(text)
    return index if space.size is None or index < space.size else None


def _place(row: Row, path: Path, exchange: FileExchange) -> tuple[int, int]:
    """Round and number of the input that a row labels."""
    match = _ID.fullmatch(row.id)
    if match is None:
        raise TargetError(
            f"{path}, {row.where}: {row.id[:80]!r} is not the name of an input, such as "
            f"{exchange.prefix(1)}000000"
        )
    if match[1] != exchange.token[:6]:
        raise TargetError(
            f"{path}, {row.where}: {row.id} belongs to another audit; the inputs in "
            f"{exchange.place} begin with {exchange.token[:6]}"
        )
    return int(match[2]), int(match[3])


def _text(row: Row, path: Path) -> str:
    label = row.label
    if isinstance(label, bool) or not isinstance(label, str | int | float | np.generic):
        raise TargetError(
            f"{path}, {row.where}: the label of {row.id} is {str(label)[:60]!r}, not a class name "
            "or number; labels are wanted, not scores"
        )
    text = unicodedata.normalize("NFC", str(label).strip())
    if not text or len(text) > 200 or not text.isprintable():
        raise TargetError(f"{path}, {row.where}: the label of {row.id} is empty or not plain text")
    whole = _WHOLE.fullmatch(text)  # spreadsheets write 3 as 3.0
    return whole[1].lstrip("0") or "0" if whole else text


# ---- formats -----------------------------------------------------------------------------------


def _rows(path: Path) -> Iterator[Row]:
    readers = {".csv": _csv, ".json": _json, ".jsonl": _json_lines, ".npz": _npz}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise TargetError(f"{path} must end in .csv, .json, .jsonl or .npz")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise TargetError(f"{path} is larger than 1 GiB: that is no list of labels")
        yield from reader(path)
    except FileNotFoundError as error:
        raise TargetError(f"there are no labels at {path}") from error
    except (OSError, UnicodeDecodeError, ValueError, csv.Error, RecursionError) as error:
        raise TargetError(f"{path} cannot be read as {path.suffix[1:].upper()}: {error}") from error


def _id(value: object) -> str:
    """The id in ``value``, which may be a path or an address that ends in it."""
    name = PurePosixPath(str(value).strip().replace("\\", "/")).name
    for suffix in _SUFFIXES:
        name = name.removesuffix(suffix)
    return name


def _csv(path: Path) -> Iterator[Row]:
    with path.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.reader(stream)
        rows = ((f"line {reader.line_num}", row) for row in reader if row)
        first = next(rows, None)
        if first is None:
            raise TargetError(f"{path} is empty")
        names = [cell.strip().lower() for cell in first[1]]
        if not set(names) & set(LABEL_NAMES):
            raise TargetError(
                f"{path} must begin with a line of column names: id and label, and sha256 if known"
            )
        id_at, label_at = (
            names.index(_named(path, "column", names, known)) for known in (ID_NAMES, LABEL_NAMES)
        )
        digest = names.index("sha256") if "sha256" in names else None
        for where, row in rows:
            if len(row) <= max(id_at, label_at):
                raise TargetError(f"{path}, {where}: fewer cells than column names")
            stated = row[digest].strip() if digest is not None and digest < len(row) else ""
            yield Row(where, _id(row[id_at]), row[label_at], stated)


def _named(path: Path, kind: str, names: Sequence[str], known: Sequence[str]) -> str:
    """The one of ``names`` that is ``known`` to hold the ids or the labels."""
    found = next((name for name in known if name in names), None)
    if found is None:
        raise TargetError(f"{path} has no {kind} {known[0]!r}; it has {', '.join(names)[:200]}")
    return found


def _json(path: Path) -> Iterator[Row]:
    data = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_unique)
    if isinstance(data, dict):
        for name, label in data.items():
            yield Row(f"key {name[:80]!r}", _id(name), label)
    elif isinstance(data, list):
        yield from _objects(path, ((f"entry {n}", one) for n, one in enumerate(data)))
    else:
        raise TargetError(f"{path} must hold an object {{id: label}} or a list of objects")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice[:80]!r} is given twice")
    return found


def _json_lines(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig") as stream:
        numbered = ((f"line {n}", line) for n, line in enumerate(stream, 1) if line.strip())
        yield from _objects(path, ((where, json.loads(line)) for where, line in numbered))


def _objects(path: Path, entries: Iterable[tuple[str, Any]]) -> Iterator[Row]:
    for where, entry in entries:
        found = entry if isinstance(entry, dict) else {}
        name = next((found[key] for key in ID_NAMES if key in found), None)
        label = next((found[key] for key in LABEL_NAMES if key in found), None)
        if name is None or label is None:
            raise TargetError(f"{path}, {where}: it must be an object with id and label")
        yield Row(where, _id(name), label, str(found.get("sha256") or ""))


def _npz(path: Path) -> Iterator[Row]:
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
        names = list(archive.files)
        ids = archive[_named(path, "array", names, (*ID_NAMES, "ids"))]
        labels = archive[_named(path, "array", names, LABEL_NAMES)]
        if ids.ndim != 1 or labels.shape not in {ids.shape, (*ids.shape, 1)}:
            raise TargetError(
                f"{path} holds ids of shape {ids.shape} and labels of shape {labels.shape}: one "
                "label for each id is wanted, not scores"
            )
        stated = archive["sha256"] if "sha256" in names else None
        if stated is not None and stated.shape != ids.shape:
            raise TargetError(f"{path} holds {stated.size} sha256 for {ids.size} ids")
        for n, (name, label) in enumerate(zip(ids.tolist(), labels.ravel().tolist(), strict=True)):
            yield Row(f"entry {n}", _id(name), label, "" if stated is None else str(stated[n]))
