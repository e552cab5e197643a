"""Checks every adapter applies to what goes in and what comes out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.contract import Batch, InputSpec, Labels
from adapters.errors import BadReply, TargetError


def check_batch(batch: NDArray[Any], spec: InputSpec, max_batch: int) -> Batch:
    """``batch`` as contiguous float32 ``(n, c, h, w)``; TargetError if it does not fit."""
    if batch.ndim != 4 or batch.shape[1:] != spec.shape:
        raise TargetError(f"inputs have shape {batch.shape}, the model takes (n, {spec.shape})")
    if not 1 <= len(batch) <= max_batch:
        raise TargetError(f"{len(batch)} inputs in one request, the target takes 1 to {max_batch}")
    checked = np.ascontiguousarray(batch, dtype=np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        total = float(checked.sum())  # a NaN or an infinity shows in it, which needs no memory
    if not math.isfinite(total) and not np.isfinite(checked).all():
        raise TargetError("an input holds a value that is not finite")
    return checked


ONE_NUMBER = (
    "scores a single class, or gives one number about two classes: for that, state from which "
    "number on it means the second (--threshold 0.5 for a probability, 0 for a logit); a number "
    "that is the class itself must be of a whole type (int64, not float)"
)
"""The end of a sentence about a model whose output holds one number for each input."""


def top1(scores: NDArray[Any], n: int) -> Labels:
    """Labels ``(n,)`` of scores ``(n, classes)``; ties go to the lower index. Raises BadReply for a
    wrong shape, a single class or a score that is NaN.
    """
    scores = np.asarray(scores)
    if scores.ndim > 2 and scores.shape[0] == n and scores.size == n * scores.shape[1]:
        scores = scores.reshape(n, -1)
    if scores.ndim != 2 or len(scores) != n:
        raise BadReply(f"the model returned shape {scores.shape} for {n} inputs, not (n, classes)")
    if scores.shape[1] < 2:
        raise BadReply(f"the model {ONE_NUMBER}")
    if np.isnan(scores).any():
        raise BadReply("the model returned NaN instead of a score, so it gave no label")
    labels: Labels = scores.argmax(axis=1).astype(np.int64)
    return labels


def check_labels(labels: NDArray[Any], n: int, size: int | None) -> Labels:
    """``labels`` as int64 ``(n,)``, each in ``0 .. size - 1``. Raises BadReply for a wrong count,
    or a label that is not a whole number or out of range.
    """
    array = np.asarray(labels)
    if array.shape == (n, 1):
        array = array[:, 0]
    if array.shape != (n,):
        raise BadReply(f"the target returned labels of shape {array.shape} for {n} inputs")
    if array.dtype.kind == "f" and not np.all(np.isfinite(array) & (array == np.rint(array))):
        raise BadReply("the target returned a label that is not a whole number")
    if array.dtype.kind not in "iuf":
        raise BadReply(f"the target returned labels of type {array.dtype}, not whole numbers")
    whole = array.astype(np.int64)
    top = 65534 if size is None else size - 1
    if whole.view(np.uint64).max(initial=0) > top:  # negative ones wrap around to huge ones
        worst = int(whole.min() if whole.min() < 0 else whole.max())
        raise BadReply(f"the target returned label {worst}, outside 0 .. {top}")
    return whole
