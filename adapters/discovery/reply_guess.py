"""From one unknown reply to rules that find the label in it, the likeliest first. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from adapters.discovery.named_guess import named_guesses
from adapters.http.generic.scores import in_text
from adapters.http.payload.json_path import unpacked

MAX_GUESSES = 8
_MAX_DEPTH = 5
_LABEL = re.compile(
    r"(predicted|pred|top|best)?[-_ ]?(labels?|class(_?name|es)?|categor(y|ies)|predictions?"
    r"|outputs?|results?|names?|answer|top|best|etiquetas?|clases?|categor[ií]as?|resultados?"
    r"|nombre|klassen?|kategorien?|ergebnis|bezeichnung|classes?|[ée]tiquettes?|cat[ée]gories?"
    r"|r[ée]sultats?|nom|classe|categoria|rótulo|etichetta|标签|类别|名称|结果|ラベル|クラス|분류|метка|класс)",
    re.IGNORECASE,
)
"""Keys of a label in the languages that services are most often written in."""
_TAGS = re.compile(r"tags?|keywords?|concepts?", re.IGNORECASE)
_SCORE = re.compile(
    r"(?:^|\.)(scores?|confidences?|conf|prob.*|values?|confian[zç]a|wahrscheinlichkeit|rate)$",
    re.IGNORECASE,
)
_INDEX = re.compile(r".*(index|idx|_id|argmax|class_?(number|no|nr|num))", re.IGNORECASE)
_ID = re.compile(r"[a-z]?id|.*[-_]id|.*Id|uuid|guid|url|uri|locale|lang(uage)?", re.IGNORECASE)
"""Keys of texts that name a thing, but not to people."""
_MOST_KEYS = 3
_NO_ANSWER = re.compile(
    r".*(time|latency|duration|took|elapsed|_ms|version|width|height|size|count|total|code|status"
    r"|success|cached|usage|tokens|credits|cost|quota|remaining|seed|threshold)|ok|id|n|ms",
    re.IGNORECASE,
)
"""Keys of numbers and truth values that answer nothing about a picture."""
_YES_NO = {"yes", "no", "true", "false", "positive", "negative"}
_FAILED = re.compile(r"(error|errors|detail|exception|error_code)", re.IGNORECASE)

Guess = dict[str, Any]
"""A ``[response]`` table. One of the kind ``binary`` leaves its classes open, and its tag if it is
empty: the samples name them.
"""


def guesses(reply: Any, classes: Sequence[str] = ()) -> list[Guess]:
    """Rules for ``reply``, a parsed reply to one input of one of ``classes``; none for a reply that
    reports a failure.
    """
    if isinstance(reply, dict) and any(_FAILED.fullmatch(k) and v for k, v in reply.items()):
        return []
    walked = (*_walk(reply, (), ""), *named_guesses(reply, classes))
    found = sorted(walked, key=lambda pair: pair[0])
    rules: list[Guess] = []
    for _, rule in found:
        if rule not in rules:
            rules.append(rule)
    return rules[:MAX_GUESSES]


def _walk(value: Any, steps: tuple[str, ...], key: str) -> Iterator[tuple[int, Guess]]:
    """Pairs of rank (lower is likelier) and rule."""
    value = unpacked(value)
    rule = _rule_at(value, steps, key)
    if rule is not None:
        yield rule
    if isinstance(value, list):
        yield from _of_entries(value, ".".join(steps), len(steps))
    yield from _two_classes(value, steps, key)
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


def _two_classes(value: Any, steps: tuple[str, ...], key: str) -> Iterator[tuple[int, Guess]]:
    """Rules by which ``value`` is one answer about two classes."""
    rule = {"path": ".".join(steps), "kind": "binary"}
    depth = len(steps)
    if isinstance(value, str):
        share = in_text(value)
        if share is None and value.strip().casefold() in _YES_NO:
            yield 45 + depth, rule
        value = share
    elif (
        isinstance(value, list) and value and key and all(isinstance(v, str | dict) for v in value)
    ):
        yield 60 + depth, {**rule, "tag": ""}
    if value is True or value is False:
        if steps and not _NO_ANSWER.fullmatch(key):
            yield (45 if _SCORE.search(key) else 50) + depth, rule
        return
    if _NO_ANSWER.fullmatch(key) or not isinstance(value, int | float):
        return
    rank = (45 if _SCORE.search(key) else 50) + depth
    for place, threshold in enumerate(_thresholds(value)):
        yield rank + 10 * place, {**rule, "threshold": threshold}


def _thresholds(value: float) -> tuple[float, ...]:
    """The usual thresholds of a scale that holds ``value``: probability, percentage, logit."""
    if value < 0 or value > 100:
        return (0.0,)
    return (0.5, 0.0) if value <= 1 else (50.0, 0.0)


def _of_list(value: list[Any], path: str, depth: int, key: str) -> tuple[int, Guess] | None:
    named = bool(_LABEL.fullmatch(key) or _INDEX.fullmatch(key) or not depth)
    if len(value) == 1 and named and isinstance(value[0], int | str) and value[0] is not True:
        kind = "label" if isinstance(value[0], str) else "index"
        return 12 + depth, {"path": path, "kind": kind}
    if len(value) > 1 and any(_number(item) for item in value) and all(map(_score_like, value)):
        return 40 + depth, {"path": path, "kind": "scores"}
    several = _TAGS.fullmatch(key) or (len(value) > 1 and named)
    if value and several and all(isinstance(item, str) and item for item in value):
        # Several names without scores: the first is the likeliest to be the best.
        return 35 + depth, {"path": f"{path}.0" if path else "0", "kind": "label"}
    return None


def _of_entries(value: list[Any], path: str, depth: int) -> Iterator[tuple[int, Guess]]:
    """``[{"label": .., "score": ..}]`` under any names; an entry's id is its name at last."""
    if not value or not all(isinstance(item, dict) for item in value):
        return
    first = value[0]
    parts = [*first.items(), *_inner(first)]
    score = next((k for k, v in parts if _score_like(v) and _SCORE.search(k)), "")
    score = score or next((k for k, v in parts if isinstance(v, float) or _is_percent(v)), "")
    named = [k for k, v in first.items() if _is_name(v) or _LABEL.fullmatch(k)]
    texts = [k for k in named if isinstance(first[k], str) and k != score]
    texts.sort(key=lambda name: (not _LABEL.fullmatch(name), bool(_ID.fullmatch(name))))
    outer = score.split(".")[0]
    whole = [k for k in texts if all(k in entry and outer in entry for entry in value)]
    for place, label in enumerate(whole[:_MOST_KEYS] if score else ()):
        keys = {"label_key": label, "score_key": score}
        yield 20 + depth + 5 * place, {"path": path, "kind": "label-score-list", **keys}


def _inner(entry: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Fields of the tables in an entry, by their paths."""
    for name, table in entry.items():
        if isinstance(table, dict) and "." not in name:
            yield from ((f"{name}.{key}", value) for key, value in table.items())


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and in_text(value) is None


def _is_percent(value: Any) -> bool:
    return isinstance(value, str) and in_text(value) is not None


def _of_dict(value: dict[str, Any], path: str, depth: int) -> tuple[int, Guess] | None:
    if len(value) > 1 and all(_is_share(item) for item in value.values()):
        return 30 + depth, {"path": path, "kind": "label-score-dict"}
    texts = [k for k, v in value.items() if _list_of(v, str)]
    scores = [k for k, v in value.items() if _list_of(v, float)]
    for label in texts:
        for score in scores:
            if len(value[label]) == len(value[score]) > 1:
                keys = {"label_key": label, "score_key": score}
                return 22 + depth, {"path": path, "kind": "label-score-columns", **keys}
    return None


def _is_share(value: Any) -> bool:
    if isinstance(value, str):
        return in_text(value) is not None
    return isinstance(value, float) and 0 <= value <= 1


def _score_like(value: Any) -> bool:
    """True for a number, a percentage, or the null of a sparse list."""
    return value is None or _number(value) or (isinstance(value, str) and _is_share(value))


def _list_of(value: Any, kind: type) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, kind) for v in value)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
