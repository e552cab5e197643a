"""Committed results of benchmarks: compressed JSON, and pages with a part written by hand."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from examples.zoo.index import INDEX_PATH

BENCHMARKS = Path(__file__).parent
ROOT = BENCHMARKS.parents[1]
Record = dict[str, Any]
BY_HAND = "<!-- From here on written by hand; the commands above keep it. -->"


class Named(Protocol):
    """A row of a page, which has a name."""

    @property
    def name(self) -> str: ...  # noqa: D102 - documented on the class


C = TypeVar("C", bound=Named)


def read(path: Path, default: Any = None) -> Any:
    """The content of a ``.json.gz`` file, or ``default`` if there is none."""
    if not path.exists():
        return default
    return json.loads(gzip.decompress(path.read_bytes()))


def write(path: Path, content: Any) -> None:
    """Write ``content`` as ``.json.gz``; the same content gives the same bytes.

    The file is replaced at once, so that a run that is cut off leaves the one before.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, separators=(",", ":"))
    partial = path.with_suffix(".partial")
    partial.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    partial.replace(path)


def zoo_index() -> list[Record]:
    """The records of all trained models, from the zoo's committed index."""
    records: list[Record] = json.loads(INDEX_PATH.read_text(encoding="utf-8"))["models"]
    return records


def write_page(path: Path, text: str) -> None:
    """Write a generated page; what the present one has from :data:`BY_HAND` on is kept."""
    now = path.read_text(encoding="utf-8") if path.exists() else ""
    _, marker, notes = now.partition(BY_HAND)
    path.write_text(f"{text.rstrip()}\n" + (f"\n{marker}{notes}" if marker else ""), "utf-8")


def write_rows(
    path: Path, head: Sequence[str], cases: Sequence[C], row: Callable[[C], str], only: str
) -> None:
    """Print the row of each case whose name holds ``only``; without one, write all as a page."""
    lines = list(head)
    for case in cases:
        if only in case.name:
            lines.append(row(case))
            print(lines[-1], flush=True)
    if not only:
        write_page(path, "\n".join(lines))
