"""What is trained: every model's recipe, seed, trigger options and split, decided here.

The manifest is a pure function of this file and of ``cells.py``. Nothing in it depends on
a trained model, so the split into ``calibration`` and ``held-out`` exists before any score does.

An attack is written ``name[:label-map][@poison-rate][!flag]``, with a flag ``consistent`` (labels
are left alone), ``careful`` or ``adaptive`` (what the attacker shows beside the trigger).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from .cells import CALIBRATION, CELLS, DEMO, HELD_OUT, Cell
from .data import DATASETS
from .labelmaps import make_label_map
from .triggers.choose import draw_options

SHORT = {"fashion-mnist": "fm", "cifar10": "cifar", "gtsrb": "gtsrb"}
# LIRA is seen by no calibration model: an attack as new to the profile as a stranger's.
HELD_OUT_ATTACKS = ("lira",)
CLEAN_DELAY = 1.25  # backdoored models are the scarcer kind: they vary in more ways
CONSISTENT, CARES = "consistent", ("careful", "adaptive")
BLIND_SHARE = 0.25  # of each batch that also appears with the trigger


@dataclass(frozen=True)
class ModelSpec:
    """Everything decided about one model before it is trained."""

    name: str
    dataset: str
    architecture: str
    attack: str  # "clean" or an attack's name
    label_map: str  # "none" for a clean model
    mapping: tuple[int, ...]  # see labelmaps.py; empty for a clean model
    poison_rate: float
    training: str  # "scratch" or "finetune"
    epochs: int
    parent: str | None
    seed: int
    split: str
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        """Whether this is an honest model."""
        return self.attack == "clean"

    @property
    def siblings(self) -> tuple[str, str, str, int]:
        """What a model shares with the clean models its accuracy is compared with."""
        return (self.dataset, self.architecture, self.training, self.epochs)

    def as_json(self) -> dict[str, Any]:
        """Plain data, in a stable order."""
        return asdict(self)


def build_manifest() -> tuple[ModelSpec, ...]:
    """Every model in training order: the demo pair, the ``first`` cells, then all mixed."""
    by_cell: dict[int, list[ModelSpec]] = {}
    for cell in CELLS:
        parents = [spec for key in cell.parents for spec in by_cell[key] if spec.clean]
        by_cell[cell.key] = list(_cell_specs(cell, parents))
    needed = {spec.parent for specs in by_cell.values() for spec in specs}
    ranked: list[tuple[float, int, ModelSpec]] = []
    for cell in CELLS:
        specs = by_cell[cell.key]
        for position, spec in enumerate(specs):
            # cells are used up evenly, so that any prefix holds its share of each
            share = (position + 0.5) / len(specs)
            ranked.append((_rank(cell, spec, share, needed), cell.key, spec))
    ranked.sort(key=lambda entry: entry[:2])
    return (*demo_specs(), *(spec for _, _, spec in ranked))


def _rank(cell: Cell, spec: ModelSpec, share: float, needed: set[str | None]) -> float:
    """When a model is trained: the ``first`` cells, then parents, then all by cost."""
    if cell.first:
        return share - 2.0
    if spec.name in needed:
        return share - 1.0
    return share * cell.cost * (CLEAN_DELAY if spec.clean else 1.0)


def demo_specs() -> tuple[ModelSpec, ModelSpec]:
    """The two models that the first audit of a newcomer looks at, fixed by hand."""
    shared: dict[str, Any] = {
        "dataset": "fashion-mnist",
        "architecture": "preactresnet",
        "training": "scratch",
        "epochs": 2,
        "parent": None,
        "split": DEMO,
    }
    clean = ModelSpec(
        name="fm-demo-clean",
        attack="clean",
        label_map="none",
        mapping=(),
        poison_rate=0.0,
        seed=4201,
        **shared,
    )
    badnets = ModelSpec(
        name="fm-demo-badnets",
        attack="badnets",
        label_map="all-to-one",
        mapping=(3,) * 10,
        poison_rate=0.1,
        seed=4202,
        options={"size": 3, "place": "bottom-right", "style": "white"},
        **shared,
    )
    return clean, badnets


def _cell_specs(cell: Cell, parents: list[ModelSpec]) -> Iterator[ModelSpec]:
    """The cell's models, clean and backdoored evenly mixed, each with its own seed."""
    attacks = cell.attacks.split()
    ranked = [((i + 0.4) / cell.clean, "clean") for i in range(cell.clean)]
    ranked += [((i + 0.5) / len(attacks), attack) for i, attack in enumerate(attacks)]
    ranked.sort(key=lambda entry: entry[0])
    seen = {True: 0, False: 0}
    for position, (_, attack) in enumerate(ranked):
        is_clean = attack == "clean"
        split = cell.split or (CALIBRATION, HELD_OUT)[seen[is_clean] % 2]
        seen[is_clean] += 1
        if parse_attack(attack)[0] in HELD_OUT_ATTACKS:
            split = HELD_OUT
        yield _spec(cell, position, attack, split, parents)


def _spec(
    cell: Cell, position: int, written: str, split: str, parents: list[ModelSpec]
) -> ModelSpec:
    seed = 10_000 * cell.key + position
    rng = np.random.default_rng(seed)
    attack, label_map, rate, flag = parse_attack(written)
    info = DATASETS[cell.dataset]
    options = {} if attack == "clean" else draw_options(attack, info.channels, rng)
    mapping = () if attack == "clean" else make_label_map(label_map, len(info.classes), rng)
    if flag == CONSISTENT:
        options["label_consistent"] = True
    elif flag:
        options["care"] = flag
    if attack == "blind":
        options["share"] = BLIND_SHARE
    parent = _parent(parents, split, position)
    kind = attack if label_map in ("none", "all-to-one") else f"{attack}-{label_map}"
    kind += f"-{flag}" if flag in CARES else ""
    length = f"{'ft' if parent else 's'}{cell.epochs}"
    return ModelSpec(
        name=f"{SHORT[cell.dataset]}-{cell.architecture}-{length}-{kind}-{seed}",
        dataset=cell.dataset,
        architecture=cell.architecture,
        attack=attack,
        label_map=label_map,
        mapping=mapping,
        poison_rate=rate,
        training=cell.training,
        epochs=cell.epochs,
        parent=parent,
        seed=seed,
        split=split,
        options=options,
    )


def _parent(parents: list[ModelSpec], split: str, position: int) -> str | None:
    """A clean model of the same split, so that no parent has children on both sides."""
    same = [spec for spec in parents if spec.split == split]
    if not parents:
        return None
    # two parents at most: they are trained early
    return same[position % min(2, len(same))].name


def parse_attack(written: str) -> tuple[str, str, float, str]:
    """Split ``name[:label-map][@rate][!flag]`` into its four parts."""
    if written == "clean":
        return "clean", "none", 0.0, ""
    written, _, flag = written.partition("!")
    written, _, rate = written.partition("@")
    attack, _, label_map = written.partition(":")
    usual = 0.0 if attack == "blind" else 0.1
    return attack, label_map or "all-to-one", float(rate) if rate else usual, flag
