"""From a generic reply to one label per input, by the rule in ReplyFormat."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from adapters.contract import Labels, LabelSpace
from adapters.errors import BadReply, RetryAdvice, ServerFailed
from adapters.http.excerpt import printable
from adapters.http.json_path import JsonPath
from adapters.http.oracle import known_name
from adapters.http.scores import numbers, top_labels
from adapters.target import ReplyFormat


class ReplyRule:
    """A checked ReplyFormat.

    Args:
        reply: where the labels are and what they look like.
        space: what the labels mean; an open one grows.

    Raises:
        TargetError: a path is not a path.
    """

    def __init__(self, reply: ReplyFormat, space: LabelSpace) -> None:
        self._format = reply
        self._space = space
        self._path = JsonPath.read(reply.path)
        self._success = JsonPath.read(reply.success_path)
        self._error = JsonPath.read(reply.error_path)
        self._readers: dict[str, Callable[[Any], int]] = {
            "label": self._name,
            "index": _index,
            "label-score-list": self._best_of_list,
            "label-score-dict": self._best_of_dict,
        }

    def labels(self, reply: Any, n: int) -> Labels:
        """Labels ``(n,)`` of a parsed reply.

        Raises:
            ServerFailed: the reply says that the request failed, whatever its status.
            BadReply: no usable label for one of the ``n`` inputs.
        """
        self._check_success(reply)
        entries = self._entries(self._path.get(reply), n)
        if len(entries) != n:
            raise BadReply(f"the target gave {len(entries)} labels for {n} inputs")
        if self._format.kind == "scores":
            return top_labels(numbers(entries), n, self._space)
        read = self._readers[self._format.kind]
        return np.asarray([read(entry) for entry in entries], dtype=np.int64)

    def _check_success(self, reply: Any) -> None:
        """200 does not mean success."""
        failed = RetryAdvice("transient")
        if self._format.error_path:
            error = self._error.find(reply)
            if error is not None:
                raise ServerFailed(f"the target reports a failure: {_shown(error)}", failed)
        if self._format.success_path:
            status = _shown(self._success.find(reply))
            if status != self._format.success_value:
                raise ServerFailed(
                    f"the target reports {self._format.success_path} = {status}, "
                    f"not {printable(self._format.success_value)}",
                    failed,
                )

    def _entries(self, value: Any, n: int) -> list[Any]:
        """One entry per input; a lone answer to a lone input needs no list around it."""
        if self._path.walks:
            return list(value)
        if n == 1 and self._is_entry(value):
            return [value]
        if isinstance(value, list):
            return value
        raise BadReply(f"the target gave one answer for {n} inputs, not a list of {n}")

    def _is_entry(self, value: Any) -> bool:
        kind = self._format.kind
        if kind == "scores":
            return isinstance(value, list) and (not value or not isinstance(value[0], list))
        if kind == "label-score-list":
            return isinstance(value, list) and (not value or isinstance(value[0], dict))
        return not isinstance(value, list)

    def _name(self, entry: Any) -> int:
        if isinstance(entry, bool) or not isinstance(entry, str | int):
            raise BadReply(f"the target answered with {_shown(entry)}, not with a class name")
        return known_name(self._space, str(entry))

    def _best_of_list(self, entry: Any) -> int:
        label, score = self._format.label_key, self._format.score_key
        if not isinstance(entry, list) or not entry:
            raise BadReply("the target named no class at all for an input")
        if not all(isinstance(item, dict) and label in item and score in item for item in entry):
            raise BadReply(f"the target's list of classes lacks {label!r} or {score!r}")
        return self._name(max(entry, key=lambda item: _score(item[score]))[label])

    def _best_of_dict(self, entry: Any) -> int:
        if not isinstance(entry, dict) or not entry:
            raise BadReply("the target named no class at all for an input")
        return self._name(max(entry, key=lambda name: _score(entry[name])))


def _index(entry: Any) -> int:
    if isinstance(entry, str) and entry.isascii() and entry.isdigit():
        entry = int(entry)
    whole = isinstance(entry, int) or (isinstance(entry, float) and entry.is_integer())
    if isinstance(entry, bool) or not whole or abs(entry) > 2**31:
        raise BadReply(f"the target answered with {_shown(entry)}, not with a class index")
    return int(entry)


def _score(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadReply(f"the target answered with {_shown(value)} where a score should be")
    return float(value)


def _shown(value: Any) -> str:
    """``value`` on one line: text as it is, the rest as JSON."""
    return printable(value if isinstance(value, str) else json.dumps(value))
