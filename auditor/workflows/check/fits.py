"""The way of photographs to the model's shape, measured: squashed, cropped or padded."""

from __future__ import annotations

from typing import get_args

import numpy as np

from adapters.contract import Fit
from adapters.errors import EndpointError
from adapters.target import over
from auditor.samples.samples import Samples
from auditor.workflows.check.class_names import hits, spread
from auditor.workflows.check.client import names_of
from auditor.workflows.check.trial import Trial

ASKED = 24
"""Samples that each fit is asked; the same ones."""

CLEARLY = 2
"""Least number of samples more that get their label, for which another fit is taken."""

MOST_FITTING = ASKED * len(get_args(Fit))
"""Most inputs sent to compare fits."""


async def compare_fits(trial: Trial) -> bool:
    """Measure which fit gives more right labels, where it makes a difference; True if another one
    is taken. At most ``MOST_FITTING`` queries.

    Raises:
        AdapterError: the target does not answer.
    """
    size = trial.size
    if size is None or trial.found.samples.images.dtype != np.uint8:
        return False
    fitted: dict[Fit, Samples] = {fit: trial.resized(size, fit) for fit in get_args(Fit)}
    squashed = fitted["squash"]
    if all(np.array_equal(squashed.images, one.images) for one in fitted.values()):
        return False
    if any(one.refs != squashed.refs for one in fitted.values()):
        return False  # pictures that differ in a part that is cut off count once
    picks = spread(trial.found.samples.classes, ASKED)
    right: dict[Fit, int] = {}
    before = trial.found.samples
    async with trial.asker.opened(trial.target(trial.found.table)) as oracle:
        expected = trial.expected(oracle.label_space, picks)
        if expected is None:
            return False
        shape = list(oracle.input_spec.shape)
        for fit, samples in fitted.items():
            trial.found.samples = samples
            try:
                answers = await names_of(oracle, trial.fitted(oracle)[picks])
            except EndpointError:
                continue
            finally:
                trial.found.samples = before
            right[fit] = hits(expected, answers)
    return _take(trial, right, len(picks), fitted, shape)


def _take(
    trial: Trial,
    right: dict[Fit, int],
    asked: int,
    fitted: dict[Fit, Samples],
    shape: list[int],
) -> bool:
    """Say what was measured, and take the best unless the user stated one."""
    if trial.fit not in right:
        return False
    best = max(right, key=lambda fit: (right[fit], fit == trial.fit))
    said = ", ".join(f"{fit} {count}" for fit, count in right.items())
    better = right[best] >= right[trial.fit] + CLEARLY
    taken = better and not trial.fit_is_stated
    end = f"--fit {best} fits better" if better else f"{trial.fit} stays"
    trial.found.notes.append(
        f"Photographs' way to the model's shape: of {asked} samples, {said} get their label: {end}."
    )
    if taken:
        trial.fit = best
        trial.found.samples = fitted[best]
    if taken or trial.fit != "squash":
        table = {"input": {"fit": trial.fit, "shape": shape}}
        trial.found.table = over(trial.found.table, table)
    return taken
