"""Working through the manifest: resumable, by any number of processes at once.

A model is done when its record file is there and matches the manifest. A process claims
a model with a lock file that holds its id; a lock whose process is gone is taken over.
"""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fnmatch import fnmatch
from pathlib import Path

from .errors import DataMissingError
from .index import read_record
from .manifest import ModelSpec, build_manifest
from .work import make_model
from .workshop import Workshop

Report = Callable[[str], None]


def selected(pattern: str) -> list[ModelSpec]:
    """Models whose name matches, and the parents they are fine-tuned from."""
    manifest = build_manifest()
    names = {spec.name for spec in manifest if fnmatch(spec.name, pattern)}
    names |= {spec.parent for spec in manifest if spec.name in names and spec.parent}
    return [spec for spec in manifest if spec.name in names]


def is_done(spec: ModelSpec, shop: Workshop) -> bool:
    """Whether record and model file are both there."""
    record = read_record(shop.path(spec.name, ".json"), spec)
    return record is not None and shop.path(spec.name, ".onnx").exists()


def run(shop: Workshop, pattern: str, deadline: float, report: Report) -> None:
    """Train what is missing until nothing is left or ``deadline`` (``time.time()``) passes."""
    shop.out.mkdir(parents=True, exist_ok=True)
    failed: set[str] = set()
    while time.time() < deadline:
        spec = _next_claimable(selected(pattern), shop, failed)
        if spec is None:
            return
        with claimed(shop.path(spec.name, ".lock")) as mine:
            if mine and not is_done(spec, shop):
                _train_one(spec, shop, failed, report)


def _next_claimable(specs: list[ModelSpec], shop: Workshop, failed: set[str]) -> ModelSpec | None:
    """The first missing model that nobody trains and whose parent is ready."""
    for spec in specs:
        lock = shop.path(spec.name, ".lock")
        if spec.name in failed or is_done(spec, shop) or _is_held(lock):
            continue
        if spec.parent is None or shop.path(spec.parent, ".json").exists():
            return spec
    return None


def _train_one(spec: ModelSpec, shop: Workshop, failed: set[str], report: Report) -> None:
    """One model; a failure is named and skipped, and tried again by the next run."""
    try:
        record = make_model(spec, shop)
    except DataMissingError:
        raise
    except Exception as error:  # noqa: BLE001 - one broken model must not stop the others
        failed.add(spec.name)
        report(f"{spec.name}: skipped, {type(error).__name__}: {error}")
        shop.path(spec.name, ".error.txt").write_text(traceback.format_exc(), encoding="utf-8")
        return
    success = record["attack_success"]
    attack = "" if success is None else f", attack success {success:.3f}"
    report(f"{spec.name}: accuracy {record['accuracy']:.3f}{attack}, {record['seconds']:.0f} s")


@contextmanager
def claimed(lock: Path) -> Iterator[bool]:
    """Hold ``lock`` for the body; yields False where another process holds it."""
    if _is_held(lock):
        yield False
        return
    with suppress(FileNotFoundError):
        lock.unlink()
    try:
        handle = os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    except FileExistsError:
        yield False
        return
    os.write(handle, str(os.getpid()).encode())
    os.close(handle)
    try:
        yield True
    finally:
        lock.unlink(missing_ok=True)


def _is_held(lock: Path) -> bool:
    """Whether the lock names a process that lives."""
    try:
        os.kill(int(lock.read_text()), 0)
    except (OSError, ValueError):
        return False
    return True
