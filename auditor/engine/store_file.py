"""The file of a label store: opened for one process alone, checked before anything is written."""

from __future__ import annotations

import sqlite3
from importlib import resources
from pathlib import Path

from auditor.errors import StoreError

SCHEMA_VERSION = 3
_ADDED_BY_2 = 1
"""Tables at the end of the schema that version 1 did not have."""

_IN_USE = "another audit is using {path}; wait for it or use another --output"
_NO_WRITE = "{path} cannot be written: {text}"
_SENTENCES = (
    ("SQLITE_BUSY", _IN_USE),
    ("SQLITE_LOCKED", _IN_USE),
    (
        "SQLITE_FULL",
        "the disk is full, so labels can no longer be saved to {path}; what was saved is kept: "
        "free some space and run the same command again",
    ),
    (
        "SQLITE_IOERR_WRITE",
        "the system refused to write more to {path}, as a limit on file sizes (ulimit -f) or a "
        "failing disk does; what was saved is kept: see to it and run the same command again",
    ),
    ("SQLITE_NOTADB", "{path} is not a label store of xray-audit"),
    ("SQLITE_READONLY", _NO_WRITE),
    # Exclusive locking of a file without write permission ends in this.
    ("SQLITE_IOERR_LOCK", "{path} cannot be written: it cannot be locked, is it read-only?"),
    ("SQLITE_CANTOPEN", _NO_WRITE),
)
_SCHEMA = resources.files("auditor.engine").joinpath("schema.sql").read_text(encoding="utf-8")
_STATEMENTS = [statement.strip() for statement in _SCHEMA.split(";") if statement.strip()]
"""The statements that make the tables, in the text that SQLite keeps of them."""


class StoreFile:
    """A SQLite file with the tables of a label store; made if only its folder exists."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self) -> sqlite3.Connection:
        """A connection that any one thread may use, with sound tables of this version.

        Intents that an earlier process left behind are listed as unknown.

        Raises:
            StoreError: the file is of another version, damaged, or in use by another audit.
        """
        try:
            db = sqlite3.connect(
                self.path, timeout=1.0, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise self.explain(error) from error
        try:
            self._prepare(db)
        except BaseException as error:
            db.close()  # it holds the lock
            if isinstance(error, sqlite3.Error):
                raise self.explain(error) from error
            raise
        return db

    def damaged(self, how: str) -> StoreError:
        """The error for a file whose content is not as it was written."""
        return StoreError(
            f"the label store {self.path} is damaged ({how}); restore it from a copy, or use "
            "another --output and ask again"
        )

    def explain(self, error: Exception) -> StoreError:
        """``error`` in one sentence for a user."""
        if isinstance(error, StoreError):
            return error
        text = str(error)
        code = getattr(error, "sqlite_errorname", None) or ""
        if code.startswith("SQLITE_CORRUPT"):
            return self.damaged(text)
        for start, sentence in _SENTENCES:
            if code.startswith(start):
                return StoreError(sentence.format(path=self.path, text=text))
        return StoreError(f"the label store {self.path} cannot be used: {text}")

    def _prepare(self, db: sqlite3.Connection) -> None:
        # Exclusive locking keeps a second audit out for as long as this process lives, and the
        # operating system ends it with the process, whatever ends that.
        for pragma in ("locking_mode = EXCLUSIVE", "trusted_schema = OFF", "cell_size_check = ON"):
            db.execute(f"PRAGMA {pragma}").fetchall()
        # Checked before anything is written: a file of another program stays as it is.
        db.execute("BEGIN EXCLUSIVE")
        missing = self._missing_tables(db)
        db.execute("ROLLBACK")
        # A new file holds nothing paid for yet that a power cut could take.
        waits = "OFF" if missing == len(_STATEMENTS) else "NORMAL"
        # Checkpoints wait for the disk, so a thread makes them, never a commit.
        for pragma in (f"synchronous = {waits}", "journal_mode = WAL", "wal_autocheckpoint = 0"):
            db.execute(f"PRAGMA {pragma}").fetchall()
        db.execute("BEGIN IMMEDIATE")
        for statement in _STATEMENTS[-missing:] if missing else ():
            db.execute(statement)
        db.execute("INSERT OR REPLACE INTO meta VALUES ('schema', ?)", (str(SCHEMA_VERSION),))
        db.execute(
            "INSERT INTO unknown (audit, probe, items, started, why) "
            "SELECT audit, probe, items, started, 'in flight when the process ended' FROM intents"
        )
        db.execute("DELETE FROM intents")
        db.execute("COMMIT")
        db.execute("PRAGMA synchronous = NORMAL")

    def _missing_tables(self, db: sqlite3.Connection) -> int:
        """Number of tables that the file still lacks.

        Raises:
            StoreError: the file is no sound store.
        """
        found = dict(db.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
        if not found:
            return len(_STATEMENTS)
        if "meta" not in found:
            raise StoreError(f"{self.path} is a SQLite file but not a label store of xray-audit")
        row = db.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()
        version = "unknown" if row is None else row[0]
        missing = {str(SCHEMA_VERSION): 0, "2": 0, "1": _ADDED_BY_2}.get(version)
        if missing is None:
            raise StoreError(
                f"{self.path} was written by another version (store schema {version}, this one "
                f"writes {SCHEMA_VERSION}); use that version, or another --output"
            )
        (state,) = db.execute("PRAGMA quick_check(1)").fetchone()
        expected = set(_STATEMENTS[: len(_STATEMENTS) - missing])
        # A trigger or view that was planted would run with our statements.
        if state != "ok" or set(found.values()) != expected:
            raise self.damaged("its tables are not as they were written")
        return missing
