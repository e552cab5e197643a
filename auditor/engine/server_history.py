"""The identity of the server that answers: all labels of a store must come from one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

MAX_VALUES = 16
"""Different values of one name that are kept: two already end the audit."""


class ServerHistory:
    """Everything that answers of one model said about their server, over all runs.

    Args:
        known: values seen by earlier runs, by name, oldest first.
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
        """The part of ``stated`` that was never said before; it counts as seen from now on."""
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
