"""Pictures of an audit on terminals of 60, 80 and 120 columns: ``python -m examples.terminal``.

Each is a real audit of the demo's backdoored model in a pseudo-terminal, as it looks while it
searches and at its end, written to ``examples/terminals/COLUMNS.svg``. It takes some minutes and a
Unix system.
"""

from __future__ import annotations

import codecs
import fcntl
import io
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from auditor.workflows.demo.server import NAMES

FOLDER = Path(__file__).with_name("terminals")
WIDTHS, ROWS = (60, 80, 120), 30
MODEL, SAMPLES = "photos/backdoored.onnx", "photos/sign-digits-samples.npz"
COMMAND = (
    "xray-audit audit --model model.onnx --samples samples.npz --access image "
    "--classes classes.txt --effort thorough"
)
SEARCHING = re.compile(r"leads, best [1-9]\d* of")
FONTS = re.compile(r"@font-face \{\{.*?\}\}\n", re.DOTALL)
"""Rules of rich's picture that fetch a font: an offline page has none."""


class Screen:
    """The lines that a terminal shows, each with its codes of colour.

    It knows what the program's display uses: lines that are erased and written again.
    """

    CODE = re.compile(r"\x1b\[[?\d;]*([A-Za-z])")

    def __init__(self) -> None:
        self.lines, self.row = [""], 0

    def feed(self, text: str) -> None:
        """Show ``text``."""
        at = 0
        while at < len(text):
            code = self.CODE.match(text, at)
            if code is None:
                self._put(text[at])
                at += 1
                continue
            self._obey(code)
            at = code.end()

    def _obey(self, code: re.Match[str]) -> None:
        if code[1] == "A":
            self.row = max(0, self.row - int(re.sub(r"\D", "", code[0]) or 1))
        elif code[1] == "K":
            self.lines[self.row] = ""
        elif code[1] == "m":
            self.lines[self.row] += code[0]

    def _put(self, char: str) -> None:
        if char == "\n":
            self.row += 1
            self.lines += [""] * (self.row == len(self.lines))
        elif char != "\r":
            self.lines[self.row] += char


def session(folder: Path, columns: int) -> tuple[list[str], list[str]]:
    """An audit in ``folder``: the lines on the screen while it searches, and at its end."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
    words = [sys.executable, "-m", "auditor", *COMMAND.split()[1:]]
    place = {"TERM": "xterm-256color", "PYTHONPATH": str(Path(__file__).parents[1])}
    with subprocess.Popen(
        words, cwd=folder, env={**os.environ, **place}, stdout=theirs, stderr=theirs
    ) as audit:
        os.close(theirs)
        screen, decode, searching = Screen(), codecs.getincrementaldecoder("utf-8")().decode, None
        while True:
            try:
                screen.feed(decode(os.read(ours, 65536)))
            except OSError:  # the program closed its end
                break
            # A later picture of the search takes the place of an earlier one, up to its middle.
            region = "\n".join(screen.lines[screen.row - 4 :])
            if SEARCHING.search(region) and re.search(r"\((?:\d|1\d)%\)", region):
                searching = list(screen.lines)
        os.close(ours)
        audit.wait()
    if searching is None:
        raise SystemExit("the audit showed no search; its last lines:\n" + "\n".join(screen.lines))
    return searching, screen.lines


def picture(parts: Sequence[tuple[str, Sequence[str]]], columns: int) -> str:
    """An SVG of screens, each below a line that says when."""
    console = Console(
        record=True,
        width=columns,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
    )
    for when, lines in parts:
        console.print(Text(when, "dim italic"))
        for line in "\n".join(lines).rstrip().split("\n"):
            console.print(Text.from_ansi(line), no_wrap=True, crop=True)
        console.print()
    return console.export_svg(
        title=f"xray-audit, {columns} columns", theme=MONOKAI, unique_id=f"columns-{columns}",
        code_format=FONTS.sub("", CONSOLE_SVG_FORMAT),
    )  # fmt: skip


def main() -> None:
    """Write the picture of every width."""
    FOLDER.mkdir(exist_ok=True)
    for columns in WIDTHS:
        with (
            tempfile.TemporaryDirectory() as name,
            resources.as_file(resources.files("auditor.workflows.demo") / "assets") as assets,
        ):
            folder = Path(name)
            shutil.copy(assets / MODEL, folder / "model.onnx")
            shutil.copy(assets / SAMPLES, folder / "samples.npz")
            (folder / "classes.txt").write_text("\n".join(NAMES), encoding="utf-8")
            searching, ended = session(folder, columns)
        typed = Text(f"$ {COMMAND}").wrap(Console(width=columns), columns)
        parts = [("While it searches", [*(str(line) for line in typed), *searching]),
                 ("At its end", ended)]  # fmt: skip
        path = FOLDER / f"{columns}.svg"
        path.write_text(picture(parts, columns), encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main()
