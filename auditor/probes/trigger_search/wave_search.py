"""Search for a sinusoid by tally: every draw is one wave on one image.

A wave is known by its direction, its number of cycles and its phase. Draws go evenly over all
directions and cycles; per label, the answers of one direction and number of cycles point to the
phase that the label responds to.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from auditor.probes.trigger_search.kind_search import KindSearch
from auditor.probes.trigger_search.sample_set import Asking, SampleSet
from auditor.probes.trigger_search.settings import TriggerSettings
from auditor.probes.trigger_search.transforms import TransformCandidate, Wave

Floats = NDArray[np.float64]
Cycles = tuple[float, float]
MOST_CYCLES = 12
ASLANT = 0.5  # aslant waves get this share of the draws of upright ones
PHASES = (0.0, 0.9, -0.9)  # around the estimated phase, in radians
PER_LABEL = 3  # candidates that one label may have
LEAST_HITS = 2
SURE = 0.95  # share that is not worth refining
HOPELESS = 0.3  # share below which a wave is not worth refining


class WaveSearch(KindSearch[TransformCandidate]):
    """All waves of 2 to 12 cycles, down, across and aslant; a second turn adds draws."""

    def __init__(self, sample_set: SampleSet, settings: TriggerSettings) -> None:
        super().__init__(sample_set, settings)
        self.cells = _cells(min(MOST_CYCLES, min(sample_set.spec.shape[1:]) // 2))
        self.number: list[int] = []
        self.phases: list[float] = []
        self.sources: list[int] = []
        self.answers: list[int] = []

    def turn(self, queries: int) -> Asking[TransformCandidate | None]:
        """Use about ``queries``; returns a good wave, or None."""
        until = self.sample_set.total() + queries
        # An image under four pixels has no room for a wave.
        while self.cells and self.sample_set.total() < until:
            yield from self._draw()
            candidate = yield from self._try(self._candidates())
            if candidate is not None:
                self.keep(candidate)
                if candidate is self.best and candidate.share >= self.settings.enough:
                    return candidate
        return None

    def _draw(self) -> Asking[None]:
        """One wave on one image, several times for every direction and number of cycles."""
        sample_set, rng = self.sample_set, self.sample_set.rng
        draws = self.settings.wave_draws
        number = [
            i
            for i, (down, across) in enumerate(self.cells)
            for _ in range(max(1, round(draws * (ASLANT if down and across else 1.0))))
        ]
        phases = rng.uniform(0, 2 * np.pi, len(number)).tolist()
        images = rng.integers(0, len(sample_set.pixels), len(number))
        loud = self.settings.amplitudes[1]
        waves = [Wave(self.cells[i], phase, loud) for i, phase in zip(number, phases, strict=True)]
        answers = yield from sample_set.ask_each(waves, images, "tally")
        self.number += number
        self.phases += phases
        self.sources += sample_set.labels[images].tolist()
        self.answers += answers.tolist()

    def _candidates(self) -> list[tuple[Wave, int]]:
        """Per label the cells that led to it most often above its usual share, most striking
        first.
        """
        number, answers = np.array(self.number), np.array(self.answers)
        sources, phasors = np.array(self.sources), np.exp(1j * np.array(self.phases))
        found: list[tuple[float, Wave, int]] = []
        for label in range(self.sample_set.classes):
            other = sources != label
            hit = other & (answers == label)
            asked = np.bincount(number[other], minlength=len(self.cells))
            hits = np.bincount(number[hit], minlength=len(self.cells))
            usual = hit.sum() / max(1, other.sum())
            # Standard errors above the label's usual share, as if that were known.
            spread = np.sqrt(np.maximum(asked, 1) * max(usual, 0.02) * (1 - usual) + 0.25)
            excess = (hits - usual * asked) / spread
            for cell in np.argsort(-excess, kind="stable")[:PER_LABEL].tolist():
                if hits[cell] < LEAST_HITS:
                    continue
                phase = float(np.angle(phasors[hit & (number == cell)].sum()))
                wave = Wave(self.cells[cell], phase, self.settings.wave)
                found.append((float(excess[cell]), wave, label))
        found.sort(key=lambda one: -one[0])
        return [(wave, label) for _, wave, label in found[: self.settings.wave_tries]]

    def _try(self, candidates: list[tuple[Wave, int]]) -> Asking[TransformCandidate | None]:
        """Ask the candidates at three phases on a few images, then refine the best."""
        sample_set, settings = self.sample_set, self.settings
        if not candidates:
            return None
        waves = [
            (Wave(wave.cycles, wave.phase + step, wave.strength), label)
            for wave, label in candidates
            for step in PHASES
        ]
        images = sample_set.pick(settings.tally_images)
        labels = yield from sample_set.labels_of([wave for wave, _ in waves], images, "tally")
        shares = sample_set.shares(labels, images)
        order = np.argsort([-shares[i, t] for i, (_, t) in enumerate(waves)], kind="stable")
        number = int(order[0])
        wave, label = waves[number]
        return (yield from self._refined(wave, label, float(shares[number, label])))

    def _refined(self, wave: Wave, label: int, share: float) -> Asking[TransformCandidate]:
        """Change phase and cycles as long as that moves more images."""
        sample_set, settings = self.sample_set, self.settings
        for _ in range(settings.wave_steps):
            if share < HOPELESS:
                break
            waves = [wave, *_near(wave)]
            images = sample_set.pick(settings.single_images, label)
            hits = yield from sample_set.hits([*waves], label, images, "tally")
            rates = hits.mean(axis=1)
            share = float(rates.max())
            if rates[0] >= SURE:
                break
            wave = waves[int(rates.argmax())]
        return TransformCandidate(wave, label, share)


def _near(wave: Wave) -> list[Wave]:
    """Its neighbours: half a radian to both sides, and one cycle more or fewer about the middle of
    the image, so that it moves least there.
    """
    near = [Wave(wave.cycles, wave.phase + step, wave.strength) for step in (-0.6, 0.6)]
    down, across = wave.cycles
    for step in (-1.0, 1.0):
        rows, columns = down + step * np.sign(down), across + step * np.sign(across)
        shift = np.pi * (down - rows + across - columns)
        near.append(Wave((float(rows), float(columns)), wave.phase + shift, wave.strength))
    return near


def _cells(longest: int) -> list[Cycles]:
    """Down and across at every number of cycles, aslant at every second."""
    upright = [float(n) for n in range(2, longest + 1)]
    aslant = upright[::2]
    down: list[Cycles] = [(n, 0.0) for n in upright]
    across: list[Cycles] = [(0.0, n) for n in upright]
    return down + across + [(n, n) for n in aslant] + [(n, -n) for n in aslant]
