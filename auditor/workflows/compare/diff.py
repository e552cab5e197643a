"""Comparison of two results: changes, how sure they are, and reasons to doubt the comparison.

Pure: two results in, JSON-able data out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from auditor.report.result.base import Part
from auditor.report.result.planes import PlanePart
from auditor.report.result.result import Result
from auditor.scores.intervals import binomial_rate
from auditor.workflows.compare.findings import findings_of

SCORES = ("re", "ats", "ats_by_label")
SPOILING: dict[str, tuple[Callable[[Result], object], str]] = {
    "access": (lambda r: r.access, "scores mean different things in the two access modes"),
    "input shape": (lambda r: list(r.input.shape), "the models take different inputs"),
    "value range": (lambda r: list(r.input.low), "black is another value, so the inputs differ"),
    "value range (high)": (
        lambda r: list(r.input.high),
        "white is another value, so the inputs differ",
    ),
    "labels": (lambda r: r.labels, "the classes differ, so neither labels nor scores correspond"),
    "samples": (lambda r: r.samples.digest, "other samples span other planes"),
    "profile": (
        lambda r: r.profile and r.profile.digest,
        "the verdicts rest on different references",
    ),
    "tool version": (lambda r: r.tool.version, "the methods may differ"),
}
"""Parts that must be equal in both results, each with the reason."""

SAME_INPUTS = ("samples", "input shape", "value range", "value range (high)", "access", "labels")
"""Those of them that make planes through equal samples the same question."""


def compare_results(old: Result, new: Result) -> dict[str, Any]:
    """Changes from ``old`` to ``new``.

    Returns:
        ``spoiled_by`` (sentences; empty if the comparison is sound), ``same_model``, ``verdict``,
        ``scores`` (mean of each audit, the difference and its 95 % interval over the planes that
        both asked), ``labels``, ``trigger``, ``finding_moves`` (ids that are ``new``, ``kept`` or
        ``gone``), ``target_label``, ``accuracy`` and ``canaries``; pairs as ``old`` and ``new``.
    """
    shared = _shared_planes(old, new)
    return {
        "spoiled_by": list(_spoiled(old, new)),
        "same_model": old.fingerprint == new.fingerprint,
        "verdict": _pair(old.verdict, new.verdict),
        "verdict_reason": _pair(old.verdict_reason, new.verdict_reason),
        "scores": {name: _score(old, new, name, shared) for name in SCORES},
        "planes": {"old": len(old.planes), "new": len(new.planes), "shared": len(shared)},
        "labels": _labels(shared),
        "trigger": _pair(_trigger(old), _trigger(new)),
        "finding_moves": _finding_moves(old, new),
        "target_label": _pair(old.target_label, new.target_label),
        "accuracy": _pair(old.samples.accuracy, new.samples.accuracy),
        "canaries": _pair(_given(old.canaries), _given(new.canaries)),
        "queries": _pair(old.queries.sent_all_runs, new.queries.sent_all_runs),
        "finished": _pair(old.timing.finished, new.timing.finished),
    }


def _pair(old: object, new: object) -> dict[str, Any]:
    return {"old": old, "new": new}


def _given(part: Part | None) -> dict[str, Any] | None:
    return None if part is None else part.model_dump(mode="json", exclude_unset=True)


def _spoiled(old: Result, new: Result) -> Iterator[str]:
    for name, (of, why) in SPOILING.items():
        if _differ(name, old, new):
            yield f"{name}: {_short(of(old))} then, {_short(of(new))} now; {why}"
    one, two = _settings(old), _settings(new)
    for name in sorted(one.keys() | two.keys()):
        if one.get(name) != two.get(name):
            yield (
                f"setting {name}: {_short(one.get(name))} then, {_short(two.get(name))} now; "
                "other questions were asked"
            )
    for word, result in (("first", old), ("second", new)):
        if result.partial:
            yield f"the {word} audit is not complete"
        elif result.contradictions:
            yield f"the answers of the {word} audit are not those of one model"


def _differ(name: str, old: Result, new: Result) -> bool:
    if name == "labels":
        return not same_classes(old, new)
    of, _ = SPOILING[name]
    return of(old) != of(new)


def same_classes(one: Result, two: Result) -> bool:
    """True unless the classes differ; numbers, which earlier versions showed where the target named
    none, stand for words.
    """
    numbers = [sum(key == name for key, name in r.labels.items()) for r in (one, two)]
    if sorted(numbers) == [0, len(one.labels)]:
        return one.labels.keys() == two.labels.keys()
    return one.labels == two.labels


def _settings(result: Result) -> dict[str, Any]:
    """All settings but the plan's version, which most reports do not tell; one without a sampler or
    an effort was made when there was only one.
    """
    known = {"sampler": result.settings.sampler, "effort": result.settings.effort}
    settings = {**known, **result.content["settings"]}
    return {name: value for name, value in settings.items() if name != "plan_version"}


def _short(value: object) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 40 else f"{text[:36]}…"


def _shared_planes(old: Result, new: Result) -> list[tuple[PlanePart, PlanePart]]:
    """Planes through the same samples, asked at the same points, in both results."""
    if any(_differ(name, old, new) for name in SAME_INPUTS):
        return []
    known = {_key(plane): plane for plane in old.planes}
    return [(known[_key(plane)], plane) for plane in new.planes if _key(plane) in known]


def _key(plane: PlanePart) -> str:
    """Equal for planes that were asked at the same points."""
    return repr((plane.triplet, plane.coordinates, plane.bounds, plane.asked.places))


def _score(
    old: Result, new: Result, name: str, shared: list[tuple[PlanePart, PlanePart]]
) -> dict[str, Any]:
    """Both means and, over the shared planes that have the score, the mean difference with its
    interval. ATS by region needs a label map, so planes of net points have none.
    """
    pairs = [(one.score(name), two.score(name)) for one, two in shared]
    means = (_given(result.scores.estimate(name)) for result in (old, new))
    return {
        **_pair(*means),
        "change": _change([b - a for a, b in pairs if a is not None and b is not None]),
    }


def _change(differences: list[float], confidence: float = 0.95) -> dict[str, Any] | None:
    """Mean difference with its Student t interval over planes, which one plane does not give."""
    if not differences:
        return None
    values = np.asarray(differences, dtype=np.float64)
    mean, n = float(values.mean()), len(values)
    if n < 2:
        return {"mean": mean, "low": None, "high": None, "n": n}
    spread = float(values.std(ddof=1) / np.sqrt(n))
    half = float(scipy.special.stdtrit(n - 1, 0.5 + confidence / 2.0)) * spread
    return {"mean": mean, "low": mean - half, "high": mean + half, "n": n}


def _labels(shared: list[tuple[PlanePart, PlanePart]]) -> dict[str, Any] | None:
    """Labels of the inputs asked in both audits: the share changed, with its exact 95 % interval.

    Neighbouring inputs are not independent, so the interval is rather too narrow than too wide.
    """
    parts = [part for pair in shared for part in _both(*pair)]
    if not parts:
        return None
    one = np.concatenate([first for first, _ in parts])
    two = np.concatenate([second for _, second in parts])
    if not len(one):
        return None
    changed = one != two
    rate = binomial_rate(int(changed.sum()), len(one))
    return {
        "compared": len(one),
        "changed": int(changed.sum()),
        "rate": rate.rate,
        "low": rate.low,
        "high": rate.high,
        "moves": _moves(one[changed], two[changed]),
    }


def _both(
    first: PlanePart, second: PlanePart
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Labels that both audits have of a plane's inputs.

    These are its net points, and its label map if both drew one of the same density: one drawn
    by refinement is asked at some nodes and filled in between.
    """
    if first.points is not None and second.points is not None:
        yield np.array(first.points.labels), np.array(second.points.labels)
    one, two = first.grid, second.grid
    if one is not None and two is not None and one.labels.shape == two.labels.shape:
        asked = one.asked & two.asked
        yield one.labels[asked], two.labels[asked]


def _moves(
    one: NDArray[np.int64], two: NDArray[np.int64], most: int = 5
) -> tuple[tuple[int, int, int], ...]:
    """The most frequent changes, ``(from, to, count)``."""
    if not len(one):
        return ()
    pairs, counts = np.unique(np.stack([one, two], axis=1), axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:most]
    return tuple((int(pairs[i, 0]), int(pairs[i, 1]), int(counts[i])) for i in order)


def _trigger(result: Result) -> dict[str, Any] | None:
    trigger = result.trigger
    if trigger is None:
        return None
    best = trigger.best
    return {
        "suspicious": trigger.suspicious,
        "p": trigger.p,
        "family": None if best is None else best.family,
        "target": None if best is None else best.target,
        "success": None if best is None else _given(best.success),
    }


def _finding_moves(old: Result, new: Result) -> dict[str, Any]:
    """Ids of the second result's findings that are new or kept, and the findings that are gone.

    An id depends on the model, so those of the first result are made as if it were the second's.
    """
    then = {one.id: one for one in findings_of(old, new.fingerprint)}
    now = {one.id: one for one in findings_of(new)}
    gone = [one for one in then.values() if one.id not in now]
    return {
        "new": [name for name in now if name not in then],
        "kept": [name for name in now if name in then],
        "gone": [{"kind": one.kind, "text": one.text} for one in gone],
    }
