"""Reading a bundle that may have been made to do harm: a folder, or a ``.zip`` of stored files.

Only regular files with plain names directly in the bundle, or one known folder below it, are
ever opened; links are not followed; every size is limited before anything is read. A zip must be
exactly the one that this program writes for its content, byte for byte, so that its headers can
neither hide nor expand anything.
"""

from __future__ import annotations

import os
import re
import stat
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from auditor.errors import EvidenceError, UsageError
from auditor.evidence.layout import EARLIER_PLANS, HEAD, VIEWS, WORKING, largest

MAX_FILES = 500
MAX_TOTAL = 2 * 1024**3
_NAME = re.compile(r"(plans/|views/)?[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_STAMP = (1980, 1, 1, 0, 0, 0)
_MODE = (stat.S_IFREG | 0o644) << 16
_UNIX = 3
_END_RECORD = 22
"""Bytes of a zip's last part, without a comment."""


@dataclass(frozen=True)
class BundleFiles:
    """The files of a bundle, in memory, by name.

    Attributes:
        where: the folder or the zip.
        content: bytes by name, working files left out.
        working: names of working files, which were not read.
        strange: names of links, folders, devices and oddly named files; none was opened.
    """

    where: Path
    content: Mapping[str, bytes]
    working: tuple[str, ...] = ()
    strange: tuple[str, ...] = ()

    def __contains__(self, name: str) -> bool:
        return name in self.content

    def get(self, name: str) -> bytes:
        """Content of the file ``name``; an EvidenceError if the bundle has none."""
        found = self.content.get(name)
        if found is None:
            raise EvidenceError(f"{self.where} holds no {name}")
        return found


def read_files(where: Path) -> BundleFiles:
    """Read a bundle.

    Raises:
        UsageError: there is nothing at ``where``.
        EvidenceError: it cannot be read, is too large, or is no zip of this program.
    """
    try:
        mode = where.stat().st_mode
    except OSError as error:
        raise UsageError(f"there is no bundle at {where}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{where!s:.200} cannot be a bundle's name") from error
    if stat.S_ISDIR(mode):
        return _read_folder(where)
    if stat.S_ISREG(mode):
        if where.suffix.lower() != ".zip" and (where.parent / HEAD).is_file():
            raise UsageError(f"{where} is one file of a bundle: name its folder, {where.parent}")
        return _read_zip(where)
    raise UsageError(f"{where} is neither a folder nor a .zip file")


def safe_name(name: str) -> bool:
    """True if a bundle may hold a file of this name."""
    return _NAME.fullmatch(name) is not None


def _read_folder(where: Path) -> BundleFiles:
    content: dict[str, bytes] = {}
    working: list[str] = []
    strange: list[str] = []
    total = 0
    for name, path in _walk(where):
        if name in WORKING or name.startswith("."):
            working.append(name)
        elif not safe_name(name) or not _is_regular(path):
            strange.append(name)
        else:
            content[name] = read_regular(path, name, min(largest(name), MAX_TOTAL - total))
            total += len(content[name])
    return BundleFiles(where, content, tuple(working), tuple(strange))


def _walk(where: Path) -> list[tuple[str, Path]]:
    """Name and path of everything in the folder and in the two that a bundle may have."""
    found: list[tuple[str, Path]] = []
    for prefix in ("", EARLIER_PLANS, VIEWS):
        folder = where / prefix
        try:
            if prefix and not _is_folder(folder):
                continue
            with os.scandir(folder) as entries:
                for entry in entries:
                    if not prefix and f"{entry.name}/" in {EARLIER_PLANS, VIEWS}:
                        continue
                    found.append((prefix + entry.name, Path(entry.path)))
                    if len(found) > MAX_FILES:
                        raise EvidenceError(
                            f"{where} holds more than {MAX_FILES} files, no bundle does"
                        )
        except OSError as error:
            raise EvidenceError(f"{folder} cannot be read: {error.strerror}") from error
    return sorted(found)


def _is_regular(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def _is_folder(folder: Path) -> bool:
    try:
        mode = folder.lstat().st_mode
    except FileNotFoundError:
        return False
    if not stat.S_ISDIR(mode):
        raise EvidenceError(f"{folder} is not a folder")
    return True


def read_regular(path: Path, name: str, most: int) -> bytes:
    """Content of a regular file of at most ``most`` bytes; an EvidenceError for any other."""
    # Neither a link nor a pipe that never ends; the file checked is the one opened.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        handle = os.open(path, flags)
        with open(handle, "rb") as stream:  # noqa: PTH123 - a handle, not a path
            state = os.fstat(stream.fileno())
            if not stat.S_ISREG(state.st_mode):
                raise EvidenceError(f"{name} is not a regular file")
            if state.st_size > most:
                raise EvidenceError(f"{name} is larger than any file of a bundle")
            data = stream.read(most + 1)
    except OSError as error:
        raise EvidenceError(f"{name} cannot be read: {error.strerror}") from error
    if len(data) > most:
        raise EvidenceError(f"{name} is larger than any file of a bundle")
    return data


def _read_zip(where: Path) -> BundleFiles:
    not_ours = EvidenceError(
        f"{where} is not a zip file as xray-audit writes it: unpacked elsewhere it may still be a "
        "sound bundle, as a zip it is refused"
    )
    # A large file that is no such zip is refused before all of it is read.
    if not _ends_as_ours(where.resolve()):
        raise not_ours
    data = read_regular(where.resolve(), where.name, MAX_TOTAL)
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            entries = archive.infolist()
            if len(entries) > MAX_FILES or any(not _plain(entry) for entry in entries):
                raise not_ours
            content = {entry.filename: archive.read(entry) for entry in entries}
    except EvidenceError:
        raise
    except Exception:  # noqa: BLE001 - a damaged archive raises many kinds
        raise not_ours from None
    if zip_bytes(content) != data:
        raise not_ours
    return BundleFiles(where, content)


def _ends_as_ours(path: Path) -> bool:
    """True if the end record, which has no comment, speaks of few entries, whose directory ends
    where it begins.
    """
    size = path.stat().st_size
    if size > MAX_TOTAL:
        return True  # it is refused by its size
    with path.open("rb") as stream:
        stream.seek(max(0, size - _END_RECORD))
        end = stream.read(_END_RECORD)
    directory = int.from_bytes(end[12:16], "little") + int.from_bytes(end[16:20], "little")
    few = int.from_bytes(end[10:12], "little") <= MAX_FILES
    return end.startswith(b"PK\5\6") and few and directory == size - _END_RECORD


def _plain(entry: zipfile.ZipInfo) -> bool:
    """Stored, so that it cannot expand, and of a name that leads nowhere else."""
    return (
        entry.file_size <= largest(entry.filename)
        and entry.compress_type == zipfile.ZIP_STORED
        and entry.file_size == entry.compress_size
        and not entry.flag_bits
        and safe_name(entry.filename)
    )


def zip_bytes(content: Mapping[str, bytes]) -> bytes:
    """The one zip file of ``content``: sorted, stored, without times; equal on every system."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(content):
            entry = zipfile.ZipInfo(name, _STAMP)
            entry.create_system = _UNIX
            entry.external_attr = _MODE
            archive.writestr(entry, content[name])
    return buffer.getvalue()
