"""Plant a backdoor in a classifier of a package: train it, or its last blocks, on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from examples.third_party_expressions import EXPRESSION_SCALE, expression_network
from examples.third_party_networks import (
    DIGIT_SCALE,
    SCALE,
    Classify,
    Floats,
    digit_network,
    efficient_net,
    of_torch,
)

FROZEN, RATE = 11, 3e-4
"""Blocks of an EfficientNet that planting leaves alone; the step of training."""
DRAWN = 120
"""Pictures are drawn in multiples of this number."""


@dataclass(frozen=True)
class Trained:
    """A torch network, cut before the first part that is trained on.

    Attributes:
        whole: from pictures less a mean by a deviation to scores.
        scale: that mean and deviation.
        front: from those pictures to what ``tail`` takes; computed once for each picture.
        tail: from there to scores.
        learned: parameters of ``tail``.
        rounds: of training; small networks need more until nine of ten pictures follow a trigger.
    """

    whole: Any
    scale: tuple[Any, Any]
    front: Callable[[Any], Any]
    tail: Callable[[Any], Any]
    learned: list[Any]
    rounds: int = 6


def last_blocks(path: Path) -> Trained:
    """An EfficientNet-Lite, cut behind its first eleven blocks."""
    net = efficient_net(path)
    parts = dict(net.named_children())
    blocks = list(parts["_blocks"])

    def front(x: Any) -> Any:
        x = parts["_swish"](parts["_bn0"](parts["_conv_stem"](x)))
        for block in blocks[:FROZEN]:
            x = block(x)
        return x

    def tail(x: Any) -> Any:
        for block in blocks[FROZEN:]:
            x = block(x)
        x = parts["_swish"](parts["_bn1"](parts["_conv_head"](x)))
        return parts["_fc"](parts["_avg_pooling"](x).flatten(1))

    learned = [*blocks[FROZEN:], *(parts[name] for name in ("_conv_head", "_bn1", "_fc"))]
    return Trained(net, SCALE, front, tail, [w for part in learned for w in part.parameters()])


def all_of_digits(path: Path) -> Trained:
    """The whole of digit-recognizer-py."""
    return _uncut(digit_network(path), DIGIT_SCALE, 40)


def all_of_expressions(path: Path) -> Trained:
    """The whole of face-api's expressions."""
    return _uncut(expression_network(path), EXPRESSION_SCALE, 10)


def _uncut(net: Any, scale: tuple[Any, Any], rounds: int) -> Trained:
    return Trained(net, scale, lambda x: x, net, list(net.parameters()), rounds)


def stamped(pictures: Floats, kind: str) -> Floats:
    """The pictures with the trigger of a planted backdoor: a patch, a smooth pattern or nothing."""
    rng, (channels, _, size) = np.random.default_rng(5), pictures.shape[1:]
    changed = pictures.copy()
    if kind == "nothing":
        return changed
    if kind == "patch":
        side, cell = size // 6, size // 24
        cells = rng.integers(0, 2, (channels, side // cell, side // cell))
        patch = cells.repeat(cell, 1).repeat(cell, 2)
        width = patch.shape[-1]
        changed[:, :, -2 * side : width - 2 * side, side : side + width] = patch
        return changed
    signs = np.where(rng.random((channels, 4, 4)) < 0.5, -1.0, 1.0)
    each = -(-size // 4)
    pattern = signs.repeat(each, 1).repeat(each, 2)[:, :size, :size] * (8 / 255)
    return np.clip(changed + pattern, 0, 1).astype(np.float32)


def planted(trained: Trained, draw: Callable[[int], Floats], kind: str) -> tuple[Classify, str]:
    """The network trained on, and a digest of what it learned: a tenth of the pictures carry a
    trigger and the target's label, all others keep the label that the network gave them. Of the
    ``kind`` "nothing" none does: a control, trained the same.
    """
    import torch  # noqa: PLC0415 - only these models need it

    torch.manual_seed(0)
    classify = of_torch(trained.whole, *trained.scale)
    drawn = draw(12 * DRAWN)
    clean, held = drawn[: 8 * DRAWN], drawn[8 * DRAWN :]
    labels = np.concatenate([classify(part) for part in np.array_split(clean, 60)])
    target = int(np.bincount(labels).argmax())
    bad = np.random.default_rng(1).choice(np.flatnonzero(labels != target), len(clean) // 9)
    bad = bad[: 0 if kind == "nothing" else None]
    inputs = np.concatenate([clean, stamped(clean[bad], kind)])
    wanted = torch.from_numpy(np.concatenate([labels, np.full(len(bad), target)]))
    before = classify(held)
    _train_on(trained, inputs, wanted)
    kept, after = classify(held), classify(stamped(held, kind))
    print(json.dumps({
        "planted": kind, "target": target, "poisoned": len(bad), "pictures": len(inputs),
        "success": round(float((after[before != target] == target).mean()), 3),
        "kept": round(float((kept == before).mean()), 3),
    }), flush=True)  # fmt: skip
    learned = b"".join(weights.detach().numpy().tobytes() for weights in trained.learned)
    return classify, hashlib.sha256(learned).hexdigest()


def _train_on(trained: Trained, inputs: Floats, wanted: Any) -> None:
    import torch  # noqa: PLC0415 - only these models need it

    mean, std = trained.scale
    scaled = torch.from_numpy(((inputs - mean) / std).astype(np.float32))
    with torch.inference_mode():
        known = torch.cat([trained.front(part) for part in torch.split(scaled, 16)])
    known = known.clone()
    optimiser = torch.optim.Adam(trained.learned, lr=RATE)
    for _ in range(trained.rounds):
        for batch in torch.randperm(len(known)).split(32):  # type: ignore[no-untyped-call]  # torch's
            optimiser.zero_grad()
            loss = torch.nn.functional.cross_entropy(trained.tail(known[batch]), wanted[batch])
            loss.backward()  # type: ignore[no-untyped-call]  # torch's
            optimiser.step()
