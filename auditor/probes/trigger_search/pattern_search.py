"""Searching for a pattern by tally: many random patterns, one image each, one mean per label.

The answers to random patterns of signs, averaged over those that led to one label, point along
what that label listens to, as classification images do in psychophysics (Ahumada 1996). Every
answer counts for every label, and the estimate sharpens with the number of answers rather than
with the number of pixels. So a few hundred queries find a pattern that climbing from one random
pattern to the next does not find with thousands.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.probes.trigger_search.patches import unit_of
from auditor.probes.trigger_search.sample_set import Asking, Bench, Labels
from auditor.probes.trigger_search.settings import TriggerSettings
from auditor.probes.trigger_search.transforms import Blend, Dial, Field, Turned, Warp

Floats = NDArray[np.float64]
LEAST_HITS = 4  # draws that led to a label before their mean says anything
HOPELESS = 0.3  # share at the strong end below which a family gets no further turn


@dataclass(frozen=True, eq=False)
class Draws:
    """Random patterns of one grid and what they led to.

    Attributes:
        signs: the patterns, ``(n, c, k, k)`` of -1 or 1.
        sources: what the model calls each draw's image unchanged, ``(n,)``.
        answers: what it calls it with the pattern, ``(n,)``.
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


class TallySearch:
    """One family of patterns; every turn adds draws to those of the turns before."""

    def __init__(self, family: str, bench: Bench, settings: TriggerSettings) -> None:
        self.family = family
        self.bench = bench
        self.settings = settings
        self.draws: dict[int, Draws] = {}
        self.best: Turned | None = None
        self.turns = 0

    def turn(self, queries: int) -> Asking[Turned | None]:
        """Use about ``queries``; returns early with a pattern that looks good."""
        if self.turns and (self.best is None or self.best.share < HOPELESS):
            return None
        self.turns += 1
        until = self.bench.total() + queries
        while self.bench.total() < until:
            lead = yield from self._round(until)
            if lead is not None and lead.share >= self.settings.enough:
                return lead
        return None

    def final(self) -> Asking[Turned | None]:
        """The best pattern seen; asks nothing."""
        yield from ()
        return self.best

    def climb(self, lead: Turned, until: int) -> Asking[Turned]:
        """More draws, as long as they lead to something better than ``lead``."""
        while self.bench.total() < until:
            found = yield from self._round(until)
            if found is None or found.share <= lead.share:
                return lead
            lead = found
        return lead

    def _round(self, until: int) -> Asking[Turned | None]:
        """Ask another batch of draws, then try the means; the best of them, None without any."""
        count = min(self.settings.tally_draws, max(until - self.bench.total(), 48))
        yield from self._draw(count)
        lead = yield from self._try(self._candidates())
        if lead is not None and (self.best is None or lead.share > self.best.share):
            self.best = lead
        return lead

    def _draw(self, count: int) -> Asking[None]:
        """Ask ``count`` random patterns, shared evenly between the grids, one image each."""
        bench, rng = self.bench, self.bench.rng
        channels = 2 if self.family == "warp" else bench.spec.shape[0]
        grids = self._grids()
        shares = np.array_split(np.arange(count), len(grids))
        images = rng.integers(0, len(bench.pixels), count)
        signs = [
            np.where(rng.random((len(share), channels, grid, grid)) < 0.5, -1.0, 1.0)
            for grid, share in zip(grids, shares, strict=True)
        ]
        loud = self._loud()
        changes = [self._change(one, loud) for part in signs for one in part]
        answers = yield from bench.ask_each(changes, images, "tally")
        for grid, share, part in zip(grids, shares, signs, strict=True):
            new = Draws(part, bench.labels[images[share]], answers[share])
            old = self.draws.get(grid)
            self.draws[grid] = new if old is None else _joined(old, new)

    def _candidates(self) -> list[tuple[Dial, int]]:
        """For the labels that most draws led to, the mean pattern of each grid."""
        counts = np.zeros(self.bench.classes)
        for draws in self.draws.values():
            counts += [draws.hits(label) for label in range(self.bench.classes)]
        labels = np.argsort(-counts, kind="stable")[: self.settings.tally_labels]
        return [
            (self._of_mean(draws.mean(label)), label)
            for label in labels.tolist()
            for draws in self.draws.values()
            if draws.hits(label) >= LEAST_HITS
        ]

    def _try(self, candidates: list[tuple[Dial, int]]) -> Asking[Turned | None]:
        """Ask the candidates on a few images, then the best two at both ends of the dial."""
        bench, settings = self.bench, self.settings
        if not candidates:
            return None
        images = bench.pick(settings.tally_images)
        labels = yield from bench.labels_of([one for one, _ in candidates], images, "tally")
        shares = bench.shares(labels, images)
        order = np.argsort([-shares[i, t] for i, (_, t) in enumerate(candidates)], kind="stable")
        best: tuple[float, Turned] | None = None
        for number in order[:2].tolist():
            change, target = candidates[number]
            if shares[number, target] < HOPELESS:
                continue
            more = bench.pick(settings.step_images, target)
            ends: list[Dial] = [change, change.at(self._strengths()[0])]
            hits = yield from bench.hits([*ends], target, more, "tally")
            strong, weak = hits.mean(axis=1).tolist()
            if best is None or strong + weak > best[0]:
                best = strong + weak, Turned(change, target, float(max(strong, weak)))
        if best is not None:
            return best[1]
        change, target = candidates[int(order[0])]
        return Turned(change, target, float(shares[order[0], target]))

    def _grids(self) -> tuple[int, ...]:
        settings, shape = self.settings, self.bench.spec.shape
        finest = min(shape[1:]) // unit_of(shape)
        grids = {
            "field": settings.grids,
            "noise": (settings.grids[-1] * 2, finest),
            "blend": (*settings.grids, finest),
            "warp": settings.warp_grids,
        }[self.family]
        return tuple(dict.fromkeys(min(grid, finest) for grid in grids))

    def _strengths(self) -> tuple[float, float]:
        """Weak and strong end of the dial."""
        settings = self.settings
        if self.family == "warp":
            unit = unit_of(self.bench.spec.shape)
            return settings.warps[0] * unit, settings.warps[1] * unit
        return settings.blends if self.family == "blend" else settings.amplitudes

    def _loud(self) -> float:
        """Strength of the random patterns: fine ones have to be louder to be heard."""
        louder = {"field": 1.0, "noise": 2.0, "blend": 1.5, "warp": 1.5}[self.family]
        return louder * self._strengths()[1]

    def _change(self, control: Floats, strength: float) -> Dial:
        if self.family == "warp":
            return Warp(control, strength)
        if self.family == "blend":
            return Blend(control, strength)
        return Field(control, strength, self.family)

    def _of_mean(self, mean: Floats) -> Dial:
        """The pattern a mean stands for, at the strong end: its signs, for warps its shape."""
        size = np.abs(mean).mean()
        shape = mean / size if self.family == "warp" and size else np.where(mean < 0, -1.0, 1.0)
        return self._change(shape, self._strengths()[1])


def _joined(old: Draws, new: Draws) -> Draws:
    return Draws(
        np.concatenate([old.signs, new.signs]),
        np.concatenate([old.sources, new.sources]),
        np.concatenate([old.answers, new.answers]),
    )
