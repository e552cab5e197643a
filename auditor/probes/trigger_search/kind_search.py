"""The interface of a search for one kind of trigger."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, Protocol, TypeVar

from auditor.probes.trigger_search.sample_set import Asking, SampleSet
from auditor.probes.trigger_search.settings import TriggerSettings


class Candidate(Protocol):
    """A change that sends ``share`` of the search images to ``target``."""

    @property
    def target(self) -> int: ...  # noqa: D102 - documented on the class
    @property
    def share(self) -> float: ...  # noqa: D102 - documented on the class


C = TypeVar("C", bound=Candidate)


class KindSearch(ABC, Generic[C]):
    """A search in turns: each goes on where the last one stopped."""

    def __init__(self, sample_set: SampleSet, settings: TriggerSettings) -> None:
        self.sample_set = sample_set
        self.settings = settings
        self.best: C | None = None

    @abstractmethod
    def turn(self, queries: int) -> Asking[C | None]:
        """Use about ``queries``; returns early with a good candidate, else None."""

    def final(self) -> Asking[C | None]:
        """The best candidate seen; asks nothing."""
        yield from ()
        return self.best

    def keep(self, candidate: C) -> None:
        """Keep ``candidate`` if it moves more images than the best so far."""
        if self.best is None or candidate.share > self.best.share:
            self.best = candidate
