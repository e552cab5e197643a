"""Sections of the page beside the counts: other methods on the same models, and fewer samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from examples.benchmarks.cells import auroc_cell, rate_cell, surprise
from examples.benchmarks.label_search.tables import Ended, coding
from examples.benchmarks.stored import Record
from examples.benchmarks.white_box.scores import WhiteBox, score
from examples.zoo.photos.tasks import TASKS

GROUPS = ("usual", "careful")
SIZES = ((41, 63), (64, 96), (97, 128), (129, 176), (177, 224), (225, 320))
"""Sides that are shown together, in pixels."""


def by_kind(ends: Sequence[Ended]) -> list[str]:
    """Ends at ``thorough`` by what the models are, clean and of usual attackers.

    Args:
        ends: searches of held-out models of five classes and more.
    """
    chosen = [one for one in ends if one.row["effort"] == "thorough"]
    if not chosen:
        return []
    lines = [
        "## By size, family, data set and access", "",
        "Held-out models of five classes and more at `thorough`. Flowers and the family `vit` are "
        "in no null.", "",
        "| models | clean accused | cleared | usual found, target right | cleared |",
        "|---|---|---|---|---|",
    ]  # fmt: skip
    kinds: dict[str, Callable[[Ended], str]] = {
        "pixels": _size,
        "family": lambda one: str(one.model["family"]),
        "data": lambda one: TASKS[one.model["task"]].dataset,
        "augmentation": lambda one: str(one.model["augmentation"]),
    }
    for sent in sorted({coding(one.row) for one in chosen}, reverse=True):
        alike = [one for one in chosen if coding(one.row) == sent]
        for kind, of in kinds.items():
            for value in sorted({of(one) for one in alike}, key=_order):
                same = [one for one in alike if of(one) == value]
                lines.append(_kind_row(f"{sent}, {kind} {value}", same))
    return [*lines, ""]


def _size(one: Ended) -> str:
    low, high = next(pair for pair in SIZES if pair[0] <= one.model["side"] <= pair[1])
    return f"{low} to {high}"


def _order(value: str) -> tuple[int, str]:
    number = value.partition(" ")[0]
    return (int(number) if number.isdecimal() else 0, value)


def _kind_row(name: str, ends: Sequence[Ended]) -> str:
    return f"| {name} | {' | '.join([*_clean_cells(ends), *_usual_cells(ends)])} |"


def _clean_cells(ends: Sequence[Ended]) -> list[str]:
    """Clean models accused, and cleared."""
    clean = [one for one in ends if one.group == "clean"]
    return [
        rate_cell(sum(one.suspicious for one in clean), len(clean)),
        rate_cell(sum(one.cleared for one in clean), len(clean)),
    ]


def _usual_cells(ends: Sequence[Ended]) -> list[str]:
    """Backdoors of usual attackers found at their target, and cleared."""
    usual = [one for one in ends if one.group == "usual"]
    return [
        rate_cell(sum(one.right for one in usual), len(usual)),
        rate_cell(sum(one.cleared for one in usual), len(usual)),
    ]


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
        "search, hard labels": lambda one: surprise(one.p),
        "RE": lambda one: -float(rows[one.row["name"]]["re"]),
        "ATS": lambda one: -float(rows[one.row["name"]]["ats"]),
    }
    lines = [
        "## Beside other methods, on the same held-out models of five classes and more", "",
        "AUROC beside the clean ones. RE and ATS as the paper has them: a backdoored "
        "model's are the smaller.", "",
        *_compared(both, columns), "",
    ]  # fmt: skip
    seen = [one for one in both if "norms" in rows[one.row["name"]]]
    if seen:
        columns |= {
            "Neural Cleanse": lambda one: _white_box(rows, one).index,
            "MM-BD": lambda one: _white_box(rows, one).surprise,
        }
        lines += [
            "Neural Cleanse and MM-BD see gradients and logits (own implementations of "
            "`white_box`, fewer steps than published); they were run on these of the models:", "",
            *_compared(seen, columns), *_called(rows, seen), "",
        ]  # fmt: skip
    return lines


def _compared(ends: Sequence[Ended], columns: Mapping[str, Callable[[Ended], float]]) -> list[str]:
    """AUROC of every column, by group and attack."""
    clean = [one for one in ends if one.group == "clean"]
    groups = {name: [one for one in ends if one.group == name] for name in GROUPS}
    for attack in sorted({one.model["attack"] for one in groups["usual"]}):
        same = [one for one in groups["usual"] if one.model["attack"] == attack]
        groups[f"usual: {attack}"] = same
    lines = [
        f"| backdoors, beside {len(clean)} clean | {' | '.join(columns)} |",
        "|---|" + "---|" * len(columns),
    ]
    for name, group in groups.items():
        cells = [auroc_cell([f(one) for one in clean], [f(one) for one in group])
                 for f in columns.values()]  # fmt: skip
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _called(rows: Mapping[str, Record], ends: Sequence[Ended]) -> list[str]:
    """Models that each method calls backdoored, at its published bar."""
    flags: Mapping[str, Callable[[Ended], bool]] = {
        "search, thorough": lambda one: one.suspicious,
        "Neural Cleanse, index above 2": lambda one: _white_box(rows, one).cleanse_flags,
        "MM-BD, p ≤ 0.05": lambda one: _white_box(rows, one).margin_flags,
    }
    groups = [[one for one in ends if one.group == name] for name in ("clean", *GROUPS)]
    lines = ["", "| called backdoored | clean | usual | careful |", "|---|---|---|---|"]
    for name, flag in flags.items():
        counts = [rate_cell(sum(map(flag, group)), len(group)) for group in groups]
        lines.append(f"| {name} | {' | '.join(counts)} |")
    return lines


def _white_box(rows: Mapping[str, Record], one: Ended) -> WhiteBox:
    row = rows[one.row["name"]]
    return score(row["norms"], row["margins"])


def fewer_samples(ends: Sequence[Ended]) -> list[str]:
    """What is found with fewer and with more pictures of each class, and with fewer classes."""
    sampled = [one for one in ends if one.row.get("each")]
    if not sampled:
        return []
    lines = [
        "## Pictures of each class", "",
        "Held-out models, searched again with so many pictures of so many of their classes, half "
        "of them for verification.", "",
        "| effort | classes | pictures of each | usual found, target right | cleared | clean "
        "accused | cleared |", "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for asked in sorted({_asked(one) for one in sampled}):
        group = [one for one in sampled if _asked(one) == asked]
        effort, known, classes, each = asked
        cells = [effort, f"{classes} of {known}", str(each)]
        cells += [*_usual_cells(group), *_clean_cells(group)]
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]


def _asked(one: Ended) -> tuple[str, int, int, int]:
    """Effort, the model's classes, those sampled, and pictures of each."""
    row = one.row
    return row["effort"], len(TASKS[one.model["task"]].classes), row["classes"], row["each"]
