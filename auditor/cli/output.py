"""The result and the progress of a command, on the terminal."""

from __future__ import annotations

import json
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from auditor.cli.options import OutputOptions

if TYPE_CHECKING:
    from auditor.engine.progress import Progress


T = TypeVar("T")


def finish(work: Coroutine[Any, Any, T]) -> T:
    """The result of ``work``. asyncio is loaded here, so that ``--help`` does without it."""
    import asyncio

    return asyncio.run(work)


def make_progress(output: OutputOptions, per_1000: float | None = None) -> Progress:
    """Progress on standard error in the form that ``output`` asks for, or none; with the money
    spent if 1,000 queries have a price.
    """
    from auditor.engine.progress import Progress, choose_progress

    price = None if per_1000 is None else per_1000 / 1000
    return Progress() if output.quiet else choose_progress(output.progress, price)


def show(options: OutputOptions, data: dict[str, Any], text: str) -> None:
    """Print a result: ``text``, or ``data`` as one JSON object if that was asked for."""
    typer.echo(json.dumps(_without_maps(data), ensure_ascii=False) if options.json_output else text)


def _without_maps(report: dict[str, Any]) -> dict[str, Any]:
    """A report without its label maps: they stay in report.json, a terminal needs the rest."""
    if "planes" not in report:
        return report
    planes = [{k: v for k, v in p.items() if k != "label_map"} for p in report["planes"]]
    return {**report, "planes": planes}
