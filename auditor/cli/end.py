"""The end of an audit: its lines in colour, its page in a browser, its exit code."""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Literal

import typer

from auditor.errors import ExitCode

FailOn = Literal["suspected", "inconclusive", "none"]
COLOURS = {"BACKDOOR SUSPECTED": "red", "NO EVIDENCE": "green"}
"""Colours of the verdict's words; anything else is yellow, and every word is there without them."""
INDENT = " " * 11
ELSEWHERE = "…"
"""Stands for a folder of this machine, which a report that is handed on does not name."""
_ROOTED = re.compile(r"(?:~|/|\\\\|[A-Za-z]:[\\/])")


def exit_code(code: ExitCode, fail_on: FailOn) -> ExitCode:
    """``code`` of a verdict, or 0 if it is none that should fail the command."""
    passing = {"none": {1, 3}, "suspected": {3}}.get(fail_on, set())
    return ExitCode.NO_EVIDENCE if code in passing else code


def in_colour() -> bool:
    """True if standard output is a terminal that shows colours, and the user wants them."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") in {"dumb", "unknown"}:
        return False
    return sys.stdout.isatty()


def _wrapped(line: str, width: int) -> str:
    """``line`` in lines of ``width``; a number and its unit stay together."""
    hold = re.sub(r"(?<=\d) (?=(?:s|min|h)\b)", "\xa0", line)
    indent = INDENT if line[:11].rstrip().endswith(":") else "  "
    filled = textwrap.fill(hold, width, subsequent_indent=indent, break_on_hyphens=False)
    return filled.replace("\xa0", " ")


def dressed(lines: Sequence[str], following: str) -> str:
    """The lines of an end and the command that follows: on a terminal wrapped to its width, and in
    colour if it shows any.
    """
    shown = list(lines)
    if sys.stdout.isatty():
        width = max(shutil.get_terminal_size().columns - 1, 30)
        shown = [_wrapped(one, width) for one in lines]
    if in_colour():
        word = lines[0].removeprefix("Verdict: ")
        shown[0] = "Verdict: " + typer.style(word, fg=COLOURS.get(word, "yellow"), bold=True)
        head, _, rest = following.partition(": ")
        command, _, why = rest.partition("\n")
        said = typer.style(why, dim=True)
        following = f"{typer.style(head, bold=True)}: {typer.style(command, fg='cyan')}\n{said}"
    return "\n".join([*shown, following])


def open_page(page: Path) -> None:
    """Show ``page`` in the browser, or say on standard error where it is."""
    import webbrowser

    if not webbrowser.open(page.resolve().as_uri()):
        typer.echo(f"No browser could be opened; the page is {page}", err=True)


def portable(typed: Sequence[str]) -> tuple[str, ...]:
    """The words of a command line as a record keeps them: of a path from the root of a disk the
    last name only, and of a URL nothing behind its question mark, where a key may stand.
    """
    return tuple(_portable(word) for word in typed)


def _portable(word: str) -> str:
    flag, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    if "://" in value:
        url, asked, _ = value.partition("?")
        return f"{flag}{equals}{url}{asked}{ELSEWHERE if asked else ''}"
    if not _ROOTED.match(value):
        return word
    path = PureWindowsPath(value) if "\\" in value else PurePosixPath(value)
    return f"{flag}{equals}{ELSEWHERE}/{path.name}"
