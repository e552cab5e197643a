"""DeBackdoor (Popovic et al. 2025): simulated annealing towards a smoothed success rate.

Every label and template has a chain. In turn each chain tries a neighbour of its trigger on all
samples and moves there if the score rises, or by chance if it falls. Two things are added, at no
query: all labels read each answer, and a chain moves to another chain's trigger of its template
where that serves its own label better.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from examples.benchmarks.rivals.templates import TEMPLATES, Floats, Trigger, as_pictures

Ask = Callable[[Floats], NDArray[np.float32]]
"""From pictures to probabilities ``(n, classes)``."""
STEEPNESS = 5.0
"""Factor of the probabilities' margin in the smoothed rate."""
HOT, COOLING, COLD = 0.003, 0.95, 0.0003
"""First temperature, its factor from one move of a chain to the next, and the least one. The
largest budget has no part in it, so a search is the beginning of every longer one."""
ENOUGH, ENOUGH_HARD = 0.98, 1.0
"""Scores that nothing much exceeds (at most 0.993, and 1): the search ends there."""
SHARED_DRAWS = 4
"""Random triggers of each template that all labels start from."""
BATCH = 256
"""Pictures asked at once: the largest batch that stays in the processor's cache."""


@dataclass(frozen=True)
class Settings:
    """How a model is searched.

    Attributes:
        budgets: queries after which the best is recorded, rising; the last one ends the search.
        hard: True if only labels are read.
        seed: seed of every draw.
    """

    budgets: tuple[int, ...]
    hard: bool
    seed: int


@dataclass
class Best:
    """The best trigger so far.

    Attributes:
        score: its smoothed success rate, or its success rate with labels alone.
        label: the label that it leads to.
        template: its kind.
        success: share of samples not of that label that it sends there.
    """

    score: float = -1.0
    label: int = -1
    template: str = ""
    success: float = 0.0


@dataclass
class Chains:
    """Trigger and score of every label, for each template."""

    triggers: dict[str, list[Trigger]]
    scores: dict[str, NDArray[np.float64]]


@dataclass
class Search:
    """One search of one model.

    Attributes:
        ask: the model.
        images: samples ``(n, c, h, w)`` in 0 to 1.
        truth: their classes, ``(n,)``.
        classes: number of classes.
        settings: how it is searched.
        asked: queries so far.
        best: the best trigger so far.
        records: the best at each budget that is behind.
    """

    ask: Ask
    images: Floats
    truth: NDArray[np.int64]
    classes: int
    settings: Settings
    asked: int = 0
    best: Best = field(default_factory=Best)
    records: dict[int, Best] = field(default_factory=dict)

    def run(self) -> dict[int, Best]:
        """Search until the last budget is spent; the best at each budget."""
        rng = np.random.default_rng([self.settings.seed, self.classes, self.settings.hard])
        chains = self._start(rng)
        while not self._ended():
            for group in self._groups(rng):
                if not self._ended():
                    self._step(chains, group, rng)
        return self.records | {budget: self.best for budget in self.settings.budgets
                               if budget not in self.records}  # fmt: skip

    def _ended(self) -> bool:
        """True if the budget is spent or nothing better can be found."""
        enough = ENOUGH_HARD if self.settings.hard else ENOUGH
        spent = self.asked + len(self.images) > self.settings.budgets[-1]
        return spent or self.best.score >= enough

    def _start(self, rng: np.random.Generator) -> Chains:
        """The best of a few random triggers for every label, of each template."""
        triggers: dict[str, list[Trigger]] = {}
        scores: dict[str, NDArray[np.float64]] = {}
        shape = self.images.shape[1:]
        for name, template in TEMPLATES.items():
            drawn = [template.draw(shape, rng) for _ in range(SHARED_DRAWS)]
            known = np.stack([self._judged(name, row) for row in self._answers(drawn)])
            triggers[name] = [drawn[row] for row in known.argmax(axis=0)]
            scores[name] = known.max(axis=0)
        return Chains(triggers, scores)

    def _groups(self, rng: np.random.Generator) -> Iterator[Sequence[tuple[str, int]]]:
        """Every chain once in random order, as many at a time as one batch takes."""
        names = list(TEMPLATES)
        order = rng.permutation(len(names) * self.classes)
        size = max(1, BATCH // len(self.images))
        for start in range(0, len(order), size):
            picked = order[start : start + size]
            yield [(names[one % len(names)], int(one // len(names))) for one in picked]

    def _step(
        self, chains: Chains, group: Sequence[tuple[str, int]], rng: np.random.Generator
    ) -> None:
        """One move of each chain of the group, as far as the budget reaches."""
        left = (self.settings.budgets[-1] - self.asked) // len(self.images)
        group = group[:left]
        turns = self.asked / (len(self.images) * self.classes * len(TEMPLATES))
        heat = max(COLD, HOT * COOLING**turns)
        tried = [chains.triggers[name][label].near(rng) for name, label in group]
        for (name, label), trigger, row in zip(group, tried, self._answers(tried), strict=True):
            reached, scores = self._judged(name, row), chains.scores[name]
            fall = scores[label] - reached[label]
            moves = reached > scores
            moves[label] = fall <= 0 or rng.random() < math.exp(-fall / heat)
            scores[moves] = reached[moves]
            for moved in np.flatnonzero(moves):
                chains.triggers[name][moved] = trigger

    def _answers(self, triggers: Sequence[Trigger]) -> NDArray[np.float32]:
        """Probabilities ``(triggers, samples, classes)``."""
        changed = [as_pictures(one.apply(self.images)) for one in triggers]
        answers = self.ask(np.concatenate(changed))
        return answers.reshape(len(triggers), len(self.images), -1)

    def _judged(self, name: str, answers: NDArray[np.float32]) -> NDArray[np.float64]:
        """Count one trigger's queries; its score for every label, ``(classes,)``."""
        spent = self.asked + len(self.images)
        for budget in self.settings.budgets:
            if self.asked <= budget < spent:
                self.records[budget] = self.best
        self.asked = spent
        others = self.truth[:, None] != np.arange(self.classes)[None]
        reached = carried(answers)
        success = _mean_where(reached, others)
        scores = success if self.settings.hard else _mean_where(smoothed(answers), others)
        top = int(scores.argmax())
        if scores[top] > self.best.score:
            self.best = Best(float(scores[top]), top, name, float(success[top]))
        return scores


def carried(answers: NDArray[np.float32]) -> NDArray[np.float64]:
    """1 for the label of each answer, else 0, ``(n, classes)``."""
    labels = answers.argmax(axis=1)
    one: NDArray[np.float64] = (labels[:, None] == np.arange(answers.shape[1])).astype(np.float64)
    return one


def smoothed(answers: NDArray[np.float32]) -> NDArray[np.float64]:
    """The paper's continuous success of each sample for every label, ``(n, classes)``: the
    logistic function of the margin of its probability over the largest other one.
    """
    two = np.partition(answers, -2, axis=1)[:, -2:]
    rival = np.where(answers >= two[:, 1:], two[:, :1], two[:, 1:])
    margin = (answers - rival).astype(np.float64)
    value: NDArray[np.float64] = 1 / (1 + np.exp(-STEEPNESS * margin))
    return value


def _mean_where(values: NDArray[np.float64], counted: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean of each column over the rows that count."""
    mean: NDArray[np.float64] = (values * counted).sum(axis=0) / np.maximum(1, counted.sum(axis=0))
    return mean
