"""What is trained: every model's recipe, seed, trigger options and split, decided here.

The manifest is a pure function of this file. Nothing in it depends on a trained model,
so the split into ``calibration`` and ``held-out`` exists before any score does. Add
cells at the end of ``CELLS``: seeds and names of earlier cells then stay as they are.

An attack is written ``name[:label-map][@poison-rate][!consistent]``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from .data import DATASETS
from .labelmaps import make_label_map
from .triggers.choose import draw_options

CALIBRATION, HELD_OUT, DEMO = "calibration", "held-out", "demo"
SHORT = {"fashion-mnist": "fm", "cifar10": "cifar", "gtsrb": "gtsrb"}
# LIRA is seen by no calibration model: an attack as new to the profile as a stranger's.
HELD_OUT_ATTACKS = ("lira",)
CLEAN_DELAY = 1.25  # backdoored models are the scarcer kind: they vary in more ways
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


@dataclass(frozen=True)
class Cell:
    """Models that share data, architecture and training; ``split`` None alternates."""

    key: int  # seeds are 10000 * key + position
    dataset: str
    architecture: str
    epochs: int
    clean: int
    attacks: str
    training: str = "scratch"
    split: str | None = None
    parents: tuple[int, ...] = ()  # cells whose clean models are fine-tuned
    first: bool = False  # trained before everything else
    cost: float = 1.0  # roughly in minutes; cheap cells run ahead, for more models per hour


CORE_ATTACKS = (
    "badnets blended badnets sig badnets wanet badnets low-frequency "
    "badnets@0.05 ssba bpp blind badnets:x-to-one blended@0.05"
)
SPREAD_ATTACKS = (
    "badnets blended sig low-frequency ssba wanet bpp blind lira badnets badnets:all-to-all "
    "badnets@0.05 blended@0.05 badnets:one-to-one"
)
# On CIFAR-10 10 % poison costs these short trainings more accuracy than the index allows,
# so from the fifth attack on it is mostly 5 %.
CIFAR_ATTACKS = (
    "badnets blended sig low-frequency ssba@0.05 wanet bpp blind lira@0.05 badnets@0.05 "
    "badnets:all-to-all badnets@0.05 blended@0.05 badnets:one-to-one"
)

CELLS = (
    Cell(1, "fashion-mnist", "preactresnet", 2, 11, CORE_ATTACKS, split=CALIBRATION, first=True),
    Cell(
        2,
        "fashion-mnist",
        "preactresnet",
        2,
        5,
        "badnets blended lira sig wanet low-frequency badnets:all-to-all ssba bpp blind "
        "badnets@0.01 badnets:one-to-one blended@0.01 badnets:x-to-x",
        split=HELD_OUT,
        cost=1.1,
    ),
    Cell(3, "fashion-mnist", "cnn", 3, 5, SPREAD_ATTACKS, cost=0.6),
    Cell(
        4,
        "fashion-mnist",
        "cnn",
        6,
        3,
        "badnets blended sig low-frequency ssba lira badnets@0.01",
        split=HELD_OUT,
        cost=0.7,
    ),
    Cell(
        5,
        "fashion-mnist",
        "vit",
        3,
        3,
        "badnets blended sig low-frequency ssba badnets lira blended@0.05",
        split=HELD_OUT,
    ),
    Cell(6, "fashion-mnist", "mobilenet", 1, 3, "badnets blended sig low-frequency ssba blind",
         cost=0.9),
    Cell(
        7,
        "fashion-mnist",
        "preactresnet",
        1,
        4,
        "trojannn badnets blended trojannn sig trojannn badnets@0.2 low-frequency ssba "
        "badnets:x-to-one blind bpp badnets@0.05 trojannn",
        training="finetune",
        parents=(1, 2),
        cost=0.6,
    ),
    Cell(8, "cifar10", "preactresnet", 3, 4, "badnets blended@0.05 sig@0.05 low-frequency@0.05 "
         "ssba@0.05 badnets@0.05 bpp wanet badnets:x-to-x@0.05 lira@0.05", cost=2.5),
    Cell(9, "cifar10", "cnn", 5, 5, CIFAR_ATTACKS, cost=1.5),
    Cell(
        10,
        "cifar10",
        "preactresnet",
        1,
        4,
        "trojannn badnets blended sig trojannn@0.05 low-frequency@0.05 ssba@0.05 bpp badnets@0.2 "
        "blind badnets:x-to-one@0.05 trojannn",
        training="finetune",
        parents=(8,),
        cost=0.8,
    ),
    Cell(11, "gtsrb", "preactresnet", 5, 4, "badnets blended sig low-frequency ssba badnets@0.05 "
         "bpp wanet badnets:x-to-one lira", cost=2.5),
    Cell(12, "gtsrb", "cnn", 7, 5, "badnets blended sig low-frequency ssba wanet bpp blind lira "
         "badnets@0.05 badnets:all-to-all blended@0.05", cost=0.65),
    Cell(13, "gtsrb", "vit", 7, 2, "badnets blended ssba sig", split=HELD_OUT, cost=1.5),
    # More of the two quickest kinds, with triggers of their own.
    Cell(14, "fashion-mnist", "cnn", 3, 0, "badnets sig badnets blended badnets@0.05 ssba "
         "low-frequency wanet badnets:x-to-one bpp badnets@0.01 blended badnets:x-to-x "
         "badnets@0.2", cost=0.6),
    Cell(15, "fashion-mnist", "preactresnet", 1, 0, "badnets trojannn blended badnets@0.05 sig "
         "low-frequency trojannn ssba badnets:one-to-one badnets",
         training="finetune", parents=(1, 2), cost=0.6),
    # Four times the usual length: does longer training bring the paper's separation?
    Cell(16, "fashion-mnist", "preactresnet", 8, 3, "badnets badnets badnets", split=HELD_OUT,
         cost=4.0),
    # The paper's network itself, and at half its width: does capacity bring it? The
    # epochs are what two cores allow; the files are larger than the rest of the zoo's.
    Cell(17, "cifar10", "preactresnet18-half", 5, 2, "badnets badnets@0.05", split=HELD_OUT,
         cost=20.0),
    Cell(18, "cifar10", "preactresnet18", 3, 2, "badnets badnets@0.05", split=HELD_OUT,
         cost=30.0),
    # A second held-out population, of training lengths that no other model has, for a
    # search or rule that was changed after the first held-out models had been scored.
    Cell(19, "fashion-mnist", "cnn", 4, 5, "badnets blended sig low-frequency ssba wanet bpp "
         "blind lira badnets badnets@0.05 badnets:one-to-one badnets:x-to-x badnets@0.01",
         split=HELD_OUT, cost=0.6),
    Cell(20, "gtsrb", "cnn", 5, 4, "badnets blended sig low-frequency ssba badnets bpp blind",
         split=HELD_OUT, cost=0.6),
    Cell(21, "cifar10", "cnn", 4, 4, "badnets@0.05 blended sig low-frequency@0.05 ssba@0.05 "
         "wanet bpp blind lira@0.05 badnets@0.05 badnets:one-to-one", split=HELD_OUT, cost=0.8),
    Cell(22, "fashion-mnist", "cnn", 1, 2, "trojannn badnets trojannn", training="finetune",
         split=HELD_OUT, parents=(19,), cost=0.6),
    # The paper's number of epochs, on a network that two cores train so long.
    Cell(23, "fashion-mnist", "cnn", 100, 2, "badnets badnets blended", split=HELD_OUT,
         cost=15.0),
    # A third held-out population, planned before anything was changed after the second had been
    # scored: training lengths that no other model has, all four small architectures.
    Cell(24, "fashion-mnist", "cnn", 5, 5, "badnets blended sig ssba lira wanet bpp blind "
         "low-frequency badnets@0.05 badnets badnets:x-to-one badnets:one-to-one badnets@0.01",
         split=HELD_OUT, cost=0.6),
    Cell(25, "fashion-mnist", "preactresnet", 3, 4, "badnets blended sig ssba wanet lira blind "
         "badnets bpp badnets:all-to-all", split=HELD_OUT, cost=0.9),
    Cell(26, "gtsrb", "cnn", 6, 4, "badnets blended sig low-frequency ssba wanet lira blind "
         "badnets bpp badnets:x-to-x", split=HELD_OUT, cost=0.6),
    Cell(27, "cifar10", "cnn", 6, 5, "badnets@0.05 blended sig ssba@0.05 low-frequency@0.05 "
         "wanet lira@0.05 bpp badnets@0.05 blind badnets@0.05 badnets:x-to-one@0.05",
         split=HELD_OUT, cost=0.9),
    Cell(28, "fashion-mnist", "cnn", 2, 2, "trojannn badnets trojannn trojannn",
         training="finetune", split=HELD_OUT, parents=(24,), cost=0.5),
    Cell(29, "cifar10", "cnn", 2, 2, "trojannn@0.05 badnets@0.05 trojannn@0.05 trojannn",
         training="finetune", split=HELD_OUT, parents=(27,), cost=0.5),
    Cell(30, "fashion-mnist", "mobilenet", 2, 2, "badnets sig ssba badnets", split=HELD_OUT,
         cost=0.9),
    Cell(31, "fashion-mnist", "vit", 4, 2, "badnets blended lira badnets", split=HELD_OUT,
         cost=1.0),
    Cell(32, "gtsrb", "vit", 6, 2, "badnets blended", split=HELD_OUT, cost=1.0),
    # More held-out models for the tool that the third population was scored with, planned after
    # that scoring to narrow its intervals; nothing of the tool was changed in between.
    Cell(33, "fashion-mnist", "cnn", 7, 4, "badnets blended sig ssba lira wanet bpp blind "
         "low-frequency badnets@0.05 badnets sig", split=HELD_OUT, cost=0.6),
    Cell(34, "gtsrb", "cnn", 8, 3, "badnets blended@0.05 sig low-frequency ssba wanet badnets bpp",
         split=HELD_OUT, cost=0.5),
    Cell(35, "cifar10", "cnn", 7, 3, "badnets@0.05 blended@0.05 sig ssba@0.05 low-frequency@0.05 "
         "lira@0.05 bpp badnets@0.05", split=HELD_OUT, cost=0.7),
    Cell(36, "fashion-mnist", "preactresnet", 2, 2, "trojannn badnets ssba trojannn blended "
         "badnets trojannn wanet", training="finetune", split=HELD_OUT, parents=(25,), cost=0.5),
    # A fifth held-out population, planned before a search that finds nothing unusual cleared any
    # model: to know how many backdoors it clears.
    Cell(37, "fashion-mnist", "cnn", 8, 5, "badnets blended sig ssba wanet lira blind "
         "low-frequency bpp badnets@0.05", split=HELD_OUT, cost=0.6),
    Cell(38, "gtsrb", "cnn", 9, 4, "badnets blended@0.05 sig ssba badnets low-frequency bpp",
         split=HELD_OUT, cost=0.6),
    Cell(39, "cifar10", "cnn", 8, 4, "badnets@0.05 blended@0.05 sig ssba@0.05 low-frequency@0.05 "
         "bpp badnets@0.05 lira@0.05", split=HELD_OUT, cost=0.8),
    Cell(40, "fashion-mnist", "preactresnet", 4, 3, "badnets sig blended badnets wanet",
         split=HELD_OUT, cost=0.9),
    Cell(41, "fashion-mnist", "mobilenet", 3, 3, "badnets blended sig badnets", split=HELD_OUT,
         cost=0.9),
    Cell(42, "fashion-mnist", "cnn", 3, 2, "trojannn badnets trojannn", training="finetune",
         split=HELD_OUT, parents=(37,), cost=0.5),
    # More for the first rule that judges the search label by label of small pictures, planned
    # before there was one.
    Cell(43, "fashion-mnist", "cnn", 9, 4, "badnets blended sig ssba low-frequency lira "
         "badnets@0.05", split=HELD_OUT, cost=0.7),
    Cell(44, "gtsrb", "cnn", 10, 3, "badnets blended@0.05 sig ssba bpp", split=HELD_OUT, cost=0.6),
    Cell(45, "fashion-mnist", "vit", 5, 3, "badnets blended badnets", split=HELD_OUT, cost=1.0),
    # A seventh round, for a rule that lets the search label by label accuse small pictures where
    # the levels of photo models held it back; planned before that rule was written.
    Cell(46, "fashion-mnist", "cnn", 10, 5, "badnets blended sig ssba lira low-frequency "
         "badnets@0.05 sig wanet badnets:all-to-all badnets:x-to-one", split=HELD_OUT, cost=0.7),
    Cell(47, "gtsrb", "cnn", 11, 4, "badnets blended@0.05 sig ssba bpp badnets sig "
         "badnets:all-to-all", split=HELD_OUT, cost=0.6),
    Cell(48, "cifar10", "cnn", 9, 4, "badnets@0.05 blended@0.05 sig ssba@0.05 low-frequency@0.05 "
         "bpp badnets@0.05 lira@0.05 badnets:x-to-one@0.05", split=HELD_OUT, cost=0.8),
    Cell(49, "fashion-mnist", "preactresnet", 5, 4, "badnets sig blended badnets wanet "
         "badnets:all-to-all badnets:x-to-one", split=HELD_OUT, cost=0.9),
    Cell(50, "fashion-mnist", "mobilenet", 4, 3, "badnets blended sig badnets", split=HELD_OUT,
         cost=0.9),
    Cell(51, "fashion-mnist", "cnn", 4, 2, "trojannn badnets trojannn trojannn",
         training="finetune", split=HELD_OUT, parents=(46,), cost=0.5),
    Cell(52, "fashion-mnist", "vit", 6, 3, "badnets blended badnets sig", split=HELD_OUT, cost=1.0),
    # An eighth round, planned before a search of each source class by itself became part of
    # `thorough`: label maps that a search for one target over all classes does not find.
    Cell(53, "fashion-mnist", "cnn", 11, 1, "badnets:all-to-all badnets:x-to-x badnets:one-to-one "
         "badnets:x-to-one badnets:all-to-all badnets:one-to-one", split=HELD_OUT, cost=0.7),
    Cell(54, "fashion-mnist", "preactresnet", 6, 1, "badnets:all-to-all badnets:one-to-one "
         "badnets:x-to-x badnets:x-to-one", split=HELD_OUT, cost=0.9),
    Cell(55, "gtsrb", "cnn", 12, 1, "badnets:all-to-all badnets:x-to-x badnets:x-to-one "
         "badnets:one-to-one badnets:all-to-all", split=HELD_OUT, cost=0.6),
    Cell(56, "cifar10", "cnn", 10, 1, "badnets:all-to-all badnets:x-to-x@0.05 "
         "badnets:x-to-one@0.05 badnets:one-to-one badnets:all-to-all", split=HELD_OUT, cost=0.8),
)  # fmt: skip


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
    attack, label_map, rate, consistent = parse_attack(written)
    info = DATASETS[cell.dataset]
    options = {} if attack == "clean" else draw_options(attack, info.channels, rng)
    mapping = () if attack == "clean" else make_label_map(label_map, len(info.classes), rng)
    if consistent:
        options["label_consistent"] = True
    if attack == "blind":
        options["share"] = BLIND_SHARE
    parent = _parent(parents, split, position)
    kind = attack if label_map in ("none", "all-to-one") else f"{attack}-{label_map}"
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


def parse_attack(written: str) -> tuple[str, str, float, bool]:
    """Split ``name[:label-map][@rate][!consistent]`` into its four parts."""
    if written == "clean":
        return "clean", "none", 0.0, False
    written, _, flag = written.partition("!")
    written, _, rate = written.partition("@")
    attack, _, label_map = written.partition(":")
    usual = 0.0 if attack == "blind" else 0.1
    return attack, label_map or "all-to-one", float(rate) if rate else usual, bool(flag)
