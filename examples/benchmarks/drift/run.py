"""What do the repeated queries catch, and what may they pass over?

    python -m examples.benchmarks drift [--zoo FOLDER]

How often honest runtimes and servers give a point of a plane another label, how much related models
disagree on such points, and the consequence for a vendor who has another model answer a share of
the queries. Prints a report and writes the page; with a zoo of reference models (``examples/zoo``)
it holds the relatives among them too.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from adapters.registry import open_oracle
from auditor.labels.consistency import ALPHA, TOLERATED
from auditor.plan.plan import AuditPlan, build_plan
from auditor.plan.settings import choose_settings
from auditor.samples.load import load_samples
from auditor.scores.intervals import binomial_rate
from examples.benchmarks.drift.relatives import (
    ASSETS,
    Ask,
    Labels,
    Points,
    onnx_labels,
    relatives,
    spread,
    theory,
)
from examples.zoo import default_folder
from tests.servers._park import needs, serving
from tests.servers._ways import WAYS, described

SERVERS = ("kserve-v2-binary-float", "mlserver-v2-float")
POINTS, TORCH_POINTS, PAPER_POINTS = 5_000, 500, 500


def main() -> None:
    """Measure and write the report."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server is stopped too
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--points", type=int, default=POINTS)
    parser.add_argument("--servers", nargs="*", default=SERVERS, help="ways of tests/servers")
    parser.add_argument("--zoo", type=Path, default=default_folder())
    parser.add_argument("--report", type=Path, default=Path(__file__).with_name("README.md"))
    options = parser.parse_args()
    frugal, paper = plan_of("frugal"), plan_of("paper")
    points = some_points(paper, options.points)
    text = "\n".join(
        [
            "# What repeated queries catch",
            "",
            "Made by `make bench BENCH=drift`. Points of the paper's planes through the demo's "
            "samples, drawn with seed 0; an interval is the exact 95 % interval of a share.",
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
        rows.append(f"| {name} | 2^-{bits - 1} | {spread(near, 2)} |")
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
