"""Help in panels: the options that most people use, or with ``--help-all`` every one.

Typer prints its panels option by option in up to five columns, which 60 columns have no room for.
Here each option has two: its flags with the kind of value, and its text with the default.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from typer.core import TyperCommand, TyperGroup

from auditor.cli.option_fields import ALL, BASIC, PANELS
from auditor.cli.options import option_names

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

MOST_COLUMNS, NAME_COLUMNS = 100, 25
ALL_SHOWN = 15
"""Options and arguments up to which a command hides none."""
OWN, ABOUT = "This command", "Help"
RARE = {
    "sign_key", "accepted", "fail_on", "open_report", "workers", "scheduler",
    "install_completion", "show_completion",
}  # fmt: skip
HELP = {"help", "help_all", "version", "install_completion", "show_completion"}
Row = tuple[str, str]
"""Flags with the kind of value, and text of one option."""
EXAMPLES = (
    ("xray-audit demo", "two models that come with it: a clean and a backdoored one"),
    ("xray-audit check http://HOST:8000 --samples pictures/", "how an endpoint is asked"),
    ("xray-audit audit --model model.onnx --samples pictures/", "audit a model file"),
)
EXIT_CODES = (
    "Exit codes: 0 no evidence, 1 backdoor suspected, 2 usage, 3 inconclusive or budget reached, "
    "4 the audit could not be done, 5 come back later (inputs wait for their labels, or a quota is "
    "used up: the message says when), 130 interrupted (the same command continues)."
)
SETTINGS = (
    "Options that take a value can be set as XRAY_AUDIT_OPTION or in xray-audit.toml; the "
    "endpoint's key only as XRAY_AUDIT_API_KEY. xray-audit --install-completion sets up the shell."
)
START = """\
xray-audit: does an image classifier carry a backdoor?
It asks for labels, nothing else. Three ways to begin:
  xray-audit demo
      two small models that come with it
  xray-audit check http://HOST:8000 --samples pictures/
      an endpoint: finds out how to ask it
  xray-audit audit --model model.onnx --samples pictures/
      a model file
pictures/ holds class folders: cat/1.png, dog/2.png, ...
Options and exit codes: xray-audit --help"""
"""The start page: ten lines that 60 columns have room for."""


class HelpfulCommand(TyperCommand):
    """A command whose help stands in panels."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help to ``formatter``."""
        formatter.write(_rendered(self, ctx, ()))


class HelpfulGroup(TyperGroup):
    """The command line as a whole."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help to ``formatter``."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, _short(one.get_short_help_str(200))) for name, one in commands if one]
        formatter.write(_rendered(self, ctx, rows))


def _rendered(command: Any, context: Any, commands: Sequence[Row]) -> str:
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False)
    console.width = min(console.width, MOST_COLUMNS)
    with console.capture() as capture:
        _print(console, command, context, commands)
    # The trailing spaces that fill rich's cells would wrap where a window gets narrower.
    return re.sub(r" +$", "", capture.get(), flags=re.MULTILINE).rstrip("\n")


def _print(console: Console, command: Any, context: Any, commands: Sequence[Row]) -> None:
    from rich.padding import Padding

    console.print(command.get_usage(context))
    for paragraph in (command.help or "").split("\n\n"):
        console.print(Padding(" ".join(paragraph.split()), (1, 0, 0, 2)))
    console.print()
    if commands:
        _examples(console)
    panels, left_out = _panels(command, context, everything=bool(context.meta.get(ALL)))
    if commands:
        panels["Commands (xray-audit COMMAND --help)"] = list(commands)
    names = [len(name) for rows in panels.values() for name, _ in rows]
    width = min(max(names), NAME_COLUMNS)
    for title, rows in panels.items():
        _panel(console, title, rows, width)
    console.print()
    if left_out:
        console.print(f"{left_out} more options: {context.command_path} --help-all")
    console.print(f"{EXIT_CODES}\n{SETTINGS}" if commands else "Exit codes: xray-audit --help")


def _short(text: str) -> str:
    """The first clause of a command's first sentence."""
    return re.split(r"[:;] ", text)[0].removesuffix(".")


def _panels(command: Any, context: Any, *, everything: bool) -> tuple[dict[str, list[Row]], int]:
    """The rows of each panel, in their order, and the number of options that are left out."""
    params = [(one, one.get_help_record(context)) for one in command.get_params(context)]
    shown = [(one, record) for one, record in params if record is not None]
    rare = {*option_names(), *RARE} - set(BASIC)
    if len(shown) <= ALL_SHOWN:
        rare = set()
    found: dict[str, list[Row]] = {name: [] for name in (OWN, *PANELS, ABOUT)}
    left_out = 0
    for one, (name, text) in shown:
        if one.name in rare and not everything:
            left_out += 1
            continue
        panel = ABOUT if one.name in HELP else getattr(one, "rich_help_panel", None) or OWN
        found[panel].append((name, text))
    return {name: rows for name, rows in found.items() if rows}, left_out


def _examples(console: Console) -> None:
    from rich.padding import Padding

    _heading(console, "Examples")
    for line, text in EXAMPLES:
        console.print(Padding(_text(line, "cyan"), (0, 0, 0, 2)))
        console.print(Padding(text, (0, 0, 0, 6)))


def _heading(console: Console, title: str) -> None:
    from rich.rule import Rule

    console.print(Rule(_text(title, "bold"), align="left", style="dim"))


def _panel(console: Console, title: str, rows: Iterable[Row], width: int) -> None:
    """A titled rule, and under it names of at most ``width`` columns beside their texts."""
    from rich.padding import Padding
    from rich.table import Table

    _heading(console, title)
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=width, overflow="fold")
    grid.add_column(overflow="fold")
    for name, text in rows:
        grid.add_row(_text(name, "cyan"), _help_text(text))
    console.print(Padding(grid, (0, 0, 0, 2)))


def _help_text(text: str) -> Text:
    said, mark, default = text.partition("Default: ")
    return _text(said).append(mark + default, "dim")


def _text(text: str, style: str = "") -> Text:
    from rich.text import Text

    return Text(text, style)
