"""A check of a target: find the format unless stated, measure, correct, measure again."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.contract import LabelOracle
from adapters.errors import AdapterError, BadReply, ModelFileError, OpenShape, PixelsOnly
from adapters.registry import MODEL_FILES
from adapters.target import Target, over, read_target
from auditor.engine.progress import Progress
from auditor.errors import AuditError, SamplesError
from auditor.plan.draw import PLANE_CLASSES
from auditor.plan.settings import AuditSettings
from auditor.report.wording.cap import cap_words
from auditor.samples.fit import class_indices, range_note, shown_names
from auditor.samples.samples import Samples
from auditor.verdict.verdict import MIN_ACCURACY
from auditor.workflows.check.between import MOST_BETWEEN, ask_between
from auditor.workflows.check.client import Asker
from auditor.workflows.check.correct import GOOD_ACCURACY, MOST_CORRECTING, correct, read_one_number
from auditor.workflows.check.find import MOST_TRIES, find_format
from auditor.workflows.check.fits import MOST_FITTING, compare_fits
from auditor.workflows.check.measure import CheckResult, check_target
from auditor.workflows.check.nearest_miss import Miss
from auditor.workflows.check.some_classes import MOST_MENDING, mend_some_classes
from auditor.workflows.check.trial import Found, Resized, Trial, Way
from auditor.workflows.check.two_classes import TWO_CLASSES
from auditor.workflows.prepare import prepare_images
from auditor.workflows.price import price_audit, reach
from auditor.workflows.rates import Rates, write_rate

MOST_CHECKING = 140
"""30 samples, at most 30 of them again, 50 in larger requests, 30 if one of those fails or they
move labels."""

MOST_DESCRIBED = 3 * MOST_CHECKING + MOST_CORRECTING + MOST_MENDING + MOST_FITTING
MOST_QUERIES = MOST_TRIES + MOST_DESCRIBED + MOST_BETWEEN
"""Most inputs that a whole check sends, of a target that is described and of one whose format is
looked for; repeats that the target asks for are not counted."""

AS_THEY_ARE = Way()
"""The samples come in the target's size, or in one that ``check`` brings to it."""

STATED = "As stated,"
"""Beginning of the problem that only a corrected description solves."""

_FORMAT = ("preset", "protocol", "request", "response", "model")


@dataclass
class Checked:
    """The result of a check.

    Attributes:
        result: behaviour of the target.
        model: the oracle's own account.
        input: the InputSpec, JSON-able.
        matched_by: rule by which classes were matched.
        found: the description, and the way to it.
        rate_headers: quota headers of the replies.
        queries: inputs sent in all.
        planned: plans a default audit of these samples, for ``decides``.
        decides: the verdicts that it can reach, in words.
        discovered: True if the format was found rather than stated.
        corrected: True if the description says more, or other, than the user stated.
        written: file that the description was written to, or empty.
    """

    result: CheckResult
    model: dict[str, Any]
    input: dict[str, Any]
    matched_by: str
    found: Found
    rate_headers: dict[str, str]
    queries: int
    planned: Callable[[], str]
    decides: str = ""
    discovered: bool = False
    corrected: bool = False
    written: str = ""

    def as_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return {
            "model": self.model,
            "input": self.input,
            "classes_matched_by": self.matched_by,
            **self.result.as_dict(),
            "queries": self.queries,
            "decides": self.decides,
            "rate_headers": self.rate_headers,
            "example": None if self.found.example is None else asdict(self.found.example),
            "discovered": self.discovered,
            "asked": self.found.asked,
            "tried": self.found.tried,
            "notes": self.found.notes,
            "alternatives": self.found.alternatives,
            "target": self.found.table,
            "corrected": self.corrected,
            "written": self.written,
        }


async def run_check(
    stated: Mapping[str, Any],
    samples: Samples,
    resized: Resized,
    output: Path,
    *,
    vouched: bool = False,
    way: Way = AS_THEY_ARE,
    progress: Progress | None = None,
    transcript: list[str] | None = None,
    missed: Callable[[Miss], None] | None = None,
) -> Checked:
    """Check the target that ``stated`` describes; at most ``MOST_QUERIES`` queries.

    If it states a URL and no format, the format is found first. ``resized`` loads the samples again
    in another size and fit, ``output`` keeps the measured rate for ``plan``, ``vouched`` is True if
    the user vouches for a model file whose loading runs code, ``way`` is the samples' way to their
    size so far, and ``progress`` shows each long step. Every exchange is added to ``transcript`` as
    text, and ``missed`` is told which came nearest to a label if none gave one.

    Raises:
        AdapterError: the target cannot be asked.
        AuditError: no format gave a label.
        SamplesError: the samples do not fit the target.
    """
    target = read_target(stated, vouched=vouched)
    if target.http.reply.kind == "chosen" and target.classes is None:
        stated = over(stated, {"response": {"classes": sorted(set(samples.classes))}})
    asker = Asker(target.limits, progress)
    async with contextlib.aclosing(asker), asker.told():
        trial = Trial(
            asker, stated, samples, resized, least=_least(target), vouched=vouched, way=way
        )
        asker.transcript = transcript
        try:
            checked = await _checked(target, trial, stated, output)
        except (AdapterError, AuditError):
            if missed is not None and trial.nearest is not None and trial.found.example is None:
                missed(trial.nearest)
            raise
    _state_limits(checked, asker.limits())
    return checked


def _least(target: Target) -> float:
    """Accuracy that the target must reach on the samples."""
    least = target.preflight.min_accuracy
    return MIN_ACCURACY if least is None else least


async def _checked(
    target: Target, trial: Trial, stated: Mapping[str, Any], output: Path
) -> Checked:
    least, asker = trial.least, trial.asker
    discover = target.kind == "http" and not any(name in stated for name in _FORMAT)
    asker.most = MOST_QUERIES if discover else MOST_DESCRIBED
    if discover:
        await find_format(trial)
    first = await _first_measured(trial, output, discover=discover)
    searched = discover or (target.kind in MODEL_FILES and "range" not in stated.get("input", {}))
    enough = max(least, GOOD_ACCURACY) if searched else least
    if isinstance(first, SamplesError) or first.result.accuracy.rate < enough:
        first = await _changed_by(correct, trial, first, output, noted=not discover)
    if isinstance(first, SamplesError) or first.result.missed_classes:
        first = await _changed_by(mend_some_classes, trial, first, output, noted=not discover)
    if isinstance(first, SamplesError):
        raise first
    if await compare_fits(trial):
        first = await _again(trial, first, output)
    if len(set(trial.found.samples.classes)) < PLANE_CLASSES:
        first.found.notes.append(TWO_CLASSES)
    if discover:
        await ask_between(trial)
        _limit_batch(first)
        _state_range(first)
    first.discovered, first.queries = discover, asker.queries
    first.corrected = first.found.table != dict(stated)
    first.decides = first.planned()
    return first


async def _first_measured(trial: Trial, output: Path, *, discover: bool) -> Checked | SamplesError:
    """Behaviour of the target; a found format gets a class for answers without a label if one of
    them comes now, and a model file of one number is read by a threshold.
    """
    try:
        return await _measured(trial, output)
    except PixelsOnly:
        if "access" in trial.stated:
            raise
        trial.found.table = {**trial.found.table, "access": "image"}
        trial.found.notes.append("The model takes 8-bit pixels: access is image.")
    except OpenShape:
        shape = list(trial.found.samples.images.shape[1:])
        trial.found.table = over(trial.found.table, {"input": {"shape": shape}})
        trial.found.notes.append(
            f"The model leaves the size of its pictures open: input.shape is {shape}, the samples'."
        )
    except (BadReply, ModelFileError) as error:
        if trial.target(trial.found.table).kind != "http":
            await read_one_number(trial, error)
            return await _measured(trial, output)
        last = trial.asker.exchanges[-1:]
        table = trial.allow_nothing(last[0], trial.found.table) if discover and last else None
        if table is None:
            raise
        trial.found.table = table
    return await _measured(trial, output)


async def _changed_by(
    step: Callable[[Trial], Awaitable[None]],
    trial: Trial,
    first: Checked | SamplesError,
    output: Path,
    *,
    noted: bool,
) -> Checked | SamplesError:
    """Behaviour with the description as ``step`` leaves it. If that overrules what the user states,
    the end of the measurement before is a problem; if it fills what is left open, and ``noted`` is
    True, a note.
    """
    before = trial.found.table
    await step(trial)
    if trial.found.table == before:
        return first
    again = await _measured(trial, output)
    if isinstance(again, SamplesError):
        return again
    kept = [p for p in _problems_of(first) if p.startswith(STATED)]
    if not kept and _overruled(trial.stated, trial.found.table):
        kept = [f"{STATED} {_end_of(first)}"]
    elif noted and not kept:
        again.found.notes.append(f"Without that, {_end_of(first)}")
    again.result.problems[:0] = kept
    return again


def _problems_of(first: Checked | SamplesError) -> list[str]:
    return [] if isinstance(first, SamplesError) else first.result.problems


async def _again(trial: Trial, first: Checked, output: Path) -> Checked:
    """Behaviour with another fit; what was wrong as stated is still said."""
    again = await _measured(trial, output)
    if isinstance(again, SamplesError):
        return first
    again.result.problems[:0] = [p for p in _problems_of(first) if p.startswith(STATED)]
    return again


async def _measured(trial: Trial, output: Path) -> Checked | SamplesError:
    """Behaviour of the target as described now; the reason if its classes cannot be matched."""
    found, asker = trial.found, trial.asker
    target = trial.target(found.table)
    asker.forget()
    asker.together = None
    asker.doing = "Measuring accuracy, latency and larger requests"
    async with asker.opened(target) as oracle:
        images = trial.fitted(oracle)
        try:
            classes, matched_by = class_indices(found.samples, oracle.label_space)
        except SamplesError as error:
            return error
        outside = range_note(found.samples, oracle.input_spec)
        found.notes += [outside] if outside and outside not in found.notes else []
        space = oracle.label_space
        shown = shown_names(space, found.samples, matched_by)
        names = replace(space, shown=shown) if shown else space  # which may learn further names
        result = await check_target(
            oracle,
            images,
            classes,
            least_accuracy=trial.least,
            repeats=target.preflight.determinism_repeats,
            first=lambda number, label: trial.show(number, names.name(label)),
            names=names,
        )
        asker.together = result.good_batch if result.batch_moved else None
        write_rate(output, oracle.fingerprint, result.queries_per_second, asker.seen())
        return Checked(
            result=result,
            model=oracle.description,
            input=oracle.input_spec.as_record(),
            matched_by=matched_by,
            found=found,
            rate_headers=asker.rate_headers,
            queries=asker.queries,
            planned=functools.partial(
                _decided, oracle, found.samples, images, target.limits.max_queries
            ),
        )


def _decided(
    oracle: LabelOracle, samples: Samples, images: NDArray[np.float32], most: int | None
) -> str:
    """The verdicts that a default audit of these samples can reach with at most ``most`` queries,
    before it is paid for.
    """
    try:
        ready = prepare_images(oracle, samples, images, AuditSettings())
    except SamplesError as error:
        return f"An audit would refuse these samples: {error}."
    price = price_audit(oracle, ready.plan, Rates([], None), reach(oracle, ready), most=most)
    return price.decides if price.cap is None else f"{price.decides} {cap_words(price.cap)}"


def _overruled(stated: Mapping[str, Any], table: Mapping[str, Any]) -> bool:
    """True if ``table`` changes what ``stated`` says of inputs or classes."""
    parts = [(dict(stated.get(n, {})), dict(table.get(n, {}))) for n in ("input", "response")]
    return any(now.get(k) != value for before, now in parts for k, value in before.items())


def _end_of(before: Checked | SamplesError) -> str:
    if isinstance(before, SamplesError):
        return f"the classes could not be matched: {before}."
    rate = before.result.accuracy.rate
    return (
        f"only {rate:.0%} of the samples got the label they were given; what follows holds for the "
        "description as corrected (--write keeps it)."
    )


def _state_range(checked: Checked) -> None:
    """Write down the range that the samples confirmed: a found description leaves nothing open."""
    found = checked.found
    stated = dict(found.table.get("input", {}))
    if checked.result.accuracy.rate >= GOOD_ACCURACY and "range" not in stated:
        found.table = {**found.table, "input": {**stated, "range": [0, 1]}}


def _state_limits(checked: Checked, seen: Mapping[str, float]) -> None:
    """Write down the limits that the target showed, unless the description states others."""
    found = checked.found
    stated = dict(found.table.get("limits", {}))
    fresh = {name: value for name, value in seen.items() if name not in stated}
    if fresh:
        found.table = {**found.table, "limits": {**stated, **fresh}}
        said = " and ".join(f"limits.{name} is {value:g}" for name, value in fresh.items())
        found.notes.append(f"{said}: the target's replies show that it allows no more.")


def _limit_batch(checked: Checked) -> None:
    """Limit a found format to the batch that works; trouble with larger ones is only noted."""
    found, result = checked.found, checked.result
    good, tried = result.good_batch, max(result.seconds_per_request)
    if result.batch_problems:
        found.table = {**found.table, "batch": {"max": good}}
        found.notes += result.batch_problems
        found.notes.append(f"batch.max is {good}, of sizes up to {max(tried, good)} tried.")
        for problem in result.batch_problems:
            result.problems.remove(problem)
        result.batch_problems.clear()
