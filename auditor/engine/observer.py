"""The seam between the engine and an evidence log: an observer sees every request end.

The engine tells an observer what it asks, how each request ended, which server answered and what
its labels mean, right where the label store is told. It never waits for the observer, and takes
one thing from it: which servers answered before, which a log may still know after a store was
lost.
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
        keys: digest of each input as sent; empty for an input that is repeated on purpose.
        send: which sending of these inputs this was, from 1.
        seconds: from sending it to its end.
        status: of the reply, in the words of its protocol; empty if there was none.
    """

    probes: NDArray[np.int64]
    items: NDArray[np.int64]
    batch: Batch
    keys: Sequence[bytes]
    send: int
    seconds: float
    status: str = ""


class Observer(Protocol):
    """An evidence log as the engine sees it; all methods belong to the event loop.

    A StoreError that one of them raises ends the run: answers that cannot be put on record
    must not be paid for.
    """

    def servers(self, known: Mapping[str, Sequence[str]]) -> Mapping[str, Sequence[str]]:
        """A run begins, and the store has ``known`` of the servers: values by name, oldest first.

        Returns:
            The same with what only the observer knows.
        """
        ...

    def begin(self, probes: Sequence[FixedProbe], known: Sequence[NDArray[np.uint16]]) -> None:
        """A run over ``probes`` begins; ``known`` are the labels that the store has already."""
        ...

    def server(self, stated: Mapping[str, str], addresses: Collection[str]) -> None:
        """The answer told next ``stated`` something new about its server, or came when the
        endpoint's name had led to other ``addresses`` than before.
        """
        ...

    def classes(self, first: int, names: Sequence[str], size: int | None) -> None:
        """Labels from ``first`` on are called ``names``; there are ``size``, or it is unknown."""
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


class NullObserver:
    """Records nothing: for runs that are not evidence, such as those of a calibration."""

    def servers(self, known: Mapping[str, Sequence[str]]) -> Mapping[str, Sequence[str]]:
        """See :class:`Observer`."""
        return known

    def server(self, stated: Mapping[str, str], addresses: Collection[str]) -> None:
        """See :class:`Observer`."""

    def classes(self, first: int, names: Sequence[str], size: int | None) -> None:
        """See :class:`Observer`."""

    def begin(self, probes: Sequence[FixedProbe], known: Sequence[NDArray[np.uint16]]) -> None:
        """See :class:`Observer`."""

    def answered(self, sent: Sent, labels: Labels) -> None:
        """See :class:`Observer`."""

    def failed(self, sent: Sent, error: BaseException) -> None:
        """See :class:`Observer`."""

    def filled(self, probe: int, items: NDArray[np.int64], labels: Labels) -> None:
        """See :class:`Observer`."""
