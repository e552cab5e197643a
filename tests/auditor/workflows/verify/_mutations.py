"""Random changes of a bundle: flip, delete, reorder, truncate, splice."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from auditor.evidence.files import zip_bytes
from auditor.evidence.layout import WORKING

KINDS = ("flip", "delete", "reorder", "truncate", "splice")


def files_of(folder: Path) -> list[Path]:
    """Files that are evidence, in a fixed order."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in found if path.name not in WORKING)


def mutate(folder: Path, rng: np.random.Generator) -> str:
    """Change one file of the bundle in ``folder``; says what was done."""
    while True:
        path = files_of(folder)[int(rng.integers(len(files_of(folder))))]
        kind = str(rng.choice(KINDS))
        before = path.read_bytes()
        after = changed(before, kind, rng)
        if after is None:
            path.unlink()
            return f"{path.name} deleted"
        if after != before:
            path.write_bytes(after)
            return f"{path.name}: {kind}"


def changed(data: bytes, kind: str, rng: np.random.Generator) -> bytes | None:
    """``data`` after one change; None where the whole file goes."""
    at = int(rng.integers(len(data)))
    if kind == "flip":
        bit = 1 << int(rng.integers(8))
        return data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :]
    if kind == "truncate":
        return data[:at]
    if kind == "splice":
        start = int(rng.integers(len(data)))
        piece = data[start : start + int(rng.integers(1, 65))]
        return data[:at] + piece + data[at:]
    lines = data.splitlines(keepends=True)
    first = int(rng.integers(len(lines)))
    if kind == "delete":
        if rng.random() < 0.3:
            return None
        return b"".join(lines[:first] + lines[first + 1 :])
    second = int(rng.integers(len(lines)))
    lines[first], lines[second] = lines[second], lines[first]
    return b"".join(lines)


def zipped(folder: Path) -> bytes:
    """The zip of a bundle's folder."""
    names = [path.relative_to(folder).as_posix() for path in files_of(folder)]
    return zip_bytes({name: (folder / name).read_bytes() for name in names})
