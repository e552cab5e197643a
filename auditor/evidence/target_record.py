"""Statements of a target about itself while it was asked, as the label log has them.

Two servers allow no verdict, and labels mean nothing without class names, so both are put on
record when they are first seen, between the answers that they came with.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from auditor.errors import EvidenceError

MAX_NAMES = 500
"""Class names in one entry, so that no line of the log gets long."""
MAX_CLASSES = 65_535


@dataclass
class TargetRecord:
    """Statements of one target, over all runs.

    Attributes:
        servers: values that answers stated for their server, by name, oldest first.
        addresses: those that the endpoint's name led to, oldest first.
        names: class names in index order.
        size: number of classes; None if it is not known.
    """

    servers: dict[str, list[str]] = field(default_factory=dict)
    addresses: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    size: int | None = None
    known: set[tuple[str, str]] = field(default_factory=set, repr=False)
    """Values and addresses on record, so that each is looked up at once."""

    # ---- writing -----------------------------------------------------------------------------

    def server_news(self, stated: Mapping[str, str], addresses: Collection[str]) -> dict[str, Any]:
        """Content of a ``sender`` entry with the values not yet on record; empty without any."""
        fresh = {k: v for k, v in stated.items() if v not in self.servers.get(k, ())}
        places = sorted(set(addresses) - set(self.addresses))
        return {"said": fresh, "addresses": places} if fresh or places else {}

    def class_news(
        self, first: int, names: Sequence[str], size: int | None
    ) -> Iterator[dict[str, Any]]:
        """Content of the ``classes`` entries with the names and size not yet on record."""
        if self.names[first:] == list(names) and self.size == size:
            return
        pairs = zip(self.names[first:], names, strict=False)
        same = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
        first, names = first + same, list(names[same:])
        for start in range(0, max(1, len(names)), MAX_NAMES):
            part = names[start : start + MAX_NAMES]
            yield {"first": first + start, "names": part, "size": size}

    # ---- reading -----------------------------------------------------------------------------

    def take_server(self, said: Mapping[str, str], addresses: Sequence[str]) -> None:
        """Add the content of a ``sender`` entry."""
        for name, value in said.items():
            if self._is_new(name, value):
                self.servers.setdefault(name, []).append(value)
        self.addresses += [one for one in addresses if self._is_new("", one)]

    def _is_new(self, name: str, value: str) -> bool:
        new = (name, value) not in self.known
        self.known.add((name, value))
        return new

    def take_classes(self, first: int, names: Sequence[str], size: int | None) -> None:
        """Add the content of a ``classes`` entry, whose names replace those from ``first`` on.

        Raises:
            EvidenceError: it is none that this program writes.
        """
        if first > min(len(self.names), MAX_CLASSES - len(names)) or (size or 0) > MAX_CLASSES:
            raise EvidenceError("it names classes in another way than it was written")
        self.names[first:] = names
        self.size = size
