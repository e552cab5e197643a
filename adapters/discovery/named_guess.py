"""Rules for a reply that names the samples' own classes: whatever its keys are called. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from adapters.http.generic.scores import in_text
from adapters.http.payload.json_path import unpacked

Rule = tuple[int, dict[str, Any]]
"""Rank, lower is likelier, and a ``[response]`` table."""

_MAX_DEPTH = 5
_RANK_ALONE, _RANK_TABLE, _RANK_SENTENCE, _RANK_WORD = 5, 7, 26, 55


def named_guesses(reply: Any, classes: Sequence[str]) -> Iterator[Rule]:
    """Rules by which ``reply``, to one input, holds one of ``classes`` or a score of each."""
    names = {_plain(name): name for name in classes}
    if len(names) == len(classes) > 1:
        yield from _walk(reply, (), names)


def _walk(value: Any, steps: tuple[str, ...], names: dict[str, str]) -> Iterator[Rule]:
    value = unpacked(value)
    path, depth = ".".join(steps), len(steps)
    if isinstance(value, str):
        yield from _of_text(value, path, depth, names)
    elif isinstance(value, dict):
        yield from _of_table(value, path, depth, names)
        yield from _of_words(value, path, depth, names)
    elif isinstance(value, list):
        yield from _of_list(value, path, depth, names)
    if depth >= _MAX_DEPTH:
        return
    if isinstance(value, dict):
        for name, inner in value.items():
            if name and "." not in name:
                yield from _walk(inner, (*steps, name), names)
    elif isinstance(value, list) and len(value) == 1:
        yield from _walk(value[0], (*steps, "0" if "*" in steps else "*"), names)


def _of_text(text: str, path: str, depth: int, names: dict[str, str]) -> Iterator[Rule]:
    """A class's name alone, or the only one in a sentence."""
    if _plain(text) in names:
        yield _RANK_ALONE + depth, {"path": path, "kind": "label"}
        return
    words = re.findall(r"\w+", _plain(text))
    if sum(name in words for name in names) == 1 and len(words) <= 60:
        listed = list(names.values())
        yield _RANK_SENTENCE + depth, {"path": path, "kind": "chosen", "classes": listed}


def _of_table(
    table: dict[str, Any], path: str, depth: int, names: dict[str, str]
) -> Iterator[Rule]:
    """A score of each class, in a table by name or in a list beside that of their names."""
    own = [key for key in table if _plain(key) in names]
    rank = _RANK_TABLE + depth
    if len(own) >= 2 and len(own) == len(table):
        rule = {"path": path, "kind": "label-score-dict"}
        if all(_is_score(table[key]) for key in own):
            yield rank, rule
        elif all(isinstance(table[key], dict) for key in own):
            inner = [key for key, value in table[own[0]].items() if _is_score(value)]
            likely = sorted(inner, key=lambda key: not isinstance(table[own[0]][key], float))
            if likely:
                yield rank, {**rule, "score_key": likely[0]}
    for value in table.values():
        listed = isinstance(value, list) and all(isinstance(one, str) for one in value)
        if listed and len({*map(_plain, value)} & set(names)) >= 2:
            for other, scores in table.items():
                if _is_row(scores, len(value)) and "." not in other:
                    at = f"{path}.{other}" if path else other
                    yield rank, {"path": at, "kind": "scores", "classes": list(value)}


def _of_words(
    table: dict[str, Any], path: str, depth: int, names: dict[str, str]
) -> Iterator[Rule]:
    """A word for how likely a class is: ``check`` learns what each of them means."""
    for key, value in table.items():
        if _plain(key) in names and isinstance(value, str) and not _is_score(value):
            at = f"{path}.{key}" if path else key
            yield _RANK_WORD + depth, {"path": at, "kind": "label"}


def _is_row(value: Any, size: int) -> bool:
    """True for a list of one row of ``size`` scores."""
    row = value[0] if isinstance(value, list) and len(value) == 1 else None
    return isinstance(row, list) and len(row) == size and all(map(_is_score, row))


def _of_list(value: list[Any], path: str, depth: int, names: dict[str, str]) -> Iterator[Rule]:
    """Pairs of name and score, or tables of a single name."""
    rank = _RANK_TABLE + depth
    pairs = [one for one in value if isinstance(one, list) and len(one) == 2]
    whole = pairs and len(pairs) == len(value)
    if whole and all(_named(one[0], names) and _is_score(one[1]) for one in pairs):
        keys = {"label_key": "0", "score_key": "1"}
        yield rank, {"path": path, "kind": "label-score-list", **keys}
    tables = [one for one in value if isinstance(one, dict) and len(one) == 1]
    if len(tables) == len(value) > 1:
        flat = [pair for one in tables for pair in one.items()]
        if all(_named(name, names) and _is_score(score) for name, score in flat):
            yield rank, {"path": path, "kind": "label-score-dict"}


def _named(value: Any, names: dict[str, str]) -> bool:
    return isinstance(value, str) and _plain(value) in names


def _is_score(value: Any) -> bool:
    """True for a number, a truth value or a percentage."""
    return isinstance(value, int | float) or (isinstance(value, str) and in_text(value) is not None)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
