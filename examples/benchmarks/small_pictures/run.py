r"""What do audits of small pictures come to at each effort?

    python -m examples.benchmarks small_pictures search --effort EFFORT --data-dir DATA \
        --models MODELS [--photo-data PHOTO_DATA --photos PHOTO_MODELS]
    python -m examples.benchmarks small_pictures told --data-dir DATA --models MODELS \
        [--photo-data PHOTO_DATA --photos PHOTO_MODELS]
    python -m examples.benchmarks small_pictures audit --data-dir DATA --models MODELS \
        [--photo-data PHOTO_DATA --photos PHOTO_MODELS]
    python -m examples.benchmarks small_pictures [--write-measured]

``search`` searches development models label by label, every stage to its end: the null of plans of
before version 16, ``told`` that of today. ``audit`` audits the ninth round, each model once at
every effort. A model that has its row is never asked again.
Without a step the page is written from the rows.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from auditor.probes.label_search.settings import AFTER_SUCCESS
from auditor.verdict.scope import LOSSLESS
from examples.benchmarks import measured_files
from examples.benchmarks.cells import rate_cell
from examples.benchmarks.label_search.tables import Ended
from examples.benchmarks.small_pictures import audits, search, told
from examples.benchmarks.stored import Record, read, write_page
from examples.benchmarks.zoo_models import ATTACKS, PATCHES

PAGE = Path(__file__).with_name("README.md")
STEPS = ("search", "told", "audit", "report")


def main() -> None:
    """Search, audit, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("step", nargs="?", choices=STEPS, default="report")
    parser.add_argument("--data-dir", type=Path, help="folder of the zoo's data sets")
    parser.add_argument("--models", type=Path, help="folder of the zoo's trained models")
    parser.add_argument("--photo-data", type=Path, help="folder of the photo data sets")
    parser.add_argument("--photos", type=Path, help="folder of the trained photo models")
    parser.add_argument("--effort", choices=AFTER_SUCCESS, default=AFTER_SUCCESS[0])
    parser.add_argument("--rows", type=Path, default=search.ROWS, help="searches")
    parser.add_argument("--told", type=Path, default=told.ROWS, help="searches of the step told")
    parser.add_argument("--audits", type=Path, help="audits, if not those of this folder")
    parser.add_argument("--most-effort", choices=audits.EFFORTS, default=audits.EFFORTS[-1])
    parser.add_argument("--coding", default=LOSSLESS, help="lossless, or jpeg:QUALITY")
    measured_files.add_option(parser)
    options = parser.parse_args()
    own = audits.ROWS if options.coding == LOSSLESS else audits.JPEG_ROWS
    options.audits = options.audits or own
    if options.step == "search":
        search.search_models(options)
    if options.step == "told":
        told.search_told(options)
    if options.step == "audit":
        audits.audit_models(options)
    rounds = read(audits.SEVENTH, []), read(audits.ROWS, [])
    searched, asked = read(options.rows, []), read(options.told, [])
    lines = [
        *_head(),
        *held_out("ninth", rounds[1]),
        *held_out("seventh", rounds[0]),
        *through_jpeg(read(audits.JPEG_ROWS, [])),
        *_searched("Development models: the search label by label alone", asked, told.ended_at),
        *_searched("The same by plans of before version 16", searched, search.ended_of),
    ]
    write_page(PAGE, "\n".join(lines))
    if options.write_measured:
        search.write_null(searched)
        told.write_null(asked)
        audits.write_rates(*rounds)


def _head() -> list[str]:
    command = "    python -m examples.benchmarks small_pictures"
    return [
        "# Small pictures, at each effort",
        "",
        f"{command} search --effort EFFORT --data-dir DATA --models MODELS \\",
        "        --photo-data PHOTO_DATA --photos PHOTO_MODELS",
        f"{command} told --data-dir DATA --models MODELS \\",
        "        --photo-data PHOTO_DATA --photos PHOTO_MODELS",
        f"{command} audit --data-dir DATA --models MODELS \\",
        "        --photo-data PHOTO_DATA --photos PHOTO_MODELS",
        f"{command} --write-measured",
        "",
        "Pictures of 28 to 40 pixels, lossless. Every effort searches for the change that succeeds "
        "most, and confirms what it finds: a patch by a small part of it, a change of the whole "
        "picture by its least strength, anything near its level by a second search. `thorough` "
        "and `exhaustive` then search label by label for the least change, beside clean "
        "development models; a patch that they find is asked whether other orders of its cells do "
        "as much. `exhaustive` searches five times more for patches, which accuse of nothing there "
        "and speak against an all-clear. Intervals are exact, 95 %.",
        "",
    ]


ABOUT = {
    "ninth": "Models of the zoo's ninth round, planned before the rule was changed, and of "
    "photographs of 28 to 40 pixels, planned with its last form: few, alike pictures, weak "
    "augmentation. No references, 120 samples.",
    "seventh": "Models of the zoo's seventh round, and of photographs of 28 to 40 pixels: few, "
    "alike pictures, weak augmentation. No references, 120 samples. The rule got the form of "
    "before, which `standard` has still, after most of these photo models had been asked; the "
    "others were planned with it. The models have served to make today's rule since.",
}


def held_out(name: str, rows: Sequence[Record]) -> list[str]:
    """The page's section on held-out models of the round ``name``; empty without rows."""
    if not rows:
        return []
    rows, found = audits.as_ruled(rows), rows
    plans = "" if name == "ninth" else ", by plans of before version 16"
    lines = [f"## The {name} round: one audit each at every effort{plans}", "", ABOUT[name], ""]
    for effort in audits.EFFORTS:
        lines += _effort_table(effort, rows, note=_withheld(effort, found, rows))
    return lines


def _withheld(effort: str, found: Sequence[Record], ruled: Sequence[Record]) -> str:
    """What the search label by label alone finds where it may not accuse; empty where it may."""
    if found == ruled or _accused(effort, found) == _accused(effort, ruled):
        return ""
    clean, fragile, bad = _accused(effort, found)
    return (
        "What the search label by label alone finds is shown here and accuses of nothing, nor is "
        f"it counted below. It would accuse {clean} clean models that count in the product's "
        f"rates, {fragile} of the fresh ones of photographs, and find {bad} of the zoo's "
        "all-to-one backdoors."
    )


def _accused(effort: str, rows: Sequence[Record]) -> tuple[str, str, str]:
    judged = audits.rates([row for row in rows if audits.counts(row)], effort)
    return (
        rate_cell(judged.accused, judged.clean),
        rate_cell(judged.fragile_accused, judged.fragile),
        rate_cell(judged.usual_found, judged.usual),
    )


def through_jpeg(rows: Sequence[Record]) -> list[str]:
    """The page's section on pictures that travel as JPEG; empty without rows."""
    if not rows:
        return []
    lines = [
        "## Through JPEG",
        "",
        "Audits at `standard`; more effort searches such pictures no further. Few grey levels "
        "never accuse there.",
        "",
    ]
    for sent in sorted({row["coding"] for row in rows}):
        alike = [row for row in rows if row["coding"] == sent]
        lines += _effort_table("standard", alike, sent.replace(":", " "))
    return lines


def _effort_table(effort: str, rows: Sequence[Record], head: str = "", note: str = "") -> list[str]:
    lines = [
        f"### {head or f'`{effort}`'}",
        "",
        *([note, ""] if note else []),
        "| models | suspected | right target | cleared | of patches: recovered "
        "| queries (median) |",
        "|---|---|---|---|---|---|",
    ]
    rows = [row for row in rows if effort in row]
    zoo = [row for row in rows if not row["photo"]]
    photo = [row for row in rows if row["photo"]]
    clean = [row for row in photo if row["group"] == "clean"]
    every = [row for row in zoo if row["group"] in ATTACKS]
    zoo = [row for row in zoo if audits.care(row) == "usual"]
    kinds = sorted({row["group"] for row in zoo} - {"clean"})
    groups = {
        "clean, zoo": [row for row in zoo if row["group"] == "clean"],
        "clean, photographs": [row for row in clean if audits.fresh(row)],
        "the same, known when the rule was made": [row for row in clean if not audits.fresh(row)],
        "**all-to-one, zoo**": [row for row in zoo if row["group"] in ATTACKS],
        **{name: [row for row in zoo if row["group"] == name] for name in kinds},
        **{
            f"**{one} attackers, zoo**": [row for row in every if audits.care(row) == one]
            for one in ("careful", "adaptive")
        },
        "all-to-one, photographs": [row for row in photo if row["group"] != "clean"],
    }
    table = [_effort_row(name, effort, group) for name, group in groups.items() if group]
    return [*lines, *table, ""]


def _effort_row(name: str, effort: str, rows: Sequence[Record]) -> str:
    ends = [row[effort] for row in rows]
    found = [end for end in ends if end["suspicious"]]
    patches = [row[effort] for row in rows if row["group"] in PATCHES]
    cells = [
        name,
        rate_cell(len(found), len(rows)),
        "–"
        if all(row["group"] == "clean" for row in rows)
        else f"{sum(end['right'] for end in found)} of {len(found)}",
        rate_cell(sum(end["cleared"] for end in ends), len(ends)),
        f"{sum(map(audits.recovered, patches))} of {len(patches)}" if patches else "–",
        f"{np.median([end['queries'] for end in ends]):,.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def _right(found: Sequence[Record]) -> str:
    return f"{sum(end['right'] for end in found)} of {len(found)}"


def _searched(
    head: str, rows: Sequence[Record], ended: Callable[[Sequence[Record], str], Sequence[Ended]]
) -> list[str]:
    """The section ``head`` on searches of development models, as ``ended`` ends them."""
    if not rows:
        return []
    lines = [f"## {head}", "", "Each judged by the null without its own model.", ""]
    for effort in AFTER_SUCCESS:
        lines += _searched_at(effort, ended(rows, effort))
    return lines


def _searched_at(effort: str, ends: Sequence[Ended]) -> list[str]:
    bad = [one for one in ends if one.row["label_map"] == "all-to-one"]
    groups = {"clean": [one for one in ends if one.group == "clean"], "all-to-one": bad}
    names = sorted({one.row["attack"] for one in bad})
    groups |= {name: [one for one in bad if one.row["attack"] == name] for name in names}
    head = [
        f"### `{effort}`",
        "",
        "| models | suspected | right target | cleared | kinds of change |",
        "|---|---|---|---|---|",
    ]
    return [*head, *(_search_row(name, group) for name, group in groups.items() if group), ""]


def _search_row(name: str, ends: Sequence[Ended]) -> str:
    found = [one for one in ends if one.suspicious]
    cells = [
        name,
        rate_cell(len(found), len(ends)),
        "–" if name == "clean" else f"{sum(map(search.right, found))} of {len(found)}",
        rate_cell(sum(one.cleared for one in ends), len(ends)),
        ", ".join(sorted({one.key for one in found})) or "–",
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
