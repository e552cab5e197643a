"""A plane's label map by refinement: queries go where the decision boundary is.

A coarse lattice of nodes is asked first; a cell in which two nodes disagree is cut in four, the
largest first, down to single nodes or until the map's budget is spent; a cell of one label is
filled with it, and other nodes with the label of the nearest node asked. On the way random nodes
are checked for islands that the lattice missed, and a cell with one is cut further. Last, random
nodes among those never asked are asked to measure how often the filling is wrong.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import scipy
from numpy.typing import NDArray

from auditor.probes.plane import PlaneProbe

MOST = 0.25
"""Share of a map's nodes that is asked at most, everything included. Maps of fewer than
:data:`SMALLEST` nodes a side are asked whole: there is nothing to save."""
SMALLEST = 24
COARSE_CELL = 8
"""Nodes a side of the first lattice's cells."""
ISLAND_CHECKS, CHECK_ROUNDS = 0.01, 3
"""Share of the map asked at random in one check for islands, and how many checks at most: a check
that finds none is the last."""
RECHECK, LEAST_RECHECK = 0.02, 50
"""Share of the map asked in the final measurement: 200 nodes at S = 100; and the fewest nodes."""
VOTE_REACH = 0.8
"""Standard deviation, in nodes, of the weights of that vote."""
UNKNOWN = -1


def most_queries(density: int) -> int:
    """Most nodes a map of ``density`` points per side asks."""
    return density**2 if density < SMALLEST else int(MOST * density**2)


Cell = tuple[int, int, int, int]
"""First and last row, first and last column, all included; neighbours share their edge."""


@dataclass(frozen=True)
class LabelMap:
    """A refined label map.

    Attributes:
        labels: ``(S, S)``, asked or filled.
        asked: ``(S, S)``, True for nodes that were asked, the final measurement included.
        rechecked: nodes of the final measurement.
        wrong: number of those that had been filled with another label than the model's, which the
            map holds.
    """

    labels: NDArray[np.int64]
    asked: NDArray[np.bool_]
    rechecked: int
    wrong: int

    @property
    def queries(self) -> int:
        """Nodes asked."""
        return int(self.asked.sum())

    def agreement(self, rate: float) -> float:
        """Share of the map that agrees with the dense one if ``rate`` of the nodes never asked
        are filled wrongly.
        """
        return 1.0 - rate * (1.0 - self.queries / self.asked.size)


T = TypeVar("T")
Steps = Generator[NDArray[np.float32], NDArray[np.int64], T]
Drawing = Generator[NDArray[np.float32], NDArray[np.int64], LabelMap]
"""Yields inputs ``(n, c, h, w)``, is sent their labels ``(n,)``, returns the label map."""


def draw_label_map(probe: PlaneProbe, seed: int | tuple[int, ...]) -> Drawing:
    """Draw the label map of ``probe``'s grid from a part of its nodes; ``seed`` and the labels
    determine every question.
    """
    sheet = _Sheet(probe, np.random.default_rng(seed))
    if probe.density < SMALLEST:
        yield from sheet.ask(np.argwhere(sheet.labels == UNKNOWN))
        return LabelMap(sheet.labels, sheet.labels != UNKNOWN, 0, 0)
    check = round(ISLAND_CHECKS * sheet.labels.size)
    recheck = max(LEAST_RECHECK, round(RECHECK * sheet.labels.size))
    reserve = recheck + check
    yield from sheet.ask_lattice()
    yield from sheet.refine(reserve)
    for _ in range(CHECK_ROUNDS):
        if sheet.left <= reserve - check:
            break
        right = yield from sheet.guess(check)
        if right.all():
            break
        yield from sheet.refine(reserve)
    right = yield from sheet.guess(min(recheck, sheet.left))
    asked = sheet.labels != UNKNOWN
    return LabelMap(sheet.filled(), asked, len(right), int((~right).sum()))


class _Sheet:
    """The map while it is drawn: the known labels, the cells, and the nodes left to ask."""

    def __init__(self, probe: PlaneProbe, rng: np.random.Generator) -> None:
        size = probe.density
        self.labels = np.full((size, size), UNKNOWN, dtype=np.int64)
        self._probe, self._rng = probe, rng
        edges = [*range(0, size - 1, COARSE_CELL), size - 1]
        spans = list(itertools.pairwise(edges))
        self._cells: list[Cell] = [(*rows, *columns) for rows in spans for columns in spans]

    @property
    def left(self) -> int:
        """Nodes that may still be asked."""
        return most_queries(len(self.labels)) - int((self.labels != UNKNOWN).sum())

    def ask(self, nodes: NDArray[np.int64]) -> Steps[None]:
        """Ask those of ``nodes`` ``(n, 2)`` that are not known yet, in random order."""
        wanted = np.unique(nodes, axis=0)
        wanted = wanted[self.labels[wanted[:, 0], wanted[:, 1]] == UNKNOWN]
        if len(wanted):
            wanted = wanted[self._rng.permutation(len(wanted))]
            answers = yield self._probe.inputs(wanted[:, 0] * self._probe.density + wanted[:, 1])
            self.labels[wanted[:, 0], wanted[:, 1]] = answers

    def ask_lattice(self) -> Steps[None]:
        """Ask the corners of all cells."""
        yield from self.ask(np.array([corner for cell in self._cells for corner in _corners(cell)]))

    def refine(self, reserve: int) -> Steps[None]:
        """Cut cells with more than one label, the largest first, until none is left that can be
        cut or only ``reserve`` nodes may still be asked.
        """
        while True:
            mixed = [c for c in self._cells if _side(c) > 1 and not _one_label(self.labels, c)]
            # Cutting one asks at most five nodes.
            able = (self.left - reserve) // 5
            if not mixed or able <= 0:
                return
            largest = max(_side(cell) for cell in mixed)
            cut = [cell for cell in mixed if _side(cell) == largest]
            if len(cut) > able:
                cut = [cut[i] for i in np.sort(self._rng.permutation(len(cut))[:able])]
            nodes = [node for cell in cut for node in self._nodes_to_cut(cell)]
            yield from self.ask(np.array(nodes))
            gone = set(cut)
            self._cells = [cell for cell in self._cells if cell not in gone]
            self._cells += [quarter for cell in cut for quarter in _quarters(cell)]

    def _nodes_to_cut(self, cell: Cell) -> list[tuple[int, int]]:
        """The corners of its quarters; of the smallest cells the middles of those edges only
        whose ends differ, since a boundary seldom crosses so short an edge twice.
        """
        nodes = [corner for quarter in _quarters(cell) for corner in _corners(quarter)]
        if _side(cell) > 2:
            return nodes
        r0, r1, c0, c1 = cell
        return [
            (r, c)
            for r, c in nodes
            if (r in {r0, r1}) == (c in {c0, c1})
            or (r in {r0, r1} and self.labels[r, c0] != self.labels[r, c1])
            or (c in {c0, c1} and self.labels[r0, c] != self.labels[r1, c])
        ]

    def guess(self, count: int) -> Steps[NDArray[np.bool_]]:
        """Ask ``count`` random nodes that were never asked; True for those filled rightly."""
        filled = self.filled()
        unknown = np.argwhere(self.labels == UNKNOWN)
        nodes = unknown[self._rng.permutation(len(unknown))[:count]]
        yield from self.ask(nodes)
        right: NDArray[np.bool_] = (filled == self.labels)[nodes[:, 0], nodes[:, 1]]
        return right

    def filled(self) -> NDArray[np.int64]:
        """The map as far as it is known: a cell of one label is filled with it, any other node
        by a vote of the nodes asked around it, the nearer the heavier.
        """
        filled = self._vote()
        for cell in self._cells:
            if _side(cell) > 1 and _one_label(self.labels, cell):
                r0, r1, c0, c1 = cell
                filled[r0 : r1 + 1, c0 : c1 + 1] = self.labels[r0, c0]
        return filled

    def _vote(self) -> NDArray[np.int64]:
        unknown = self.labels == UNKNOWN
        row, column = scipy.ndimage.distance_transform_edt(
            unknown, return_distances=False, return_indices=True
        )
        voted: NDArray[np.int64] = self.labels[row, column]
        most = np.zeros(self.labels.shape)
        for label in np.unique(self.labels[~unknown]):
            votes = scipy.ndimage.gaussian_filter(
                (self.labels == label).astype(np.float64), VOTE_REACH
            )
            voted = np.where(unknown & (votes > most), label, voted)
            most = np.maximum(most, votes)
        return voted


def _side(cell: Cell) -> int:
    r0, r1, c0, c1 = cell
    return max(r1 - r0, c1 - c0)


def _one_label(labels: NDArray[np.int64], cell: Cell) -> bool:
    r0, r1, c0, c1 = cell
    part = labels[r0 : r1 + 1, c0 : c1 + 1]
    known = part[part != UNKNOWN]
    return bool((known == known[0]).all())


def _halves(low: int, high: int) -> list[tuple[int, int]]:
    middle = (low + high) // 2
    return [(low, middle), (middle, high)] if high - low > 1 else [(low, high)]


def _quarters(cell: Cell) -> list[Cell]:
    r0, r1, c0, c1 = cell
    return [(*rows, *columns) for rows in _halves(r0, r1) for columns in _halves(c0, c1)]


def _corners(cell: Cell) -> list[tuple[int, int]]:
    r0, r1, c0, c1 = cell
    return [(r, c) for r in (r0, r1) for c in (c0, c1)]
