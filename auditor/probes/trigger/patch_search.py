"""Searching for a patch: screen many copies at once, then halve, shift and mutate."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from auditor.probes.trigger.bench import Asking, Bench
from auditor.probes.trigger.settings import TriggerSettings
from auditor.probes.trigger.stamps import STEPS, Stamp, draw_stamp, neighbour, unit_of

Rate = NDArray[np.float64]
HALF_KEEPS = 0.3  # share at which half of the copies are enough to go on with
FLOOR = 0.3  # share below which a local search is hopeless
SATURATED = 0.9  # a share this high shows no difference between neighbours any more
POOL = 200  # candidates remembered between rounds


@dataclass(frozen=True, eq=False)
class Lead:
    """A stamp that sends ``share`` of the search images to ``target``."""

    stamp: Stamp
    target: int
    share: float


@dataclass
class Climb:
    """One local search: where it stands and how it went."""

    lead: Lead
    best: float = -1.0
    stale: int = 0
    hits: Rate = field(default_factory=lambda: np.zeros(0))
    asked: Rate = field(default_factory=lambda: np.zeros(0))

    def weights(self) -> Rate | None:
        """Weights of source labels by how they answered, None before the first answer."""
        if not self.asked.any():
            return None
        return np.asarray(((self.hits + 1) / (self.asked + 2)) ** 2)

    def learn(self, sources: NDArray[np.int64], hits: NDArray[np.bool_], classes: int) -> None:
        """Count the answers ``(changes, images)`` of images of clean label ``sources``."""
        if len(self.asked) < classes:
            grow = classes - len(self.asked)
            self.hits, self.asked = np.pad(self.hits, (0, grow)), np.pad(self.asked, (0, grow))
        np.add.at(self.hits, sources, hits.mean(axis=0))
        np.add.at(self.asked, sources, 1.0)


class PatchSearch:
    """Successive halving over patches; every turn goes on where the last one stopped."""

    def __init__(self, bench: Bench, settings: TriggerSettings) -> None:
        self.bench = bench
        self.settings = settings
        self.screened = 0
        self.total: Rate = np.zeros(bench.classes)
        self.fresh: list[Lead] = []
        self.halved: list[Lead] = []
        self.tried: list[int] = []
        self.best: Lead | None = None

    def turn(self, queries: int) -> Asking[Lead | None]:
        """Use about ``queries``; returns early with a single patch that looks good."""
        until = self.bench.total() + queries
        while self.bench.total() < until:
            yield from self._screen()
            yield from self._halve()
            for _ in range(self.settings.tries):
                lead = self._next()
                if lead is None:
                    break
                found = yield from self.climb(lead, until)
                self._remember(found)
                if len(found.stamp.places) == 1 and found.share >= self.settings.verify_from:
                    return found
        return None

    def final(self) -> Asking[Lead | None]:
        """The best single patch seen, by halving the best lead where none got that far."""
        if self.best is not None and len(self.best.stamp.places) == 1:
            return self.best
        leads = [*self.halved, *([self.best] if self.best else [])]
        if not leads:
            return None
        lead = max(leads, key=lambda lead: (lead.share, -len(lead.stamp.places)))
        while len(lead.stamp.places) > 1:
            images = self.bench.pick(self.settings.step_images, lead.target)
            halves = lead.stamp.halves()
            hits = yield from self.bench.hits([*halves], lead.target, images, "final")
            rates = hits.mean(axis=1)
            lead = Lead(halves[int(rates.argmax())], lead.target, float(rates.max()))
        return lead

    def _screen(self) -> Asking[None]:
        """Ask a batch of random candidates and note, per label, those that move images."""
        bench, settings = self.bench, self.settings
        shape = bench.spec.shape
        stamps = [draw_stamp(bench.rng, shape, settings) for _ in range(settings.screen_batch)]
        images = bench.pick(settings.screen_images)
        labels = yield from bench.labels_of([*stamps], images, "screen")
        shares = bench.shares(labels, images)
        self.total = np.pad(self.total, (0, shares.shape[1] - len(self.total)))
        self.total += shares.sum(axis=0)
        self.screened += len(stamps)
        for number, target in np.argwhere(shares >= 0.5).tolist():
            self.fresh.append(Lead(stamps[number], target, float(shares[number, target])))

    def _surprise(self, lead: Lead) -> float:
        """A share above what the label's habit explains, less where it was tried before."""
        usual = self.total[lead.target] / max(1, self.screened)
        return float(lead.share - usual - 0.1 * self.tried.count(lead.target))

    def _halve(self) -> Asking[None]:
        """Ask the most surprising candidates again with each half of their copies."""
        bench, settings = self.bench, self.settings
        usual = self.total / max(1, self.screened)
        self.fresh.sort(key=lambda lead: lead.share - float(usual[lead.target]))
        leads, self.fresh = self.fresh[-settings.keep :], self.fresh[: -settings.keep][-POOL:]
        if not leads:
            return
        images = bench.pick(settings.screen_images)
        halves = [half for lead in leads for half in lead.stamp.halves()]
        labels = yield from bench.labels_of([*halves], images, "halve")
        shares = bench.shares(labels, images)
        for number, lead in enumerate(leads):
            both = shares[2 * number : 2 * number + 2, lead.target]
            half = halves[2 * number + int(both.argmax())]
            self.halved.append(Lead(half, lead.target, float(both.max())))

    def _next(self) -> Lead | None:
        """Take the most surprising halved candidate."""
        open_ = [lead for lead in self.halved if lead.share > 0.2 and lead.stamp.places]
        if not open_:
            return None
        lead = max(open_, key=self._surprise)
        self.halved.remove(lead)
        self.tried.append(lead.target)
        return lead

    def _remember(self, lead: Lead) -> None:
        """Keep the best lead: fewest copies first, then share."""
        if self.best is None or (-len(lead.stamp.places), lead.share) > (
            -len(self.best.stamp.places),
            self.best.share,
        ):
            self.best = lead

    def climb(self, lead: Lead, until: int) -> Asking[Lead]:
        """Local search for fewer copies and a higher share, until it stalls."""
        climb = Climb(lead)
        while self.bench.total() < until:
            single = len(climb.lead.stamp.places) == 1
            yield from self._step(climb)
            if single and climb.best >= 0.95:
                break
            if climb.stale >= self.settings.patience + 2 * single:
                break
            if climb.best < FLOOR and climb.stale >= 1:
                break
        return climb.lead

    def _step(self, climb: Climb) -> Asking[None]:
        """Ask the stamp, its halves and some neighbours on the same images; go to the best."""
        bench, settings, lead = self.bench, self.settings, climb.lead
        single = len(lead.stamp.places) == 1
        halves = [] if single else lead.stamp.halves()
        others = self._neighbours(lead.stamp, 4 if single else 2)
        count = settings.step_images * 3 // 2 if single else settings.step_images
        images = bench.pick(count, lead.target, climb.weights())
        hits = yield from bench.hits([lead.stamp, *halves, *others], lead.target, images, "climb")
        climb.learn(bench.labels[images], hits, bench.classes)
        rates = hits.mean(axis=1)
        own, rest = float(rates[0]), rates[1 + len(halves) :]
        if halves:
            half = int(rates[1:3].argmax())
            least = HALF_KEEPS if own >= SATURATED else HALF_KEEPS + 0.2
            if rates[1 + half] >= least:
                climb.lead = Lead(halves[half], lead.target, float(rates[1 + half]))
                climb.best, climb.stale = climb.lead.share, 0
                return
        self._move(climb, own, others[int(rest.argmax())], float(rest.max()))

    def _neighbours(self, stamp: Stamp, shifts: int) -> list[Stamp]:
        rng, shape = self.bench.rng, self.bench.spec.shape
        unit = unit_of(shape)
        steps = [STEPS[i] for i in rng.permutation(4)[:shifts]]
        moved = [stamp.moved((unit * a, unit * b), *shape[1:]) for a, b in steps]
        return [*moved, *(neighbour(rng, stamp, unit) for _ in range(self.settings.children))]

    def _move(self, climb: Climb, own: float, other: Stamp, share: float) -> None:
        """Take the best neighbour where it is better, or sometimes where it is as good."""
        target = climb.lead.target
        stamp = climb.lead.stamp
        if share > own or (share == own and self.bench.rng.random() < 0.5):
            stamp = other
        climb.lead = Lead(stamp, target, max(own, share))
        if climb.lead.share > climb.best + 0.05:
            climb.best, climb.stale = climb.lead.share, 0
        else:
            climb.stale += 1
