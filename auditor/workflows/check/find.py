"""From a URL and labelled pictures to a target description: ask, try, measure, correct."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters import strict_json
from adapters.contract import LabelSpace
from adapters.discovery.proposals import MAX_PROPOSALS, Proposal, propose
from adapters.discovery.reply_guess import Guess, guesses
from adapters.discovery.survey import QUESTIONS, survey
from adapters.errors import (
    AccessDenied,
    AdapterError,
    BadReply,
    EndpointError,
    TargetError,
    Unreachable,
)
from adapters.http.client.exchange import Exchange
from adapters.http.generic.reply_labels import ReplyRule
from adapters.target.description import ReplyFormat, Target
from adapters.target.parse import target_from_table
from adapters.target.presets import over
from auditor.errors import AuditError, SamplesError
from auditor.samples.fit import class_indices, to_model_units
from auditor.samples.samples import Samples
from auditor.verdict.verdict import MIN_ACCURACY
from auditor.workflows.check.choose import COMPARED, MOST_OTHERS, Working, choose, others, right
from auditor.workflows.check.class_names import hits, learned, spread, tested_mapping
from auditor.workflows.check.client import ATTEMPTS, TRYING_ATTEMPTS, Asker, PatientOracle, names_of
from auditor.workflows.check.input_formats import MOST_ALTERNATIVES, Alternative, alternatives

SAMPLES = 24
"""Labelled samples whose answers are read."""

FIRST_ROUND, SECOND_ROUND, FINALISTS = 6, 12, 3
"""Samples per alternative: all are asked a few, the best three more."""

GOOD_ACCURACY = 0.9
"""Below this, other ways to write a found target's inputs are tried: swapped colours often cost an
image classifier a third of its accuracy, and no more."""

CLEARLY = 0.15
"""By how much another way must be better, on the same samples, before it is taken."""

MOST_REQUESTS = len(QUESTIONS)
MOST_TRIES = MAX_PROPOSALS + 4 + MOST_OTHERS + (1 + MOST_OTHERS) * COMPARED
"""Most inputs that finding a format sends: one for each, and V2's with a layout of their own; then
those that choose among all that work."""

MOST_CORRECTING = 2 * SAMPLES + MOST_ALTERNATIVES * FIRST_ROUND + FINALISTS * SECOND_ROUND
"""Most inputs that looking for the reason of a low accuracy sends."""

Table = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled sample, asked: what went out, what came back, what was read from it."""

    sample: str
    truth: str
    label: str
    request: str
    reply: str

    @classmethod
    def of(cls, exchange: Exchange | None, sample: str, truth: str, label: str) -> Example:
        """The example as it is printed; no exchange for a model file."""
        if exchange is None:
            return cls(sample, truth, label, "", "")
        return cls(sample, truth, label, exchange.request_text(), exchange.reply_text())


@dataclass
class Measured:
    """What the target said about labelled samples.

    Attributes:
        picks: numbers of the samples.
        answers: what the target called them.
        expected: what it should have called them; None where that cannot be told.
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


@dataclass
class Found:
    """What was found out.

    Attributes:
        table: the description.
        samples: the samples as the target takes them.
        asked: questions about the server, and its answers.
        tried: formats tried, and how each ended.
        notes: what was changed on the way, and why.
        alternatives: ``{"words": .., "hits": .., "asked": ..}`` of each way to write inputs tried.
        example: one sample, asked.
    """

    table: Table
    samples: Samples
    asked: list[str] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    alternatives: list[dict[str, Any]] = field(default_factory=list)
    example: Example | None = None


class Finder:
    """Finds the description of one endpoint.

    Args:
        asker: sends and counts.
        stated: what the user states, in the shape of a description; it is never changed.
        samples: labelled samples.
        resized: loads the samples again in another size.
        least: share of samples that must get their own label.
        vouched: the user vouches for a model file whose loading runs code.
    """

    def __init__(
        self,
        asker: Asker,
        stated: Mapping[str, Any],
        samples: Samples,
        resized: Callable[[tuple[int, int]], Samples],
        least: float = MIN_ACCURACY,
        *,
        vouched: bool = False,
    ) -> None:
        self._asker = asker
        self._stated = dict(stated)
        self._resized = resized
        self._least = least
        self._vouched = vouched
        self.found = Found(self._stated, samples)

    async def discover(self) -> Found:
        """Find the format: at most ``MOST_REQUESTS`` questions and ``MOST_TRIES`` queries.

        Raises:
            AdapterError: nobody answers there, or a key is missing.
            AuditError: no format that was tried gave a label.
        """
        facts = await survey(self.target(self._stated))
        self.found.asked = facts.asked
        proposals = propose(facts, self.found.samples.images.shape[1])
        self._asker.attempts = TRYING_ATTEMPTS
        first, self.found.table = await self._first_that_answers(proposals, facts.wants_key)
        await self._choose(first, proposals)
        self._asker.attempts = ATTEMPTS
        return self.found

    async def correct(self) -> Found:
        """Look for the reason of a low accuracy: at most ``MOST_CORRECTING`` queries.

        Raises:
            AdapterError: the target does not answer.
        """
        found = self.found
        measured = await self._measure(found.table)
        if measured.rate < self._least and self._repair(measured):
            return found
        better = await self._better_input(measured)
        if better is not None:
            found.table = better
            measured = await self._measure(found.table)
            if measured.rate < self._least:
                self._repair(measured)
        return found

    def target(self, table: Mapping[str, Any]) -> Target:
        """The target that ``table`` describes.

        Raises:
            TargetError: it cannot work.
        """
        return target_from_table(table, vouched=self._vouched)

    def show(self, number: int, label: str) -> None:
        """Keep the newest exchange as the example: sample ``number`` got ``label``."""
        samples, exchanges = self.found.samples, self._asker.exchanges
        ref, truth = str(samples.refs[number]), samples.classes[number]
        self.found.example = Example.of(exchanges[-1] if exchanges else None, ref, truth, label)

    # ---- the format --------------------------------------------------------------------------

    async def _first_that_answers(
        self,
        proposals: list[Proposal],
        wants_key: bool,  # noqa: FBT001 - one caller
    ) -> tuple[Proposal, Table]:
        for proposal in proposals:
            table = await self._try(proposal)
            if table is not None:
                return proposal, table
        tried = "; ".join(self.found.tried[-3:])
        key = " The server asked for a key: set XRAY_AUDIT_API_KEY." if wants_key else ""
        raise AuditError(
            f"none of {len(self.found.tried)} formats gave a label ({tried}).{key} Describe the "
            "request in a target file (see the README) and run xray-audit check --target FILE"
        )

    async def _choose(self, first: Proposal, proposals: list[Proposal]) -> None:
        """Try what else the server may take, and settle on the best of what works."""
        found = self.found
        working = [(first, found.table)]
        async with self._asker.opened(self.target(found.table)) as oracle:
            described = oracle.description
        target = self.target(found.table)
        as_it_was = found.samples, list(found.notes)
        for other in others(first, found.table, proposals, target, described):
            found.samples, found.notes = as_it_was[0], list(as_it_was[1])
            try:
                table = await self._try(other)
            except AdapterError as error:
                found.tried.append(f"{_in_words(other)}: {error}")
                continue
            if table is not None:
                working.append((other, table))
        if len(working) == 1:
            found.samples, found.notes = as_it_was
            return
        measured = [await self._compare(proposal, table) for proposal, table in working]
        found.samples, found.notes = as_it_was  # what is taken says again which size it needs
        usable = [one for one in measured if one is not None]
        if not usable:
            return
        taken = usable.pop(choose(usable))
        found.table = dict(taken.table)
        found.notes.append(
            f"{len(usable) + 1} formats work; taken is the one that sends the fewest bytes per "
            f"input of those whose labels are as good: {taken}."
        )
        found.notes += [f"Also works: {one}." for one in usable]

    async def _compare(self, proposal: Proposal, table: Table) -> Working | None:
        """What ``table`` says about a few samples; None where it fails on them."""
        picks = spread(self.found.samples.classes, COMPARED)
        try:
            async with self._asker.opened(self.target(table)) as oracle:
                answers = await names_of(oracle, self.fitted(oracle)[picks])
                expected = self._expected(oracle.label_space, picks)
                batch = oracle.max_batch
                size = oracle.request_bytes(batch) // batch
                access = oracle.input_spec.access
        except (EndpointError, TargetError, SamplesError) as error:
            self.found.tried.append(f"{_in_words(proposal)}, several samples: {error}")
            return None
        classes = self.found.samples.classes
        good = right(expected, [classes[pick] for pick in picks], classes, answers)
        return Working(table, _in_words(proposal), access, size, batch, good, answers)

    async def _try(self, proposal: Proposal) -> Table | None:
        """The description that ``proposal`` leads to, or None where it gave no label."""
        words = _in_words(proposal)
        for table in self._variants(proposal.table):
            try:
                working = await self._ask_first(table)
            except TargetError as error:
                problem = f"{error}"
                continue
            except (AccessDenied, Unreachable) as error:
                if isinstance(error, Unreachable) and error.advice.outcome_unknown:
                    problem = str(error)
                    break
                raise
            except EndpointError as error:
                problem = str(error)
                break
            self.found.tried.append(f"{words}: a label")
            return working
        self.found.tried.append(f"{words}: {problem}")
        return None

    def _variants(self, table: Table) -> Iterator[Table]:
        """``table`` with what the user states, and with the samples' shape where it needs one."""
        stated = {k: v for k, v in self._stated.items() if k != "url"}
        whole = over(table, stated)
        shape = {"input": {"shape": list(self.found.samples.images.shape[1:])}}
        if str(table.get("preset", "")).startswith(("v2", "triton")):
            yield whole
            for layout in ("NCHW", "NHWC"):
                yield over(over(shape, {"input": {"layout": layout}}), whole)
            yield over({"access": "image", **shape}, whole)
        else:
            yield over(shape, whole)

    async def _ask_first(self, table: Table) -> Table:
        """Ask one sample; ``table`` with a rule that reads the reply.

        Raises:
            AdapterError: it cannot be asked, or no rule reads the reply.
        """
        self._asker.forget()
        async with self._asker.opened(self.target(table)) as oracle:
            images = self.fitted(oracle)
            try:
                await oracle.predict_labels(images[:1])
            except BadReply:
                if not self._asker.exchanges or "response" in self._stated:
                    raise
                for guess in self._readable(self._asker.exchanges[-1], table):
                    return over(table, {"response": guess})
                raise
        return table

    def _readable(self, exchange: Exchange, table: Table) -> Iterator[Guess]:
        """Rules that read a reply which was answered well; nothing is asked for it."""
        try:
            reply = strict_json.parse(exchange.reply.body)
        except BadReply:
            return
        for guess in guesses(reply) if 200 <= exchange.reply.status < 300 else []:
            try:
                _read(reply, guess, self.target(over(table, {"response": guess})))
            except (BadReply, EndpointError, TargetError):
                continue
            yield guess

    def fitted(self, oracle: PatientOracle) -> NDArray[np.float32]:
        """The samples as the target takes them, resized where it takes another size."""
        spec = oracle.input_spec
        try:
            return to_model_units(self.found.samples, spec)
        except SamplesError:
            height, width = spec.shape[1:]
            if self.found.samples.images.shape[2:] == (height, width):
                raise
            self.found.samples = self._resized((height, width))
            self.found.notes.append(
                f"The samples were brought to {height}x{width}: pass --resize {height}x{width}."
            )
            return to_model_units(self.found.samples, spec)

    # ---- accuracy ----------------------------------------------------------------------------

    async def _measure(self, table: Table) -> Measured:
        picks = spread(self.found.samples.classes, SAMPLES)
        replies: list[Exchange] = []
        answers: list[str] = []
        async with self._asker.opened(self.target(table)) as oracle:
            images = self.fitted(oracle)
            for pick in picks:
                self._asker.forget()
                label = (await oracle.predict_labels(images[pick : pick + 1])).tolist()[0]
                answers.append(oracle.label_space.name(label))
                replies += self._asker.exchanges[-1:]
            expected = self._expected(oracle.label_space, picks)
        return Measured(picks, answers, expected, replies, oracle.label_space)

    def _expected(self, space: LabelSpace, picks: list[int]) -> list[str] | None:
        kept = dataclasses.replace(space, names=list(space.names))
        try:
            indices, _ = class_indices(self.found.samples, kept)
        except SamplesError:
            return None
        return [kept.name(int(indices[pick])) for pick in picks]

    def _repair(self, measured: Measured) -> bool:
        """Read the replies another way, or learn the labels' names; True where that explains it."""
        return self._other_rule(measured) or self._other_names(measured)

    def _other_rule(self, measured: Measured) -> bool:
        """A rule under which the same replies hold the right labels."""
        found = self.found
        target = self.target(found.table)
        if "response" in self._stated or target.kind != "http" or target.http.protocol != "http":
            return False
        for guess in self._readable(measured.replies[0], found.table):
            table = over(found.table, {"response": guess})
            answers = _answers_under(guess, measured.replies, self.target(table))
            truth = [found.samples.classes[pick] for pick in measured.picks]
            if answers and hits(truth, answers) >= self._least * len(truth):
                found.table = table
                found.notes.append(f"The label was read at {guess['path']!r} instead.")
                return True
        return False

    def _other_names(self, measured: Measured) -> bool:
        """Labels that are consistent, only called otherwise than the samples' classes."""
        found = self.found
        truth = [found.samples.classes[pick] for pick in measured.picks]
        mapping = tested_mapping(truth, measured.answers, self._least)
        if mapping is None or "classes" in self._stated.get("response", {}):
            return False
        fix = _naming(mapping, measured.space, self.target(found.table))
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

    async def _better_input(self, measured: Measured) -> Table | None:
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
        target = self.target(table)
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
        self, table: Table, alternative: Alternative, count: int, measured: Measured
    ) -> float | None:
        """Share of ``count`` samples that fit under ``alternative``; None where it fails."""
        picks = spread(self.found.samples.classes, count)
        try:
            target = self.target(over(table, {"input": alternative.input}))
            async with self._asker.opened(target) as oracle:
                answers = await names_of(oracle, self.fitted(oracle)[picks])
        except (TargetError, EndpointError, SamplesError):
            self.found.alternatives.append(
                {"words": alternative.words, "hits": None, "asked": count}
            )
            return None
        if measured.expected is not None:
            right = hits(measured.expected[: len(picks)], answers)
        else:
            truth = [self.found.samples.classes[pick] for pick in picks]
            mapping = learned(truth, answers)
            right = hits(truth, [mapping.get(answer, "") for answer in answers])
        self.found.alternatives.append(
            {"words": alternative.words, "hits": right, "asked": len(picks)}
        )
        return right / len(picks)


def _in_words(proposal: Proposal) -> str:
    table = proposal.table
    request = table.get("request", {})
    what = request.get("field") or request.get("template") or request.get("body") or ""
    axes = request.get("axes", "")
    layout = "" if axes == "grey" else table.get("input", {}).get("layout", "")
    preset = f"preset {table.get('preset')}"
    parts = [preset, str(what), axes, layout, f"because of {proposal.why}"]
    return ", ".join(part for part in parts if part)


def _reply_format(guess: Guess) -> ReplyFormat:
    return ReplyFormat(**{k: v for k, v in guess.items() if k in ReplyFormat.__dataclass_fields__})


def _read(reply: Any, guess: Guess, target: Target, space: LabelSpace | None = None) -> str:
    space = space or LabelSpace(open=guess["kind"] not in {"index", "scores"})
    label = int(ReplyRule(target.http.reply, space).labels(reply, 1)[0])
    return space.name(label)


def _answers_under(guess: Guess, replies: list[Exchange], target: Target) -> list[str] | None:
    space = LabelSpace(open=guess["kind"] not in {"index", "scores"})
    try:
        return [_read(strict_json.parse(e.reply.body), guess, target, space) for e in replies]
    except EndpointError:
        return None


def _naming(mapping: dict[str, str], space: LabelSpace, target: Target) -> Guess | None:
    """The ``[response]`` fields that give the target's labels the samples' names."""
    if space.open or space.names:
        plain = target.http.protocol == "http" and target.classes is None
        return {"rename": {a: b for a, b in mapping.items() if a != b}} if plain else None
    numbers = {int(label): name for label, name in mapping.items() if label.isdecimal()}
    size = space.size or (len(numbers) if set(numbers) == set(range(len(numbers))) else None)
    if size is None or len(numbers) != len(mapping) or max(numbers) >= size or size > 2000:
        return None
    return {"classes": [numbers.get(index, f"class {index}") for index in range(size)]}
