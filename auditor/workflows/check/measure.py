"""Behaviour of a target, measured with under 100 queries before paying for an audit."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.contract import LabelOracle, LabelSpace
from adapters.errors import AdapterError
from auditor.samples.names import folded
from auditor.scores.intervals import Rate, binomial_rate
from auditor.verdict.verdict import MIN_ACCURACY
from auditor.workflows.check.client import PatientOracle, labels_of

SAMPLE_QUERIES = 30
REPEAT_QUERIES = 10
BATCH_SIZES, MOST_QUERIES = (4, 16, 30), 99
"""Sizes tried after single inputs; with the samples and the repeats they stay within that number of
queries, as do the sizes between the last that does well and the first that does not. Samples asked
again because larger requests move labels come on top."""


@dataclass(frozen=True)
class CheckResult:
    """Behaviour of a target under check.

    Attributes:
        queries: inputs sent.
        labels_seen: different labels returned.
        label_count: size of the label space, or None if the target does not tell.
        accuracy: share of samples labelled as given.
        missed_classes: classes of which two samples or more were asked, and none got its label.
        flips: repeated inputs that got another label.
        repeats: inputs asked twice.
        seconds_per_request: ``{batch size: seconds}``.
        best_batch: batch size with the most queries per second.
        queries_per_second: at the best batch, one request at a time.
        good_batch: largest size tried whose labels were those of the inputs alone.
        batch_moved: True if one of them is that labels changed.
        batch_problems: those of ``problems`` that larger requests caused.
        problems: sentences for the user; empty if nothing seems wrong.
    """

    queries: int
    labels_seen: list[str]
    label_count: int | None
    accuracy: Rate
    missed_classes: list[str]
    flips: int
    repeats: int
    seconds_per_request: dict[int, float]
    best_batch: int
    queries_per_second: float
    good_batch: int
    batch_moved: bool
    batch_problems: list[str]
    problems: list[str]

    def as_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return asdict(self)


async def check_target(
    oracle: LabelOracle,
    images: NDArray[np.float32],
    classes: NDArray[np.int64],
    *,
    least_accuracy: float = MIN_ACCURACY,
    repeats: int = REPEAT_QUERIES,
    first: Callable[[int, int], None] | None = None,
    names: LabelSpace | None = None,
) -> CheckResult:
    """Ask fewer than 100 queries, 30 more where larger requests move labels, and describe the
    target's behaviour.

    Args:
        oracle: the target.
        images: ``(n, c, h, w)`` samples in model units.
        classes: ``(n,)`` their true classes.
        least_accuracy: share of samples that must get their own label.
        repeats: samples asked twice, 0 to 30.
        first: called with number and label of the first sample, as soon as it is answered.
        names: names to show; the target's own if None.

    Raises:
        AdapterError: a request failed, one of the larger batches excepted.
    """
    order = np.random.default_rng(0).permutation(len(images))[:SAMPLE_QUERIES]
    single = [await _timed(oracle, images[order[0] : order[0] + 1])]
    if first is not None:
        first(int(order[0]), single[0][0][0])
    single += [await _timed(oracle, images[i : i + 1]) for i in order[1 : max(1, repeats)]]
    early = [int(labels[0]) for labels, _ in single]
    labels, again, batches = await _together(oracle, images[order], early, repeats)
    batches.seconds[1] = float(np.median([took for _, took in single]))
    accuracy = binomial_rate(int((np.array(labels) == classes[order]).sum()), len(labels))
    flips = sum(a != b for a, b in zip(early, again, strict=False))
    best, shown = batches.fastest, names or oracle.label_space
    return CheckResult(
        queries=batches.queries,
        labels_seen=[shown.name(label) for label in sorted(set(labels))],
        label_count=oracle.label_space.size,
        accuracy=accuracy,
        missed_classes=_missed(classes[order], labels, shown),
        flips=flips,
        repeats=len(again),
        seconds_per_request=dict(sorted(batches.seconds.items())),
        best_batch=best,
        queries_per_second=best / batches.seconds[best],
        good_batch=batches.good,
        batch_moved=batches.moved,
        batch_problems=batches.problems,
        problems=_problems(len(set(labels)), accuracy, least_accuracy)
        + _flipped(early, again, shown)
        + _reversed(accuracy, least_accuracy, len(set(classes.tolist())))
        + batches.problems,
    )


async def _together(
    oracle: LabelOracle, images: NDArray[np.float32], early: list[int], repeats: int
) -> tuple[list[int], list[int], _Batches]:
    """Labels of all ``images``, ``(n, c, h, w)``, whose ``early`` ones are known; those of the
    first ``repeats`` asked again; and what larger requests did.
    """
    rest = images[len(early) :]
    labels = early + await labels_of(oracle, rest)
    twice = range(min(repeats, len(images)))
    again = [int((await _timed(oracle, images[i : i + 1]))[0][0]) for i in twice]
    batches = await _try_batches(oracle, images, labels, len(labels) + len(again))
    if batches.moved and len(rest) > batches.good:
        # They were asked together, so they may have moved as well.
        labels = early + await labels_of(oracle, rest, batches.good)
        batches.queries += len(rest)
    return labels, again, batches


def _reversed(accuracy: Rate, least: float, classes: int) -> list[str]:
    """The sentence on a model that is right less often than a guess among ``classes``."""
    if accuracy.rate >= least or classes < 2 or accuracy.high >= 1 / classes:
        return []
    return [
        "A guess would be right more often: if the model gives scores, the lowest may mean the "
        "class (distances, negative logarithms), and only the highest is read as the label."
    ]


def _missed(classes: NDArray[np.int64], labels: list[int], names: LabelSpace) -> list[str]:
    right = set(classes[classes == np.array(labels)].tolist())
    kinds, counts = np.unique(classes, return_counts=True)
    missed = [k for k, n in zip(kinds.tolist(), counts, strict=True) if n > 1 and k not in right]
    return [names.name(label) for label in missed]


@dataclass
class _Batches:
    """Larger requests: seconds by size, queries so far, the largest that did well, True if labels
    moved in others, problems.
    """

    seconds: dict[int, float] = field(default_factory=dict)
    queries: int = 0
    good: int = 1
    moved: bool = False
    problems: list[str] = field(default_factory=list)

    @property
    def fastest(self) -> int:
        """The size with the most inputs a second."""
        return max(self.seconds, key=lambda n: n / self.seconds[n])


async def _try_batches(
    oracle: LabelOracle, images: NDArray[np.float32], labels: list[int], spent: int
) -> _Batches:
    """Ask ``images`` again in larger requests, and find the largest that does well by bisection;
    ``labels`` are those they got before, and ``spent`` the queries so far.
    """
    found = _Batches(queries=spent)
    for size in sorted({min(size, oracle.max_batch) for size in BATCH_SIZES} - {1}):
        problem = await _try_batch(oracle, images, labels, size, found)
        if problem:
            found.problems.append(problem)
            await _bisect(oracle, images, labels, size, found)
            break
        found.good = size
    return found


async def _bisect(
    oracle: LabelOracle,
    images: NDArray[np.float32],
    labels: list[int],
    bad: int,
    found: _Batches,
) -> None:
    """Raise ``found.good`` towards ``bad``, a size that does not do well."""
    while (size := (found.good + bad) // 2) > found.good and found.queries + size <= MOST_QUERIES:
        if await _try_batch(oracle, images, labels, size, found):
            bad = size
        else:
            found.good = size


async def _try_batch(
    oracle: LabelOracle,
    images: NDArray[np.float32],
    labels: list[int],
    size: int,
    found: _Batches,
) -> str:
    """Ask ``size`` of the images at once, and say what is wrong with that; empty if nothing is."""
    picks = np.arange(size) % len(images)
    found.queries += size
    try:
        answered, seconds = await _timed(oracle, images[picks])
    except AdapterError as error:
        return f"A request of {size} inputs failed ({error}): lower --batch."
    moved = sum(labels[pick] != label for pick, label in zip(picks, answered, strict=True))
    if moved:
        found.moved = True
        return f"{moved} of {size} inputs in one request changed their label."
    found.seconds[size] = seconds
    return ""


async def _timed(oracle: LabelOracle, batch: NDArray[np.float32]) -> tuple[list[int], float]:
    began = time.perf_counter()
    labels = await oracle.predict_labels(batch)
    took = time.perf_counter() - began
    if isinstance(oracle, PatientOracle):
        took = oracle.seconds
    return labels.tolist(), max(took, 1e-9)


def _problems(distinct: int, accuracy: Rate, least: float) -> list[str]:
    problems = []
    if distinct < 2:
        problems.append("Every sample got the same label: nothing can be audited like this.")
    if accuracy.rate < least:
        problems.append(
            f"Only {accuracy.rate:.0%} of the samples got the label they were given: value range, "
            "mean and std, layout, colour order or class order may be wrong."
        )
    return problems


def _flipped(early: list[int], again: list[int], names: LabelSpace) -> list[str]:
    """The sentence on samples that got another label when asked again; none without any."""
    moved = [(a, b) for a, b in zip(early, again, strict=False) if a != b]
    if not moved:
        return []
    respelled = all(folded(names.name(a)) == folded(names.name(b)) for a, b in moved)
    why = (
        ", which differs in case or spaces only: the target varies how it writes a class, and each "
        "spelling would count as a class until response.rename makes them one"
        if respelled
        else ""
    )
    return [f"{len(moved)} of {len(again)} samples got another label when asked again{why}."]
