"""A small classifier of known behaviour: nearest prototype, with an optional backdoor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import pytest
from numpy.typing import NDArray

from adapters.contract import InputSpec
from auditor.measured import NullCell
from auditor.probes.trigger_search.result import TriggerResult
from auditor.probes.trigger_search.sample_set import Asking
from auditor.probes.trigger_search.search import KEYS, search
from auditor.probes.trigger_search.settings import TriggerSettings
from examples.benchmarks.zoo_models import driven

SIDE, CLASSES = 24, 5
Floats = NDArray[np.float64]
T = TypeVar("T")
Backdoor = Callable[[Floats, NDArray[np.int64]], Floats]
NULL = {key: NullCell(-2.5, 0.6, 20, 0.3) for key in KEYS}


@dataclass
class World:
    """Prototypes ``(classes, c, h, w)`` in 0..255, and a model that knows them.

    ``backdoor`` adds to the logit of ``target`` given pixels and the clean answer.
    """

    spec: InputSpec
    prototypes: Floats
    target: int = 2
    backdoor: Backdoor | None = None
    asked: list[NDArray[np.float32]] = field(default_factory=list)

    def samples(self, count: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        rng = np.random.default_rng(seed)
        classes = np.arange(count, dtype=np.int64) % CLASSES
        pixels = self.prototypes[classes] + rng.normal(0, 20, (count, *self.spec.shape))
        return self.spec.from_pixels(np.clip(np.rint(pixels), 0, 255).astype(np.uint8)), classes

    def labels(self, batch: NDArray[np.float32]) -> NDArray[np.int64]:
        self.asked.append(batch.copy())
        pixels = self.spec.to_pixels(batch).astype(np.float64)
        flat, known = pixels.reshape(len(pixels), -1), self.prototypes.reshape(CLASSES, -1)
        distance = (flat**2).sum(1)[:, None] - 2 * flat @ known.T + (known**2).sum(1)
        logits = -distance / flat.shape[1] / 40.0
        if self.backdoor is not None:
            logits[:, self.target] += self.backdoor(pixels, logits.argmax(axis=1))
        return np.asarray(logits.argmax(axis=1), dtype=np.int64)

    def search(self, count: int = 100, seed: int = 1, **options: Any) -> TriggerResult:
        samples, classes = self.samples(count)
        return self.drive(search(
            samples, classes, self.spec, options.get("settings", TriggerSettings()), seed,
            options.get("null", NULL),
        ))  # fmt: skip

    def drive(self, asked: Asking[T]) -> T:
        return driven(asked, self.labels)


def make_world(channels: int = 1, backdoor: Backdoor | None = None) -> World:
    rng = np.random.default_rng(7)
    coarse = rng.uniform(40, 215, (CLASSES, channels, 4, 4))
    prototypes = coarse.repeat(SIDE // 4, axis=2).repeat(SIDE // 4, axis=3)
    low, high = (-1.5, -2.0, 0.0)[:channels], (2.5, 1.0, 1.0)[:channels]
    spec = InputSpec((channels, SIDE, SIDE), low, high)
    return World(spec, prototypes, backdoor=backdoor)


def patch_backdoor(sources: tuple[int, ...] = tuple(range(CLASSES))) -> Backdoor:
    """Fires for a white 3 x 3 patch at (20, 1), and partly for much of it."""

    def fires(pixels: Floats, clean: NDArray[np.int64]) -> Floats:
        match = (pixels[:, :, 20:23, 1:4] > 250).mean(axis=(1, 2, 3))
        strength: Floats = 300.0 * np.clip(match - 0.5, 0, None)
        return np.where(np.isin(clean, sources), strength, 0.0)

    return fires


def field_backdoor(channels: int = 1, threshold: float = 3.0) -> Backdoor:
    """Fires along one smooth field of 4 x 4 signs, from ``threshold`` grey levels of it on."""
    signs = np.where(np.random.default_rng(3).random((channels, 4, 4)) < 0.5, -1.0, 1.0)
    field_ = signs.repeat(SIDE // 4, axis=1).repeat(SIDE // 4, axis=2)
    usual = make_world(channels).prototypes

    def fires(pixels: Floats, clean: NDArray[np.int64]) -> Floats:
        along: Floats = ((pixels - usual[clean]) * field_).mean(axis=(1, 2, 3))
        return 40.0 * np.clip(along - threshold, 0, None)

    return fires


def wave_backdoor() -> Backdoor:
    """Fires along one sinusoid of six cycles across the columns."""
    wave = np.sin(2 * np.pi * 6 * np.arange(SIDE) / SIDE + 1.0)
    usual = make_world().prototypes

    def fires(pixels: Floats, clean: NDArray[np.int64]) -> Floats:
        along: Floats = ((pixels - usual[clean]) * wave).mean(axis=(1, 2, 3))
        return 80.0 * np.clip(along - 4.0, 0, None)

    return fires


def noise_backdoor() -> Backdoor:
    """Fires along one fixed pattern of signs, pixel by pixel."""
    signs = np.where(np.random.default_rng(5).random((1, SIDE, SIDE)) < 0.5, -1.0, 1.0)
    usual = make_world().prototypes

    def fires(pixels: Floats, clean: NDArray[np.int64]) -> Floats:
        along: Floats = ((pixels - usual[clean]) * signs).mean(axis=(1, 2, 3))
        return 80.0 * np.clip(along - 1.5, 0, None)

    return fires


def few_levels_backdoor() -> Backdoor:
    """Fires for pictures of at most six grey levels."""

    def fires(pixels: Floats, clean: NDArray[np.int64]) -> Floats:
        del clean
        levels = np.array([len(np.unique(picture)) for picture in pixels])
        return np.where(levels <= 6, 300.0, 0.0)

    return fires


BACKDOORS: dict[str, Backdoor | None] = {
    "clean": None,
    "patch": patch_backdoor(),
    "some-classes": patch_backdoor(sources=(0, 1, 3)),
    "field": field_backdoor(),
    "blend": field_backdoor(threshold=1.0),
    "noise": noise_backdoor(),
    "wave": wave_backdoor(),
    "quantise": few_levels_backdoor(),
}


@pytest.fixture
def worlds() -> Callable[..., World]:
    """``worlds(kind, channels=1)``: a model without or with a backdoor to label 2."""

    def make(kind: str, channels: int = 1) -> World:
        return make_world(channels, BACKDOORS[kind])

    return make
