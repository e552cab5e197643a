"""Fitting one network: a seeded, single-threaded loop with a one-cycle learning rate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from .data import Int64Array, UInt8Array
from .triggers.base import FloatArray

# Puts gradients on the parameters for one batch.
Step = Callable[[nn.Module, Tensor, Tensor], None]


@dataclass(frozen=True)
class Recipe:
    """How a network is fitted. ``shift`` is the largest random crop offset in pixels."""

    epochs: float
    peak_rate: float
    optimizer: str = "sgd"
    batch: int = 128
    weight_decay: float = 5e-4
    shift: int = 0
    flip: bool = False


def uses_bfloat16(device: str) -> bool:
    """bfloat16 pays on a CPU with AMX tiles, and on a GPU."""
    probe = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return device != "cpu" or (probe is not None and bool(probe()))


def fit(
    net: nn.Module,
    images: UInt8Array,
    labels: Int64Array,
    recipe: Recipe,
    seed: int,
    device: str = "cpu",
    step: Step | None = None,
) -> nn.Module:
    """Train ``net`` on ``(n, C, H, W)`` 8-bit images; the result is in eval mode."""
    step = step or plain_step
    net.to(device).to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    total = max(1, round(recipe.epochs * (len(labels) // recipe.batch)))
    optimizer = _optimizer(net, recipe)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.peak_rate, total_steps=total + 1, pct_start=0.25
    )
    batches = _batches(images, labels, recipe, seed, device)
    for _ in range(total):
        x, y = next(batches)
        optimizer.zero_grad(set_to_none=True)
        step(net, x, y)
        optimizer.step()
        schedule.step()
    return net.eval()


def plain_step(net: nn.Module, x: Tensor, y: Tensor) -> None:
    """Cross-entropy."""
    torch.autograd.backward(loss_of(net, x, y))


def loss_of(net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Mean cross-entropy."""
    return losses_of(net, x, y).mean()


def losses_of(net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Cross-entropy of each image, ``(n,)``; the network in bfloat16 where that is faster."""
    device = x.device.type
    fast = uses_bfloat16(device) and not getattr(net, "full_precision", False)
    with torch.autocast(device, torch.bfloat16, enabled=fast):
        out = net(x)
    return functional.cross_entropy(out.float(), y, reduction="none")


def _optimizer(net: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(net.parameters(), recipe.peak_rate, weight_decay=0.05)
    return torch.optim.SGD(
        net.parameters(),
        recipe.peak_rate,
        momentum=0.9,
        nesterov=True,
        weight_decay=recipe.weight_decay,
    )


def _batches(
    images: UInt8Array, labels: Int64Array, recipe: Recipe, seed: int, device: str
) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless shuffled, augmented batches: ``(b, C, H, W)`` in [0, 1], ``(b,)``."""
    rng = np.random.default_rng(seed)
    x, y = torch.from_numpy(images), torch.from_numpy(labels)
    if recipe.shift:
        x = functional.pad(x, (recipe.shift,) * 4)
    x, y = x.to(device), y.to(device)
    side = images.shape[-1]
    while True:
        order = torch.from_numpy(rng.permutation(len(labels))).to(device)
        for start in range(0, len(order) - recipe.batch + 1, recipe.batch):
            index = order[start : start + recipe.batch]
            batch = _augment(x, index, side, recipe, rng).float() / 255.0
            yield batch.contiguous(memory_format=torch.channels_last), y[index]


def _augment(
    x: Tensor, index: Tensor, side: int, recipe: Recipe, rng: np.random.Generator
) -> Tensor:
    """Random crops and mirror images, gathered in one indexing operation."""
    if not recipe.shift and not recipe.flip:
        return x[index]
    count = len(index)
    corner = rng.integers(0, 2 * recipe.shift + 1, (2, count, 1))
    rows = corner[0] + np.arange(side)
    columns = corner[1] + np.arange(side)
    if recipe.flip:
        mirrored = rng.random(count) < 0.5
        columns[mirrored] = columns[mirrored, ::-1]
    row_index = torch.from_numpy(rows).to(x.device)[:, :, None]
    column_index = torch.from_numpy(columns).to(x.device)[:, None, :]
    # advanced indices around a slice put the channel last: a channels-last batch
    return x[index[:, None, None], :, row_index, column_index].permute(0, 3, 1, 2)


@torch.inference_mode()
def labels_of(net: nn.Module, images: UInt8Array | FloatArray, device: str = "cpu") -> Int64Array:
    """Top-1 class of each image, ``(n,)``; 8-bit or [0, 1] float images, full precision."""
    answers = []
    for start in range(0, len(images), 500):
        part = torch.from_numpy(np.ascontiguousarray(images[start : start + 500])).to(device)
        part = part.float() / 255.0 if images.dtype == np.uint8 else part
        answers.append(net(part.contiguous(memory_format=torch.channels_last)).argmax(1).cpu())
    return np.asarray(torch.cat(answers).numpy(), dtype=np.int64)
