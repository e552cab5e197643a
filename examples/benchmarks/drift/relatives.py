"""How much related models disagree on points of planes, and what repeats can tell of that."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import numpy_helper

from auditor.labels.consistency import TOLERATED, chance_of_finding, fewest_flips, least_caught
from auditor.plan.fixed_probes import EXTRA_REPEATS
from auditor.plan.settings import AuditSettings
from examples.benchmarks.stored import Record, zoo_index

ASSETS = Path(str(resources.files("auditor.workflows.demo") / "assets"))
DEMO = ("clean", "backdoored")
MOST_PAIRS = 5
"""Pairs of models of one kind of kinship, so that a run takes minutes."""
SWAPPED, POWER = 0.02, 0.95
OWN = AuditSettings().canaries
Labels = NDArray[np.int64]
Points = NDArray[np.float32]
Ask = Callable[[Points], Labels]


def onnx_labels(model: bytes, threads: int = 1) -> Ask:
    """Labels of an ONNX file."""
    chosen = onnxruntime.SessionOptions()
    chosen.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model, chosen)
    name = session.get_inputs()[0].name

    def ask(batch: Points) -> Labels:
        labels: Labels = session.run(None, {name: batch})[0].argmax(axis=1).astype(np.int64)
        return labels

    return ask


@dataclass(frozen=True)
class Kin:
    """Models that are related in one way: shares of points on which each pair disagrees, among the
    frugal plan's points and among the paper's.
    """

    name: str
    frugal: list[float]
    paper: list[float]


def relatives(frugal: Points, paper: Points, zoo: Path) -> list[str]:
    """How much related models disagree, and how surely 2 % of answers from one are noticed."""
    known: dict[str, tuple[Labels, Labels]] = {}

    def labels(name: str, model: bytes | None = None) -> tuple[Labels, Labels]:
        if name not in known:
            ask = onnx_labels(model or (zoo / f"{name}.onnx").read_bytes())
            known[name] = _all(ask, frugal), _all(ask, paper)
        return known[name]

    kin = []
    for title, pairs in _pairs(zoo).items():
        both = [(labels(*a), labels(*b)) for a, b in pairs[:MOST_PAIRS]]
        if both:
            apart = [[float((a[i] != b[i]).mean()) for a, b in both] for i in (0, 1)]
            kin.append(Kin(title, *apart))
            print(kin[-1], flush=True)
    return [
        "## How much relatives disagree",
        "",
        f"Share of the points of planes on which two models disagree, and the chance that "
        f"{OWN} repeats (and {EXTRA_REPEATS} more where one flips) end an audit in which the "
        f"second answers {SWAPPED:.0%} of the queries: medians over pairs (smallest to largest).",
        "",
        "| second model | pairs | frugal points | chance | paper's points | chance |",
        "|---|---|---|---|---|---|",
        *(
            f"| {one.name} | {len(one.frugal)} | {spread(one.frugal)} | {_chances(one.frugal)} "
            f"| {spread(one.paper)} | {_chances(one.paper)} |"
            for one in kin
        ),
        "",
    ]


def _all(ask: Ask, points: Points) -> Labels:
    parts = [ask(points[start : start + 256]) for start in range(0, len(points), 256)]
    return np.concatenate(parts)


Named = tuple[str, bytes | None]


def _pairs(zoo: Path) -> dict[str, list[tuple[Named, Named]]]:
    """Pairs of models by how they are related."""
    demo = [(f"demo-{name}", (ASSETS / f"{name}.onnx").read_bytes()) for name in DEMO]
    pairs: dict[str, list[tuple[Named, Named]]] = {
        "the demo's backdoored one": [(demo[0], demo[1])]
    }
    there = {
        one["name"]: one
        for one in zoo_index()
        if one["dataset"] == "fashion-mnist" and (zoo / f"{one['name']}.onnx").exists()
    }
    pairs |= _siblings(there)
    for title, clean in (("fine-tuned from it", True), ("a backdoor tuned into it", False)):
        pairs[title] = [
            ((one["parent"], None), (one["name"], None))
            for one in there.values()
            if one["parent"] in there and (one["attack"] == "clean") == clean
        ]
    files = [*demo, *((n, (zoo / f"{n}.onnx").read_bytes()) for n in list(there)[::16])]
    for bits in (8, 6):
        pairs[f"its weights rounded to {bits} bits"] = [
            ((name, data), (f"{name} in {bits} bits", rounded(data, bits))) for name, data in files
        ]
    return pairs


def _siblings(there: Mapping[str, Record]) -> dict[str, list[tuple[Named, Named]]]:
    """Pairs of models of one recipe, trained from scratch."""
    scratch = [one for one in there.values() if not one["parent"]]
    recipe: dict[tuple[str, int], list[str]] = {}
    for one in scratch:
        if one["attack"] == "clean":
            recipe.setdefault((one["architecture"], one["epochs"]), []).append(one["name"])
    seeds: list[tuple[Named, Named]] = [
        ((a, None), (b, None))
        for names in recipe.values()
        for a, b in zip(names[::2], names[1::2], strict=False)
    ]
    backdoors: list[tuple[Named, Named]] = [
        ((recipe[key][0], None), (one["name"], None))
        for one in scratch
        if one["attack"] in {"badnets", "wanet"}
        and (key := (one["architecture"], one["epochs"])) in recipe
    ]
    return {"same recipe, another seed": seeds, "same recipe with a backdoor": backdoors}


def rounded(data: bytes, bits: int) -> bytes:
    """The ONNX file with every tensor of weights on a grid of ``2**bits`` values."""
    model = onnx.load_from_string(data)
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.ndim > 1:
            step = float(np.abs(values).max()) / 2 ** (bits - 1) or 1.0
            kept = (np.rint(values / step) * step).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(kept, tensor.name))
    made: bytes = model.SerializeToString()
    return made


def flip_rate(apart: float, share: float = SWAPPED) -> float:
    """Chance that two answers to one input differ."""
    return 2.0 * share * (1.0 - share) * apart


def spread(values: Sequence[float], digits: int = 1) -> str:
    """The median, smallest and largest of shares."""
    median, least, most = (
        f"{value:.{digits}%}" for value in (np.median(values), min(values), max(values))
    )
    return f"{median} ({least} to {most})"


def _chances(apart: Sequence[float]) -> str:
    return spread([chance_of_finding(flip_rate(d), OWN, OWN + EXTRA_REPEATS) for d in apart])


# ---- what is possible ------------------------------------------------------------------------


def theory(frugal: int, paper: int) -> list[str]:
    """What follows for any share of points on which the second model disagrees."""
    least = least_caught(OWN, OWN + EXTRA_REPEATS) or 0.0
    rows = []
    for apart in (0.75, 0.5, 0.3, 0.2, 0.11, 0.05, 0.02):
        rate = flip_rate(apart)
        ideal = math.ceil(math.log(1.0 - POWER) / math.log1p(-rate))
        rows.append(
            f"| {apart:.0%} | {chance_of_finding(rate, OWN, OWN + EXTRA_REPEATS):.1%} "
            f"| {repeats_needed(rate)} | {ideal:,} | {_ever(apart, frugal):.1%} "
            f"| {_ever(apart, paper):.1%} |"
        )
    return [
        "## What is possible",
        "",
        f"A second model answers {SWAPPED:.0%} of the queries and disagrees on a share of the "
        "points. Two answers to one input then differ with chance 2 s (1 - s) d; nothing that is "
        "asked once can tell. *Repeats for 95 %*: what `--canaries` must be, with the "
        f"{TOLERATED:.1%} of flips that a steady target may show, and where none is tolerated. "
        f"*Bound*: the chance that any answer at all comes out differently where all "
        f"{frugal:,} or {paper:,} queries are asked twice, beyond which no test of repeats gets.",
        "",
        f"| disagreement | chance with {OWN} + {EXTRA_REPEATS} | repeats for 95 % | none tolerated "
        f"| bound, {frugal:,} queries | bound, {paper:,} queries |",
        "|---|---|---|---|---|---|",
        *rows,
        "",
        f"With the default {OWN} repeats 95 % is reached from {least:.2%} of changed answers on: "
        f"a model that answers {SWAPPED:.0%} must disagree on {least / SWAPPED:.0%} of the points. "
        "Every report states this share for the repeats that it had.",
    ]


def repeats_needed(rate: float) -> str:
    """Fewest repeats, second looks apart, that find this rate of flips with 95 % chance."""
    if chance_of_finding(rate, 500_000, 500_000 + EXTRA_REPEATS) < POWER:
        return "none suffice: as rare as tolerated flips"
    low, high = 1, 500_000
    while low < high:
        middle = (low + high) // 2
        if chance_of_finding(rate, middle, middle + EXTRA_REPEATS) >= POWER:
            high = middle
        else:
            low = middle + 1
    return f"{low:,} ({fewest_flips(low + EXTRA_REPEATS)} flips)"


def _ever(apart: float, queries: int) -> float:
    return -math.expm1(queries * math.log1p(-flip_rate(apart)))
