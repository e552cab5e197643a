"""Random changes of a bundle: flip, delete, reorder, truncate, splice; and those of an author who
makes every hash fit again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from adapters.strict_json import canonical
from auditor.evidence.canonical import sha256
from auditor.evidence.chain import GENESIS, line_hash
from auditor.evidence.files import zip_bytes
from auditor.evidence.head import Listed, _root, listing, read_head
from auditor.evidence.layout import FORMAT, HEAD, OUTSIDE, WORKING
from auditor.report.json_report import report_bytes

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


# ---- an author who makes every hash fit again --------------------------------------------------

RECORDS = ("plan.json", "run.json", "report.json", "log.jsonl", "pictures.json", "profile.json")
HOSTILE: tuple[Any, ...] = (
    1e17, -1, 0, 2**53 + 1, 10**19, 1e308, -1e308, 0.5, 12_000, 70_000, 2**31,
    None, True, False, "", "0", "x" * 10_000, "\ud800", "\x1b[2J\u202e\x00", "1e17", "../../x",
    [], {}, [[]], [0] * 50_000, [1e17], ["\ud800"], {"a": 1}, [[[[]]]], [[]] * 5_000, "NaN",
)  # fmt: skip
"""Values that no audit writes where they are put."""
Step = str | int


def steps_of(value: Any, steps: tuple[Step, ...] = ()) -> Iterator[tuple[Step, ...]]:
    """Every place in a JSON value, each as the steps to it; of long lists the first few."""
    inner: list[tuple[Step, Any]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value[:4]))
    for step, one in inner:
        yield (*steps, step)
        yield from steps_of(one, (*steps, step))


def put(value: Any, steps: tuple[Step, ...], hostile: Any, how: str) -> None:
    """Change ``value`` at a place: ``replace``, ``remove`` or, in a list, ``repeat``."""
    for step in steps[:-1]:
        value = value[step]
    if how == "remove":
        del value[steps[-1]]
    elif how == "repeat" and isinstance(value, list):
        value.insert(int(steps[-1]), value[int(steps[-1])])
    else:
        value[steps[-1]] = hostile


def author(folder: Path, rng: np.random.Generator) -> str:
    """Change one value of one record, and make every hash fit; says what was done."""
    while (done := _changed_value(folder, rng)) is None:
        continue
    reseal(folder)
    return done


def _changed_value(folder: Path, rng: np.random.Generator) -> str | None:
    """The change of one value, in words; None if it was that value before."""
    names = [name for name in RECORDS if (folder / name).exists()]
    name = names[int(rng.integers(len(names)))]
    path = folder / name
    lines = path.read_text().splitlines() if name == "log.jsonl" else [path.read_text()]
    at = int(rng.integers(len(lines)))
    value = json.loads(lines[at])
    places = list(steps_of(value))
    steps = places[int(rng.integers(len(places)))]
    hostile = HOSTILE[int(rng.integers(len(HOSTILE)))]
    how = str(rng.choice(["replace", "replace", "replace", "remove", "repeat"]))
    before = canonical(value)
    put(value, steps, hostile, how)
    if canonical(value) == before:
        return None
    if name == "log.jsonl":
        entries = [value if n == at else json.loads(line) for n, line in enumerate(lines)]
        path.write_bytes(chained(entries, keep=("n" in steps or "prev" in steps)))
    elif name == "report.json":
        path.write_bytes(report_bytes(value))
    else:
        path.write_bytes(canonical(value) + b"\n")
    shown = f"{hostile!r:.30}" if how == "replace" else how
    return f"{name}[{at}] {'.'.join(map(str, steps))}: {shown}"


def chained(entries: list[dict[str, Any]], *, keep: bool = False) -> bytes:
    """A log of ``entries``, each with its number and the hash of the one before."""
    last, lines = GENESIS, []
    for number, one in enumerate(entries):
        line = canonical(one if keep else {**one, "n": number, "prev": last})
        lines.append(line + b"\n")
        last = line_hash(line)
    return b"".join(lines)


def reseal(folder: Path) -> None:
    """An unsigned head over whatever lies in ``folder``, as its author could write it."""
    inside = {path.relative_to(folder).as_posix(): path.read_bytes() for path in files_of(folder)}
    for name in (*OUTSIDE, *(name for name in inside if name.startswith("views/"))):
        inside.pop(name, None)
    (folder / "head.dsse.json").unlink(missing_ok=True)
    files = listing(inside)
    if (folder / "handover.json").exists():
        # The head goes on listing what was withheld.
        held, _ = read_head((folder / HEAD).read_bytes())
        files = sorted([*files, *(one for one in held if one.path not in inside)], key=_path)
    lines = inside.get("log.jsonl", b"").split(b"\n")[:-1]
    plan, report, run = (_object(inside, name) for name in ("plan.json", "report.json", "run.json"))
    timing = run.get("timing")
    head = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "evidence", "digest": {"sha256": _root(files)}}],
        "predicateType": "urn:xray-audit:evidence:1",
        "predicate": {
            "format": FORMAT,
            "files": [[file.path, file.size, file.sha256] for file in files],
            "plan_digest": plan.get("plan_digest"),
            "verdict": report.get("verdict"),
            "log": {
                "file": "log.jsonl",
                "entries": len(lines),
                "last": sha256(lines[-1]) if lines else GENESIS,
            },
            "finished": timing.get("finished") if isinstance(timing, dict) else None,
            "signer": None,
        },
    }
    (folder / HEAD).write_bytes(canonical(head) + b"\n")


def _path(listed: Listed) -> str:
    return listed.path


def _object(inside: dict[str, bytes], name: str) -> dict[str, Any]:
    data = inside.get(name, b"{}")
    try:
        value = json.loads(data if len(data) < 10**6 else b"{}")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def odd_file(folder: Path, rng: np.random.Generator) -> str:
    """Put something that is no file of a bundle where one is, or beside it; says what."""
    names = [path.relative_to(folder).as_posix() for path in files_of(folder)]
    name = names[int(rng.integers(len(names)))]
    where = folder / name
    kind = str(rng.choice(["link", "pipe", "folder", "foreign", "case", "empty", "view", "hidden"]))
    if kind in {"link", "pipe", "folder"}:
        where.unlink()
        if kind == "link":
            where.symlink_to("/dev/zero")
        elif kind == "pipe":
            os.mkfifo(where)
        else:
            where.mkdir()
        return f"{name} is a {kind}"
    if kind == "empty" and name != HEAD:
        where.write_bytes(b"")
        reseal(folder)
        return f"{name} is empty"
    if kind in {"view", "hidden"}:
        (folder / "views").mkdir(exist_ok=True)
        beside = "views/notes.txt" if kind == "view" else "views/.report.html"
    else:
        beside = name.upper() if kind == "case" else "verdict.txt"
    (folder / beside).write_text("no backdoor")
    reseal(folder)
    return f"{beside} was added"
