"""The reason of a low accuracy: another reading of replies, other names, other inputs."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.contract import LabelSpace
from adapters.errors import EndpointError, TargetError
from adapters.http.client.exchange import Exchange
from adapters.target import over
from auditor.errors import SamplesError
from auditor.workflows.check.class_names import hits, learned, spread, tested_mapping
from auditor.workflows.check.client import names_of
from auditor.workflows.check.input_formats import MOST_ALTERNATIVES, Alternative, alternatives
from auditor.workflows.check.replies import answers_under, naming
from auditor.workflows.check.trial import Table, Trial

SAMPLES = 24
"""Labelled samples whose answers are read."""

FIRST_ROUND, SECOND_ROUND, FINALISTS = 6, 12, 3
"""Samples per alternative: all are asked a few, the best three more."""

GOOD_ACCURACY = 0.9
"""Below this, other ways to write a found target's inputs are tried: swapped colours often cost an
image classifier a third of its accuracy, and no more."""

CLEARLY = 0.15
"""By how much another way must be better, on the same samples, before it is taken."""

MOST_CORRECTING = 2 * SAMPLES + MOST_ALTERNATIVES * FIRST_ROUND + FINALISTS * SECOND_ROUND
"""Most inputs that looking for the reason of a low accuracy sends."""


@dataclass
class CheckSample:
    """Labelled samples, and the target's answers to them.

    Attributes:
        picks: numbers of the samples.
        answers: the target's names for them.
        expected: the names it should have given; None if those cannot be told.
        replies: the exchange of each answer.
        space: its label space.
    """

    picks: list[int]
    answers: list[str]
    expected: list[str] | None
    replies: list[Exchange]
    space: LabelSpace

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


async def correct(trial: Trial, least: float) -> None:
    """Look for the reason of a low accuracy: at most ``MOST_CORRECTING`` queries.

    Args:
        trial: the target; its description is changed if that explains the answers.
        least: share of samples that must get their own label.

    Raises:
        AdapterError: the target does not answer.
    """
    await _Corrector(trial, least).run()


class _Corrector:
    """Corrects the description of one target."""

    def __init__(self, trial: Trial, least: float) -> None:
        self._trial = trial
        self._asker = trial.asker
        self._stated = trial.stated
        self._least = least
        self.found = trial.found

    async def run(self) -> None:
        found = self.found
        measured = await self._measure(found.table)
        if measured.rate < self._least and self._repair(measured):
            return
        better = await self._better_input(measured)
        if better is not None:
            found.table = better
            measured = await self._measure(found.table)
            if measured.rate < self._least:
                self._repair(measured)

    async def _measure(self, table: Table) -> CheckSample:
        picks = spread(self.found.samples.classes, SAMPLES)
        replies: list[Exchange] = []
        answers: list[str] = []
        async with self._asker.opened(self._trial.target(table)) as oracle:
            images = self._trial.fitted(oracle)
            for pick in picks:
                self._asker.forget()
                label = (await oracle.predict_labels(images[pick : pick + 1])).tolist()[0]
                answers.append(oracle.label_space.name(label))
                replies += self._asker.exchanges[-1:]
            expected = self._trial.expected(oracle.label_space, picks)
        return CheckSample(picks, answers, expected, replies, oracle.label_space)

    def _repair(self, measured: CheckSample) -> bool:
        """Read the replies another way, or learn the labels' names; True if that explains it."""
        return self._other_rule(measured) or self._other_names(measured)

    def _other_rule(self, measured: CheckSample) -> bool:
        """A rule under which the same replies hold the right labels."""
        found = self.found
        target = self._trial.target(found.table)
        if "response" in self._stated or target.kind != "http" or target.http.protocol != "http":
            return False
        for guess in self._trial.readable(measured.replies[0], found.table):
            table = over(found.table, {"response": guess})
            answers = answers_under(guess, measured.replies, self._trial.target(table))
            truth = [found.samples.classes[pick] for pick in measured.picks]
            if answers and hits(truth, answers) >= self._least * len(truth):
                found.table = table
                found.notes.append(f"The label was read at {guess['path']!r} instead.")
                return True
        return False

    def _other_names(self, measured: CheckSample) -> bool:
        """Labels that are consistent, only called otherwise than the samples' classes."""
        found = self.found
        truth = [found.samples.classes[pick] for pick in measured.picks]
        mapping = tested_mapping(truth, measured.answers, self._least)
        if mapping is None or "classes" in self._stated.get("response", {}):
            return False
        fix = naming(mapping, measured.space, self._trial.target(found.table))
        shown = ", ".join(f"{a} is {b}" for a, b in list(mapping.items())[:4])
        if fix is None:
            found.notes.append(
                f"The labels are consistent under other names ({shown}, ...): name the model's "
                "classes in order in response.classes or a classes.txt."
            )
            return True
        found.table = over(found.table, {"response": fix})
        found.notes.append(
            f"The labels have other names than the samples' classes ({shown}, ...): learned from "
            f"half of {len(truth)} answers, right on the other half."
        )
        return True

    # ---- other ways to write inputs ----------------------------------------------------------

    async def _better_input(self, measured: CheckSample) -> Table | None:
        """The description with the inputs written in the way that fits clearly best, or None."""
        table = self.found.table
        listed = await self._alternatives(table)
        scored = [(await self._score(table, a, FIRST_ROUND, measured), a) for a in listed]
        answered = [(score, a) for score, a in scored if score is not None]
        answered.sort(key=lambda pair: -pair[0])
        final = [
            (await self._score(table, a, SECOND_ROUND, measured) or 0.0, a)
            for _, a in answered[:FINALISTS]
        ]
        if not final:
            return None
        best, winner = max(final, key=lambda pair: pair[0])
        if best < self._least or best < measured.rate_of(SECOND_ROUND) + CLEARLY:
            self.found.notes.append(
                f"None of {len(listed)} other ways to write a picture (value range, layout, colour "
                "order) is clearly better."
            )
            return None
        self.found.notes.append(
            f"Pictures fit as {winner.words}: {best:.0%} of {SECOND_ROUND} samples got their label."
        )
        return over(table, {"input": winner.input})

    async def _alternatives(self, table: Table) -> list[Alternative]:
        target = self._trial.target(table)
        async with self._asker.opened(target) as oracle:
            spec, described = oracle.input_spec, oracle.description
        generic = target.kind == "http" and target.http.protocol == "http"
        stated_shape = "shape" in dict(self._stated.get("input", {}))
        picture = spec.encoding == "png" or spec.encoding.startswith("jpeg")
        open_layout = "layout" in dict(table.get("input", {})) or (
            described.get("layout_origin") == "assumed"
        )
        return alternatives(
            spec.shape,
            picture=picture,
            layout_is_open=open_layout,
            shape_is_open=generic and not stated_shape,
        )

    async def _score(
        self, table: Table, alternative: Alternative, count: int, measured: CheckSample
    ) -> float | None:
        """Share of ``count`` samples that fit under ``alternative``; None if it fails."""
        picks = spread(self.found.samples.classes, count)
        try:
            target = self._trial.target(over(table, {"input": alternative.input}))
            async with self._asker.opened(target) as oracle:
                answers = await names_of(oracle, self._trial.fitted(oracle)[picks])
        except (TargetError, EndpointError, SamplesError):
            self.found.alternatives.append(
                {"words": alternative.words, "hits": None, "asked": count}
            )
            return None
        if measured.expected is not None:
            good = hits(measured.expected[: len(picks)], answers)
        else:
            truth = [self.found.samples.classes[pick] for pick in picks]
            mapping = learned(truth, answers)
            good = hits(truth, [mapping.get(answer, "") for answer in answers])
        self.found.alternatives.append(
            {"words": alternative.words, "hits": good, "asked": len(picks)}
        )
        return good / len(picks)
