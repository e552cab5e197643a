"""Help, start page, suggestions and completion: the first minute with the tool."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import typer

from auditor.cli.complete import FRAMEWORKS, VIEWS
from auditor.cli.help import EXAMPLES, START
from auditor.cli.main import app
from auditor.cli.option_fields import BASIC, PANELS
from auditor.cli.options import GROUPS
from auditor.errors import ExitCode
from auditor.plan.settings import AuditSettings
from auditor.report.views import ViewName
from auditor.report.wording.frameworks import FrameworkName

COMMANDS = ("", "audit", "plan", "check", "calibrate", "cohort", "report", "verify", "diff")
FLAG = re.compile(r"^  (?:-\w, )?--([a-z0-9-]+)", re.MULTILINE)


def shown(text: str) -> set[str]:
    """Options that stand at the beginning of a row."""
    found = set(FLAG.findall(text)) - {"help", "help-all", "version"}
    return {name for name in found if not name.startswith("no-")}


def test_the_first_screen_shows_ten_options(command: Any) -> None:
    ran = command("--help")
    assert shown(ran.out) == {name.replace("_", "-") for name in BASIC}
    assert len(BASIC) == 10
    more = re.search(r"^(\d+) more options: xray-audit --help-all$", ran.out, re.MULTILINE)
    assert more is not None
    assert len(shown(command("--help-all").out)) == 10 + int(more[1])


def test_a_command_of_few_options_hides_none(command: Any) -> None:
    shown = command("report", "--help").out
    assert "--format" in shown
    assert "more options" not in shown


def test_panels_come_in_the_order_of_an_audit(command: Any) -> None:
    out = command("--help-all").out
    found = re.findall(r"^(\S[\w ()-]*?) [─-]{3,}$", out, re.MULTILINE)
    named = [name for name in found if name in PANELS]
    assert named == list(PANELS)
    assert found.index("Examples") < found.index(PANELS[0])


@pytest.mark.parametrize("group", GROUPS)
def test_every_option_states_its_default_or_that_it_is_needed(group: type[Any]) -> None:
    for one in fields(group):
        text = one.metadata["of"][0]
        needed = "Needed." in text or one.name in {"endpoint", "model"}
        assert needed or "Default: " in text, one.name


def test_the_defaults_stated_are_those_of_the_settings() -> None:
    stated = {one.name: one.metadata["of"][0] for group in GROUPS for one in fields(group)}
    for one in fields(AuditSettings):
        said = stated[one.name].partition("Default: ")[2]
        words: tuple[str, ...]
        if isinstance(one.default, bool):
            words = ("yes", "leave it out") if one.default else ("no", "if ")
        else:
            words = (f"{one.default:g}" if isinstance(one.default, float) else str(one.default),)
        assert said.startswith(words), one.name


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("name", COMMANDS)
def test_no_line_is_wider_than_the_window(
    command: Any, monkeypatch: pytest.MonkeyPatch, name: str, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    flag = "--help" if name in {"verify", "diff"} else "--help-all"
    ran = command(*([name] if name else []), flag)
    assert ran.code == 0
    assert max(map(len, ran.out.splitlines())) <= width
    # A text beside its option keeps room for words.
    assert not re.search(r"^ {27,}\S{1,3}$\n^ {27,}\S{1,3}$", ran.out, re.MULTILINE)


def test_examples_use_options_of_their_command() -> None:
    group = typer.main.get_command(app)
    for line, _ in EXAMPLES:
        name = line.split()[1]
        options = {o for p in group.commands[name].params for o in p.opts}  # type: ignore[attr-defined]  # a group has commands
        assert {word for word in line.split() if word.startswith("--")} <= options
        assert line in START
    assert len(EXAMPLES) == 3


@pytest.mark.parametrize("encoding", ["cp437", "cp1252", "ascii"])
def test_a_legacy_code_page_is_no_failure(tmp_path: Path, encoding: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "auditor", "--help-all"],
        env={**os.environ, "PYTHONIOENCODING": encoding},
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"What you audit ----" in done.stdout


# ---- the start page, and audit as a command ----


def test_the_command_alone_prints_ten_lines_and_is_no_error(command: Any) -> None:
    ran = command()
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert len(lines) == 10
    assert max(map(len, lines)) <= 60
    assert sum(line.startswith("  xray-audit ") for line in lines) == 3
    assert not Path("xray-audit-report").exists()


def test_settings_that_name_samples_start_an_audit_without_options(
    command: Any, tmp_path: Path
) -> None:
    (tmp_path / "xray-audit.toml").write_text("samples = 'missing.npz'\nmodel = 'm.onnx'\n")
    ran = command()
    assert ran.code == ExitCode.USAGE
    assert "m.onnx" in ran.sentence


def test_an_option_without_samples_is_still_an_error(command: Any) -> None:
    for words in (["--planes", "3"], ["audit"]):
        assert command(*words).code == ExitCode.USAGE


def test_audit_is_a_command_and_does_the_same(command: Any, assets: Path) -> None:
    words = (
        "--model", assets / "clean.onnx", "--samples", assets / "fashion-mnist-samples.npz",
        "--planes", "2", "--canaries", "3", "--no-trigger-search", "--quiet", "--json",
    )  # fmt: skip
    bare, named = command(*words, "--output", "a"), command("audit", *words, "--output", "b")
    assert bare.code == named.code == ExitCode.INCONCLUSIVE
    first, second = json.loads(bare.out), json.loads(named.out)
    assert first["plan_digest"] == second["plan_digest"]
    assert first["verdict_reason"] == second["verdict_reason"]


def test_settings_reach_the_command_audit(command: Any, tmp_path: Path) -> None:
    (tmp_path / "xray-audit.toml").write_text("samples = 'missing.npz'\nmodel = 'm.onnx'\n")
    assert "m.onnx" in command("audit").sentence


# ---- slips of the pen ----


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (["--plaens", "3"], "did you mean --planes?"),
        (["audit", "--max-querys", "3"], "did you mean --max-queries?"),
        (["chekc"], "Did you mean 'check'?"),
        (["--effort", "quik"], "did you mean 'quick'?"),
        (["plan", "--fit", "sqash"], "did you mean 'squash'?"),
        (
            ["--preset", "torchserv", "--endpoint", "http://127.0.0.1:9"],
            "did you mean 'torchserve'?",
        ),
        (["--profile", "cifar10"], "did you mean 'cifar-10'?"),
        (["--format", "htlm"], "did you mean 'html'?"),
        (["--framework", "nist-rmf"], "did you mean 'nist-ai-rmf'?"),
        (["--framework", "iso"], "did you mean 'iso-42001'?"),
        (["--model", "none.onnx", "--format", "pfd"], "did you mean 'pdf'?"),
    ],
)
def test_a_mistyped_name_is_answered_with_its_nearest(
    command: Any, assets: Path, words: list[str], near: str
) -> None:
    model = [] if "--endpoint" in words else ["--model", assets / "clean.onnx"]
    given = [*model, "--samples", assets / "fashion-mnist-samples.npz"]
    ran = command(*words, *([] if words == ["chekc"] else given))
    assert ran.code == ExitCode.USAGE
    assert near in ran.sentence


def test_a_name_that_resembles_nothing_gets_no_suggestion(command: Any) -> None:
    assert "did you mean" not in command("--effort", "12345").sentence
    assert "did you mean" not in command("--qqqqqqqq").sentence


# ---- completion ----

Complete = Callable[[str], list[str]]


@pytest.fixture
def complete(tmp_path: Path) -> Complete:
    """Asks the program as bash does when Tab is pressed at the end of the line."""

    def ask(line: str) -> list[str]:
        changes = {
            "COMP_WORDS": line,
            "COMP_CWORD": str(line.count(" ")),
            "_XRAY_AUDIT_COMPLETE": "complete_bash",
            "XDG_CONFIG_HOME": str(tmp_path),
        }
        done = subprocess.run(
            [sys.executable, "-m", "auditor"],
            env={**os.environ, **changes},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr == ""
        return done.stdout.split()

    return ask


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("xray-audit ch", ["check"]),
        ("xray-audit --preset torchs", ["torchserve"]),
        ("xray-audit audit --preset v2,torchs", ["v2,torchserve"]),
        ("xray-audit --profile fash", ["fashion-mnist"]),
        ("xray-audit plan --effort th", ["thorough"]),
        ("xray-audit report bundle --format sa", ["sarif"]),
        ("xray-audit audit --max-q", ["--max-queries"]),
        # None: bash then offers files.
        ("xray-audit --model mo", []),
        ("xray-audit --profile ./mine", []),
    ],
)
def test_the_shell_completes(complete: Complete, line: str, words: list[str]) -> None:
    assert complete(line) == words


def test_the_completed_names_are_those_that_exist() -> None:
    assert set(VIEWS) == set(ViewName)
    assert set(FRAMEWORKS) == set(FrameworkName)


def test_one_line_installs_completion(tmp_path: Path) -> None:
    (tmp_path / ".bashrc").write_text("# mine\n")
    done = subprocess.run(
        [sys.executable, "-m", "auditor", "--install-completion", "bash"],
        env={
            **os.environ,
            "HOME": str(tmp_path),
            "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1",
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    kept = (tmp_path / ".bashrc").read_text()
    assert kept.startswith("# mine\n")
    (script,) = re.findall(r"source '(.+)'", kept)
    assert "_XRAY_AUDIT_COMPLETE=complete_bash" in Path(script).read_text()
