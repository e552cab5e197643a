"""Statements of a target about itself while it was asked, as the label log has them.

Who answered decides whether there is a verdict at all, and class names are what labels mean, so
both are put on record when they are first seen, between the answers that they came with.
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
        senders: what answers said about who sent them: values by name, oldest first.
        addresses: what the endpoint's name led to, oldest first.
        names: class names in index order.
        size: number of classes; None where it is not known.
    """

    senders: dict[str, list[str]] = field(default_factory=dict)
    addresses: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    size: int | None = None

    # ---- writing -----------------------------------------------------------------------------

    def sender_news(self, said: Mapping[str, str], addresses: Collection[str]) -> dict[str, Any]:
        """Content of a ``sender`` entry: what of this was not on record; empty where all was."""
        fresh = {k: v for k, v in said.items() if v not in self.senders.get(k, ())}
        places = sorted(set(addresses) - set(self.addresses))
        return {"said": fresh, "addresses": places} if fresh or places else {}

    def class_news(
        self, first: int, names: Sequence[str], size: int | None
    ) -> Iterator[dict[str, Any]]:
        """Content of the ``classes`` entries that say what of this was not on record."""
        if self.names[first:] == list(names) and self.size == size:
            return
        pairs = zip(self.names[first:], names, strict=False)
        same = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
        first, names = first + same, list(names[same:])
        for start in range(0, max(1, len(names)), MAX_NAMES):
            part = names[start : start + MAX_NAMES]
            yield {"first": first + start, "names": part, "size": size}

    # ---- reading -----------------------------------------------------------------------------

    def take_sender(self, entry: Mapping[str, Any]) -> None:
        """Add what a ``sender`` entry says.

        Raises:
            EvidenceError: it says nothing that is written.
        """
        said = entry.get("said")
        if not isinstance(said, dict):
            raise EvidenceError("it names a sender in another way than it was written")
        _texts(list(said.values()))
        addresses = _texts(entry.get("addresses"))
        for name, value in said.items():
            values = self.senders.setdefault(name, [])
            if value not in values:
                values.append(value)
        self.addresses += [one for one in addresses if one not in self.addresses]

    def take_classes(self, entry: Mapping[str, Any]) -> None:
        """Add what a ``classes`` entry says: names from ``first`` on are replaced by its own.

        Raises:
            EvidenceError: it says nothing that is written.
        """
        first, size, names = entry.get("first"), entry.get("size"), _texts(entry.get("names"))
        placed = type(first) is int and 0 <= first <= min(len(self.names), MAX_CLASSES - len(names))
        if not placed or not (size is None or (type(size) is int and 0 <= size <= MAX_CLASSES)):
            raise EvidenceError("it names classes in another way than it was written")
        self.names[first:] = names
        self.size = size


def _texts(values: Any) -> list[str]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise EvidenceError("it lists something else than texts")
    return values
