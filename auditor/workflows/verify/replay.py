"""An audit judged again from its bundle alone: the same functions, the labels of the log.

The plan is built again from its settings, seed and classes; seeded procedures, such as the trigger
search, run again on the labels of the log. If the images were withheld, noise replaces them: no
score, and no step of a search, depends on a pixel, so only the inputs *sent* cannot be checked.
"""

from __future__ import annotations

import dataclasses
import math
import zlib
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from adapters.contract import Batch, InputSpec, Labels, LabelSpace, PaceHint
from adapters.errors import TargetError
from auditor.errors import AuditError, EvidenceError
from auditor.evidence.canonical import parse_object
from auditor.evidence.chain import Chain
from auditor.evidence.files import BundleFiles
from auditor.evidence.layout import PLAN, PROFILE, RUN, SAMPLES
from auditor.evidence.record_types import (
    AskedTarget,
    PlanRecord,
    RunRecord,
    SamplesRecord,
    read_record,
)
from auditor.evidence.records import image_hash, plan_record, read_end
from auditor.plan.recorded import plan_from_record, recorded_version
from auditor.plan.settings import AuditSettings
from auditor.samples.fit import to_model_units
from auditor.samples.samples import Samples
from auditor.verdict.profile import profile_from_dict
from auditor.workflows.ask import ask_through, stop_rules
from auditor.workflows.judge import judge
from auditor.workflows.prepare import Prepared, prepare_images
from auditor.workflows.verify.recorded_engine import RecordedEngine

T = TypeVar("T")

MAX_IMAGE_BYTES = 16 * 1024**3
"""Size of the array of all samples' images; only those in the bundle take up memory."""
NOISE_SEED = 0
UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError)
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
        batches: batches of adaptive probes, such as the trigger search's, that were asked again.
        inputs_differ: those of them whose inputs are not the ones on record.
    """

    ready: Prepared
    plan: dict[str, Any]
    report: dict[str, Any]
    spec: InputSpec
    with_images: bool
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
    ready = _prepared(files, recorded, oracle)
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
    record = plan_record(oracle, ready, profile)
    record["labels"]["size"] = size if size is None else oracle.label_space.size
    _keep_unknown_hashes(record, recorded.held.samples, files)
    return Replayed(
        ready,
        record,
        judged.report,
        oracle.input_spec,
        SAMPLES in files,
        engine.batches,
        engine.differ,
    )


def _same_end(early: bool, stated: object) -> None:  # noqa: FBT001 - what was found, then stated
    if early is not stated:
        here = "decide before the last of them" if early else "decide nothing before the last one"
        says = "did not" if early else "did"
        raise EvidenceError(f"{RUN} says that planes {says} end early; their labels {here}")


def _prepared(files: BundleFiles, recorded: Recorded, oracle: RecordedOracle) -> Prepared:
    held = recorded.held
    settings = AuditSettings.from_record(held.settings)
    samples = _samples(files, held.samples, held.samples_digest)
    images = _model_images(files, samples, held.samples, oracle.input_spec)
    ready = prepare_images(oracle, samples, images, settings, recorded.version)
    if SAMPLES in files:
        return ready
    return dataclasses.replace(ready, plan=plan_from_record(ready.plan, recorded.plan))


def _samples(files: BundleFiles, held: SamplesRecord, digest: str) -> Samples:
    dtype = np.dtype(held.dtype)
    count = len(held.refs)
    if dtype.kind not in "uf":
        raise EvidenceError(f"{PLAN} describes no images")
    if count * math.prod(held.shape) * 4 > MAX_IMAGE_BYTES:
        raise EvidenceError("the samples are more than can be judged again here")
    if len(held.sha256) != count or len(held.classes) != count:
        raise EvidenceError(f"{PLAN} does not name a class and a hash for every sample")
    if any(place >= count for place in held.kept):
        raise EvidenceError(f"{PLAN} names images of samples that it does not have")
    images = np.zeros((count, *held.shape), dtype=dtype)
    if SAMPLES in files:
        _fill(images, files, held)
    return Samples(
        refs=held.refs,
        classes=held.classes,
        images=images,
        class_order=held.class_order,
        stated_order=held.stated_order,
        digest=digest,
        notes=held.notes,
    )


def _fill(images: NDArray[Any], files: BundleFiles, held: SamplesRecord) -> None:
    """Unpack the images of the bundle to their places, and compare them with their hashes."""
    one = images[:1].nbytes
    unpacker = zlib.decompressobj()
    packed = files.get(SAMPLES)
    for place in held.kept:
        data = unpacker.decompress(packed, one)
        while len(data) < one and unpacker.unconsumed_tail:
            data += unpacker.decompress(unpacker.unconsumed_tail, one - len(data))
        packed = unpacker.unconsumed_tail
        if len(data) != one:
            raise EvidenceError(f"{SAMPLES} does not hold the images that {PLAN} names")
        values = np.frombuffer(data, dtype=images.dtype.newbyteorder("<"))
        images[place] = values.reshape(images.shape[1:])
        if image_hash(images[place]) != held.sha256[place]:
            raise EvidenceError(f"image {place} of {SAMPLES} is not the one that {PLAN} names")


def _model_images(
    files: BundleFiles, samples: Samples, held: SamplesRecord, spec: InputSpec
) -> NDArray[np.float32]:
    """All images in model units ``(n, c, h, w)``: zero if not kept, noise if withheld."""
    places = list(held.kept)
    # Pages that are never touched take no memory.
    images = np.zeros((len(samples), *spec.shape), dtype=np.float32)
    if SAMPLES in files:
        part = dataclasses.replace(
            samples,
            refs=tuple(samples.refs[place] for place in places),
            classes=tuple(samples.classes[place] for place in places),
            images=samples.images[places],
        )
        images[places] = to_model_units(part, spec)
    else:
        noise = np.random.default_rng(NOISE_SEED)
        for place in places:
            images[place] = noise.random(spec.shape, dtype=np.float32)
    return images


def _keep_unknown_hashes(record: dict[str, Any], held: SamplesRecord, files: BundleFiles) -> None:
    """Keep the recorded hashes of images that the bundle does not hold."""
    kept = set(held.kept) if SAMPLES in files else set()
    hashes = record["samples"]["sha256"]
    for place, known in enumerate(held.sha256):
        if place not in kept:
            hashes[place] = known


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
