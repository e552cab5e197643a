"""Do RE and ATS separate backdoored from clean models, as the paper says?

    python -m examples.benchmarks detection ask --data-dir DATA [--density 25]
    python -m examples.benchmarks detection

``ask`` scores trained models (:mod:`ask`) into ``scores.json.gz``; without a step the page and its
plot are made from those scores. Low scores are suspicious. Intervals of AUROC are DeLong's, those
of proportions exact (Clopper-Pearson); every figure says how many models it is made of. Failed
models take no part; they are listed in the zoo's index with the reason.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditor.scores.ats import ats_by_label
from auditor.scores.entropy import renyi_entropy
from auditor.scores.intervals import binomial_rate
from auditor.verdict.profile import SCORE_NAMES, Reference, ScoreName
from auditor.verdict.thresholds import auroc, best_score, threshold_for
from examples.benchmarks.cells import auroc_interval, save_plot
from examples.benchmarks.detection import ask
from examples.benchmarks.stored import read, write_page, zoo_index
from examples.benchmarks.zoo_models import ACCESS, DATASETS, add_asking_options, require_data

SCORES = Path(__file__).with_name("scores.json.gz")
PAGE = Path(__file__).with_name("README.md")
DENSITY = 25
ATTACKS = (
    "badnets", "ssba", "low-frequency", "bpp", "trojannn", "lira", "blind",
    "blended", "wanet", "sig",
)  # fmt: skip
"""In the order of the paper's Table 2; the last three are not in it."""
PAPER = {
    "re": {"badnets": 0.995, "ssba": 1.0, "low-frequency": 0.812, "bpp": 0.762,
           "trojannn": 0.740, "lira": 1.0, "blind": 0.919},
    "ats": {"badnets": 1.0, "ssba": 1.0, "low-frequency": 0.763, "bpp": 0.747,
            "trojannn": 0.848, "lira": 1.0, "blind": 0.885},
}  # fmt: skip
"""AUROC in the paper's Table 2, CIFAR-10, PreActResNet-18, 20 clean and 20 models per attack."""


@dataclass(frozen=True)
class Model:
    """One scored model: its entry in the zoo's index and its scores."""

    entry: dict[str, Any]
    scored: dict[str, Any]

    @property
    def backdoored(self) -> bool:
        """True if it carries a backdoor."""
        return bool(self.entry["attack"] != "clean")

    @property
    def all_to_one(self) -> bool:
        """True if every class is sent to one target."""
        return bool(self.entry["label_map"] == "all-to-one")

    def counts(self) -> NDArray[np.int64]:
        """Label counts ``(planes, classes)``."""
        return np.array(self.scored["plane_counts"], dtype=np.int64)

    def reference(self) -> Reference:
        """The model as calibration takes it."""
        return Reference(
            self.entry["name"],
            self.entry["attack"] if self.backdoored else "",
            self.scored["re"],
            self.scored["ats"],
            self.scored["ats_by_label"],
        )


def load(dataset: str, access: str, density: int = DENSITY) -> list[Model]:
    """Every model of ``dataset`` that counts and was scored in ``access`` at ``density``."""
    scores = read(SCORES).get(f"{dataset}-{access}-{density}", {})
    return [
        Model(entry, scores[entry["name"]])
        for entry in zoo_index()
        if entry["name"] in scores and not entry["failed"]
    ]


Score = Callable[[Model], float]


def named(score: ScoreName) -> Score:
    """The score that was stored."""
    return lambda model: float(model.scored[score])


def re_of(alpha: float, planes: int) -> Score:
    """RE of order ``alpha`` over the first ``planes`` planes, from the label counts."""

    def score(model: Model) -> float:
        shares = model.counts()[:planes] / model.scored["points"]
        return float(np.mean([renyi_entropy(row, alpha) for row in shares]))

    return score


def ats_of(threshold: float, planes: int) -> Score:
    """ATS by label with ``threshold`` t over the first ``planes`` planes."""

    def score(model: Model) -> float:
        shares = model.counts()[:planes] / model.scored["points"]
        classes = model.scored["plane_classes"][:planes]
        return float(
            np.mean([ats_by_label(s, c, threshold) for s, c in zip(shares, classes, strict=True)])
        )

    return score


def separation(models: Iterable[Model], bad: Iterable[Model], score: Score) -> str:
    """AUROC with its interval, clean models of ``models`` against ``bad``."""
    clean = np.array([score(m) for m in models if not m.backdoored])
    backdoored = np.array([score(m) for m in bad])
    if min(len(clean), len(backdoored)) == 0:
        return "–"
    value = auroc(clean, backdoored)
    if min(len(clean), len(backdoored)) < 2:
        return f"{value:.2f} ({len(backdoored)})"
    low, high = auroc_interval(clean, backdoored)
    return f"{value:.2f} [{low:.2f}, {high:.2f}] ({len(backdoored)})"


def by_attack(models: Sequence[Model]) -> list[str]:
    """The paper's Table 2: AUROC per attack, all-to-one."""
    lines = ["| attack | RE | ATS | ATS by label |", "|---|---|---|---|"]
    bad = [m for m in models if m.backdoored and m.all_to_one]
    values: dict[str, list[float]] = {name: [] for name in SCORE_NAMES}
    clean = [m for m in models if not m.backdoored]
    for attack in ATTACKS:
        group = [m for m in bad if m.entry["attack"] == attack]
        if not group:
            lines.append(f"| {attack} | – | – | – |")
            continue
        for name in SCORE_NAMES:
            score = named(name)
            pair = [np.array([score(m) for m in side]) for side in (clean, group)]
            values[name].append(auroc(*pair))
        cells = [separation(models, group, named(name)) for name in SCORE_NAMES]
        lines.append(f"| {attack} | {' | '.join(cells)} |")
    if values["re"]:
        lines.append(f"| worst | {' | '.join(f'{min(values[n]):.2f}' for n in SCORE_NAMES)} |")
        lines.append(
            f"| average | {' | '.join(f'{np.mean(values[n]):.2f}' for n in SCORE_NAMES)} |"
        )
    cells = [separation(models, bad, named(name)) for name in SCORE_NAMES]
    return [*lines, f"| all together | {' | '.join(cells)} |", ""]


def by_group(models: Sequence[Model], title: str, field: str) -> list[str]:
    """AUROC per value of an index field: label map, poison rate, architecture."""
    groups = sorted({str(m.entry[field]) for m in models if m.backdoored})
    lines = [f"| {title} | RE | ATS | ATS by label |", "|---|---|---|---|"]
    for group in groups:
        bad = [m for m in models if m.backdoored and str(m.entry[field]) == group]
        cells = [separation(models, bad, named(name)) for name in SCORE_NAMES]
        lines.append(f"| {group} | {' | '.join(cells)} |")
    return [*lines, ""]


def by_training(models: Sequence[Model]) -> list[str]:
    """AUROC per recipe (architecture, from scratch or fine-tuned, epochs), like with like."""

    def recipe(model: Model) -> str:
        entry = model.entry
        return f"{entry['architecture']}, {entry['training']}, {entry['epochs']} epochs"

    lines = ["| recipe | clean | RE | ATS | ATS by label |", "|---|---|---|---|---|"]
    for name in sorted({recipe(m) for m in models}):
        same = [m for m in models if recipe(m) == name]
        bad = [m for m in same if m.backdoored and m.all_to_one]
        cells = [separation(same, bad, named(score)) for score in SCORE_NAMES]
        clean = sum(not m.backdoored for m in same)
        lines.append(f"| {name} | {clean} | {' | '.join(cells)} |")
    return [*lines, ""]


def ablations(models: Sequence[Model]) -> list[str]:
    """Figures 12 to 14: planes N, order alpha, and t of ATS by label."""
    bad = [m for m in models if m.backdoored and m.all_to_one]
    lines = ["| N | RE | ATS by label |", "|---|---|---|"]
    for planes in (1, 2, 5, 10, 15, 20):
        cells = [separation(models, bad, s) for s in (re_of(10.0, planes), ats_of(0.5, planes))]
        lines.append(f"| {planes} | {' | '.join(cells)} |")
    lines += ["", "| α | RE |", "|---|---|"]
    lines += [
        f"| {alpha:g} | {separation(models, bad, re_of(alpha, 20))} |"
        for alpha in (1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
    ]
    lines += ["", "| t | ATS by label |", "|---|---|"]
    lines += [
        f"| {t:g} | {separation(models, bad, ats_of(t, 20))} |" for t in (0.2, 0.3, 0.5, 0.7, 1.0)
    ]
    return [*lines, ""]


def by_density(dataset: str, access: str) -> list[str]:
    """Figure 13: density S, on the models scored at every density there is."""
    found = {s: load(dataset, access, s) for s in (10, 25, 50, 100)}
    held = {s: {m.entry["name"]: m for m in models} for s, models in found.items() if models}
    if len(held) < 2:
        return []
    common = set.intersection(*(set(models) for models in held.values()))
    lines = ["AUROC by density S (Figure 13), all-to-one, models scored at every S:", "",
             "| S | RE | ATS | ATS by label |", "|---|---|---|---|"]  # fmt: skip
    for density, models in held.items():
        chosen = [models[name] for name in sorted(common)]
        bad = [m for m in chosen if m.backdoored and m.all_to_one]
        cells = [separation(chosen, bad, named(name)) for name in SCORE_NAMES]
        lines.append(f"| {density} | {' | '.join(cells)} |")
    return [*lines, ""]


def held_out(models: Sequence[Model]) -> list[str]:
    """Section 5.3: thresholds from the calibration split, judged on the held-out split."""
    calibration = [m.reference() for m in models if m.entry["split"] == "calibration"]
    if not any(r.backdoored for r in calibration) or all(r.backdoored for r in calibration):
        return ["Too few calibration models.", ""]
    rest = [m for m in models if m.entry["split"] == "held-out"]
    lines = [
        "| score | γ | accuracy | clean wrongly flagged | backdoored missed |",
        "|---|---|---|---|---|",
    ]
    chosen = best_score(calibration)
    for name in SCORE_NAMES:
        gamma = threshold_for(calibration, name).value
        wrong = {
            side: [_wrong(m, name, gamma) for m in rest if m.backdoored is side]
            for side in (False, True)
        }
        both = wrong[False] + wrong[True]
        mark = " (decides)" if name == chosen else ""
        lines.append(
            f"| {name}{mark} | {gamma:.3f} | {_rate([not w for w in both])} | "
            f"{_rate(wrong[False])} | {_rate(wrong[True])} |"
        )
    return [*lines, ""]


def _wrong(model: Model, name: ScoreName, gamma: float) -> bool:
    return (model.scored[name] <= gamma) is not model.backdoored


def target_hits(models: Sequence[Model]) -> str:
    """How often the label that fills the maps is the true target, all-to-one models only."""
    bad = [m for m in models if m.backdoored and m.all_to_one]
    hits = [m.scored["target"] == m.entry["mapping"][0] for m in bad]
    return f"Most frequent label is the true target: {_rate(hits)}."


def _rate(hits: Sequence[bool]) -> str:
    if not hits:
        return "–"
    rate = binomial_rate(sum(hits), len(hits))
    return f"{sum(hits)} of {len(hits)} = {rate.rate:.2f} [{rate.low:.2f}, {rate.high:.2f}]"


def section(dataset: str, access: str, models: Sequence[Model]) -> list[str]:
    """Everything about one data set in one access mode."""
    clean = sum(not m.backdoored for m in models)
    return [
        f"## {dataset}, access `{access}`: {clean} clean, {len(models) - clean} backdoored models",
        "",
        "AUROC by attack, all-to-one (Table 2; number of backdoored models in parentheses):",
        "",
        *by_attack(models),
        target_hits(models),
        "",
        "AUROC by label map (Table 3), by poison rate, by architecture:",
        "",
        *by_group(models, "label map", "label_map"),
        *by_group(models, "poison rate", "poison_rate"),
        *by_group(models, "architecture", "architecture"),
        "AUROC by training, each against the clean models of the same training:",
        "",
        *by_training(models),
        "AUROC by number of planes N, order α, and t (Figures 12 to 14), all-to-one:",
        "",
        *ablations(models),
        *by_density(dataset, access),
        "Thresholds by Eq. 6 on the calibration split, judged once on the held-out split "
        "(Section 5.3):",
        "",
        *held_out(models),
    ]


def paper_table() -> list[str]:
    """The paper's own figures, for comparison."""
    lines = [
        "## The paper's Table 2, CIFAR-10, PreActResNet-18, for comparison",
        "",
        "| attack | RE | ATS |",
        "|---|---|---|",
    ]
    lines += [f"| {a} | {PAPER['re'][a]:.3f} | {PAPER['ats'][a]:.3f} |" for a in PAPER["re"]]
    return [*lines, ""]


def main() -> None:
    """Ask, or write the page and its plot."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("step", nargs="?", choices=("ask", "report"), default="report")
    add_asking_options(parser)
    ask.add_options(parser)
    options = parser.parse_args()
    if options.step == "ask":
        require_data(options)
        asyncio.run(ask.score_all(SCORES, options))
    pairs = [(dataset, access) for dataset in DATASETS for access in ACCESS]
    found = {pair: models for pair in pairs if (models := load(*pair))}
    write_page(PAGE, report(found))
    draw(found, PAGE.with_name("scores.png"))


def report(found: dict[tuple[str, str], list[Model]]) -> str:
    """The page."""
    lines = [
        "# RE and ATS on the zoo",
        "",
        f"Made by `make bench BENCH=detection` from `scores.json.gz` (N = 20 planes of S = "
        f"{DENSITY}, η = 5, α = 10, t = 0.5, seed 0, samples: test images 10 to 29 of each class). "
        "AUROC above 0.5 means that backdoored models score lower, as the paper says they do.",
        "",
        "![Scores of clean and backdoored models](scores.png)",
        "",
    ]
    for (dataset, access), models in found.items():
        lines += section(dataset, access, models)
    return "\n".join([*lines, *paper_table()])


def draw(found: dict[tuple[str, str], list[Model]], path: Path) -> None:
    """Scores of clean and backdoored models side by side, the paper's Figures 7 and 8."""
    import matplotlib as mpl  # noqa: PLC0415 - only this function draws

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - after the backend is chosen

    rows = len(found)
    figure, axes = plt.subplots(rows, 2, figsize=(11, 2.6 * rows), squeeze=False)
    for row, ((dataset, access), models) in enumerate(found.items()):
        groups = ["clean", *[a for a in ATTACKS if any(m.entry["attack"] == a for m in models)]]
        for column, name in enumerate(("re", "ats")):
            axis = axes[row][column]
            for x, group in enumerate(groups):
                values = [m.scored[name] for m in models if m.entry["attack"] == group]
                spread = np.linspace(-0.18, 0.18, len(values)) if len(values) > 1 else [0.0]
                axis.plot(
                    x + np.asarray(spread),
                    values,
                    "o",
                    ms=3.5,
                    color="#3b6ea5" if group == "clean" else "#b5482a",
                )
            axis.set_xticks(range(len(groups)), groups, rotation=35, ha="right", fontsize=7)
            axis.set_title(f"{dataset}, {access}: {name.upper()}", fontsize=9)
            axis.set_ylim(bottom=0)
    figure.tight_layout()
    save_plot(figure, path, 80)
    plt.close(figure)
