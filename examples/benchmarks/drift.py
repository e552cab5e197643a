"""What the repeated queries catch, and what they may pass over: ``make bench-drift``.

How often honest runtimes and servers give a point of a plane another label, how much related models
disagree on such points, and what follows for a vendor who has another model answer a share of the
queries. Prints a report and writes ``examples/benchmarks/drift.md``; with a zoo of reference models
(``examples/zoo``) it holds the relatives among them too.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import numpy_helper

from adapters.registry import open_oracle
from auditor.labels.consistency import (
    ALPHA,
    TOLERATED,
    chance_of_finding,
    fewest_flips,
    least_caught,
)
from auditor.plan.plan import EXTRA_REPEATS, AuditPlan, build_plan
from auditor.plan.settings import AuditSettings, choose_settings
from auditor.samples.load import load_samples
from auditor.scores.intervals import binomial_rate
from tests.servers._park import needs, serving
from tests.servers._ways import WAYS, described

ASSETS = Path(str(resources.files("auditor.workflows.demo") / "assets"))
INDEX = Path(__file__).parents[1] / "zoo" / "index.json"
ZOO = Path.home() / ".cache" / "xray-audit" / "zoo"
SERVERS = ("kserve-v2-binary-float", "mlserver-v2-float")
POINTS, TORCH_POINTS, PAPER_POINTS = 5_000, 500, 500
MOST_PAIRS = 5
"""Pairs of models of one kind of kinship, so that a run takes minutes."""
SWAPPED, POWER = 0.02, 0.95
OWN = AuditSettings().canaries
Labels = NDArray[np.int64]
Points = NDArray[np.float32]
Ask = Callable[[Points], Labels]


def main() -> None:
    """Measure and write the report."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server is stopped too
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=POINTS)
    parser.add_argument("--servers", nargs="*", default=SERVERS, help="ways of tests/servers")
    parser.add_argument("--zoo", type=Path, default=ZOO)
    parser.add_argument("--report", type=Path, default=Path(__file__).with_suffix(".md"))
    options = parser.parse_args()
    frugal, paper = plan_of("frugal"), plan_of("paper")
    points = some_points(paper, options.points)
    text = "\n".join(
        [
            "# What repeated queries catch",
            "",
            "Made by `make bench-drift`. Points of the paper's planes through the demo's samples, "
            "drawn with seed 0; an interval is the exact 95 % interval of a share.",
            "",
            *steadiness(points, options),
            *relatives(all_points(frugal), points[:PAPER_POINTS], options.zoo),
            *theory(frugal.queries, paper.queries),
        ]
    )
    options.report.write_text(text + "\n", encoding="utf-8")
    print(text)


def plan_of(sampler: str) -> AuditPlan:
    """The default plan over the demo's samples."""
    given = load_samples(ASSETS / "fashion-mnist-samples.npz")
    order = sorted(set(given.classes), key=given.class_order.index)
    return build_plan(
        given.images.astype(np.float32) / 255.0,
        np.array([order.index(name) for name in given.classes]),
        given.refs,
        choose_settings({"sampler": sampler, "trigger_search": False}),
    )


def all_points(plan: AuditPlan) -> Points:
    """Every point of every plane."""
    return np.concatenate([probe.inputs(np.arange(probe.size)) for probe in plan.planes])


def some_points(plan: AuditPlan, count: int) -> Points:
    """``count`` points of the planes, in random order."""
    rng = np.random.default_rng(0)
    each = -(-count // len(plan.planes))
    found = [probe.inputs(rng.permutation(probe.size)[:each]) for probe in plan.planes]
    mixed: Points = rng.permutation(np.concatenate(found))[:count]
    return mixed


# ---- honest targets ----------------------------------------------------------------------------


def steadiness(points: Points, options: argparse.Namespace) -> list[str]:
    """How often points get another label from the same model."""
    rows = []
    for one in _runtimes(points, options.zoo):
        rows.append(_row(*one))
        print(rows[-1], flush=True)
    for way in (way for way in WAYS if way.name in options.servers and not needs(way.server)):
        with serving(way.server, ASSETS / "backdoored.onnx") as running:
            some = points[:5000] if way.table.get("access") == "image" else points
            rows.append(_row(f"server: {way.name}", *asyncio.run(asked_twice(running, way, some))))
        print(rows[-1], flush=True)
    return [
        "## How steady honest targets are",
        "",
        "Every point asked twice, each time in another random order, so that it travels with "
        "other points; servers in requests of up to 64 with 8 in flight, runtimes in batches of "
        "64 and then of 17.",
        "",
        "| target | flips of points | interval of the share |",
        "|---|---|---|",
        *rows,
        "",
        *margins(points, options.zoo),
    ]


PRECISIONS = {"float32": 24, "float16": 11, "bfloat16": 8}
"""Precision -> bits of a number's fraction, the leading one included."""


def margins(points: Points, zoo: Path) -> list[str]:
    """How many points rounding could decide, in each precision."""
    files = [ASSETS / "clean.onnx", ASSETS / "backdoored.onnx"]
    files += sorted(zoo.glob("fm-*-clean-*.onnx"))[::10]
    gaps = [_gaps(file, points) for file in files]
    rows = []
    for name, bits in PRECISIONS.items():
        near = [float((gap < 2.0 ** (1 - bits)).mean()) for gap in gaps]
        rows.append(f"| {name} | 2^-{bits - 1} | {_spread(near, 2)} |")
    return [
        "None of these machines was a GPU, where the order of a sum may depend on the batch. What "
        f"that can do at most: points whose two best scores lie within one rounding step of the "
        f"largest score, {len(points):,} points of each of {len(files)} models (median, smallest "
        "to largest). Where rounding decides, half of them get another label the second time.",
        "",
        "| computed in | step | points that rounding could decide |",
        "|---|---|---|",
        *rows,
        "",
        f"`auditor/labels/consistency.py` tolerates {TOLERATED:.1%} of flips: an audit ends only "
        f"if the flips seen had at most {ALPHA:.0%} chance on a model that is as unsteady as that. "
        "Single precision needs none of it, half precision half of the above; a target that sums "
        "bfloat16 in changing order may exceed it and is refused a verdict as unsteady.",
        "",
    ]


def _gaps(file: Path, points: Points) -> NDArray[np.float64]:
    """Distance of the two best scores over the largest, for each point."""
    session = onnxruntime.InferenceSession(file)
    name = session.get_inputs()[0].name
    scores = np.concatenate(
        [
            session.run(None, {name: points[start : start + 256]})[0]
            for start in range(0, len(points), 256)
        ]
    ).astype(np.float64)
    ranked = np.sort(scores, axis=1)
    gaps: NDArray[np.float64] = (ranked[:, -1] - ranked[:, -2]) / np.abs(scores).max(axis=1)
    return gaps


def _row(name: str, first: Labels, second: Labels) -> str:
    flips, size = int((first != second).sum()), len(first)
    rate = binomial_rate(flips, size)
    return f"| {name} | {flips} of {size:,} | {rate.low:.4%} to {rate.high:.4%} |"


def _runtimes(points: Points, zoo: Path) -> Iterator[tuple[str, Labels, Labels]]:
    for name in ("clean", "backdoored"):
        for threads in (1, 2):
            ask = onnx_labels((ASSETS / f"{name}.onnx").read_bytes(), threads)
            yield f"ONNX Runtime, {threads} threads, demo's {name}", *_twice(ask, points)
    for architecture in ("cnn", "vit", "preactresnet"):
        for file in sorted(zoo.glob(f"fm-{architecture}-*-clean-*.pt"))[:1]:
            for kind in ("float32", "bfloat16", "float16"):
                ask = torch_labels(file, architecture, kind)
                # Processors take long for convolutions in half precision.
                yield f"torch, {kind}, {file.stem}", *_twice(ask, points[:TORCH_POINTS])


def _twice(ask: Ask, points: Points) -> tuple[Labels, Labels]:
    found = []
    for seed, batch in ((1, 64), (2, 17)):
        order = np.random.default_rng(seed).permutation(len(points))
        labels = np.empty(len(points), dtype=np.int64)
        for start in range(0, len(order), batch):
            part = order[start : start + batch]
            labels[part] = ask(points[part])
        found.append(labels)
    return found[0], found[1]


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


def torch_labels(file: Path, architecture: str, kind: str) -> Ask:
    """Labels of a network of the zoo, computed in this precision."""
    import torch  # noqa: PLC0415 - not needed without a zoo

    from examples.zoo.architectures import build  # noqa: PLC0415 - it needs torch

    dtype = getattr(torch, kind)
    model = build(architecture, 1, 28, 10)
    model.load_state_dict(torch.load(file, weights_only=True))
    model = model.eval().to(dtype)

    def ask(batch: Points) -> Labels:
        with torch.no_grad():
            found: Any = model(torch.from_numpy(batch).to(dtype))
        return np.asarray(found.float().argmax(dim=1).numpy(), dtype=np.int64)

    return ask


async def asked_twice(running: Any, way: Any, points: Points) -> tuple[Labels, Labels]:
    """Labels of ``points`` from a running server, twice."""
    oracle = await open_oracle(described(running, way))
    try:
        found = []
        for seed in (1, 2):
            order = np.random.default_rng(seed).permutation(len(points))
            size = max(1, oracle.max_batch - 47 * (seed - 1))
            parts = [order[start : start + size] for start in range(0, len(order), size)]
            labels = np.empty(len(points), dtype=np.int64)
            await _ask_all(oracle, points, iter(parts), labels)
            found.append(labels)
        return found[0], found[1]
    finally:
        await oracle.aclose()


async def _ask_all(oracle: Any, points: Points, left: Iterator[Labels], labels: Labels) -> None:
    async def one() -> None:
        for part in left:
            batch = points[part]
            if oracle.input_spec.access == "image":
                batch = np.clip(batch, 0.0, 1.0)
            labels[part] = await oracle.predict_labels(batch)

    await asyncio.gather(*(one() for _ in range(8)))


# ---- relatives -----------------------------------------------------------------------------------


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
            f"| {one.name} | {len(one.frugal)} | {_spread(one.frugal)} | {_chances(one.frugal)} "
            f"| {_spread(one.paper)} | {_chances(one.paper)} |"
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
    demo: dict[str, bytes] = {
        name: (ASSETS / f"{name}.onnx").read_bytes() for name in ("clean", "backdoored")
    }
    given = [(f"demo-{name}", data) for name, data in demo.items()]
    pairs: dict[str, list[tuple[Named, Named]]] = {"the demo's backdoored one": [tuple(given)]}  # type: ignore[list-item]  # two
    listed = list(json.loads(INDEX.read_text(encoding="utf-8"))["models"])
    there = {
        one["name"]: one
        for one in listed
        if one["dataset"] == "fashion-mnist" and (zoo / f"{one['name']}.onnx").exists()
    }
    plain = [one for one in there.values() if one["attack"] == "clean" and not one["parent"]]
    recipe: dict[tuple[str, int], list[str]] = {}
    for one in plain:
        recipe.setdefault((one["architecture"], one["epochs"]), []).append(one["name"])
    pairs["same recipe, another seed"] = [
        ((a, None), (b, None))
        for names in recipe.values()
        for a, b in zip(names[::2], names[1::2], strict=False)
    ]
    pairs["same recipe with a backdoor"] = [
        ((recipe[key][0], None), (one["name"], None))
        for one in there.values()
        if one["attack"] in {"badnets", "wanet"} and not one["parent"]
        and (key := (one["architecture"], one["epochs"])) in recipe
    ]  # fmt: skip
    for title, clean in (("fine-tuned from it", True), ("a backdoor tuned into it", False)):
        pairs[title] = [
            ((one["parent"], None), (one["name"], None))
            for one in there.values()
            if one["parent"] in there and (one["attack"] == "clean") == clean
        ]
    for bits in (8, 6):
        pairs[f"its weights rounded to {bits} bits"] = [
            ((name, data), (f"{name} in {bits} bits", rounded(data, bits)))
            for name, data in [
                *given, *((n, (zoo / f"{n}.onnx").read_bytes()) for n in list(there)[::16])
            ]
        ]  # fmt: skip
    return pairs


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


def _spread(values: Sequence[float], digits: int = 1) -> str:
    median, least, most = (
        f"{value:.{digits}%}" for value in (np.median(values), min(values), max(values))
    )
    return f"{median} ({least} to {most})"


def _chances(apart: Sequence[float]) -> str:
    return _spread([chance_of_finding(flip_rate(d), OWN, OWN + EXTRA_REPEATS) for d in apart])


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


if __name__ == "__main__":
    main()
