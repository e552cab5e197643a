"""An audit judged again from its bundle alone: the same functions, the labels of the log.

The plan is built again from its settings, seed and classes; seeded procedures, such as the trigger
search, run again on the labels of the log. If the images were withheld, noise replaces them: no
score, and no step of a search, depends on a pixel, so only the inputs *sent* cannot be checked.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from adapters.contract import Batch, InputSpec, Labels, LabelSpace, PaceHint, WireCount
from adapters.errors import TargetError
from auditor.engine.ledger import Ledger
from auditor.errors import AuditError, EvidenceError
from auditor.evidence.canonical import parse_object
from auditor.evidence.chain import Chain
from auditor.evidence.files import BundleFiles
from auditor.evidence.layout import PLAN, PROFILE, RUN, SAMPLES
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

    def __init__(self, target: Mapping[str, Any]) -> None:
        labels = target["labels"]
        self.input_spec = InputSpec.from_record(target["input"])
        self.label_space = LabelSpace(list(labels["names"]), labels["size"], labels["open"])
        self.fingerprint = str(target["fingerprint"])
        self.description: dict[str, Any] = dict(target["description"])
        self.max_batch = 1
        self.wire = WireCount(**target["wire"])

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
    plan, run = parse_object(files.get(PLAN), PLAN), parse_object(files.get(RUN), RUN)
    try:
        return _replay(files, chain, plan, run)
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


def _replay(
    files: BundleFiles, chain: Chain, plan: dict[str, Any], run: dict[str, Any]
) -> Replayed:
    end = read_end(run["engine"])
    oracle = RecordedOracle(run["target"])
    ready = _prepared(files, plan, oracle)
    profile = None
    if PROFILE in files:
        profile = profile_from_dict(parse_object(files.get(PROFILE), PROFILE))
    engine = RecordedEngine(chain, compare=SAMPLES in files, deferred=bool(end["deferred"]))
    # As known before the first query: some targets state it with their first answer.
    size = plan["labels"]["size"]
    rules = stop_rules(oracle, ready, profile, size)
    answers = finished(ask_through(engine, oracle, ready, None, rules))
    engine.end()
    _same_end(answers.run.decided, end["decided"])
    ended = dataclasses.replace(answers.run, ledger=Ledger(**run["ledger"]), **end)
    answers = dataclasses.replace(answers, run=ended)
    judged = judge(oracle, ready, answers, profile, dict(run["timing"]))
    record = plan_record(oracle, ready, profile)
    record["labels"]["size"] = size if size is None else oracle.label_space.size
    _keep_unknown_hashes(record, plan, files)
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


def _prepared(files: BundleFiles, plan: dict[str, Any], oracle: RecordedOracle) -> Prepared:
    held = plan["samples"]
    settings = AuditSettings.from_record(plan["settings"])
    samples = _samples(files, held, plan["samples_digest"])
    images = _model_images(files, samples, held, oracle.input_spec)
    ready = prepare_images(oracle, samples, images, settings, recorded_version(plan))
    if SAMPLES in files:
        return ready
    return dataclasses.replace(ready, plan=plan_from_record(ready.plan, plan))


def _samples(files: BundleFiles, held: dict[str, Any], digest: str) -> Samples:
    shape = tuple(int(side) for side in held["shape"])
    dtype = np.dtype(str(held["dtype"]))
    count = len(held["refs"])
    if dtype.kind not in "uf" or len(shape) != 3 or min(shape) < 1:
        raise EvidenceError(f"{PLAN} describes no images")
    if count * int(np.prod(shape, dtype=object)) * 4 > MAX_IMAGE_BYTES:
        raise EvidenceError("the samples are more than can be judged again here")
    if len(held["sha256"]) != count or len(held["classes"]) != count:
        raise EvidenceError(f"{PLAN} does not name a class and a hash for every sample")
    images = np.zeros((count, *shape), dtype=dtype)
    if SAMPLES in files:
        _fill(images, files, held)
    return Samples(
        refs=tuple(held["refs"]),
        classes=tuple(str(name) for name in held["classes"]),
        images=images,
        class_order=tuple(held["class_order"]),
        stated_order=bool(held["stated_order"]),
        digest=str(digest),
        notes=tuple(str(note) for note in held.get("notes", ())),
    )


def _fill(images: NDArray[Any], files: BundleFiles, held: dict[str, Any]) -> None:
    """Unpack the images of the bundle to their places, and compare them with their hashes."""
    places = _kept(held)
    one = images[:1].nbytes
    unpacker = zlib.decompressobj()
    packed = files.get(SAMPLES)
    for place in places:
        data = unpacker.decompress(packed, one)
        while len(data) < one and unpacker.unconsumed_tail:
            data += unpacker.decompress(unpacker.unconsumed_tail, one - len(data))
        packed = unpacker.unconsumed_tail
        if len(data) != one:
            raise EvidenceError(f"{SAMPLES} does not hold the images that {PLAN} names")
        values = np.frombuffer(data, dtype=images.dtype.newbyteorder("<"))
        images[place] = values.reshape(images.shape[1:])
        if image_hash(images[place]) != held["sha256"][place]:
            raise EvidenceError(f"image {place} of {SAMPLES} is not the one that {PLAN} names")


def _kept(held: dict[str, Any]) -> list[int]:
    places = held["kept"]
    if any(type(place) is not int or not 0 <= place < len(held["refs"]) for place in places):
        raise EvidenceError(f"{PLAN} names images of samples that it does not have")
    return list(places)


def _model_images(
    files: BundleFiles, samples: Samples, held: dict[str, Any], spec: InputSpec
) -> NDArray[np.float32]:
    """All images in model units ``(n, c, h, w)``: zero if not kept, noise if withheld."""
    places = _kept(held)
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


def _keep_unknown_hashes(record: dict[str, Any], plan: dict[str, Any], files: BundleFiles) -> None:
    """Keep the recorded hashes of images that the bundle does not hold."""
    kept = set(_kept(plan["samples"])) if SAMPLES in files else set()
    hashes = record["samples"]["sha256"]
    for place, known in enumerate(plan["samples"]["sha256"]):
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
