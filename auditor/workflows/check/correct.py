"""The reason of a low accuracy: another reading of replies, other names, other inputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from adapters.contract import LabelSpace
from adapters.errors import AdapterError, EndpointError, TargetError
from adapters.http.client.exchange import Exchange
from adapters.images import is_image
from adapters.target import over
from auditor.errors import SamplesError
from auditor.samples.names import match_names, shown_pairs
from auditor.samples.samples import class_key
from auditor.workflows.check.class_names import (
    hits,
    learned,
    near_names,
    other_orders,
    spread,
    tested_mapping,
)
from auditor.workflows.check.client import labels_of, names_of
from auditor.workflows.check.input_formats import (
    MOST_ALTERNATIVES,
    Alternative,
    alternatives,
    other_outputs,
)
from auditor.workflows.check.replies import NAMED_KINDS, answers_under, naming, protocol_of
from auditor.workflows.check.trial import Table, Trial
from auditor.workflows.check.two_classes import better_threshold

SAMPLES = 24
"""Labelled samples whose answers are read."""

FIRST_ROUND, SECOND_ROUND, FINALISTS = 6, SAMPLES, 3
"""Samples per alternative: all are asked a few, the best three as many as were asked as it is."""

GOOD_ACCURACY = 0.9
"""Below this, other ways to write a found target's inputs are tried: swapped colours often cost an
image classifier a third of its accuracy, and no more."""

CLEARLY = 0.15
"""Least gain in accuracy, on the same samples, for which another way is taken."""

MOST_CORRECTING = 2 * SAMPLES + MOST_ALTERNATIVES * FIRST_ROUND + FINALISTS * SECOND_ROUND
"""Most inputs sent to find the reason of a low accuracy."""


@dataclass
class CheckSample:
    """Labelled samples, and the target's answers to them.

    Attributes:
        picks: numbers of the samples.
        answers: the target's names for them.
        expected: the right names; None if unknown.
        replies: the exchange of each answer.
        space: its label space.
        labels: the answers as indices.
    """

    picks: list[int]
    answers: list[str]
    expected: list[str] | None
    replies: list[Exchange]
    space: LabelSpace
    labels: list[int]

    @property
    def rate(self) -> float:
        """Share of samples that got their own label."""
        return self.rate_of(len(self.picks))

    def rate_of(self, count: int) -> float:
        """The same of the first ``count`` samples."""
        if self.expected is None:
            return 0.0
        expected, answers = self.expected[:count], self.answers[:count]
        return hits(expected, answers) / len(expected)


async def correct(trial: Trial) -> None:
    """Look for the reason of a low accuracy: at most ``MOST_CORRECTING`` queries.

    The target's description is changed if that explains the answers.

    Raises:
        AdapterError: the target does not answer.
    """
    found = trial.found
    measured = await measured_answers(trial, found.table)
    if (_repair if measured.rate < trial.least else _other_rule)(trial, measured):
        return
    _note_threshold(trial, measured)
    better = await _better_input(trial, measured)
    if better is not None:
        found.table = better
        measured = await measured_answers(trial, found.table)
        if measured.rate < trial.least:
            _repair(trial, measured)


async def read_one_number(trial: Trial, refused: AdapterError) -> None:
    """Describe a model file whose output is one number about two classes: the threshold, and the
    order of the classes unless it is stated, that fit most of the samples.

    Raises:
        AdapterError: ``refused``, unless that explains it.
    """
    names, table = sorted(set(trial.found.samples.classes), key=class_key), trial.found.table
    stated = dict(table.get("response", {}))
    if len(names) != 2 or "kind" in stated:
        raise refused
    best, rate = table, 0.0
    for threshold in (0.5, 0.0):
        for own in [stated["classes"]] if "classes" in stated else [names, names[::-1]]:
            told = {"kind": "binary", "threshold": threshold, "classes": list(own)}
            tried = over(table, {"response": told})
            try:
                measured = await measured_answers(trial, tried)
            except AdapterError:
                raise refused from None
            if measured.rate > rate:
                best, rate = tried, measured.rate
    if rate < trial.least:
        raise refused
    trial.found.table, told = best, best["response"]
    trial.found.notes.append(
        f"The model answers with one number: from response.threshold = {told['threshold']:g} on it "
        f"means {told['classes'][1]}, below {told['classes'][0]} ({rate:.0%} of {SAMPLES} samples)."
    )


async def measured_answers(
    trial: Trial, table: Table, picks: list[int] | None = None
) -> CheckSample:
    """The answers of the target as ``table`` describes it to samples number ``picks``, or to
    ``SAMPLES`` of all classes.

    Raises:
        AdapterError: the target does not answer.
    """
    trial.asker.doing = "Looking for the reason of the low accuracy"
    replies: list[Exchange] = []
    labels: list[int] = []
    target = trial.target(table)
    async with trial.asker.opened(target) as oracle:
        images = trial.fitted(oracle)
        picks = spread(trial.found.samples.classes, SAMPLES) if picks is None else picks
        # Only a server's replies are read again, one by one; a file answers sooner all at once.
        for part in np.array_split(picks, len(picks) if target.kind == "http" else 1):
            trial.asker.forget()
            labels += await labels_of(oracle, images[part])
            replies += trial.asker.exchanges[-1:]
        answers = [oracle.label_space.name(label) for label in labels]
        expected = trial.expected(oracle.label_space, picks)
    return CheckSample(picks, answers, expected, replies, oracle.label_space, labels)


def _repair(trial: Trial, measured: CheckSample) -> bool:
    """Read the replies another way, or learn the labels' names; True if that explains it."""
    return (
        _other_rule(trial, measured)
        or _near_names(trial, measured)
        or _other_order(trial, measured)
        or _other_names(trial, measured)
    )


def _other_rule(trial: Trial, measured: CheckSample) -> bool:
    """A rule under which the same replies hold the right labels, clearly more than as read now."""
    found = trial.found
    target, least = trial.target(found.table), max(trial.least, measured.rate + CLEARLY)
    if "response" in trial.stated or target.kind != "http" or protocol_of(target) != "http":
        return False
    for guess in trial.readable(measured.replies[0], found.table):
        table = over(found.table, {"response": guess})
        answers = answers_under(measured.replies, trial.target(table))
        truth = [found.samples.classes[pick] for pick in measured.picks]
        if answers and hits(truth, answers) >= least * len(truth):
            found.table = table
            found.notes.append(f"The label was read at {guess['path']!r} instead.")
            return True
    return False


def _near_names(trial: Trial, measured: CheckSample) -> bool:
    """Labels that differ from the samples' classes in case, spaces or the like only."""
    found = trial.found
    truth = [found.samples.classes[pick] for pick in measured.picks]
    near = near_names(found.samples.classes, measured.answers)
    good = hits(truth, [near.get(answer, answer) for answer in measured.answers])
    fix = naming(near, measured.space, trial.target(found.table)) if near else None
    if fix is None or "rename" not in fix or good < trial.least * len(truth):
        return False
    stated = dict(dict(found.table.get("response", {})).get("rename", {}))
    found.table = over(found.table, {"response": {"rename": {**stated, **fix["rename"]}}})
    found.notes.append(
        f"The labels differ from the samples' classes only in how they are written "
        f"({shown_pairs(near)}): {good} of {len(truth)} are right once response.rename says so."
    )
    return True


def _other_order(trial: Trial, measured: CheckSample) -> bool:
    """The classes in another order than the list that is given, shifted by one or sorted."""
    found, space = trial.found, measured.space
    if space.open or trial.target(found.table).http.reply.kind in NAMED_KINDS:
        return False
    given = space.names or found.samples.class_order
    match = match_names(found.samples.classes, given)
    truth = [match.pairs.get(found.samples.classes[pick], "") for pick in measured.picks]
    scored = [
        (hits(truth, [dict(enumerate(one.names)).get(a, "") for a in measured.labels]), one)
        for one in other_orders(given, space.size)
        if set(match.pairs.values()) <= set(one.names)
    ]
    good, best = max(scored, key=lambda pair: pair[0], default=(0, None))
    clearly = measured.rate + CLEARLY
    if best is None or match.problem or good < max(trial.least, clearly) * len(truth):
        return False
    found.table = over(found.table, {"response": {"classes": list(best.names)}})
    found.notes.append(
        f"The labels are {best.words}: {good} of {len(truth)} samples got theirs so, "
        f"{round(measured.rate * len(truth))} as the classes are given. response.classes lists "
        "them in the model's order now."
    )
    return True


def _other_names(trial: Trial, measured: CheckSample) -> bool:
    """Labels that are consistent, only called otherwise than the samples' classes."""
    found = trial.found
    truth = [found.samples.classes[pick] for pick in measured.picks]
    mapping = tested_mapping(truth, measured.answers, trial.least)
    if mapping is None:
        return False
    fix = naming(mapping, measured.space, trial.target(found.table))
    shown = ", ".join(f"{a} is {b}" for a, b in list(mapping.items())[:4])
    if fix is None:
        words = not all(label.isdecimal() for label in mapping)
        found.notes.append(
            f"The labels are consistent under other names ({shown}, ...): "
            + (
                "give the classes of the samples the names that the model gives them."
                if words
                else "name the model's classes in order in response.classes or a classes.txt."
            )
        )
        return True
    found.table = over(found.table, {"response": fix})
    found.notes.append(
        f"The labels have other names than the samples' classes ({shown}, ...): learned from "
        f"half of {len(truth)} answers, right on the other half."
    )
    return True


def _note_threshold(trial: Trial, measured: CheckSample) -> None:
    """Note the threshold that tells the samples apart; to state it is the user's to decide."""
    target = trial.target(trial.found.table)
    rule, classes = target.http.reply, target.classes or ()
    if rule.kind != "binary" or rule.threshold is None or protocol_of(target) != "http":
        return
    truth = [trial.found.samples.classes[pick] for pick in measured.picks]
    threshold, right = better_threshold(rule, classes, measured.replies, truth) or (0.0, 0)
    if right < max(trial.least, measured.rate + CLEARLY) * len(truth):
        return
    trial.found.notes.append(
        f"The numbers tell the samples apart at {threshold:g} rather than {rule.threshold:g}: "
        f"{right} of {len(truth)} would be right. State response.threshold = {threshold:g} if that "
        "is where the service itself draws the line."
    )


async def _better_input(trial: Trial, measured: CheckSample) -> Table | None:
    """The description with inputs written in the way that clearly fits best, or None."""
    table = trial.found.table
    listed = await _alternatives(trial, table)
    scored = [(await _score(trial, table, a, FIRST_ROUND), a) for a in listed]
    answered = [(score, a) for score, a in scored if score is not None]
    answered.sort(key=lambda pair: -pair[0])
    final = [
        (await _score(trial, table, a, SECOND_ROUND) or 0.0, a) for _, a in answered[:FINALISTS]
    ]
    if not final:
        return None
    best, winner = max(final, key=lambda pair: pair[0])
    if best < trial.least or best < measured.rate_of(SECOND_ROUND) + CLEARLY:
        trial.found.notes.append(
            f"None of {len(listed)} other ways to ask (value range, layout, colour order, output) "
            "is clearly better."
        )
        return None
    subject = "Labels come from" if winner.response else "Pictures fit as"
    trial.found.notes.append(
        f"{subject} {winner.words}: {best:.0%} of {SECOND_ROUND} samples got their label."
    )
    return over(table, winner.fields)


async def _alternatives(trial: Trial, table: Table) -> list[Alternative]:
    target = trial.target(table)
    async with trial.asker.opened(target) as oracle:
        spec, described = oracle.input_spec, oracle.description
    generic = target.kind == "http" and target.http.protocol == "http"
    stated_shape = "shape" in dict(trial.stated.get("input", {}))
    picture = is_image(spec.encoding)
    open_layout = "layout" in dict(table.get("input", {})) or (
        described.get("layout_origin") == "assumed"
    )
    return other_outputs(described.get("other_outputs", ())) + alternatives(
        spec.shape,
        picture=picture,
        pixels=spec.access == "image",
        layout_is_open=open_layout,
        shape_is_open=generic and not stated_shape,
    )


async def _score(trial: Trial, table: Table, alternative: Alternative, count: int) -> float | None:
    """Share of ``count`` samples that fit under ``alternative``; None if it fails."""
    trial.asker.doing = f"Trying {alternative.words}"
    try:
        target = trial.target(over(table, alternative.fields))
        async with trial.asker.opened(target) as oracle:
            images = trial.fitted(oracle)
            picks = spread(trial.found.samples.classes, count)
            answers = await names_of(oracle, images[picks])
            # Another output may have other classes, and another size other copies.
            own = trial.expected(oracle.label_space, picks)
    except (TargetError, EndpointError, SamplesError):
        trial.found.alternatives.append({"words": alternative.words, "hits": None, "asked": count})
        return None
    if own is not None:
        good = hits(own, answers)
    else:
        truth = [trial.found.samples.classes[pick] for pick in picks]
        mapping = learned(truth, answers)
        good = hits(truth, [mapping.get(answer, "") for answer in answers])
    trial.found.alternatives.append({"words": alternative.words, "hits": good, "asked": len(picks)})
    return good / len(picks)
