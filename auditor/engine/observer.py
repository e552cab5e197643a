"""The seam between the engine and an evidence log: an observer sees every request end.

Its methods are called with everything the label store is given. The engine never waits for it,
and takes one thing from it: the servers that answered before, which a log may still know after a
store was lost.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

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
        keys: digest of each input as sent; empty for an input that is repeated on purpose.
        send: number of this sending of the same inputs, from 1.
        seconds: from sending it to its end.
        status: of the reply, in the words of its protocol; empty without one.
    """

    probes: NDArray[np.int64]
    items: NDArray[np.int64]
    batch: Batch
    keys: Sequence[bytes]
    send: int
    seconds: float
    status: str = ""


class Observer:
    """An observer that records nothing, for runs that are not evidence; an evidence log overrides
    its methods, which belong to the event loop.

    A StoreError that one of them raises ends the run: answers that cannot be put on record
    must not be paid for.
    """

    def servers(self, known: Mapping[str, Sequence[str]]) -> Mapping[str, Sequence[str]]:
        """Identity of the servers that answered before, values by name, oldest first: ``known`` to
        the store, and what only the observer knows. Called when a run begins.
        """
        return known

    def begin(self, probes: Sequence[FixedProbe], known: Sequence[NDArray[np.uint16]]) -> None:
        """Note that a run over ``probes`` begins; ``known`` are the labels in the store."""

    def server(self, stated: Mapping[str, str], addresses: Collection[str]) -> None:
        """Note that the next answer ``stated`` something new about its server, or came after the
        endpoint's name had led to new ``addresses``.
        """

    def classes(self, first: int, names: Sequence[str], size: int | None) -> None:
        """Note that labels from ``first`` on are called ``names``; there are ``size`` of them."""

    def answered(self, sent: Sent, labels: Labels) -> None:
        """Note that a request was answered with ``labels`` ``(n,)``."""

    def failed(self, sent: Sent, error: BaseException) -> None:
        """Note that a request ended without labels."""

    def filled(self, probe: int, items: NDArray[np.int64], labels: Labels) -> None:
        """Note that inputs of probe number ``probe`` got the labels of identical ones, unsent."""
