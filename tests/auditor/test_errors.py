"""The drawn tree of errors is the tree of the code, and each of them is raised."""

from __future__ import annotations

import ast
import functools
import importlib
import re
from pathlib import Path

import pytest

import auditor
from auditor import errors
from auditor.__main__ import explain

ROOT = Path(auditor.__file__).parent
LINE = re.compile(r"^ {4}([│├└─ ]*)(\w+)(?: {2,}(?:exit (\d+): )?.*)?$")


@functools.cache
def sources() -> dict[str, ast.Module]:
    """Every module of the auditor by its dotted name."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = ("auditor", *path.relative_to(ROOT).with_suffix("").parts)
        name = ".".join(parts).removesuffix(".__init__")
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


@functools.cache
def defined() -> dict[str, type[BaseException]]:
    """Every exception class that a module of the auditor defines."""
    found = {}
    for name, tree in sources().items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and node.bases:
                kind = getattr(importlib.import_module(name), node.name)
                if isinstance(kind, type) and issubclass(kind, BaseException):
                    found[node.name] = kind
    return found


def drawn() -> dict[str, tuple[str, int | None]]:
    """Class name -> parent and exit code, as the docstring draws them."""
    found: dict[str, tuple[str, int | None]] = {}
    above: list[str] = []
    for line in str(errors.__doc__).splitlines():
        match = LINE.match(line)
        if match is None:
            continue
        depth = len(match[1]) // 4
        above = [*above[:depth], match[2]]
        code = None if match[3] is None else int(match[3])
        if depth or code is not None:
            found[match[2]] = (above[-2] if depth else "Exception", code)
    return found


def test_the_drawn_tree_is_the_tree_of_the_code() -> None:
    parents = {name: kind.__mro__[1].__name__ for name, kind in defined().items()}
    assert {name: parent for name, (parent, _) in drawn().items()} == parents


@pytest.mark.parametrize("name", sorted(name for name, (_, code) in drawn().items() if code))
def test_a_drawn_exit_code_is_what_the_command_ends_with(name: str) -> None:
    kind = defined()[name]
    error = kind("m", None) if name == "AuditInterrupted" else kind("m")
    assert explain(error)[0] == drawn()[name][1]


def test_no_error_of_an_audit_lacks_its_exit_code() -> None:
    shown = {n for n, kind in defined().items() if issubclass(kind, errors.AuditError)}
    assert shown <= {name for name, (_, code) in drawn().items() if code}


def test_every_error_is_raised_somewhere() -> None:
    raised = set()
    for tree in sources().values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Raise) and node.exc is not None:
                call = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
                raised.add(getattr(call, "id", getattr(call, "attr", "")))
    assert set(defined()) <= raised
