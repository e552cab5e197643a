"""The model as the engine knows it over all runs: how to ask it, its class names, its server."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from adapters.contract import (
    Batch,
    GroupingOracle,
    IdempotentOracle,
    LabelOracle,
    Labels,
    OfflineOracle,
    RemoteOracle,
)
from auditor.engine.observer import Observer
from auditor.engine.store import LabelStore
from auditor.errors import StoreError

MAX_VALUES = 16
"""Different values of one name that are kept: two already end the audit."""
_NOTHING: Mapping[str, str] = {}


class Connection:
    """An oracle whose optional protocols are looked up once: each look costs as much as building
    a request.
    """

    def __init__(self, oracle: LabelOracle) -> None:
        self.oracle = oracle
        self._remote = oracle if isinstance(oracle, RemoteOracle) else None
        self._offline = oracle if isinstance(oracle, OfflineOracle) else None
        self._idempotent = oracle if isinstance(oracle, IdempotentOracle) else None
        self._grouping = oracle if isinstance(oracle, GroupingOracle) else None

    @property
    def status(self) -> str:
        """Status of the newest reply; empty if replies have none."""
        return "" if self._remote is None else self._remote.status

    @property
    def batch(self) -> int:
        """Most inputs that a call may carry now."""
        return self.oracle.max_batch if self._grouping is None else self._grouping.group

    @property
    def addresses(self) -> Collection[str]:
        """Every network address that the endpoint's name led to so far."""
        return () if self._remote is None else self._remote.addresses

    @property
    def server_identity(self) -> Mapping[str, str]:
        """The newest reply's words about its server, by name."""
        return _NOTHING if self._remote is None else self._remote.server_identity

    async def answers_now(self, batch: Batch) -> bool:
        """True if ``batch`` can be answered in this run."""
        return self._offline is None or await self._offline.answers_now(batch)

    async def predict(self, batch: Batch, key: Callable[[], str]) -> Labels:
        """Labels of ``batch``, asked under the request's ``key`` if the target takes one.

        Raises:
            AdapterError: the request failed.
        """
        if self._idempotent is None or not self._idempotent.idempotent:
            return await self.oracle.predict_labels(batch)
        return await self._idempotent.predict_labels_as(batch, key())


class ClassNames:
    """Keeps store and observer up to date on the class names of a model, whose open label space
    may grow with every answer; the store has ``kept`` of them.
    """

    def __init__(
        self, oracle: LabelOracle, store: LabelStore, observer: Observer, kept: int
    ) -> None:
        self._space, self._fingerprint = oracle.label_space, oracle.fingerprint
        self._store, self._observer = store, observer
        self._kept, self._size = kept, self._space.size

    def keep_new(self) -> None:
        """Remember names that the newest answer was the first to use.

        Call it before the labels that use them are recorded: committed labels whose names are
        lost would mean other classes later.
        """
        names, size, kept = self._space.names, self._space.size, self._kept
        if len(names) > kept or size != self._size:
            self._kept, self._size = max(kept, len(names)), size
            self._observer.classes(kept, names[kept:], size)
        if len(names) > kept:
            self._store.keep_label_names(self._fingerprint, names[kept:], kept)


def learn_names(
    oracle: LabelOracle, store: LabelStore, observer: Observer, kept: list[str]
) -> ClassNames:
    """Give names the indices that stored labels know them by: those in the order of ``kept``.

    Raises:
        StoreError: the target's classes are listed in another order than before.
    """
    space = oracle.label_space
    space.learn(kept)
    if space.names[: len(kept)] != kept and space.names:
        raise StoreError(
            "the target's class names differ from those its stored labels were given under: "
            "name the classes as before, or use another --output"
        )
    observer.classes(0, space.names, space.size)
    return ClassNames(oracle, store, observer, len(kept))


class ServerHistory:
    """Identity of the server that answers, over all runs: all labels must come from one.

    Args:
        known: values stated in earlier runs, by name, oldest first.
    """

    def __init__(self, known: Mapping[str, Sequence[str]]) -> None:
        self._seen = {name: list(values) for name, values in known.items()}
        self._last: dict[str, str] = {}

    @property
    def changed(self) -> bool:
        """True if two servers answered."""
        return any(len(values) > 1 for values in self._seen.values())

    @property
    def seen(self) -> dict[str, tuple[str, ...]]:
        """Every value of every name, oldest first."""
        return {name: tuple(values) for name, values in self._seen.items()}

    def news(self, stated: Mapping[str, str]) -> dict[str, str]:
        """The part of ``stated`` that is new; it counts as seen from now on."""
        if stated == self._last:
            return {}
        self._last = dict(stated)
        fresh = {}
        for name, value in stated.items():
            values = self._seen.setdefault(name, [])
            if value not in values and len(values) < MAX_VALUES:
                values.append(value)
                fresh[name] = value
        return fresh
