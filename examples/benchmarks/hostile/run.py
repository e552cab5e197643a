"""How does the tool behave where everything goes wrong?

    python -m examples.benchmarks hostile [--legs ABC]

Ten legs; every server keeps a ledger of its own, which no client can influence. Prints a report
and writes it to the page.
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

HERE = Path(__file__).parent
RELOADED = "XRAY_HOSTILE_SHIM"
BESIDE, BESIDE_S = ("DI", "HJg"), 600.0
"""Legs that need not the bench's server and time nothing: two processes, beside the others."""


def main() -> None:
    """Run the legs asked for and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--legs", default="ABCDEFGHIJ", help="letters of the legs to run")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--audits", type=int, default=500, help="simulated audits of leg J")
    parser.add_argument("--report", type=Path, default=HERE / "README.md")
    options = parser.parse_args()
    _load_shim()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, _server(Path(folder)) as ports:
        bench = faults.Bench(f"http://127.0.0.1:{ports['plain']}", ports, Path(folder), Shim())
        rows: list[faults.Row] = []
        memory = preload(
            bench.place("honest", "preload"),
            bench.place("swap", "preload-2"),
            bench.folder / "preload",
        )
        beside = [_later(partial(_beside, letters, bench, options)) for letters in BESIDE]
        legs = _run([n for n in "ABC" if n in options.legs], bench, options, rows)
        for wait in beside:
            legs += wait()
        # E and F without company, because they are about time; G looks into all that was written.
        legs += _run([n for n in "EFG" if n in options.legs], bench, options, rows)
        legs = sorted(legs)
    text = _report(legs, rows, memory, time.monotonic() - began)
    options.report.write_text(text, encoding="utf-8")
    print(text)
    sys.exit(0 if all(leg[3] for leg in legs) else 1)


def _run(
    letters: Sequence[str],
    bench: faults.Bench,
    options: argparse.Namespace,
    rows: list[faults.Row],
) -> list[Leg]:
    legs: list[Leg] = []
    for letter in letters:
        took = time.monotonic()
        legs += _leg(letter, bench, options, rows)
        print(f"{letter}: {time.monotonic() - took:.0f} s {legs[-1][2]}", flush=True)
    return legs


def _beside(letters: str, bench: faults.Bench, options: argparse.Namespace) -> Outcome:
    """Legs that need no server, as a process of its own runs them."""
    legs = _run([n for n in letters if n.upper() in options.legs], bench, options, [])
    return Outcome("complete", facts={"legs": legs})


def _later(work: Callable[[], Outcome]) -> Callable[[], list[Leg]]:
    """Begin ``work`` in another process; the result waits for its legs."""
    process, pipe = start(work)

    def wait() -> list[Leg]:
        done = finish(process, pipe, BESIDE_S)
        if done.end == "complete":
            found: list[Leg] = done.facts["legs"]
            return found
        return [("Legs beside the servers", "", f"{done.end}: {done.what}", False)]

    return wait


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
    letter: str, bench: faults.Bench, options: argparse.Namespace, rows: list[faults.Row]
) -> list[Leg]:
    if letter == "A":
        rows += faults.run_faults(bench) + run_machine_faults(bench)
        for row in rows:
            print(f"  {row.kind}: {row.ours} | {row.theirs}", flush=True)
        ours, theirs = sum(r.passed for r in rows), sum(r.baseline for r in rows)
        said = f"{ours} of {len(rows)}; httpx + tenacity + dict: {theirs}"
        return [("A. Faults with a typed outcome and a right ledger", "60 of 60", said, ours == 60)]
    if letter == "B":
        return [legs.kills(bench, options.kills)]
    if letter == "J":
        return legs.drift(options.audits)
    return {
        "C": legs.sweep, "D": legs.memory, "E": legs.rate, "F": legs.dead, "G": labels.labels_leg,
        "H": legs.models, "I": legs.evidence, "g": legs.secrets,
    }[letter](bench)  # fmt: skip


def _report(
    legs: Sequence[Leg], rows: list[faults.Row], memory: tuple[float, float], seconds: float
) -> str:
    lines = [
        "# Where everything goes wrong",
        "",
        f"Made by `make bench BENCH=hostile` in {seconds / 60:.1f} minutes. Servers keep their own "
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
        "Memory is what the peak of resident memory grows by from the start of the audit, in a "
        "process that has imported what an audit imports, for both clients; pages of shared "
        f"libraries that the process touches for the first time are in it. An honest audit grows "
        f"by {warm:.0f} MiB so ({cold:.0f} with its imports), and the worst fault makes it "
        f"{worst.mib:.0f} MiB ({worst.kind}; {worst.mib + cold - warm:.0f} with the imports). One "
        "reply may take 16 MiB, and only one at a time."
    )
