"""Who may import whom, and what the tracked files may not hold."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from importlinter.api import read_configuration
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("auditor", "adapters")


def tracked() -> list[Path]:
    """Files under version control, or all files where there is none (a source archive)."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, check=False
    )
    if listed.returncode == 0:
        names = listed.stdout.decode().split("\0")
        return [ROOT / name for name in names if name and (ROOT / name).is_file()]
    return [p for place in (*PACKAGES, "tests", "examples") for p in (ROOT / place).rglob("*.py")]


def text_of(path: Path) -> str:
    """Its text, or nothing for a binary file."""
    data = path.read_bytes()
    return "" if b"\0" in data[:8000] else data.decode("utf-8", errors="replace")


def test_the_layers_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "path", [str(ROOT), *sys.path])
    assert lint_imports(no_cache=True) == EXIT_STATUS_SUCCESS


def test_every_module_of_the_auditor_has_its_layer() -> None:
    configuration = read_configuration(str(ROOT / "pyproject.toml"))
    contracts = {c["name"]: c for c in configuration["contracts_options"]}
    layers = " | ".join(contracts["Rooms of the auditor, high to low"]["layers"])
    placed = {name.strip() for name in layers.split("|")}
    found = {
        f"auditor.{path.stem}"
        for path in (ROOT / "auditor").iterdir()
        if (path.suffix == ".py" and path.stem != "__init__") or (path / "__init__.py").is_file()
    }
    assert found <= placed, f"without a layer: {sorted(found - placed)}"


def imports_of(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path} imports relatively"
            names.add(node.module)
    return names


def test_from_adapters_the_auditor_takes_the_contract_and_the_errors() -> None:
    allowed = {"adapters.contract", "adapters.errors"}
    pickers = {"api.py", "api_targets.py", "cli.py", "targets.py", "run.py"}
    """Modules that turn options into an adapter."""
    for path in (ROOT / "auditor").rglob("*.py"):
        taken = {name for name in imports_of(path) if name.split(".")[0] == "adapters"}
        finder = path.parent.name == "discovery" or path.parts[-2:] == ("commands", "check.py")
        assert taken <= allowed or path.name in pickers or finder, f"{path}: {taken - allowed}"


def test_nothing_that_ships_imports_tests_or_examples() -> None:
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            tops = {name.split(".")[0] for name in imports_of(path)}
            assert not tops & {"tests", "examples", "pytest"}, path


def test_tests_are_no_packages() -> None:
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_every_test_file_has_one_name() -> None:
    """importlib mode keeps equal names apart, a reader of a failure list does not."""
    assert all(path.stem.startswith("test_") for path in (ROOT / "tests").rglob("test_*.py"))
    stray = [
        p
        for p in (ROOT / "tests").rglob("*.py")
        # Set-ups run in the environments of the servers they start.
        if not re.match(r"test_|conftest$|_", p.stem) and "set_ups" not in p.parts
    ]
    assert stray == [], "neither tests nor helpers"


# The patterns are put together here, so that this file does not match itself.
MACHINE_PATH = re.compile(
    "(?<![\\w.~-])/(?:" + "|".join(("wo" + "rk", "ro" + "ot", "ho" + "me")) + ")/\\w"
)
REGISTRY = re.compile(
    "|".join(
        (
            "py" + r"pi\.org",
            "python" + r"hosted\.org",
            "download\\.py" + "torch",
            "art" + "ifactory",
        )
    ),
    re.IGNORECASE,
)


@pytest.mark.parametrize("pattern", [MACHINE_PATH, REGISTRY], ids=["machine path", "registry"])
def test_no_file_names_a_machine_or_a_registry(pattern: re.Pattern[str]) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}"
        for path in tracked()
        for number, line in enumerate(text_of(path).splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []


def test_the_patterns_would_find_something() -> None:
    assert MACHINE_PATH.search("open('/" + "work/x')")
    assert MACHINE_PATH.search("cd /" + "home/me")
    assert not MACHINE_PATH.search("auditor/" + "work/x")
    assert REGISTRY.search("https://" + "pypi." + "org/simple")
