"""Table cells that several pages share: rates and areas with their intervals."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from auditor.probes.trigger_search.verify import exact_interval
from auditor.verdict.thresholds import auroc


def auroc_cell(clean: Sequence[float], bad: Sequence[float]) -> str:
    """AUROC for "higher is more suspicious" with DeLong's interval, as a table cell."""
    if not clean or not bad:
        return "–"
    one, two = -np.asarray(clean), -np.asarray(bad)
    value = auroc(one, two)
    if min(len(one), len(two)) < 2:
        return f"{value:.2f} ({len(bad)})"
    low, high = auroc_interval(one, two)
    return f"{value:.2f} [{low:.2f}, {high:.2f}] ({len(bad)})"


def auroc_of(clean: Sequence[float] | NDArray[np.float64], bad: Sequence[float]) -> float:
    """AUROC for "higher is more suspicious"."""
    return auroc(-np.asarray(clean, dtype=np.float64), -np.asarray(bad, dtype=np.float64))


def surprise(p: float) -> float:
    """Decision value of a search: minus log10 of the chance of what it found on a clean model."""
    return -float(np.log10(max(p, 1e-12)))


def steps_of(asked: Sequence[int], count: int) -> list[tuple[float, float]]:
    """Queries of each of the models that were accused, and the share of ``count`` accused then."""
    return [(float(queries), (n + 1) / count) for n, queries in enumerate(sorted(asked))]


def rate_cell(hits: int, count: int) -> str:
    """A proportion with its exact interval, as a table cell."""
    if not count:
        return "–"
    one = exact_interval(hits, count, 0.95)
    return f"{hits} of {count} = {one.rate:.2f} [{one.low:.2f}, {one.high:.2f}]"


def medians(parts: Sequence[Sequence[float]]) -> list[str]:
    """The median of each part, as table cells."""
    return [f"{np.median(part):,.0f}" if len(part) else "–" for part in parts]


def save_plot(figure: Any, path: Path, dpi: int) -> None:
    """Save a figure with a palette of 64 colours, which plots need no more than."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=dpi)
    Image.open(drawn).convert("RGB").quantize(64).save(path, optimize=True)


def auroc_interval(
    clean: NDArray[np.float64], backdoored: NDArray[np.float64]
) -> tuple[float, float]:
    """DeLong's 95 % interval of :func:`auroc`, within 0 and 1.

    It needs two models on each side; with perfect separation the variance vanishes, and the
    interval then says less than the number of models does.
    """
    if min(len(clean), len(backdoored)) < 2:
        return 0.0, 1.0
    difference = clean[None, :] - backdoored[:, None]
    wins = (difference > 0) + 0.5 * (difference == 0)
    variance = wins.mean(axis=1).var(ddof=1) / len(backdoored)
    variance += wins.mean(axis=0).var(ddof=1) / len(clean)
    half = 1.959964 * float(np.sqrt(variance))
    middle = float(wins.mean())
    return max(0.0, middle - half), min(1.0, middle + half)
