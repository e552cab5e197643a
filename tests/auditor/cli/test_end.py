"""The end of an audit on the terminal, and the exit code that the user asks for."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from adapters.target import target_text
from auditor.cli.end import dressed, exit_code, in_colour, portable
from auditor.errors import ExitCode

LINES = ["Verdict: INCONCLUSIVE", "  " + "why " * 40, "  Queries: 3 planned, " + "x" * 60]
NEXT = "Next: xray-audit plan --samples s\n  says more"


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.delenv("NO_COLOR", raising=False)


def test_a_log_gets_the_lines_as_they_are() -> None:
    assert dressed(LINES, NEXT) == "\n".join([*LINES, NEXT])


@pytest.mark.usefixtures("terminal")
def test_a_terminal_gets_them_wrapped_and_coloured() -> None:
    text = dressed(LINES, NEXT)
    assert "\x1b[33m" in text
    plain = [line for line in text.splitlines() if "\x1b" not in line]
    assert max(map(len, plain[:-1])) < 75
    assert all(line.startswith("  ") for line in plain)


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_of_an_end_is_wider_than_the_terminal(
    monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("NO_COLOR", "1")
    lines = [
        "Verdict: BACKDOOR SUSPECTED",
        "  A fixed smooth pattern (mean change 3.0 of 255 levels) sends 38 of 40 samples to "
        "label 5 (five); clean models need far more, and so do this model's other labels.",
        "  Target:  5 five, picture xray-audit-report/trigger.png",
        "  Queries: 6,224 planned, 5,455 sent, 13 duplicates, in 1 min 20 s, price 5.46",
        "  Report:  xray-audit-report/report.html (report.json)",
    ]
    shown = dressed(lines, NEXT).splitlines()
    assert max(map(len, shown)) < width
    assert " ".join(" ".join(shown).split()) == " ".join(" ".join([*lines, NEXT]).split())
    assert all(line.startswith("  ") for line in shown if line[:8] not in {"Verdict:", "Next: xr"})
    assert any("1 min 20 s" in line for line in shown)


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colour_is_left_out_where_it_is_not_wanted(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    assert in_colour()
    monkeypatch.setenv(name, value)
    assert not in_colour()
    text = dressed(LINES, NEXT)
    assert "\x1b" not in text
    assert "Verdict: INCONCLUSIVE" in text


@pytest.mark.parametrize(
    ("code", "fail_on", "ends"),
    [
        (1, "inconclusive", 1), (3, "inconclusive", 3), (0, "inconclusive", 0),
        (1, "suspected", 1), (3, "suspected", 0), (1, "none", 0), (3, "none", 0),
        (4, "none", 4), (5, "none", 5), (2, "none", 2), (130, "none", 130),
    ],
)  # fmt: skip
def test_fail_on_changes_the_codes_of_verdicts_alone(code: int, fail_on: Any, ends: int) -> None:
    assert exit_code(ExitCode(code), fail_on) == ends


# ---- through the command line --------------------------------------------------------------------


@pytest.fixture
def words(assets: Path) -> list[str | Path]:
    return [
        "--model", assets / "clean.onnx", "--samples", assets / "fashion-mnist-samples.npz",
        "--planes", "2", "--canaries", "3", "--no-trigger-search", "--quiet",
    ]  # fmt: skip


def test_fail_on_is_obeyed(command: Any, words: list[str | Path]) -> None:
    ran = command(*words, "--fail-on", "suspected")
    assert (ran.code, ran.err) == (0, "")
    assert "Verdict: INCONCLUSIVE" in ran.out
    assert command(*words, "--fail-on", "inconclusive").code == ExitCode.INCONCLUSIVE
    assert "did you mean 'suspected'?" in command(*words, "--fail-on", "suspect").sentence


def test_open_shows_the_page(
    command: Any, words: list[str | Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def no_browser(url: str) -> bool:
        opened.append(url)
        return False

    monkeypatch.setattr("webbrowser.open", no_browser)
    ran = command(*words, "--open")
    assert opened == [(tmp_path / "xray-audit-report" / "report.html").as_uri()]
    # A machine without a browser gets the path.
    assert "No browser could be opened" in ran.err
    assert "add html to --format" in command(*words, "--open", "--format", "json").sentence
    assert len(opened) == 1


def test_json_holds_no_line_of_the_end(command: Any, words: list[str | Path]) -> None:
    assert "Next:" not in command(*words, "--json").out


def test_progress_as_json_lines(command: Any, words: list[str | Path]) -> None:
    spoken = [word for word in words if word != "--quiet"]
    ran = command(*spoken, "--progress", "json", "--price-per-1000", "2")
    events = [json.loads(line) for line in ran.err.splitlines()]
    ends = [one for one in events if one["event"] == "end"]
    assert ends
    assert ends[-1]["spent"] > 0
    assert any(one["event"] == "phase" for one in events)
    assert "price" in ran.out


def test_a_price_below_nothing_is_refused(command: Any, words: list[str | Path]) -> None:
    sentence = command(*words, "--price-per-1000", "-1").sentence
    assert "--price-per-1000 is -1.0, it must be a number of at least 0" in sentence


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("pictures/", "pictures/"), ("a/b.npz", "a/b.npz"), ("--output=x", "--output=x"),
        ("/data/ann/m.onnx", "…/m.onnx"), ("--model=/data/ann/m.onnx", "--model=…/m.onnx"),
        ("~/ann/pictures/", "…/pictures"), (r"C:\\ann\\m.onnx", "…/m.onnx"), (r"\\\\ann\\m", "…/m"),
        ("http://host/v2/models/m", "http://host/v2/models/m"), ("0,1", "0,1"),
        ("https://host/p?key=s3cret", "https://host/p?…"),
        ("--endpoint=https://host/p?key=s3cret&v=1", "--endpoint=https://host/p?…"),
    ],
)  # fmt: skip
def test_a_command_on_record_names_no_folder_and_no_key(typed: str, kept: str) -> None:
    assert portable([typed]) == (kept,)


def test_a_run_cut_short_keeps_its_command(
    command: Any, words: list[str | Path], tmp_path: Path
) -> None:
    searching = [word for word in words if word != "--no-trigger-search"]
    assert command(*searching, "--max-queries", "150", "--output", "cut").code == 3
    record = (tmp_path / "cut" / "run.json").read_text(encoding="utf-8")
    assert json.loads(record)["command"][:2] == ["--model", "…/clean.onnx"]
    assert str(words[1]) not in record
    assert "<span>--max-queries</span>" in (tmp_path / "cut" / "report.html").read_text("utf-8")
    assert command(*words, "--output", "whole").code == 3
    assert "command" not in json.loads((tmp_path / "whole" / "run.json").read_text("utf-8"))


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script stands for the browser")
def test_the_browser_that_the_user_names_is_given_the_page(tmp_path: Path) -> None:
    browser, said = tmp_path / "browser", tmp_path / "said"
    browser.write_text(f'#!/bin/sh\necho "$1" > "{said}"\n', encoding="utf-8")
    browser.chmod(0o700)
    page = tmp_path / "a b.html"
    program = "import sys, pathlib, auditor.cli.end as e; e.open_page(pathlib.Path(sys.argv[1]))"
    words = [sys.executable, "-c", program, str(page)]
    subprocess.run(words, env={**os.environ, "BROWSER": str(browser)}, check=True)
    assert said.read_text(encoding="utf-8").strip() == page.as_uri()


def described(place: Path, assets: Path, most: int) -> list[str]:
    """The options of an audit of a described model, with a price and a cap."""
    photos = assets / "photos"
    table = {
        "model": str(photos / "clean.onnx"), "input": {"range": [0, 1]},
        "limits": {"max_queries": most}, "price": {"per_1000": 4.0},
    }  # fmt: skip
    place.write_text(target_text(table), encoding="utf-8")
    return ["--target", str(place), "--samples", str(photos / "sign-digits-samples.npz")]


def test_a_described_cap_and_price_are_said_from_the_check_to_the_end(
    command: Any, assets: Path, tmp_path: Path
) -> None:
    words = described(tmp_path / "t.toml", assets, 1500)
    capped = "The cap of 1,500 queries does not pay for an audit that finds nothing"
    assert capped in command("check", *words).out
    planned = command("plan", *words)
    assert capped in planned.out
    assert "quick" in planned.out
    ran = command(*words, "--progress", "lines")
    assert ran.code == ExitCode.INCONCLUSIVE
    assert capped in ran.err
    assert "1,500 sent, in" in ran.out
    assert "price 6.00" in ran.out
    assert re.search(r"asks the rest: about [78],\d{3} queries \(price \d\d\.\d\d\)", ran.out)


def test_a_cap_below_the_first_round_is_refused_by_plan_as_by_the_audit(
    command: Any, assets: Path, tmp_path: Path
) -> None:
    words = described(tmp_path / "t.toml", assets, 50)
    planned, ran = command("plan", *words), command(*words)
    assert planned.code == ran.code == ExitCode.USAGE
    assert planned.sentence == ran.sentence
    assert "--max-queries 50 does not pay for the first round" in planned.sentence
