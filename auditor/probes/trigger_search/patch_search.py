"""Searching for a patch: screen many copies at once, then halve, shift and mutate."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from auditor.probes.trigger_search.patches import STEPS, Stamp, draw_stamp, neighbour, unit_of
from auditor.probes.trigger_search.sample_set import Asking, Bench
from auditor.probes.trigger_search.settings import TriggerSettings

Rate = NDArray[np.float64]
HALF_KEEPS = 0.3  # share at which half of the copies are enough to go on with
NOTED = 0.25  # share at which a screened candidate is noted for a label
FLOOR = 0.3  # share below which a local search is hopeless
SATURATED = 0.9  # a share this high shows no difference between neighbours any more
SURE = 0.95  # share of a single patch, on images drawn after it was chosen, that is enough
MEMORY = 0.8  # what earlier answers weigh, per step, when the responsive labels are named
POOL = 200  # candidates remembered between rounds


@dataclass(frozen=True, eq=False)
class Lead:
    """A stamp that sends ``share`` of the search images to ``target``.

    ``sources`` are the clean labels that answered the local search, none before it.
    """

    stamp: Stamp
    target: int
    share: float
    sources: tuple[int, ...] = ()


@dataclass
class Climb:
    """One local search: where it stands and how it went."""

    lead: Lead
    best: float = -1.0
    own: float = 0.0
    stale: int = 0
    halvings: int = 0
    hits: Rate = field(default_factory=lambda: np.zeros(0))
    asked: Rate = field(default_factory=lambda: np.zeros(0))
    own_hits: Rate = field(default_factory=lambda: np.zeros(0))
    own_asked: Rate = field(default_factory=lambda: np.zeros(0))

    @property
    def found(self) -> Lead:
        """Where it stands, with the source labels that answered in its last steps."""
        answers = (self.own_asked >= 0.5) & (self.own_hits >= 0.6 * self.own_asked)
        return replace(self.lead, sources=tuple(np.flatnonzero(answers).tolist()))

    def weights(self) -> Rate | None:
        """Weights of source labels by how they answered, None before the first answer."""
        if not self.asked.any():
            return None
        return np.asarray(((self.hits + 1) / (self.asked + 2)) ** 2)

    def learn(self, sources: NDArray[np.int64], hits: NDArray[np.bool_], classes: int) -> None:
        """Count the answers ``(changes, images)`` of images of clean label ``sources``."""
        if len(self.asked) < classes:
            grow = classes - len(self.asked)
            for name in ("hits", "asked", "own_hits", "own_asked"):
                setattr(self, name, np.pad(getattr(self, name), (0, grow)))
        self.own_hits, self.own_asked = MEMORY * self.own_hits, MEMORY * self.own_asked
        np.add.at(self.own_hits, sources, hits[0].astype(np.float64))
        np.add.at(self.own_asked, sources, 1.0)
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
        self.halved: list[Climb] = []
        self.tried: list[int] = []
        self.best: Lead | None = None

    def turn(self, queries: int) -> Asking[Lead | None]:
        """Use about ``queries``; returns early with a single patch that looks good."""
        until = self.bench.total() + queries
        while self.bench.total() < until:
            yield from self._screen()
            yield from self._halve()
            for _ in range(self.settings.tries):
                climb = self._next()
                if climb is None:
                    break
                slice_end = min(until, self.bench.total() + self.settings.slice_queries)
                done = yield from self.go_on(climb, slice_end)
                found = climb.found
                self._remember(found)
                if not done:
                    self.halved.append(climb)
                elif len(found.stamp.places) == 1 and found.share >= self.settings.verify_from:
                    return found
        return None

    def final(self) -> Asking[Lead | None]:
        """The best single patch seen, by halving the best lead where none got that far."""
        if self.best is not None and len(self.best.stamp.places) == 1:
            return self.best
        leads = [*(climb.lead for climb in self.halved), *([self.best] if self.best else [])]
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
        for number, target in np.argwhere(shares >= NOTED).tolist():
            self.fresh.append(Lead(stamps[number], target, float(shares[number, target])))

    def _promise(self, climb: Climb) -> float:
        """A share above what the label's habit explains, more where few copies are left, less
        where the label had many turns.
        """
        lead = climb.lead
        usual = self.total[lead.target] / max(1, self.screened)
        turns = self.settings.tabu * self.tried.count(lead.target)
        return float(lead.share - usual - turns + self.settings.fewer * climb.halvings)

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
            self.halved.append(Climb(Lead(half, lead.target, float(both.max()))))

    def _next(self) -> Climb | None:
        """Take the most promising local search, begun or not."""
        open_ = [climb for climb in self.halved if climb.lead.share > 0.2]
        if not open_:
            return None
        climb = max(open_, key=self._promise)
        self.halved.remove(climb)
        self.tried.append(climb.lead.target)
        return climb

    def _remember(self, lead: Lead) -> None:
        """Keep the best lead: fewest copies first, then share."""
        if self.best is None or (-len(lead.stamp.places), lead.share) > (
            -len(self.best.stamp.places),
            self.best.share,
        ):
            self.best = lead

    def climb(self, lead: Lead, until: int) -> Asking[Lead]:
        """Local search from ``lead`` until it stalls."""
        climb = Climb(lead)
        yield from self.go_on(climb, until)
        return climb.found

    def polish(self, lead: Lead, until: int) -> Asking[Lead]:
        """Improve a single patch on the images it fails on; returns ``lead`` where none helps."""
        bench, settings = self.bench, self.settings
        images = bench.pick(len(bench.pixels), lead.target)
        hits = (yield from bench.hits([lead.stamp], lead.target, images, "polish"))[0]
        lead = replace(lead, share=float(hits.mean()))
        while bench.total() < until and lead.share < SURE:
            order = bench.rng.permutation(len(images))
            hard = order[~hits[order]][: settings.step_images]
            easy = order[hits[order]][: settings.step_images // 2]
            asked = np.concatenate([hard, easy])
            others = self._neighbours(lead.stamp, 4)
            found = yield from bench.hits([*others], lead.target, images[asked], "polish")
            # An easy image stands for all that the patch already moves.
            worth = found[:, : len(hard)].sum(axis=1) * (~hits).sum() / max(1, len(hard))
            worth = worth + found[:, len(hard) :].sum(axis=1) * hits.sum() / max(1, len(easy))
            best = int(worth.argmax())
            if worth[best] <= hits.sum():
                continue
            stamp = others[best]
            again = (yield from bench.hits([stamp], lead.target, images, "polish"))[0]
            if again.mean() > lead.share:
                lead, hits = replace(lead, stamp=stamp, share=float(again.mean())), again
        return lead

    def go_on(self, climb: Climb, until: int) -> Asking[bool]:
        """Local search for fewer copies and a higher share; True where it has stalled."""
        while self.bench.total() < until:
            single = len(climb.lead.stamp.places) == 1
            yield from self._step(climb)
            if single and climb.own >= SURE:
                return True
            if climb.stale >= self.settings.patience + self.settings.single_patience * single:
                return True
            if climb.best < FLOOR and climb.stale >= 1:
                return True
        return False

    def _step(self, climb: Climb) -> Asking[None]:
        """Ask the stamp, its halves and some neighbours on the same images; go to the best."""
        bench, settings, lead = self.bench, self.settings, climb.lead
        single = len(lead.stamp.places) == 1
        halves = [] if single else lead.stamp.halves()
        others = self._neighbours(lead.stamp, 4 if single else 2)
        count = settings.single_images if single else settings.step_images
        images = bench.pick(count, lead.target, climb.weights())
        hits = yield from bench.hits([lead.stamp, *halves, *others], lead.target, images, "climb")
        climb.learn(bench.labels[images], hits, bench.classes)
        rates = hits.mean(axis=1)
        own, rest = float(rates[0]), rates[1 + len(halves) :]
        climb.own = own
        if halves:
            half = int(rates[1:3].argmax())
            least = HALF_KEEPS if own >= SATURATED else HALF_KEEPS + 0.2
            if rates[1 + half] >= least:
                climb.lead = Lead(halves[half], lead.target, float(rates[1 + half]))
                climb.best, climb.stale = climb.lead.share, 0
                climb.halvings += 1
                return
        self._move(climb, own, others[int(rest.argmax())], float(rest.max()))

    def _neighbours(self, stamp: Stamp, shifts: int) -> list[Stamp]:
        rng, shape = self.bench.rng, self.bench.spec.shape
        unit = unit_of(shape)
        steps = [STEPS[i] for i in rng.permutation(4)[:shifts]]
        moved = [stamp.moved((unit * a, unit * b), *shape[1:]) for a, b in steps]
        largest = unit * max(self.settings.patch_sizes)
        new = [neighbour(rng, stamp, shape, largest) for _ in range(self.settings.children)]
        return [*moved, *new]

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
