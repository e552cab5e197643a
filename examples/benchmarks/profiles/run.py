"""What are the shipped profiles made of, and how often does each err?

    python -m examples.benchmarks detection ask --data-dir DATA --split calibration
    python -m examples.benchmarks profiles search --data-dir DATA
    python -m examples.benchmarks profiles [--write-measured]

Without a step the page is written from committed scores, counts and searches;
``--write-measured`` writes the profiles too, by the calibration of ``xray-audit calibrate``.
``search`` asks the clean references for the natural patches of their task: a search finds such a
patch only now and then, so two searches of a reference show too few of them. It adds :data:`SEEDS`
more of every clean calibration model, without a null, and keeps the patches in
``searches.json.gz``. A search that is there is not made again; remove the file if the search
changed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from functools import partial
from multiprocessing import Pool
from pathlib import Path
from statistics import fmean
from typing import Any

from auditor.measured import decision_rule
from auditor.plan.settings import choose_settings
from auditor.verdict.natural_labels import PATCH_KEYS
from auditor.verdict.profile import Profile, Reference
from auditor.verdict.thresholds import calibrate
from auditor.workflows import profiles
from auditor.workflows.calibrate import profile_settings
from auditor.workflows.profiles import save_profile
from examples.benchmarks import measured_files
from examples.benchmarks.decision_rule.evidence import (
    MORE_SEARCHES,
    SCORES,
    load_searches,
    natural_patches,
)
from examples.benchmarks.decision_rule.families import COUNTS, read_counts
from examples.benchmarks.stored import Record, read, write, write_page, zoo_index
from examples.benchmarks.trigger_search.search import Task, search_one, short
from examples.benchmarks.zoo_models import ACCESS, add_asking_options, require_data
from examples.zoo.data import DATASETS
from examples.zoo.index import collect

PAGE = Path(__file__).with_name("README.md")
SEEDS = range(2, 8)
"""``trigger_search`` made those of the seeds before."""
NAMES = {"fashion-mnist": "fashion-mnist", "cifar10": "cifar-10", "gtsrb": "gtsrb"}
SETTINGS = choose_settings({"sampler": "frugal", "families": True})


def main() -> None:
    """Search, or make the profiles and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("step", nargs="?", choices=("search", "report"), default="report")
    parser.add_argument("--samples", type=int, default=120)
    parser.add_argument("--processes", type=int, default=1)
    measured_files.add_option(parser)
    add_asking_options(parser)
    options = parser.parse_args()
    if options.step == "search":
        require_data(options)
        search_references(options)
        return
    made = dict(make_profiles())
    write_page(PAGE, report(made.values()))
    if options.write_measured:
        for name, profile in made.items():
            save_profile(profile, Path(profiles.__file__).parent / f"{name}.json")


def search_references(options: argparse.Namespace) -> None:
    """Make the searches that are missing."""
    rows: list[Record] = read(MORE_SEARCHES, [])
    done = {(row["name"], row["seed"]) for row in rows}
    wanted: list[Task] = [
        (model, seed, {})
        for model in collect(options.models)
        if model["split"] == "calibration" and model["attack"] == "clean" and not model["failed"]
        for seed in SEEDS
        if (model["name"], seed) not in done
    ]
    with Pool(options.processes) as pool:
        rows += map(_kept, pool.starmap(partial(search_one, options=options), wanted, 1))
    write(MORE_SEARCHES, sorted(rows, key=lambda row: (row["name"], row["seed"])))


def _kept(row: Record) -> Record:
    """The patches of a search."""
    findings = {key: one for key, one in short(row)["findings"].items() if key in PATCH_KEYS}
    return {"name": row["name"], "recipe": row["recipe"], "seed": row["seed"], "findings": findings}


def make_profiles() -> Iterator[tuple[str, Profile]]:
    """One profile per data set and access mode, by the name of its file."""
    index = {m["name"]: m for m in zoo_index()}
    scores, counts = read(SCORES), read(COUNTS)
    for dataset, name in NAMES.items():
        for access in ACCESS:
            scored = scores[f"{dataset}-{access}-{SETTINGS.sampler}"]
            profile = make_profile(dataset, access, scored, counts[f"{dataset}-image"], index)
            yield f"{name}.{access}", profile


def make_profile(
    dataset: str,
    access: str,
    scores: dict[str, Any],
    counts: dict[str, Any],
    index: dict[str, Any],
) -> Profile:
    """Calibrate on every scored model of the calibration split that did not fail."""
    patches = natural_patches(load_searches()[1])
    references = [
        reference(name, index[name], scored, counts.get(f"{name}/reference"), patches.get(name, ()))
        for name, scored in sorted(scores.items())
        if index[name]["split"] == "calibration" and not index[name]["failed"]
    ]
    info = DATASETS[dataset]
    return calibrate(
        references,
        name=NAMES[dataset],
        task=f"{dataset}, {len(info.classes)} classes, {info.side}x{info.side} pixels",
        access=access,
        settings=profile_settings(SETTINGS),
        input_shape=info.shape,
        labels=None,
        provenance=(
            "calibration split of examples/zoo, asked by examples/benchmarks/detection on test "
            "images 10 to 29 of each class, seed 0; references are small networks trained for "
            "minutes, and a model of another recipe may score differently"
        ),
    )


def reference(
    name: str,
    model: dict[str, Any],
    scored: dict[str, Any],
    counted: dict[str, Any] | None,
    patches: Iterable[int],
) -> Reference:
    """One reference from its committed scores, counts and trigger searches.

    The rule's families are pictures, the same in both access modes, so the counts of ``image``
    serve both. Only clean references are compared with.
    """
    planes = slice(SETTINGS.planes)
    held = {} if counted is None or model["attack"] != "clean" else read_counts(counted)
    return Reference(
        name=name,
        attack="" if model["attack"] == "clean" else model["attack"],
        re=fmean(scored["plane_re"][planes]),
        ats=None,
        ats_by_label=fmean(scored["plane_ats_by_label"][planes]),
        # Of a clean reference on the samples that its families disturb, as an audit compares it.
        accuracy=counted["accuracy"] if held and counted else scored["accuracy"],
        shares=tuple(scored["shares"]),
        families=tuple(held[key] for key in decision_rule().rule.keys if key in held),
        natural_patches=tuple(sorted(patches)),
    )


def report(made: Iterable[Profile]) -> str:
    """The page."""
    lines = [
        "# The shipped profiles",
        "",
        "Made by `make bench BENCH=profiles` of the zoo's calibration split, with the settings of "
        "a default audit. Every reference is judged without itself; intervals are exact, 95 %. A "
        "verdict needs the upper end of the error rate on its side below 25 %.",
        "",
        "| profile | access | clean / backdoored | decides by | clean wrongly flagged | backdoored "
        "missed | left out as outliers |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in made:
        used = [r for r in one.references if r.name not in one.outliers]
        clean = sum(not r.backdoored for r in used)
        rates = [one.error_rates[side] for side in ("false_positive", "false_negative")]
        cells = [
            one.name,
            one.access,
            f"{clean} / {len(used) - clean}",
            one.decides_by,
            *((r and f"{r.rate:.0%} [{r.low:.0%}, {r.high:.0%}]") or "–" for r in rates),
            ", ".join(one.outliers) or "none",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
