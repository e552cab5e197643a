"""Bundles of release 0.1.0 verify, and are judged again to the verdict that they hold."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from auditor.evidence.layout import WORKING
from auditor.workflows.verify.recomputed import todays_words

BUNDLES = Path(__file__).parents[3] / "data" / "bundles_0_1"
VERDICTS = {
    "default": "inconclusive",
    "files": "inconclusive",
    "handed_over": "inconclusive",
    "inconclusive": "inconclusive",
    "paper": "inconclusive",
    "per_source": "inconclusive",
    "profile": "no-evidence",
    "signed": "inconclusive",
    "stopped": "inconclusive",
    "suspected": "backdoor-suspected",
}
RunCommand = Callable[..., Any]


def test_there_is_one_of_every_kind_without_its_label_store() -> None:
    kinds = {path.name for path in BUNDLES.iterdir() if path.is_dir()}
    assert kinds == set(VERDICTS)
    assert not [path for path in BUNDLES.rglob("*") if path.name in WORKING]


@pytest.mark.parametrize("kind", VERDICTS)
def test_it_verifies_and_gives_the_same_verdict(command: RunCommand, kind: str) -> None:
    ran = command("verify", BUNDLES / kind, "--json")
    found = json.loads(ran.out)
    # The only page among them, which this version would write in other words.
    page = ["views/report.html"] if kind == "handed_over" else []
    assert (ran.code, found["not_covered"]) == (3 if page else 0, page), ran.out + ran.err
    states = {check["check"]: check["state"] for check in found["checks"]}
    assert states["verdict"] == "ok", "the verdict was recomputed, not taken from the report"
    assert found["verdict"] == VERDICTS[kind]


@pytest.mark.parametrize("kind", ["signed", "handed_over"])
def test_its_signature_is_by_the_key_kept_beside_it(command: RunCommand, kind: str) -> None:
    ran = command("verify", BUNDLES / kind, "--key", BUNDLES / "signed.pub", "--json")
    assert ran.code == (3 if kind == "handed_over" else 0), ran.out + ran.err
    assert json.loads(ran.out)["signed_by"]


def test_a_bundle_that_nobody_signed_is_not_taken_for_signed(command: RunCommand) -> None:
    ran = command("verify", BUNDLES / "default", "--key", BUNDLES / "signed.pub")
    assert ran.code == 4
    assert "DOES NOT VERIFY" in ran.out


@pytest.mark.parametrize(("key", "of"), [("patch@sources", " of some classes"), ("patch", "")])
def test_a_success_on_some_classes_once_read_like_one_on_all(key: str, of: str) -> None:
    said = "a patch of 5 x 5 pixels sends 32 of 32 fresh samples{} to label 1 (1)"
    found = {"best": {"family": "patch", "key": key}, "reason": said.format("")}
    written = json.dumps({"trigger": found}, indent=2).encode()
    assert json.loads(todays_words(written))["trigger"]["reason"] == said.format(of)
