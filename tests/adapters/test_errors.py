"""The drawn tree of errors is the tree of the code, and each of them is made somewhere."""

from __future__ import annotations

import ast
import functools
import importlib
import re
from pathlib import Path

import pytest

import adapters
from adapters import errors
from adapters.errors import AdapterError, TargetError
from auditor.__main__ import explain
from auditor.errors import ExitCode

ROOT = Path(adapters.__file__).parent
LINE = re.compile(r"^ {4}([│├└─ ]*)(\w+)(?: {2,}(.*))?$")


@functools.cache
def sources() -> dict[str, ast.Module]:
    """Every module of the adapters by its dotted name."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = ("adapters", *path.relative_to(ROOT).with_suffix("").parts)
        found[".".join(parts).removesuffix(".__init__")] = ast.parse(path.read_text("utf-8"))
    return found


@functools.cache
def defined() -> dict[str, type[BaseException]]:
    """Every exception class that a module of the adapters defines."""
    found = {}
    for name, tree in sources().items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.ClassDef) or not node.bases:
                continue
            kind = getattr(importlib.import_module(name), node.name, None)
            if isinstance(kind, type) and issubclass(kind, BaseException):
                found[node.name] = kind
    return found


def drawn() -> dict[str, tuple[str, str]]:
    """Class name -> parent and text, as the docstring draws them."""
    found: dict[str, tuple[str, str]] = {}
    above: list[str] = []
    for line in str(errors.__doc__).splitlines():
        match = LINE.match(line)
        if match is None:
            continue
        depth = len(match[1]) // 4
        above = [*above[:depth], match[2]]
        if depth:
            found[match[2]] = (above[-2], match[3] or "")
    return found


def test_the_drawn_tree_is_the_tree_of_the_code() -> None:
    parents = {name: kind.__mro__[1].__name__ for name, kind in defined().items()}
    del parents["AdapterError"]  # the root
    assert {name: parent for name, (parent, _) in drawn().items()} == parents


def test_every_error_is_documented() -> None:
    assert [name for name, (_, text) in drawn().items() if not text] == []
    assert [name for name, kind in defined().items() if not vars(kind).get("__doc__")] == []


def test_every_error_is_made_somewhere() -> None:
    made = set()
    for tree in sources().values():
        for node in ast.walk(tree):
            part = node.exc if isinstance(node, ast.Raise) else node
            call = part.func if isinstance(part, ast.Call) else part
            if isinstance(node, ast.Raise | ast.Call):
                made.add(getattr(call, "id", getattr(call, "attr", "")))
    assert set(defined()) - {"AdapterError"} <= made


@pytest.mark.parametrize("name", sorted({*drawn(), "AdapterError"}))
def test_an_error_ends_the_command_as_the_tree_says(name: str) -> None:
    kind = defined()[name]
    if issubclass(kind, AdapterError):
        code = ExitCode.USAGE if issubclass(kind, TargetError) else ExitCode.FAILED
        assert explain(kind("m"))[0] == code
    else:
        assert kind.__mro__[1].__name__ in {"Exception", "OSError", "ValueError"}
