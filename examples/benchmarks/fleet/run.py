"""What does a fleet of audits cost beyond the audits?

    python -m examples.benchmarks fleet --models 200

The same tiny models are audited one after another, by one worker and by two, a block of each in
turn, so that a machine that gets busier meanwhile does so for all. Prints a report and writes the
page, with the price of a fleet of 10,000 models.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from auditor.cli.fleet import build_entry, fleet_options
from auditor.engine.progress import span_text
from auditor.fleet.entries import Fleet
from auditor.fleet.file import read_fleet
from auditor.fleet.live import Live
from auditor.fleet.place import Place
from auditor.fleet.run import due, run_fleet, workers
from auditor.workflows.audit import run_audit
from examples.benchmarks.fleet.tiny import write_zoo

FLEET = """[defaults]
samples = "samples.npz"
range = [0.0, 1.0]
threads = 1
[[audit]]
models = "zoo/*.onnx"
"""
PRICED = 10_000


@dataclass
class Measured:
    """Sums over all blocks.

    Attributes:
        seconds: of each way, by its number of workers; 0 is one after another.
        within: seconds that the workers' audits took by themselves, by number of workers.
        memory: MiB of one worker after each block.
        load: the machine's load before each block.
    """

    audits: int = 0
    queries: int = 0
    stored: int = 0
    seconds: dict[int, float] = field(default_factory=lambda: {0: 0.0, 1: 0.0, 2: 0.0})
    within: dict[int, float] = field(default_factory=lambda: {1: 0.0, 2: 0.0})
    start: dict[int, float] = field(default_factory=dict)
    memory: list[float] = field(default_factory=list)
    load: list[float] = field(default_factory=list)


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", type=int, default=200)
    parser.add_argument("--block", type=int, default=10, help="models in turn for each way")
    parser.add_argument("--report", type=Path, default=Path(__file__).with_name("README.md"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        made = measure(Path(folder), options.models, options.block)
    page = "\n".join(report(made)) + "\n"
    print(page)
    options.report.write_text(page, encoding="utf-8")


def measure(folder: Path, models: int, block: int) -> Measured:
    """Audit ``models`` models in every way, ``block`` of them at a time."""
    write_zoo(folder, models, models // 5)
    (folder / "fleet.toml").write_text(FLEET, encoding="utf-8")
    fleet = read_fleet(folder / "fleet.toml", fleet_options())
    made = Measured()
    with started(1, made) as one, started(2, made) as two:
        for count, client in ((1, one), (2, two), (0, None)):
            # Imports are paid once a process, whatever the number of models.
            warm = replace(fleet, entries=fleet.entries[:2])
            turn(warm, folder / f"warm{count}", count, client, Measured())
        for first in range(0, models, block):
            part = replace(fleet, entries=fleet.entries[first : first + block])
            made.load.append(os.getloadavg()[0])
            for count, client in ((1, one), (2, two), (0, None)):
                turn(part, folder / f"out{count}", count, client, made)
            made.memory.append(float(max(one.run(resident).values())))
    made.audits = models
    return made


@contextmanager
def started(count: int, made: Measured) -> Iterator[Any]:
    """A cluster whose workers have imported everything."""
    began = time.monotonic()
    with workers(count, None) as client:
        client.run(imported)
        made.start[count] = time.monotonic() - began
        yield client


def imported() -> None:
    """Import everything that an audit needs."""
    __import__("auditor.cli.fleet")
    __import__("auditor.fleet.task")
    __import__("auditor.cli.request")


def resident() -> float:
    """MiB that this process holds."""
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def turn(fleet: Fleet, output: Path, count: int, client: Any, made: Measured) -> None:
    """Audit one block in one way."""
    began = time.monotonic()
    if not count:
        for entry in fleet.entries:
            request = build_entry(entry)
            asyncio.run(run_audit(replace(request, output=output / entry.name)))
        made.seconds[0] += time.monotonic() - began
        return
    todo = due(fleet, Place(str(output)))
    live = Live(lambda _: None, len(fleet.entries), 0, {}, terminal=False)
    rows = run_fleet(client, fleet, todo, str(output), build_entry, live)
    made.seconds[count] += time.monotonic() - began
    failed = {name: row["reason"] for name, row in rows.items() if row["outcome"] != "done"}
    assert not failed, failed
    made.within[count] += sum(row["seconds"] for row in rows.values())
    if count == 1:
        made.queries += sum(row["queries"] for row in rows.values())
        files = [path for name in rows for path in (output / name).rglob("*") if path.is_file()]
        made.stored += sum(path.stat().st_size for path in files)


def report(made: Measured) -> list[str]:
    """The page."""
    n, alone = made.audits, made.seconds[0]
    processors, most = os.cpu_count() or 1, max(made.load)
    busy = " It was busy: two workers shared the processors with others."
    overhead = (made.seconds[1] - made.within[1]) / n
    return [
        "# What a fleet costs beyond its audits",
        "",
        f"{n} tiny ONNX models (28 x 28 pixels, ten classes, every fifth backdoored), default "
        f"settings, one thread a model, on a machine with {processors} processors whose load was "
        f"{min(made.load):.0f} to {most:.0f} before each block.{busy * (most > 1.2 * processors)} "
        "Ratios come from one run, block by block in turn. One large model over several processes "
        "is [measured beside the fleet](../../../auditor/fleet/README.md#one-large-audit).",
        "",
        *_table(_figures(made, overhead)),
        f"## The price of {PRICED:,} models",
        "",
        "From the figures above, for models as small as these; larger ones take the time that "
        "`xray-audit plan` states.",
        "",
        *_table(_price(made, alone / n + overhead)),
        *limits(alone / n),
    ]


def _figures(made: Measured, overhead: float) -> list[tuple[str, str]]:
    n, alone, (one, two) = made.audits, made.seconds[0], (made.seconds[1], made.seconds[2])
    middle = made.memory[len(made.memory) // 2]
    return [
        ("seconds of an audit, one after another", f"{alone / n:.1f}"),
        ("efficiency of one worker (time one after another over its time)", f"{alone / one:.2f}"),
        ("efficiency of two workers (the same, over twice their time)", f"{alone / two / 2:.2f}"),
        ("speed of two workers over one", f"{one / two:.2f}"),
        ("seconds of scheduling, collecting and idling, per audit", f"{overhead:.3f}"),
        (
            "seconds to start one worker and two, imports included",
            f"{made.start[1]:.0f}, {made.start[2]:.0f}",
        ),
        (
            "MiB of a worker after the first block, in the middle, at the end",
            f"{made.memory[0]:.0f}, {middle:.0f}, {made.memory[-1]:.0f}",
        ),
        ("queries of an audit", f"{made.queries / n:,.0f}"),
        ("MiB of a bundle with its label store", f"{made.stored / n / 2**20:.2f}"),
    ]


def _price(made: Measured, seconds: float) -> list[tuple[str, str]]:
    queries, stored = made.queries / made.audits, made.stored / made.audits
    return [
        *((f"time, {w} at a time", span_text(PRICED * seconds / w)) for w in (1, 16, 64)),
        ("queries", f"{PRICED * queries:,.0f}"),
        ("money, at 1 a thousand queries", f"{PRICED * queries / 1000:,.0f}"),
        ("store", f"{PRICED * stored / 2**30:.1f} GiB"),
        ("clean models accused on average, at the measured 1 of 40", f"{PRICED / 40:.0f}"),
    ]


def _table(rows: list[tuple[str, str]]) -> list[str]:
    return ["| | |", "|---|---|", *(f"| {what} | {figure} |" for what, figure in rows), ""]


def limits(seconds: float) -> list[str]:
    """The scheduler's limits, beside what a fleet asks of it."""
    return [
        "Dask's documents [say](https://distributed.dask.org/en/latest/) that \"each task suffers "
        'about 1ms of overhead", in the one process of the scheduler: some '
        f"1,000 tasks a second are its limit. A fleet on 64 workers ends {64 / seconds:.0f} "
        "audits a second, and hands out at most two a worker thread at a time, so its 10,000 "
        "entries are never in the scheduler at once. Progress adds one message a second for each "
        "running audit; limits on a host add two to four messages a request, and their pot of "
        "queries four for every 256 queries.",
    ]


if __name__ == "__main__":
    main()
