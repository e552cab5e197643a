"""News of a search that runs, for a user who waits: nothing of it reaches the search's outcome."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Lead:
    """The best change so far on fresh samples.

    Attributes:
        number: changes that were tried on fresh samples so far.
        hits: samples that the best of them sends to ``label``, of ``images``.
    """

    number: int
    hits: int
    images: int
    label: int


_listener: ContextVar[Callable[[Lead], None] | None] = ContextVar("listener", default=None)


@contextmanager
def listening(listener: Callable[[Lead], None]) -> Iterator[None]:
    """Hand every lead to ``listener`` meanwhile."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def tell(lead: Lead) -> None:
    """Hand ``lead`` to the listener, if there is one."""
    listener = _listener.get()
    if listener is not None:
        listener(lead)
