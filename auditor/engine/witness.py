"""Who sees every request end: the seam between the engine and an evidence log.

The engine tells a witness what it asks and how each request ended, right where the label store
is told. It neither waits for the witness nor reads anything from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from adapters.contract import Batch, Labels
from auditor.probes.base import FixedProbe


@dataclass(frozen=True, slots=True)
class Sent:
    """One request that was sent.

    Attributes:
        probes: ``(n,)`` for each input the number of its probe in the run.
        items: ``(n,)`` for each input its number there.
        batch: ``(n, c, h, w)`` the inputs; valid during the call only.
        keys: digest of each input as sent; an empty one where nobody needed it.
        send: which sending of these inputs this was, from 1.
        seconds: from sending it to its end.
    """

    probes: NDArray[np.int64]
    items: NDArray[np.int64]
    batch: Batch
    keys: Sequence[bytes]
    send: int
    seconds: float


class Witness(Protocol):
    """What an evidence log offers to the engine; all methods belong to the event loop.

    A StoreError that one of them raises ends the run: answers that cannot be put on record
    must not be paid for.
    """

    def begin(self, probes: Sequence[FixedProbe], known: Sequence[NDArray[np.uint16]]) -> None:
        """A run over ``probes`` begins; ``known`` are the labels that the store has already."""
        ...

    def answered(self, sent: Sent, labels: Labels) -> None:
        """A request was answered with ``labels`` ``(n,)``, which the store was given."""
        ...

    def failed(self, sent: Sent, error: BaseException) -> None:
        """A request ended without labels."""
        ...

    def filled(self, probe: int, items: NDArray[np.int64], labels: Labels) -> None:
        """Inputs of probe number ``probe`` got the labels of identical ones, unsent."""
        ...


class NoWitness:
    """Nobody looks: for runs that are not evidence, such as those of a calibration."""

    def begin(self, probes: Sequence[FixedProbe], known: Sequence[NDArray[np.uint16]]) -> None:
        """See :class:`Witness`."""

    def answered(self, sent: Sent, labels: Labels) -> None:
        """See :class:`Witness`."""

    def failed(self, sent: Sent, error: BaseException) -> None:
        """See :class:`Witness`."""

    def filled(self, probe: int, items: NDArray[np.int64], labels: Labels) -> None:
        """See :class:`Witness`."""
