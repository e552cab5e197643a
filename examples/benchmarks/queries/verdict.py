"""Queries to a verdict, and the errors of ending early, on the held-out models."""

from __future__ import annotations

import numpy as np

from auditor.scores.intervals import binomial_rate
from examples.benchmarks.held_out.tables import load_rows
from examples.benchmarks.queries.simulation import stored
from examples.benchmarks.stored import Record, read
from examples.benchmarks.trigger_search.search import DATA as SEARCHES

OPENING, PLANES_ALL, DISTURBED = 460, 970, 1120
"""Queries of an audit apart from its search, about: the first two rounds of planes with their
samples and 150 repeats; all planes with theirs; all families with the samples they disturb."""


def to_a_verdict() -> list[str]:
    """The queries of an audit with sequential stopping on held-out models, and its errors."""
    scored = load_rows()
    rows = [_verdict_cost(row, stored()["stopping"].get(row["name"])) for row in scored]
    groups = {"all-to-one backdoors": "all-to-one", "clean": "none"}
    cheapest = min(row["search"]["queries"] for row in scored if row["search"]["suspicious"])
    return [
        *_opening(),
        "",
        "| models | audits | suspected | queries of those: median | 95th percentile | before: "
        "median | queries of the others: median | before |",
        "|---|---|---|---|---|---|---|---|",
        *(
            _cost_row(name, [row for row in rows if row["label_map"] == kind])
            for name, kind in groups.items()
        ),
        "",
        "The goal of a median of 600 queries is not reached. What stands in the way is the "
        f"search: the cheapest one that found anything asked {cheapest:,}, their "
        "median is in the table, and nothing cheaper decides: planes alone separate at the AUROC "
        "above, families alone little better. An all-clear needs the search to its end.",
        "",
        "### Does looking after every round raise the error?",
        "",
        *peeking(stored()["stopping"]),
    ]


def _opening() -> list[str]:
    """How an audit stops, and what a search asks on the development models."""
    searches = development_searches()
    asked = {
        found: [row["queries"] for row in searches if row["suspicious"] is found]
        for found in (True, False)
    }
    now = [f(asked[found]) for found in (True, False) for f in (np.median, len)]
    return [
        "An audit asks two rounds of planes (256 points, their samples), then the trigger search. "
        "Where that convinces, it repeats 150 inputs and ends: families and the other 28 planes "
        "could take nothing back. Else the families follow in five rounds and end when the "
        "decision rule would say the same of 300 completions of the answers; if the rule suspects "
        "the model, the audit ends there too, else it asks its other planes: an all-clear rests on "
        "everything. Counted on the held-out models, whose answers and verdicts are those of "
        "[`held_out`](../held_out), made by the present search and rule; nothing was scored "
        "anew. On the development models the search takes a median of "
        f"{now[0]:,.0f} queries in {now[1]} searches that found a trigger and {now[2]:,.0f} in "
        f"{now[3]} that did not.",
    ]


def development_searches() -> list[Record]:
    """Searches of the development models with the present settings."""
    rows: list[Record] = read(SEARCHES)["rows"]
    return rows


def _verdict_cost(row: Record, stop: Record | None) -> Record:
    """Queries of one held-out model's audit, with and without stopping."""
    search, beside = row["search"], row["cross"]
    # A search that convinced while the rule beside references does not ended with a patch that
    # they show too.
    flagged = bool(beside["flagged"] if beside else search["suspicious"])
    families = DISTURBED if stop is None else DISTURBED - 1000 + float(np.mean(stop["asked"]))
    asked = OPENING + search["queries"]
    if not (search["suspicious"] and flagged):
        asked += families
    if not flagged:
        asked += PLANES_ALL - OPENING
    before = PLANES_ALL + DISTURBED + search["queries"]
    return {"label_map": search["label_map"], "flagged": flagged, "asked": asked, "before": before}


def _quantile(group: list[Record], key: str, at: float) -> str:
    return f"{np.quantile([row[key] for row in group], at):,.0f}" if group else "–"


def _cost_row(name: str, group: list[Record]) -> str:
    flagged = [row for row in group if row["flagged"]]
    others = [row for row in group if not row["flagged"]]
    rate = binomial_rate(len(flagged), len(group))
    cells = [
        name,
        f"{len(group)}",
        f"{rate.rate:.0%} [{rate.low:.0%}, {rate.high:.0%}]",
        _quantile(flagged, "asked", 0.5),
        _quantile(flagged, "asked", 0.95),
        _quantile(flagged, "before", 0.5),
        _quantile(others, "asked", 0.5),
        _quantile(others, "before", 0.5),
    ]
    return f"| {' | '.join(cells)} |"


def peeking(stops: Record) -> list[str]:
    """The words of families that end early, beside those of all of them."""
    lines = [
        "The early end of the families states that at most 1 % of audits would say something else "
        "after all 1,000 inputs. Every model below was judged in several random orders of asking "
        "(`queries stop`), looking after each of five rounds.",
        "",
        "| models | audits | said something else | wrongly suspected: all inputs | early | missed: "
        "all inputs | early | inputs asked: median | mean |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for split in ("held-out", "development"):
        group = [row for row in stops.values() if row["split"] == split]
        if group:
            lines.append(_peeking_row(split, group))
    lines += ["", "![Families that end early](stopping.png)"]
    return lines


def _peeking_row(split: str, group: list[Record]) -> str:
    said = [(row, word) for row in group for word in row["said"]]
    other = binomial_rate(sum(word is not row["all"] for row, word in said), len(said))
    clean = [row for row in group if row["group"] == "clean"]
    bad = [row for row in group if row["group"] not in NOT_ALL_TO_ONE]
    asked = [count for row in group for count in row["asked"]]
    cells = [
        f"{split}: {len(clean)} clean, {len(group) - len(clean)} backdoored",
        f"{len(said)}",
        f"{other.rate:.1%} [{other.low:.1%}, {other.high:.1%}]",
        f"{np.mean([row['all'] for row in clean]):.1%}",
        f"{np.mean([word for row in clean for word in row['said']]):.1%}",
        f"{np.mean([not row['all'] for row in bad]):.1%} ({len(bad)})",
        f"{np.mean([not word for row in bad for word in row['said']]):.1%}",
        f"{np.median(asked):,.0f}",
        f"{np.mean(asked):,.0f}",
    ]
    return f"| {' | '.join(cells)} |"


NOT_ALL_TO_ONE = ("clean", "x-to-one", "one-to-one", "x-to-x", "all-to-all")
