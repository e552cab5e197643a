"""The labels known after each round, which may end a run before its last one.

A round counts with its own answers and those before it, in the order of the plan. Labels of later
rounds that an earlier run left behind change nothing, so the end follows from plan and labels
alone, and can be found again from both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from auditor.engine.requests import Order
from auditor.engine.store import NOT_ASKED

Decide = Callable[[list[NDArray[np.uint16]]], bool]
"""Called with the labels after a round; True ends the run."""


class AnsweredRounds:
    """The labels of the rounds so far, 65535 everywhere else; ``labels`` of each probe ``(size,)``
    are read anew with every round.
    """

    def __init__(self, labels: Sequence[NDArray[np.uint16]]) -> None:
        self._labels = labels
        self.labels = [np.full_like(one, NOT_ASKED) for one in labels]

    def add(self, order: Order | None) -> bool:
        """Take in one round, None for all; True if it is answered to its end."""
        if order is None:
            for mine, known in zip(self.labels, self._labels, strict=True):
                mine[:] = known
            return not any((one == NOT_ASKED).any() for one in self.labels)
        complete = True
        for number in np.unique(order[:, 0]):
            items = order[order[:, 0] == number, 1]
            found = self._labels[number][items]
            self.labels[number][items] = found
            complete = complete and not bool((found == NOT_ASKED).any())
        return complete

    def copy(self) -> list[NDArray[np.uint16]]:
        """The labels, to be kept."""
        return [one.copy() for one in self.labels]


def early_end(
    labels: Sequence[NDArray[np.uint16]], rounds: Iterable[Order], decided: Decide
) -> list[NDArray[np.uint16]] | None:
    """The labels that a run ended with because they decided, or None if none did; ``labels`` of
    each probe are ``(size,)``, with 65535 if not known.
    """
    answered = AnsweredRounds(labels)
    for order in rounds:
        if not answered.add(order):
            return None
        if decided(answered.copy()):
            return answered.labels
    return None
