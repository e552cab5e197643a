"""Curves of the goals' page: found against queries, by attack, clean models accused, and ROC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from examples.benchmarks.cells import steps_of

LEAST_MODELS = 4
"""Models of an attack that has a curve of its own."""


@dataclass(frozen=True)
class End:
    """One audit or search.

    Attributes:
        effort: of it.
        attack: ``clean`` or a name.
        suspicious: True if it accuses.
        queries: asked until its end.
        value: decision value, larger for what clean models show less.
    """

    effort: str
    attack: str
    suspicious: bool
    queries: int
    value: float


def found_against_queries(ends: Sequence[End], most: int) -> list[tuple[float, float]]:
    """Share of ``ends`` that accuse after so many queries, as steps up to ``most``."""
    steps = steps_of([one.queries for one in ends if one.suspicious], len(ends))
    last = steps[-1][1] if steps else 0.0
    return [(100.0, 0.0), *steps, (float(most), last)]


def roc(clean: Sequence[float], bad: Sequence[float]) -> list[tuple[float, float]]:
    """Shares of ``clean`` and of ``bad`` values at or above each value, from none to all."""
    levels = [np.inf, *sorted({*clean, *bad}, reverse=True)]
    return [
        (float(np.mean(np.array(clean) >= level)), float(np.mean(np.array(bad) >= level)))
        for level in levels
    ]


def draw(path: Path, populations: Mapping[str, Sequence[End]]) -> None:
    """Draw a row of four panels for each population."""
    import matplotlib as mpl  # noqa: PLC0415 - slow to load, and no test of the page needs it

    mpl.use("agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - as above

    size = (15, 3.6 * len(populations))
    figure, rows = plt.subplots(
        len(populations), 4, figsize=size, squeeze=False, layout="constrained"
    )
    for row, (name, ends) in zip(rows, populations.items(), strict=True):
        _row(row, name, ends)
    figure.savefig(path, dpi=75, metadata={"Software": None})
    plt.close(figure)


def _row(row: Any, name: str, ends: Sequence[End]) -> None:
    """The panels of one population: all attacks, each attack, clean models, ROC."""
    every, each, accused, shares = row
    efforts = list(dict.fromkeys(one.effort for one in ends))
    most = max(one.queries for one in ends)
    for effort in efforts:
        at = [one for one in ends if one.effort == effort]
        clean = [one for one in at if one.attack == "clean"]
        bad = [one for one in at if one.attack != "clean"]
        _steps(every, effort, found_against_queries(bad, most))
        _steps(accused, effort, found_against_queries(clean, most))
        points = roc([one.value for one in clean], [one.value for one in bad])
        shares.plot(*zip(*points, strict=True), label=effort)
    dearest = [one for one in ends if one.effort == efforts[-1]]
    for attack in sorted({one.attack for one in dearest} - {"clean"}):
        same = [one for one in dearest if one.attack == attack]
        if len(same) >= LEAST_MODELS:
            _steps(each, f"{attack} ({len(same)})", found_against_queries(same, most))
    titles = ("backdoors accused", f"by attack, {efforts[-1]}", "clean models accused")
    for axis, title in zip((every, each, accused), titles, strict=True):
        axis.set(title=f"{name}: {title}", xscale="log", xlabel="queries", ylim=(0, 1))
    shares.set(
        title=f"{name}: ROC", xlabel="clean at or above", ylabel="backdoored at or above",
        xlim=(0, 1), ylim=(0, 1),
    )  # fmt: skip
    for axis in row:
        axis.grid(alpha=0.3)
        axis.title.set_size(9)
        if axis.lines:
            axis.legend(fontsize=7)


def _steps(axis: Any, label: str, points: Sequence[tuple[float, float]]) -> None:
    axis.plot(*zip(*points, strict=True), drawstyle="steps-post", label=label)
