"""The models that rivals are measured on: held-out ones of the zoo's ninth round."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from examples.benchmarks.small_pictures import audits, search, told
from examples.benchmarks.stored import Record, read
from examples.zoo.index import collect

DEVELOPMENT, HELD_OUT = "development", "held-out"


def audited() -> list[Record]:
    """The tool's own audits of the held-out models: those of the zoo with a backdoor of a usual
    attacker, and clean ones.
    """
    return [
        row for row in audits.as_ruled(read(audits.ROWS, []))
        if not row["photo"] and audits.care(row) == "usual"
    ]  # fmt: skip


def part_of(model: Record) -> str:
    """What a model serves for: held-out if the tool was scored on it, development if it was
    searched for one of its nulls, and else nothing.
    """
    return _parts().get(model["name"], "")


@cache
def _parts() -> dict[str, str]:
    rows = [*read(search.ROWS, []), *read(told.ROWS, [])]
    return dict.fromkeys((row["name"] for row in rows), DEVELOPMENT) | dict.fromkeys(
        (row["name"] for row in audited()), HELD_OUT
    )


def models_of(folders: Iterable[Path]) -> list[tuple[Path, Record]]:
    """The finished models below ``folders`` that serve here and reached their conditions, with the
    path of their files less its suffix: development models first, clean ones first of each part.
    """
    found = [(folder / one["name"], one) for folder in folders for one in collect(folder)]
    serving = [(path, one) for path, one in found if part_of(one) and not one["failed"]]
    return sorted(serving, key=lambda pair: (part_of(pair[1]), pair[1]["attack"] != "clean"))


def group_of(model: Record) -> str:
    """``clean``, the attack, or the label map unless that is all-to-one."""
    if model["attack"] == "clean":
        return "clean"
    return str(model["attack"] if model["label_map"] == "all-to-one" else model["label_map"])
