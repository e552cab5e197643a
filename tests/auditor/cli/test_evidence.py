"""verify, pack and diff as commands: what they print and what they return."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


@pytest.fixture
def audited(command: Run, assets: Path) -> Callable[..., Any]:
    """Audits a model of the demo into a folder, ``(model, folder, *words)``."""

    def run(model: str, folder: str, *words: str | Path) -> Any:
        target = ("--model", assets / f"{model}.onnx", "--range", "0,1")
        samples = ("--samples", assets / "fashion-mnist-samples.npz")
        small = ("--planes", "2", "--no-trigger-search", "-q")
        return command(*target, *samples, *small, "--output", folder, *words)

    return run


def test_verify_pack_and_diff_from_end_to_end(command: Run, audited: Run, tmp_path: Path) -> None:
    assert audited("clean", "one").code == 3
    assert audited("backdoored", "two").code == 3
    ok = command("verify", "one")
    assert ok.code == 0
    first, *checks, last = ok.out.splitlines()
    assert first == (
        "VERIFIED (full edition, not signed): the labels give the verdict inconclusive; "
        "not proven: that any model gave these labels, and who says so."
    )
    assert checks[0].startswith("ok ")
    assert "the same: pictures.json, report.html." in checks[-2]
    assert checks[-1].startswith("On the author's word alone: which model was asked (clean.onnx)")
    assert last.startswith("Nobody signed this")
    found = json.loads(command("verify", "one", "--json").out)
    assert found["verified"]
    assert (found["verdict"], found["signed_by"], found["exit_code"]) == ("inconclusive", None, 0)
    assert command("pack", "one", "one.zip", "--hand-over").code == 0
    assert "hand-over edition" in command("verify", "one.zip").out
    shown = command("diff", "one.zip", "two")
    assert shown.code == 3
    assert "Verdict: inconclusive, as before" in shown.out
    assert "another fingerprint than then" in shown.out
    assert json.loads(command("diff", "one", "two", "--json").out)["spoiled_by"] == []
    (tmp_path / "two" / "report.html").write_text("all clear")
    broken = command("verify", "two")
    assert broken.code == 4
    assert "DOES NOT VERIFY" in broken.out
    assert "report.html was changed" in broken.out
    assert "two does not verify" in command("diff", "one", "two").sentence


def test_a_report_alone_can_be_compared_and_proves_nothing(command: Run, audited: Run) -> None:
    audited("clean", "one")
    shown = command("diff", "one/report.json", "one")
    assert "a report alone: nothing shows that it was not changed" in shown.out
    Path("odd.json").write_text('{"schema_version": "1.0"}')
    odd = command("diff", "odd.json", "one")
    assert (odd.code, "not a report as this version" in odd.sentence) == (4, True)


def test_signing_needs_a_key_that_is_one(audited: Run, tmp_path: Path) -> None:
    refused = audited("clean", "one", "--sign-key", tmp_path / "none.key")
    assert (refused.code, "cannot be read" in refused.sentence) == (2, True)
    (tmp_path / "bad.key").write_text("-----BEGIN PRIVATE KEY-----\nSECRET\n")
    refused = audited("clean", "one", "--sign-key", tmp_path / "bad.key")
    assert refused.code == 2
    assert "no readable PEM private key" in refused.sentence
    assert "SECRET" not in refused.sentence
    assert not (tmp_path / "one").exists()


def test_a_bundle_that_is_not_there_is_usage(command: Run) -> None:
    for words in (("verify", "none"), ("pack", "none", "a.zip"), ("diff", "none", "none")):
        assert command(*words).code == 2


def test_one_file_of_a_bundle_is_pointed_at_its_folder(command: Run, audited: Run) -> None:
    audited("clean", "one")
    for words in (("verify",), ("report",), ("pack", "a.zip")):
        ran = command(words[0], "one/report.json", *words[1:])
        assert (ran.code, "a bundle: name its folder, one" in ran.sentence) == (2, True), words


def test_acceptance_is_read_before_anything_is_asked(audited: Run, tmp_path: Path) -> None:
    refused = audited("clean", "one", "--accepted", tmp_path / "none.toml")
    assert (refused.code, "accepted risks" in refused.sentence) == (2, True)
    assert not (tmp_path / "one").exists()


def test_a_view_says_who_accepted_what_and_keeps_the_verdict(
    command: Run, assets: Path, tmp_path: Path
) -> None:
    audit = ("--model", assets / "backdoored.onnx", "--range", "0,1", "--planes", "2")
    rest = ("--samples", assets / "fashion-mnist-samples.npz", "-q", "--json")
    ran = command(*audit, *rest, "--output", "two")
    assert ran.code == 1
    (finding,) = json.loads(ran.out)["findings"]
    for until, said in (("2999-01-31", "is accepted until"), ("2020-01-31", "acceptance expired")):
        (tmp_path / "accepted.toml").write_text(
            f'[[accepted]]\nfinding = "{finding["id"]}"\nreason = "<b>why</b>"\n'
            f'owner = "J. Doe"\nuntil = {until}\n'
        )
        words = ("--accepted", "accepted.toml", "--to", "-")
        page = command("report", "two", "--format", "html", *words).out
        assert said in page
        assert "&lt;b&gt;why" in page
        assert "<b>why" not in page
        assert "Backdoor suspected" in page
        assert said in command("report", "two", "--format", "markdown", *words).out
        assert command(*audit, *rest, "--output", "two", "--accepted", "accepted.toml").code == 1
    assert "Accepted risk" not in command("report", "two", "--format", "html", "--to", "-").out
