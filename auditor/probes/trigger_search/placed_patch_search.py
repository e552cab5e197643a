"""Search for a patch by its place: first places at which random patches give one label, then the
pattern there.

A patch that was trained at one place seldom works elsewhere, and many copies of a pattern leave too
little of some images. But at its own place even a random pattern often shares enough cells with
it. So every draw carries a few random patches at random places, on one image; tallied by place and
label, the answers name places. At each a pattern is then learned (:mod:`cell_model`) and trimmed.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from auditor.probes.trigger_search.cell_model import CellModel
from auditor.probes.trigger_search.kind_search import KindSearch
from auditor.probes.trigger_search.patch_search import PatchCandidate
from auditor.probes.trigger_search.patches import (
    STEPS,
    Patch,
    Place,
    draw_pattern,
    enlarge,
    unit_of,
)
from auditor.probes.trigger_search.sample_set import Asking, SampleSet
from auditor.probes.trigger_search.settings import TriggerSettings

WINDOW = 4  # cells per side of the window that a patch has to cover to count for it
STRIDE = 2  # cells from one window to the next
SAME_PLACE = 3  # cells within which two places of one label are the same
OUTSIDE = 2  # cells that a patch may be drawn beyond an edge; it is moved back inside
SMALLEST = 3  # cells below which nothing is cropped
LEAST_HITS = 2
REPLAYS = 8  # patches of earlier hits that are asked again, alone
STRONG = 0.85  # rate of one batch at which a pattern is taken as learned
SURE = 0.9
STALE = 3  # batches without a better rate after which learning ends
TRIM_ROUNDS = 4  # rounds of cropping and shifting
TRIM_IMAGES = 10


@dataclass(frozen=True, eq=False)
class Draw:
    """Random patches on one image, and its labels without and with them."""

    patches: tuple[Patch, ...]
    source: int
    answer: int


@dataclass
class Tally:
    """All draws, and the windows that each of them covers, by their first rows and columns."""

    rows: range
    columns: range
    draws: list[Draw] = field(default_factory=list)
    covered: list[NDArray[np.bool_]] = field(default_factory=list)

    def add(self, draw: Draw, window: int) -> None:
        """Count one draw."""
        covered = np.zeros((len(self.rows), len(self.columns)), dtype=np.bool_)
        for patch in draw.patches:
            (row, column), room = patch.places[0], patch.side - window
            covered[_between(self.rows, row, room), _between(self.columns, column, room)] = True
        self.draws.append(draw)
        self.covered.append(covered)

    def surprises(self, classes: int) -> list[tuple[float, int, Place]]:
        """Standard errors above a label's usual share, label and window, the largest first."""
        sources = np.array([draw.source for draw in self.draws])
        answers = np.array([draw.answer for draw in self.draws])
        covered = np.array(self.covered)
        every = covered.sum(axis=0)
        found: list[tuple[float, int, Place]] = []
        for label in range(classes):
            other = sources != label
            hit = other & (answers == label)
            if hit.sum() < LEAST_HITS:
                continue
            usual = hit.sum() / max(1, other.sum())
            asked, hits = every - covered[~other].sum(axis=0), covered[hit].sum(axis=0)
            excess = (hits - usual * asked) / np.sqrt(asked * usual * (1 - usual) + 0.25)
            for i, j in np.argwhere((hits >= LEAST_HITS) & (excess > 1)).tolist():
                place = self.rows[i], self.columns[j]
                found.append((float(excess[i, j]), label, place))
        return sorted(found, key=lambda one: -one[0])


def _between(starts: range, first: int, room: int) -> slice:
    """The ``starts`` from ``first`` on, up to ``room`` beyond."""
    return slice(bisect_left(starts, first), bisect_right(starts, first + room))


class PlacedPatchSearch(KindSearch[PatchCandidate]):
    """Tally places, then learn patterns; a second turn adds draws to those of the first."""

    def __init__(self, sample_set: SampleSet, settings: TriggerSettings) -> None:
        super().__init__(sample_set, settings)
        height, width = sample_set.spec.shape[1:]
        self.unit = unit_of(sample_set.spec.shape)
        self.cells = min(settings.place_side, min(height, width) // self.unit)
        self.window = min(WINDOW, self.cells) * self.unit
        stride = STRIDE * self.unit
        self.tally = Tally(
            range(0, height - self.window + 1, stride), range(0, width - self.window + 1, stride)
        )
        self.tried: list[tuple[int, Place]] = []

    def turn(self, queries: int) -> Asking[PatchCandidate | None]:
        """Use about ``queries``; returns early with a good patch."""
        until = self.sample_set.total() + queries
        while self.sample_set.total() < until:
            draws = self.settings.place_more if self.tally.draws else self.settings.place_draws
            yield from self.draw(min(draws, max(1, until - self.sample_set.total())))
            for _ in range(self.settings.place_tries):
                found = self._next()
                if found is None or self.sample_set.total() >= until:
                    break
                candidate = yield from self._learn(*found, until)
                if candidate is None:
                    continue
                self.keep(candidate)
                if candidate.share >= self.settings.verify_from:
                    return candidate
        return None

    # ---- places ----------------------------------------------------------------------------

    def draw(self, count: int) -> Asking[None]:
        """Ask ``count`` images, each with random patches at random places."""
        sample_set = self.sample_set
        images = sample_set.rng.integers(0, len(sample_set.pixels), count)
        drawn = [[self._patch() for _ in range(self.settings.place_copies)] for _ in range(count)]
        asked = sample_set.pixels[images]
        for number, patches in enumerate(drawn):
            for patch in patches:
                patch.paste(asked[number : number + 1])
        answers = yield from sample_set.ask(asked, "place")
        sample_set.classes = max(sample_set.classes, int(answers.max(initial=0)) + 1)
        for patches, image, answer in zip(drawn, images, answers.tolist(), strict=True):
            draw = Draw(tuple(patches), int(sample_set.labels[image]), answer)
            self.tally.add(draw, self.window)

    def _patch(self) -> Patch:
        rng, (channels, height, width) = self.sample_set.rng, self.sample_set.spec.shape
        side, outside = self.cells * self.unit, OUTSIDE * self.unit
        row, column = (
            min(max(int(rng.integers(-outside, length - side + outside + 1)), 0), length - side)
            for length in (height, width)
        )
        pattern = enlarge(draw_pattern(rng, channels, self.cells), side)
        return Patch(pattern, ((row, column),))

    def _next(self) -> tuple[int, Place] | None:
        """The most surprising label and window that were not tried yet."""
        near = SAME_PLACE * self.unit
        for _, label, (row, column) in self.tally.surprises(self.sample_set.classes):
            if not any(
                known == label and abs(a - row) <= near and abs(b - column) <= near
                for known, (a, b) in self.tried
            ):
                self.tried.append((label, (row, column)))
                return label, (row, column)
        return None

    # ---- patterns --------------------------------------------------------------------------

    def _learn(self, label: int, window: Place, until: int) -> Asking[PatchCandidate | None]:
        """Learn a pattern for ``label`` around ``window``, then trim it, as long as that helps."""
        until = min(until, self.sample_set.total() + self.settings.place_most)
        candidate = yield from self._replay(label, window, until)
        channels, unit = self.sample_set.spec.shape[0], self.unit
        while self.sample_set.total() < until:
            if candidate is None:
                place, model = self.around(window), CellModel(channels, self.cells)
            else:
                (place,), known = candidate.patch.places, candidate.patch.pattern[:, ::unit, ::unit]
                model = CellModel(channels, known.shape[-1], known)
            if not (yield from self._ask(model, label, place, until)):
                break
            pattern = model.best()
            patch = Patch(enlarge(pattern, pattern.shape[-1] * unit), (place,))
            trimmed = yield from self._trim(patch, label, until)
            if candidate is not None and trimmed.share <= candidate.share:
                break
            candidate = trimmed
            if candidate.share >= SURE:
                break
        return candidate

    def around(self, window: Place) -> Place:
        """Corner of a patch with ``window`` in its middle."""
        side = self.cells * self.unit
        shift = (side - self.window) // 2
        _, height, width = self.sample_set.spec.shape
        row, column = window
        return min(max(row - shift, 0), height - side), min(max(column - shift, 0), width - side)

    def _replay(self, label: int, window: Place, until: int) -> Asking[PatchCandidate | None]:
        """Ask the patches of draws that led to ``label`` again, each alone; None if none does."""
        sample_set = self.sample_set
        row, column = window
        patches = [
            patch
            for draw in self.tally.draws
            if draw.answer == label and draw.source != label
            for patch in draw.patches
            if 0 <= row - patch.places[0][0] <= patch.side - self.window
            and 0 <= column - patch.places[0][1] <= patch.side - self.window
        ][:REPLAYS]
        images = sample_set.pick(2, label)
        hits = yield from sample_set.hits([*patches], label, images, "learn")
        rates = hits.mean(axis=1)
        if rates.max(initial=0.0) < 1:
            return None
        return (yield from self._trim(patches[int(rates.argmax())], label, until))

    def _ask(self, model: CellModel, label: int, place: Place, until: int) -> Asking[bool]:
        """Ask batches of patterns at ``place`` while that helps; False if it never did."""
        sample_set, rng, batch = self.sample_set, self.sample_set.rng, self.settings.place_batch
        channels, cells, _ = model.shape
        open_ = np.flatnonzero(sample_set.labels != label)
        rates: list[float] = []
        while len(open_) and sample_set.total() < until:
            if model.fresh:
                patterns = [draw_pattern(rng, channels, cells) for _ in range(batch)]
            else:
                patterns = model.draw(rng, batch)
            images = rng.choice(open_, batch)
            patches = [Patch(enlarge(one, cells * self.unit), (place,)) for one in patterns]
            answers = yield from sample_set.ask_each(patches, images, "learn")
            model.add(patterns, answers == label)
            rates.append(model.rate(batch))
            if len(rates) >= 2 and sum(model.hits) < len(rates):
                return False
            if rates[-1] >= STRONG and len(rates) >= 2:
                break
            if len(rates) >= 2 * STALE and max(rates[-STALE:]) <= max(rates[:-STALE]):
                break
        return any(model.hits)

    def _trim(self, patch: Patch, label: int, until: int) -> Asking[PatchCandidate]:
        """Crop and shift as long as the share does not fall; smaller is better."""
        sample_set, unit = self.sample_set, self.unit
        _, height, width = sample_set.spec.shape
        share = 0.0
        for _ in range(TRIM_ROUNDS):
            smaller = crops(patch, unit) if patch.side > SMALLEST * unit else []
            shifts = [patch.moved((unit * a, unit * b), height, width) for a, b in STEPS]
            images = sample_set.pick(TRIM_IMAGES, label)
            hits = yield from sample_set.hits([patch, *smaller, *shifts], label, images, "learn")
            rates = hits.mean(axis=1)
            share = float(rates[0])
            cropped, shifted = rates[1 : 1 + len(smaller)], rates[1 + len(smaller) :]
            if cropped.max(initial=-1.0) >= share:
                patch, share = smaller[int(cropped.argmax())], float(cropped.max())
            elif shifted.max() > share:
                patch, share = shifts[int(shifted.argmax())], float(shifted.max())
            else:
                break
            if sample_set.total() >= until:
                break
        return PatchCandidate(patch, label, share)


def crops(patch: Patch, unit: int) -> list[Patch]:
    """The four patches that lack one row and one column of ``unit`` pixels."""
    side, (row, column) = patch.side - unit, patch.places[0]
    return [
        Patch(patch.pattern[:, a : a + side, b : b + side].copy(), ((row + a, column + b),))
        for a in (0, unit)
        for b in (0, unit)
    ]
