"""Who sees every request end: the seam between the engine and an evidence log.

The engine tells a witness what it asks, how each request ended, who answered and what its labels
mean, right where the label store is told. It never waits for the witness, and takes one thing from
it: who answered before, which a log may still know where a store was lost.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
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
        status: of the reply, in the words of its protocol; empty where there was none.
    """

    probes: NDArray[np.int64]
    items: NDArray[np.int64]
    batch: Batch
    keys: Sequence[bytes]
    send: int
    seconds: float
    status: str = ""


class Witness(Protocol):
    """What an evidence log offers to the engine; all methods belong to the event loop.

    A StoreError that one of them raises ends the run: answers that cannot be put on record
    must not be paid for.
    """

    def senders(self, known: Mapping[str, Sequence[str]]) -> Mapping[str, Sequence[str]]:
        """A run begins, and the store has ``known`` of who answered: values by name, oldest first.

        Returns:
            The same with what only the witness knows.
        """
        ...

    def begin(self, probes: Sequence[FixedProbe], known: Sequence[NDArray[np.uint16]]) -> None:
        """A run over ``probes`` begins; ``known`` are the labels that the store has already."""
        ...

    def sender(self, said: Mapping[str, str], addresses: Collection[str]) -> None:
        """The answer told next ``said`` something new about its sender, or came when the
        endpoint's name had led to other ``addresses`` than before.
        """
        ...

    def classes(self, first: int, names: Sequence[str], size: int | None) -> None:
        """Labels from ``first`` on are called ``names``; there are ``size``, or nobody knows."""
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

    def senders(self, known: Mapping[str, Sequence[str]]) -> Mapping[str, Sequence[str]]:
        """See :class:`Witness`."""
        return known

    def sender(self, said: Mapping[str, str], addresses: Collection[str]) -> None:
        """See :class:`Witness`."""

    def classes(self, first: int, names: Sequence[str], size: int | None) -> None:
        """See :class:`Witness`."""

    def begin(self, probes: Sequence[FixedProbe], known: Sequence[NDArray[np.uint16]]) -> None:
        """See :class:`Witness`."""

    def answered(self, sent: Sent, labels: Labels) -> None:
        """See :class:`Witness`."""

    def failed(self, sent: Sent, error: BaseException) -> None:
        """See :class:`Witness`."""

    def filled(self, probe: int, items: NDArray[np.int64], labels: Labels) -> None:
        """See :class:`Witness`."""
