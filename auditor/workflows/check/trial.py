"""The target under check: its description so far, and steps that several parts share."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters import strict_json
from adapters.contract import Fit, LabelSpace
from adapters.discovery.reply_guess import Guess
from adapters.errors import BadReply, EndpointError, TargetError
from adapters.http.client.exchange import Exchange
from adapters.target import Target, over, read_target
from auditor.errors import SamplesError
from auditor.samples.fit import class_indices, to_model_units
from auditor.samples.samples import Samples
from auditor.workflows.check.client import Asker, PatientOracle
from auditor.workflows.check.nearest_miss import Miss, miss_of
from auditor.workflows.check.replies import possible_rules, protocol_of, read_label
from auditor.workflows.check.two_classes import NO_LABEL, completed, may_be_empty

MOST_JOBS = 40
"""Most further inputs that finding the way to answers that come later sends."""

Table = dict[str, Any]
Resized = Callable[[tuple[int, int], Fit], Samples]


@dataclass(frozen=True, slots=True)
class Way:
    """Way of the samples to a model's shape, as the user states it; None where nothing is."""

    size: tuple[int, int] | None = None
    fit: Fit | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled sample: the request, the reply and the label read from it, as printed.

    A model file has neither request nor reply.
    """

    sample: str
    truth: str
    label: str
    request: str = ""
    reply: str = ""


@dataclass
class Found:
    """The description found so far, and the way to it.

    Attributes:
        samples: the samples as the target takes them.
        asked: questions about the server, and its answers.
        tried: formats tried, each with its end.
        notes: changes made on the way, and their reasons.
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


class Trial:
    """One target under check, and the description ``found`` so far.

    Args:
        asker: sends and counts.
        stated: everything the user states, in the shape of a description; it is never changed.
        samples: labelled samples.
        resized: loads the samples again in another size.
        least: share of samples that must get their own label.
        vouched: True if the user vouches for a model file whose loading runs code.
        way: the way of the samples to their size so far.

    Attributes:
        size: the size that the samples were brought to, None if they are as they came.
        fit: the way to it.
        fit_is_stated: True if the user states the fit.
        nearest: the format that came nearest to a label without giving one.
        silent: formats tried in a row that got no reply in time.
        looks: routes that the server describes, which may tell of a job.
        jobs: jobs that may still be begun to find the way to their answer.
    """

    def __init__(
        self,
        asker: Asker,
        stated: Mapping[str, Any],
        samples: Samples,
        resized: Resized,
        *,
        least: float,
        vouched: bool,
        way: Way,
    ) -> None:
        self.asker = asker
        self.stated = dict(stated)
        self.least = least
        self.resized = resized
        self._vouched = vouched
        self.size, self.fit = way.size, way.fit or "squash"
        self.fit_is_stated = way.fit is not None
        self.nearest: Miss | None = None
        self.silent = 0
        self.looks: list[str] = []
        self.jobs = MOST_JOBS
        self.found = Found(self.stated, samples, notes=list(samples.notes))

    def target(self, table: Mapping[str, Any]) -> Target:
        """The target that ``table`` describes.

        Raises:
            TargetError: it cannot work.
        """
        return read_target(table, vouched=self._vouched)

    def show(self, number: int, label: str) -> None:
        """Keep the newest exchange as the example: sample ``number`` got ``label``."""
        samples = self.found.samples
        texts = [(e.request_text(), e.reply_text()) for e in self.asker.exchanges[-1:]]
        asked = (str(samples.refs[number]), samples.classes[number], label)
        self.found.example = Example(*asked, *(texts[0] if texts else ()))

    def readable(self, exchange: Exchange, table: Table) -> Iterator[Guess]:
        """Rules that read a reply which was answered well; nothing is asked for it."""
        if self.target(table).http.reply.kind == "chosen":
            return  # a chat's reply is full of names and numbers, and only its words are an answer
        names = sorted(set(self.found.samples.classes))
        v2 = protocol_of(self.target(table)) != "http"
        for reply, found in possible_rules(exchange, self.target(table), names):
            for guess in completed(found, names):
                try:
                    target = self.target(over(table, {"response": guess}))
                    if not v2:  # whose own reader is asked instead
                        read_label(reply, target)
                except (BadReply, EndpointError, TargetError):
                    continue
                yield guess

    def missed(self, table: Table, problem: str) -> None:
        """Keep the newest exchange, asked as ``table`` says, if none came nearer; a refusal without
        a reason is no miss.
        """
        if self.asker.exchanges:
            miss = miss_of(table, self.asker.exchanges[-1], problem)
            near = 1 if self.nearest is None else self.nearest.rank
            if miss.rank > near:
                self.nearest = miss

    def allow_nothing(self, exchange: Exchange, table: Table) -> Table | None:
        """``table`` with a class for answers without a label, if ``exchange`` holds one."""
        with_class = over(table, {"response": {"no_label": NO_LABEL}})
        if "response" in self.stated or not may_be_empty(exchange):
            return None
        try:
            target = self.target(with_class)
            empty = read_label(strict_json.parse(exchange.reply.body), target) == NO_LABEL
        except (BadReply, EndpointError, TargetError):
            return None
        note = (
            f"The target may answer without a label: response.no_label makes {NO_LABEL!r} a class "
            "of its own for that."
        )
        self.found.notes += [note] if empty and note not in self.found.notes else []
        return with_class if empty else None

    def fitted(self, oracle: PatientOracle) -> NDArray[np.float32]:
        """The samples as the target takes them, resized if it takes another size."""
        spec = oracle.input_spec
        try:
            return to_model_units(self.found.samples, spec)
        except SamplesError:
            height, width = spec.shape[1:]
            if self.found.samples.images.shape[2:] == (height, width):
                raise
            self.size = (height, width)
            self.found.samples = self.resized(self.size, self.fit)
            self.found.notes.append(
                f"The samples were brought to {height}x{width}: pass --resize {height}x{width}."
            )
            return to_model_units(self.found.samples, spec)

    def expected(self, space: LabelSpace, picks: list[int]) -> list[str] | None:
        """The target's names for the classes of samples ``picks``; None if unknown."""
        kept = dataclasses.replace(space, names=list(space.names))
        try:
            indices, _ = class_indices(self.found.samples, kept)
        except SamplesError:
            return None
        return [kept.name(int(indices[pick])) for pick in picks]
