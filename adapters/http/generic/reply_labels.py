"""From a generic reply to one label per input, by the rule in ReplyFormat."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from adapters import strict_json
from adapters.contract import Labels, LabelSpace, distinct_names
from adapters.errors import BadReply, RetryAdvice, ServerFailed, TargetError
from adapters.http.generic.binary import BinaryRule, check_binary, number_of
from adapters.http.generic.chosen import ChosenRule
from adapters.http.generic.scores import as_numbers, one_hot, score
from adapters.http.oracle import known_name
from adapters.http.payload.json_path import JsonPath, unpacked
from adapters.http.payload.numbers import numbers, top_labels
from adapters.http.transport.reading import Reply
from adapters.quoting import printable, shown_value
from adapters.target import ReplyFormat

_SCORED = {"label-score-list", "label-score-dict", "label-score-columns"}
_MOST_TEXT = 20_000
_WHOLE = re.compile(r"\s*(\d{1,10})(?:\.0*)?\s*")
"""A class index as text: data tools write 6 as 6.0."""

Scored = list[tuple[Any, float]]
"""Names with their scores, of one input."""


def content(reply: Reply, form: ReplyFormat) -> Any:
    """The value that the body of ``reply`` is, in this form. Raises BadReply if it is none."""
    if form.body == "json":
        return reply.json()
    try:
        return strict_json.decoded(reply.body[:_MOST_TEXT], reply.charset).strip()
    except UnicodeDecodeError:
        raise BadReply("the reply is not UTF-8 text") from None


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
        self._chosen = ChosenRule(reply, space)
        self._binary = BinaryRule(reply, space.names[:2])
        self._rename = {_composed(a): _composed(b) for a, b in reply.rename.items()}
        self._readers: dict[str, Callable[[Any], int]] = {
            "label": self._name,
            "index": _index,
            "binary": self._binary.index,
            "chosen": self._chosen.index,
            "label-score-list": lambda entry: self._best(self._of_list(entry)),
            "label-score-dict": lambda entry: self._best(self._of_dict(entry)),
            "label-score-columns": lambda entry: self._best(self._of_columns(entry)),
        }

    def labels(self, reply: Any, n: int) -> Labels:
        """Labels ``(n,)`` of a parsed reply; ServerFailed if it reports a failure."""
        self._check_success(reply)
        absent: Any = [] if self._format.no_label or self._format.tag else None
        found = self._path.get(reply, absent)
        if self._format.kind in {"scores", *_SCORED}:
            found = unpacked(found)
        if self._format.kind == "scores":
            return self._top(self._scores(reply, found, n), n)
        entries = self._entries(found, n)
        read = self._readers[self._format.kind]
        return np.asarray([self._label(entry, read) for entry in entries], dtype=np.int64)

    def number(self, reply: Any) -> float:
        """The number about two classes in a parsed reply to one input; BadReply if it is none."""
        return number_of(self._entries(self._path.get(reply), 1)[0])

    def _label(self, entry: Any, read: Callable[[Any], int]) -> int:
        if self._is_nothing(entry):
            return known_name(self._space, self._format.no_label)
        if entry is None:
            raise BadReply(
                "the target answered with null, not with a label; if that says that it found "
                "nothing, name a class for it in response.no_label"
            )
        return read(entry)

    def _is_nothing(self, entry: Any) -> bool:
        """True if ``entry`` says "nothing found", and the description names a class for that."""
        if not self._format.no_label:
            return False
        # A list without the tag says that the tag is not there.
        none: tuple[Any, ...] = (None,) if self._format.tag else (None, "", [], {})
        return entry in none or (isinstance(entry, str) and not entry.strip())

    def _top(self, rows: list[Any], n: int) -> Labels:
        """Labels of ``n`` rows of scores, of which some may be nothing."""
        if not self._format.no_label:
            return top_labels(as_numbers(rows), n, self._space)
        given = LabelSpace(size=(self._space.size or 1) - 1)
        labels = [
            known_name(self._space, self._format.no_label)
            if self._is_nothing(row) or row == [None] * len(row)
            else int(top_labels(as_numbers([row]), 1, given)[0])
            for row in rows
        ]
        return np.asarray(labels, dtype=np.int64)

    def _check_success(self, reply: Any) -> None:
        """200 does not mean success."""
        failed = RetryAdvice("odd")
        if self._format.error_path:
            error = self._error.first(reply)
            if error is not None:
                raise ServerFailed(f"the target reports a failure: {shown_value(error)}", failed)
        if self._format.success_path:
            for state in self._success.every(reply):
                if shown_value(state) != self._format.success_value:
                    raise ServerFailed(
                        f"the target reports {self._format.success_path} = {shown_value(state)}, "
                        f"not {printable(self._format.success_value)}",
                        failed,
                    )

    def _scores(self, reply: Any, value: Any, n: int) -> list[Any]:
        if isinstance(value, dict) and len(value) == 1:
            # MLflow names the model's only output.
            value = next(iter(value.values()))
        if self._format.reshape_from:
            shape, flat = numbers(self._shape.get(reply)), numbers(value).ravel()
            sizes = list(map(int, shape.tolist())) if shape.ndim == 1 and shape.size < 9 else []
            if not sizes or min(sizes) < 0 or math.prod(sizes) != flat.size:
                raise BadReply("the reply's scores do not fill the shape it states")
            value = flat.reshape(sizes).tolist()
        return self._entries(value, n)

    def _entries(self, value: Any, n: int) -> list[Any]:
        """One entry per input; a lone answer to a lone input needs no list around it."""
        if n == 1 and value == [] and self._is_nothing(value):
            return [None]
        if not self._path.walks and n == 1 and (self._is_entry(value) or self._is_nothing(value)):
            return [value]
        if not isinstance(value, list):
            raise BadReply(f"the target gave one answer for {n} inputs, not a list of {n}")
        if len(value) != n:
            raise BadReply(f"the target gave {len(value)} labels for {n} inputs")
        return value

    def _is_entry(self, value: Any) -> bool:
        kind = self._format.kind
        if kind == "scores":
            return isinstance(value, list) and bool(value) and not isinstance(value[0], list)
        if kind == "label-score-list":
            return isinstance(value, list) and (not value or _is_scored(value[0]))
        if kind == "label-score-dict":
            return not isinstance(value, list) or all(_is_single(one) for one in value)
        if kind == "chosen":
            return not isinstance(value, list) or (bool(value) and isinstance(value[0], dict))
        if kind == "binary" and self._format.tag:
            return not isinstance(value, list) or not any(isinstance(one, list) for one in value)
        return not isinstance(value, list)

    def _name(self, entry: Any) -> int:
        if isinstance(entry, bool) or not isinstance(entry, str | int):
            raise BadReply(f"the target answered with {shown_value(entry)}, not with a class name")
        return known_name(self._space, self._own(entry))

    def _best(self, scored: Scored) -> int:
        """The label with the highest score, or the one that stands for none."""
        if self._format.unlisted == "skip":
            scored = [(name, score) for name, score in scored if self._own(name) in self._listed]
        if not scored and not self._format.no_label:
            raise BadReply("the target named no class at all for an input")
        best = max(scored, key=lambda pair: pair[1], default=(None, -math.inf))
        least = self._format.min_score
        if best[0] is None or (least is not None and best[1] < least):
            return known_name(self._space, self._format.no_label)
        return self._name(best[0])

    def _own(self, name: Any) -> str:
        """The samples' name of the class that the target calls ``name``."""
        composed = _composed(str(name))
        return self._rename.get(composed, composed)

    def _of_list(self, entry: Any) -> Scored:
        label, key = self._format.label_key, self._format.score_key
        while isinstance(entry, list) and len(entry) == 1 and isinstance(entry[0], list):
            if _is_scored(entry[0]):
                break  # a single pair
            entry = entry[0]
        if not isinstance(entry, list):
            raise BadReply("the target gave no list of classes for an input")
        if not all(_has(item, label) and _has(item, key) for item in entry):
            raise BadReply(f"the target's list of classes lacks {label!r} or {key!r}")
        return _scored((_inside(item, label), _inside(item, key)) for item in entry)

    def _of_dict(self, entry: Any) -> Scored:
        if isinstance(entry, list) and all(map(_is_single, entry)):
            # An empty list is what "nothing there" stands for; else one table for each name.
            pairs = [pair for one in entry for pair in one.items()]
        elif isinstance(entry, dict):
            pairs = list(entry.items())
        else:
            raise BadReply("the target gave no table of classes for an input")
        key = self._format.score_key
        if any(isinstance(value, dict) and not _has(value, key) for _, value in pairs):
            raise BadReply(f"the target's tables of classes lack {key!r}")
        return _scored(
            (name, _inside(value, key) if isinstance(value, dict) else value)
            for name, value in pairs
        )

    def _of_columns(self, entry: Any) -> Scored:
        keys = (self._format.label_key, self._format.score_key)
        names, scores = (entry.get(k) if isinstance(entry, dict) else None for k in keys)
        if not isinstance(names, list) or not isinstance(scores, list):
            raise BadReply(f"the target's answer lacks the lists {keys[0]!r} and {keys[1]!r}")
        if len(names) != len(scores):
            raise BadReply(f"the target named {len(names)} classes and {len(scores)} scores")
        return _scored(zip(names, scores, strict=True))


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
    check_binary(reply, space.names[:-1] if reply.no_label else space.names)
    if reply.no_label and not (space.open or space.names):
        raise TargetError(f"response.no_label needs response.classes for kind {reply.kind!r}")
    optional: Mapping[str, bool] = {
        "min_score": reply.min_score is not None,
        "unlisted": reply.unlisted == "skip",
    }
    stray = [name for name, stated in optional.items() if stated and reply.kind not in _SCORED]
    if stray:
        raise TargetError(f"response.{stray[0]} needs labels with scores, not kind {reply.kind!r}")
    if reply.body == "text" and (space.open or not space.names):
        raise TargetError(
            'response.body "text" needs response.classes: else any page would count as a class'
        )
    if reply.body == "text" and (reply.path or reply.success_path or reply.error_path):
        raise TargetError('response.body "text" has no parts: leave the paths in [response] out')
    if reply.kind == "chosen" and (space.open or not space.names):
        raise TargetError('response.kind "chosen" needs response.classes to choose among')
    if reply.min_score is not None and not reply.no_label:
        raise TargetError("response.min_score needs response.no_label, a name for what is below it")
    if reply.reshape_from and reply.kind != "scores":
        raise TargetError('response.reshape_from needs kind "scores"')
    if reply.rename and not (space.open or space.names):
        raise TargetError(f"response.rename needs class names, not kind {reply.kind!r}")


def _scored(pairs: Iterable[tuple[Any, Any]]) -> Scored:
    """Names with their scores; one without a score is left out."""
    stated = one_hot([(name, value) for name, value in pairs if value is not None])
    return [(name, score(value)) for name, value in stated]


def _inside(item: Any, key: str) -> Any:
    """The value of ``key`` in an entry: its name there, or a path."""
    return item[key] if isinstance(item, dict) and key in item else JsonPath.read(key).find(item)


def _has(item: Any, key: str) -> bool:
    """True if the entry has that, be it null."""
    return (isinstance(item, dict) and key in item) or _inside(item, key) is not None


def _is_scored(item: Any) -> bool:
    """True for an entry of a list of scored classes: a table, or a pair."""
    pair = isinstance(item, list) and len(item) == 2
    return isinstance(item, dict) or (pair and isinstance(item[0], str | int))


def _is_single(item: Any) -> bool:
    return isinstance(item, dict) and len(item) == 1


def _index(entry: Any) -> int:
    number = _WHOLE.fullmatch(entry) if isinstance(entry, str) and entry.isascii() else None
    if number is not None:
        entry = int(number[1])
    whole = isinstance(entry, int) or (isinstance(entry, float) and entry.is_integer())
    if isinstance(entry, bool) or not whole or abs(entry) > 2**31:
        raise BadReply(f"the target answered with {shown_value(entry)}, not with a class index")
    return int(entry)
