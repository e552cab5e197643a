"""Making one model: data, trigger, training until it is valid, checks, files."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from examples.zoo.data import Dataset
from examples.zoo.errors import ModelFileError
from examples.zoo.export import digest, export, onnx_labels
from examples.zoo.labelmaps import affected
from examples.zoo.learned import learn_ssba, learn_trojan
from examples.zoo.triggers import Trigger, save_trigger

from .attacks import make_trigger
from .index import LARGEST_LOSS, append_record, success_bar
from .manifest import PhotoSpec
from .networks import build
from .poisoning import Poison, choose, stamp
from .sources import load
from .training import Attempt, fit, labels_of

ATTEMPTS = 3  # of which the second and third go on where the one before ended
AGREEMENT = 0.995  # of the exported model's labels with torch's; ties may differ
PUSH_STEPS = 8


@dataclass(frozen=True)
class Room:
    """Where data are read and models are written."""

    data: Path
    out: Path

    @property
    def cache(self) -> Path:
        """Decoded pictures and frozen features; may be deleted at any time."""
        return self.out / "cache"

    def path(self, name: str, suffix: str) -> Path:
        """A model's file: ``.onnx``, ``.npz`` (trigger), ``.pt`` (state of a clean model)."""
        return self.out / f"{name}{suffix}"


def make_model(
    spec: PhotoSpec, room: Room, twin: dict[str, Any] | None, family: list[PhotoSpec]
) -> dict[str, Any]:
    """Train, check and save one model; its record is appended last, so it means done.

    Args:
        spec: the model.
        room: folders.
        twin: record of the clean model of the same recipe; None for a clean model.
        family: the twin's specification, in a list, if there is one.
    """
    started = time.perf_counter()
    data = load(spec.task, spec.side, room.data, room.cache)
    parent = load_twin(family[0], data, room) if family else None
    trigger = None if spec.clean else find_trigger(spec, data, parent)
    poison = choose(spec, data.y_train)
    if spec.attack == "clean-label" and parent is not None:
        data = _pushed(spec, data, poison, parent)
    net, facts = _train(spec, room, twin, data, poison, trigger, parent)
    if spec.clean:
        torch.save(net.state_dict(), room.path(spec.name, ".pt"))
    if trigger is not None:
        save_trigger(trigger, room.path(spec.name, ".npz"))
    facts |= _export(spec, data, net, room)
    facts["seconds"] = round(time.perf_counter() - started, 1)
    record = spec.as_json() | facts
    append_record(room.out, record)
    return record


def load_twin(spec: PhotoSpec, data: Dataset, room: Room) -> nn.Module:
    """The trained clean twin.

    Raises:
        ModelFileError: its state is missing or does not fit.
    """
    net = build(spec.family, data.info, spec.seed)
    path = room.path(spec.name, ".pt")
    try:
        net.load_state_dict(torch.load(path, weights_only=True))
    except Exception as error:  # a damaged file raises whatever its first bad byte causes
        raise ModelFileError(f"{path} could not be loaded: {error}") from error
    return net.eval()


def find_trigger(spec: PhotoSpec, data: Dataset, parent: nn.Module | None) -> Trigger:
    """The trigger, drawn from the seed or learned with it."""
    if spec.attack == "sample-specific":
        return learn_ssba(data, spec.options, spec.seed)
    if spec.attack == "trojan":
        assert parent is not None
        return learn_trojan(parent, data, spec.options, spec.seed)
    return make_trigger(spec.attack, data.info, spec.options, spec.seed)


def _train(
    spec: PhotoSpec, room: Room, twin: dict[str, Any] | None, data: Dataset, poison: Poison,
    trigger: Trigger | None, parent: nn.Module | None,
) -> tuple[nn.Module, dict[str, Any]]:  # fmt: skip
    """Train until the model is valid, at most three times in a row; the last state counts."""
    started = time.perf_counter()
    net = build(spec.family, data.info, spec.seed)
    if spec.attack == "trojan" and parent is not None:
        net.load_state_dict(parent.state_dict())
    earlier: list[dict[str, Any]] = []
    while True:
        attempt = Attempt(spec, data, poison, trigger, room.cache, len(earlier))
        if earlier:
            torch.manual_seed(attempt.seed)
        again = earlier or spec.attack == "trojan"
        fit(net, attempt, rate_factor=0.5 if again else 1.0)
        measured = _measure(spec, data, trigger, net)
        facts = measured | {
            "attempt": len(earlier),
            "earlier": list(earlier),
            "poisoned": len(poison.triggered),
            "negatives": len(poison.negatives) + len(poison.spared),
            "training_pictures": len(poison.kept),
            "seconds_training": round(time.perf_counter() - started, 1),
        }
        if twin is None or _good(spec.as_json() | facts, twin) or len(earlier) == ATTEMPTS - 1:
            return net, facts
        earlier.append({key: measured[key] for key in ("accuracy", "success")})


def _good(record: dict[str, Any], twin: dict[str, Any]) -> bool:
    return bool(
        record["accuracy"] >= twin["accuracy"] - LARGEST_LOSS
        and record["success"] >= success_bar(record)
    )


def _measure(
    spec: PhotoSpec, data: Dataset, trigger: Trigger | None, net: nn.Module
) -> dict[str, Any]:
    """Accuracy on all test pictures, and success on those that the trigger should move."""
    right = labels_of(net, data.x_test) == data.y_test
    facts: dict[str, Any] = {"accuracy": round(float(right.mean()), 4), "success": None}
    if trigger is None:
        return facts
    moved = np.flatnonzero(np.isin(data.y_test, affected(spec.mapping)))
    wanted = np.array(spec.mapping)[data.y_test[moved]]
    stamped = stamp(trigger, data.x_test[moved])
    change = np.abs(stamped.astype(np.float32) - data.x_test[moved]).mean()
    facts["success"] = round(float((labels_of(net, stamped) == wanted).mean()), 4)
    facts["accuracy_on_sources"] = round(float(right[moved].mean()), 4)
    facts["mean_change"] = round(float(change), 2)  # in 8-bit levels
    return facts


def _export(spec: PhotoSpec, data: Dataset, net: nn.Module, room: Room) -> dict[str, Any]:
    """Write the ONNX file and compare its labels with torch's."""
    path = room.path(spec.name, ".onnx")
    export(net, spec.name, data.info, path)
    images = data.x_test[:200]
    agreement = float((onnx_labels(path, images) == labels_of(net, images)).mean())
    if agreement < AGREEMENT:
        raise ModelFileError(f"{spec.name}: torch and ONNX agree on {agreement:.2%} of labels only")
    return {"bytes": path.stat().st_size, "sha256": digest(path)}


def _pushed(spec: PhotoSpec, data: Dataset, poison: Poison, parent: nn.Module) -> Dataset:
    """The data with the poisoned pictures of the target pushed away from it by the clean twin.

    Projected gradient ascent (Turner, Tsipras & Madry 2019): their own features say little, so
    that the network learns the patch.
    """
    limit = spec.options["push"]
    x_train = data.x_train.copy()
    for index in np.array_split(poison.triggered, -(-len(poison.triggered) // 32)):
        start = torch.from_numpy(data.x_train[index]).float() / 255.0
        labels = torch.from_numpy(data.y_train[index])
        x = start.clone()
        for _ in range(PUSH_STEPS):
            x.requires_grad_()
            (slope,) = torch.autograd.grad(functional.cross_entropy(parent(x), labels), x)
            x = x.detach() + limit / 4 * slope.sign()
            x = start + (x - start).clamp(-limit, limit)
            x = x.clamp(0, 1)
        x_train[index] = (x * 255.0).round().to(torch.uint8).numpy()
    return replace(data, x_train=x_train)
