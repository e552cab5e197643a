"""The models that rivals are measured on: held-out ones of the zoo's fifth and sixth round."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from examples.benchmarks.small_pictures.search import ROWS as SEARCHES
from examples.benchmarks.stored import Record, read
from examples.zoo.index import collect

DEVELOPMENT, HELD_OUT = "development", "held-out"
AUDITS = Path(__file__).with_name("tool.json.gz")
"""The tool's own audits of the held-out models, which it had not seen then; they have served its
development since, and its rule for small pictures has become stricter."""


def part_of(model: Record) -> str:
    """What a model serves for: held-out if it was audited there, development if it was searched for
    the null there, and else nothing.
    """
    return _parts().get(model["name"], "")


@cache
def _parts() -> dict[str, str]:
    searched = {row["name"]: DEVELOPMENT for row in read(SEARCHES)}
    return searched | {row["name"]: HELD_OUT for row in read(AUDITS)}


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
