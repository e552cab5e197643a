"""Dotted paths into a JSON reply: ``predictions.*.label``, ``data.0``."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

from adapters import strict_json
from adapters.errors import BadReply, TargetError
from adapters.quoting import printable


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A parsed path: steps ``before`` its ``*``, or all, and ``after`` it, for each entry."""

    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    walks: bool = False

    @classmethod
    def read(cls, text: str) -> JsonPath:
        """Parse ``text``, empty for the reply itself; at most one ``*``, and no step is empty."""
        steps = tuple(text.split(".")) if text else ()
        if "" in steps or steps.count("*") > 1:
            raise TargetError(f"{text!r} is not a path like predictions.*.label with at most one *")
        if "*" not in steps:
            return cls(before=steps)
        at = steps.index("*")
        return cls(before=steps[:at], after=steps[at + 1 :], walks=True)

    def get(self, reply: Any, absent: Any = None) -> Any:
        """The value at the path; with ``*`` the list of the values below each entry. Raises
        BadReply if there is none; unless it is None, ``absent`` counts instead where the path ends
        in null, in something empty, or before its very last step.
        """
        if not self.walks:
            return _descend(reply, self.before, absent)
        return [_descend(entry, self.after, absent) for entry in self._walk(reply)]

    def every(self, reply: Any) -> list[Any]:
        """The value at the path for each entry, None if there is none; never empty."""
        if not self.walks:
            return [self.find(reply)]
        below = JsonPath(self.after)
        try:
            return [below.find(entry) for entry in self._walk(reply)] or [None]
        except BadReply:
            return [None]

    def find(self, reply: Any) -> Any:
        """Like :meth:`get`, but None if nothing stands there."""
        try:
            return self.get(reply)
        except BadReply:
            return None

    def first(self, reply: Any) -> Any:
        """The value at the path in the first entry that has one, or None."""
        return next((value for value in self.every(reply) if value is not None), None)

    def _walk(self, reply: Any) -> list[Any]:
        found = _descend(reply, self.before)
        if not isinstance(found, list):
            raise BadReply(f"the reply has {_kind(found)} where its path says a list")
        return found


def unpacked(value: Any) -> Any:
    """The value of the JSON that a text holds, as gateways write it; anything else as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in {"{", "["}:
        with contextlib.suppress(strict_json.StrictJsonError):
            return strict_json.loads(value)
    return value


def _descend(value: Any, steps: tuple[str, ...], absent: Any = None) -> Any:
    for number, step in enumerate(steps):
        value = unpacked(value)
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        elif absent is not None and (value in (None, [], {}) or _lacks(value, number, steps)):
            return absent
        else:
            raise BadReply(f"the reply has no {step!r} where a label should be: {_kind(value)}")
    return value


def _lacks(value: Any, number: int, steps: tuple[str, ...]) -> bool:
    return isinstance(value, dict) and number == len(steps) - 1


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, dict):
        return printable("an object with " + (", ".join(list(value)[:8]) or "no keys"))
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return printable(f"a {type(value).__name__}")
