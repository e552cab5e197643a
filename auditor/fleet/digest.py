"""Digest of a fleet's entry: everything whose change calls for another audit."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from auditor.evidence.canonical import sha256
from auditor.fleet.entries import FleetEntry

FREE = ("threads", "concurrency", "rate", "request_rate", "timeout", "patience", "device")
"""Options that change the course of an audit and none of its answers."""
_BLOCK = 1 << 20


class Digests:
    """Digests of entries; a file whose size and time are as before is not read again.

    Args:
        known: digests of earlier runs by path, each with the size and time they were taken at.
    """

    def __init__(self, known: Mapping[str, list[Any]] | None = None) -> None:
        self.files: dict[str, list[Any]] = dict(known or {})
        self._folders: dict[Path, str] = {}

    def of(self, entry: FleetEntry) -> str:
        """SHA-256 over the options of ``entry`` and the content of every file they name."""
        stated = {key: value for key, value in entry.stated.items() if key not in FREE}
        paths = {
            key: self._content(Path(value))
            for key, value in entry.options.items()
            if isinstance(value, Path) or (key in {"model", "profile"} and Path(value).exists())
        }
        return sha256(repr((sorted(stated.items(), key=str), sorted(paths.items()))).encode())

    def _content(self, path: Path) -> str:
        try:
            if not path.is_dir():
                return self._file(path)
            if path not in self._folders:
                inside = sorted(one for one in path.rglob("*") if one.is_file())
                lines = [f"{one.relative_to(path)} {self._file(one)}" for one in inside]
                self._folders[path] = sha256("\n".join(lines).encode())
            return self._folders[path]
        except OSError:
            return "missing"

    def _file(self, path: Path) -> str:
        state, key = path.stat(), str(path)
        seen = [state.st_size, state.st_mtime_ns]
        if self.files.get(key, [])[:2] != seen:
            digest = hashlib.sha256()
            with path.open("rb") as file:
                while block := file.read(_BLOCK):
                    digest.update(block)
            self.files[key] = [*seen, digest.hexdigest()]
        return str(self.files[key][2])
