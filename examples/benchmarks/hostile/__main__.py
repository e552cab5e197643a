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
from collections.abc import Set as AbstractSet
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from markdown_it import MarkdownIt

from auditor.engine.contract import EngineLimits
from auditor.labels.consistency import TOLERATED, Repeats, examine, wants_second_look
from auditor.plan.settings import AuditSettings
from auditor.report.console import show_result
from auditor.report.source import ReportSource
from auditor.report.views import ViewName, render, view_settings
from auditor.samples.load import load_samples
from auditor.scores.intervals import binomial_rate
from examples.benchmarks.hostile import crashes, faults
from examples.benchmarks.hostile.clients import (
    SECRET,
    Outcome,
    Shim,
    finish,
    ledger,
    preload,
    side_by_side,
    start,
    tool,
    watched,
)

HERE = Path(__file__).parent
ASSETS = HERE.parents[2] / "auditor" / "demo" / "assets"
RELOADED = "XRAY_HOSTILE_SHIM"
Leg = tuple[str, str, str, bool]
BESIDE, BESIDE_S = ("DI", "HJg"), 600.0
"""Legs that need not the bench's server and time nothing: two processes, beside the others."""
LANES, PART_S = 3, 400.0
"""Legs B and C are shared out to so many processes: half of what they do is waiting."""
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
        memory = preload(bench.place("honest", "preload"), bench.folder / "preload")
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
        "I": _evidence, "g": _secrets,
    }[letter](bench)  # fmt: skip


def _parts(title: str, works: Sequence[Callable[[], Any]]) -> list[Any]:
    """What each of ``works`` gives, side by side, each in a process of its own."""
    jobs = {
        (title, number): (lambda work=work: Outcome("complete", facts={"part": work()}), PART_S)
        for number, work in enumerate(works)
    }
    ends = side_by_side(jobs, len(jobs))
    for end in ends.values():
        if end.end != "complete":
            raise SystemExit(f"leg {title} cannot be judged: {end.end} {end.what}")
    return [ends[key].facts["part"] for key in jobs]


def _kills(bench: faults.Bench, wanted: int) -> Leg:
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


def _sweep(bench: faults.Bench) -> list[Leg]:
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
    def work(kind: str, concurrency: int) -> Outcome:
        run = f"{kind}-dead-{concurrency}"
        limits = EngineLimits(concurrency=concurrency)
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


NEVER = {"script", "iframe", "object", "embed", "base", "form", "svg:script"}
PLAIN = {"alt", "aria-label", "title"}
"""Attributes whose values are text to be read, and nothing else."""


class _Parts(html.parser.HTMLParser):
    """Collects of what kinds of elements a page is made: each tag with its attributes, and with
    the values of all attributes that are more than text.
    """

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = (name if name in PLAIN else f"{name}={value}" for name, value in attrs)
        # The page's own style sheet names the report's digest, which the labels are part of.
        self.found.add(re.sub("'sha256-[^']+'", "'sha256'", f"<{tag} {' '.join(said)}>"))


def parts_of(view: str, text: str) -> set[str]:
    """The elements that ``text`` becomes where this view is shown as a page; empty elsewhere."""
    if view not in {"html", "markdown"}:
        return set()
    page = _Parts()
    page.feed(text if view == "html" else MarkdownIt("commonmark").enable("table").render(text))
    return page.found


def active(view: str, text: str, usual: AbstractSet[str]) -> list[str]:
    """What of ``text`` a reader of this view would obey.

    Args:
        view: its name.
        text: what it holds with hostile labels.
        usual: :func:`parts_of` the same report with harmless labels; a label may add to them
            nothing at all.
    """
    hidden = [
        f"U+{ord(c):04X}"
        for c in text
        if c not in "\n\t" and unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
    ]
    if view in {"report.json", "sarif", "cyclonedx"}:
        json.loads(text)
    if view == "junit":
        ET.fromstring(text)  # noqa: S314 - our own file
    return hidden + sorted(parts_of(view, text) - usual)


def _labels(bench: faults.Bench) -> list[Leg]:
    output = bench.folder / "labels"
    watched(lambda: tool(bench.place("honest", "labels"), output), 60)
    report = json.loads((output / "report.json").read_text(encoding="utf-8"))
    bad: list[str] = []
    names = hostile_labels()
    usual = {view: parts_of(view, text) for view, text in _views(report, output, "shoe").items()}
    assert not NEVER & {part.split()[0].strip("<>") for parts in usual.values() for part in parts}
    for number, name in enumerate(names):
        for view, text in _views(report, output, name).items():
            bad += [f"{number} in {view}: {one}" for one in active(view, text, usual[view])]
    leaks = [
        str(path.relative_to(bench.folder))
        for path in bench.folder.rglob("*")
        if path.is_file() and SECRET.encode() in path.read_bytes()
    ]
    said = f"{len(names)} labels x {len(usual)} sinks: {len(bad)} active; "
    said += f"key found in {len(leaks)} files"
    said += "".join(f"; {one}" for one in (*bad[:20], *leaks[:20]))
    for hit in (*bad, *leaks):
        print(f"  {hit}", flush=True)
    title = "G. Hostile labels in every sink; the key in no file"
    return [(title, "0 active, 0 leaks", said, not bad and not leaks)]


def _views(report: dict[str, Any], output: Path, name: str) -> dict[str, str]:
    """Every view of the report with all its classes called ``name``."""
    named = {**report, "labels": dict.fromkeys(report["labels"], name)}
    named["verdict_reason"] = "One and the same label."
    views = {"console": show_result(named, output)}
    for kind in VIEWS:
        views[str(kind)] = render(kind, ReportSource(named), view_settings()).decode()
    views["report.json"] = _written(named, output)
    return views


def _written(report: dict[str, Any], output: Path) -> str:
    from auditor.report.json_report import write_json  # noqa: PLC0415 - only here

    write_json(report, output / "again.json")
    return (output / "again.json").read_text(encoding="utf-8")


# ---- corpora of the tests ---------------------------------------------------------------------


def _tests(patterns: Sequence[str], words: str, *more: str) -> tuple[str, bool]:
    """Run the tests below ``patterns``, slow ones too, all of which must be there; says how many
    passed.
    """
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
        "-m",
        "not servers",
        "--timeout",
        "600",
        *files,
        *more,
    ]
    clean = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
    done = subprocess.run(command, check=False, cwd=root, env=clean, capture_output=True, text=True)
    last = (done.stdout.strip().splitlines() or ["nothing"])[-1].strip("= ")
    return f"{words}: {last}", done.returncode == 0


def _models(_: faults.Bench) -> list[Leg]:
    said, fine = _tests(
        (
            "tests/adapters/model_files/hostile_models/test_*.py",
            "tests/adapters/model_files/sandbox/test_hostile*.py",
        ),
        "tests of hostile model files, and of what a child process may do",
    )
    return [("H. Hostile model files", "0 escapes, parent survives", said, fine)]


def _secrets(_: faults.Bench) -> list[Leg]:
    said, fine = _tests(
        ("tests/test_secrets.py",),
        "tests of the command with a marked key, however it ends and at every verbosity",
    )
    title = "G. The key in no log, traceback, process list or dump"
    return [(title, "0 leaks", said, fine)]


def _evidence(_: faults.Bench) -> list[Leg]:
    words = "tests, 70 mutations of each of 3 bundles and more of zips, 212 clean bundles"
    file = "tests/auditor/workflows/verify/test_mutations.py"
    said, fine = _tests((file,), words, "-k", "not 1000")
    return [("I. Mutated evidence", "all caught, clean ones pass", said, fine)]


# ---- drift --------------------------------------------------------------------------------------


def _drift(audits: int) -> list[Leg]:
    """Simulated vendors over the real plan and the real answers of two models that ship here."""
    import onnxruntime  # noqa: PLC0415 - only this leg needs it

    from auditor.plan.plan import build_plan  # noqa: PLC0415 - as above
    from auditor.plan.settings import choose_settings  # noqa: PLC0415 - as above

    given = load_samples(ASSETS / "fashion-mnist-samples.npz")
    images = given.images.astype(np.float32) / 255.0
    order = sorted(set(given.classes), key=given.class_order.index)
    classes = np.array([order.index(name) for name in given.classes])
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


def _report(
    legs: Sequence[Leg], rows: list[faults.Row], memory: tuple[float, float], seconds: float
) -> str:
    lines = [
        "# Where everything goes wrong",
        "",
        f"Made by `make bench-hostile` in {seconds / 60:.1f} minutes. Servers keep their own "
        "ledger; every client runs in a process of its own, so that a hang, a crash or "
        "a gigabyte is seen. Legs D, H, I, J and the tests of G run in two processes beside A, B "
        "and C; E and F, which are about time, have the machine to themselves. J holds for two "
        "models that disagree as much as it says: `drift.md` has closer relatives.",
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


if __name__ == "__main__":
    main()
