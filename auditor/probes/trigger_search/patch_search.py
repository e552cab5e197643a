"""Search for a patch: screen many copies at once, then halve, shift and mutate."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from auditor.probes.trigger_search.kind_search import KindSearch
from auditor.probes.trigger_search.patches import STEPS, Patch, draw_patch, neighbour, unit_of
from auditor.probes.trigger_search.sample_set import Asking, SampleSet
from auditor.probes.trigger_search.settings import TriggerSettings

Rate = NDArray[np.float64]
HALF_KEEPS = 0.3  # share at which half of the copies are enough to go on with
NOTED = 0.25  # share at which a screened candidate is noted for a label
FLOOR = 0.3  # share below which a local search is hopeless
SATURATED = 0.9  # a share this high shows no difference between neighbours any more
SURE = 0.95  # share of a single patch, on images drawn after it was chosen, that is enough
MEMORY = 0.8  # weight of earlier answers, per step, when the responsive labels are named
POOL = 200  # candidates remembered between rounds


@dataclass(frozen=True, eq=False)
class PatchCandidate:
    """A patch that sends ``share`` of the search images to ``target``.

    ``sources`` are the clean labels that answered the local search, none before it.
    """

    patch: Patch
    target: int
    share: float
    sources: tuple[int, ...] = ()

    @property
    def copies(self) -> int:
        """Number of copies of the patch."""
        return len(self.patch.places)


@dataclass
class Climb:
    """One local search: its candidate and its history."""

    candidate: PatchCandidate
    best: float = -1.0
    own: float = 0.0
    stale: int = 0
    halvings: int = 0
    hits: Rate = field(default_factory=lambda: np.zeros(0))
    asked: Rate = field(default_factory=lambda: np.zeros(0))
    own_hits: Rate = field(default_factory=lambda: np.zeros(0))
    own_asked: Rate = field(default_factory=lambda: np.zeros(0))

    @property
    def found(self) -> PatchCandidate:
        """Its candidate, with the source labels that answered in its last steps."""
        answers = (self.own_asked >= 0.5) & (self.own_hits >= 0.6 * self.own_asked)
        return replace(self.candidate, sources=tuple(np.flatnonzero(answers).tolist()))

    def weights(self) -> Rate | None:
        """Weights of source labels by how they answered, None before the first answer."""
        if not self.asked.any():
            return None
        return np.asarray(((self.hits + 1) / (self.asked + 2)) ** 2)

    def learn(self, sources: NDArray[np.int64], hits: NDArray[np.bool_], classes: int) -> None:
        """Count the answers ``(transforms, images)`` of images of clean label ``sources``."""
        if len(self.asked) < classes:
            grow = classes - len(self.asked)
            for name in ("hits", "asked", "own_hits", "own_asked"):
                setattr(self, name, np.pad(getattr(self, name), (0, grow)))
        self.own_hits, self.own_asked = MEMORY * self.own_hits, MEMORY * self.own_asked
        np.add.at(self.own_hits, sources, hits[0].astype(np.float64))
        np.add.at(self.own_asked, sources, 1.0)
        np.add.at(self.hits, sources, hits.mean(axis=0))
        np.add.at(self.asked, sources, 1.0)


class PatchSearch(KindSearch[PatchCandidate]):
    """Successive halving over patches."""

    def __init__(self, sample_set: SampleSet, settings: TriggerSettings) -> None:
        super().__init__(sample_set, settings)
        self.screened = 0
        self.total: Rate = np.zeros(sample_set.classes)
        self.fresh: list[PatchCandidate] = []
        self.halved: list[Climb] = []
        self.tried: list[int] = []

    def turn(self, queries: int) -> Asking[PatchCandidate | None]:
        """Use about ``queries``; returns early with a good single patch."""
        until = self.sample_set.total() + queries
        while self.sample_set.total() < until:
            yield from self._screen()
            yield from self._halve()
            for _ in range(self.settings.tries):
                climb = self._next()
                if climb is None:
                    break
                slice_end = min(until, self.sample_set.total() + self.settings.slice_queries)
                done = yield from self.go_on(climb, slice_end)
                found = climb.found
                self.keep(found)
                if not done:
                    self.halved.append(climb)
                elif found.copies == 1 and found.share >= self.settings.verify_from:
                    return found
        return None

    def final(self) -> Asking[PatchCandidate | None]:
        """The best single patch seen, by halving the best candidate if none got that far."""
        if self.best is not None and self.best.copies == 1:
            return self.best
        candidates = [climb.candidate for climb in self.halved]
        candidates += [self.best] if self.best else []
        if not candidates:
            return None
        candidate = max(candidates, key=lambda one: (one.share, -one.copies))
        while candidate.copies > 1:
            images = self.sample_set.pick(self.settings.step_images, candidate.target)
            halves = candidate.patch.halves()
            hits = yield from self.sample_set.hits([*halves], candidate.target, images, "final")
            rates = hits.mean(axis=1)
            half = halves[int(rates.argmax())]
            candidate = PatchCandidate(half, candidate.target, float(rates.max()))
        return candidate

    def _screen(self) -> Asking[None]:
        """Ask a batch of random candidates and note, per label, those that move images."""
        sample_set, settings = self.sample_set, self.settings
        shape = sample_set.spec.shape
        rng, batch = sample_set.rng, settings.screen_batch
        patches = [draw_patch(rng, shape, settings) for _ in range(batch)]
        images = sample_set.pick(settings.screen_images)
        labels = yield from sample_set.labels_of([*patches], images, "screen")
        shares = sample_set.shares(labels, images)
        self.total = np.pad(self.total, (0, shares.shape[1] - len(self.total)))
        self.total += shares.sum(axis=0)
        self.screened += len(patches)
        for number, target in np.argwhere(shares >= NOTED).tolist():
            share = float(shares[number, target])
            self.fresh.append(PatchCandidate(patches[number], target, share))

    def _promise(self, climb: Climb) -> float:
        """Share above the label's usual one, more if few copies are left, less if the label had
        many turns.
        """
        candidate = climb.candidate
        usual = self.total[candidate.target] / max(1, self.screened)
        turns = self.settings.tabu * self.tried.count(candidate.target)
        return float(candidate.share - usual - turns + self.settings.fewer * climb.halvings)

    def _halve(self) -> Asking[None]:
        """Ask the most surprising candidates again with each half of their copies."""
        sample_set, settings = self.sample_set, self.settings
        usual = self.total / max(1, self.screened)
        self.fresh.sort(key=lambda candidate: candidate.share - float(usual[candidate.target]))
        candidates, self.fresh = self.fresh[-settings.keep :], self.fresh[: -settings.keep][-POOL:]
        if not candidates:
            return
        images = sample_set.pick(settings.screen_images)
        halves = [half for candidate in candidates for half in candidate.patch.halves()]
        labels = yield from sample_set.labels_of([*halves], images, "halve")
        shares = sample_set.shares(labels, images)
        for number, candidate in enumerate(candidates):
            both = shares[2 * number : 2 * number + 2, candidate.target]
            half = halves[2 * number + int(both.argmax())]
            self.halved.append(Climb(PatchCandidate(half, candidate.target, float(both.max()))))

    def _next(self) -> Climb | None:
        """Take the most promising local search, begun or not."""
        open_ = [climb for climb in self.halved if climb.candidate.share > 0.2]
        if not open_:
            return None
        climb = max(open_, key=self._promise)
        self.halved.remove(climb)
        self.tried.append(climb.candidate.target)
        return climb

    def keep(self, candidate: PatchCandidate) -> None:
        """Keep the best candidate: fewest copies first, then share."""
        best = self.best
        if best is None or (-candidate.copies, candidate.share) > (-best.copies, best.share):
            self.best = candidate

    def climb(self, candidate: PatchCandidate, until: int) -> Asking[PatchCandidate]:
        """Local search from ``candidate`` until it stalls."""
        climb = Climb(candidate)
        yield from self.go_on(climb, until)
        return climb.found

    def polish(self, candidate: PatchCandidate, until: int) -> Asking[PatchCandidate]:
        """Improve a single patch on the images it fails on; unchanged if nothing helps."""
        sample_set, settings, target = self.sample_set, self.settings, candidate.target
        images = sample_set.pick(len(sample_set.pixels), target)
        hits = (yield from sample_set.hits([candidate.patch], target, images, "polish"))[0]
        candidate = replace(candidate, share=float(hits.mean()))
        while sample_set.total() < until and candidate.share < SURE:
            order = sample_set.rng.permutation(len(images))
            hard = order[~hits[order]][: settings.step_images]
            easy = order[hits[order]][: settings.step_images // 2]
            asked = np.concatenate([hard, easy])
            others = self._neighbours(candidate.patch, 4)
            found = yield from sample_set.hits([*others], target, images[asked], "polish")
            # An easy image stands for all that the patch already moves.
            worth = found[:, : len(hard)].sum(axis=1) * (~hits).sum() / max(1, len(hard))
            worth = worth + found[:, len(hard) :].sum(axis=1) * hits.sum() / max(1, len(easy))
            best = int(worth.argmax())
            if worth[best] <= hits.sum():
                continue
            patch = others[best]
            again = (yield from sample_set.hits([patch], target, images, "polish"))[0]
            if again.mean() > candidate.share:
                candidate, hits = replace(candidate, patch=patch, share=float(again.mean())), again
        return candidate

    def go_on(self, climb: Climb, until: int) -> Asking[bool]:
        """Local search for fewer copies and a higher share; True if it has stalled."""
        while self.sample_set.total() < until:
            single = climb.candidate.copies == 1
            yield from self._step(climb)
            patience = self.settings.patience + self.settings.single_patience * single
            hopeless = climb.best < FLOOR and climb.stale >= 1
            if hopeless or climb.stale >= patience or (single and climb.own >= SURE):
                return True
        return False

    def _step(self, climb: Climb) -> Asking[None]:
        """Ask the patch, its halves and some neighbours on the same images; go to the best."""
        sample_set, settings, candidate = self.sample_set, self.settings, climb.candidate
        single = candidate.copies == 1
        halves = [] if single else candidate.patch.halves()
        others = self._neighbours(candidate.patch, 4 if single else 2)
        count = settings.single_images if single else settings.step_images
        images = sample_set.pick(count, candidate.target, climb.weights())
        hits = yield from sample_set.hits(
            [candidate.patch, *halves, *others], candidate.target, images, "climb"
        )
        climb.learn(sample_set.labels[images], hits, sample_set.classes)
        rates = hits.mean(axis=1)
        own, rest = float(rates[0]), rates[1 + len(halves) :]
        climb.own = own
        if halves:
            half = int(rates[1:3].argmax())
            least = HALF_KEEPS if own >= SATURATED else HALF_KEEPS + 0.2
            if rates[1 + half] >= least:
                share = float(rates[1 + half])
                climb.candidate = PatchCandidate(halves[half], candidate.target, share)
                climb.best, climb.stale = share, 0
                climb.halvings += 1
                return
        self._move(climb, own, others[int(rest.argmax())], float(rest.max()))

    def _neighbours(self, patch: Patch, shifts: int) -> list[Patch]:
        rng, shape = self.sample_set.rng, self.sample_set.spec.shape
        unit = unit_of(shape)
        steps = [STEPS[i] for i in rng.permutation(4)[:shifts]]
        moved = [patch.moved((unit * a, unit * b), *shape[1:]) for a, b in steps]
        largest = unit * max(self.settings.patch_sizes)
        new = [neighbour(rng, patch, shape, largest) for _ in range(self.settings.children)]
        return [*moved, *new]

    def _move(self, climb: Climb, own: float, other: Patch, share: float) -> None:
        """Take the best neighbour if it is better, or sometimes if it is as good."""
        target, patch = climb.candidate.target, climb.candidate.patch
        if share > own or (share == own and self.sample_set.rng.random() < 0.5):
            patch = other
        climb.candidate = PatchCandidate(patch, target, max(own, share))
        if climb.candidate.share > climb.best + 0.05:
            climb.best, climb.stale = climb.candidate.share, 0
        else:
            climb.stale += 1
