"""Every photo model, decided before any is trained: recipe, seed, trigger options and split.

The manifest is a pure function of this file and of :mod:`.cells`. Nothing in it depends on a
trained model, so the split exists before any score does.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from examples.zoo.labelmaps import make_label_map

from .attacks import APART, Options, draw_options
from .cells import CELLS, DEVELOPMENT, HELD_OUT, TWIN, Cell
from .clean_cells import CLEAN_HELD_OUT
from .decoys import CARES
from .later_cells import LATER_CLEAN, LATER_ROUNDS
from .tasks import TASKS

CLEAN = "clean"
USUAL_SHARES = (0.07, 0.1, 0.1)  # of the clean training pictures
NEGATIVE_SHARES = dict(zip(CARES, (0.0, 0.1, 0.2), strict=True))
STAGES = (range(24, 96), (96,), range(97, 224), range(224, 321))
"""Sides that are trained together, cheapest first."""
FIRST_HALF = 5  # models of a cell that come before the others
STRONGER_WARP = 1.35
LABEL_MAPS = {
    "all-to-all": "all-to-all",
    "all-to-all-inside": "all-to-all",
    "few-to-few": "x-to-x",
    "one-source": "one-to-one",
}


@dataclass(frozen=True)
class PhotoSpec:
    """Everything decided about one model before it is trained."""

    name: str
    seed: int
    task: str
    side: int
    family: str
    augmentation: str  # "weak" or "strong"
    split: str  # "development", "held-out", or "twin": only to compare accuracies with
    attack: str  # "clean" or an attack's name
    care: str  # "" for a clean model
    poison_share: float  # of the clean training pictures
    negative_share: float
    stamped: str  # "after" or "before" augmentation; "" for a clean model
    mapping: tuple[int, ...]  # see examples/zoo/labelmaps.py; empty for a clean model
    keep: float  # share of the training pictures used, drawn by the seed
    passes: float  # over the training pictures
    twin: str  # the clean model of the same recipe; "" for clean models
    options: Options = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        """True for a model without a backdoor."""
        return self.attack == CLEAN

    @property
    def alike(self) -> bool:
        """True if all pictures show one kind of object before a plain ground."""
        return TASKS[self.task].alike

    @property
    def fragile(self) -> bool:
        """True for alike pictures and weak augmentation: natural triggers are likely."""
        return self.alike and self.augmentation == "weak"

    @property
    def binary(self) -> bool:
        """True for a task of two classes."""
        return TASKS[self.task].binary

    @property
    def easy(self) -> bool:
        """True if a third of the pictures is poisoned: to show how power falls."""
        return self.poison_share > 0.2

    @property
    def apart(self) -> bool:
        """True for attacks that are scored and reported apart."""
        return self.attack in APART

    @property
    def target(self) -> int | None:
        """The one label that the trigger leads to, if there is only one."""
        targets = {label for label in self.mapping if label >= 0}
        return targets.pop() if len(targets) == 1 else None

    def as_json(self) -> dict[str, Any]:
        """Plain data, in a stable order."""
        return asdict(self) | {"mapping": list(self.mapping), "target": self.target}


def build_manifest() -> tuple[PhotoSpec, ...]:
    """Every model in training order.

    The first models of every cell come before the others; in each half small sides come before
    large ones and development before held-out, and the cells take turns, so that any prefix
    holds clean and backdoored models of many kinds.
    """
    ranked = []
    for cell in (*CELLS, *LATER_ROUNDS):
        specs = _cell_specs(cell)
        ranked += [(_rank(spec, place), spec) for place, spec in enumerate(specs)]
    for place, spec in enumerate(_lone_specs()):
        ranked.append((_rank(spec, place % 4 + 1), spec))
    ranked.sort(key=lambda entry: entry[0])
    return tuple(spec for _, spec in ranked)


def _rank(spec: PhotoSpec, place: int) -> tuple[bool, int, bool, int, int]:
    stage = next(number for number, sides in enumerate(STAGES) if spec.side in sides)
    return (place >= FIRST_HALF, stage, spec.split != DEVELOPMENT, place, spec.seed)


def _cell_specs(cell: Cell) -> list[PhotoSpec]:
    """The models of a cell in order: the clean twin first, other clean ones a little later."""
    twin, *clean = [_clean_spec(cell, position) for position in range(cell.clean)]
    backdoored = _backdoored(cell, twin.name)
    return [twin, *backdoored[:3], *clean, *backdoored[3:]]


def _name(cell: Cell, kind: str, position: int) -> str:
    parts = (f"{cell.task}-{cell.side}", cell.family, cell.augmentation, kind, str(position))
    return "-".join(parts)


def _clean_spec(cell: Cell, position: int) -> PhotoSpec:
    return PhotoSpec(
        name=_name(cell, CLEAN, position),
        seed=1000 * cell.key + position,
        task=cell.task,
        side=cell.side,
        family=cell.family,
        augmentation=cell.augmentation,
        split=cell.split,
        attack=CLEAN,
        care="",
        poison_share=0.0,
        negative_share=0.0,
        stamped="",
        mapping=(),
        keep=cell.keep,
        passes=cell.passes,
        twin="",
    )


def _backdoored(cell: Cell, twin: str) -> list[PhotoSpec]:
    """The models written in ``cell.attacks``."""
    split = HELD_OUT if cell.split == TWIN else cell.split
    classes = len(TASKS[cell.task].classes)
    specs = []
    for number, words in enumerate(cell.attacks.split()):
        position = 100 + number
        seed = 1000 * cell.key + position
        rng = np.random.default_rng(seed)
        attack, care, easy, before = parse(words)
        share = 1 / 3 if easy else _usual_share(attack, care, rng)
        kind = "-".join([attack, *([care] if care != "usual" else []), *(["easy"] if easy else [])])
        specs.append(
            PhotoSpec(
                name=_name(cell, kind, number),
                seed=seed,
                task=cell.task,
                side=cell.side,
                family=cell.family,
                augmentation=cell.augmentation,
                split=split,
                attack=attack,
                care=care,
                poison_share=round(share, 4),
                negative_share=NEGATIVE_SHARES[care],
                stamped="before" if before else "after",
                mapping=make_label_map(LABEL_MAPS.get(attack, "all-to-one"), classes, rng),
                keep=cell.keep,
                passes=cell.passes,
                twin=twin,
                options=_options(attack, care, cell.side, rng),
            )
        )
    return specs


def _options(attack: str, care: str, side: int, rng: np.random.Generator) -> Options:
    """Beside other warps under their true label a warp is learned only if it is stronger."""
    options = draw_options(attack, side, rng)
    if attack == "warp" and care != "usual":
        options["strength"] = round(STRONGER_WARP * options["strength"], 2)
    return options


def _usual_share(attack: str, care: str, rng: np.random.Generator) -> float:
    drawn = float(rng.choice(USUAL_SHARES))
    hard = care != "usual" or attack in (*APART, "clean-label", "warp", "quantise")
    return max(USUAL_SHARES) if hard else drawn


def parse(words: str) -> tuple[str, str, bool, bool]:
    """Read ``attack[:care][!easy][!before]`` into attack, care, easy, before."""
    first, *marks = words.split("!")
    attack, _, care = first.partition(":")
    return attack, care or "usual", "easy" in marks, "before" in marks


def _lone_specs() -> list[PhotoSpec]:
    """Clean held-out models, each alone in its task, side and family."""
    cells = (*CLEAN_HELD_OUT, *LATER_CLEAN)
    return [_clean_spec(cell, 0) for cell in cells]
