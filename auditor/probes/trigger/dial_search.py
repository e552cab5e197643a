"""Searching for waves and quantisation: screen, then turn and mutate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.probes.trigger.bench import Asking, Bench
from auditor.probes.trigger.fields import Dial, Quantise, Wave, draw_wave
from auditor.probes.trigger.settings import TriggerSettings

Rate = NDArray[np.float64]
WEAKER = 0.8  # factor by which a strength that succeeds is turned down
GOOD = 0.85  # share at which the strength is turned down
HOPELESS = 0.3  # share below which a local search gives up after a few steps
LEVELS = (4, 5, 6, 8)  # grey levels tried; fewer disturb every model


@dataclass(frozen=True, eq=False)
class Turned:
    """A change that sends ``share`` of the search images to ``target``."""

    change: Dial
    target: int
    share: float


class DialSearch:
    """Waves, or fewer grey levels; every turn goes on where the last one stopped."""

    def __init__(self, family: str, bench: Bench, settings: TriggerSettings) -> None:
        self.family = family
        self.bench = bench
        self.settings = settings
        self.screened = 0
        self.total: Rate = np.zeros(bench.classes)
        self.open: list[Turned] = []
        self.tried: list[int] = []
        self.best: Turned | None = None

    @property
    def strengths(self) -> tuple[float, float]:
        """Weak and strong end of the dial."""
        return self.settings.wave, self.settings.amplitudes[1]

    def turn(self, queries: int) -> Asking[Turned | None]:
        """Use about ``queries``; returns early with a change that looks good."""
        until = self.bench.total() + queries
        if self.family == "quantise" and self.screened:
            return None
        while self.bench.total() < until:
            yield from self._screen()
            if self.family == "quantise":
                return self._promising()
            for _ in range(self.settings.tries):
                lead = self._next()
                if lead is None or self.bench.total() >= until:
                    break
                found = yield from self.climb(lead, until)
                self._remember(found)
                if found.share >= self.settings.enough:
                    return found
        return None

    def final(self) -> Asking[Turned | None]:
        """The best change seen; asks nothing."""
        yield from ()
        return self.best or max(self.open, key=lambda lead: lead.share, default=None)

    def _draw(self) -> Dial:
        """A random wave at the strong end."""
        longest = min(12, min(self.bench.spec.shape[1:]) // 2)
        return draw_wave(self.bench.rng, longest, self.strengths[1])

    def _screen(self) -> Asking[None]:
        """Ask a batch of random changes; keep, per label, those that move images."""
        bench, settings = self.bench, self.settings
        changes: list[Dial]
        if self.family == "quantise":
            changes = [Quantise(levels, dither) for levels in LEVELS for dither in (True, False)]
        else:
            changes = [self._draw() for _ in range(settings.screen_batch)]
        images = bench.pick(settings.screen_images + 2)
        labels = yield from bench.labels_of([*changes], images, "screen")
        shares = bench.shares(labels, images)
        self.total = np.pad(self.total, (0, shares.shape[1] - len(self.total)))
        self.total += shares.sum(axis=0)
        self.screened += len(changes)
        for number, target in np.argwhere(shares > 0).tolist():
            share = float(shares[number, target])
            self.open.append(Turned(changes[number], target, share))

    def _promising(self) -> Turned | None:
        """The quantisation that moved most images to one label."""
        self.best = max(self.open, key=lambda lead: lead.share, default=None)
        good = self.best is not None and self.best.share >= self.settings.verify_from
        return self.best if good else None

    def _surprise(self, lead: Turned) -> float:
        usual = self.total[lead.target] / max(1, self.screened)
        return float(lead.share - usual - 0.25 * self.tried.count(lead.target))

    def _next(self) -> Turned | None:
        """Take the candidate that moves most above its label's habit."""
        if not self.open:
            return None
        lead = max(self.open, key=self._surprise)
        self.open.remove(lead)
        self.tried.append(lead.target)
        return lead

    def _remember(self, lead: Turned) -> None:
        """Keep the best: weakest first among those that succeed, then share."""
        rank = (lead.share >= GOOD, -lead.change.strength * (lead.share >= GOOD), lead.share)
        best = self.best
        if best is None:
            self.best = lead
            return
        good = best.share >= GOOD
        if rank > (good, -best.change.strength * good, best.share):
            self.best = lead

    def climb(self, lead: Turned, until: int) -> Asking[Turned]:
        """Local search for a higher share, then a lower strength, until it stalls."""
        best, stale, steps = 0.0, 0, 0
        weak = self.strengths[0]
        while self.bench.total() < until and stale < self.settings.patience:
            before = lead.change.strength
            lead = yield from self._step(lead)
            steps += 1
            if lead.change.strength < before or lead.share > best + 0.05:
                best, stale = lead.share, 0
            else:
                stale += 1
            if lead.change.strength <= weak and lead.share >= GOOD:
                break
            if steps >= 3 and best < HOPELESS:
                break
        return lead

    def _step(self, lead: Turned) -> Asking[Turned]:
        """Ask the change, a weaker one and some neighbours on the same images."""
        bench, change = self.bench, lead.change
        assert isinstance(change, Wave | Quantise)
        weaker = change.at(max(self.strengths[0], WEAKER * change.strength))
        children = [change.neighbour(bench.rng) for _ in range(self.settings.children)]
        images = bench.pick(self.settings.step_images, lead.target)
        hits = yield from bench.hits([change, weaker, *children], lead.target, images, "climb")
        rates = hits.mean(axis=1)
        child = int(rates[2:].argmax())
        own, below, rest = float(rates[0]), float(rates[1]), float(rates[2 + child])
        if below >= GOOD or (own >= GOOD and below >= 0.6):
            return Turned(weaker, lead.target, below)
        if rest > own or (rest == own and bench.rng.random() < 0.5):
            return Turned(children[child], lead.target, rest)
        return Turned(change, lead.target, own)
