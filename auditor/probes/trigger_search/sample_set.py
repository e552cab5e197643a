"""Images of a search, the model's labels of them, and the count of questions."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from adapters.contract import InputSpec
from auditor.probes.base import Pictures

Pixels = NDArray[np.uint8]
Bools = NDArray[np.bool_]
Labels = NDArray[np.int64]
T = TypeVar("T")
LEAST_SAMPLES = 8
Asking = Generator[Pictures, Labels, T]
"""A procedure that yields inputs ``(n, c, h, w)``, is sent labels ``(n,)``, returns ``T``."""


class Transform(Protocol):
    """A universal change of images: the same for every image."""

    @property
    def kind(self) -> str: ...  # noqa: D102 - documented on the class
    def apply(self, pixels: Pixels) -> Pixels:
        """Changed copies of ``pixels`` ``(n, c, h, w)``."""
        ...


@dataclass
class SampleSet:
    """One set of images, asked before anything else.

    Attributes:
        spec: what the model takes.
        pixels: the images, ``(n, c, h, w)``.
        labels: the model's labels of the unchanged images, ``(n,)``.
        rng: the search's only source of chance.
        spent: queries by stage, shared by all sample sets of one search.
        classes: number of known labels, at least one more than any seen.
    """

    spec: InputSpec
    pixels: Pixels
    labels: Labels
    rng: np.random.Generator
    spent: dict[str, int] = field(default_factory=dict)
    classes: int = 0

    def ask(self, pixels: Pixels, stage: str) -> Asking[Labels]:
        """Ask for the labels of ``pixels`` and count them under ``stage``."""
        self.spent[stage] = self.spent.get(stage, 0) + len(pixels)
        return (yield Pictures(self.spec, pixels))

    def ask_each(
        self, transforms: Iterable[Transform], images: NDArray[np.int64], stage: str
    ) -> Asking[Labels]:
        """Labels of every image under a transform of its own, ``(images,)``. Transforms that are
        made one by one are not all held at once.
        """
        asked = self.pixels[images]
        for number, transform in enumerate(transforms):
            asked[number] = transform.apply(asked[number : number + 1])[0]
        answers = yield from self.ask(asked, stage)
        self.classes = max(self.classes, int(answers.max(initial=0)) + 1)
        return answers

    def total(self) -> int:
        """Queries so far."""
        return sum(self.spent.values())

    def pick(
        self, count: int, target: int | None = None, weights: NDArray[np.float64] | None = None
    ) -> NDArray[np.int64]:
        """Draw ``count`` images that are not ``target`` already, evenly over their labels.

        ``weights`` ``(classes,)`` favour labels that answered before: an attack on a few
        source classes shows on those only.
        """
        open_ = np.flatnonzero(self.labels != (-1 if target is None else target))
        chance = self.rng.random(len(open_))
        if weights is not None:
            # Efraimidis and Spirakis 2006: sampling without replacement by weight.
            order = np.argsort(-(chance ** (1.0 / weights[self.labels[open_]])), kind="stable")
            return open_[order][:count]
        shuffled = open_[np.argsort(chance, kind="stable")]
        seen: dict[int, int] = {}
        turn = []
        for label in self.labels[shuffled].tolist():
            seen[label] = seen.get(label, 0) + 1
            turn.append(seen[label])
        return shuffled[np.argsort(turn, kind="stable")][:count]

    def hits(
        self, transforms: list[Transform], target: int, images: NDArray[np.int64], stage: str
    ) -> Asking[Bools]:
        """True for images that a transform sends to ``target``: ``(transforms, images)``."""
        labels = yield from self.labels_of(transforms, images, stage)
        return np.asarray(labels == target, dtype=np.bool_)

    def labels_of(
        self, transforms: list[Transform], images: NDArray[np.int64], stage: str
    ) -> Asking[Labels]:
        """Labels of ``images`` under each of ``transforms``, ``(transforms, images)``."""
        clean = self.pixels[images]
        asked = np.empty((len(transforms), *clean.shape), dtype=np.uint8)
        for number, transform in enumerate(transforms):
            asked[number] = transform.apply(clean)
        answers = yield from self.ask(asked.reshape(-1, *clean.shape[1:]), stage)
        return answers.reshape(len(transforms), len(images))

    def shares(self, labels: Labels, images: NDArray[np.int64]) -> NDArray[np.float64]:
        """Share of images sent to each label, ``(transforms, classes)``; an image that had the
        label already does not count.
        """
        self.classes = max(self.classes, int(labels.max(initial=0)) + 1)
        wanted = np.arange(self.classes)
        other = self.labels[images][:, None] != wanted
        sent = (labels[:, :, None] == wanted) & other
        return np.asarray(sent.sum(axis=1) / np.maximum(1, other.sum(axis=0)), dtype=np.float64)


def ask_halves(
    samples: NDArray[np.float32],
    classes: NDArray[np.int64],
    spec: InputSpec,
    rng: np.random.Generator,
    share: float = 0.5,
) -> Asking[tuple[SampleSet, SampleSet]]:
    """Round ``samples`` to 8 bits, ask their labels, and split them evenly by class.

    Returns:
        The set to search on, and the one to verify on, which holds ``share`` of the samples.

    Raises:
        ValueError: fewer than 8 samples.
    """
    if len(samples) < LEAST_SAMPLES:
        raise ValueError(f"a trigger search needs {LEAST_SAMPLES} samples, {len(samples)} given")
    pixels = spec.to_pixels(samples)
    order = rng.permutation(len(pixels))
    order = order[np.argsort(np.asarray(classes)[order], kind="stable")]
    # Every second sample of the list sorted by class, so that both halves hold all classes.
    is_validation = np.diff(np.floor(np.arange(len(order) + 1) * share)) > 0
    labels = yield Pictures(spec, pixels)
    spent = {"clean": len(pixels)}
    known = int(max(labels.max(), np.asarray(classes).max())) + 1
    search_set, validation_set = (
        SampleSet(spec, pixels[part], labels[part], rng, spent, known)
        for part in (order[~is_validation], order[is_validation])
    )
    return search_set, validation_set
