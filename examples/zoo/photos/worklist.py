"""Working through the manifest: resumable, by any number of processes at once."""

from __future__ import annotations

import sys
import time
import traceback
from fnmatch import fnmatch

import torch

from examples.zoo.errors import DataMissingError, ZooError
from examples.zoo.worklist import claimed

from .index import is_done, read_records
from .making import Room, make_model
from .manifest import PhotoSpec, build_manifest

STOP = "stop"  # a file of this name lets every process end after its present model
WAIT = 20  # seconds until a twin that another process trains is looked for again


def work(room: Room, pattern: str) -> None:
    """Train what is missing, and the twins it needs, until nothing is left."""
    torch.set_num_threads(1)
    room.cache.mkdir(parents=True, exist_ok=True)
    wanted = selected(pattern)
    failed: set[str] = set()
    try:
        while _train_next(wanted, room, failed):
            pass
    except ZooError as error:
        print(f"photos: {error}", file=sys.stderr)
        sys.exit(4)


def selected(pattern: str) -> list[PhotoSpec]:
    """Models whose name matches, and the twins they are compared with, in training order."""
    manifest = build_manifest()
    names = {spec.name for spec in manifest if fnmatch(spec.name, pattern)}
    names |= {spec.twin for spec in manifest if spec.name in names}
    return [spec for spec in manifest if spec.name in names]


def _train_next(specs: list[PhotoSpec], room: Room, failed: set[str]) -> bool:
    """Train the first model that can be claimed; False if nothing is left to do."""
    if (room.out / STOP).exists():
        return False
    records = read_records(room.out)
    missing = [s for s in specs if not is_done(s, room.out, records) and s.name not in failed]
    missing = [s for s in missing if s.twin not in failed]
    by_name = {spec.name: spec for spec in specs}
    for spec in missing:
        if spec.twin and spec.twin not in records:
            continue
        with claimed(room.path(spec.name, ".lock")) as mine:
            if not mine or is_done(spec, room.out, read_records(room.out)):
                continue
            _train_one(spec, room, records.get(spec.twin), by_name, failed)
            return True
    if missing:
        time.sleep(WAIT)
    return bool(missing)


def _train_one(
    spec: PhotoSpec, room: Room, twin: dict | None, by_name: dict[str, PhotoSpec], failed: set[str]
) -> None:
    """One model; a failure is named and skipped, and tried again by the next run."""
    try:
        record = make_model(spec, room, twin, [by_name[spec.twin]] if twin else [])
    except DataMissingError:
        raise
    except Exception as error:  # noqa: BLE001 - one broken model must not stop the others
        failed.add(spec.name)
        _say(f"{spec.name}: skipped, {type(error).__name__}: {error}")
        room.path(spec.name, ".error.txt").write_text(traceback.format_exc(), encoding="utf-8")
        return
    beside = "" if twin is None else f" (twin {twin['accuracy']:.3f})"
    success = "" if record["success"] is None else f", success {record['success']:.3f}"
    tries = f", attempt {record['attempt'] + 1}, {record['seconds']:.0f} s"
    _say(f"{spec.name}: accuracy {record['accuracy']:.3f}{beside}{success}{tries}")


def _say(line: str) -> None:
    print(time.strftime("%H:%M:%S"), line, flush=True)
