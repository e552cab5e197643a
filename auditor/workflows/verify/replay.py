"""An audit judged again from its bundle alone: the same functions, the labels of the log.

The plan is built again from its settings, seed and classes; seeded procedures, such as the trigger
search, run again on the labels of the log. If the images were withheld, noise replaces them: no
score, and no step of a search, depends on a pixel, so only the inputs *sent* cannot be checked.
"""

from __future__ import annotations

import dataclasses
import math
import zlib
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from itertools import pairwise
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
from auditor.plan.adaptive import TriggerOutcome
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
MAX_INPUT_VALUES = 64 * 1024**2
"""Values of one sample or input."""
MAX_KEPT_VALUES, MAX_NOISE_VALUES = 2**30, 2**27
"""Values of the images that are asked about, in model units, and of noise in place of images."""
MOST_EXPANDED, MOST_FLAT, FLAT_BYTES = 1100, 100, 32 * 1024**2
"""Bytes that one of zlib's can expand to, at most; that one of images' does; and bytes up to which
any images may be flat.
"""
MAX_NODES, NODES_PER_LABEL = 2**22, 256
"""Nodes of a label map, and those for each label of the log, of which more would be too many."""
SAMPLE_TYPES = ("uint8", "float16", "float32", "float64")
NOISE_SEED = 0
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


class TooLarge(EvidenceError):
    """A sound bundle may be larger than this program takes on."""


class Damaged(EvidenceError):
    """Files do not fit each other, whichever version wrote them."""


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
    tally = chain.runs[-1].tally
    ready = _prepared(files, plan, oracle, tally.sent + tally.cached + tally.deduplicated)
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
    # The images that the bundle holds were compared with these hashes; others are not known here.
    record = plan_record(oracle, ready, profile, plan["samples"]["sha256"])
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
    files: BundleFiles, plan: dict[str, Any], oracle: RecordedOracle, labels: int
) -> Prepared:
    held = plan["samples"]
    settings = AuditSettings.from_record(plan["settings"])
    if settings.pictures and settings.density**2 > max(MAX_NODES, NODES_PER_LABEL * labels):
        raise TooLarge("the label maps are larger than any that so few labels draw")
    samples = _samples(files, held, plan["samples_digest"])
    images = _model_images(files, samples, held, oracle.input_spec, settings.planes)
    ready = prepare_images(oracle, samples, images, settings, recorded_version(plan))
    if SAMPLES in files:
        return ready
    return dataclasses.replace(ready, plan=plan_from_record(ready.plan, plan))


def _samples(files: BundleFiles, held: dict[str, Any], digest: str) -> Samples:
    shape = tuple(_whole(side) for side in held["shape"])
    dtype = np.dtype(str(held["dtype"])[:20])
    count, one = len(held["refs"]), math.prod(shape) * dtype.itemsize
    if dtype.name not in SAMPLE_TYPES or len(shape) != 3 or min(shape) < 1:
        raise EvidenceError(f"{PLAN} describes no images")
    if len(held["sha256"]) != count or len(held["classes"]) != count:
        raise EvidenceError(f"{PLAN} does not name a class and a hash for every sample")
    if math.prod(shape) > MAX_INPUT_VALUES or count * one > MAX_IMAGE_BYTES:
        raise TooLarge("the samples are more than can be judged again here")
    images = np.zeros((count, *shape), dtype=dtype)
    if SAMPLES in files:
        _fill(images, files.get(SAMPLES), held)
    return Samples(
        refs=tuple(held["refs"]),
        classes=tuple(str(name) for name in held["classes"]),
        images=images,
        class_order=tuple(held["class_order"]),
        stated_order=bool(held["stated_order"]),
        digest=str(digest),
    )


def _whole(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= MAX_IMAGE_BYTES:
        raise EvidenceError(f"{PLAN} holds a size that is none")
    return value


def _fill(images: NDArray[Any], packed: bytes, held: dict[str, Any]) -> None:
    """Unpack the images of the bundle to their places, and compare them with their hashes."""
    places, one = _kept(held), images[:1].nbytes
    other = Damaged(f"{SAMPLES} does not hold the images that {PLAN} names")
    if len(places) * one > MOST_EXPANDED * len(packed):
        raise other
    if len(places) * one > max(FLAT_BYTES, MOST_FLAT * len(packed)):
        raise TooLarge(f"{SAMPLES} expands more than images do")
    unpacker = _Unpacker(packed, other)
    for place in places:
        values = np.frombuffer(unpacker.take(one), dtype=images.dtype.newbyteorder("<"))
        images[place] = values.reshape(images.shape[1:])
        if image_hash(images[place]) != held["sha256"][place]:
            raise Damaged(f"image {place} of {SAMPLES} is not the one that {PLAN} names")
    unpacker.end()


class _Unpacker:
    """Takes zlib data apart piece by piece; raises ``damaged`` if it does not hold just those."""

    def __init__(self, packed: bytes, damaged: EvidenceError) -> None:
        self._packed, self._damaged = packed, damaged
        self._zlib = zlib.decompressobj()

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        data = b""
        while len(data) < size:
            part = self._next(size - len(data))
            if not part:
                raise self._damaged
            data = data + part if data else part
        return data

    def end(self) -> None:
        """Check that nothing is left, and that the checksum fits."""
        if self._next(1) or not self._zlib.eof or self._zlib.unused_data:
            raise self._damaged

    def _next(self, most: int) -> bytes:
        try:
            part = self._zlib.decompress(self._packed, most)
        except zlib.error:
            raise self._damaged from None
        self._packed = self._zlib.unconsumed_tail
        return part


def _kept(held: dict[str, Any]) -> list[int]:
    places = held["kept"]
    if any(type(place) is not int or not 0 <= place < len(held["refs"]) for place in places):
        raise EvidenceError(f"{PLAN} names images of samples that it does not have")
    if any(one >= two for one, two in pairwise(places)):
        raise EvidenceError(f"{PLAN} does not name images in order, each once")
    return list(places)


def _model_images(
    files: BundleFiles, samples: Samples, held: dict[str, Any], spec: InputSpec, planes: int
) -> NDArray[np.float32]:
    """All images in model units ``(n, c, h, w)``: zero if not kept, noise if withheld."""
    places = _kept(held)
    most = MAX_KEPT_VALUES if SAMPLES in files else MAX_NOISE_VALUES
    asked = max(len(places), planes) * spec.size
    if spec.size > MAX_INPUT_VALUES or asked > most:
        raise TooLarge("the inputs are more than can be judged again here")
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
