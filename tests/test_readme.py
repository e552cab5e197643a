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
from adapters.target import preset_names, read_target
from auditor.cli.main import app
from auditor.report.views import ViewName
from auditor.report.wording.frameworks import FrameworkName
from auditor.workflows.check.check import MOST_QUERIES
from auditor.workflows.profiles import shipped_profiles
from examples.documents import MAKERS, PAGES, filled

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ADAPTERS = (ROOT / "adapters" / "README.md").read_text(encoding="utf-8")
PAGES_OF_COMMANDS = "\n".join(
    (ROOT / name).read_text(encoding="utf-8")
    for name in (
        "README.md",
        "adapters/README.md",
        "auditor/verdict/README.md",
        "auditor/report/README.md",
        "auditor/evidence/README.md",
    )
)


FOLDERS = ("adapters", "auditor", "examples")


def _blocks(language: str, page: str = README) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, flags=re.DOTALL)


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
    named = re.findall(r"`make bench BENCH=(\w+)`", PAGES_OF_COMMANDS)
    assert named
    for name in named:
        assert (ROOT / "examples" / "benchmarks" / name / "run.py").exists(), name


def test_every_option_named_exists_in_some_command() -> None:
    names = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # a group has commands
    known = set().union(*(_options(name) for name in (None, *names)))
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGES_OF_COMMANDS))
    assert len(named) > 10
    assert named <= known, named - known


@pytest.mark.parametrize(
    "line",
    [
        line
        for block in _blocks("console", PAGES_OF_COMMANDS)
        for line in block.splitlines()
        if "xray" in line
    ],
)
def test_console_lines_use_options_of_their_command(line: str) -> None:
    words = line.split("#", maxsplit=1)[0].split()
    assert words[0] == "xray-audit"
    name = words[1] if not words[1].startswith("-") else None
    assert {word for word in words if word.startswith("--")} <= _options(name)


def test_the_target_description_is_a_target() -> None:
    (text,) = _blocks("toml", ADAPTERS)
    target = read_target(tomllib.loads(text))
    assert target.access == "image"
    assert target.http.reply.path == "predictions.0.label"


def test_profiles_named_after_the_option_are_shipped() -> None:
    text = (ROOT / "auditor" / "verdict" / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(paper-[\w-]+)`", text))
    assert named == {name for name in shipped_profiles() if name.startswith("paper-")}


def test_every_preset_has_its_row_in_the_table_of_what_was_tested() -> None:
    rows = re.findall(r"^\| (`[^|]+`) \|", ADAPTERS, flags=re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`([\w-]+)`", row)}
    assert set(preset_names()) <= named
    (tested,) = re.findall(r"\| presets \| server .*?(?:\n\n|\Z)", ADAPTERS, flags=re.DOTALL)
    cells = re.findall(r"^\| (`[^|]+`) \|", tested, flags=re.MULTILINE)
    assert {name for row in cells for name in re.findall(r"`([\w-]+)`", row)} == set(preset_names())


def test_what_check_sends_at_most_is_said() -> None:
    assert f"at most {MOST_QUERIES} (waits" in ADAPTERS
    assert f"at most {len(QUESTIONS)} requests, on its own origin" in ADAPTERS


def test_every_format_has_its_row() -> None:
    text = (ROOT / "auditor" / "report" / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w[\w-]*)` \|", text, flags=re.MULTILINE)) == set(ViewName)
    assert all(f"`{name}`" in text for name in FrameworkName)


def test_every_folder_named_in_the_architecture_exists() -> None:
    text = (ROOT / "auditor" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[^|]+`) \|", text, flags=re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    folders = {path.parent.name for path in (ROOT / "auditor").glob("*/__init__.py")}
    assert named == folders


def test_every_place_that_contributing_names_exists() -> None:
    text = (ROOT / ".github" / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:auditor|adapters|tests|examples)/[\w/.*-]+)`", text))
    assert len(named) > 20
    missing = [name for name in named if not list(ROOT.glob(name.replace("NAME", "*")))]
    assert missing == []


@pytest.mark.parametrize("name", PAGES)
def test_the_marked_parts_are_not_stale(name: str) -> None:
    held = (ROOT / name).read_text(encoding="utf-8")
    makers = {key: maker for key, maker in MAKERS.items() if key != "demo"}
    assert filled(held, makers) == held, "make readme"
    assert set(re.findall(r"filled by make readme: ([\w-]+)", held)) <= set(MAKERS)


DOCUMENTS = (
    "README.md",
    "SECURITY.md",
    ".github/CONTRIBUTING.md",
    "adapters/README.md",
    "auditor/README.md",
    "auditor/evidence/README.md",
    "auditor/report/README.md",
    "auditor/verdict/README.md",
    "examples/README.md",
)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_to_files_lead_somewhere(name: str) -> None:
    page = ROOT / name
    for link in re.findall(r"\]\(([^)h#][^)]*)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / link.partition("#")[0]).exists(), link


@pytest.mark.parametrize(
    "page",
    [*ROOT.glob("*.md"), *(page for name in FOLDERS for page in (ROOT / name).rglob("*.md"))],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_every_table_has_its_head(page: Path) -> None:
    """A blank line within a table makes plain text of what follows it."""
    text = page.read_text(encoding="utf-8")
    for table in re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE):
        assert re.match(r"\|.*\n\|(?: ?:?-+:? ?\|)+\n", table), table.partition("\n")[0]


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
