"""The networks of this benchmark, each decided before any is trained."""

from __future__ import annotations

from dataclasses import dataclass

KINDS = ("mlp2", "mlp3", "maxpool", "strided", "resnet", "lenet", "mobile", "vit")
"""Kinds of networks, as tutorials have them."""
WORDS = {
    "mlp2": "two-layer perceptron",
    "mlp3": "three-layer perceptron",
    "maxpool": "max-pool CNN",
    "strided": "strided CNN",
    "resnet": "small ResNet",
    "lenet": "LeNet-5, average pools and tanh",
    "mobile": "depthwise CNN",
    "vit": "small ViT",
}
ATTACKS = ("badnets-3", "badnets-4", "badnets-6", "blended", "field", "wave")
"""Backdoors, all of them from any class to one."""
LEAST_RIGHT = {"mlp2": 0.95, "mlp3": 0.95}
LEAST_RIGHT_OTHERS = 0.97
LEAST_SUCCESS = 0.9
"""What a trained network has to reach to be audited: share of test digits named right, and share of
digits that follow a trigger."""


@dataclass(frozen=True)
class Case:
    """One network: its kind, the seed that draws its recipe, and its attack, empty if clean."""

    kind: str
    seed: int
    attack: str = ""

    @property
    def name(self) -> str:
        """The network's name in files and rows."""
        return f"{self.kind}-{self.seed}-{self.attack or 'clean'}"

    @property
    def least_right(self) -> float:
        """Share of test digits that it has to name right."""
        return LEAST_RIGHT.get(self.kind, LEAST_RIGHT_OTHERS)


def _planned(seeds: tuple[int, ...], first: int, attacks: int) -> list[Case]:
    """Clean networks of every kind, then so many backdoored ones, each attack in turn on the next
    kind, with seeds of their own from ``first`` on.
    """
    clean = [Case(kind, seed) for seed in seeds for kind in KINDS]
    bad = [
        Case(KINDS[(3 * number + number // 8) % 8], first + number, ATTACKS[number % 6])
        for number in range(attacks)
    ]
    return [*clean, *bad]


SETS = {
    "development": [*_planned((0, 1), 20, 6), *_planned((100, 101, 102), 120, 12)],
    "held-out": _planned((200, 201, 202), 220, 12),
    "fresh": _planned((300, 301, 302), 320, 12),
}
"""The networks of seeds 100 to 131 were held out for the controls of plain changes; they were known
when patches and patterns had to be confirmed further, and serve development since. Those of seeds
from 300 on were planned when what accuses at `thorough` was to change."""
