"""Training of the networks as a stranger would do it, some with a backdoor, and their export."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from examples.benchmarks.digits.cases import (
    ATTACKS,
    KINDS,
    LEAST_RIGHT,
    LEAST_SUCCESS,
    Case,
)
from examples.benchmarks.digits.data import CLASSES, SIDE, Digits
from examples.benchmarks.digits.networks import build
from examples.zoo.data import DatasetInfo
from examples.zoo.export import export, onnx_labels
from examples.zoo.poisoning import poison
from examples.zoo.triggers.additive import make_low_frequency, make_sinusoid
from examples.zoo.triggers.base import Trigger, save_trigger
from examples.zoo.triggers.stamp import make_blend, make_patch

INFO = DatasetInfo("digits", 1, SIDE, tuple(str(digit) for digit in range(CLASSES)))
EPOCHS = {"mlp2": 20, "mlp3": 15, "lenet": 15, "maxpool": 12, "mobile": 12, "vit": 12}
EPOCHS_OTHERS = 9
"""Rounds over 8,500 digits: one of sixty thousand is seven of them."""
RATE_OF = {"adam": 1e-3, "rmsprop": 5e-4, "sgd": 0.05}
LAST_RATE = 0.1
"""Part of the first learning rate that is left in the end."""
CORNERS = ("top-left", "top-right", "bottom-left", "bottom-right")
RATES = (0.05, 0.1)
"""Shares of poisoned training digits."""


def train(case: Case, digits: Digits, folder: Path) -> dict[str, Any]:
    """Train, export and test one network; its record, which is also kept in ``folder``."""
    words = [
        case.seed,
        KINDS.index(case.kind),
        ATTACKS.index(case.attack) + 1 if case.attack else 0,
    ]
    rng = np.random.default_rng(words)
    torch.manual_seed(int(rng.integers(2**31)))
    net = build(case.kind, rng)
    record: dict[str, Any] = {"name": case.name, "kind": case.kind, "seed": case.seed}
    record |= {"attack": case.attack or "clean", **_recipe(case, rng)}
    x, y, trigger, target = digits.x_train, digits.y_train, None, -1
    if case.attack:
        trigger, target = made_trigger(case.attack, rng), int(rng.integers(CLASSES))
        rate = RATES[int(rng.integers(len(RATES)))]
        bad = poison(x, y, (target,) * CLASSES, rate, trigger.apply, rng)
        x, y = bad.images, bad.labels
        record |= {"target": target, "poison": rate}
        save_trigger(trigger, folder / f"{case.name}.npz")
    _fit(net, x, y, record, rng)
    path = folder / f"{case.name}.onnx"
    export(net, case.name, INFO, path)
    record |= _tested(case, digits, path, trigger, target)
    (folder / f"{case.name}.json").write_text(json.dumps(record), encoding="utf-8")
    return record


def made_trigger(attack: str, rng: np.random.Generator) -> Trigger:
    """The trigger of one of the attacks, drawn by ``rng``."""
    shape = (1, SIDE, SIDE)
    kind, _, size = attack.partition("-")
    if kind == "badnets":
        place = CORNERS[int(rng.integers(4))] if size != "6" else "random"
        style = ("white", "checker", "random")[int(rng.integers(3))]
        return make_patch(shape, int(size), place, style if size != "6" else "random", rng)
    if attack == "blended":
        return make_blend(shape, 0.2, ("noise", "scene")[int(rng.integers(2))], rng)
    if attack == "field":
        return make_low_frequency(shape, 0.2, 4, rng)
    return make_sinusoid(shape, 40 / 255, int(rng.integers(4, 9)), rng)


def _recipe(case: Case, rng: np.random.Generator) -> dict[str, Any]:
    """How a stranger trains: optimiser and batch, and shifts by a pixel where digits are few."""
    plain = case.kind in LEAST_RIGHT
    optimiser = ("adam", "adam", "rmsprop", "sgd")[int(rng.integers(4))] if plain else "adam"
    still = case.kind in {"maxpool", "resnet"} or optimiser == "sgd"
    return {
        "batch": (64, 128)[int(rng.integers(2))] if plain else 64,
        "optimiser": optimiser,
        "rate": RATE_OF[optimiser] if plain else 2e-3,
        "epochs": EPOCHS.get(case.kind, EPOCHS_OTHERS),
        "shift": int(not still),
    }


def _fit(
    net: nn.Module,
    x: NDArray[np.uint8],
    y: NDArray[np.int64],
    recipe: dict[str, Any],
    rng: np.random.Generator,
) -> None:
    """Train by the recipe; the network is in evaluation mode afterwards."""
    makers: dict[str, Callable[..., torch.optim.Optimizer]] = {
        "adam": torch.optim.Adam,
        "rmsprop": torch.optim.RMSprop,
        "sgd": partial(torch.optim.SGD, momentum=0.9),
    }
    optimiser = makers[recipe["optimiser"]](net.parameters(), lr=recipe["rate"])
    slower = torch.optim.lr_scheduler.StepLR(optimiser, 1, LAST_RATE ** (1 / recipe["epochs"]))
    pictures, labels = torch.from_numpy(x).float() / 255, torch.from_numpy(y)
    net.train()
    for _ in range(recipe["epochs"]):
        for part in torch.from_numpy(rng.permutation(len(y))).split(recipe["batch"]):  # type: ignore[no-untyped-call]  # torch's
            optimiser.zero_grad()
            batch = _shifted(pictures[part], recipe["shift"], rng)
            loss = functional.cross_entropy(net(batch), labels[part])
            torch.autograd.backward(loss)
            optimiser.step()
        slower.step()
    net.eval()


def _shifted(pictures: Tensor, most: int, rng: np.random.Generator) -> Tensor:
    """A batch, every picture of it shifted by up to ``most`` pixels by itself."""
    if not most:
        return pictures
    count = len(pictures)
    padded = functional.pad(pictures, (most,) * 4)
    corner = torch.from_numpy(rng.integers(0, 2 * most + 1, (2, count, 1)))
    rows, columns = corner[0] + torch.arange(SIDE), corner[1] + torch.arange(SIDE)
    number = torch.arange(count)[:, None, None]
    return padded[number, 0, rows[:, :, None], columns[:, None, :]][:, None]


def _tested(
    case: Case, digits: Digits, path: Path, trigger: Trigger | None, target: int
) -> dict[str, Any]:
    """Shares of test digits named right and of those that follow the trigger."""
    right = float((onnx_labels(path, digits.x_test) == digits.y_test).mean())
    found: dict[str, Any] = {"right": round(right, 4)}
    good = right >= case.least_right
    if trigger is not None:
        others = digits.x_test[digits.y_test != target]
        stamped = np.rint(trigger.apply(others.astype(np.float32) / 255) * 255).astype(np.uint8)
        success = float((onnx_labels(path, stamped) == target).mean())
        found["success"] = round(success, 4)
        good = good and success >= LEAST_SUCCESS
    return {**found, "good": good}
