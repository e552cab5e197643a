"""What the README says is what the tool does."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer

from adapters.discovery.survey import QUESTIONS
from adapters.target.parse import target_from_table
from adapters.target.presets import preset_names
from auditor.cli.main import app
from auditor.measured.decision import WITH_REFERENCES
from auditor.measured.trigger_error_rates import (
    ALL_TO_ONE_MODELS,
    CLEAN_MODELS,
    FALSE_ALARMS,
    MISSED,
)
from auditor.scores.intervals import binomial_rate
from auditor.verdict.rule import LEVEL
from auditor.workflows.check.check import MOST_QUERIES
from auditor.workflows.profiles import load_profile, shipped_profiles
from examples.benchmarks.cells import auroc_of
from examples.benchmarks.held_out.tables import areas_by_attack, load_rows
from examples.benchmarks.zoo_models import PATCHES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def _options(name: str | None) -> set[str]:
    group = typer.main.get_command(app)
    command = group if name is None else group.commands[name]  # type: ignore[attr-defined]  # a group has commands
    return {o for p in command.params for o in (*p.opts, *p.secondary_opts)}


def test_the_two_commands_come_first_and_exist() -> None:
    first = _blocks("console")[0]
    targets = re.findall(r"^make (\w+)", first, flags=re.MULTILINE)
    assert targets == ["demo", "test"]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert all(re.search(rf"^{target}:", makefile, flags=re.MULTILINE) for target in targets)


def test_every_make_target_named_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"`make ([\w-]+)`", README):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def test_every_benchmark_named_exists() -> None:
    named = re.findall(r"`make bench BENCH=(\w+)`", README)
    assert named
    for name in named:
        assert (ROOT / "examples" / "benchmarks" / name / "run.py").exists(), name


def test_every_option_named_exists_in_some_command() -> None:
    names = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # a group has commands
    known = set().union(*(_options(name) for name in (None, *names)))
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", README))
    assert len(named) > 10
    assert named <= known, named - known


@pytest.mark.parametrize(
    "line", [line for block in _blocks("console") for line in block.splitlines() if "xray" in line]
)
def test_console_lines_use_options_of_their_command(line: str) -> None:
    words = line.split("#", maxsplit=1)[0].split()
    assert words[0] == "xray-audit"
    name = words[1] if not words[1].startswith("-") else None
    assert {word for word in words if word.startswith("--")} <= _options(name)


def test_the_target_description_is_a_target() -> None:
    (text,) = _blocks("toml")
    target = target_from_table(tomllib.loads(text))
    assert target.access == "image"
    assert target.http.reply.path == "predictions.0.label"


def test_profiles_named_after_the_option_are_shipped() -> None:
    named = set(re.findall(r"`(paper-[\w-]+)`", README))
    assert named == {name for name in shipped_profiles() if name.startswith("paper-")}


def test_every_preset_has_its_row_in_the_table_of_what_was_tested() -> None:
    rows = re.findall(r"^  \| (`[^|]+`) \|", README, flags=re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`([\w-]+)`", row)}
    assert named == set(preset_names())


def test_what_check_sends_at_most_is_said() -> None:
    assert f"at most {MOST_QUERIES} (waits" in README
    assert f"at most {len(QUESTIONS)} requests, on its own origin" in README


def test_links_to_files_lead_somewhere() -> None:
    for link in re.findall(r"\]\(([^)h][^)]*)\)", README):
        assert (ROOT / link).exists(), link


def test_the_trigger_searchs_error_rates_are_the_measured_ones() -> None:
    text = " ".join(README.split())
    alarms = binomial_rate(FALSE_ALARMS, CLEAN_MODELS)
    assert f"accused {FALSE_ALARMS} of {CLEAN_MODELS} clean ones (95 % interval" in text
    assert f"interval {100 * alarms.low:.0f} % to {100 * alarms.high:.0f} %" in text
    missed = binomial_rate(MISSED, ALL_TO_ONE_MODELS)
    assert f"missed {MISSED} of {ALL_TO_ONE_MODELS} all-to-one backdoors" in text
    assert f"({100 * missed.low:.0f} % to {100 * missed.high:.0f} %)" in text


@pytest.mark.parametrize("name", ["fashion-mnist", "cifar-10", "gtsrb"])
@pytest.mark.parametrize("access", ["float", "image"])
def test_the_table_of_profiles_says_what_the_profiles_say(name: str, access: str) -> None:
    profile = load_profile(name, access)
    rates = [profile.error_rates[side] for side in ("false_positive", "false_negative")]
    cells = [f"{r.rate:.0%} [{r.low:.0%}, {r.high:.0%}]" for r in rates if r is not None]
    used = [r for r in profile.references if r.name not in profile.outliers]
    clean = sum(not r.backdoored for r in used)
    made_of = f"{clean} / {len(used) - clean}"
    assert f"| `{name}` | {made_of} | {access} | {' | '.join(cells)} |" in README


def test_no_placeholder_is_left() -> None:
    assert "@@" not in README


def test_exit_codes_match_the_help() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "auditor", "--help"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert "0 no evidence, 1 backdoor suspected" in " ".join(done.stdout.split())


def test_the_decision_rules_error_rates_are_the_measured_ones() -> None:
    text = " ".join(README.split())
    missed = binomial_rate(WITH_REFERENCES.missed, WITH_REFERENCES.backdoored)
    assert (
        f"missed {WITH_REFERENCES.missed} of {WITH_REFERENCES.backdoored} all-to-one backdoors "
        f"({100 * missed.low:.0f} % to {100 * missed.high:.0f} %)" in text
    )
    assert f"{WITH_REFERENCES.false_alarms} of {WITH_REFERENCES.clean} clean ones" in text
    assert f"false-positive rate of {100 * LEVEL:.0f} %" in text


def test_the_held_out_figures_are_those_of_their_rows() -> None:
    text = " ".join(README.split())
    known = [(row["group"], row["cross"]["value"]) for row in load_rows()]
    clean = [value for group, value in known if group == "clean"]
    patches = auroc_of(clean, [value for group, value in known if group in PATCHES])
    areas = areas_by_attack(known)
    mean = sum(area for area, _ in areas) / len(areas)
    assert f"AUROC of {patches:.2f} on patches, {mean:.2f} on average over ten attacks" in text
    assert f"and {min(areas)[0]:.2f} on the worst" in text
