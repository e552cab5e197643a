"""An audit judged again from its bundle alone: the same functions, the labels of the log.

The plan is built again from its settings, seed and classes; seeded procedures, such as the trigger
search, run again on the labels of the log. If the images were withheld, noise replaces them: no
score, and no step of a search, depends on a pixel, so only the inputs *sent* cannot be checked.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from adapters.contract import Batch, InputSpec, Labels, LabelSpace, PaceHint
from adapters.errors import TargetError
from auditor.errors import AuditError, EvidenceError
from auditor.evidence.canonical import parse_object
from auditor.evidence.chain import Chain
from auditor.evidence.files import BundleFiles
from auditor.evidence.layout import EARLIER_PLANS, PLAN, PROFILE, REPORT, RUN, SAMPLES
from auditor.evidence.record_types import AskedTarget, PlanRecord, RunRecord, read_record
from auditor.evidence.records import earlier_searches, plan_record, read_end
from auditor.measured import of_default_effort
from auditor.plan.adaptive import TriggerOutcome
from auditor.plan.recorded import plan_from_record, recorded_version
from auditor.plan.settings import AuditSettings
from auditor.report.wording.phrases import OF_PROJECT
from auditor.verdict.profile import profile_from_dict
from auditor.workflows.ask import ask_through, stop_rules
from auditor.workflows.judge import judge
from auditor.workflows.prepare import Prepared, prepare_images, with_earlier
from auditor.workflows.verify.images import TooLarge, model_images, recorded_samples
from auditor.workflows.verify.recorded_engine import RecordedEngine

T = TypeVar("T")

MAX_NODES, NODES_PER_LABEL = 2**22, 256
"""Nodes of a label map, and those for each label of the log, of which more would be too many."""
UNREADABLE = (
    KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError, OSError,
    RecursionError, MemoryError,
)  # fmt: skip
"""Errors raised by reading a record that this program did not write."""


@dataclass
class Replayed:
    """An audit judged again.

    Attributes:
        ready: the plan as it was built again.
        plan: the content of plan.json for it.
        report: the content of report.json.
        spec: the target's input.
        with_images: True if the sample images were there.
        trigger: outcome of the trigger search, or None.
        batches: batches of adaptive probes, such as the trigger search's, that were asked again.
        inputs_differ: those of them whose inputs are not the ones on record.
    """

    ready: Prepared
    plan: dict[str, Any]
    report: dict[str, Any]
    spec: InputSpec
    with_images: bool
    trigger: TriggerOutcome | None = None
    batches: int = 0
    inputs_differ: int = 0


class RecordedOracle:
    """The oracle of a finished audit: described, and never asked."""

    def __init__(self, target: AskedTarget) -> None:
        labels = target.labels
        self.input_spec = InputSpec.from_record(target.input.model_dump())
        self.label_space = LabelSpace(list(labels.names), labels.size, labels.open)
        self.fingerprint = target.fingerprint
        self.description: dict[str, Any] = target.description
        self.max_batch = 1
        self.wire = target.wire

    async def predict_labels(self, batch: Batch) -> Labels:  # noqa: ARG002 - refused
        """Refuse: there is no model to ask."""
        raise TargetError("a finished audit cannot be asked")

    def request_bytes(self, n: int) -> int:  # noqa: ARG002 - nothing travels
        """Nothing travels: 0."""
        return 0

    def take_pace_hint(self) -> PaceHint | None:
        """No quota: None."""
        return None

    async def aclose(self) -> None:
        """Nothing to release."""


def replay(files: BundleFiles, chain: Chain) -> Replayed:
    """Judge the audit in ``files`` again.

    Args:
        files: a bundle whose files are those its head lists.
        chain: its label log, checked.

    Raises:
        EvidenceError: the records are not such that this program can judge from them.
    """
    plan = parse_object(files.get(PLAN), PLAN)
    version = recorded_version(plan)
    held = read_record(PlanRecord, files.get(PLAN), PLAN)
    run = read_record(RunRecord, files.get(RUN), RUN)
    try:
        with of_default_effort(told=OF_PROJECT.encode() not in files.get(REPORT)):
            return _replay(files, chain, Recorded(plan, version, held, run))
    except EvidenceError:
        raise
    except AuditError as error:
        raise EvidenceError(f"the audit cannot be judged again: {error}") from error
    except TargetError as error:
        raise EvidenceError(f"{RUN} does not describe a target: {error}") from error
    except MemoryError:
        raise EvidenceError("the audit is too large to be judged again here") from None
    except UNREADABLE as error:
        raise EvidenceError(
            f"the records are not as this version writes them ({type(error).__name__})"
        ) from error


@dataclass(frozen=True)
class Recorded:
    """The records of an audit: ``plan`` is ``held`` as parsed, of ``version``."""

    plan: dict[str, Any]
    version: int
    held: PlanRecord
    run: RunRecord


def _replay(files: BundleFiles, chain: Chain, recorded: Recorded) -> Replayed:
    run = recorded.run
    end = read_end(run.engine)
    oracle = RecordedOracle(run.target)
    tally = chain.runs[-1].tally
    ready = _prepared(files, recorded, oracle, tally.sent + tally.cached + tally.deduplicated)
    profile = None
    if PROFILE in files:
        profile = profile_from_dict(parse_object(files.get(PROFILE), PROFILE))
    engine = RecordedEngine(chain, compare=SAMPLES in files, deferred=bool(end["deferred"]))
    # As known before the first query: some targets state it with their first answer.
    size = recorded.held.labels.size
    rules = stop_rules(oracle, ready, profile, size)
    answers = finished(ask_through(engine, oracle, ready, None, rules))
    engine.end()
    _same_end(answers.run.decided, end["decided"])
    ended = dataclasses.replace(answers.run, ledger=run.ledger, **end)
    answers = dataclasses.replace(answers, run=ended)
    judged = judge(oracle, ready, answers, profile, run.timing.model_dump())
    # The images that the bundle holds were compared with these hashes; others are not known here.
    record = plan_record(oracle, ready, profile, recorded.held.samples.sha256)
    record["labels"]["size"] = size if size is None else oracle.label_space.size
    return Replayed(
        ready,
        record,
        judged.report,
        oracle.input_spec,
        SAMPLES in files,
        answers.trigger,
        engine.batches,
        engine.differ,
    )


def _same_end(early: bool, stated: object) -> None:  # noqa: FBT001 - what was found, then stated
    if early is not stated:
        here = "decide before the last of them" if early else "decide nothing before the last one"
        says = "did not" if early else "did"
        raise EvidenceError(f"{RUN} says that planes {says} end early; their labels {here}")


def _prepared(
    files: BundleFiles, recorded: Recorded, oracle: RecordedOracle, labels: int
) -> Prepared:
    held = recorded.held
    settings = AuditSettings.from_record(held.settings)
    if settings.pictures and settings.density**2 > max(MAX_NODES, NODES_PER_LABEL * labels):
        raise TooLarge("the label maps are larger than any that so few labels draw")
    samples = recorded_samples(files, held.samples, held.samples_digest)
    if recorded.run.target.labels.as_samples:
        oracle.label_space.shown = samples.class_order
    images = model_images(files, samples, held.samples, oracle.input_spec, settings.planes)
    ready = prepare_images(oracle, samples, images, settings, recorded.version)
    plan = ready.plan if SAMPLES in files else plan_from_record(ready.plan, recorded.plan)
    asked = [data for name, data in files.content.items() if name.startswith(EARLIER_PLANS)]
    earlier = earlier_searches(asked, plan, oracle.fingerprint)
    plan = with_earlier(plan, earlier, oracle.input_spec)
    return dataclasses.replace(ready, plan=plan)


def finished(steps: Coroutine[Any, Any, T]) -> T:
    """The result of ``steps``.

    Raises:
        EvidenceError: they wait for something.
    """
    try:
        steps.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    steps.close()
    raise EvidenceError("judging again waits for something")
