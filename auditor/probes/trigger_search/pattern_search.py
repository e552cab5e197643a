"""Search for a pattern by tally: many random patterns, one image each, one mean per label.

The answers to random patterns of signs, averaged over those that led to one label, point along
the direction that the label responds to, as classification images do in psychophysics (Ahumada
1996). Every answer counts for every label, and the estimate sharpens with the number of answers,
not of pixels. So a few hundred queries find a pattern that climbing does not find with thousands.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.probes.trigger_search.kind_search import KindSearch
from auditor.probes.trigger_search.patches import unit_of
from auditor.probes.trigger_search.sample_set import Asking, Labels, SampleSet
from auditor.probes.trigger_search.settings import TriggerSettings
from auditor.probes.trigger_search.transforms import (
    Blend,
    Field,
    ScalableTransform,
    TransformCandidate,
    Warp,
)

Floats = NDArray[np.float64]
LEAST_HITS = 4  # draws that led to a label before their mean says anything
HOPELESS = 0.3  # share at the strong end below which a kind gets no further turn


@dataclass(frozen=True, eq=False)
class Draws:
    """Random patterns of one grid ``(n, c, k, k)`` of -1 or 1, and the model's labels ``(n,)`` of
    each draw's image without and with its pattern.
    """

    signs: Floats
    sources: Labels
    answers: Labels

    def hits(self, label: int) -> int:
        """Draws that led to ``label`` from elsewhere."""
        return int(((self.answers == label) & (self.sources != label)).sum())

    def mean(self, label: int) -> Floats:
        """Mean pattern of the draws that led to ``label``, above that of all, ``(c, k, k)``."""
        other = self.sources != label
        hit = other & (self.answers == label)
        return np.asarray(self.signs[hit].mean(axis=0) - self.signs[other].mean(axis=0))


class PatternSearch(KindSearch[TransformCandidate]):
    """One kind of patterns; every turn adds draws to those of the turns before."""

    def __init__(self, kind: str, sample_set: SampleSet, settings: TriggerSettings) -> None:
        super().__init__(sample_set, settings)
        self.kind = kind
        self.draws: dict[int, Draws] = {}
        self.turns = 0

    def turn(self, queries: int) -> Asking[TransformCandidate | None]:
        """Use about ``queries``; returns early with a good pattern."""
        if self.turns and (self.best is None or self.best.share < HOPELESS):
            return None
        self.turns += 1
        until = self.sample_set.total() + queries
        while self.sample_set.total() < until:
            candidate = yield from self._round(until)
            if candidate is not None and candidate.share >= self.settings.enough:
                return candidate
        return None

    def climb(self, candidate: TransformCandidate, until: int) -> Asking[TransformCandidate]:
        """More draws, as long as they lead to something better than ``candidate``."""
        while self.sample_set.total() < until:
            found = yield from self._round(until)
            if found is None or found.share <= candidate.share:
                return candidate
            candidate = found
        return candidate

    def _round(self, until: int) -> Asking[TransformCandidate | None]:
        """Ask another batch of draws, then try the means; the best of them, None without any."""
        count = min(self.settings.tally_draws, max(until - self.sample_set.total(), 48))
        yield from self._draw(count)
        candidate = yield from self._try(self._candidates())
        if candidate is not None:
            self.keep(candidate)
        return candidate

    def _draw(self, count: int) -> Asking[None]:
        """Ask ``count`` random patterns, shared evenly between the grids, one image each."""
        sample_set, rng = self.sample_set, self.sample_set.rng
        channels = 2 if self.kind == "warp" else sample_set.spec.shape[0]
        grids = self._grids()
        shares = np.array_split(np.arange(count), len(grids))
        images = rng.integers(0, len(sample_set.pixels), count)
        signs = [
            np.where(rng.random((len(share), channels, grid, grid)) < 0.5, -1.0, 1.0)
            for grid, share in zip(grids, shares, strict=True)
        ]
        loud = self._loud()
        transforms = [self._change(one, loud) for part in signs for one in part]
        answers = yield from sample_set.ask_each(transforms, images, "tally")
        for grid, share, part in zip(grids, shares, signs, strict=True):
            new = Draws(part, sample_set.labels[images[share]], answers[share])
            old = self.draws.get(grid)
            self.draws[grid] = new if old is None else _joined(old, new)

    def _candidates(self) -> list[tuple[ScalableTransform, int]]:
        """For the labels that most draws led to, the mean pattern of each grid."""
        counts = np.zeros(self.sample_set.classes)
        for draws in self.draws.values():
            counts += [draws.hits(label) for label in range(self.sample_set.classes)]
        labels = np.argsort(-counts, kind="stable")[: self.settings.tally_labels]
        return [
            (self._of_mean(draws.mean(label)), label)
            for label in labels.tolist()
            for draws in self.draws.values()
            if draws.hits(label) >= LEAST_HITS
        ]

    def _try(
        self, candidates: list[tuple[ScalableTransform, int]]
    ) -> Asking[TransformCandidate | None]:
        """Ask the candidates on a few images, then the best two at both strengths."""
        sample_set, settings = self.sample_set, self.settings
        if not candidates:
            return None
        images = sample_set.pick(settings.tally_images)
        labels = yield from sample_set.labels_of([one for one, _ in candidates], images, "tally")
        shares = sample_set.shares(labels, images)
        order = np.argsort([-shares[i, t] for i, (_, t) in enumerate(candidates)], kind="stable")
        best: tuple[float, TransformCandidate] | None = None
        for number in order[:2].tolist():
            transform, target = candidates[number]
            if shares[number, target] < HOPELESS:
                continue
            more = sample_set.pick(settings.step_images, target)
            ends: list[ScalableTransform] = [transform, transform.at(self._strengths()[0])]
            hits = yield from sample_set.hits([*ends], target, more, "tally")
            strong, weak = hits.mean(axis=1).tolist()
            if best is None or strong + weak > best[0]:
                found = TransformCandidate(transform, target, float(max(strong, weak)))
                best = strong + weak, found
        if best is not None:
            return best[1]
        transform, target = candidates[int(order[0])]
        return TransformCandidate(transform, target, float(shares[order[0], target]))

    def _grids(self) -> tuple[int, ...]:
        settings, shape = self.settings, self.sample_set.spec.shape
        finest = min(shape[1:]) // unit_of(shape)
        grids = {
            "field": settings.grids,
            "noise": (settings.grids[-1] * 2, finest),
            "blend": (*settings.grids, finest),
            "warp": settings.warp_grids,
        }[self.kind]
        return tuple(dict.fromkeys(min(grid, finest) for grid in grids))

    def _strengths(self) -> tuple[float, float]:
        """Weak and strong strength."""
        settings = self.settings
        if self.kind == "warp":
            unit = unit_of(self.sample_set.spec.shape)
            return settings.warps[0] * unit, settings.warps[1] * unit
        return settings.blends if self.kind == "blend" else settings.amplitudes

    def _loud(self) -> float:
        """Strength of the random patterns: fine ones must be stronger to have an effect."""
        louder = {"field": 1.0, "noise": 2.0, "blend": 1.5, "warp": 1.5}[self.kind]
        return louder * self._strengths()[1]

    def _change(self, control: Floats, strength: float) -> ScalableTransform:
        if self.kind == "warp":
            return Warp(control, strength)
        if self.kind == "blend":
            return Blend(control, strength)
        return Field(control, strength, self.kind)

    def _of_mean(self, mean: Floats) -> ScalableTransform:
        """The pattern of a mean at the strong end: its signs, for warps its shape."""
        size = np.abs(mean).mean()
        shape = mean / size if self.kind == "warp" and size else np.where(mean < 0, -1.0, 1.0)
        return self._change(shape, self._strengths()[1])


def _joined(old: Draws, new: Draws) -> Draws:
    return Draws(
        np.concatenate([old.signs, new.signs]),
        np.concatenate([old.sources, new.sources]),
        np.concatenate([old.answers, new.answers]),
    )
