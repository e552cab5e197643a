"""Procedures that ask at the same time: their inputs go out in one batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from auditor.probes.base import Pictures
from auditor.probes.trigger_search.sample_set import Asking, Labels, T


def side_by_side(procedures: Sequence[Asking[T]]) -> Asking[list[T]]:
    """Run all ``procedures`` in step; their results in the same order.

    Each step asks the next inputs of every procedure that is not done in one batch.
    """
    results: dict[int, T] = {}
    asked = _step(procedures, dict.fromkeys(range(len(procedures))), results)
    while asked:
        ends = np.cumsum([len(inputs) for inputs in asked.values()])[:-1]
        parts = [inputs.pixels for inputs in asked.values()]
        spec = next(iter(asked.values())).spec
        labels = yield Pictures(spec, np.concatenate(parts))
        answers = dict(zip(asked, np.split(labels, ends), strict=True))
        asked = _step(procedures, answers, results)
    return [results[number] for number in range(len(procedures))]


def _step(
    procedures: Sequence[Asking[T]],
    answers: dict[int, Labels | None] | dict[int, Labels],
    results: dict[int, T],
) -> dict[int, Pictures]:
    """Send every procedure its answers; its next inputs, by number."""
    asked = {}
    for number, labels in answers.items():
        try:
            # The first step of a generator takes None.
            asked[number] = procedures[number].send(labels)  # type: ignore[arg-type]
        except StopIteration as end:
            results[number] = end.value
    return asked
