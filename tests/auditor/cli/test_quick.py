"""``--help``, ``--version`` and slips of the finger load none of the libraries of an audit."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    "pydantic", "numpy", "scipy", "httpx", "aiohttp", "onnxruntime", "PIL", "asyncio",
    "importlib.metadata", "adapters.target", "auditor.workflows", "auditor.report",
)  # fmt: skip
PROGRAM = f"""
import sys
from auditor.__main__ import _guarded
sys.argv = ["xray-audit", *sys.argv[1:]]
code = _guarded()
sys.stderr.write(repr([name for name in {HEAVY!r} if name in sys.modules]))
sys.exit(code)
"""


def loaded(folder: Path, *words: str) -> tuple[int, str]:
    """Exit code of the command, and the last of standard error: the heavy modules."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words],
        cwd=folder,
        env={"XDG_CONFIG_HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr.splitlines()[-1]


@pytest.mark.parametrize(("words", "code"), [(["--help"], 0), (["--no-such-option"], 2)])
def test_a_look_at_the_command_loads_nothing_heavy(
    tmp_path: Path, words: list[str], code: int
) -> None:
    assert loaded(tmp_path, *words) == (code, "[]")


def test_the_version_loads_only_what_holds_it(tmp_path: Path) -> None:
    assert loaded(tmp_path, "--version") == (0, "['importlib.metadata']")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["plan", "--help"], 0),
        (["diff", "--help"], 0),
        (["--planes", "many"], 2),
        (["nonsense"], 2),
    ],
)
def test_reading_a_value_loads_no_part_of_an_audit(
    tmp_path: Path, words: list[str], code: int
) -> None:
    found, modules = loaded(tmp_path, *words)
    # Typer itself reads values through pydantic, which looks for installed plugins.
    assert found == code
    assert set(re.findall(r"'(.+?)'", modules)) <= {"pydantic", "importlib.metadata"}


def test_settings_are_read_without_them(tmp_path: Path) -> None:
    (tmp_path / "xray-audit.toml").write_text("plains = 3\n")
    assert loaded(tmp_path, "--help") == (2, "[]")


def test_a_value_is_read_only_when_a_command_needs_it(tmp_path: Path) -> None:
    (tmp_path / "xray-audit.toml").write_text('planes = "many"\noutput = "here"\n')
    for words, code in (["--help"], 0), (["--no-such-option"], 2):
        assert loaded(tmp_path, *words) == (code, "[]")
    code, modules = loaded(tmp_path, "plan")
    assert code == 2
    assert "pydantic" in modules


def test_a_command_that_reads_a_list_loads_the_library_that_checks_it(tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text("{}")
    code, modules = loaded(tmp_path, "cohort", "list.json", "--samples", "s.npz")
    assert code == 2
    assert "pydantic" in modules


def test_a_plan_loads_nothing_that_draws_a_report() -> None:
    code = "import sys, auditor.cli.plan, auditor.workflows.price; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "auditor.report.views" in done
    drawing = {"auditor.report.renderers", "auditor.report.html.page", "auditor.report.cyclonedx"}
    assert drawing.isdisjoint(done)
