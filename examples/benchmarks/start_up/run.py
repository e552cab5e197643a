"""How much work is the tool before it does anything?

    python -m examples.benchmarks start_up [--rounds 10]

Processor time of commands that end at once, in turns with Python itself and with the libraries
that an audit cannot do without, and the heavy libraries that each of them loads.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from examples.benchmarks.machine import machine
from examples.benchmarks.stored import write_page

PAGE = Path(__file__).with_name("README.md")
HEAVY = ("numpy", "scipy", "scipy.stats", "pydantic", "httpx", "aiohttp", "onnxruntime", "PIL")
LOADED = f"""
import sys
from auditor.__main__ import _guarded
_guarded()
sys.stderr.write("\\n" + ", ".join(n for n in {HEAVY!r} if n in sys.modules))
"""
TARGET = ("--endpoint", "http://127.0.0.1:9/v1/predict", "--shape", "3,32,32", "--patience", "1s")
TOOL = {
    "--help": ["--help"],
    "--version": ["--version"],
    "a usage error": ["--no-such-option"],
    "an unknown command": ["nonsense"],
    "audit to its first request": [*TARGET],
    "check to its first request": ["check", *TARGET],
    "plan": ["plan", *TARGET, "--output", "fresh"],
}
BESIDE = {
    "python -c pass": "pass",
    "import numpy, httpx": "import numpy, httpx",
    "import numpy, httpx, aiohttp": "import numpy, httpx, aiohttp",
}
WITH_SAMPLES = {name for name, words in TOOL.items() if "--endpoint" in words}


def _environment(folder: Path) -> dict[str, str]:
    """The environment of a package that pip installed: its modules lie compiled."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": str(folder / "compiled")}


def _seconds(command: list[str], folder: Path) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = _environment(folder)
    command = [sys.executable, *command]
    subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _words(name: str, folder: Path) -> list[str]:
    samples = ["--samples", str(folder / "s.npz")] if name in WITH_SAMPLES else []
    return [*TOOL[name], *samples]


def _loaded(name: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *_words(name, folder)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr.splitlines()[-1] or "none"


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        pixels = np.random.default_rng(0).random((40, 3, 32, 32), dtype=np.float32)
        np.savez(folder / "s.npz", x=pixels, y=np.arange(40) % 4)
        commands = {
            **{name: ["-c", code] for name, code in BESIDE.items()},
            **{name: ["-m", "auditor", *_words(name, folder)] for name in TOOL},
        }
        for command in commands.values():
            _seconds(command, folder)  # compiles
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, command in commands.items():
                times[name].append(_seconds(command, folder))
        loaded = {name: _loaded(name, folder) for name in TOOL}
    rows = [
        f"| {name} | {statistics.median(spent):.2f} ({min(spent):.2f} to {max(spent):.2f}) "
        f"| {loaded.get(name, '')} |"
        for name, spent in times.items()
    ]
    lines = [
        "# How much work the tool is before it does anything",
        "",
        f"Made by `make bench BENCH=start_up`: processor seconds of whole processes, {rounds} "
        "alternating rounds, medians (smallest to largest), modules compiled as pip does it, "
        f"on a machine that was busy with other work. {machine()}.",
        "",
        "| command | processor seconds | heavy libraries loaded |",
        "|---|---|---|",
        *rows,
    ]
    write_page(PAGE, "\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
