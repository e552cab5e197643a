"""Legs B to F and H to J: crashes, memory, rates, the tests' corpora, and swapped models."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from auditor.engine.contract import EngineLimits
from auditor.labels.consistency import TOLERATED, Repeats, check_consistency, wants_extra_repeats
from auditor.plan.plan import build_plan
from auditor.plan.settings import AuditSettings, choose_settings
from auditor.samples.load import load_samples
from auditor.scores.intervals import binomial_rate
from examples.benchmarks.hostile import crashes
from examples.benchmarks.hostile.clients import (
    PATIENCE_S,
    Outcome,
    ledger,
    side_by_side,
    tool,
    watched,
)
from examples.benchmarks.hostile.faults import Bench, Leg
from examples.benchmarks.hostile.results import busy, limit
from examples.benchmarks.stored import ROOT

ASSETS = Path(str(resources.files("auditor.workflows.demo") / "assets"))
LANES = 3
"""Legs B and C are shared out to so many processes: half of what they do is waiting."""


def _parts(title: str, works: Sequence[Callable[[], Any]]) -> list[Any]:
    """What each of ``works`` gives, side by side, each in a process of its own."""
    jobs = {
        (title, number): (
            lambda work=work: Outcome("complete", facts={"part": work()}),
            limit(title),
        )
        for number, work in enumerate(works)
    }
    ends = side_by_side(jobs, len(jobs))
    for end in ends.values():
        if end.end != "complete":
            raise SystemExit(f"{end.end} {end.what} after {end.seconds:.0f} s")
    return [ends[key].facts["part"] for key in jobs]


def kills(bench: Bench, wanted: int) -> Leg:
    """Leg B: kills at random moments."""
    shares = [wanted // LANES + (lane < wanted % LANES) for lane in range(LANES)]
    done = crashes.added(
        _parts("B", [partial(crashes.run_kills, bench, n, lane) for lane, n in enumerate(shares)])
    )
    most = crashes.BATCH * crashes.CONCURRENCY * done.kills
    said = (
        f"{done.kills} kills in {done.audits} audits, {done.committed:,} labels committed before "
        f"one: {done.lost} lost, {done.resent} asked again; {done.unknown} queries unknown (at "
        f"most {most}), {done.unlisted} unlisted; {done.twice_billed} billed twice with "
        f"Idempotency-Key; {done.wrong} wrong reports"
    )
    bad = done.lost + done.resent + done.unlisted + done.twice_billed + done.wrong
    reach = "0 lost, 0 asked again, all unknown listed"
    return ("B. SIGKILL at random moments", reach, said, not bad and done.unknown <= most)


def sweep(bench: Bench) -> list[Leg]:
    """Leg C: every write, sync and rename fails once."""
    title, reach = "C. Every write, sync and rename fails once", "0 wrong reports"
    if not bench.shim.there:
        return [(title, reach, "not run: no C compiler", False)]
    calls, expected = crashes.count_calls(bench)
    shares = [range(1 + lane, calls + 1, LANES) for lane in range(LANES)]
    done = crashes.together(
        _parts("C", [partial(crashes.run_sweep, bench, share, expected) for share in shares])
    )
    said = (
        f"{done.calls} calls: {done.resumed} ended with an error and the next run completed, "
        f"{done.tolerated} did not matter, {done.refused} refused, {len(done.wrong)} wrong"
    )
    said += "".join(f"; {one}" for one in done.wrong[:5])
    return [(title, reach, said, not done.wrong)]


def memory(_: Bench) -> list[Leg]:
    """Leg D: memory of a million labels."""
    source = ROOT / "tests" / "auditor" / "engine" / "test_memory.py"
    script = source.read_text(encoding="utf-8").split('LARGE = """')[1].split('"""')[0]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", script.replace("\\\\", "\\"), f"{folder}/labels.sqlite3", "317"],
            check=True, capture_output=True, text=True, timeout=limit("D"),
        )  # fmt: skip
    total, growth = map(float, done.stdout.split())
    said = f"{total:.0f} MiB in all, {growth:.1f} MiB after the first 100,000"
    reach = "250 MiB, 10 MiB"
    return [("D. 1,004,890 labels, stub below HTTP", reach, said, total <= 250 and growth <= 10)]


def rate(bench: Bench) -> list[Leg]:
    """Leg E: the rate that a throttled server allows."""
    settings = AuditSettings.paper(planes=1, density=36, canaries=0, trigger_search=False, seed=3)
    limits = EngineLimits(requests_per_s=50, concurrency=8)
    done = watched(
        lambda: tool(
            bench.place("rate-50", "rate"), bench.folder / "rate", settings, limits, batch=1
        ),
        200,
    )
    told = ledger(bench.base, "rate")
    rate, each = told["answered"] / told["seconds"], told["inputs"] / max(1, told["answered"])
    said = (
        f"{rate:.1f} labels/s = {rate / 45:.1%} of the ceiling, {each:.3f} sends per label, "
        f"{told['answered']} labels ({done.end})"
    )
    title = "E. 50 requests/s allowed, every tenth refused (ceiling 45 labels/s)"
    return [(title, "95 %, 1.15 sends", said, rate >= 0.95 * 45 and each <= 1.15)]


def dead(bench: Bench) -> list[Leg]:
    """Leg F: a server that answers nothing but refusals."""

    def work(kind: str, concurrency: int) -> Outcome:
        run = f"{kind}-dead-{concurrency}"
        limits = EngineLimits(concurrency=concurrency, patience_s=PATIENCE_S)
        return tool(bench.place(kind, run), bench.folder / run, limits=limits, batch=1)

    keys = [(kind, number) for kind in ("always-503", "throttle-days") for number in (1, 8)]
    ends = side_by_side({key: (partial(work, *key), 120.0) for key in keys}, len(keys))
    said, fine = [], True
    for kind, number in keys:
        done = ends[kind, number]
        asked = ledger(bench.base, f"{kind}-dead-{number}")["inputs"]
        said.append(f"{kind} x {number}: {done.seconds:.0f} s, {asked} sends")
        fine = fine and done.end == "error" and done.seconds < 30 and asked <= 1.1 * 562
    reach = "30 s, 618 sends (1.1 x 562)"
    return [("F. Nothing but 503, or a pause of 317 years", reach, "; ".join(said), fine)]


def _tests(letter: str, patterns: Sequence[str], words: str, *more: str) -> tuple[str, bool]:
    """Run the tests below ``patterns``, slow ones too, all of which must be there, as long as the
    leg may take; says how many passed.
    """
    found = [sorted(str(path) for path in ROOT.glob(pattern)) for pattern in patterns]
    files = [path for some in found for path in some]
    if not all(found):
        return "not run: no such tests in this tree", False
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--no-header",
        "-p",
        "no:cacheprovider",
        "-m",
        "not servers",
        "--timeout",
        str(int(600 * busy())),
        *files,
        *more,
    ]
    clean = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
    least = limit(letter)
    try:
        done = subprocess.run(
            command, check=False, cwd=ROOT, env=clean, capture_output=True, text=True, timeout=least
        )
    except subprocess.TimeoutExpired as late:
        passed = (late.stdout or b"").count(b".")
        return f"{words}: no end within {least:.0f} s, {passed} passed until then", False
    last = (done.stdout.strip().splitlines() or ["nothing"])[-1].strip("= ")
    return f"{words}: {last}", done.returncode == 0


def models(_: Bench) -> list[Leg]:
    """Leg H: hostile model files."""
    said, fine = _tests(
        "H",
        (
            "tests/adapters/model_files/hostile_models/test_*.py",
            "tests/adapters/model_files/sandbox/test_hostile*.py",
        ),
        "tests of hostile model files, and of what a child process may do",
    )
    return [("H. Hostile model files", "0 escapes, parent survives", said, fine)]


def secrets(_: Bench) -> list[Leg]:
    """Leg G, tests: the key in no output."""
    said, fine = _tests(
        "g",
        ("tests/test_secrets.py",),
        "tests of the command with a marked key, however it ends and at every verbosity",
    )
    title = "G. The key in no log, traceback, process list or dump"
    return [(title, "0 leaks", said, fine)]


def evidence(_: Bench) -> list[Leg]:
    """Leg I: mutated evidence."""
    words = "tests, 70 mutations of each of 3 bundles and more of zips, 212 clean bundles"
    file = "tests/auditor/workflows/verify/test_mutations.py"
    said, fine = _tests("I", (file,), words, "-k", "not 1000")
    return [("I. Mutated evidence", "all caught, clean ones pass", said, fine)]


def drift(audits: int) -> list[Leg]:
    """Leg J: simulated vendors over the real plan and the answers of two models that ship here."""
    import onnxruntime  # noqa: PLC0415 - only this leg needs it, and the others measure memory

    given = load_samples(ASSETS / "fashion-mnist-samples.npz")
    images = given.images.astype(np.float32) / 255.0
    order = sorted(set(given.classes), key=given.class_order.index)
    classes = np.array([order.index(name) for name in given.classes])
    legs = []
    for sampler in ("paper", "frugal"):
        chosen = {"sampler": sampler, "trigger_search": False}
        plan = build_plan(images, classes, given.refs, choose_settings(chosen))
        assert plan.repeats is not None
        assert plan.extra_repeats is not None
        inputs = np.concatenate(
            [p.inputs(np.arange(p.size)) for p in (plan.repeats, plan.extra_repeats)]
        )
        answers = [
            onnxruntime.InferenceSession(ASSETS / f"{name}.onnx")
            .run(None, {"input": inputs})[0].argmax(axis=1).astype(np.int64)
            for name in ("clean", "backdoored")
        ]  # fmt: skip
        legs.append(_power(sampler, plan.repeats.size, plan.queries, answers, audits))
    return legs


def _power(sampler: str, early: int, queries: int, answers: Sequence[Any], audits: int) -> Leg:
    rng = np.random.default_rng(5)
    rates = {
        name: binomial_rate(
            sum(_caught(rng, answers, early, *given) for _ in range(audits)), audits
        )
        for name, given in {
            "caught": (0.02, 0.0), "steady": (0.0, 0.0), "tolerated": (0.0, TOLERATED),
        }.items()
    }  # fmt: skip
    power, alarm = rates["caught"], rates["tolerated"]
    apart = float((answers[0] != answers[1]).mean())
    said = (
        f"{power.rate:.1%} caught (95 % interval {power.low:.1%} to {power.high:.1%}); false "
        f"alarms {rates['steady'].rate:.1%} on a steady model, {alarm.rate:.1%} "
        f"({alarm.low:.1%} to "
        f"{alarm.high:.1%}) on one that flips {TOLERATED:.1%} of its answers; the models disagree "
        f"on {apart:.0%} of the points; {early} repeats of {queries:,} queries, 250 more where "
        "one flips"
    )
    fine = power.rate >= 0.95 and rates["steady"].rate <= 0.01 and alarm.low <= 0.01
    title = f"J. 2 % of answers from another model, {audits} simulated audits, {sampler} planes"
    return (title, "95 % caught, 1 % false alarms", said, fine)


def _caught(
    rng: np.random.Generator, answers: Sequence[Any], early: int, swapped: float, noise: float
) -> bool:
    honest, other = answers
    size = len(honest)
    both = [
        np.where(rng.random(size) < noise / 2, (told + 1) % 10, told)
        for told in (np.where(rng.random(size) < swapped, other, honest) for _ in "ab")
    ]
    flips = int((both[0][:early] != both[1][:early]).sum())
    asked = size if wants_extra_repeats(flips, size) else early
    moments = rng.random((2, size))
    moments[1, early:] = 1.0
    repeats = Repeats(
        both[0][:asked], both[1][:asked], moments[0][:asked], moments[1][:asked], size
    )
    counts = np.bincount(honest)
    return bool(check_consistency(repeats, counts, {}, open_labels=False).found)
