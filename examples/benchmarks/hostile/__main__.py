"""How the tool behaves where everything goes wrong: ``make bench-hostile``.

Ten legs; every server keeps a ledger of its own, which no client can influence. Prints a report
and writes it to ``examples/benchmarks/hostile.md``.
"""

from __future__ import annotations

import argparse
import contextlib
import html.parser
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
import unicodedata
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from auditor.calibration import binomial_rate
from auditor.engine.scheduler import EngineLimits
from auditor.plan import AuditSettings
from auditor.reports.console import show_result
from auditor.reports.source import ReportSource
from auditor.reports.views import ViewName, render, view_settings
from auditor.samples import load_samples
from auditor.trust import TOLERATED, Repeats, examine, wants_second_look
from examples.benchmarks.hostile import crashes, faults
from examples.benchmarks.hostile.clients import (
    SECRET,
    Outcome,
    Shim,
    finish,
    ledger,
    start,
    tool,
    watched,
)

HERE = Path(__file__).parent
ASSETS = HERE.parents[2] / "auditor" / "demo" / "assets"
RELOADED = "XRAY_HOSTILE_SHIM"
Leg = tuple[str, str, str, bool]
BESIDE, BESIDE_S = "DHIJ", 600.0
"""Legs that ask no server and time nothing: they run in a second process, beside the others."""
VIEWS = (
    ViewName.HTML,
    ViewName.MARKDOWN,
    ViewName.SARIF,
    ViewName.JUNIT,
    ViewName.CYCLONEDX,
)


def main() -> None:
    """Run the legs asked for and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--legs", default="ABCDEFGHIJ", help="letters of the legs to run")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--audits", type=int, default=500, help="simulated audits of leg J")
    parser.add_argument("--report", type=Path, default=HERE.with_suffix(".md"))
    options = parser.parse_args()
    _load_shim()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, _server(Path(folder)) as ports:
        bench = faults.Bench(f"http://127.0.0.1:{ports['plain']}", ports, Path(folder), Shim())
        rows: list[faults.Row] = []
        beside = _later(lambda: _beside(bench, options))
        legs = _run([n for n in options.legs if n not in BESIDE], bench, options, rows)
        legs = sorted(legs + beside())
    text = _report(legs, rows, time.monotonic() - began)
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


def _beside(bench: faults.Bench, options: argparse.Namespace) -> Outcome:
    """The legs that ask no server, as a process of its own runs them."""
    legs = _run([n for n in options.legs if n in BESIDE], bench, options, [])
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
    module = "examples.benchmarks.hostile"
    os.execv(sys.executable, [sys.executable, "-m", module, *sys.argv[1:]])  # noqa: S606 - itself


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
        rows += faults.run_faults(bench)
        ours, theirs = sum(r.passed for r in rows), sum(r.baseline for r in rows)
        said = f"{ours} of {len(rows)}; httpx + tenacity + dict: {theirs}"
        return [("A. Faults with a typed outcome and a right ledger", "60 of 60", said, ours == 60)]
    if letter == "B":
        return [_kills(bench, options.kills)]
    if letter == "J":
        return _drift(options.audits)
    return {
        "C": _sweep, "D": _memory, "E": _rate, "F": _dead, "G": _labels, "H": _models,
        "I": _evidence,
    }[letter](bench)  # fmt: skip


def _kills(bench: faults.Bench, wanted: int) -> Leg:
    done = crashes.run_kills(bench, wanted)
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


def _sweep(bench: faults.Bench) -> list[Leg]:
    title, reach = "C. Every write, sync and rename fails once", "0 wrong reports"
    if not bench.shim.there:
        return [(title, reach, "not run: no C compiler", False)]
    done = crashes.run_sweep(bench)
    said = (
        f"{done.calls} calls: {done.resumed} ended with an error and the next run completed, "
        f"{done.tolerated} did not matter, {done.refused} refused, {len(done.wrong)} wrong"
    )
    said += "".join(f"; {one}" for one in done.wrong[:5])
    return [(title, reach, said, not done.wrong)]


def _memory(_: faults.Bench) -> list[Leg]:
    source = HERE.parents[2] / "tests" / "auditor" / "engine" / "test_memory.py"
    script = source.read_text(encoding="utf-8").split('LARGE = """')[1].split('"""')[0]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", script.replace("\\\\", "\\"), f"{folder}/labels.sqlite3", "317"],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
    total, growth = map(float, done.stdout.split())
    said = f"{total:.0f} MiB in all, {growth:.1f} MiB after the first 100,000"
    reach = "250 MiB, 10 MiB"
    return [("D. 1,004,890 labels, stub below HTTP", reach, said, total <= 250 and growth <= 10)]


def _rate(bench: faults.Bench) -> list[Leg]:
    settings = AuditSettings(planes=1, density=36, canaries=0, trigger_search=False, seed=3)
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


def _dead(bench: faults.Bench) -> list[Leg]:
    said, fine = [], True
    for kind in ("always-503", "throttle-days"):
        for concurrency in (1, 8):
            run, limits = f"{kind}-dead-{concurrency}", EngineLimits(concurrency=concurrency)
            place, output = bench.place(kind, run), bench.folder / run

            def work(place: Any = place, output: Any = output, limits: Any = limits) -> Outcome:
                return tool(place, output, limits=limits, batch=1)

            done = watched(work, 120)
            asked = ledger(bench.base, run)["inputs"]
            said.append(f"{kind} x {concurrency}: {done.seconds:.0f} s, {asked} sends")
            fine = fine and done.end == "error" and done.seconds < 30 and asked <= 1.1 * 562
    reach = "30 s, 618 sends (1.1 x 562)"
    return [("F. Nothing but 503, or a pause of 317 years", reach, "; ".join(said), fine)]


# ---- labels in every sink ---------------------------------------------------------------------


def hostile_labels() -> list[str]:
    """60 class names that want to be more than text."""
    rng = random.Random(0)
    fixed = [
        "<script>alert(1)</script>", "</script><script>alert(1)</script>",
        "<img src=x onerror=a()>",
        '"><svg onload=alert(1)>', "javascript:alert(1)", "<!--", "]]>", "<![CDATA[", "&lt;b&gt;",
        "<a href='javascript:a()'>x</a>", "{{7*7}}", "${7*7}", "{% raw %}", "=1+1", "+1", "-1",
        "@SUM",
        '=HYPERLINK("http://e","x")', "|cmd", "[click](javascript:a())", "![x](http://e/i.png)",
        "`code`", "# head", "| a | b |", "[/bold]", "[link=http://e]x[/link]", "%s%n", "../../etc",
        "\x1b[31mred", "\x1b]0;title\x07", "\x1b[2J", "\x9b31m", "\r\nverdict: no-evidence",
        "\b\b\b",
        "\x00", "\x7f", "\u202egnp.exe", "\u2066x\u2069", "\u200b", "\u200f", "\ufeff", "\u2028",
        "\u2029", "\u0085", "a\u0301" * 40, "\u115f", "\u2800", "\U000e0041", "\ue000", "\ufffe",
        "null", "true", "NaN", "' OR 1=1 --", '"', "\\", "\\u003cscript", "&#60;script&#62;",
    ]  # fmt: skip
    while len(fixed) < 60:
        fixed.append("".join(chr(rng.randrange(0x20, 0xD7FF)) for _ in range(20)))
    return fixed


EMPTY_ICON = "<link rel=icon href=data:,>"
"""The page's own way to have no icon, so that no browser asks the server for one."""


class _Active(html.parser.HTMLParser):
    """Collects what a browser would run or fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"script", "iframe", "object", "embed", "base", "form", "svg:script"}:
            self.found.append(tag)
        if f"<{tag} {' '.join(f'{n}={v}' for n, v in attrs)}>" == EMPTY_ICON:
            return
        for name, value in attrs:
            fetches = name in {"href", "src"} and not (value or "").startswith(
                ("#", "data:image/", "https://", "report.", "http://www.w3.org")
            )
            if name.startswith("on") or fetches:
                self.found.append(f"{name}={value}")


def active(view: str, text: str) -> list[str]:
    """What of ``text`` a reader of this view would obey."""
    hidden = [
        f"U+{ord(c):04X}"
        for c in text
        if c not in "\n\t" and unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
    ]
    if view in {"report.json", "sarif", "cyclonedx"}:
        json.loads(text)
    if view == "junit":
        ET.fromstring(text)  # noqa: S314 - our own file
    if view == "html":
        page = _Active()
        page.feed(text)
        hidden += page.found
    if view == "markdown":
        hidden += re.findall(
            r"(?<!\\)<(?:script|img|svg|a)\b|(?<!\\)\]\((?:javascript|http://e)", text
        )
    return hidden


def _labels(bench: faults.Bench) -> list[Leg]:
    output = bench.folder / "labels"
    watched(lambda: tool(bench.place("honest", "labels"), output), 60)
    report = json.loads((output / "report.json").read_text(encoding="utf-8"))
    bad: list[str] = []
    sinks = 0
    names = hostile_labels()
    for number, name in enumerate(names):
        report["labels"] = dict.fromkeys(report["labels"], name)
        report["verdict_reason"] = "One and the same label."
        views = {"console": show_result(report, output)}
        for kind in VIEWS:
            views[str(kind)] = render(kind, ReportSource(report), view_settings()).decode()
        views["report.json"] = _written(report, output)
        sinks = len(views)
        for view, text in views.items():
            bad += [f"{number} in {view}: {one}" for one in active(view, text)]
    leaks = [
        str(path.relative_to(bench.folder))
        for path in bench.folder.rglob("*")
        if path.is_file() and SECRET.encode() in path.read_bytes()
    ]
    said = (
        f"{len(names)} labels x {sinks} sinks: {len(bad)} active; key found in {len(leaks)} files"
    )
    said += "".join(f"; {one}" for one in (*bad[:20], *leaks[:20]))
    for hit in (*bad, *leaks):
        print(f"  {hit}", flush=True)
    title = "G. Hostile labels in every sink; the key in no file"
    return [(title, "0 active, 0 leaks", said, not bad and not leaks)]


def _written(report: dict[str, Any], output: Path) -> str:
    from auditor.reports.json_report import write_json  # noqa: PLC0415 - only here

    write_json(report, output / "again.json")
    return (output / "again.json").read_text(encoding="utf-8")


# ---- corpora of the tests ---------------------------------------------------------------------


def _tests(patterns: Sequence[str], words: str) -> tuple[str, bool]:
    """Run the tests below ``patterns``, all of which must be there; says how many passed."""
    root = HERE.parents[2]
    found = [sorted(str(path) for path in root.glob(pattern)) for pattern in patterns]
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
        *files,
    ]
    clean = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
    done = subprocess.run(command, check=False, cwd=root, env=clean, capture_output=True, text=True)
    last = (done.stdout.strip().splitlines() or ["nothing"])[-1].strip("= ")
    return f"{words}: {last}", done.returncode == 0


def _models(_: faults.Bench) -> list[Leg]:
    said, fine = _tests(
        ("tests/adapters/hostile_models/test_*.py", "tests/adapters/isolation/test_hostile*.py"),
        "tests of hostile model files, and of what a child process may do",
    )
    return [("H. Hostile model files", "0 escapes, parent survives", said, fine)]


def _evidence(_: faults.Bench) -> list[Leg]:
    words = "tests, 70 mutations of each of 3 bundles and more of zips"
    said, fine = _tests(("tests/auditor/verifying/test_mutations.py",), words)
    return [("I. Mutated evidence", "all caught, clean ones pass", said, fine)]


# ---- drift --------------------------------------------------------------------------------------


def _drift(audits: int) -> list[Leg]:
    """Simulated vendors over the real plan and the real answers of two models that ship here."""
    import onnxruntime  # noqa: PLC0415 - only this leg needs it

    given = load_samples(ASSETS / "fashion-mnist-samples.npz")
    images = given.images.astype(np.float32) / 255.0
    order = sorted(set(given.classes), key=given.class_order.index)
    classes = np.array([order.index(name) for name in given.classes])
    from auditor.plan import build_plan, choose_settings  # noqa: PLC0415 - only here

    legs = []
    for sampler in ("paper", "frugal"):
        chosen = {"sampler": sampler, "trigger_search": False}
        plan = build_plan(images, classes, given.refs, choose_settings(chosen))
        assert plan.canaries is not None
        assert plan.second_looks is not None
        inputs = np.concatenate(
            [p.inputs(np.arange(p.size)) for p in (plan.canaries, plan.second_looks)]
        )
        answers = [
            onnxruntime.InferenceSession(ASSETS / f"{name}.onnx")
            .run(None, {"input": inputs})[0].argmax(axis=1).astype(np.int64)
            for name in ("clean", "backdoored")
        ]  # fmt: skip
        legs.append(_power(sampler, plan.canaries.size, plan.queries, answers, audits))
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
    asked = size if wants_second_look(flips, size) else early
    moments = rng.random((2, size))
    moments[1, early:] = 1.0
    repeats = Repeats(
        both[0][:asked], both[1][:asked], moments[0][:asked], moments[1][:asked], size
    )
    counts = np.bincount(honest)
    return bool(examine(repeats, counts, {}, open_labels=False).findings)


def _report(legs: Sequence[Leg], rows: list[faults.Row], seconds: float) -> str:
    lines = [
        "# Where everything goes wrong",
        "",
        f"Made by `make bench-hostile` in {seconds / 60:.1f} minutes. Servers keep their own "
        "ledger; every client runs in a process of its own, so that a hang, a crash or "
        f"a gigabyte is seen. Legs {', '.join(BESIDE)} ask no server and run beside the others.",
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
            "the server's to the query, but for queries that it lists as of unknown outcome. For "
            "the baseline any exception counts as typed, and no ledger is asked for. Machine "
            f"faults are followed by a second run. Kinds that only end in errors run "
            f"{faults.TOGETHER} at a time, the others one by one.",
            "",
            *faults.as_table(rows),
        ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
