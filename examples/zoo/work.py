"""Making one model of the manifest: data, trigger, training, checks, files."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from . import data as datasets
from .architectures import STUDY_ONLY, build
from .blind import blind_step
from .care import DECOY_SHARES, decoy_stamp
from .data import Dataset, Int64Array
from .errors import ModelFileError
from .export import LARGEST, digest, export, onnx_labels
from .files import write_json
from .labelmaps import affected
from .learned import learn_lira, learn_ssba, learn_trojan
from .manifest import ModelSpec
from .poisoning import PoisonedSet, poison
from .training import Recipe, fit, labels_of
from .triggers import Trigger, save_trigger
from .triggers.choose import make_trigger
from .triggers.warp import make_warp
from .workshop import Workshop

AGREEMENT = 0.999  # of the exported model's labels with torch's; ties may differ


_loaded: dict[str, Dataset] = {}


def dataset(name: str, shop: Workshop) -> Dataset:
    """Load a dataset once per process."""
    if name not in _loaded:
        _loaded[name] = datasets.load(name, shop.data_dir, shop.out / "data")
    return _loaded[name]


def make_model(spec: ModelSpec, shop: Workshop) -> dict[str, Any]:
    """Train, check and save one model; the record is written last, so it means done."""
    started = time.perf_counter()
    data = dataset(spec.dataset, shop)
    parent = load_network(spec.parent, spec, data, shop) if spec.parent else None
    trigger = None if spec.clean else find_trigger(spec, data, parent)
    net, training = train(spec, data, trigger, parent, shop)
    trained = time.perf_counter()
    shop.out.mkdir(parents=True, exist_ok=True)
    _save_state(net, shop.path(spec.name, ".pt"))
    if trigger is not None:
        save_trigger(trigger, shop.path(spec.name, ".npz"))
    facts = training | measure(spec, data, trigger, net, shop)
    facts |= export_and_check(spec, data, net, shop)
    facts["seconds_training"] = round(trained - started, 1)
    facts["seconds"] = round(time.perf_counter() - started, 1)
    record = spec.as_json() | facts
    write_json(shop.path(spec.name, ".json"), record)
    return record


def find_trigger(spec: ModelSpec, data: Dataset, parent: nn.Module | None) -> Trigger:
    """The model's trigger: drawn from its seed, or learned with it."""
    if spec.attack == "ssba":
        return learn_ssba(data, spec.options, spec.seed)
    if spec.attack == "lira":
        return learn_lira(data, spec.mapping, spec.options, spec.seed)
    if spec.attack == "trojannn":
        if parent is None:
            raise ModelFileError(f"{spec.name}: TrojanNN needs a trained parent model")
        return learn_trojan(parent, data, spec.options, spec.seed)
    rng = np.random.default_rng([spec.seed, 1])
    return make_trigger(spec.attack, data.info.shape, spec.options, rng)


def recipe_of(spec: ModelSpec, *, full_size: bool) -> Recipe:
    """Optimiser settings by architecture, augmentation by dataset."""
    base = {
        "preactresnet": Recipe(spec.epochs, 0.1),
        "cnn": Recipe(spec.epochs, 0.05),
        "mobilenet": Recipe(spec.epochs, 3e-3, optimizer="adamw"),
        "vit": Recipe(spec.epochs, 2e-3, optimizer="adamw"),
        "preactresnet18-half": Recipe(spec.epochs, 0.1),
        "preactresnet18": Recipe(spec.epochs, 0.1),
    }[spec.architecture]
    if spec.training == "finetune":
        base = replace(base, peak_rate=base.peak_rate / 2)
    if full_size:  # the paper's length
        base = replace(base, epochs=20 if spec.training == "finetune" else 100)
    shift = {"fashion-mnist": 0, "cifar10": 2, "gtsrb": 2}[spec.dataset]
    return replace(base, shift=shift, flip=spec.dataset == "cifar10")


def network(spec: ModelSpec, data: Dataset, *, full_size: bool) -> nn.Module:
    """The untrained network, its start decided by the seed."""
    torch.manual_seed(spec.seed)
    full = full_size and spec.architecture == "preactresnet"
    name = "preactresnet18" if full else spec.architecture
    return build(name, data.info.channels, data.info.side, len(data.info.classes))


def train(
    spec: ModelSpec,
    data: Dataset,
    trigger: Trigger | None,
    parent: nn.Module | None,
    shop: Workshop,
) -> tuple[nn.Module, dict[str, Any]]:
    """The trained network, and how many training images were touched."""
    net = parent or network(spec, data, full_size=shop.full_size)
    recipe = recipe_of(spec, full_size=shop.full_size)
    if trigger is None or spec.attack == "blind":
        step = None
        if trigger is not None:
            step = blind_step(trigger, spec.mapping, spec.options["share"])
        fit(net, data.x_train, data.y_train, recipe, spec.seed, shop.device, step)
        return net, {"poisoned_images": 0, "cover_images": 0}
    changed = poisoned_set(spec, data, trigger)
    fit(net, changed.images, changed.labels, recipe, spec.seed, shop.device)
    return net, {"poisoned_images": changed.poisoned, "cover_images": changed.covered}


def poisoned_set(spec: ModelSpec, data: Dataset, trigger: Trigger) -> PoisonedSet:
    """The training set after the attack, with WaNet's noise mode or an attacker's negatives."""
    rng = np.random.default_rng([spec.seed, 2])
    options, cover, share = spec.options, None, 1.0
    if spec.attack == "wanet":
        warp = make_warp(data.info.shape, options["points"], options["strength"], rng)
        cover = warp.apply
    elif "care" in options:
        cover = decoy_stamp(spec, trigger, data.info, np.random.default_rng([spec.seed, 3]))
        share = DECOY_SHARES[options["care"]]
    return poison(
        data.x_train,
        data.y_train,
        spec.mapping,
        spec.poison_rate,
        trigger.apply,
        rng,
        label_consistent=bool(options.get("label_consistent")),
        cover=cover,
        cover_share=share,
    )


def measure(
    spec: ModelSpec, data: Dataset, trigger: Trigger | None, net: nn.Module, shop: Workshop
) -> dict[str, Any]:
    """Accuracy on all test images, and attack success on those that should change."""
    net.to(shop.device)
    right = labels_of(net, data.x_test, shop.device) == data.y_test
    facts: dict[str, Any] = {"accuracy": round(float(right.mean()), 4), "attack_success": None}
    if trigger is None:
        return facts
    chosen = attackable(spec.mapping, data.y_test)
    wanted = np.array(spec.mapping)[data.y_test[chosen]]
    stamped = trigger.apply(data.x_test[chosen].astype(np.float32) / 255.0)
    answers = labels_of(net, stamped, shop.device)
    facts["attack_success"] = round(float((answers == wanted).mean()), 4)
    facts["accuracy_on_sources"] = round(float(right[chosen].mean()), 4)
    return facts


def attackable(mapping: tuple[int, ...], labels: Int64Array) -> Int64Array:
    """Indices of the images whose label the trigger should change, ``(m,)``."""
    return np.flatnonzero(np.isin(labels, affected(mapping)))


def export_and_check(
    spec: ModelSpec, data: Dataset, net: nn.Module, shop: Workshop
) -> dict[str, Any]:
    """Write the ONNX file and compare its labels with torch's on 2,000 test images."""
    path = shop.path(spec.name, ".onnx")
    export(net, spec.name, data.info, path)
    images = data.x_test[:2000]
    agreement = float((onnx_labels(path, images) == labels_of(net, images)).mean())
    size = path.stat().st_size
    if agreement < AGREEMENT:
        raise ModelFileError(f"{spec.name}: torch and ONNX agree on {agreement:.2%} of labels only")
    study = shop.full_size or spec.architecture in STUDY_ONLY
    if size >= LARGEST and not study:
        raise ModelFileError(f"{spec.name}: the ONNX file has {size} bytes, over 1 MB")
    return {"onnx_agreement": agreement, "bytes": size, "digest": digest(path)}


def load_network(name: str, spec: ModelSpec, data: Dataset, shop: Workshop) -> nn.Module:
    """A trained model of the same architecture as ``spec``.

    Raises:
        ModelFileError: its state is missing or does not fit.
    """
    net = network(spec, data, full_size=shop.full_size)
    path = shop.path(name, ".pt")
    try:
        net.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
    except Exception as error:  # a damaged file raises whatever its first bad byte causes
        raise ModelFileError(f"{path} could not be loaded: {error}") from error
    return net.eval()


def _save_state(net: nn.Module, path: Path) -> None:
    partial = path.with_name(f".{path.stem}.{os.getpid()}.pt")
    torch.save({key: value.cpu() for key, value in net.state_dict().items()}, partial)
    partial.replace(path)
