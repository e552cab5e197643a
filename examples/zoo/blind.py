"""Blind (Bagdasaryan & Shmatikov 2021): the loss is poisoned, the data are not.

Each batch is learned twice, once as it is and once with the trigger and the label map
applied, and the two gradients are combined by MGDA's closed form for two tasks: the
smallest vector between them, so that neither task is traded for the other.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from .training import Step, losses_of
from .triggers.base import Trigger

REFRESH = 10  # steps between two computations of MGDA's weights, which cost two gradients


def blind_step(trigger: Trigger, mapping: tuple[int, ...], share: float) -> Step:
    """A training step that stamps the first ``share`` of each batch."""
    mask = torch.from_numpy(trigger.arrays["mask"])
    pattern = torch.from_numpy(trigger.arrays["pattern"])
    table = torch.tensor(mapping)
    weights, count_up = [0.5], itertools.count()

    def step(net: nn.Module, x: Tensor, y: Tensor) -> None:
        count = max(2, round(share * len(y)))
        part, truth = x[:count], y[:count]
        stamped = part * (1 - mask.to(x.device)) + pattern.to(x.device) * mask.to(x.device)
        wanted = table.to(y.device)[truth]
        wanted = torch.where(wanted >= 0, wanted, truth)
        # One pass for both: batch statistics of triggered images alone would spoil the
        # running ones, and with them the accuracy in eval mode.
        losses = losses_of(net, torch.cat([x, stamped]), torch.cat([y, wanted]))
        parameters = list(net.parameters())
        clean, dirty = losses[: len(y)].mean(), losses[len(y) :].mean()
        if next(count_up) % REFRESH == 0:
            first = torch.autograd.grad(clean, parameters, retain_graph=True)
            second = torch.autograd.grad(dirty, parameters, retain_graph=True)
            weights[0] = min_norm_weight(_flat(first), _flat(second))
        # twice: the two weights add up to 1, two losses to 2
        torch.autograd.backward(2 * (weights[0] * clean + (1 - weights[0]) * dirty))

    return step


def min_norm_weight(first: Tensor, second: Tensor) -> float:
    """The w in [0, 1] that makes ``w * first + (1 - w) * second`` shortest."""
    apart = first - second
    length = float(apart @ apart)
    return 0.5 if length == 0.0 else min(0.8, max(0.2, float(-(second @ apart)) / length))


def _flat(gradients: tuple[Tensor, ...]) -> Tensor:
    return torch.cat([gradient.flatten() for gradient in gradients])
