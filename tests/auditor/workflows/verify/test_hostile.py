"""Bundles that were made to do harm."""

from __future__ import annotations

import json
import os
import resource
import socket
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapters.strict_json import canonical
from auditor.cli.verify import show_verification
from auditor.errors import ExitCode, UsageError
from auditor.evidence.chain import GENESIS, line_hash
from auditor.evidence.files import zip_bytes
from auditor.evidence.head import listing
from auditor.workflows.verify.verify import verify_bundle

Bundles = Callable[[str], Path]


def refused(where: Path) -> str:
    """Output of verify, which must neither crash nor pass."""
    found = verify_bundle(where)
    assert found.exit_code == ExitCode.FAILED, found.checks
    shown = show_verification(found)
    assert all(c.isprintable() or c == "\n" for c in shown), shown
    return shown


def pointing(folder: Path, secret: Path) -> None:
    (folder / "report.html").unlink()
    (folder / "report.html").symlink_to(secret)


def test_links_are_not_followed(bundle: Bundles, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("TOP SECRET")
    folder = bundle("plain")
    pointing(folder, secret)
    assert "'report.html' does not belong here" in refused(folder)
    (folder / "plans").symlink_to(tmp_path)
    assert "SECRET" not in refused(folder)


def test_pipes_sockets_and_folders_do_not_stop_it(bundle: Bundles) -> None:
    folder = bundle("plain")
    os.mkfifo(folder / "fifo")
    (folder / "head.dsse.json").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "s"))
        assert "does not belong here" in refused(folder)


def test_odd_names_are_named_and_never_opened(bundle: Bundles) -> None:
    folder = bundle("plain")
    (folder / "a\x1b[2Jb\u202e.json").write_text("x")
    assert "does not belong here" in refused(folder)


def entry(name: str, *, mode: int = stat.S_IFREG | 0o644) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    made.create_system = 3
    made.external_attr = mode << 16
    return made


@pytest.mark.parametrize(
    "name", ["../../escape", "/etc/passwd", "a\\..\\b", "plans/../../x", "C:x", "a/b/c", ".hidden"]
)
def test_a_zip_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr(entry("head.json"), "{}")
        archive.writestr(entry(name), "x")
    assert "is not a zip file as xray-audit writes it" in refused(tmp_path / "z.zip")


def test_links_duplicates_and_comments_in_a_zip_are_refused(tmp_path: Path) -> None:
    link = entry("report.json", mode=stat.S_IFLNK | 0o777)
    for entries, comment in (
        ([link], b""),
        ([entry("a.json"), entry("b.json")], b"hello"),
        ([entry("b.json"), entry("a.json")], b""),
    ):
        with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
            archive.comment = comment
            for one in entries:
                archive.writestr(one, "/etc/passwd")
        refused(tmp_path / "z.zip")


def test_a_zip_with_one_name_twice_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr(entry("head.json"), "{}")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr(entry("head.json"), "[]")
    refused(tmp_path / "z.zip")


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "z.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("head.json", bytes(300_000_000))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(tmp_path / "z.zip")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


@pytest.mark.parametrize("end", [b"", b"PK\5\6" + bytes(18), b"PK\5\6" + bytes(4) + b"\xff" * 14])
def test_a_large_file_that_is_no_zip_of_ours_is_refused_unread(tmp_path: Path, end: bytes) -> None:
    with (tmp_path / "z.zip").open("wb") as file:
        file.truncate(2**30)  # sparse: takes no disk
        file.seek(0, os.SEEK_END)
        file.write(end)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "is not a zip file as xray-audit writes it" in refused(tmp_path / "z.zip")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def with_head(folder: Path, name: str, data: bytes) -> None:
    """Replace a file and let the head list it as it is now."""
    (folder / name).write_bytes(data)
    head = json.loads((folder / "head.json").read_text())
    inside = {
        p.name: p.read_bytes()
        for p in folder.iterdir()
        if not p.name.startswith(("head", "labels"))
    }
    files = listing(inside)
    head["predicate"]["files"] = [[f.path, f.size, f.sha256] for f in files]
    (folder / "head.json").write_bytes(canonical(head) + b"\n")


DEEP = b"[" * 200_000
HUGE_NUMBER = b'{"format": ' + b"9" * 10_000 + b"}"
BAD_JSON: dict[str, bytes] = {
    "deep": DEEP,
    "huge number": HUGE_NUMBER,
    "duplicates": b'{"a": 1, "a": 2}',
    "infinity": b'{"a": 1e999}',
    "no object": b"[]",
    "no text": b"\xff\xfe",
    "empty": b"",
    "nothing in it": b"{}",
}


@pytest.mark.parametrize("kind", BAD_JSON)
@pytest.mark.parametrize("name", ["plan.json", "run.json", "report.json", "log.jsonl", "head.json"])
def test_bad_json_ends_in_a_sentence(bundle: Bundles, name: str, kind: str) -> None:
    folder = bundle("plain")
    if name == "head.json":
        (folder / name).write_bytes(BAD_JSON[kind])
    else:
        with_head(folder, name, BAD_JSON[kind])
    refused(folder)


def chained(entries: list[dict[str, Any]]) -> list[bytes]:
    last, lines = GENESIS, []
    for number, one in enumerate(entries):
        line = canonical({**one, "n": number, "prev": last, "at": 0})
        lines.append(line)
        last = line_hash(line)
    return lines


OPEN: dict[str, Any] = {"e": "open"}
ASK: dict[str, Any] = {"e": "ask", "probes": [0], "new": [[0, "plane", "d", 4]]}
BAD_ENTRIES: dict[str, list[dict[str, Any]]] = {
    "more labels than fit": [OPEN, {"e": "ask", "probes": [0], "new": [[0, "p", "d", 10**12]]}],
    "a size below zero": [OPEN, {"e": "ask", "probes": [0], "new": [[0, "p", "d", -1]]}],
    "a probe twice": [OPEN, {**ASK, "new": [[0, "p", "d", 4], [1, "p", "d", 4]]}],
    "an unknown probe": [OPEN, {**ASK, "probes": [7]}],
    "nothing opened": [ASK],
    "a row before an ask": [OPEN, {"e": "rows", "rows": [{"r": [0, 1], "s": "ok", "l": [1]}]}],
    "an input too far": [OPEN, ASK, {"e": "rows", "rows": [{"r": [3, 2], "s": "ok", "l": [1, 1]}]}],
    "an input twice": [OPEN, ASK, {"e": "rows", "rows": [{"i": [1, 1], "s": "ok", "l": [1, 1]}]}],
    "a label too few": [OPEN, ASK, {"e": "rows", "rows": [{"r": [0, 2], "s": "ok", "l": [1]}]}],
    "a label too big": [OPEN, ASK, {"e": "rows", "rows": [{"r": [0, 1], "s": "ok", "l": [99999]}]}],
    "a true label": [OPEN, ASK, {"e": "rows", "rows": [{"r": [0, 1], "s": "ok", "l": [True]}]}],
    "a row that is none": [OPEN, ASK, {"e": "rows", "rows": [7]}],
    "no rows": [OPEN, ASK, {"e": "rows"}],
    "another kind": [OPEN, {"e": "party"}],
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD_ENTRIES)
def test_entries_that_nobody_writes_end_in_a_sentence(bundle: Bundles, kind: str) -> None:
    folder = bundle("plain")
    with_head(folder, "log.jsonl", b"\n".join(chained(BAD_ENTRIES[kind])) + b"\n")
    assert "label log, entry" in refused(folder)


def test_sizes_that_lie_take_no_memory(bundle: Bundles) -> None:
    folder = bundle("plain")
    plan = json.loads((folder / "plan.json").read_text())
    plan["samples"]["shape"] = [3, 2**20, 2**20]
    with_head(folder, "plan.json", canonical(plan))
    refused(folder)


def test_labels_that_are_terminal_commands_are_shown_as_text(bundle: Bundles) -> None:
    folder = bundle("plain")
    report = json.loads((folder / "report.json").read_text())
    report["verdict"] = "\x1b]0;owned\x07\u202eclean"
    with_head(folder, "report.json", canonical(report))
    refused(folder)


def test_nothing_there_is_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no bundle at"):
        verify_bundle(tmp_path / "nothing")
    assert "holds no head.json" in refused(tmp_path)
    (tmp_path / "a.zip").write_bytes(b"PK\x05\x06")
    refused(tmp_path / "a.zip")


def test_random_bytes_as_a_zip_are_refused(bundle: Bundles, tmp_path: Path) -> None:
    folder = bundle("plain")
    whole = zip_bytes({"head.json": (folder / "head.json").read_bytes()})
    for cut in range(0, len(whole), 97):
        (tmp_path / "z.zip").write_bytes(whole[:cut])
        refused(tmp_path / "z.zip")
