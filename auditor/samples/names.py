"""Class names of samples beside those of a model: equal ones first, then near ones, never silently.

Names are near if they differ in case, spaces or dashes only, spell one number ("6", "06", "6.0",
"LABEL_6"), share a WordNet id, if one is among the other's synonyms ("tench, Tinca tinca"), or if
one is the other behind a number ("0_tench"). Pure.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

_WORDNET = re.compile(r"(n\d{8})(?:[\s_:,-]+(.*))?", re.DOTALL)
_NUMBER = re.compile(r"(\d{1,9})(?:\.0+)?")
_COUNTED = re.compile(r"(?:label|class)[\s_-]*(\d{1,9})", re.IGNORECASE)
_IN_FRONT = re.compile(r"\d{1,9}[\s._:)-]+(.*[^\W\d_].*)", re.DOTALL)
_PLACE = re.compile(r" \(\d+\)$")
_SHOWN = 4


@dataclass(frozen=True, slots=True)
class NameMatch:
    """The model's name of each class: ``pairs``, those that are equal included; ``ways`` in which
    the others are near; a ``problem``, empty if every class has one name and each its own.
    """

    pairs: dict[str, str]
    ways: tuple[str, ...]
    problem: str

    @property
    def how(self) -> str:
        """The rule in words, with the names that are near beside each other."""
        if not self.ways:
            return "class names"
        return f"class names apart from {' and '.join(self.ways)}: {shown_pairs(self.pairs)}"


def match_names(
    classes: Iterable[str], names: Sequence[str], owner: str = "the model"
) -> NameMatch:
    """Find each of ``classes`` among the ``names`` of their ``owner``."""
    pairs: dict[str, str] = {}
    ways: dict[str, None] = {}
    problem = ""
    known = set(names)
    tables = {way: _table(names, keys) for way, (_, keys) in _NEAR.items()}
    for name in sorted(set(classes)):
        if name in known:
            pairs[name] = name
            continue
        way, found = _nearest(name, tables)
        if len(found) == 1:
            pairs[name] = found[0]
            ways[way] = None
        elif not problem:
            problem = _unclear(name, found, owner) if found else _unknown(name, names, owner)
    return NameMatch(pairs, tuple(ways), problem or _doubled(pairs, owner))


def folded(name: str) -> str:
    """``name`` without case and invisible characters; any spaces, dashes, underscores are one."""
    shown = "".join(c for c in name if unicodedata.category(c) != "Cf")
    plain = unicodedata.normalize("NFKC", shown).casefold()
    return " ".join(re.split(r"[\s_\-]+", plain)).strip()


def number_of(name: str) -> int | None:
    """The whole number that ``name`` spells ("6", "06", "6.0"), or None."""
    match = _NUMBER.fullmatch(name.strip())
    return int(match[1]) if match and name.isascii() else None


def shown_pairs(pairs: dict[str, str]) -> str:
    """Names that are not equal, beside each other."""
    near = [f"{a[:60]!r} is {b[:60]!r}" for a, b in pairs.items() if a != b]
    more = f", ... ({len(near)} in all)" if len(near) > _SHOWN else ""
    return ", ".join(near[:_SHOWN]) + more


def _folds(name: str) -> set[str]:
    return {folded(name), folded(_PLACE.sub("", name))} - {""}


def _numbers(name: str) -> set[str]:
    counted = _COUNTED.fullmatch(name.strip())  # as libraries call classes without a name
    number = number_of(counted[1] if counted else name)
    return set() if number is None else {str(number)}


def _ids(name: str) -> set[str]:
    match = _WORDNET.fullmatch(name.strip())
    return {match[1]} if match else set()


def _synonyms(name: str) -> set[str]:
    match = _WORDNET.fullmatch(name.strip())
    words = (match[2] or "") if match else name
    whole = _PLACE.sub("", words)
    return ({folded(part) for part in whole.split(",")} | {folded(whole)}) - {""}


def _with_number(name: str, *, numbered: bool) -> set[str]:
    """Key of a name with a number in front for one without, ``numbered`` as the first of both.

    Two names with a number each are never near: "1 euro" is not "2 euro".
    """
    match = _IN_FRONT.fullmatch(name.strip())
    return {f"{(match is None) != numbered} {folded(match[1] if match else name)}"}


_Keys = Callable[[str], set[str]]


def _alike(keys: _Keys) -> tuple[_Keys, _Keys]:
    return keys, keys


_NEAR: dict[str, tuple[_Keys, _Keys]] = {
    "case, spaces and dashes": _alike(_folds),
    "the form of numbers": _alike(_numbers),
    "words beside the WordNet id": _alike(_ids),
    "synonyms": _alike(_synonyms),
    "a number in front": (
        partial(_with_number, numbered=True),
        partial(_with_number, numbered=False),
    ),
}
"""Way in which names are near -> the keys of a class, and those of the model's names, that are
shared then; the nearest first."""


def _table(names: Sequence[str], keys: Callable[[str], set[str]]) -> dict[str, list[str]]:
    table: dict[str, list[str]] = {}
    for name in names:
        for key in keys(name):
            table.setdefault(key, []).append(name)
    return table


def _nearest(name: str, tables: dict[str, dict[str, list[str]]]) -> tuple[str, list[str]]:
    for way, table in tables.items():
        found = dict.fromkeys(near for key in _NEAR[way][0](name) for near in table.get(key, ()))
        if found:
            return way, list(found)
    return "", []


def _unclear(name: str, found: Sequence[str], owner: str) -> str:
    listed = " or ".join(repr(one[:60]) for one in found[:_SHOWN])
    return f"the class {name[:60]!r} of the samples may be {listed} of {owner}: give it that name"


def _unknown(name: str, names: Sequence[str], owner: str) -> str:
    by_fold = {folded(one): one for one in names}
    near = difflib.get_close_matches(folded(name), list(by_fold), n=2, cutoff=0.6)
    if near:
        listed = " or ".join(repr(by_fold[one][:60]) for one in near)
        hint = f"; nearest is {listed}: give the class of the samples that name"
    else:
        first = ", ".join(repr(one[:30]) for one in names[:_SHOWN])
        more = ", ..." if len(names) > _SHOWN else ""
        hint = f"; it has {first}{more}: name the samples' classes so"
    return f"{owner} has no class named {name[:60]!r}{hint}"


def _doubled(pairs: dict[str, str], owner: str) -> str:
    seen: dict[str, str] = {}
    for name, own in pairs.items():
        if own in seen:
            return (
                f"the classes {seen[own][:60]!r} and {name[:60]!r} of the samples are both "
                f"{own[:60]!r} of {owner}: put their samples into one class"
            )
        seen[own] = name
    return ""
