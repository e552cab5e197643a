"""One report beside another: what changed, how sure that is, and what spoils the comparison.

Pure: two reports in, JSON-able data out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from auditor.scores.intervals import binomial_rate
from auditor.workflows.compare.findings import findings_of

SCORES = ("re", "ats", "ats_by_label")
SPOILING: dict[str, tuple[str, str]] = {
    "access": ("access", "scores mean different things in the two access modes"),
    "input shape": ("input.shape", "the models take different inputs"),
    "value range": ("input.low", "black is another value, so the inputs differ"),
    "value range (high)": ("input.high", "white is another value, so the inputs differ"),
    "labels": ("labels", "the classes differ, so neither labels nor scores correspond"),
    "samples": ("samples.digest", "other samples span other planes"),
    "profile": ("profile.digest", "the verdicts rest on different references"),
    "tool version": ("tool.version", "the methods may differ"),
}
"""What must be equal, where it stands in a report, and why it matters."""


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels of the same inputs in both audits.

    Attributes:
        compared: inputs asked in both.
        changed: of them, how many got another label.
        rate, low, high: share changed with its exact 95 % interval; neighbouring inputs are not
            independent, so the interval is too narrow rather than too wide.
        moves: the most frequent changes, ``(from, to, count)``.
    """

    compared: int
    changed: int
    rate: float
    low: float
    high: float
    moves: tuple[tuple[int, int, int], ...]


def compare_reports(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """What changed from ``old`` to ``new``.

    Returns:
        ``spoiled_by`` (sentences; empty where the comparison is sound), ``same_model``,
        ``verdict``, ``scores`` (mean of each audit, the difference and its 95 % interval over
        the planes that both asked), ``labels``, ``trigger``, ``finding_moves`` (ids that are
        ``new``, ``kept`` or ``gone``), ``target_label``, ``accuracy`` and ``canaries``, each as
        ``old`` and ``new`` where it is a pair.
    """
    shared = _shared_planes(old, new)
    return {
        "spoiled_by": list(_spoiled(old, new)),
        "same_model": old["fingerprint"] == new["fingerprint"],
        "verdict": _pair(old, new, "verdict"),
        "verdict_reason": _pair(old, new, "verdict_reason"),
        "scores": {name: _score(old, new, name, shared) for name in SCORES},
        "planes": {"old": len(old["planes"]), "new": len(new["planes"]), "shared": len(shared)},
        "labels": _labels(shared),
        "trigger": {"old": _trigger(old), "new": _trigger(new)},
        "finding_moves": _finding_moves(old, new),
        "target_label": _pair(old, new, "target_label"),
        "accuracy": _pair(old, new, "samples.accuracy"),
        "canaries": _pair(old, new, "canaries"),
        "queries": _pair(old, new, "queries.sent_all_runs"),
        "finished": _pair(old, new, "timing.finished"),
    }


def _at(report: Mapping[str, Any], path: str) -> Any:
    value: Any = report
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _pair(old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> dict[str, Any]:
    return {"old": _at(old, path), "new": _at(new, path)}


def _spoiled(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for name, (path, why) in SPOILING.items():
        if _at(old, path) != _at(new, path):
            yield f"{name}: {_short(_at(old, path))} then, {_short(_at(new, path))} now; {why}"
    one, two = _settings(old), _settings(new)
    for name in sorted(one.keys() | two.keys()):
        if one.get(name) != two.get(name):
            yield (
                f"setting {name}: {_short(one.get(name))} then, {_short(two.get(name))} now; "
                "other questions were asked"
            )
    for word, report in (("first", old), ("second", new)):
        if report["partial"]:
            yield f"the {word} audit is not complete"


def _settings(report: Mapping[str, Any]) -> dict[str, Any]:
    """A report's settings; one that names no sampler was made when there was only the paper's."""
    return {"sampler": "paper", **report["settings"]}


def _short(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 40 else f"{text[:36]}…"


# ---- planes that both audits asked -----------------------------------------------------------


def _shared_planes(
    old: Mapping[str, Any], new: Mapping[str, Any]
) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Planes through the same samples, asked at the same points, in both reports."""
    equal = ("samples.digest", "input.shape", "input.low", "input.high", "access", "labels")
    if any(_at(old, path) != _at(new, path) for path in equal):
        return []
    known = {_key(plane): plane for plane in old["planes"]}
    return [(known[_key(plane)], plane) for plane in new["planes"] if _key(plane) in known]


def _key(plane: Mapping[str, Any]) -> str:
    """Equal for planes that were asked at the same points."""
    points = _points(plane)
    where = np.shape(plane["label_map"]) if points is None else points["at"]
    return repr((plane["triplet"], plane["coordinates"], plane["bounds"], where))


def _points(plane: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The scattered points of the frugal sampler; None where the whole plane is a grid."""
    points: Mapping[str, Any] | None = plane.get("points")
    return points


def _score(
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    name: str,
    shared: list[tuple[Mapping[str, Any], Mapping[str, Any]]],
) -> dict[str, Any]:
    """Both means and, over the shared planes that have the score, the mean difference with its
    interval. ATS by region needs a label map, so planes of scattered points have none.
    """
    pairs = [(one[name], two[name]) for one, two in shared]
    return {
        **_pair(old, new, f"scores.{name}"),
        "change": _change([b - a for a, b in pairs if a is not None and b is not None]),
    }


def _change(differences: list[float], confidence: float = 0.95) -> dict[str, Any] | None:
    """Mean difference with its Student t interval over planes; no interval from one plane."""
    if not differences:
        return None
    values = np.asarray(differences, dtype=np.float64)
    mean, n = float(values.mean()), len(values)
    if n < 2:
        return {"mean": mean, "low": None, "high": None, "n": n}
    spread = float(values.std(ddof=1) / np.sqrt(n))
    half = float(stats.t.ppf(0.5 + confidence / 2.0, n - 1)) * spread
    return {"mean": mean, "low": mean - half, "high": mean + half, "n": n}


def _labels(
    shared: list[tuple[Mapping[str, Any], Mapping[str, Any]]],
) -> dict[str, Any] | None:
    if not shared:
        return None
    parts = [part for first, second in shared for part in _both(first, second)]
    one = np.concatenate([first for first, _ in parts])
    two = np.concatenate([second for _, second in parts])
    both = (one >= 0) & (two >= 0)
    one, two = one[both], two[both]
    if not len(one):
        return None
    changed = one != two
    rate = binomial_rate(int(changed.sum()), len(one))
    return asdict(
        Labels(
            len(one),
            int(changed.sum()),
            rate.rate,
            rate.low,
            rate.high,
            _moves(one[changed], two[changed]),
        )
    )


def _both(
    first: Mapping[str, Any], second: Mapping[str, Any]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Labels that both audits may have of a plane's inputs, -1 where one was not asked.

    That is its scattered points, and its label map where both drew one of the same density.
    """
    one, two = _points(first), _points(second)
    if one is not None and two is not None:
        yield _flat(one["labels"]), _flat(two["labels"])
    maps = first["label_map"], second["label_map"]
    if None not in maps and np.shape(maps[0]) == np.shape(maps[1]):
        yield _map_labels(first), _map_labels(second)


def _map_labels(plane: Mapping[str, Any]) -> NDArray[np.int64]:
    """The labels of a plane's map in one row, -1 where the model was not asked.

    A picture that was drawn by refinement is asked at some nodes and filled in between.
    """
    labels = np.concatenate([_flat(row) for row in plane["label_map"]])
    picture = plane.get("picture")
    if picture is None:
        return labels
    asked = np.array([node == "1" for row in picture["asked"] for node in row])
    return np.where(asked, labels, -1)


def _flat(labels: list[int | None]) -> NDArray[np.int64]:
    return np.array([-1 if label is None else label for label in labels], dtype=np.int64)


def _moves(
    one: NDArray[np.int64], two: NDArray[np.int64], most: int = 5
) -> tuple[tuple[int, int, int], ...]:
    if not len(one):
        return ()
    pairs, counts = np.unique(np.stack([one, two], axis=1), axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:most]
    return tuple((int(pairs[i, 0]), int(pairs[i, 1]), int(counts[i])) for i in order)


def _trigger(report: Mapping[str, Any]) -> dict[str, Any] | None:
    trigger = report.get("trigger")
    if not trigger:
        return None
    best = trigger.get("best") or {}
    return {
        "suspicious": trigger["suspicious"],
        "p": trigger["p"],
        "family": best.get("family"),
        "target": best.get("target"),
        "success": best.get("success"),
    }


def _finding_moves(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Ids of the second report's findings that are new or kept, and what it no longer holds.

    An id names the model it is about, so the first report's findings are looked at as if they
    were about the second's.
    """
    then = {one.id: one for one in findings_of({**old, "fingerprint": new["fingerprint"]})}
    now = {one.id: one for one in findings_of(new)}
    gone = [one for one in then.values() if one.id not in now]
    return {
        "new": [name for name in now if name not in then],
        "kept": [name for name in now if name in then],
        "gone": [{"kind": one.kind, "text": one.text} for one in gone],
    }
