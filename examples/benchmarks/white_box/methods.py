"""Neural Cleanse and MM-BD on trained models of the zoo. Needs torch.

Both are own implementations with far fewer steps than published, all classes of a model at once,
in bfloat16 if the CPU has tiles for it:

Neural Cleanse (Wang et al. 2019): per class a mask and a pattern that send clean images to it,
cross-entropy plus cost times the mask's L1 norm, Adam at 0.1 with moments 0.5 and 0.9, success
bar 0.99, cost adapted to the success. Published: up to 100 epochs of 1,000 batches of 32; here
:data:`CLEANSE_STEPS` steps on :data:`CLEANSE_IMAGES` images.

MM-BD (Wang et al. 2024): per class the largest margin of its logit over every other one that an
image within range reaches from noise. Published: 300 SGD steps at 0.01 from 150 starts (the
code's), here :data:`MARGIN_STEPS` Adam steps at 0.05 from :data:`MARGIN_STARTS`.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from examples.benchmarks.stored import Record, read, write
from examples.benchmarks.zoo_models import images_for, round_of
from examples.zoo.architectures import STUDY_ONLY, build
from examples.zoo.data import DATASETS
from examples.zoo.index import collect
from examples.zoo.training import uses_bfloat16

CLEANSE_STEPS, CLEANSE_IMAGES = 150, 16
CLEANSE_RATE, CLEANSE_BAR = 0.1, 0.99
COST, COST_UP, COST_DOWN, WINDOW = 1e-3, 1.15, 1.25, 5
"""First cost of the mask's norm, its factors per step, and the steps that a success is taken
over. Published: 1e-3 as well, times 1.5 and divided by 1.5 ** 1.5, once per epoch."""
MARGIN_STEPS, MARGIN_STARTS, MARGIN_RATE = 80, 10, 0.05
MANY_CLASSES = 20
"""Above this many classes half the images and half the starts are used."""


def measure_all(path: Path, options: argparse.Namespace) -> None:
    """Measure what is not measured yet, until the minutes are spent.

    ``path`` is written after every model, so that a run that is cut off continues.
    """
    torch.set_num_threads(1)
    end = time.monotonic() + 60 * options.minutes
    rows: Record = read(path, {})
    for model in collect(options.models):
        name = model["name"]
        wanted = model["split"] == options.split and round_of(model) == options.round
        wanted &= options.only in name and not model["failed"]
        if not wanted or name in rows or model["architecture"] in STUDY_ONLY:
            continue
        if time.monotonic() > end:
            return
        started = time.process_time()
        rows[name] = measure(model, options)
        write(path, dict(sorted(rows.items())))
        print(name, f"{time.process_time() - started:.0f} s", flush=True)


def measure(model: Record, options: argparse.Namespace) -> Record:
    """Both statistics of one model, per class."""
    info = DATASETS[model["dataset"]]
    net = build(model["architecture"], info.channels, info.side, len(info.classes))
    path = options.models / f"{model['name']}.pt"
    net.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
    net = net.eval().requires_grad_(requires_grad=False)
    net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
    tests, _ = images_for(model, options)
    picked = np.random.default_rng(7).permutation(len(tests))[:600]
    images = torch.from_numpy(tests[picked].astype(np.float32) / 255.0)
    torch.manual_seed(7)
    classes = len(info.classes)
    norms, successes = cleanse(net, images, classes)
    return {
        "digest": model["digest"][:16],
        "norms": [round(value, 3) for value in norms],
        "successes": [round(value, 3) for value in successes],
        "margins": [round(value, 4) for value in margins(net, images.shape[1:], classes)],
    }


def _logits(net: nn.Module, images: Tensor) -> Tensor:
    """Logits of images of any layout, in the precision that is quick here."""
    fast = uses_bfloat16("cpu") and not getattr(net, "full_precision", False)
    with torch.autocast("cpu", torch.bfloat16, enabled=fast):
        out: Tensor = net(images.contiguous(memory_format=torch.channels_last))
    return out.float()


def cleanse(net: nn.Module, images: Tensor, classes: int) -> tuple[list[float], list[float]]:
    """Neural Cleanse for all classes at once.

    Args:
        net: the model, frozen.
        images: ``(n, c, h, w)`` clean images in [0, 1]; the last fifth is kept for the check.
        classes: number of classes.

    Returns:
        Per class the least mask norm that reached the bar (the last one if none did), and
        the success of that mask and pattern on images that the search did not use.
    """
    used = len(images) * 4 // 5
    batch = CLEANSE_IMAGES if classes <= MANY_CLASSES else CLEANSE_IMAGES // 2
    channels, height, width = images.shape[1:]
    mask = _unbounded(torch.rand(classes, 1, 1, height, width)).requires_grad_()
    pattern = _unbounded(torch.rand(classes, 1, channels, height, width)).requires_grad_()
    optimizer = torch.optim.Adam([mask, pattern], CLEANSE_RATE, betas=(0.5, 0.9))
    cost = torch.full((classes,), COST)
    hits = torch.zeros(WINDOW, classes)
    best = torch.full((classes,), float("inf"))
    kept = torch.zeros(classes, channels + 1, height, width)
    for step in range(CLEANSE_STEPS):
        chosen = images[torch.randint(used, (batch,))][None]
        soft, paint = torch.sigmoid(mask), torch.sigmoid(pattern)
        out = _logits(net, (chosen * (1 - soft) + paint * soft).flatten(0, 1))
        wanted = torch.arange(classes).repeat_interleave(batch)
        errors = functional.cross_entropy(out, wanted, reduction="none").view(classes, batch)
        norms = soft.sum((1, 2, 3, 4))
        optimizer.zero_grad()
        (errors.mean(1) + cost * norms).sum().backward()  # type: ignore[no-untyped-call]  # torch's
        hits[step % WINDOW] = (out.argmax(1) == wanted).float().view(classes, batch).mean(1)
        reached = hits.mean(0) >= CLEANSE_BAR
        better = reached & (norms < best)
        best = torch.where(better, norms.detach(), best)
        kept[better] = torch.cat([soft, paint], 2)[better, 0].detach()
        cost = torch.where(reached, cost * COST_UP, (cost / COST_DOWN).clamp(min=COST))
        optimizer.step()
    never = torch.isinf(best)
    last = torch.cat([torch.sigmoid(mask), torch.sigmoid(pattern)], 2)[:, 0].detach()
    kept[never] = last[never]
    return kept[:, 0].sum((1, 2)).tolist(), _success(net, images[used:], kept)


def _success(net: nn.Module, images: Tensor, kept: Tensor) -> list[float]:
    """Share of ``images`` that each class's mask and pattern send to it."""
    found = []
    with torch.no_grad():
        for label, one in enumerate(kept):
            soft, paint = one[:1], one[1:]
            answers = _logits(net, images * (1 - soft) + paint * soft).argmax(1)
            found.append(float((answers == label).float().mean()))
    return found


def _unbounded(values: Tensor) -> Tensor:
    """The inverse of the logistic function."""
    return torch.logit(values, eps=1e-3)


def margins(net: nn.Module, shape: tuple[int, ...], classes: int) -> list[float]:
    """MM-BD's statistic: per class the largest margin that an image in [0, 1] reaches."""
    starts = MARGIN_STARTS if classes <= MANY_CLASSES else MARGIN_STARTS // 2
    labels = torch.arange(classes).repeat_interleave(starts)
    images = torch.rand(len(labels), *shape).requires_grad_()
    optimizer = torch.optim.Adam([images], MARGIN_RATE)
    for _ in range(MARGIN_STEPS):
        optimizer.zero_grad()
        (-_margin(_logits(net, images), labels).sum()).backward()  # type: ignore[no-untyped-call]  # torch's
        optimizer.step()
        with torch.no_grad():
            images.clamp_(0.0, 1.0)
    with torch.no_grad():
        exact: Tensor = net(images)
    best: list[float] = _margin(exact, labels).view(classes, starts).amax(1).tolist()
    return best


def _margin(logits: Tensor, labels: Tensor) -> Tensor:
    """The logit of each row's label less the largest of the others."""
    own = functional.one_hot(labels, logits.shape[1]).bool()
    return logits[own] - logits.masked_fill(own, -torch.inf).amax(1)
