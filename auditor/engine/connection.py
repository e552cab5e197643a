"""An oracle and what it offers beyond the contract."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from adapters.contract import (
    Batch,
    IdempotentOracle,
    LabelOracle,
    Labels,
    OfflineOracle,
    RemoteOracle,
)

_NOTHING: Mapping[str, str] = {}


class Connection:
    """An oracle whose optional protocols are looked up once.

    Asking an object for a protocol costs as much as building a request.

    Args:
        oracle: the model.
    """

    def __init__(self, oracle: LabelOracle) -> None:
        self.oracle = oracle
        self._remote = oracle if isinstance(oracle, RemoteOracle) else None
        self._offline = oracle if isinstance(oracle, OfflineOracle) else None
        self._idempotent = oracle if isinstance(oracle, IdempotentOracle) else None

    @property
    def status(self) -> str:
        """Status of the newest reply; empty if replies have none."""
        return "" if self._remote is None else self._remote.status

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
