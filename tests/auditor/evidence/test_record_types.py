"""Records are read as typed: a key that is missing, unknown or of another kind is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapters.strict_json import canonical
from auditor.errors import EvidenceError
from auditor.evidence.chain import GENESIS, line_hash, read_chain
from auditor.evidence.head import read_head
from auditor.evidence.record_types import PlanRecord, RunRecord, read_record
from auditor.report.result.base import Part

BUNDLES = Path(__file__).parents[2] / "data" / "bundles_0_1"
KINDS: dict[str, type[Part]] = {"plan.json": PlanRecord, "run.json": RunRecord}
FOLDERS = sorted(path.parent.name for path in BUNDLES.glob("*/run.json"))
Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_first_release_wrote_them_so(folder: str) -> None:
    for name, kind in KINDS.items():
        data = (BUNDLES / folder / name).read_bytes()
        read = json.loads(read_record(kind, data, name).model_dump_json(exclude_unset=True))
        assert read == json.loads(data)
    listed, _ = read_head((BUNDLES / folder / "head.json").read_bytes())
    assert {"plan.json", "run.json"} <= {file.path for file in listed}


MISTAKES: list[tuple[str, Change, str]] = [
    ("plan.json", lambda r: r.update(more=1), "more: an unknown key"),
    ("plan.json", lambda r: r.pop("planes"), "planes: is missing"),
    ("plan.json", lambda r: r["samples"].update(kept=[True]), "samples.kept.0: it should be"),
    ("plan.json", lambda r: r["samples"].update(shape=[1, 0, 9]), "samples.shape.1: it should be"),
    (
        "plan.json",
        lambda r: r["samples"]["sha256"].append("ab"),
        "samples.sha256.45: String should",
    ),
    ("plan.json", lambda r: r.update(format="xray-audit-evidence/9"), "format: it should be"),
    ("run.json", lambda r: r["engine"].update(decided=0), "engine.decided: it should be"),
    ("run.json", lambda r: r["engine"].pop("origins"), "engine.origins: is missing"),
    ("run.json", lambda r: r["ledger"].update(sent="9"), "ledger.sent: it should be"),
    ("run.json", lambda r: r["ledger"].update(gift=9), "ledger.gift: an unknown key"),
    (
        "run.json",
        lambda r: r["target"]["wire"].update(requests=1.5),
        "target.wire.requests: it should",
    ),
    (
        "run.json",
        lambda r: r["target"]["labels"].update(names=[1]),
        "target.labels.names.0: it should",
    ),
    (
        "head.json",
        lambda r: r["predicate"].update(files=[["x", 1]]),
        "predicate.files.0.2: is missing",
    ),
    (
        "head.json",
        lambda r: r["predicate"].update(format="other"),
        "predicate.format: it should be",
    ),
    ("head.json", lambda r: r.update(note="x"), "note: an unknown key"),
]


@pytest.mark.parametrize(("name", "change", "words"), MISTAKES)
def test_a_mistake_is_named_with_its_file_and_key(name: str, change: Change, words: str) -> None:
    record = json.loads((BUNDLES / "default" / name).read_bytes())
    change(record)
    data = json.dumps(record).encode()
    with pytest.raises(EvidenceError) as caught:
        read_head(data) if name == "head.json" else read_record(KINDS[name], data, name)
    assert str(caught.value).startswith(f"{name} is not as this version writes it ({words}")
    assert len(str(caught.value)) < 300


ROW: dict[str, Any] = {"s": "ok", "r": [0, 2], "l": [1, 2], "q": "ab" * 16, "ms": 1.5, "c": 200}
ROWS: list[tuple[dict[str, Any], str]] = [
    ({"l": [1, True]}, "rows.0.l.1: it should be a valid integer"),
    ({"l": [1, 65535]}, "rows.0.l.1: it should be less than 65535"),
    ({"l": [1]}, "does not hold one label per input"),
    ({"l": None}, "does not hold one label per input"),
    ({"r": [0, 3]}, "inputs that its probes do not have"),
    ({"r": [0, 0]}, "inputs that its probes do not have"),
    ({"r": [0, 1, 2]}, "rows.0.r"),
    ({"r": None, "i": [1, 1]}, "inputs that its probes do not have"),
    ({"r": None, "i": [0, -1]}, "rows.0.i.1: it should be greater than or equal to 0"),
    ({"r": None}, "inputs that its probes do not have"),
    ({"x": 1}, "rows.0.x: an unknown key"),
    ({"q": "ab"}, "rows.0.q: String should match pattern"),
    ({"a": "2"}, "rows.0.a: it should be a valid integer"),
]


def log(row: dict[str, Any]) -> list[bytes]:
    """A log of one question about two inputs, answered by one row."""
    parts: list[dict[str, Any]] = [
        {"e": "open", "plan": "p", "target": "t", "tool": {}, "torn": 0},
        {"e": "ask", "probes": [0], "new": [[0, "plane", "d", 2]]},
        {"e": "rows", "rows": [row]},
    ]
    lines: list[bytes] = []
    for part in parts:
        prev = line_hash(lines[-1]) if lines else GENESIS
        lines.append(canonical({"n": len(lines), "prev": prev, "at": 1.5, **part}))
    return lines


def test_a_row_as_it_is_written() -> None:
    assert read_chain(log(ROW)).probes[0].labels.tolist() == [1, 2]
    listed = {name: value for name, value in ROW.items() if name != "r"}
    assert read_chain(log({**listed, "i": [1, 0]})).probes[0].labels.tolist() == [2, 1]


@pytest.mark.parametrize(("change", "words"), ROWS)
def test_a_row_that_nobody_writes_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(EvidenceError) as caught:
        read_chain(log({**ROW, **change}))
    assert str(caught.value).startswith("label log, entry 2: ")
    assert words in str(caught.value)
