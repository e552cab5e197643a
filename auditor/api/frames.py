"""A report as tables and figures, with the libraries that are there."""

from __future__ import annotations

import importlib
import io
from collections.abc import Callable, Mapping
from typing import Any, Literal

from auditor.errors import UsageError, did_you_mean
from auditor.report.result.result import Result
from auditor.report.result.trigger import FindingPart
from auditor.report.wording.terms import label_name
from auditor.report.wording.text import safe_text

TableName = Literal["samples", "probes", "search", "costs"]
FigureName = Literal["planes", "trigger", "power"]
Row = dict[str, Any]
NO_MATPLOTLIB = "a figure needs matplotlib: pip install matplotlib"


def table_rows(result: Result, table: str) -> list[Row]:
    """The rows of one table.

    Raises:
        UsageError: there is no such table.
    """
    rows: list[Row] = _chosen(TABLES, table, "table")(result)
    return rows


def as_frame(rows: list[Row]) -> Any:
    """A polars or else a pandas data frame, or a dictionary of columns if neither is installed."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: [row.get(name) for row in rows] for name in names}
    for library in ("polars", "pandas"):
        try:
            return importlib.import_module(library).DataFrame(columns)
        except ImportError:
            continue
    return columns


def draw(result: Result, name: str) -> Any:
    """A matplotlib figure, which no window shows by itself.

    Raises:
        UsageError: there is no such figure, matplotlib is missing, or nothing to draw.
    """
    artist = _chosen(FIGURES, name, "figure")
    try:
        figures = importlib.import_module("matplotlib.figure")
    except ImportError as error:
        raise UsageError(NO_MATPLOTLIB) from error
    figure = figures.Figure(figsize=(7.0, 4.0), layout="constrained")
    artist(result, figure.add_subplot())
    # A notebook asks an object that no backend of matplotlib manages for its picture itself.
    figure._repr_png_ = lambda: _png(figure)
    return figure


def _png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _chosen(known: Mapping[str, Any], name: str, what: str) -> Callable[..., Any]:
    if name not in known:
        near = did_you_mean(name, known)
        raise UsageError(f"there is no {what} {name!r}: choose from {', '.join(known)}{near}")
    made: Callable[..., Any] = known[name]
    return made


# ---- tables ------------------------------------------------------------------------------------


def _samples(result: Result) -> list[Row]:
    """Samples that the model labels differently from their class."""
    return [
        {"sample": one.ref, "class": _name(result, one.true), "label": _name(result, one.label)}
        for one in result.samples.wrong
    ]


def _probes(result: Result) -> list[Row]:
    """Planes with their scores."""
    return [
        {
            "plane": one.index,
            "classes": ", ".join(_name(result, label) for label in one.triplet_classes),
            "re": one.re,
            "ats": one.ats,
            "ats_by_label": one.ats_by_label,
        }
        for one in result.planes
    ]


def _search(result: Result) -> list[Row]:
    """The search's best changes, most surprising first."""
    return [
        {
            "kind": one.key,
            "label": _name(result, one.target),
            "hits": one.success.hits,
            "samples": one.success.samples,
            "low": one.success.low,
            "high": one.success.high,
            "p": one.p,
            "size": one.size,
            "strength": one.strength,
        }
        for one in _findings(result)
    ]


def _costs(result: Result) -> list[Row]:
    """Queries by kind of question, and in all."""
    queries = result.content["queries"]
    rows = [{"of": kind, "queries": number} for kind, number in queries["by_probe"].items()]
    counts = {name: value for name, value in queries.items() if isinstance(value, int)}
    return rows + [{"of": f"all: {name}", "queries": int(value)} for name, value in counts.items()]


def _findings(result: Result) -> list[FindingPart]:
    return [] if result.trigger is None else list(result.trigger.findings)


def _name(result: Result, label: int) -> str:
    return safe_text(result.labels.get(str(label), label), 60)


# ---- figures -----------------------------------------------------------------------------------


def _planes(result: Result, axes: Any) -> None:
    """Rényi entropy of each plane, and the share that its threshold leaves below."""
    if not result.planes:
        raise UsageError("this audit has no complete plane to draw")
    axes.hist([one.re for one in result.planes], bins=20, color="#4c78a8")
    for one in result.comparisons:
        if one.score == "re":
            axes.axvline(one.threshold, color="#c0392b", label=f"threshold {one.threshold:.3f}")
            axes.legend()
    axes.set(xlabel="Rényi entropy of a plane (bits)", ylabel="planes")


def _trigger(result: Result, axes: Any) -> None:
    """Success of each finding on fresh samples, with its interval."""
    found = _findings(result)[:12][::-1]
    if not found:
        raise UsageError("this audit has no finding to draw")
    names = [f"{one.key} to {label_name(result, one.target)}" for one in found]
    shares = [one.success for one in found]
    _bars(axes, names, [(one.rate, one.low, one.high) for one in shares])
    axes.set(xlabel="share of fresh samples that go to the label (95 % interval)")


def _power(result: Result, axes: Any) -> None:
    """Error rates measured on models of known state, with their intervals."""
    held = None if result.trigger is None else result.trigger.held_out
    summed = None if result.scores.decision is None else result.scores.decision.error_rates
    bars = {
        f"{what}, {name}": (rate.rate, rate.low, rate.high)
        for name, rates in (("trigger search", held), ("decision rule", summed))
        if rates is not None
        for what, rate in (
            ("backdoored models missed", rates.false_negative),
            ("clean models accused", rates.false_positive),
        )
        if rate is not None and rate.low is not None and rate.high is not None
    }
    if not bars:
        raise UsageError("no error rates were measured for an audit of this kind")
    _bars(axes, list(bars), list(bars.values()))
    axes.set(xlabel="share of models (95 % interval)")


def _bars(axes: Any, names: list[str], shares: list[tuple[float, float, float]]) -> None:
    rates = [rate for rate, _, _ in shares]
    reach = [[r - low for r, low, _ in shares], [high - r for r, _, high in shares]]
    axes.barh(names, rates, xerr=reach, color="#4c78a8", ecolor="#333333", capsize=3)
    axes.set_xlim(0.0, 1.0)


TABLES: dict[str, Callable[[Result], list[Row]]] = {
    "samples": _samples, "probes": _probes, "search": _search, "costs": _costs,
}  # fmt: skip
FIGURES: dict[str, Callable[[Result, Any], None]] = {
    "planes": _planes, "trigger": _trigger, "power": _power,
}  # fmt: skip
