"""Writes ``trigger_search.md`` from the saved searches: ``python -m`` this module; asks nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from auditor.probes.trigger_search.search import KEYS
from examples.benchmarks.decision_data import ATTACKS, PATCHES, Record, rate_cell

HERE = Path(__file__).parent
NOTES = HERE / "trigger_search-notes.md"
RECOVERED = 0.9


def main() -> None:
    """Write the file."""
    data: dict[str, Any] = json.loads((HERE / "trigger_search.json").read_text(encoding="utf-8"))
    index = json.loads((HERE.parent / "zoo" / "index.json").read_text(encoding="utf-8"))
    targets = {m["name"]: set(m["mapping"]) - {-1} for m in index["models"]}
    rows = [{**row, "recovered": recovered(row, targets)} for row in data["rows"]]
    free = data["clean_without_null"]
    names = {row["name"] for row in rows}
    lines = [
        "# Trigger search on the development models",
        "",
        "    python -m examples.benchmarks.trigger_search --data-dir DATA --write-null",
        "    python -m examples.benchmarks.trigger_search_tables",
        "",
        f"Every development model of the zoo ({len(names)}: the calibration split, and held-out "
        "models that earlier tools were scored on), "
        f"{data['settings']['seeds']} searches each (a seed fixes the samples and the search), "
        f"{data['settings']['samples']} test images per search: half for the search, half for "
        "verification only. Default settings, 8-bit pictures, one row per search in "
        "[`trigger_search.json`](trigger_search.json). Every model is judged by a null that holds "
        "no model of its own recipe (data set, architecture, training). Intervals are exact, 95 %; "
        "searches of one model are not independent, so counts of models are given as well.",
        "",
        "## Clean models",
        "",
        *clean_lines([row for row in rows if row["attack"] == "clean"], free),
        "",
        "## Backdoored models",
        "",
        *attack_table(rows),
        "",
        *NOTES.read_text(encoding="utf-8").splitlines(),
    ]
    (HERE / "trigger_search.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def recovered(row: Record, targets: dict[str, set[int]]) -> bool:
    """Whether a verified patch sends at least 90 % of fresh samples to a true target."""
    target, hits, images, _ = row["findings"].get("patch", (-1, 0, 1, 0))
    return target in targets[row["name"]] and hits >= RECOVERED * images


def clean_lines(rows: Sequence[Record], free: Sequence[Record]) -> list[str]:
    """False alarms, queries, and what clean models allow."""
    flagged = [row for row in rows if row["suspicious"]]
    models = {row["name"] for row in rows}
    asked = [row["queries"] for row in free]
    highest = {
        key: max((f[1] / max(1, f[2]) for r in free if (f := r["findings"].get(key))), default=0.0)
        for key in KEYS
    }
    named = ", ".join(f"{r['name']} (seed {r['seed']}, {r['key']})" for r in flagged) or "none"
    return [
        f"{len(models)} models of {len({row['recipe'] for row in rows})} recipes, {len(rows)} "
        f"searches. Flagged: {rate_cell(len(flagged), len(rows))}; by models "
        f"{rate_cell(len({r['name'] for r in flagged}), len(models))}: {named}. Queries of a "
        f"search without a null, which never ends early: median {np.median(asked):,.0f}, 95th "
        f"percentile {np.quantile(asked, 0.95):,.0f}, most {max(asked):,}.",
        "",
        "| search | highest success on a clean model |",
        "|---|---|",
        *(f"| {key} | {value:.2f} |" for key, value in highest.items()),
    ]


def attack_table(rows: Sequence[Record]) -> list[str]:
    """Found, recovered and asked, by attack and label map."""
    lines = [
        "| attack, all-to-one unless said | models found at least once | searches flagged | "
        "target right | patch recovered | median queries: flagged | not |",
        "|---|---|---|---|---|---|---|",
    ]
    plain = [row for row in rows if row["label_map"] == "all-to-one"]
    groups: list[tuple[str, Callable[[Record], bool]]] = [
        (name, lambda row, name=name: row["attack"] == name)  # type: ignore[misc]  # bound now
        for name in ATTACKS
    ]
    groups.append(("**patches together**", lambda row: row["attack"] in PATCHES))
    groups.append(("**all ten**", lambda _: True))
    lines += [_row(name, [r for r in plain if kept(r)]) for name, kept in groups]
    maps = sorted({row["label_map"] for row in rows} - {"none", "all-to-one"})
    return lines + [_row(name, [r for r in rows if r["label_map"] == name]) for name in maps]


def _row(name: str, rows: Sequence[Record]) -> str:
    flagged = [row for row in rows if row["suspicious"]]
    others = [row for row in rows if not row["suspicious"]]
    found, models = {row["name"] for row in flagged}, {row["name"] for row in rows}
    medians = [
        f"{np.median([row['queries'] for row in part]):,.0f}" if part else "–"
        for part in (flagged, others)
    ]
    stamped = all(row["attack"] in PATCHES for row in rows) and rows[0]["label_map"] == "all-to-one"
    cells = [
        name,
        f"{len(found)} of {len(models)}",
        rate_cell(len(flagged), len(rows)),
        f"{sum(row['right'] for row in flagged)} of {len(flagged)}" if flagged else "–",
        rate_cell(sum(row["recovered"] for row in rows), len(rows)) if stamped else "–",
        *medians,
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
