"""Who may import whom, and what the tracked files may not hold."""

from __future__ import annotations

import ast
import os
import re
import shutil
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


def linted(tree: Path) -> tuple[bool, str]:
    """The contracts' result on the packages in ``tree``, run there by themselves."""
    code = (
        "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        check=False,
    )
    return run.returncode == EXIT_STATUS_SUCCESS, run.stdout


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages' Python files and the contracts, to be changed."""
    tree = tmp_path_factory.mktemp("tree")
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package,
            tree / package,
            ignore=shutil.ignore_patterns("__pycache__", "assets", "*.json", "*.toml", "*.css"),
        )
    shutil.copy(ROOT / "pyproject.toml", tree)
    return tree


@pytest.mark.parametrize("package", PACKAGES)
def test_a_folder_without_a_layer_fails_the_lint(copied: Path, package: str) -> None:
    folder = copied / package / "unplaced"
    folder.mkdir()
    try:
        (folder / "__init__.py").write_text('"""A new folder."""\n', encoding="utf-8")
        held, said = linted(copied)
    finally:
        shutil.rmtree(folder)
    assert not held
    assert f"{package}.unplaced" in said


@pytest.mark.parametrize("name", ["report/run.py", "verdict/cli.py", "engine/targets.py"])
def test_a_file_that_reaches_past_the_contract_fails_the_lint(copied: Path, name: str) -> None:
    file = copied / "auditor" / name
    assert not file.exists()
    try:
        text = '"""Opens a target."""\n\nfrom adapters.registry import open_oracle\n'
        file.write_text(text, encoding="utf-8")
        held, said = linted(copied)
    finally:
        file.unlink()
    assert not held
    assert "adapters.registry" in said


def test_the_layers_are_few() -> None:
    configuration = read_configuration(str(ROOT / "pyproject.toml"))
    rows = {
        contract["containers"][0]: contract["layers"]
        for contract in configuration["contracts_options"]
        if contract.get("containers")
    }
    assert len(rows["auditor"]) <= 10
    assert len(rows["adapters"]) <= 8
    assert not any(
        contract.get("ignore_imports") for contract in configuration["contracts_options"]
    )


def test_the_auditor_has_three_loose_modules() -> None:
    loose = {path.stem for path in (ROOT / "auditor").glob("*.py")}
    assert loose == {"__init__", "__main__", "errors"}


def imports_of(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path} imports relatively"
            names.add(node.module)
    return names


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


# ---- sizes and names -----------------------------------------------------------------------------

LARGEST_FILE, LONGEST_FUNCTION, MOST_PRODUCT_LINES, MOST_README_LINES = 400, 40, 61_109, 150


def sources(*tops: str) -> list[Path]:
    """Tracked Python files below ``tops``."""
    return [
        path
        for path in tracked()
        if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in tops
    ]


def test_no_file_is_too_long_to_read() -> None:
    sizes = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in sources(*PACKAGES, "examples")
    }
    assert {name: size for name, size in sizes.items() if size > LARGEST_FILE} == {}


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring."""
    first = function.body[0]
    documented = ast.get_docstring(function, clean=False) is not None
    docstring = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
    return (function.end_lineno or 0) - function.lineno + 1 - docstring


def test_no_function_is_too_long_to_read() -> None:
    found = {
        f"{path.relative_to(ROOT)}:{node.name}": length(node)
        for path in sources(*PACKAGES, "examples")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name: size for name, size in found.items() if size > LONGEST_FUNCTION} == {}


def test_the_product_stays_small() -> None:
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in sources(*PACKAGES))
    assert lines <= MOST_PRODUCT_LINES
    readme = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(readme) <= MOST_README_LINES


def test_no_two_public_classes_share_a_name() -> None:
    places: dict[str, list[str]] = {}
    for path in sources(*PACKAGES):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


HEADLESS = re.compile(r"(What|Whether|Where|Who|When|How|Whatever|Whoever)\b")


def test_docstrings_name_what_they_describe() -> None:
    """A noun phrase or a verb comes first, never a clause without its head."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    found = [
        f"{path.relative_to(ROOT)}: {docstring.splitlines()[0]}"
        for path in sources(*PACKAGES)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, kinds)
        and (docstring := ast.get_docstring(node)) is not None
        and HEADLESS.match(docstring)
    ]
    assert found == []
