"""Who answered, and what the labels are called, is on record from the first answer on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from adapters.contract import LabelSpace
from adapters.errors import RetryAdvice, ServerFailed
from adapters.strict_json import canonical
from adapters.synthetic import SyntheticOracle
from auditor.engine.contract import EngineLimits
from auditor.errors import EvidenceError, ExitCode
from auditor.evidence.chain import GENESIS, Chain, line_hash, read_chain, split_lines
from auditor.evidence.target_record import MAX_NAMES, TargetRecord
from auditor.plan.settings import AuditSettings
from auditor.samples.samples import Samples
from auditor.workflows.audit import run_audit
from auditor.workflows.request import AuditRequest
from auditor.workflows.targets import located
from auditor.workflows.verify.verify import verify_bundle


class Endpoint:
    """A known classifier behind a network: what it says of itself is ``says(requests so far)``."""

    def __init__(self, inner: SyntheticOracle, says: Callable[[int], dict[str, str]]) -> None:
        self.inner, self.says = inner, says
        self.server_identity: dict[str, str] = {}
        self.status = ""
        self.addresses = {"192.0.2.1"}
        self.fail_at = -1

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def identity(self) -> dict[str, Any]:
        return {"addresses": sorted(self.addresses)}

    async def predict_labels(self, batch: NDArray[np.float32]) -> NDArray[np.int64]:
        labels: NDArray[np.int64] = await self.inner.predict_labels(batch)
        if self.inner.wire.requests == self.fail_at:
            error = ServerFailed("busy", RetryAdvice("transient"))
            error.status = "503"
            raise error
        self.status = "200"
        self.server_identity.update(self.says(self.inner.wire.requests))
        return labels


Audit = Callable[..., dict[str, Any]]


@pytest.fixture
def audit(samples: Samples, settings: AuditSettings, tmp_path: Path) -> Audit:
    """Audits into ``tmp_path / "out"``, ``(oracle, **limits)``, one request at a time."""

    def run(oracle: Any, **limits: Any) -> dict[str, Any]:
        allowed = EngineLimits(backoff_s=0.0, concurrency=1, **limits)
        done = run_audit(
            AuditRequest(located(oracle), samples, settings, tmp_path / "out", limits=allowed)
        )
        return asyncio.run(done).report

    return run


@pytest.fixture
def endpoint(make_oracle: Callable[..., SyntheticOracle]) -> Callable[..., Endpoint]:
    """Opens the endpoint, ``(says=...)``."""

    def make(
        says: Callable[[int], dict[str, str]] = lambda _: {"header server": "a"},
    ) -> Endpoint:
        return Endpoint(make_oracle(max_batch=16), says)

    return make


def entries(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def log_of(kind: str, content: dict[str, Any]) -> list[bytes]:
    """A log of one run that holds one more entry."""
    opened = {"plan": "p", "target": "t", "tool": {}, "torn": 0}
    lines: list[bytes] = []
    for e, more in (("open", opened), (kind, content)):
        prev = line_hash(lines[-1]) if lines else GENESIS
        lines.append(canonical({"n": len(lines), "prev": prev, "at": 1.5, "e": e, **more}))
    return lines


def chain_of(folder: Path) -> Chain:
    return read_chain(split_lines((folder / "log.jsonl").read_bytes())[0])


def test_a_sender_is_on_record_before_the_labels_it_gave(
    audit: Audit, endpoint: Callable[..., Endpoint], tmp_path: Path
) -> None:
    audit(endpoint(lambda n: {"header server": "a"} | ({"model_version": "2"} if n > 3 else {})))
    kinds = [entry["e"] for entry in entries(tmp_path / "out")]
    assert kinds[:5] == ["open", "classes", "ask", "sender", "rows"]
    first, second = [entry for entry in entries(tmp_path / "out") if entry["e"] == "sender"]
    assert (first["said"], first["addresses"]) == ({"header server": "a"}, ["192.0.2.1"])
    assert (second["said"], second["addresses"]) == ({"model_version": "2"}, [])
    found = verify_bundle(tmp_path / "out")
    assert found.exit_code == ExitCode.NO_EVIDENCE, found.checks
    (text,) = [check.text for check in found.checks if check.name == "senders"]
    assert text.endswith("header server a; model_version 2; address 192.0.2.1.")


def test_a_row_names_the_status_of_its_reply(
    audit: Audit, endpoint: Callable[..., Endpoint], tmp_path: Path
) -> None:
    oracle = endpoint()
    oracle.fail_at = 3
    report = audit(oracle)
    rows = [row for entry in entries(tmp_path / "out") for row in entry.get("rows", [])]
    asked = [(row["s"], row["c"], row.get("a", 1)) for row in rows if "q" in row]
    assert asked[1:4] == [("ok", 200, 1), ("ServerFailed", 503, 1), ("ok", 200, 2)]
    assert report["queries"]["by_status"] == {"200": len(asked) - 1, "503": 1}
    ledger = [check for check in verify_bundle(tmp_path / "out").checks if check.name == "ledger"]
    assert ledger[0].text.endswith(f"Requests by status: 200 {len(asked) - 1}, 503 1.")


def test_a_sender_that_only_the_log_remembers_still_counts(
    audit: Audit, endpoint: Callable[..., Endpoint], tmp_path: Path
) -> None:
    audit(endpoint(), max_queries=320)
    (tmp_path / "out" / "labels.sqlite3").unlink()
    report = audit(endpoint(lambda _: {"header server": "b"}))
    assert report["trust"]["senders"] == {"header server": ["a", "b"]}
    assert report["verdict"] == "inconclusive"
    assert verify_bundle(tmp_path / "out").exit_code == ExitCode.NO_EVIDENCE


def test_a_sender_that_only_the_store_remembers_is_logged_late(
    audit: Audit, endpoint: Callable[..., Endpoint], tmp_path: Path
) -> None:
    audit(endpoint(), max_queries=320)
    (tmp_path / "out" / "log.jsonl").unlink()
    audit(endpoint())
    kinds = [entry["e"] for entry in entries(tmp_path / "out")]
    assert kinds[:4] == ["open", "classes", "sender", "ask"]
    assert chain_of(tmp_path / "out").target_record.servers == {"header server": ["a"]}
    assert verify_bundle(tmp_path / "out").exit_code == ExitCode.NO_EVIDENCE


def test_another_target_in_the_same_folder_has_a_record_of_its_own(
    audit: Audit, endpoint: Callable[..., Endpoint], tmp_path: Path
) -> None:
    audit(endpoint())
    other = endpoint(lambda _: {"header server": "b"})
    other.inner.fingerprint = "another model"
    report = audit(other)
    assert report["trust"]["senders"] == {"header server": ["b"]}
    assert len(chain_of(tmp_path / "out").target_records) == 2
    assert verify_bundle(tmp_path / "out").exit_code == ExitCode.NO_EVIDENCE


def test_classes_learned_from_answers_are_on_record_with_them(
    audit: Audit, endpoint: Callable[..., Endpoint], tmp_path: Path
) -> None:
    oracle = endpoint()
    oracle.inner.label_space = LabelSpace(["0", "1"], open=True)
    plain = oracle.inner.predict_labels

    async def named(batch: NDArray[np.float32]) -> NDArray[np.int64]:
        space = oracle.inner.label_space
        found = [space.index(f"class {label}") for label in await plain(batch)]
        return np.array(found, dtype=np.int64)

    oracle.inner.predict_labels = named  # type: ignore[method-assign]  # for this test only
    audit(oracle)
    logged = [entry for entry in entries(tmp_path / "out") if entry["e"] == "classes"]
    assert logged[0]["names"] == ["0", "1", "2", "3", "4"]  # those of the samples
    later = [name for entry in logged[1:] for name in entry["names"]]
    assert sorted(later) == [f"class {number}" for number in range(5)]
    assert chain_of(tmp_path / "out").target_record.names == oracle.inner.label_space.names
    assert verify_bundle(tmp_path / "out").exit_code == ExitCode.NO_EVIDENCE


def test_long_lists_of_names_are_written_in_parts() -> None:
    record, names = TargetRecord(), [f"class {number}" for number in range(2 * MAX_NAMES + 1)]
    parts = list(record.class_news(0, names, len(names)))
    for part in parts:
        record.take_classes(**part)
    assert (len(parts), record.names, record.size) == (3, names, len(names))
    assert list(record.class_news(0, names, len(names))) == []


def test_classes_and_senders_as_they_are_written_are_read() -> None:
    record = read_chain(log_of("classes", {"first": 0, "names": ["a"], "size": 1})).target_record
    assert (record.names, record.size) == (["a"], 1)
    said = {"said": {"a": "b"}, "addresses": ["x"]}
    assert read_chain(log_of("sender", said)).target_record.servers == {"a": ["b"]}


@pytest.mark.parametrize(
    "entry",
    [
        {"first": 1, "names": ["a"], "size": 1},
        {"first": True, "names": ["a"], "size": 1},
        {"first": 0, "names": [1], "size": 1},
        {"first": 0, "names": ["a"], "size": -1},
        {"first": 0, "names": ["a"] * 65_536, "size": 1},
        {},
    ],
)
def test_classes_that_nobody_writes_are_refused(entry: dict[str, Any]) -> None:
    with pytest.raises(EvidenceError):
        read_chain(log_of("classes", entry))


@pytest.mark.parametrize(
    "entry", [{}, {"said": {"a": 1}, "addresses": []}, {"said": {}, "addresses": "x"}]
)
def test_senders_that_nobody_writes_are_refused(entry: dict[str, Any]) -> None:
    with pytest.raises(EvidenceError):
        read_chain(log_of("sender", entry))
