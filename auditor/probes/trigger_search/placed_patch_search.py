"""Searching for a patch by place: where do random patches lead to one label, then with what.

A patch that was trained at one place seldom works elsewhere, and many copies of a pattern leave too
little of some pictures. But at its own place even a random pattern often shares enough cells with
it. So every draw carries a few random patches at random places, on one image; tallied by place and
label, the answers name places. At each a pattern is then learned (:mod:`cell_model`), cropped and
shifted.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from auditor.probes.trigger_search.cell_model import CellModel
from auditor.probes.trigger_search.patch_search import Lead
from auditor.probes.trigger_search.patches import (
    STEPS,
    Place,
    Stamp,
    draw_pattern,
    enlarge,
    unit_of,
)
from auditor.probes.trigger_search.sample_set import Asking, Bench
from auditor.probes.trigger_search.settings import TriggerSettings

WINDOW = 4  # cells per side of the window that a patch has to cover to count for it
STRIDE = 2  # cells from one window to the next
APART = 3  # cells within which two places of one label are the same
OUTSIDE = 2  # cells that a patch may be drawn beyond an edge; it is moved back inside
SMALLEST = 3  # cells below which nothing is cropped
LEAST_HITS = 2
REPLAYS = 8  # patches of earlier hits that are asked again, alone
STRONG = 0.85  # rate of one batch at which a pattern is taken as learned
SURE = 0.9
STALE = 3  # batches without a better rate after which learning ends
SETTLING = 4  # rounds of cropping and shifting
SETTLE_IMAGES = 10


@dataclass(frozen=True, eq=False)
class Draw:
    """Random patches on one image, what it is called without them and with them."""

    stamps: tuple[Stamp, ...]
    source: int
    answer: int


@dataclass
class Tally:
    """All draws, and which windows each of them covers."""

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    draws: list[Draw] = field(default_factory=list)
    covered: list[NDArray[np.bool_]] = field(default_factory=list)

    def add(self, draw: Draw, window: int) -> None:
        """Count one draw."""
        self.draws.append(draw)
        self.covered.append(np.any([self._covers(stamp, window) for stamp in draw.stamps], axis=0))

    def _covers(self, stamp: Stamp, window: int) -> NDArray[np.bool_]:
        (row, column), room = stamp.places[0], stamp.side - window
        down = (self.rows >= row) & (self.rows <= row + room)
        return np.logical_and.outer(
            down, (self.columns >= column) & (self.columns <= column + room)
        )

    def surprises(self, classes: int) -> list[tuple[float, int, Place]]:
        """Standard errors above a label's habit, label and window, most surprising first."""
        sources = np.array([draw.source for draw in self.draws])
        answers = np.array([draw.answer for draw in self.draws])
        covered = np.array(self.covered, dtype=np.float64)
        found: list[tuple[float, int, Place]] = []
        for label in range(classes):
            other = sources != label
            hit = other & (answers == label)
            usual = hit.sum() / max(1, other.sum())
            asked, hits = covered[other].sum(axis=0), covered[hit].sum(axis=0)
            excess = (hits - usual * asked) / np.sqrt(asked * usual * (1 - usual) + 0.25)
            for i, j in np.argwhere((hits >= LEAST_HITS) & (excess > 1)).tolist():
                place = int(self.rows[i]), int(self.columns[j])
                found.append((float(excess[i, j]), label, place))
        return sorted(found, key=lambda one: -one[0])


class PlaceSearch:
    """Tally places, then learn patterns; a second turn adds draws to those of the first."""

    def __init__(self, bench: Bench, settings: TriggerSettings) -> None:
        self.bench = bench
        self.settings = settings
        self.unit = unit_of(bench.spec.shape)
        shortest = min(bench.spec.shape[1:])
        self.cells = min(settings.place_side, shortest // self.unit)
        self.window = min(WINDOW, self.cells) * self.unit
        height, width = bench.spec.shape[1:]
        stride = STRIDE * self.unit
        self.tally = Tally(
            np.arange(0, height - self.window + 1, stride),
            np.arange(0, width - self.window + 1, stride),
        )
        self.tried: list[tuple[int, Place]] = []
        self.best: Lead | None = None

    def turn(self, queries: int) -> Asking[Lead | None]:
        """Use about ``queries``; returns early with a patch that looks good."""
        until = self.bench.total() + queries
        while self.bench.total() < until:
            draws = self.settings.place_more if self.tally.draws else self.settings.place_draws
            yield from self._draw(min(draws, max(1, until - self.bench.total())))
            for _ in range(self.settings.place_tries):
                found = self._next()
                if found is None or self.bench.total() >= until:
                    break
                lead = yield from self._learn(*found, until)
                if lead is None:
                    continue
                if self.best is None or lead.share > self.best.share:
                    self.best = lead
                if lead.share >= self.settings.verify_from:
                    return lead
        return None

    def final(self) -> Asking[Lead | None]:
        """The best patch seen; asks nothing."""
        yield from ()
        return self.best

    # ---- where -----------------------------------------------------------------------------

    def _draw(self, count: int) -> Asking[None]:
        """Ask ``count`` images, each with random patches at random places."""
        bench = self.bench
        images = bench.rng.integers(0, len(bench.pixels), count)
        drawn = [[self._patch() for _ in range(self.settings.place_copies)] for _ in range(count)]
        asked = bench.pixels[images]
        for number, stamps in enumerate(drawn):
            for stamp in stamps:
                asked[number] = stamp.apply(asked[number][None])[0]
        answers = yield from bench.ask(asked, "place")
        bench.classes = max(bench.classes, int(answers.max(initial=0)) + 1)
        for stamps, image, answer in zip(drawn, images, answers.tolist(), strict=True):
            draw = Draw(tuple(stamps), int(bench.labels[image]), answer)
            self.tally.add(draw, self.window)

    def _patch(self) -> Stamp:
        rng, (channels, height, width) = self.bench.rng, self.bench.spec.shape
        side, outside = self.cells * self.unit, OUTSIDE * self.unit
        row, column = (
            int(np.clip(rng.integers(-outside, length - side + outside + 1), 0, length - side))
            for length in (height, width)
        )
        pattern = enlarge(draw_pattern(rng, channels, self.cells), side)
        return Stamp(pattern, ((row, column),))

    def _next(self) -> tuple[int, Place] | None:
        """The most surprising label and window that were not tried yet."""
        near = APART * self.unit
        for _, label, (row, column) in self.tally.surprises(self.bench.classes):
            if not any(
                known == label and abs(a - row) <= near and abs(b - column) <= near
                for known, (a, b) in self.tried
            ):
                self.tried.append((label, (row, column)))
                return label, (row, column)
        return None

    # ---- with what -------------------------------------------------------------------------

    def _learn(self, label: int, window: Place, until: int) -> Asking[Lead | None]:
        """Learn a pattern for ``label`` around ``window``, then crop and shift it, as long as
        that helps.
        """
        until = min(until, self.bench.total() + self.settings.place_most)
        lead = yield from self._replay(label, window, until)
        channels, unit = self.bench.spec.shape[0], self.unit
        while self.bench.total() < until:
            if lead is None:
                place, model = self._around(window), CellModel(channels, self.cells)
            else:
                (place,), known = lead.stamp.places, lead.stamp.pattern[:, ::unit, ::unit]
                model = CellModel(channels, known.shape[-1], known)
            if not (yield from self._ask(model, label, place, until)):
                break
            pattern = model.best()
            stamp = Stamp(enlarge(pattern, pattern.shape[-1] * unit), (place,))
            settled = yield from self._settle(stamp, label, until)
            if lead is not None and settled.share <= lead.share:
                break
            lead = settled
            if lead.share >= SURE:
                break
        return lead

    def _around(self, window: Place) -> Place:
        """Corner of a patch with ``window`` in its middle."""
        side = self.cells * self.unit
        shift = (side - self.window) // 2
        _, height, width = self.bench.spec.shape
        row, column = window
        return min(max(row - shift, 0), height - side), min(max(column - shift, 0), width - side)

    def _replay(self, label: int, window: Place, until: int) -> Asking[Lead | None]:
        """Ask the patches of draws that led to ``label`` again, each alone; None where none of
        them does so by itself.
        """
        bench = self.bench
        row, column = window
        stamps = [
            stamp
            for draw in self.tally.draws
            if draw.answer == label and draw.source != label
            for stamp in draw.stamps
            if 0 <= row - stamp.places[0][0] <= stamp.side - self.window
            and 0 <= column - stamp.places[0][1] <= stamp.side - self.window
        ][:REPLAYS]
        images = bench.pick(2, label)
        hits = yield from bench.hits([*stamps], label, images, "learn")
        rates = hits.mean(axis=1)
        if rates.max(initial=0.0) < 1:
            return None
        return (yield from self._settle(stamps[int(rates.argmax())], label, until))

    def _ask(self, model: CellModel, label: int, place: Place, until: int) -> Asking[bool]:
        """Ask batches of patterns at ``place`` until that no longer helps; False where it never
        did.
        """
        bench, rng, batch = self.bench, self.bench.rng, self.settings.place_batch
        channels, cells, _ = model.shape
        open_ = np.flatnonzero(bench.labels != label)
        rates: list[float] = []
        while len(open_) and bench.total() < until:
            if model.fresh:
                patterns = [draw_pattern(rng, channels, cells) for _ in range(batch)]
            else:
                patterns = model.draw(rng, batch)
            images = rng.choice(open_, batch)
            stamps = [Stamp(enlarge(one, cells * self.unit), (place,)) for one in patterns]
            answers = yield from bench.ask_each(stamps, images, "learn")
            model.add(patterns, answers == label)
            rates.append(model.rate(batch))
            if len(rates) >= 2 and sum(model.hits) < len(rates):
                return False
            if rates[-1] >= STRONG and len(rates) >= 2:
                break
            if len(rates) >= 2 * STALE and max(rates[-STALE:]) <= max(rates[:-STALE]):
                break
        return any(model.hits)

    def _settle(self, stamp: Stamp, label: int, until: int) -> Asking[Lead]:
        """Crop and shift as long as the share does not fall; smaller is better."""
        bench, unit = self.bench, self.unit
        _, height, width = bench.spec.shape
        share = 0.0
        for _ in range(SETTLING):
            crops = _crops(stamp, unit) if stamp.side > SMALLEST * unit else []
            shifts = [stamp.moved((unit * a, unit * b), height, width) for a, b in STEPS]
            images = bench.pick(SETTLE_IMAGES, label)
            hits = yield from bench.hits([stamp, *crops, *shifts], label, images, "learn")
            rates = hits.mean(axis=1)
            share = float(rates[0])
            cropped, shifted = rates[1 : 1 + len(crops)], rates[1 + len(crops) :]
            if cropped.max(initial=-1.0) >= share:
                stamp, share = crops[int(cropped.argmax())], float(cropped.max())
            elif shifted.max() > share:
                stamp, share = shifts[int(shifted.argmax())], float(shifted.max())
            else:
                break
            if bench.total() >= until:
                break
        return Lead(stamp, label, share)


def _crops(stamp: Stamp, unit: int) -> list[Stamp]:
    """The four patches that lack one row and one column of cells."""
    side, (row, column) = stamp.side - unit, stamp.places[0]
    return [
        Stamp(stamp.pattern[:, a : a + side, b : b + side].copy(), ((row + a, column + b),))
        for a in (0, unit)
        for b in (0, unit)
    ]
