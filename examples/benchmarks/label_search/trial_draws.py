"""Random changes that the search does not draw: natural patches, and two changes at once.

Beside them the changes that it does draw, so that all are asked of the same samples alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.contract import InputSpec
from auditor.probes.label_search.random_changes import ADDED, KINDS, LEVELS
from auditor.probes.trigger_search.patches import Patch, draw_pattern, enlarge, unit_of
from auditor.probes.trigger_search.sample_set import Pixels
from auditor.probes.trigger_search.transforms import whole_levels

Rng = np.random.Generator
BATCH = 100
WEAK = 5.0  # mean change in levels: half of what the search draws
ONE_SIDES, THREE_SIDES = (0.11, 0.35), (0.11, 0.2)  # of natural patches, of the shorter side
TEXTURES = ("checks", "stripes", "dots", "gradient", "noise")
COPIES, CELLS = 4, 4  # of the patches that a search for patches draws


@dataclass(frozen=True)
class Samples:
    """Clean samples ``(n, c, h, w)``, the model's labels of them, and what it takes."""

    pixels: Pixels
    labels: NDArray[np.int64]
    spec: InputSpec


@dataclass(frozen=True)
class Asked:
    """The draws of one kind: the sample, its patches if they were natural, and the answer."""

    images: NDArray[np.int64]
    answers: NDArray[np.int64]
    patches: list[list[Patch]]


@dataclass(frozen=True)
class Changed:
    """A sample with one random change, and the natural patches on it."""

    image: Pixels
    patches: list[Patch]


Draw = Callable[[Samples, int, Rng], Changed]


def ask_kind(kind: str, samples: Samples, labels: Any, draws: int, rng: Rng) -> Asked:
    """Ask ``draws`` changes of ``kind``, each on one sample."""
    images, answers = rng.integers(0, len(samples.pixels), draws), np.empty(draws, np.int64)
    patches: list[list[Patch]] = []
    for first in range(0, draws, BATCH):
        changed = [TRIED[kind](samples, int(i), rng) for i in images[first : first + BATCH]]
        asked = np.stack([one.image for one in changed])
        answers[first : first + BATCH] = labels(samples.spec.from_pixels(asked))
        patches += [one.patches for one in changed]
    return Asked(images, answers, patches)


def gathered(asked: Asked, samples: Samples, classes: int) -> list[list[int]]:
    """For every label: pictures of other labels, and those of them that ended at it."""
    sources = samples.labels[asked.images]
    counted = []
    for label in range(classes):
        other = sources != label
        counted.append([int(other.sum()), int((asked.answers[other] == label).sum())])
    return counted


# ---- kinds ---------------------------------------------------------------------------------------


def _present(kind: str) -> Draw:
    """A kind that the search draws."""
    return lambda samples, number, rng: Changed(KINDS[kind](samples.pixels[number], rng), [])


def _patches(samples: Samples, number: int, rng: Rng) -> Changed:
    """Four random patches of four cells, as a search for patches draws them."""
    image = samples.pixels[number : number + 1].copy()
    channels, height, width = image.shape[1:]
    unit = unit_of((channels, height, width))
    side = CELLS * unit
    for _ in range(COPIES):
        place = (int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1)))
        Patch(enlarge(draw_pattern(rng, channels, CELLS), side), (place,)).paste(image)
    return Changed(image[0], [])


def _natural(draw: Callable[[Samples, int, int, Rng], Pixels], count: int) -> Draw:
    """``count`` natural patches, each at a random place, of a random size and turn."""
    sides = ONE_SIDES if count == 1 else THREE_SIDES

    def changed(samples: Samples, number: int, rng: Rng) -> Changed:
        image = samples.pixels[number : number + 1].copy()
        height, width = image.shape[2:]
        patches = []
        for _ in range(count):
            side = max(3, round(rng.uniform(*sides) * min(height, width)))
            pattern = np.rot90(draw(samples, number, side, rng), int(rng.integers(4)), (1, 2))
            place = (int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1)))
            patches.append(Patch(np.ascontiguousarray(pattern), (place,)))
            patches[-1].paste(image)
        return Changed(image[0], patches)

    return changed


def crop(samples: Samples, number: int, side: int, rng: Rng) -> Pixels:
    """A square of ``side`` pixels cut from a sample of another label."""
    other = np.flatnonzero(samples.labels != samples.labels[number])
    image = samples.pixels[int(rng.choice(other))]
    row, column = (int(rng.integers(length - side + 1)) for length in image.shape[1:])
    cut: Pixels = image[:, row : row + side, column : column + side]
    return cut


def texture(samples: Samples, number: int, side: int, rng: Rng) -> Pixels:  # noqa: ARG001 - as crop
    """A small texture in two random colours."""
    kind = TEXTURES[int(rng.integers(len(TEXTURES)))]
    rows, columns = np.mgrid[:side, :side]
    period = int(rng.integers(2, max(3, side // 2) + 1))
    half = period / 2
    shares: dict[str, NDArray[np.generic]] = {
        "checks": (rows // half + columns // half) % 2,
        "stripes": (rows // half) % 2,
        "dots": np.hypot(rows % period - half + 0.5, columns % period - half + 0.5) < 0.35 * period,
        "gradient": rows / max(1, side - 1),
        "noise": rng.random((side, side)),
    }
    share = shares[kind].astype(np.float64)
    one, two = rng.integers(0, 256, (2, samples.pixels.shape[1], 1, 1))
    return whole_levels(one + (two - one) * share)


def _either(samples: Samples, number: int, side: int, rng: Rng) -> Pixels:
    return (crop if rng.random() < 0.5 else texture)(samples, number, side, rng)


def _with(kinds: tuple[str, ...], under: Draw | None = None, *, one: bool = False) -> Draw:
    """Patterns of ``kinds``, or of ``one`` of them drawn at random, each at :data:`WEAK` levels,
    over what ``under`` makes of the sample.
    """

    def changed(samples: Samples, number: int, rng: Rng) -> Changed:
        image = samples.pixels[number] if under is None else under(samples, number, rng).image
        chosen = (kinds[int(rng.integers(len(kinds)))],) if one else kinds
        grey = np.full(image.shape, 128, np.uint8)
        patterns = np.stack([KINDS[kind](grey, rng).astype(np.float64) - 128 for kind in chosen])
        return Changed(whole_levels(image + patterns.sum(axis=0) * (WEAK / LEVELS)), [])

    return changed


TRIED: Mapping[str, Draw] = {
    **{kind: _present(kind) for kind in KINDS},
    "patches": _patches,
    "crop": _natural(crop, 1),
    "texture": _natural(texture, 1),
    "three natural": _natural(_either, 3),
    "weak": _with(ADDED, one=True),
    "shapes + weak": _with(ADDED, _present("shapes"), one=True),
    "patches + weak": _with(ADDED, _patches, one=True),
    "field + noise": _with(("field", "noise")),
    "field + wave": _with(("field", "wave")),
    "noise + wave": _with(("noise", "wave")),
}
"""Every kind by name: those of the search, ``patches``, and the new ones."""
NATURAL = ("crop", "texture", "three natural")
TWO = ("shapes + weak", "patches + weak", "field + noise", "field + wave", "noise + wave")
