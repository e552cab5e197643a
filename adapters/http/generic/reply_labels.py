"""From a generic reply to one label per input, by the rule in ReplyFormat."""

from __future__ import annotations

import itertools
import json
import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from adapters.contract import Labels, LabelSpace, distinct_names
from adapters.errors import BadReply, RetryAdvice, ServerFailed, TargetError
from adapters.http.oracle import known_name
from adapters.http.payload.json_path import JsonPath
from adapters.http.payload.numbers import numbers, top_labels
from adapters.quoting import MAX_CHARS, printable
from adapters.target import ReplyFormat

_SCORED = {"label-score-list", "label-score-dict", "label-score-columns"}
_WHOLE = re.compile(r"\s*(\d{1,10})(?:\.0*)?\s*")
"""A class index as text: data tools write 6 as 6.0."""

Scored = list[tuple[Any, float]]
"""Names with their scores, of one input."""


class ReplyRule:
    """A checked ReplyFormat; an open label ``space`` grows."""

    def __init__(self, reply: ReplyFormat, space: LabelSpace) -> None:
        _check(reply, space)
        self._format = reply
        self._space = space
        self._path = JsonPath.read(reply.path)
        self._shape = JsonPath.read(reply.reshape_from)
        self._success = JsonPath.read(reply.success_path)
        self._error = JsonPath.read(reply.error_path)
        self._listed = frozenset(space.names)
        self._rename = {_composed(a): _composed(b) for a, b in reply.rename.items()}
        self._readers: dict[str, Callable[[Any], int]] = {
            "label": self._name,
            "index": _index,
            "label-score-list": lambda entry: self._best(self._of_list(entry)),
            "label-score-dict": lambda entry: self._best(_of_dict(entry)),
            "label-score-columns": lambda entry: self._best(self._of_columns(entry)),
        }

    def labels(self, reply: Any, n: int) -> Labels:
        """Labels ``(n,)`` of a parsed reply; ServerFailed if it reports a failure."""
        self._check_success(reply)
        if self._format.kind == "scores":
            return top_labels(numbers(self._scores(reply, n)), n, self._space)
        absent: Any = [] if self._format.no_label else None
        entries = self._entries(self._path.get(reply, absent), n)
        if len(entries) != n:
            raise BadReply(f"the target gave {len(entries)} labels for {n} inputs")
        read = self._readers[self._format.kind]
        return np.asarray([read(entry) for entry in entries], dtype=np.int64)

    def _check_success(self, reply: Any) -> None:
        """200 does not mean success."""
        failed = RetryAdvice("odd")
        if self._format.error_path:
            error = self._error.first(reply)
            if error is not None:
                raise ServerFailed(f"the target reports a failure: {_shown(error)}", failed)
        if self._format.success_path:
            for state in self._success.every(reply):
                if _shown(state) != self._format.success_value:
                    raise ServerFailed(
                        f"the target reports {self._format.success_path} = {_shown(state)}, "
                        f"not {printable(self._format.success_value)}",
                        failed,
                    )

    def _scores(self, reply: Any, n: int) -> list[Any]:
        value = self._path.get(reply)
        if isinstance(value, dict) and len(value) == 1:
            # MLflow names the model's only output.
            value = next(iter(value.values()))
        if self._format.reshape_from:
            shape, flat = numbers(self._shape.get(reply)), numbers(value).ravel()
            sizes = list(map(int, shape.tolist())) if shape.ndim == 1 and shape.size < 9 else []
            if not sizes or min(sizes) < 0 or math.prod(sizes) != flat.size:
                raise BadReply("the reply's scores do not fill the shape it states")
            value = flat.reshape(sizes).tolist()
        entries = self._entries(value, n)
        if len(entries) != n:
            raise BadReply(f"the target gave {len(entries)} labels for {n} inputs")
        return entries

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
            return isinstance(value, list) and bool(value) and not isinstance(value[0], list)
        if kind == "label-score-list":
            return isinstance(value, list) and (not value or isinstance(value[0], dict))
        return not isinstance(value, list)

    def _name(self, entry: Any) -> int:
        if isinstance(entry, bool) or not isinstance(entry, str | int):
            raise BadReply(f"the target answered with {_shown(entry)}, not with a class name")
        return known_name(self._space, self._own(entry))

    def _best(self, scored: Scored) -> int:
        """The label with the highest score, or the one that stands for none."""
        if self._format.unlisted == "skip":
            scored = [(name, score) for name, score in scored if self._is_listed(name)]
        if not scored and not self._format.no_label:
            raise BadReply("the target named no class at all for an input")
        best = max(scored, key=lambda pair: pair[1], default=(None, -math.inf))
        least = self._format.min_score
        if best[0] is None or (least is not None and best[1] < least):
            return known_name(self._space, self._format.no_label)
        return self._name(best[0])

    def _is_listed(self, name: Any) -> bool:
        return self._own(name) in self._listed

    def _own(self, name: Any) -> str:
        """The samples' name of the class that the target calls ``name``."""
        composed = _composed(str(name))
        return self._rename.get(composed, composed)

    def _of_list(self, entry: Any) -> Scored:
        label, score = self._format.label_key, self._format.score_key
        if not isinstance(entry, list):
            raise BadReply("the target gave no list of classes for an input")
        if not all(isinstance(item, dict) and label in item and score in item for item in entry):
            raise BadReply(f"the target's list of classes lacks {label!r} or {score!r}")
        return [(item[label], _score(item[score])) for item in entry]

    def _of_columns(self, entry: Any) -> Scored:
        keys = (self._format.label_key, self._format.score_key)
        names, scores = (entry.get(k) if isinstance(entry, dict) else None for k in keys)
        if not isinstance(names, list) or not isinstance(scores, list):
            raise BadReply(f"the target's answer lacks the lists {keys[0]!r} and {keys[1]!r}")
        if len(names) != len(scores):
            raise BadReply(f"the target named {len(names)} classes and {len(scores)} scores")
        return [(name, _score(score)) for name, score in zip(names, scores, strict=True)]


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def label_names(reply: ReplyFormat, classes: tuple[str, ...] | None) -> list[str] | None:
    """All names that ``reply`` can give, the one for "nothing" last; None if they are open."""
    if reply.unlisted == "skip" and classes is None:
        raise TargetError('response.unlisted = "skip" needs response.classes to choose among')
    if classes is None:
        return None
    if reply.no_label and reply.no_label in classes:
        raise TargetError(f"response.no_label {reply.no_label!r} is one of response.classes")
    # A name that is listed twice is one label where the target answers with names.
    named = reply.kind == "label" or reply.kind in _SCORED
    names = list(dict.fromkeys(classes)) if named else distinct_names(classes)
    return [*names, reply.no_label] if reply.no_label else names


def _check(reply: ReplyFormat, space: LabelSpace) -> None:
    if reply.kind == "classification":
        raise TargetError('response.kind "classification" is only for V2; use another preset')
    optional: Mapping[str, bool] = {
        "no_label": bool(reply.no_label),
        "min_score": reply.min_score is not None,
        "unlisted": reply.unlisted == "skip",
    }
    stray = [name for name, stated in optional.items() if stated and reply.kind not in _SCORED]
    if stray:
        raise TargetError(f"response.{stray[0]} needs labels with scores, not kind {reply.kind!r}")
    if reply.min_score is not None and not reply.no_label:
        raise TargetError("response.min_score needs response.no_label, a name for what is below it")
    if reply.reshape_from and reply.kind != "scores":
        raise TargetError('response.reshape_from needs kind "scores"')
    if reply.rename and not (space.open or space.names):
        raise TargetError(f"response.rename needs class names, not kind {reply.kind!r}")


def _of_dict(entry: Any) -> Scored:
    if not isinstance(entry, dict):
        # An empty list is what "nothing there" stands for.
        if entry == []:
            return []
        raise BadReply("the target gave no table of classes for an input")
    return [(name, _score(score)) for name, score in entry.items()]


def _index(entry: Any) -> int:
    number = _WHOLE.fullmatch(entry) if isinstance(entry, str) and entry.isascii() else None
    if number is not None:
        entry = int(number[1])
    whole = isinstance(entry, int) or (isinstance(entry, float) and entry.is_integer())
    if isinstance(entry, bool) or not whole or abs(entry) > 2**31:
        raise BadReply(f"the target answered with {_shown(entry)}, not with a class index")
    return int(entry)


def _score(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadReply(f"the target answered with {_shown(value)} where a score should be")
    return float(value)


def _shown(value: Any) -> str:
    """The start of ``value`` on one line: text as it is, the rest as JSON."""
    if isinstance(value, str):
        return printable(value)
    # Piece by piece: only the start of a list of a million numbers is shown.
    return printable("".join(itertools.islice(json.JSONEncoder().iterencode(value), MAX_CHARS)))
