"""Bundles that would cost time or memory are refused before the work is done."""

from __future__ import annotations

import json
import resource
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapters.strict_json import canonical
from auditor.cli.verify import show_verification
from auditor.errors import ExitCode
from auditor.evidence.canonical import sha256
from auditor.evidence.files import zip_bytes
from auditor.evidence.packing import pack
from auditor.workflows.verify.verify import verify_bundle
from tests.auditor.workflows.verify import _mutations as mutations

Bundles = Callable[[str], Path]
Change = Callable[[Path], object]
MIB = 1024**2
MOST_SECONDS = 2.0
"""Processor time, so that a busy machine fails no test."""
MOST_KIB = 700_000


def refused(folder: Path, codes: tuple[int, ...] = (4,)) -> str:
    """Output of verify, which must end soon, without much memory, and not with a pass."""
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    found = verify_bundle(folder)
    assert time.process_time() - began < MOST_SECONDS
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MOST_KIB
    assert found.exit_code in codes, found.checks
    shown = show_verification(found)
    assert shown.encode()
    assert all(c.isprintable() or c == "\n" for c in shown)
    return shown


def in_json(path: Path, change: Callable[[Any], object]) -> None:
    value = json.loads(path.read_text())
    change(value)
    path.write_bytes(canonical(value) + b"\n")


def refitted(folder: Path) -> None:
    """Let log and head fit the plan as it is now."""
    entries = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    for entry in entries:
        if entry["e"] == "open":
            entry["plan"] = sha256((folder / "plan.json").read_bytes())
    (folder / "log.jsonl").write_bytes(mutations.chained(entries))
    mutations.reseal(folder)


# ---- files -------------------------------------------------------------------------------------

LONG: dict[str, Callable[[], bytes]] = {
    "newlines": lambda: b"\n" * (64 * MIB),
    "spaces": lambda: b" " * (64 * MIB),
    "zeros": lambda: bytes(64 * MIB),
    "one line": lambda: b'{"n":0,"prev":"' + b"x" * (40 * MIB) + b'"}\n',
    "lists": lambda: b"[" + b"[]," * (16 * MIB) + b"[]]\n",
    "numbers": lambda: b"[" + b"1," * (24 * MIB) + b"1]\n",
    "keys": lambda: b"{" + b'"":0,' * (8 * MIB) + b'"":0}\n',
    "depth": lambda: b"[" * (32 * MIB),
    "texts": lambda: b"[" + b'"",' * (16 * MIB) + b'""]\n',
    "digits": lambda: b'{"at":' + b"9" * (32 * MIB) + b"}\n",
    "backslashes": lambda: b'"' + b"\\" * (32 * MIB) + b'"\n',
}


@pytest.mark.parametrize("kind", LONG)
@pytest.mark.parametrize("name", ["log.jsonl", "report.json"])
def test_a_long_file_is_refused_before_it_is_read(bundle: Bundles, name: str, kind: str) -> None:
    folder = bundle("plain")
    (folder / name).write_bytes(LONG[kind]())
    mutations.reseal(folder)
    refused(folder)


@pytest.mark.parametrize("name", ["plan.json", "run.json", "pictures.json", "head.json"])
@pytest.mark.parametrize("kind", ["newlines", "lists", "keys"])
def test_so_is_every_other_record(bundle: Bundles, name: str, kind: str) -> None:
    folder = bundle("plain")
    (folder / name).write_bytes(LONG[kind]()[: 20 * MIB])
    if name != "head.json":
        mutations.reseal(folder)
    refused(folder)


MISTAKES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "numbers": (
        lambda plan: plan["samples"].update(class_indices=[-1] * 200_000),
        "(samples.class_indices.0: it should be",
    ),
    "keys": (
        lambda plan: plan.update({str(number): 0 for number in range(60_000)}),
        "in more than one way",
    ),
}


@pytest.mark.parametrize("kind", MISTAKES)
def test_of_many_mistakes_in_a_record_not_all_are_listed(bundle: Bundles, kind: str) -> None:
    folder = bundle("plain")
    change, why = MISTAKES[kind]
    in_json(folder / "plan.json", change)
    refitted(folder)
    shown = refused(folder)
    assert "plan.json is not as this version writes it" in shown
    assert why in shown


def test_a_long_view_is_not_looked_through(bundle: Bundles) -> None:
    folder = bundle("plain")
    (folder / "report.html").write_bytes(b"<li>Finding a" * (4 * MIB))
    mutations.reseal(folder)
    assert "report.html: not what" in refused(folder)


def test_a_zip_of_many_entries_is_not_listed(tmp_path: Path) -> None:
    made = zip_bytes({"a": b""})
    entry = made[made.index(b"PK\x01\x02") : -22]
    end = bytearray(made[-22:])
    end[8:12] = (60_000).to_bytes(2, "little") * 2
    end[12:16] = (60_000 * len(entry)).to_bytes(4, "little")
    (tmp_path / "z.zip").write_bytes(made[: -22 - len(entry)] + entry * 60_000 + bytes(end))
    assert "is not a zip file as xray-audit writes it" in refused(tmp_path / "z.zip")


# ---- the log -----------------------------------------------------------------------------------

OPEN: dict[str, Any] = {"e": "open", "at": 0, "plan": "p", "target": "t", "tool": {}, "torn": 0}
HUGE: dict[str, Any] = {"e": "ask", "at": 0, "probes": [0], "new": [[0, "p", "d", 10**8]]}
AGAIN: dict[str, Any] = {"e": "ask", "at": 0, "probes": [0], "new": []}
HASH = "0" * 32


def rows(*listed: dict[str, Any]) -> dict[str, Any]:
    return {"e": "rows", "at": 0, "rows": list(listed)}


VOID = {"r": [0, 65_536], "s": "void"}
FAILED = {"r": [0, 10**8], "s": "ServerFailed", "q": HASH}
NO_END = "does not end with the end of a run"
NO_AUDIT = "the label log asks more than any audit asks"
LOGS: dict[str, tuple[Callable[[], list[dict[str, Any]]], str]] = {
    "a huge void": (
        lambda: [OPEN, HUGE, rows({"r": [0, 10**8], "s": "void"})],
        "voids more labels than any",
    ),
    "many voids": (lambda: [OPEN, HUGE, *[rows(*[VOID] * 1000)] * 20], NO_AUDIT),
    "many huge failures": (lambda: [OPEN, HUGE, *[rows(*[FAILED] * 1000)] * 20], NO_END),
    "a huge row": (
        lambda: [OPEN, HUGE, rows({"r": [0, 10**8], "s": "ok", "l": [1], "q": HASH})],
        "does not hold one label per input",
    ),
    "many huge questions": (lambda: [OPEN, HUGE, *[AGAIN] * 2000], NO_AUDIT),
    "many runs of them": (lambda: [OPEN, HUGE, *[OPEN, AGAIN, AGAIN] * 2000], NO_AUDIT),
    "wide rows": (
        lambda: [
            OPEN,
            {
                "e": "ask",
                "at": 0,
                "probes": [*range(20_000)],
                "new": [[n, "p", str(n), 1] for n in range(20_000)],
            },
            *[rows({"r": [0, 20_000], "s": "cached", "l": [0] * 20_000, "q": HASH})] * 10,
        ],
        NO_END,
    ),
    "one probe many times": (
        lambda: [OPEN, HUGE, {**AGAIN, "probes": [0] * 200_000}],
        "at most 100000",
    ),
    "many probes": (
        lambda: [OPEN, {**AGAIN, "new": [[n, "p", str(n), 0] for n in range(100_001)]}],
        "at most 100000",
    ),
    "many senders": (
        lambda: [
            OPEN,
            *(
                {"e": "sender", "at": 0, "said": {"a": str(n)}, "addresses": []}
                for n in range(20_000)
            ),
        ],
        NO_END,
    ),
    "no rows": (lambda: [OPEN, HUGE, rows()], "rows: List should have at least 1 item"),
    "no request": (lambda: [OPEN, HUGE, rows({"r": [0, 1], "s": "TimedOut"})], "without a request"),
    "many mistakes": (
        lambda: [OPEN, {**AGAIN, "probes": [-1] * 2_000_000}],
        "probes.0: it should be",
    ),
    "many keys": (
        lambda: [OPEN, {**AGAIN, **{str(n): 0 for n in range(400_000)}}],
        "in more than one way",
    ),
}


@pytest.mark.parametrize("kind", LOGS)
def test_a_log_of_few_words_asks_for_little_work(bundle: Bundles, kind: str) -> None:
    folder = bundle("plain")
    entries, why = LOGS[kind]
    (folder / "log.jsonl").write_bytes(mutations.chained(entries()))
    mutations.reseal(folder)
    shown = refused(folder)
    assert "log: " in shown
    assert why in shown


@pytest.mark.parametrize("at", [1e17, -1, 2.6e11, 1e308, "0", None, True, [0]])
def test_a_time_that_is_none_is_refused(bundle: Bundles, at: object) -> None:
    folder = bundle("plain")
    entries = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    for entry in entries:
        entry["at"] = at
    (folder / "log.jsonl").write_bytes(mutations.chained(entries))
    mutations.reseal(folder)
    assert "label log, entry 0: it is not as this version writes it (at: " in refused(folder)


# ---- images ------------------------------------------------------------------------------------


def shaped(folder: Path, shape: list[int]) -> None:
    def plan_of(plan: dict[str, Any]) -> None:
        plan["samples"]["shape"] = plan["input"]["shape"] = shape

    in_json(folder / "plan.json", plan_of)
    in_json(folder / "run.json", lambda run: run["target"]["input"].update(shape=shape))
    in_json(folder / "report.json", lambda report: report["input"].update(shape=shape))
    refitted(folder)


SHAPES = [[1, 12_000, 12_000], [1, 8_000, 8_000], [1, 2**40, 2**40], [1, -5, 5], [1, 0, 5], [1, 5]]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("edition", ["full", "hand-over"])
def test_a_declared_shape_costs_nothing(
    bundle: Bundles, tmp_path: Path, shape: list[int], edition: str
) -> None:
    folder = bundle("plain")
    if edition == "hand-over":
        pack(folder, tmp_path / "given", hand_over=True)
        folder = tmp_path / "given"
    shaped(folder, shape)
    refused(folder, (3, 4))


def test_images_that_are_nothing_but_size_are_not_unpacked(bundle: Bundles) -> None:
    folder = bundle("plain")
    one = 3000 * 3000

    def plan_of(plan: dict[str, Any]) -> None:
        samples = plan["samples"]
        samples["sha256"] = [sha256(bytes(one))] * len(samples["sha256"])

    in_json(folder / "plan.json", plan_of)
    (folder / "samples.z").write_bytes(zlib.compress(bytes(45 * one), 9))
    shaped(folder, [1, 3000, 3000])
    assert "samples.z expands more than images do" in refused(folder, (3,))


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "no zlib": lambda _: b"x" * 5000,
    "cut": lambda data: data[: len(data) // 2],
    "without its checksum": lambda data: data[:-4],
    "another checksum": lambda data: data[:-1] + bytes([data[-1] ^ 1]),
    "changed": lambda data: data[:200] + bytes([data[200] ^ 255]) + data[201:],
    "followed by more": lambda data: data + b"more",
    "twice": lambda data: data + data,
    "with one more image": lambda data: zlib.compress(zlib.decompress(data) + bytes(576)),
    "with one image less": lambda data: zlib.compress(zlib.decompress(data)[:-576]),
    "a bomb": lambda _: zlib.compress(bytes(256 * MIB), 9),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_damaged_samples_fail(bundle: Bundles, kind: str) -> None:
    folder = bundle("plain")
    path = folder / "samples.z"
    path.write_bytes(DAMAGES[kind](path.read_bytes()))
    mutations.reseal(folder)
    assert "samples.z" in refused(folder)


@pytest.mark.parametrize("kept", [[0, 0], [1, 0], [-1], [10**9], [True], ["0"], 0, [0] * 100_000])
def test_images_are_named_in_order_and_once(bundle: Bundles, kept: object) -> None:
    folder = bundle("plain")
    in_json(folder / "plan.json", lambda plan: plan["samples"].update(kept=kept))
    refitted(folder)
    refused(folder)


@pytest.mark.parametrize("kind", ["object", "V8", "(1000,1000)u1", "complex64", "M8[s]", "\ud800"])
def test_values_are_numbers(bundle: Bundles, kind: str) -> None:
    folder = bundle("plain")
    in_json(folder / "plan.json", lambda plan: plan["samples"].update(dtype=kind))
    refitted(folder)
    refused(folder)


# ---- settings ----------------------------------------------------------------------------------

SETTINGS: dict[str, dict[str, Any]] = {
    "planes": {"planes": 10_000},
    "points": {"points": 65_536},
    "density": {"sampler": "paper", "density": 4096},
    "pictures": {"pictures": 2, "density": 4096},
    "repeats": {"canaries": 10**12},
    "seed": {"seed": 10**19},
    "order": {"alpha": 1e308},
    "margin": {"expansion": 1_000_000},
    "search": {"trigger_search": True, "per_source": True},
    "families": {"families": True},
    "a text": {"planes": "2"},
    "another": {"plane": 2},
}


@pytest.mark.parametrize("kind", SETTINGS)
def test_settings_that_no_label_follows_cost_nothing(bundle: Bundles, kind: str) -> None:
    folder = bundle("plain")
    in_json(folder / "plan.json", lambda plan: plan["settings"].update(SETTINGS[kind]))
    refitted(folder)
    refused(folder, (3, 4))


@pytest.mark.parametrize("size", [65_535, 65_536, 2**40, -1, 1.5, "3"])
def test_classes_are_as_many_as_a_model_may_have(bundle: Bundles, size: object) -> None:
    folder = bundle("plain")
    in_json(folder / "plan.json", lambda plan: plan["labels"].update(size=size))
    in_json(folder / "run.json", lambda run: run["target"]["labels"].update(size=size))
    refitted(folder)
    refused(folder)


def test_the_changes_are_refused_for_themselves(bundle: Bundles) -> None:
    folder = bundle("plain")
    refitted(folder)
    assert verify_bundle(folder).exit_code == ExitCode.NO_EVIDENCE
