"""The place of a fleet's results: a folder, or a bucket that fsspec reaches (``s3://``, ``gs://``).

    NAME/               the evidence bundle of one audit
    .fleet/NAME.json    its row: outcome, digest of its entry, costs
    .fleet/files.json   digests of the files that entries name

A folder is worked in directly. For a bucket an audit works in a scratch folder of its machine; its
label store and log are copied to the bucket every minute, so that another machine can go on.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from auditor.errors import AuditError, UsageError
from auditor.evidence.canonical import sha256
from auditor.report.files import write_atomic

ROWS = ".fleet"
FILES = "files"
CHECKPOINT_S = 60.0
RESUMED_FROM = ("log.jsonl", "plan.json", "plan.dsse.json", "labels.sqlite3")
"""Files from which an audit goes on, in the order of copying: a log that is older than its store is
brought up to date, a store that is older than its log would ask again.
"""
_STORE = RESUMED_FROM[-1]
_COPY = """
import pathlib, shutil, sqlite3, sys
here, there = map(pathlib.Path, sys.argv[1:3])
store, writes = sys.argv[-1], sys.argv[-1] + "-wal"
def begun(): return (here / writes).read_bytes()[:32]
for attempt in range(20):
    before = begun()
    for name in (*sys.argv[3:], writes):
        if (here / name).exists(): shutil.copyfile(here / name, there / name)
    if begun() == before: break
else: sys.exit(1)
copy = sqlite3.connect(there / store)
copy.execute("PRAGMA journal_mode = DELETE").fetchall()
copy.close()
"""
"""Copies a store in use, and brings the copy into one file. Everything since its log of writes was
last begun stands in that log, so a copy is sound if it was not begun anew meanwhile. A process of
its own, since closing a file ends all locks that a process holds on it.
"""


class Place:
    """The place of a fleet's results at ``where``, a folder or a URL.

    Raises:
        UsageError: fsspec knows no such kind of URL, or lacks its library.
    """

    def __init__(self, where: str) -> None:
        self.where = where
        self.folder = None if "://" in where else Path(where).absolute()
        if self.folder is None:
            self._fs, self._root = _file_system(where)

    # ---- rows and the summary ----------------------------------------------------------------

    def write(self, name: str, data: bytes) -> None:
        """Put ``data`` at ``name``, whole or not at all.

        Raises:
            AuditError: it cannot be written.
        """
        try:
            if self.folder is None:
                self._fs.pipe_file(f"{self._root}/{name}", data)
                return
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, data)
        except Exception as error:  # every kind of store has errors of its own
            raise AuditError(f"--output {self.where} cannot be written: {error}") from error

    def write_row(self, row: Mapping[str, Any]) -> None:
        """Keep the row of one audit."""
        self.write_json(str(row["name"]), row)

    def write_json(self, name: str, value: Any) -> None:
        """Keep ``value`` among the rows."""
        self.write(f"{ROWS}/{name}.json", (json.dumps(value, ensure_ascii=False) + "\n").encode())

    def rows(self) -> dict[str, Any]:
        """Everything kept among the rows, by name; what cannot be read is left out."""
        found = {}
        for path, data in self._row_files().items():
            with contextlib.suppress(ValueError):
                found[path.rpartition("/")[2].removesuffix(".json")] = json.loads(data)
        return found

    def _row_files(self) -> dict[str, bytes]:
        try:
            if self.folder is not None:
                listed = sorted((self.folder / ROWS).glob("*.json"))
                return {path.as_posix(): path.read_bytes() for path in listed}
            self._fs.invalidate_cache()
            names = [n for n in self._fs.find(f"{self._root}/{ROWS}") if n.endswith(".json")]
            return dict(self._fs.cat(names)) if names else {}
        except Exception as error:
            raise AuditError(f"--output {self.where} cannot be read: {error}") from error

    def read(self, name: str) -> bytes:
        """The file ``name``; an AuditError if it cannot be read."""
        try:
            if self.folder is not None:
                return (self.folder / name).read_bytes()
            return bytes(self._fs.cat_file(f"{self._root}/{name}"))
        except Exception as error:
            raise AuditError(f"{self.where} holds no {name}: {error}") from error

    def sent(self, name: str) -> int:
        """Queries that the audit ``name`` has sent, as its label store counts them; for audits that
        left no row.
        """
        if self.folder is not None:
            return queries_sent(self.folder / name)
        with tempfile.TemporaryDirectory() as copy, contextlib.suppress(FileNotFoundError):
            self._fs.get_file(f"{self._root}/{name}/{_STORE}", str(Path(copy) / _STORE))
            return queries_sent(Path(copy))
        return 0

    # ---- the folder that an audit works in ---------------------------------------------------

    @contextlib.contextmanager
    def working(self, name: str, every: float = CHECKPOINT_S) -> Iterator[Path]:
        """The folder in which the audit ``name`` works; in a bucket its files are kept up to date
        meanwhile, and whole at the end.
        """
        if self.folder is not None:
            yield self.folder / name
            return
        work = _scratch(self.where) / name
        work.mkdir(exist_ok=True)
        self._restore(name, work)
        ended = threading.Event()
        keeper = threading.Thread(target=self._keep, args=(name, work, ended, every), daemon=True)
        keeper.start()
        try:
            yield work
        finally:
            ended.set()
            keeper.join()
            self._upload(name, work)
        shutil.rmtree(work)

    def _restore(self, name: str, work: Path) -> None:
        """Bring the files to go on from, unless this machine has got further by itself."""
        base = f"{self._root}/{name}"
        with contextlib.suppress(FileNotFoundError):
            self._fs.invalidate_cache()
            log = work / RESUMED_FROM[0]
            held = log.stat().st_size if log.exists() else -1
            if self._fs.size(f"{base}/{RESUMED_FROM[0]}") <= held:
                return
            shutil.rmtree(work)
            for path in self._fs.find(base):
                inside = path[len(base) + 1 :]
                if inside in RESUMED_FROM or inside.startswith("plans/"):
                    (work / inside).parent.mkdir(parents=True, exist_ok=True)
                    self._fs.get_file(path, str(work / inside))

    def _keep(self, name: str, work: Path, ended: threading.Event, every: float) -> None:
        while not ended.wait(every):
            with tempfile.TemporaryDirectory(dir=work.parent) as copy:
                command = [sys.executable, "-I", "-c", _COPY, str(work), copy, *RESUMED_FROM]
                if subprocess.run(command, check=False, capture_output=True).returncode == 0:  # noqa: S603 - our own
                    with contextlib.suppress(Exception):  # the next minute tries again
                        self._upload(name, Path(copy))

    def _upload(self, name: str, work: Path) -> None:
        """Copy the files in ``work``, the label store of a closed audit included."""
        base = f"{self._root}/{name}"
        files = [path for path in sorted(work.rglob("*")) if path.is_file()]
        # The store first: see RESUMED_FROM.
        files.sort(key=lambda path: path.name != _STORE)
        try:
            for path in files:
                self._fs.put_file(str(path), f"{base}/{path.relative_to(work).as_posix()}")
        except Exception as error:
            raise AuditError(f"--output {self.where} cannot be written: {error}") from error


def queries_sent(folder: Path) -> int:
    """Queries that the label store in ``folder`` counts, over all plans; 0 without a store."""
    if not (folder / _STORE).exists():
        return 0
    with (
        contextlib.suppress(sqlite3.Error),
        contextlib.closing(sqlite3.connect(folder / _STORE, timeout=1.0)) as db,
    ):
        (total,) = db.execute("SELECT sum(value) FROM ledger WHERE entry = 'sent'").fetchone()
        return int(total or 0)
    return 0


def _file_system(where: str) -> tuple[Any, str]:
    from fsspec.core import url_to_fs  # noqa: PLC0415 - an extra

    try:
        fs, root = url_to_fs(where)
    except (ImportError, ValueError) as error:
        raise UsageError(f"--output {where} cannot be opened: {error}") from error
    return fs, str(root).rstrip("/")


def _scratch(where: str) -> Path:
    """This machine's folder for audits whose results go to ``where``: the user's alone."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    base = Path(os.environ.get("XRAY_AUDIT_SCRATCH") or tempfile.gettempdir())
    mine = base / f"xray-audit-fleet-{user}"
    mine.mkdir(mode=0o700, parents=True, exist_ok=True)
    state = mine.lstat()
    if hasattr(os, "getuid") and (state.st_uid != user or state.st_mode & 0o022):
        raise AuditError(f"the scratch folder {mine} belongs to another user")
    folder = mine / sha256(where.encode())[:16]
    folder.mkdir(exist_ok=True)
    return folder
