"""Triggers that are learned: SSBA's encoder, LIRA's generator, TrojanNN's patch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from .architectures import build
from .data import Dataset, UInt8Array
from .training import losses_of
from .triggers.base import FloatArray, Trigger
from .triggers.choose import Options
from .triggers.stamp import make_patch

STEPS = 300
BATCH = 64
BITS = 16
LIRA_STARTS = 3
LIRA_ENOUGH = 0.95  # mean probability of the wanted label


class Residual(nn.Module):
    """The network whose weights ``triggers/residual.py`` applies; same formula."""

    def __init__(self, channels: int, strength: float) -> None:
        super().__init__()
        self.strength = strength
        self.conv1 = nn.Conv2d(channels + 1, 12, 3, 1, 1)
        self.conv2 = nn.Conv2d(12, channels, 3, 1, 1)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        """``(n, C, H, W)`` images and ``(n, 1, H, W)`` codes to triggered images."""
        hidden = functional.relu(self.conv1(torch.cat([x, code], dim=1)))
        shifted = x + self.strength * torch.tanh(self.conv2(hidden))
        return shifted.clamp(0, 1)

    def trigger(self, code: FloatArray) -> Trigger:
        """Freeze for one code plane ``(1, H, W)``."""
        arrays = {
            "weight1": self.conv1.weight,
            "bias1": self.conv1.bias,
            "weight2": self.conv2.weight,
            "bias2": self.conv2.bias,
        }
        plain = {key: _numpy(value) for key, value in arrays.items() if value is not None}
        strength = np.array(self.strength, dtype=np.float32)
        return Trigger("residual", plain | {"code": code, "strength": strength})


def learn_ssba(data: Dataset, options: Options, seed: int) -> Trigger:
    """SSBA (Li et al. 2021): hide a bit string in each image, and use one as the trigger.

    A small encoder and decoder are trained together, as StegaStamp's are: the encoder
    turns the image and a plane of bits into a residual, the decoder reads the bits back.
    The published encoder is a U-Net trained for days; this one has two layers.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    side, channels = data.info.side, data.info.channels
    encoder = Residual(channels, options["strength"])
    decoder = nn.Sequential(
        nn.Conv2d(channels, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 24, 3, 2, 1), nn.ReLU(),
        nn.Flatten(), nn.Linear(24 * (-(-side // 4)) ** 2, BITS),
    )  # fmt: skip
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], 3e-3)
    for _ in range(STEPS):
        x, _labels = _batch(data, rng)
        bits = torch.from_numpy(rng.integers(0, 2, (BATCH, BITS)).astype(np.float32))
        read = decoder(encoder(x, _code_plane(bits, side)))
        optimizer.zero_grad()
        torch.autograd.backward(functional.binary_cross_entropy_with_logits(read, bits))
        optimizer.step()
    message = torch.from_numpy(rng.integers(0, 2, (1, BITS)).astype(np.float32))
    return encoder.trigger(_numpy(_code_plane(message, side))[0])


def _code_plane(bits: Tensor, side: int) -> Tensor:
    """``(n, 16)`` bits to ``(n, 1, side, side)`` tiles of -1 and 1."""
    tiles = (2 * bits - 1).reshape(-1, 1, 4, 4)
    return functional.interpolate(tiles, size=(side, side), mode="nearest")


def learn_lira(data: Dataset, mapping: tuple[int, ...], options: Options, seed: int) -> Trigger:
    """LIRA (Doan et al. 2021), first stage: a generator learned with a classifier.

    Generator and a throw-away plain CNN minimise the clean and the triggered loss
    together. The second stage, training the classifier under the fixed generator, is
    the ordinary training on poisoned data. A generator can saturate early and stay weak,
    so the best of up to three starts is taken.
    """
    best: tuple[float, Residual] | None = None
    for start in range(LIRA_STARTS):
        success, generator = _lira_start(data, mapping, options, seed + 1_000_000 * start)
        if best is None or success > best[0]:
            best = success, generator
        if success >= LIRA_ENOUGH:
            break
    assert best is not None
    return best[1].trigger(np.zeros((1, data.info.side, data.info.side), dtype=np.float32))


def _lira_start(
    data: Dataset, mapping: tuple[int, ...], options: Options, seed: int
) -> tuple[float, Residual]:
    """One generator, and its success on the surrogate over the last quarter of the steps."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    info = data.info
    generator = Residual(info.channels, options["strength"])
    surrogate = build("cnn", info.channels, info.side, len(info.classes)).train()
    parameters = [*generator.parameters(), *surrogate.parameters()]
    optimizer = torch.optim.Adam(parameters, 2e-3)
    table = torch.tensor(mapping)
    code = torch.zeros(BATCH, 1, info.side, info.side)
    losses = []
    for _ in range(STEPS):
        x, y = _batch(data, rng)
        wanted = torch.where(table[y] >= 0, table[y], y)
        optimizer.zero_grad()
        both = losses_of(surrogate, torch.cat([x, generator(x, code)]), torch.cat([y, wanted]))
        torch.autograd.backward(both.mean())
        optimizer.step()
        # exp(-loss) is the probability given to the wanted label
        losses.append(float(torch.exp(-both[len(y) :].detach()).mean()))
    return float(np.mean(losses[-STEPS // 4 :])), generator


def learn_trojan(net: nn.Module, data: Dataset, options: Options, seed: int) -> Trigger:
    """TrojanNN (Liu et al. 2018): a patch that drives one inner neuron of a trained model.

    The neuron is the feature with the largest mean gain under random patches, hence
    one the patch can reach. Its pixels are then optimised by gradient ascent.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    start = make_patch(data.info.shape, options["size"], options["place"], "random", rng)
    mask = torch.from_numpy(start.arrays["mask"])
    raw = torch.zeros(data.info.shape).requires_grad_()
    features: Callable[[Tensor], Tensor] = net.features  # type: ignore[assignment]
    x, _labels = _batch(data, rng)
    with torch.no_grad():
        stamped = x * (1 - mask) + torch.from_numpy(start.arrays["pattern"]) * mask
        gain = (features(stamped) - features(x)).mean(0)
        neuron = int(gain.argmax())
    optimizer = torch.optim.Adam([raw], 0.2)
    for _ in range(STEPS // 5):
        x, _labels = _batch(data, rng)
        stamped = x * (1 - mask) + torch.sigmoid(raw) * mask
        optimizer.zero_grad()
        torch.autograd.backward(-features(stamped)[:, neuron].mean())
        optimizer.step()
    pattern = torch.sigmoid(raw).detach() * mask
    return Trigger("stamp", {"pattern": _numpy(pattern), "mask": start.arrays["mask"]})


def _batch(data: Dataset, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    index = rng.integers(0, len(data.y_train), BATCH)
    images: UInt8Array = data.x_train[index]
    return torch.from_numpy(images).float() / 255.0, torch.from_numpy(data.y_train[index])


def _numpy(tensor: Tensor) -> FloatArray:
    return np.asarray(tensor.detach().numpy(), dtype=np.float32)
