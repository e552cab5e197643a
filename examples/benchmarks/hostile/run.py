"""How does the tool behave where everything goes wrong?

    python -m examples.benchmarks hostile [--legs ABC] [--resume]

Ten legs; every server keeps a ledger of its own, which no client can influence. Says at once how
long it will take, prints a report, and writes that of all legs to the page. Each leg is kept: a run
that was ended goes on with --resume, and a leg that took too long is run again by its letter.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from examples.benchmarks.hostile import faults, labels, legs
from examples.benchmarks.hostile.clients import Outcome, Shim, finish, preload, start
from examples.benchmarks.hostile.faults import Leg
from examples.benchmarks.hostile.machine import run_machine_faults
from examples.benchmarks.hostile.results import QUIET_S, Results, announcement, limit
from examples.benchmarks.stored import ROOT

HERE = Path(__file__).parent
RELOADED = "XRAY_HOSTILE_SHIM"
BESIDE = ("DI", "HJg")
"""Legs that need not the bench's server and time nothing: two processes, beside the others."""


def main() -> None:
    """Run the legs asked for and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--legs", default="ABCDEFGHIJ", help="letters of the legs to run")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--audits", type=int, default=500, help="simulated audits of leg J")
    parser.add_argument("--report", type=Path, default=HERE / "README.md")
    parser.add_argument("--results", type=Path, default=ROOT / "build" / "hostile")
    parser.add_argument("--resume", action="store_true", help="keep what the same code found")
    options = parser.parse_args()
    _load_shim()
    began = time.monotonic()
    letters = [n for n in "ABCDEFGHIJg" if n.upper() in options.legs]
    results = Results(options.results, resume=options.resume)
    print(announcement(letters, BESIDE), flush=True)
    with tempfile.TemporaryDirectory() as folder, _server(Path(folder)) as ports:
        bench = faults.Bench(f"http://127.0.0.1:{ports['plain']}", ports, Path(folder), Shim())
        memory = preload(
            bench.place("honest", "preload"),
            bench.place("swap", "preload-2"),
            bench.folder / "preload",
        )
        run = partial(_run, results=results, bench=bench, options=options)
        lanes = [[n for n in letters if n in lane] for lane in BESIDE]
        beside = [(start(partial(_beside, run, lane)), lane) for lane in lanes]
        run([n for n in "ABC" if n in letters])
        for (process, pipe), lane in beside:
            # Their legs end by themselves; this is for a lane that dies.
            finish(process, pipe, 2 * sum(map(limit, lane)) + 60)
        # E and F without company, because they are about time; G looks into all that was written.
        run([n for n in "EFG" if n in letters])
    found = [results.read(n) or ([(f"{n.upper()}.", "", "no result", False)], []) for n in letters]
    legs = sorted(leg for some, _ in found for leg in some)
    text = _report(legs, [row for _, some in found for row in some], memory, began)
    # The page is about all legs; a part of them is only printed, unless a file is named for it.
    if len(letters) == len(QUIET_S) or options.report != HERE / "README.md":
        options.report.write_text(text, encoding="utf-8")
    print(text)
    sys.exit(0 if all(leg[3] for leg in legs) else 1)


def _run(
    letters: Sequence[str], results: Results, bench: faults.Bench, options: argparse.Namespace
) -> None:
    for letter in letters:
        results.run(letter, partial(_leg, letter, bench, options))


def _beside(run: Callable[[Sequence[str]], None], letters: Sequence[str]) -> Outcome:
    """Legs that need no server, as a process of its own runs them."""
    run(letters)
    return Outcome("complete")


def _load_shim() -> None:
    """Start again with the failing file system loaded, where a C compiler is there to build it."""
    if os.environ.get(RELOADED):
        return
    os.environ[RELOADED] = "tried"
    folder = Path(tempfile.mkdtemp(prefix="xray-hostile-"))
    built = folder / "shim.so"
    command = ["cc", "-O1", "-shared", "-fPIC", "-o", str(built), str(HERE / "shim.c"), "-ldl"]
    with contextlib.suppress(OSError):
        if subprocess.run(command, check=False).returncode == 0:
            os.environ["LD_PRELOAD"] = str(built)
    again = ["-m", "examples.benchmarks", "hostile", *sys.argv[1:]]
    os.execv(sys.executable, [sys.executable, *again])  # noqa: S606 - itself


@contextlib.contextmanager
def _server(folder: Path) -> Iterator[dict[str, int]]:
    command = [sys.executable, "-m", "examples.benchmarks.hostile.server", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


def _leg(
    letter: str, bench: faults.Bench, options: argparse.Namespace
) -> tuple[list[Leg], list[faults.Row]]:
    if letter == "A":
        rows = faults.run_faults(bench) + run_machine_faults(bench)
        for row in rows:
            print(f"  {row.kind}: {row.ours} | {row.theirs}", flush=True)
        ours, theirs = sum(r.passed for r in rows), sum(r.baseline for r in rows)
        said = f"{ours} of {len(rows)}; httpx + tenacity + dict: {theirs}"
        title = "A. Faults with a typed outcome and a right ledger"
        return [(title, "60 of 60", said, ours == 60)], rows
    if letter == "B":
        return [legs.kills(bench, options.kills)], []
    if letter == "J":
        return legs.drift(options.audits), []
    return {
        "C": legs.sweep, "D": legs.memory, "E": legs.rate, "F": legs.dead, "G": labels.labels_leg,
        "H": legs.models, "I": legs.evidence, "g": legs.secrets,
    }[letter](bench), []  # fmt: skip


def _report(
    legs: Sequence[Leg], rows: list[faults.Row], memory: tuple[float, float], began: float
) -> str:
    minutes = (time.monotonic() - began) / 60
    lines = [
        "# Where everything goes wrong",
        "",
        f"Made by `make bench BENCH=hostile` in {minutes:.1f} minutes. Servers keep their own "
        "ledger; every client runs in a process of its own, so that a hang, a crash or "
        "a gigabyte is seen. Legs D, H, I, J and the tests of G run in two processes beside A, B "
        "and C; E and F, which are about time, have the machine to themselves. J holds for two "
        "models that disagree as much as it says: [drift](../drift) has closer relatives.",
        "",
        "| leg | reach | measured | reached |",
        "|---|---|---|---|",
    ]
    lines += [f"| {t} | {r} | {m} | {'yes' if ok else '**no**'} |" for t, r, m, ok in legs]
    if rows:
        lines += [
            "",
            "## The 60 faults",
            "",
            "Right means: a typed error, an inconclusive verdict with its reason, or every label "
            "as the honest model gives it; within "
            f"{faults.LIMIT_S:.0f} s and {faults.RSS_MIB:.0f} MiB; and a ledger that agrees with "
            "the server's to the query, but for queries that it lists as of unknown outcome; where "
            "no connection stands, nothing may be charged. For "
            "the baseline any exception counts as typed, and no ledger is asked for. Machine "
            f"faults are followed by a second run. Kinds that only end in errors run "
            f"{faults.TOGETHER[True]} at a time, the others {faults.TOGETHER[False]}.",
            "",
            _memory_words(rows, memory),
            "",
            *faults.as_table(rows),
        ]
    return "\n".join(lines) + "\n"


def _memory_words(rows: list[faults.Row], memory: tuple[float, float]) -> str:
    worst = max(rows, key=lambda row: row.mib)
    cold, warm = memory
    return (
        "Memory is what the peak of resident memory grows by from the start of the audit, mapped "
        "files such as shared libraries apart, in a process that has imported what an audit "
        "imports, for both clients. An honest audit grows "
        f"by {warm:.0f} MiB so ({cold:.0f} with its imports), and the worst fault makes it "
        f"{worst.mib:.0f} MiB ({worst.kind}; {worst.mib + cold - warm:.0f} with the imports). One "
        "reply may take 16 MiB, and only one at a time."
    )
