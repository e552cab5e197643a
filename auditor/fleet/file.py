"""Reading a fleet file: TOML with [defaults], [limits] and [[audit]], or a CSV with a row an audit.

Every mistake is named with its line. Nothing is opened here but the lists that the file names.
"""

from __future__ import annotations

import csv
import difflib
import glob
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from adapters.file_kind import why_unreadable
from auditor.errors import UsageError
from auditor.fleet.entries import Fleet, FleetEntry, FleetLimits
from auditor.workflows.references import SAFE_NAME
from auditor.workflows.validation import first_mistake

Table = dict[str, Any]
OWN = ("name", "models", "csv", "price_per_1000")
"""Keys of an audit that are no options of one."""
ADDRESSES = ("model", "endpoint", "target", "input_file", "preset")
RESERVED = ("index.html", "summary.json", "summary.csv", "junit.xml", "fleet.sarif")
MAX_ENTRIES = 100_000
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


@dataclass(frozen=True)
class Options:
    """The options that an audit takes, as the command line knows them.

    Attributes:
        names: of every option that a fleet file may set.
        paths: those of ``names`` that hold a path.
        read: gives the value of an option from its place, its name and the value stated; raises a
            UsageError that names the place.
        check: refuses names that are no options, from a name and its place.
    """

    names: tuple[str, ...]
    paths: tuple[str, ...]
    read: Callable[[str, str, Any], Any]
    check: Callable[[str, str], None]


def read_fleet(path: Path, known: Options) -> Fleet:
    """Read a fleet file.

    Raises:
        UsageError: it cannot be read, or names what no audit takes; says the line.
    """
    text = _text(path)
    if path.suffix.lower() == ".csv":
        entries = tuple(_from_csv(path, {}, f"{path}", known))
        return Fleet(path, _unique(entries, path))
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"fleet file {path} is not TOML: {error}") from error
    lines = _Lines(path, text)
    _check_top(table, lines)
    defaults = table.get("defaults", {})
    _check_keys(defaults, lambda key: lines.of("defaults", key), known)
    entries = tuple(
        entry
        for number, stated in enumerate(table["audit"], 1)
        for entry in _entries(stated, number, defaults, lines, known)
    )
    return Fleet(path, _unique(entries, path), _limits(table.get("limits", {}), lines))


class _Lines:
    """Lines of a TOML file at which tables and keys stand."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._found: dict[tuple[str, str], int] = {}
        table, audits = "", 0
        for number, line in enumerate(text.splitlines(), 1):
            if header := re.match(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(#.*)?$", line):
                audits += header[1] == "[[" and header[2] == "audit"
                table = re.sub(r"^audit\b", f"audit {audits}", header[2])
                outer, _, inner = table.rpartition(".")
                self._found.setdefault((outer, inner.strip("\"'")), number)
                self._found.setdefault((table, ""), number)
            elif key := re.match(r"""\s*["']?([\w-]+)["']?\s*[.=]""", line):
                self._found.setdefault((table, key[1]), number)

    def of(self, table: str, key: str = "") -> str:
        """The file and the line of ``key`` in ``table`` (``audit 2`` is the second [[audit]])."""
        number = self._found.get((table, key)) or self._found.get((table, ""))
        return f"{self._path}" + (f" (line {number})" if number else "")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = why_unreadable(path, error)
        raise UsageError(f"fleet file {path} cannot be read: {why}") from error


def _check_top(table: Table, lines: _Lines) -> None:
    for key in table:
        if key not in {"defaults", "limits", "audit"}:
            close = difflib.get_close_matches(key, ("defaults", "limits", "audit"), n=1)
            hint = f"did you mean {close[0]!r}?" if close else "options go under [defaults]"
            raise UsageError(f"{lines.of('', key)} names {key!r}, which is no table; {hint}")
    audits = table.get("audit")
    if not isinstance(audits, list) or not all(isinstance(one, dict) for one in audits):
        raise UsageError(f"{lines.of('')} lists no audit: write each as a table [[audit]]")
    if not isinstance(table.get("defaults", {}), dict):
        raise UsageError(f"{lines.of('', 'defaults')}: defaults must be a table [defaults]")


def _limits(table: Any, lines: _Lines) -> FleetLimits:
    try:
        return FleetLimits.model_validate(table)
    except ValidationError as error:
        steps = [str(step) for step in error.errors()[0]["loc"]]
        known = ("max_queries", "max_money", "hosts", "rate", "request_rate", "concurrency")
        within = ".".join(["limits", *steps[:-1]])
        place = lines.of(within if len(steps) < 3 else f'limits.hosts."{steps[1]}"', steps[-1])
        raise UsageError(f"{place}: {first_mistake(error, 'entry', known)}") from None


def _check_keys(table: Mapping[str, Any], place: Callable[[str], str], known: Options) -> None:
    for key in table:
        name = key.replace("-", "_")
        if name not in OWN and not (name == "target" and isinstance(table[key], dict)):
            known.check(name, place(key))


def _entries(
    stated: Table, number: int, defaults: Table, lines: _Lines, known: Options
) -> Iterator[FleetEntry]:
    """The audits that one [[audit]] stands for."""
    here = f"audit {number}"

    def place(key: str = "") -> str:
        return lines.of("defaults" if key in defaults and key not in stated else here, key)

    _check_keys(stated, place, known)
    table, folder = {**defaults, **stated}, lines._path.parent  # noqa: SLF001 - of this module
    if "csv" in stated:
        source = folder / str(table.pop("csv"))
        yield from _from_csv(source, table, place("csv"), known)
    elif "models" in table:
        pattern = table.pop("models")
        for name, file in _globbed(pattern, folder, place("models"), str(table.get("name", ""))):
            yield _entry({**table, "model": str(file), "name": name}, place, folder, known)
    else:
        yield _entry(table, place, folder, known)


def _globbed(pattern: Any, folder: Path, place: str, prefix: str) -> Iterator[tuple[str, Path]]:
    """Name and file of every model that ``pattern`` names."""
    patterns = pattern if isinstance(pattern, list) else [pattern]
    if not all(isinstance(one, str) for one in patterns):
        raise UsageError(f"{place}: models is {pattern!r}, it must be a pattern or a list of them")
    for one in patterns:
        # Not Path.glob, which takes no absolute pattern.
        files = sorted(glob.glob(one, root_dir=folder, recursive=True))  # noqa: PTH207
        if not files:
            raise UsageError(f"{place}: no file matches {one!r} in {folder}")
        for file in files:
            stem = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(file).stem).strip(".-_") or "model"
            yield (f"{prefix}-{stem}" if prefix else stem)[:100], Path(file)


def _from_csv(path: Path, table: Table, place: str, known: Options) -> Iterator[FleetEntry]:
    """The audits of a CSV whose first row names the keys; an empty cell leaves a key out."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            heading = file.readline()
            file.seek(0)
            # Spreadsheets of many countries part cells by semicolons; no key holds one.
            mark = ";" if ";" in heading and "," not in heading else ","
            reader = csv.DictReader(file, strict=True, delimiter=mark)
            columns = [column or "" for column in reader.fieldnames or ()]
            for column in columns:
                _check_keys({column: ""}, lambda _: f"{path} (line 1)", known)
            for row in reader:
                line = f"{path} (line {reader.line_num})"
                if None in row or None in row.values():
                    raise UsageError(f"{line} has not {len(columns)} cells, as the first row does")
                cells = {key: cell for key, cell in row.items() if cell}
                if cells:
                    merged = {**table, **cells}
                    yield _entry(merged, lambda _="", at=line: at, path.parent, known)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = why_unreadable(path, error)
        raise UsageError(f"{place}: {path} cannot be read: {why}") from error


def _entry(table: Table, place: Callable[..., str], folder: Path, known: Options) -> FleetEntry:
    """The audit of one complete table."""
    stated = {key.replace("-", "_"): value for key, value in table.items()}
    at = {key.replace("-", "_"): key for key in table}
    target = stated.pop("target") if isinstance(stated.get("target"), dict) else None
    own = {key: stated.pop(key) for key in OWN if key in stated}
    price = _price(own.get("price_per_1000", 0.0), place("price_per_1000"))
    options = {key: known.read(place(at[key]), key, value) for key, value in stated.items()}
    if target is None and not any(key in options for key in ADDRESSES):
        raise UsageError(f"{place()}: an audit needs model, endpoint, target or preset")
    named = [key for key in ("model", "endpoint", "target") if table.get(key)]
    if len(named) > 1:
        raise UsageError(f"{place(named[1])}: an audit has one of {' and '.join(named)}: drop one")
    for key in known.paths:
        if options.get(key) is not None:
            options[key] = _located(options[key], folder)
    model = str(stated.get("model", ""))
    name = own.get("name", Path(model).stem if model else "")
    if not isinstance(name, str) or not SAFE_NAME.fullmatch(name) or name in RESERVED:
        raise UsageError(
            f"{place('name')}: an audit needs a name of letters, digits, dots, dashes and "
            f"underscores, since it names a folder too, not {name!r}"
        )
    given = {**stated, **({} if target is None else {"target": target})}
    return FleetEntry(name, options, given, place("name"), target, price)


def _price(value: Any, place: str) -> float:
    try:
        price = float(value)
    except (TypeError, ValueError):
        price = -1.0
    if not 0.0 <= price < float("inf"):
        raise UsageError(f"{place}: price_per_1000 is {value!r}, it must be a number of at least 0")
    return price


def _located(value: Any, folder: Path) -> Any:
    """A path relative to the file as an absolute one; other names (``hf:...``) as they are."""
    text = str(value)
    path = (folder / text).absolute()
    if isinstance(value, Path):
        return value if _SCHEME.match(text) and not path.exists() else path
    return str(path) if path.exists() else value


def _unique(entries: tuple[FleetEntry, ...], path: Path) -> tuple[FleetEntry, ...]:
    seen: dict[str, FleetEntry] = {}
    for entry in entries:
        folder = entry.name.casefold()  # one, on a disk that takes both for the same
        if folder in seen:
            first = seen[folder].place
            raise UsageError(f"{entry.place}: the name {entry.name!r} is taken already: {first}")
        seen[folder] = entry
    if not 0 < len(entries) <= MAX_ENTRIES:
        raise UsageError(f"{path} lists {len(entries):,} audits, it must be 1 to {MAX_ENTRIES:,}")
    return entries
