"""How long each leg takes and may take, and what the finished ones found, kept leg by leg."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from examples.benchmarks.hostile.faults import Leg, Row
from examples.benchmarks.stored import ROOT

QUIET_S = {"A": 170, "B": 120, "C": 70, "D": 30, "E": 35, "F": 25, "G": 20, "H": 95, "I": 405,
           "J": 60, "g": 80}  # fmt: skip
"""Seconds of each leg on two quiet cores, those beside the servers at once with others."""
SLACK = 4.0
"""A leg may take so many times as long, and as many times more as there is other work for each
core; then it ends without a result, and the others go on."""


def busy() -> float:
    """Other work for each core of the machine, by the load of the last minute; at least 1."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def limit(letter: str) -> float:
    """Seconds that the leg may take from now on."""
    return SLACK * QUIET_S[letter] * busy()


def announcement(letters: Sequence[str], lanes: Sequence[str]) -> str:
    """What these legs will take in all, where ``lanes`` run beside the others until E begins."""
    alone = [sum(QUIET_S[n] for n in some if n in letters) for some in ("ABC", *lanes)]
    quiet = max(alone) + sum(QUIET_S[n] for n in "EFG" if n in letters)
    return (
        f"Legs {''.join(letters)}: {quiet / 60:.0f} minutes on two quiet cores; the load here is "
        f"{busy():.1f} for each core, so about {quiet * busy() / 60:.0f} minutes, and "
        f"{SLACK * quiet * busy() / 60:.0f} at most."
    )


class Results:
    """What legs found, in one file for each of them: none is lost if a later one is ended.

    Args:
        folder: holds the files.
        resume: take what an earlier run of the same code left there.
    """

    def __init__(self, folder: Path, *, resume: bool) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        if not resume:
            for old in folder.glob("*.json"):
                old.unlink()

    def _file(self, letter: str) -> Path:
        # Leg G has two parts, and some file systems do not tell g from G.
        return self._folder / f"{'G-tests' if letter == 'g' else letter}.json"

    def read(self, letter: str) -> tuple[list[Leg], list[Row]] | None:
        """Legs and rows of ``letter``; None if it has to be run."""
        try:
            kept = json.loads(self._file(letter).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        if kept["code"] != code():
            return None
        return [(t, r, m, ok) for t, r, m, ok in kept["legs"]], [Row(**row) for row in kept["rows"]]

    def run(self, letter: str, work: Callable[[], tuple[list[Leg], list[Row]]]) -> None:
        """Keep what ``work`` finds, unless it is there already; one that fails leaves a line."""
        if self.read(letter) is not None:
            print(f"{letter}: kept from an earlier run", flush=True)
            return
        print(f"{letter}: about {QUIET_S[letter] * busy():.0f} s", flush=True)
        began = time.monotonic()
        try:
            legs, rows = work()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the other legs have their results
            legs, rows = [(f"{letter.upper()}.", "", f"no result: {error}", False)], []
        took = time.monotonic() - began
        print(f"{letter}: {took:.0f} s {legs[-1][2]}", flush=True)
        kept = {"code": code(), "legs": legs, "rows": [asdict(row) for row in rows]}
        fresh = self._file(letter).with_suffix(".part")
        fresh.write_text(json.dumps(kept), encoding="utf-8")
        fresh.replace(self._file(letter))


@functools.cache
def code() -> str:
    """Digest of the code that the legs run: what another one found says nothing about it."""
    digest = hashlib.sha256()
    for folder in ("adapters", "auditor", "examples/benchmarks/hostile"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            digest.update(file.read_bytes())
    return digest.hexdigest()
