"""Classes that never get their own label beside others that do: a name or a place of the list that
is wrong for some classes only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from adapters.target import over
from auditor.samples.names import match_names
from auditor.workflows.check.class_names import MIN_PER_CLASS
from auditor.workflows.check.correct import SAMPLES, CheckSample, measured_answers
from auditor.workflows.check.replies import naming
from auditor.workflows.check.trial import Table, Trial

MOST_MENDING = 2 * SAMPLES
"""Most inputs sent to find and to test other names of some classes."""

AGREE = 0.75
"""Least share of a class's answers, and of fresh ones after, that must be one label."""
FRESH = 6
"""Samples per class that test what the first answers say."""
_SHOWN = 4


async def mend_some_classes(trial: Trial) -> None:
    """Look at classes that never get their own label, though others do: at most ``MOST_MENDING``
    queries. The description is changed if fresh samples confirm it; else what they got is shown.

    Raises:
        AdapterError: the target does not answer.
    """
    found = trial.found
    first = await measured_answers(trial, found.table)
    truth, own = _truth(trial, first)
    never, proposed = other_labels(truth, first.answers, own)
    if not never:
        return
    tested, fresh = await _tested(trial, first, proposed, never) if proposed else ({}, False)
    table = _with_names(trial, first, tested) if tested else None
    if table is None:
        found.notes.append(f"Some classes never got their own label: {_shown(never, truth)}")
        return
    found.table = table
    listed = ", ".join(f"{label!r} is {name!r}" for name, label in list(tested.items())[:_SHOWN])
    more = f", ... ({len(tested)} in all)" if len(tested) > _SHOWN else ""
    changed = [n for n in ("no_label", "classes", "rename") if n in table["response"]]
    how = "by answers to fresh samples too" if fresh else "by all samples"
    found.notes.append(
        f"Some class names agree with the samples' and some do not: {listed}{more}, {how}. "
        f"response.{' and '.join(changed)} holds that now."
    )
    left = {name: counted for name, counted in never.items() if name not in tested}
    if left:
        found.notes.append(f"Others never got their own label: {_shown(left, truth)}")


def other_labels(
    truth: Sequence[str], answers: Sequence[str], own: dict[str, str]
) -> tuple[dict[str, Counter[str]], dict[str, str]]:
    """The answers of each class that never got its ``own`` label, and the one label of those that
    got one as good as always which no other class gets; both empty unless some class is right.
    """
    counted: dict[str, Counter[str]] = {}
    for name, answer in zip(truth, answers, strict=True):
        counted.setdefault(name, Counter())[answer] += 1
    never = {
        name: seen
        for name, seen in counted.items()
        if own.get(name) not in seen and seen.total() >= MIN_PER_CLASS
    }
    if len(never) == len(counted):
        return {}, {}
    most = {name: seen.most_common(1)[0] for name, seen in counted.items()}
    labels = Counter(label for label, _ in most.values())
    found = {
        name: most[name][0]
        for name, seen in never.items()
        if most[name][1] >= AGREE * seen.total() and labels[most[name][0]] == 1
    }
    return never, found


def _truth(trial: Trial, first: CheckSample) -> tuple[list[str], dict[str, str]]:
    """The class of each sample asked, and the label of each class that is known."""
    truth = [trial.found.samples.classes[pick] for pick in first.picks]
    if first.expected is not None:
        return truth, dict(zip(truth, first.expected, strict=True))
    names = first.space.names or trial.found.samples.class_order
    return truth, match_names(truth, names).pairs if names else {name: name for name in truth}


async def _tested(
    trial: Trial, first: CheckSample, proposed: dict[str, str], never: dict[str, Counter[str]]
) -> tuple[dict[str, str], bool]:
    """Those of ``proposed`` that fresh samples confirm, and True; where no sample is left to ask,
    those that enough answers agree on, and False.
    """
    fresh: list[int] = []
    most = min(FRESH, SAMPLES // len(proposed))
    for name in proposed:
        numbers = [n for n, one in enumerate(trial.found.samples.classes) if one == name]
        fresh += [n for n in numbers if n not in first.picks][:most]
    if not fresh:
        enough = {n: label for n, label in proposed.items() if never[n][label] >= FRESH}
        return enough, False
    second = await measured_answers(trial, trial.found.table, fresh)
    good = Counter(
        name
        for pick, answer in zip(fresh, second.answers, strict=True)
        if proposed[name := trial.found.samples.classes[pick]] == answer
    )
    asked = Counter(trial.found.samples.classes[pick] for pick in fresh)
    return {
        name: label
        for name, label in proposed.items()
        if asked[name] >= MIN_PER_CLASS and good[name] >= AGREE * asked[name]
    }, True


def _with_names(trial: Trial, first: CheckSample, tested: dict[str, str]) -> Table | None:
    """The description in which the labels have the names ``tested``; None if none can say so."""
    table, space = trial.found.table, first.space
    target = trial.target(table)
    fix = naming({label: name for name, label in tested.items()}, space, target)
    stated = dict(table.get("response", {}))
    if fix is not None and "rename" in fix:
        renamed = {**dict(stated.get("rename", {})), **fix["rename"]}
        named = renamed.pop(stated.get("no_label", ""), None)  # of answers that hold no label
        own = {"no_label": named} if named else {}
        return over(table, {"response": {**own, **({"rename": renamed} if renamed else {})}})
    numbers = dict(zip(first.answers, first.labels, strict=True))
    order = list(space.names or trial.found.samples.class_order)
    size = space.size or len(order)
    if space.open or size < max(numbers.values()) + 1:
        return None
    order += [f"class {number}" for number in range(len(order), size)]
    moved = {numbers[label]: name for name, label in tested.items()}
    gone = [order[number] for number in moved if order[number] not in moved.values()]
    order = [f"class {n}" if name in moved.values() else name for n, name in enumerate(order)]
    for number, name in moved.items():
        order[number] = name
    # A class that has lost its place to another one, and has none itself, would be lost.
    if any(name in trial.found.samples.classes for name in gone) or len(set(order)) < size:
        return None
    return over(table, {"response": {"classes": order[:size]}})


def _shown(never: dict[str, Counter[str]], truth: Sequence[str]) -> str:
    """The sentence on classes that ``never`` got their own label, and what they got instead."""
    parts = []
    for name, seen in list(never.items())[:_SHOWN]:
        label, times = seen.most_common(1)[0]
        parts.append(f"{name!r} got {label!r} {times} of {seen.total()} times")
    more = f", ... ({len(never)} in all)" if len(never) > _SHOWN else ""
    kinds = sorted({label for seen in never.values() for label in seen} & set(truth))
    ask = (
        "look at those samples, or at the order of the classes"
        if kinds
        else "give the samples' classes the names that the target has for them"
    )
    return f"{', '.join(parts)}{more}: {ask}."
