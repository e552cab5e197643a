"""Servers in processes of their own, whose cost counts for nobody else."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from examples.benchmarks.stored import ROOT


@contextmanager
def first_line_of(module: str, words: Sequence[str]) -> Iterator[str]:
    """The first line that ``python -m module words`` prints, its address; it is stopped after."""
    command = [sys.executable, "-m", module, *words]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()
