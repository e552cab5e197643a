"""How many queries does a score need, and how many a verdict?

    python -m examples.benchmarks queries ask --data-dir DATA
    python -m examples.benchmarks queries fine --data-dir DATA
    python -m examples.benchmarks queries stop
    python -m examples.benchmarks queries [--dense FOLDER]

``ask`` and ``fine`` ask trained models (:mod:`ask`), ``stop`` judges committed answers in several
orders (:mod:`stopping`). Without a step audits are simulated on the label maps that ``ask`` wrote
to ``--dense`` (200 planes of 32 x 32 points per model), and the page and its plots are made.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt

from examples.benchmarks.cells import save_plot
from examples.benchmarks.queries import ask, stopping
from examples.benchmarks.queries.simulation import (
    AUDITS,
    FRUGAL,
    OTHERS,
    PAPER,
    Model,
    models,
    simulate,
    stored,
    truth_of,
)
from examples.benchmarks.queries.tables import (
    Done,
    by_architecture,
    coverage,
    errors,
    fine,
    negative,
    pictures,
    table,
)
from examples.benchmarks.queries.verdict import to_a_verdict
from examples.benchmarks.stored import Record, write_page
from examples.benchmarks.zoo_models import DATASETS, add_asking_options, require_data
from examples.zoo import default_folder

mpl.use("agg")
LABEL_MAPS = [
    "They are rebuilt by `python -m examples.zoo train` and `queries ask`. Those that this page "
    "was made of stood in the tree last at commit de71205:",
    "",
    "    git archive de71205 examples/benchmarks/dense | tar -x -C FOLDER",
    "    python -m examples.benchmarks queries --dense FOLDER/examples/benchmarks/dense",
]
PAGE = Path(__file__).with_name("README.md")


def main() -> None:
    """Ask, judge, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    steps = ("ask", "fine", "stop", "report")
    parser.add_argument("step", nargs="?", choices=steps, default="report")
    parser.add_argument(
        "--dense", type=Path, default=default_folder() / "dense", help="folder of label maps"
    )
    parser.add_argument("--pictures-only", action="store_true", help="with ask: no label maps")
    parser.add_argument("--each", type=int, default=1, help="with fine: models of each kind")
    add_asking_options(parser)
    options = parser.parse_args()
    if options.step in {"ask", "fine"}:
        require_data(options)
        {"ask": ask.ask, "fine": ask.ask_fine}[options.step](options)
    elif options.step == "stop":
        stopping.judge_all()
    else:
        write_report(options.dense)


def write_report(folder: Path) -> None:
    """Simulate, and write the page and the plots."""
    held = models(folder)
    if not held:
        raise SystemExit(
            f"{folder} holds no label maps: make them with the step ask, or take those of the page "
            "as its last section says"
        )
    truths = {model.entry["name"]: truth_of(model) for model in held}
    done = {
        row: {m.entry["name"]: simulate(m, row, truths[m.entry["name"]]) for m in held}
        for row in [*PAPER, *FRUGAL, *OTHERS]
    }
    write_page(PAGE, report(held, done))
    plot(held, done)
    plot_stops(stored()["stopping"])


def report(held: list[Model], done: Done) -> str:
    """The page."""
    lines = [
        "# How many queries a score needs",
        "",
        f"Made by `make bench BENCH=queries`: {len(held)} models of the zoo (calibration split, "
        f"and the vision transformers), access `float`, η = 5, α = 10, t = 0.5; {AUDITS} audits "
        "per model and row, simulated on the label maps of 200 planes (32 × 32 points each, planes "
        "drawn with replacement; [where they are](#where-the-label-maps-are)). *Error* is the root "
        "mean square difference from the mean "
        "over all 200 planes, averaged over models, and in brackets the models for which it is "
        "larger than that of `paper` with 20 whole planes. Which 20 planes are drawn is all of "
        "that row's error, so it stands for the paper's 200,000 queries (S = 100) too. Queries "
        "are points on planes; an audit adds its samples and repeats. *AUROC* and *target hit* are "
        "means over the simulated audits; their 95 % intervals (DeLong; exact binomial) are over "
        "the models, which is where nearly all of the doubt is.",
    ]
    for dataset in DATASETS:
        group = [m for m in held if m.entry["dataset"] == dataset]
        if group:
            lines += ["", f"## {dataset}", "", *table(group, done)]
    lines += ["", "## By architecture: `paper` with 20 whole planes against `frugal`", ""]
    lines += by_architecture(held, done)
    lines += ["", "## Other designs at the same cost", "", *negative(held, done)]
    lines += ["", "## Do the intervals hold?", "", *coverage(held, done)]
    lines += ["", "## Is the reference dense enough?", "", *fine(held)]
    lines += ["", "## Pictures", "", *pictures()]
    lines += ["", "## Queries to a verdict", "", *to_a_verdict()]
    lines += ["", "## Where the label maps are", "", *LABEL_MAPS]
    return "\n".join(lines)


def plot_stops(stops: Record) -> None:
    """When families end, and how often their word is another one then."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.6))
    rounds = [200, 400, 600, 800, 1000]
    kinds = {"clean": True, "backdoored": False}
    for number, (name, clean) in enumerate(kinds.items()):
        group = [row for row in stops.values() if (row["group"] == "clean") is clean]
        asked = [count for row in group for count in row["asked"]]
        shares = [np.mean([one == count for one in asked]) if asked else 0.0 for count in rounds]
        left.bar(np.array(rounds) + 70 * (number - 0.5), shares, 60, label=name)
        pairs = [
            (count, word is not row["all"])
            for row in group
            for count, word in zip(row["asked"], row["said"], strict=True)
        ]
        wrong = [
            np.mean([other and count <= r for count, other in pairs]) if pairs else 0.0
            for r in rounds
        ]
        right.plot(rounds, wrong, "o-", label=name)
    right.axhline(0.01, color="black", ls=":", label="stated")
    left.set(xlabel="disturbed samples asked", ylabel="share of audits that end")
    right.set(
        xlabel="disturbed samples asked", ylabel="audits that said something else", ylim=(0, 0.02)
    )
    left.legend()
    right.legend()
    figure.tight_layout()
    save_plot(figure, PAGE.with_name("stopping.png"), 110)


def plot(held: list[Model], done: Done) -> None:
    """Error of RE against queries, and agreement of pictures against queries."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4))
    for dataset, marker in (("fashion-mnist", "o"), ("cifar10", "s"), ("gtsrb", "^")):
        group = [m for m in held if m.entry["dataset"] == dataset]
        for rows, style in ((PAPER, "--"), (FRUGAL, "-")):
            points = [(row.queries, errors(group, done[row])[:, 0].mean()) for row in rows]
            left.plot(
                *zip(*points, strict=True), style + marker, label=f"{rows[0].name}, {dataset}"
            )
    left.set(xscale="log", yscale="log", xlabel="queries on planes", ylabel="error of RE (bits)")
    left.legend(fontsize=7)
    for planes in stored()["pictures"].values():
        for curve in planes:
            right.plot([p["queries"] for p in curve], [p["agreement"] for p in curve], lw=0.8)
    right.axhline(0.99, color="black", ls=":")
    right.set(xlabel="queries of 10,000", ylabel="agreement with the dense map")
    figure.tight_layout()
    save_plot(figure, PAGE.with_name("queries.png"), 110)
