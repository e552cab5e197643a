"""Leg A, servers: the kinds of faults, how each may end, and the ledger afterwards."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from auditor.workflows.prepare import STORE_NAME
from examples.benchmarks.hostile.clients import (
    Outcome,
    Place,
    Shim,
    ledger,
    plain,
    side_by_side,
    tool,
)

LIMIT_S, PLAIN_LIMIT_S, RSS_MIB = 40.0, 12.0, 32.0
ERROR, DONE = frozenset({"error"}), frozenset({"complete"})
DOUBT = frozenset({"inconclusive"})
ANY = ERROR | DONE
TOGETHER = {True: 8, False: 2}
"""Clients side by side: many where a kind only ends in errors, which is mostly waiting for
deadlines, and as many as there are cores where labels are worked on."""
Job = tuple[Callable[[], Outcome], float]
Leg = tuple[str, str, str, bool]
"""Title, reach, measured, reached."""

REMOTE: Mapping[str, Mapping[str, frozenset[str]]] = {
    "transport": {
        "refused": ERROR, "dns": ERROR, "bad-ca": ERROR, "wrong-host": ERROR,
        "reset-before": ERROR, "reset-middle": ERROR, "short-body": ERROR, "silence": ERROR,
        "tls-drip": ERROR, "header-drip": ERROR, "body-drip": ERROR, "endless-1xx": ERROR,
    },
    "HTTP": {
        "redirect-here": ERROR, "redirect-away": ERROR, "redirect-metadata": ERROR,
        "status-401": ERROR, "status-403": ERROR, "status-408": DONE, "status-413": DONE,
        "throttle-seconds": DONE, "throttle-date": DONE, "throttle-days": ERROR,
        "status-500": ERROR, "error-in-200": ERROR,
    },
    "body": {
        "gzip": ERROR, "gzip-twice": ERROR, "zstd": ERROR, "brotli": ERROR, "endless-body": ERROR,
        "endless-chunks": ERROR, "bad-utf8": ERROR, "surrogate": ERROR, "truncated-json": ERROR,
        "deep-json": ERROR, "huge-integer": ERROR, "nan": ERROR, "duplicate-keys": ERROR,
        "html": ERROR,
    },
    "label": {
        "label-escape": ANY, "label-bidi": ANY, "label-markup": ANY, "label-formula": ANY,
        "label-megabyte": ERROR, "label-growing": DOUBT | ERROR,
    },
    "meaning": {
        "swap": DOUBT, "ab-routing": DOUBT, "noise": DOUBT, "constant": DOUBT, "shuffled": DOUBT,
        "replay": DOUBT,
    },
}  # fmt: skip
"""Kind -> how this tool may end. ``complete`` always means: every label is the honest one."""


@dataclass(frozen=True)
class Bench:
    """Where everything is.

    Attributes:
        base: URL of the plain server.
        ports: port of each listener.
        folder: for everything that is written.
        shim: the failing file system.
    """

    base: str
    ports: Mapping[str, int]
    folder: Path
    shim: Shim

    def place(self, kind: str, run: str) -> Place:
        """Where ``kind`` is asked in the run ``run``."""
        path, ca = f"{kind}/{run}", str(self.folder / "ca.pem")
        if kind == "refused":
            return Place(f"http://127.0.0.1:1/{path}", ca)
        if kind == "dns":
            return Place(f"http://no-such-host.invalid/{path}", ca)
        if kind in self.ports:
            return Place(f"https://localhost:{self.ports[kind]}/{path}", ca)
        return Place(f"{self.base}/{path}", ca, kind.startswith("label"))


@dataclass(frozen=True)
class Row:
    """One kind's line in the table: how both clients ended, and whether that is right."""

    group: str
    kind: str
    ours: str
    passed: bool
    theirs: str
    baseline: bool
    mib: float = 0.0


def run_faults(bench: Bench) -> list[Row]:
    """All kinds of a server's faults, by both clients."""
    kinds = [(g, k, allowed) for g, some in REMOTE.items() for k, allowed in some.items()]
    ends: dict[tuple[str, int], Outcome] = {}
    for waiting, most in TOGETHER.items():
        jobs = {
            key: job
            for _, kind, allowed in kinds
            if waiting == (allowed == ERROR)
            for key, job in _jobs(bench, kind).items()
        }
        ends.update(side_by_side(jobs, most))
    return [_remote(bench, *kind, ends) for kind in kinds]


def _jobs(bench: Bench, kind: str) -> dict[tuple[str, int], Job]:
    """The work of this tool (1) and of the plain client (2)."""
    output = bench.folder / f"a-{kind}"
    ours, theirs = (bench.place(kind, f"{kind}-{n}") for n in (1, 2))
    return {
        (kind, 1): (lambda: tool(ours, output), LIMIT_S),
        (kind, 2): (lambda: plain(theirs, output), PLAIN_LIMIT_S),
    }


def _remote(
    bench: Bench,
    group: str,
    kind: str,
    allowed: frozenset[str],
    ends: Mapping[tuple[str, int], Outcome],
) -> Row:
    ours, theirs = ends[kind, 1], ends[kind, 2]
    good = ours.end in allowed and _sound(ours) and _within(ours)
    wrong = books(bench.base, f"{kind}-1", bench.folder / f"a-{kind}")
    base = theirs.end in ANY and _sound(theirs) and _within(theirs)
    return Row(group, kind, said(ours, wrong), good and not wrong, said(theirs), base, ours.rss_mib)


def _sound(outcome: Outcome) -> bool:
    return outcome.end != "complete" or bool(outcome.facts["sound"])


def _within(outcome: Outcome) -> bool:
    return outcome.rss_mib <= RSS_MIB and outcome.seconds < LIMIT_S


def books(base: str, run: str, output: Path) -> str:
    """The error of the client's ledger beside the server's; empty if there is none.

    They must agree to the query, and where no connection ever stands nothing may be charged. Only
    queries that the client itself lists as of unknown outcome (cut off when the audit ended, or
    when it was killed, before it could tell whether they had left) may be missing at the server.
    """
    asked = int(ledger(base, run)["inputs"])
    sent, unknown = charged(output)
    if sent - unknown <= asked <= sent:
        return ""
    return f"LEDGER WRONG: {sent} charged, {unknown} unknown, {asked} asked"


def charged(output: Path) -> tuple[int, int]:
    """Queries that the store of ``output`` charges, and those of them of unknown outcome."""
    with sqlite3.connect(output / STORE_NAME) as db:
        (sent,) = db.execute("SELECT coalesce(sum(value), 0) FROM ledger WHERE entry = 'sent'")
        # An intent that nothing closed becomes unknown as soon as the store is opened again.
        (unknown,) = db.execute(
            "SELECT coalesce(sum(length(items)), 0) FROM "
            "(SELECT items FROM unknown UNION ALL SELECT items FROM intents)"
        )
    db.close()
    return int(sent[0]), int(unknown[0]) // 4


def said(outcome: Outcome, wrong: str = "") -> str:
    """The end of one client, in a few words."""
    text = outcome.end if not outcome.what else f"{outcome.end}: {outcome.what[:40]}"
    if outcome.end == "complete" and not outcome.facts["sound"]:
        text = "wrong labels, unnoticed"
    if outcome.rss_mib > RSS_MIB:
        text += f", +{outcome.rss_mib:,.0f} MiB"
    return f"{text}, {wrong}" if wrong else text


def as_table(rows: list[Row]) -> list[str]:
    """The rows as Markdown."""
    lines = [
        "| group | fault | this tool | | httpx + tenacity + dict | |",
        "|---|---|---|---|---|---|",
    ]
    mark: dict[bool, Any] = {True: "yes", False: "**no**"}
    lines += [
        f"| {r.group} | {r.kind} | {r.ours} | {mark[r.passed]} | {r.theirs} | {mark[r.baseline]} |"
        for r in rows
    ]
    return lines
