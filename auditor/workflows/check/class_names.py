"""The match of the target's labels with the classes of the samples. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from auditor.samples.names import match_names

MIN_PER_CLASS = 2
"""Least answers per class behind a mapping: half to learn it, half to test it."""


def spread(classes: Sequence[str], count: int) -> list[int]:
    """Numbers of ``count`` samples, the classes taken in turn."""
    queues: dict[str, list[int]] = {}
    for number, name in enumerate(classes):
        queues.setdefault(name, []).append(number)
    picked: list[int] = []
    while len(picked) < min(count, len(classes)):
        for queue in queues.values():
            if queue and len(picked) < count:
                picked.append(queue.pop(0))
    return picked


def hits(truth: Sequence[str], answers: Sequence[str]) -> int:
    """Number of answers that are the sample's own class."""
    return sum(a == b for a, b in zip(truth, answers, strict=True))


def learned(truth: Sequence[str], answers: Sequence[str]) -> dict[str, str]:
    """Label -> class: each class's most frequent label, each label for one class at most."""
    pairs = Counter(zip(answers, truth, strict=True))
    mapping: dict[str, str] = {}
    for (label, name), _ in sorted(pairs.items(), key=lambda item: (-item[1], item[0])):
        if label not in mapping and name not in mapping.values():
            mapping[label] = name
    return mapping


def tested_mapping(
    truth: Sequence[str], answers: Sequence[str], least: float
) -> dict[str, str] | None:
    """Label -> class if the answers are consistent, only under other names.

    Learned on the first half of each class's answers and tested on the rest, so that a target
    which answers at random does not pass.

    Args:
        truth: class of each sample.
        answers: the target's answers.
        least: share of the rest that the mapping must get right.
    """
    seen: Counter[str] = Counter()
    first: list[int] = []
    rest: list[int] = []
    for number, name in enumerate(truth):
        (first if seen[name] % 2 == 0 else rest).append(number)
        seen[name] += 1
    if len(set(answers)) < 2 or min(seen.values()) < MIN_PER_CLASS:
        return None
    mapping = learned([truth[i] for i in first], [answers[i] for i in first])
    right = sum(mapping.get(answers[i]) == truth[i] for i in rest)
    return mapping if right >= least * len(rest) and set(mapping.values()) == seen.keys() else None


_STYLES: tuple[Callable[[str], str], ...] = tuple(
    lambda name, case=case, before=before, after=after: before + case(name) + after  # type: ignore[misc]  # bound at once
    for case in (str, str.lower, str.upper, str.capitalize, str.title)
    for before, after in (("", ""), ("", " "), (" ", ""), ("", "\n"))
)
"""Ways in which a server spells names otherwise."""


def near_names(classes: Sequence[str], answers: Sequence[str]) -> dict[str, str]:
    """Target's name -> class, for answers that are near a class but not equal to it.

    If all of them are spelled in one way, the classes that were not answered are too.
    """
    known = sorted(set(classes))
    found = match_names(set(answers), known).pairs
    near = {answer: name for answer, name in found.items() if answer != name}
    for style in _STYLES if near else ():
        if all(style(name) == answer for answer, name in found.items()):
            return {style(name): name for name in known if style(name) != name}
    return near


@dataclass(frozen=True, slots=True)
class ClassOrder:
    """One more order of the classes: its rule in words, and the names by index."""

    words: str
    names: tuple[str, ...]


def other_orders(given: Sequence[str], size: int | None) -> list[ClassOrder]:
    """Orders that a model of ``size`` classes may have if it has not the one ``given``."""
    names = tuple(given)
    count = len(names) + 1 if size is None else size
    listed = [
        ClassOrder("in the order given", names),
        ClassOrder("one higher than the list says", ("background", *names)[:count]),
        ClassOrder("one lower than the list says", names[1:]),
        *([ClassOrder("the other way round", names[::-1])] if len(names) == 2 else []),
        ClassOrder("in alphabetical order", tuple(sorted(names))),
        ClassOrder("in alphabetical order", tuple(sorted(names, key=str.casefold))),
    ]
    more = tuple(f"class {i}" for i in range(size or 0))
    padded = [ClassOrder(one.words, one.names + more[len(one.names) :]) for one in listed]
    return [one for one in padded if size is None or len(one.names) == size]
