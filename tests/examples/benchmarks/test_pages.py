"""The index of benchmarks, their pages, and the command that runs them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from examples.benchmarks.__main__ import main

ROOT = Path(__file__).parents[3]
BENCHMARKS = ROOT / "examples" / "benchmarks"
NAMES = sorted(path.parent.name for path in BENCHMARKS.glob("*/run.py"))
PAGES = [BENCHMARKS / "README.md", *sorted(BENCHMARKS.glob("*/README.md"))]


def _rows() -> dict[str, list[str]]:
    text = (BENCHMARKS / "README.md").read_text(encoding="utf-8")
    table = text.partition("## History")[0]
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in table.splitlines()]
    return {row[2].strip("`"): row for row in rows if len(row) == 4 and row[2].startswith("`")}


def test_the_index_holds_every_benchmark_and_no_other() -> None:
    assert sorted(_rows()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_figures_of_the_index_stand_on_the_page(name: str) -> None:
    page = (BENCHMARKS / name / "README.md").read_text(encoding="utf-8")
    figure = _rows()[name][1]
    found = re.findall(r"[\d.]+%? ?(?:of \d+)?(?: = [\d.]+)?(?: ?[\[(][^\])]+[\])])?", figure)
    long = [one.strip() for one in found if "of" in one or "[" in one or "(" in one or "." in one]
    assert long, figure
    assert all(one in page for one in long), long


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_links_of_pages_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)h#][^)#]*)[^)]*\)", page.read_text(encoding="utf-8")):
        assert (page.parent / link).exists(), link


@pytest.mark.parametrize("name", NAMES)
def test_every_benchmark_says_how_it_is_run(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["examples.benchmarks", name, "--help"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: python -m examples.benchmarks {name}")


def test_without_a_name_the_benchmarks_are_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["examples.benchmarks"])
    assert main() == 0
    listed = capsys.readouterr().out
    assert all(re.search(rf"^  {name} ", listed, flags=re.MULTILINE) for name in NAMES)


def test_an_unknown_name_is_refused_in_one_sentence() -> None:
    command = [sys.executable, "-m", "examples.benchmarks", "speed"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2
    assert done.stderr.startswith("There is no benchmark 'speed'; there are by_source, client_cpu,")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("name", ["detection", "trigger_search", "jpeg", "queries"])
def test_asking_models_without_their_data_ends_with_one_sentence(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = "search" if name == "trigger_search" else "ask"
    monkeypatch.setattr(sys, "argv", ["examples.benchmarks", name, step])
    with pytest.raises(SystemExit, match=r"^this step asks trained models: give --data-dir"):
        main()
