"""From one unknown reply to rules that find the label in it, the likeliest first. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

MAX_GUESSES = 8
_MAX_DEPTH = 5
_LABEL = re.compile(
    r"(predicted|pred|top)?[-_ ]?(labels?|class(_?name|es)?|categor(y|ies)|predictions?|outputs?"
    r"|results?|names?|answer)",
    re.IGNORECASE,
)
_SCORE = re.compile(r"(scores?|confidences?|prob.*|value|values)", re.IGNORECASE)
_INDEX = re.compile(r".*(index|idx|_id|class_id)", re.IGNORECASE)
_FAILED = re.compile(r"(error|errors|detail|exception|error_code)", re.IGNORECASE)

Guess = dict[str, Any]
"""A ``[response]`` table."""


def guesses(reply: Any) -> list[Guess]:
    """Rules for ``reply``, a parsed reply to one input; none for one that reports a failure."""
    if isinstance(reply, dict) and any(_FAILED.fullmatch(k) and v for k, v in reply.items()):
        return []
    found = sorted(_walk(reply, (), ""), key=lambda pair: pair[0])
    rules: list[Guess] = []
    for _, rule in found:
        if rule not in rules:
            rules.append(rule)
    return rules[:MAX_GUESSES]


def _walk(value: Any, steps: tuple[str, ...], key: str) -> Iterator[tuple[int, Guess]]:
    """Pairs of rank (lower is likelier) and rule."""
    rule = _rule_at(value, steps, key)
    if rule is not None:
        yield rule
    if len(steps) >= _MAX_DEPTH:
        return
    if isinstance(value, dict):
        for name, inner in value.items():
            if "." not in name and name:
                yield from _walk(inner, (*steps, name), name)
    elif isinstance(value, list) and len(value) == 1:
        # One input, one entry: a list that grows with the inputs.
        step = "0" if "*" in steps else "*"
        yield from _walk(value[0], (*steps, step), key)


def _rule_at(value: Any, steps: tuple[str, ...], key: str) -> tuple[int, Guess] | None:
    path = ".".join(steps)
    depth = len(steps)
    if isinstance(value, list):
        return _of_list(value, path, depth, key)
    if isinstance(value, dict):
        return _of_dict(value, path, depth)
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int) and (_LABEL.fullmatch(key) or _INDEX.fullmatch(key) or not depth):
        return 10 + depth, {"path": path, "kind": "index"}
    if isinstance(value, str) and value and (_LABEL.fullmatch(key) or not depth):
        kind = "index" if value.isdecimal() and _INDEX.fullmatch(key) else "label"
        return 10 + depth, {"path": path, "kind": kind}
    return None


def _of_list(value: list[Any], path: str, depth: int, key: str) -> tuple[int, Guess] | None:
    named = bool(_LABEL.fullmatch(key) or _INDEX.fullmatch(key) or not depth)
    if len(value) == 1 and named and isinstance(value[0], int | str) and value[0] is not True:
        kind = "label" if isinstance(value[0], str) else "index"
        return 12 + depth, {"path": path, "kind": kind}
    if value and all(isinstance(item, dict) for item in value):
        return _of_entries(value, path, depth)
    if len(value) > 1 and all(_number(item) for item in value):
        return 40 + depth, {"path": path, "kind": "scores"}
    return None


def _of_entries(value: list[Any], path: str, depth: int) -> tuple[int, Guess] | None:
    """``[{"label": .., "score": ..}]`` under any names."""
    first = value[0]
    label = next((k for k, v in first.items() if isinstance(v, str) and _LABEL.fullmatch(k)), "")
    label = label or next((k for k, v in first.items() if isinstance(v, str)), "")
    score = next((k for k, v in first.items() if _number(v) and _SCORE.fullmatch(k)), "")
    score = score or next((k for k, v in first.items() if isinstance(v, float)), "")
    whole = all(label in entry and score in entry for entry in value)
    if not label or not score or not whole:
        return None
    keys = {"label_key": label, "score_key": score}
    return 20 + depth, {"path": path, "kind": "label-score-list", **keys}


def _of_dict(value: dict[str, Any], path: str, depth: int) -> tuple[int, Guess] | None:
    if len(value) > 1 and all(
        isinstance(item, float) and 0 <= item <= 1 for item in value.values()
    ):
        return 30 + depth, {"path": path, "kind": "label-score-dict"}
    texts = [k for k, v in value.items() if _list_of(v, str)]
    scores = [k for k, v in value.items() if _list_of(v, float)]
    for label in texts:
        for score in scores:
            if len(value[label]) == len(value[score]) > 1:
                keys = {"label_key": label, "score_key": score}
                return 22 + depth, {"path": path, "kind": "label-score-columns", **keys}
    return None


def _list_of(value: Any, kind: type) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, kind) for v in value)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
