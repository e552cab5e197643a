"""``xray-audit check``: try a target with under 100 queries before paying for an audit."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.contract import LabelOracle
from adapters.errors import AdapterError
from auditor.calibration import Rate, binomial_rate

SAMPLE_QUERIES = 30
REPEAT_QUERIES = 10
BATCH_SIZES = (4, 16, 30)
"""Sizes tried after single inputs; with the samples and the repeats they stay under 100."""


@dataclass(frozen=True)
class CheckResult:
    """What a check found.

    Attributes:
        queries: inputs sent.
        labels_seen: different labels returned.
        label_count: size of the label space, or None where the target does not tell.
        accuracy: share of samples labelled as given.
        flips: repeated inputs that got another label.
        repeats: inputs asked twice.
        seconds_per_request: ``{batch size: seconds}``.
        best_batch: batch size with the most queries per second.
        queries_per_second: at the best batch, one request at a time.
        problems: sentences for the user; empty where nothing looks wrong.
    """

    queries: int
    labels_seen: list[str]
    label_count: int | None
    accuracy: Rate
    flips: int
    repeats: int
    seconds_per_request: dict[int, float]
    best_batch: int
    queries_per_second: float
    problems: list[str]

    def as_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return asdict(self)


async def check_target(
    oracle: LabelOracle, images: NDArray[np.float32], classes: NDArray[np.int64]
) -> CheckResult:
    """Ask fewer than 100 queries and say how the target behaves.

    Args:
        oracle: the target.
        images: ``(n, c, h, w)`` samples in model units.
        classes: ``(n,)`` their true classes.

    Raises:
        AdapterError: the very first request failed.
    """
    order = np.random.default_rng(0).permutation(len(images))[:SAMPLE_QUERIES]
    single = [await _timed(oracle, images[index : index + 1]) for index in order[:REPEAT_QUERIES]]
    first = [int(labels[0]) for labels, _ in single]
    seconds = {1: float(np.median([took for _, took in single]))}
    labels = first + await _ask_rest(oracle, images[order[REPEAT_QUERIES:]])
    queries = len(single) + len(labels) - len(first)
    again = [int((await _timed(oracle, images[i : i + 1]))[0][0]) for i in order[: len(first)]]
    queries += len(again)
    for size in BATCH_SIZES:
        if size > oracle.max_batch:
            break
        try:
            batch = images[order[np.arange(size) % len(order)]]
            seconds[size] = (await _timed(oracle, batch))[1]
        except AdapterError:
            break
        queries += size
    best = max(seconds, key=lambda size: size / seconds[size])
    hits = int((np.array(labels) == classes[order]).sum())
    return _result(
        oracle, queries, labels, binomial_rate(hits, len(labels)), first, again, seconds, best
    )


async def _timed(oracle: LabelOracle, batch: NDArray[np.float32]) -> tuple[list[int], float]:
    began = time.perf_counter()
    labels = await oracle.predict_labels(batch)
    return labels.tolist(), max(time.perf_counter() - began, 1e-9)


async def _ask_rest(oracle: LabelOracle, images: NDArray[np.float32]) -> list[int]:
    labels: list[int] = []
    step = oracle.max_batch
    for start in range(0, len(images), step):
        labels += (await oracle.predict_labels(images[start : start + step])).tolist()
    return labels


def _result(
    oracle: LabelOracle,
    queries: int,
    labels: list[int],
    accuracy: Rate,
    first: list[int],
    again: list[int],
    seconds: dict[int, float],
    best: int,
) -> CheckResult:
    flips = sum(a != b for a, b in zip(first, again, strict=True))
    seen = sorted(set(labels))
    problems = []
    if len(seen) < 2:
        problems.append("Every sample got the same label: nothing can be audited like this.")
    if accuracy.rate < 0.5:
        problems.append(
            f"Only {accuracy.rate:.0%} of the samples got the label they were given: value range, "
            "mean and std, layout, colour order or class order may be wrong."
        )
    if flips:
        problems.append(f"{flips} of {len(first)} samples got another label when asked again.")
    return CheckResult(
        queries=queries,
        labels_seen=[oracle.label_space.name(label) for label in seen],
        label_count=oracle.label_space.size,
        accuracy=accuracy,
        flips=flips,
        repeats=len(first),
        seconds_per_request=seconds,
        best_batch=best,
        queries_per_second=best / seconds[best],
        problems=problems,
    )
