"""The recipes of the perturbations, one function each.

All work in 8-bit pixel values ``(n, c, h, w)`` float64 and may leave 0 to 255: the access mode
decides what a model receives. Each draws one direction from ``rng`` and applies it to all given
samples alike, so that a sample's input does not depend on the samples asked with it. Lengths
are given for images 32 pixels wide and grow with the image.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from auditor.probes.trigger_search.patches import draw_pattern, enlarge, unit_of
from auditor.probes.trigger_search.transforms import (
    Quantise,
    Warp,
    Wave,
    draw_warp,
    draw_wave,
    upsample,
)

Pixels = NDArray[np.float64]
Perturb = Callable[[Pixels, Pixels, np.random.Generator, float], Pixels]
"""``(samples, pool, rng, strength) -> perturbed``: ``samples`` ``(n, c, h, w)`` are perturbed,
``pool`` ``(m, c, h, w)`` holds all clean samples to borrow from."""

LATTICE_PERIOD = 8
RAY_STEPS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8, 1.0)
"""Distances asked along one ray, as shares of its strength."""


def difference(samples: Pixels, pool: Pixels, rng: np.random.Generator, strength: float) -> Pixels:
    """Add ``strength`` times the difference of two other clean images.

    A target's region, which a trigger opened from all classes, is met earlier along directions that
    real images vary in than those of natural classes. The paper's plane asks the same far away.
    """
    one, two = rng.choice(len(pool), size=2, replace=False)
    return np.asarray(samples + strength * (pool[one] - pool[two]))


def patch(samples: Pixels, _pool: Pixels, rng: np.random.Generator, strength: float) -> Pixels:
    """Paste one random pattern, ``strength`` pixels a side, at one random place.

    A network that learnt a small trigger reacts to patterns like it, elsewhere and imperfect, with
    the target; a clean one keeps the label or answers with the object's look-alike.
    """
    pattern, side = _pattern(samples, rng, strength)
    row = int(rng.integers(samples.shape[2] - side + 1))
    column = int(rng.integers(samples.shape[3] - side + 1))
    patched = samples.copy()
    patched[:, :, row : row + side, column : column + side] = pattern
    return patched


def lattice(samples: Pixels, _pool: Pixels, rng: np.random.Generator, strength: float) -> Pixels:
    """Paste one random pattern, ``strength`` pixels a side, every 8 pixels.

    A group test of :func:`patch` at all places at once: a trigger fires beside other copies.
    """
    pattern, side = _pattern(samples, rng, strength)
    period = LATTICE_PERIOD * unit_of((1, *samples.shape[2:]))
    row, column = (int(value) for value in rng.integers(0, period, 2))
    patched = samples.copy()
    for top in range(row, samples.shape[2] - side + 1, period):
        for left in range(column, samples.shape[3] - side + 1, period):
            patched[:, :, top : top + side, left : left + side] = pattern
    return patched


def _pattern(
    samples: Pixels, rng: np.random.Generator, strength: float
) -> tuple[NDArray[np.uint8], int]:
    channels, height, width = samples.shape[1:]
    unit = unit_of((channels, height, width))
    cells = int(strength)
    side = min(unit * cells, height, width)
    return enlarge(draw_pattern(rng, channels, max(1, side // unit)), side), side


def smooth(points: int) -> Perturb:
    """A perturbation that adds a smooth field of ``points`` x ``points`` random signs."""

    def field(samples: Pixels, _pool: Pixels, rng: np.random.Generator, strength: float) -> Pixels:
        """Add a smooth random field of ``strength`` grey levels.

        Triggers that spread over the image (Blended, SSBA, LIRA, Low Frequency, WaNet's shading)
        answer to fields that resemble them in part, as natural features do not.
        """
        channels, height, width = samples.shape[1:]
        shape = (1 if rng.random() < 0.5 else channels, points, points)
        signs = np.where(rng.random(shape) < 0.5, -1.0, 1.0)
        return np.asarray(samples + strength * upsample(signs, height, width))

    return field


def noise(samples: Pixels, _pool: Pixels, rng: np.random.Generator, strength: float) -> Pixels:
    """Add plus or minus ``strength`` grey levels to every value.

    Steganographic triggers (SSBA, LIRA) and dithering (BPP) are high-frequency residues like noise.
    """
    signs = np.where(rng.random(samples.shape[1:]) < 0.5, -1.0, 1.0)
    return np.asarray(samples + strength * signs)


def wave(samples: Pixels, _pool: Pixels, rng: np.random.Generator, strength: float) -> Pixels:
    """Add a sinusoid of ``strength`` grey levels, 2 to 10 waves an image, any phase.

    SIG's trigger is one such wave, and a network trained with it answers to its neighbours in
    frequency.
    """
    drawn: Wave = draw_wave(rng, 10, strength)
    return np.asarray(samples + drawn.texture(*samples.shape[2:]))


def warp(samples: Pixels, _pool: Pixels, rng: np.random.Generator, strength: float) -> Pixels:
    """Bend the image by a mean of ``strength`` pixels: WaNet's trigger is one fixed bend."""
    drawn: Warp = draw_warp(rng, 4, strength * unit_of((1, *samples.shape[2:])))
    return drawn.apply(np.clip(np.rint(samples), 0, 255).astype(np.uint8)).astype(np.float64)


def quantise(samples: Pixels, _pool: Pixels, rng: np.random.Generator, strength: float) -> Pixels:
    """Round to ``strength`` grey levels, with dithering every other time.

    BPP's trigger is that and nothing else.
    """
    drawn = Quantise(int(strength), dithered=bool(rng.random() < 0.5))
    return drawn.apply(np.clip(np.rint(samples), 0, 255).astype(np.uint8)).astype(np.float64)


def blend(samples: Pixels, pool: Pixels, rng: np.random.Generator, strength: float) -> Pixels:
    """Mix in ``strength`` (0 to 1) of one other clean image.

    Clean networks name one of the two images; a third label that keeps winning is the network's
    answer to weak evidence.
    """
    other = pool[int(rng.integers(len(pool)))]
    return np.asarray((1.0 - strength) * samples + strength * other)


def blend_noise(
    samples: Pixels, _pool: Pixels, rng: np.random.Generator, strength: float
) -> Pixels:
    """Mix in ``strength`` (0 to 1) of one fixed image of random pixels.

    Blended's trigger is a fixed image mixed in.
    """
    return np.asarray(
        (1.0 - strength) * samples + strength * rng.uniform(0.0, 255.0, samples.shape[1:])
    )


def spectrum(samples: Pixels, pool: Pixels, rng: np.random.Generator, strength: float) -> Pixels:
    """Move the amplitude spectrum by ``strength`` (0 to 1) towards another image's, phases kept.

    Phases hold the content of an image, so natural labels mostly stay; triggers set in the spectrum
    (Low Frequency, SIG) do not need them.
    """
    other = pool[int(rng.integers(len(pool)))]
    own = np.fft.rfft2(samples)
    amplitude = (1.0 - strength) * np.abs(own) + strength * np.abs(np.fft.rfft2(other))
    size = (samples.shape[2], samples.shape[3])
    return np.asarray(np.fft.irfft2(amplitude * np.exp(1j * np.angle(own)), s=size))


def fade(samples: Pixels, _pool: Pixels, rng: np.random.Generator, strength: float) -> Pixels:
    """Fade the image by ``strength`` (0 to 1) into one flat colour.

    As the evidence runs out, a target's bias, raised by poisoned samples of every class, remains.
    """
    colour = rng.uniform(0.0, 255.0, (samples.shape[1], 1, 1))
    return np.asarray((1.0 - strength) * samples + strength * colour)


def occlude(samples: Pixels, _pool: Pixels, rng: np.random.Generator, strength: float) -> Pixels:
    """Cover a random rectangle of ``strength`` (0 to 1) of the image with one flat colour: a local
    :func:`fade`.
    """
    channels, height, width = samples.shape[1:]
    ratio = float(np.exp(rng.uniform(-0.7, 0.7)))
    rows = min(height, max(1, round(height * np.sqrt(strength) * ratio)))
    columns = min(width, max(1, round(width * np.sqrt(strength) / ratio)))
    top, left = int(rng.integers(height - rows + 1)), int(rng.integers(width - columns + 1))
    covered = samples.copy()
    covered[:, :, top : top + rows, left : left + columns] = rng.uniform(0, 255, (channels, 1, 1))
    return covered


def blank(samples: Pixels, _pool: Pixels, rng: np.random.Generator, strength: float) -> Pixels:
    """No sample at all: a smooth random image of ``strength`` x ``strength`` colours. Planted
    features answer there too.
    """
    channels, height, width = samples.shape[1:]
    points = int(strength)
    drawn = rng.uniform(0.0, 255.0, (len(samples), channels, points, points))
    return np.stack([upsample(one, height, width) for one in drawn])


def ray(samples: Pixels, pool: Pixels, rng: np.random.Generator, strength: float) -> Pixels:
    """Walk from one sample towards another, eight steps up to ``strength`` times their distance;
    all of ``samples`` are the one sample.

    A trigger moves the target's region near to every sample, so a third label comes in before the
    other sample's.
    """
    other = pool[int(rng.integers(len(pool)))]
    steps = strength * np.asarray(RAY_STEPS[: len(samples)]).reshape(-1, 1, 1, 1)
    return np.asarray(samples + steps * (other - samples))
