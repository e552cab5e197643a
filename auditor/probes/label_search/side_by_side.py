"""Procedures that ask at the same time: their inputs go out in one batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from auditor.probes.trigger_search.sample_set import Asking, Labels, T


def side_by_side(procedures: Sequence[Asking[T]]) -> Asking[list[T]]:
    """Run all ``procedures`` in step; their results in the same order.

    Each step asks the next inputs of every procedure that is not done in one batch.
    """
    results: dict[int, T] = {}
    asked = _step(procedures, dict.fromkeys(range(len(procedures))), results)
    while asked:
        ends = np.cumsum([len(inputs) for inputs in asked.values()])[:-1]
        numbers, parts = list(asked), list(asked.values())
        asked.clear()
        labels = yield _together(parts)
        answers = dict(zip(numbers, np.split(labels, ends), strict=True))
        asked = _step(procedures, answers, results)
    return [results[number] for number in range(len(procedures))]


def _together(parts: list[np.ndarray]) -> np.ndarray:
    """One array of all ``parts``, which are let go: together they may take a gigabyte."""
    if len(parts) == 1:
        return parts.pop()
    whole = np.empty((sum(map(len, parts)), *parts[0].shape[1:]), parts[0].dtype)
    end = len(whole)
    while parts:
        part = parts.pop()
        whole[end - len(part) : end] = part
        end -= len(part)
    return whole


def _step(
    procedures: Sequence[Asking[T]],
    answers: dict[int, Labels | None] | dict[int, Labels],
    results: dict[int, T],
) -> dict[int, np.ndarray]:
    """Send every procedure its answers; its next inputs, by number."""
    asked = {}
    for number, labels in answers.items():
        try:
            # The first step of a generator takes None.
            asked[number] = procedures[number].send(labels)  # type: ignore[arg-type]
        except StopIteration as end:
            results[number] = end.value
    return asked
