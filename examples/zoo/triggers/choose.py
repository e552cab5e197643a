"""The options of a model's trigger, drawn per model, and the triggers that need no training."""

from __future__ import annotations

from typing import Any

import numpy as np

from .additive import make_low_frequency, make_sinusoid
from .base import Trigger
from .quantise import make_quantiser
from .stamp import EDGES, make_blend, make_patch
from .warp import make_warp

Options = dict[str, Any]

ATTACKS = (
    "badnets", "blended", "ssba", "low-frequency", "bpp",
    "wanet", "sig", "trojannn", "lira", "blind",
)  # fmt: skip
LEARNED = ("ssba", "trojannn", "lira")


def draw_options(attack: str, channels: int, rng: np.random.Generator) -> Options:
    """Vary the trigger from model to model, within what the papers and BackdoorBench use."""

    def pick(*values: Any) -> Any:
        return values[int(rng.integers(len(values)))]

    if attack in ("badnets", "trojannn"):
        sizes = (3, 3, 4, 5) if attack == "badnets" else (4, 5, 6)
        styles = ("white", "checker", "random") + (("colour",) if channels == 3 else ())
        return {"size": pick(*sizes), "place": pick(*EDGES), "style": pick(*styles)}
    if attack == "blind":
        return {"size": pick(3, 5), "place": pick(*EDGES), "style": pick("cross", "checker")}
    makers: dict[str, Options] = {
        "blended": {"alpha": pick(0.15, 0.2), "style": pick("noise", "scene")},
        "ssba": {"strength": pick(0.08, 0.1)},
        "low-frequency": {"delta": pick(0.12, 0.15), "order": pick(3, 4, 6)},
        "bpp": {"levels": pick(4, 5) if channels == 1 else pick(4, 5, 6)},
        "wanet": {"points": pick(4, 6), "strength": pick(1.0, 1.5)},
        "sig": {"delta": pick(30, 40) / 255, "frequency": pick(4, 6, 8)},
        "lira": {"strength": pick(0.08, 0.1)},
    }
    return makers[attack]


def make_trigger(
    attack: str, shape: tuple[int, int, int], options: Options, rng: np.random.Generator
) -> Trigger:
    """Build a trigger that needs no trained network."""
    if attack in ("badnets", "blind"):
        return make_patch(shape, options["size"], options["place"], options["style"], rng)
    if attack == "blended":
        return make_blend(shape, options["alpha"], options["style"], rng)
    if attack == "low-frequency":
        return make_low_frequency(shape, options["delta"], options["order"], rng)
    if attack == "bpp":
        return make_quantiser(options["levels"])
    if attack == "wanet":
        return make_warp(shape, options["points"], options["strength"], rng)
    if attack == "sig":
        return make_sinusoid(shape, options["delta"], options["frequency"], rng)
    raise ValueError(f"{attack!r} has no trigger that is made without a trained network")
