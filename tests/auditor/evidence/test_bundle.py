"""Every --output is a bundle, and it can be read back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.synthetic import SyntheticOracle
from auditor.errors import EvidenceError
from auditor.evidence.bundle import load_bundle
from auditor.evidence.chain import MAX_LINE, file_lines, read_chain, split_lines
from auditor.evidence.head import listing, read_head
from auditor.evidence.layout import REQUIRED
from auditor.plan.settings import AuditSettings
from auditor.samples.samples import Samples
from auditor.workflows.audit import run_audit
from auditor.workflows.request import AuditRequest
from auditor.workflows.targets import located

MakeOracle = Callable[..., SyntheticOracle]


def test_an_audit_leaves_a_bundle(
    make_oracle: MakeOracle, samples: Samples, settings: AuditSettings, tmp_path: Path
) -> None:
    result = asyncio.run(
        run_audit(AuditRequest(located(make_oracle()), samples, settings, tmp_path))
    )
    bundle = load_bundle(tmp_path)
    assert bundle.result.content == json.loads(json.dumps(result.report))
    assert not bundle.handed_over
    assert not bundle.signed
    assert set(REQUIRED) <= set(bundle.files.content)
    listed, signer = read_head(bundle.files.get("head.json"))
    assert signer is None
    inside = {name: data for name, data in bundle.files.content.items() if name != "head.json"}
    assert listed == listing(inside)
    assert set(bundle.pictures) >= {
        plane["triplet"][0] for plane in bundle.result.content["planes"]
    }
    lines, torn = split_lines(bundle.files.get("log.jsonl"))
    chain = read_chain(lines)
    assert torn == b""
    assert chain.runs[-1].tally.sent == result.report["queries"]["sent"]
    assert chain.runs[-1].tally.deduplicated == result.report["queries"]["deduplicated"]
    for number, probe in enumerate(chain.probes[1:17]):
        plane = bundle.result.content["planes"][number]
        assert probe.labels.tolist() == plane["points"]["labels"]


@pytest.mark.parametrize(("left", "words"), [(1, "half-written"), (MAX_LINE + 1, "longer")])
def test_a_log_read_line_by_line_is_refused_where_it_is_torn_or_a_line_too_long(
    tmp_path: Path, left: int, words: str
) -> None:
    (tmp_path / "log.jsonl").write_bytes(b"\nx\n")
    assert list(file_lines(tmp_path / "log.jsonl")) == [b"", b"x"]
    (tmp_path / "log.jsonl").write_bytes(b"a\n" + b"b" * left)
    lines = file_lines(tmp_path / "log.jsonl")
    assert next(lines) == b"a"
    with pytest.raises(EvidenceError, match=words):
        next(lines)
