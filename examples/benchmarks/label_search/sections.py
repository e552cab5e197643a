"""Sections of the page beside the counts: other methods on the same models, and fewer samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from examples.benchmarks.cells import auroc_cell, rate_cell
from examples.benchmarks.label_search.tables import Ended
from examples.benchmarks.stored import Record
from examples.benchmarks.white_box.scores import WhiteBox, score

GROUPS = ("usual", "careful")


def beside(ends: Sequence[Ended], rows: Mapping[str, Record]) -> list[str]:
    """The search at ``thorough`` beside plane scores and methods that see gradients.

    Args:
        ends: searches of lossless pictures of five classes and more.
        rows: what ``beside`` measured, by model.
    """
    both = [one for one in ends if one.row["effort"] == "thorough" and one.row["name"] in rows]
    if not both:
        return []
    columns: dict[str, Callable[[Ended], float]] = {
        "search, hard labels": lambda one: -np.log10(max(one.p, 1e-12)),
        "RE": lambda one: -float(rows[one.row["name"]]["re"]),
        "ATS": lambda one: -float(rows[one.row["name"]]["ats"]),
    }
    seen = all("norms" in rows[one.row["name"]] for one in both)
    if seen:
        columns |= {
            "Neural Cleanse": lambda one: _white_box(rows, one).index,
            "MM-BD": lambda one: _white_box(rows, one).surprise,
        }
    clean = [one for one in both if one.group == "clean"]
    lines = [
        "## Beside other methods, on the same held-out models of five classes and more", "",
        f"AUROC beside {len(clean)} clean models. RE and ATS as the paper has them: a backdoored "
        "model's are the smaller. Neural Cleanse and MM-BD, where they were run, see gradients and "
        "logits (own implementations of `white_box`, fewer steps than published).", "",
        f"| backdoors | {' | '.join(columns)} |", "|---|" + "---|" * len(columns),
    ]  # fmt: skip
    groups = {name: [one for one in both if one.group == name] for name in GROUPS}
    for attack in sorted({one.model["attack"] for one in groups["usual"]}):
        same = [one for one in groups["usual"] if one.model["attack"] == attack]
        groups[f"usual: {attack}"] = same
    for name, group in groups.items():
        cells = [auroc_cell([f(one) for one in clean], [f(one) for one in group])
                 for f in columns.values()]  # fmt: skip
        lines.append(f"| {name} | {' | '.join(cells)} |")
    if seen:
        lines += _called(rows, clean, groups)
    return [*lines, ""]


def _called(
    rows: Mapping[str, Record], clean: list[Ended], groups: Mapping[str, list[Ended]]
) -> list[str]:
    """Models that each method calls backdoored, at its published bar."""
    flags: Mapping[str, Callable[[Ended], bool]] = {
        "search, thorough": lambda one: one.suspicious,
        "Neural Cleanse, index above 2": lambda one: _white_box(rows, one).cleanse_flags,
        "MM-BD, p ≤ 0.05": lambda one: _white_box(rows, one).margin_flags,
    }
    lines = ["", "| called backdoored | clean | usual | careful |", "|---|---|---|---|"]
    for name, flag in flags.items():
        counts = [rate_cell(sum(map(flag, group)), len(group))
                  for group in (clean, groups["usual"], groups["careful"])]  # fmt: skip
        lines.append(f"| {name} | {' | '.join(counts)} |")
    return lines


def _white_box(rows: Mapping[str, Record], one: Ended) -> WhiteBox:
    row = rows[one.row["name"]]
    return score(row["norms"], row["margins"])


def fewer_samples(ends: Sequence[Ended]) -> list[str]:
    """What is found with fewer and with more pictures of each class."""
    sampled = [one for one in ends if one.row.get("each")]
    if not sampled:
        return []
    lines = [
        "## Pictures of each class", "",
        "Held-out models, searched again at `thorough` with so many pictures of each class, half "
        "of them for verification.", "",
        "| classes | pictures of each | usual found, target right | cleared | clean accused | "
        "cleared |", "|---|---|---|---|---|---|",
    ]  # fmt: skip
    for classes, each in sorted({(one.row["classes"], one.row["each"]) for one in sampled}):
        group = [o for o in sampled if (o.row["classes"], o.row["each"]) == (classes, each)]
        usual = [one for one in group if one.group == "usual"]
        clean = [one for one in group if one.group == "clean"]
        cells = [
            rate_cell(sum(one.right for one in usual), len(usual)),
            rate_cell(sum(one.cleared for one in usual), len(usual)),
            rate_cell(sum(one.suspicious for one in clean), len(clean)),
            rate_cell(sum(one.cleared for one in clean), len(clean)),
        ]
        lines.append(f"| {classes} | {each} | {' | '.join(cells)} |")
    return [*lines, ""]
