"""Dotted paths into a JSON reply: ``predictions.*.label``, ``data.0``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from adapters.errors import BadReply, TargetError
from adapters.http.excerpt import printable


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A parsed path.

    Attributes:
        before: steps up to ``*``, or all steps.
        after: steps below each entry that ``*`` walks.
        walks: whether the path holds ``*``.
    """

    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    walks: bool = False

    @classmethod
    def read(cls, text: str) -> JsonPath:
        """Parse ``text``; empty is the reply itself.

        Raises:
            TargetError: an empty step, or more than one ``*``.
        """
        steps = tuple(text.split(".")) if text else ()
        if "" in steps or steps.count("*") > 1:
            raise TargetError(f"{text!r} is not a path like predictions.*.label with at most one *")
        if "*" not in steps:
            return cls(before=steps)
        at = steps.index("*")
        return cls(before=steps[:at], after=steps[at + 1 :], walks=True)

    def get(self, reply: Any) -> Any:
        """What stands at the path; with ``*`` the list of what stands below each entry.

        Raises:
            BadReply: nothing stands there.
        """
        found = _descend(reply, self.before)
        if not self.walks:
            return found
        if not isinstance(found, list):
            raise BadReply(f"the reply has {_kind(found)} where its path says a list")
        return [_descend(entry, self.after) for entry in found]

    def find(self, reply: Any) -> Any:
        """Like :meth:`get`, but None where nothing stands there."""
        try:
            return self.get(reply)
        except BadReply:
            return None


def _descend(value: Any, steps: tuple[str, ...]) -> Any:
    for step in steps:
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            raise BadReply(f"the reply has no {step!r} where a label should be: {_kind(value)}")
    return value


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return printable("an object with " + (", ".join(list(value)[:8]) or "no keys"))
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return printable(f"a {type(value).__name__}")
