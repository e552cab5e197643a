"""``xray-audit check``: how a target wants to be asked, and whether it behaves."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer

from adapters.target.write import target_text
from auditor.cli.options import OutputOptions, SampleOptions, TargetOptions
from auditor.cli.target_options import resize_to, stated_table
from auditor.errors import AuditError, ExitCode, UsageError
from auditor.report.console import next_step, show_check
from auditor.report.files import write_atomic
from auditor.samples.load import load_samples
from auditor.samples.samples import Samples
from auditor.workflows.check.check import Checked, run_check


def check(
    target: TargetOptions,
    samples: SampleOptions,
    output: OutputOptions,
    url: Annotated[
        str | None,
        typer.Argument(metavar="[URL]", help="URL of a prediction API; how to ask it is found."),
    ] = None,
    write: Annotated[
        Path | None,
        typer.Option("--write", help="Write the target description that was found to this file."),
    ] = None,
) -> None:
    """Try a target: its format where nobody states it, labels, accuracy, latency, batch.

    A URL alone is asked what it is and tried in the usual formats; the exact request and reply are
    printed, and where few samples get their label, other value ranges, layouts and colours are
    tried. Usually about 100 queries.
    """
    if target.input_file is not None or target.labels_file is not None:
        raise UsageError("--input-file asks nobody, so there is nothing to check: drop it")
    if url is not None:
        if target.endpoint is not None:
            raise UsageError("name the endpoint once: as the argument or with --endpoint")
        target = dataclasses.replace(target, endpoint=url)
    stated = stated_table(target)
    if samples.samples is None:
        raise UsageError("name the clean samples with --samples (a folder or an .npz file)")
    if write is not None and write.exists():
        raise UsageError(f"--write {write} exists already: remove it or choose another name")
    place = samples.samples
    given = load_samples(place, resize_to(samples))

    def resized(size: tuple[int, int]) -> Samples:
        return load_samples(place, size)

    checked = asyncio.run(
        run_check(stated, given, resized, output.output, vouched=target.trust_model_file)
    )
    if write is not None:
        _write(checked, write)
    data = checked.as_dict()
    size = checked.found.samples.images.shape[2:]
    resize = samples.resize or (f"{size[0]}x{size[1]}" if size != given.images.shape[2:] else None)
    after = next_step(data, str(place), resize)
    text = "\n".join(part for part in (show_check(data), after) if part)
    typer.echo(json.dumps(data, ensure_ascii=False) if output.json_output else text)
    raise typer.Exit(ExitCode.INCONCLUSIVE if checked.result.problems else ExitCode.NO_EVIDENCE)


def _write(checked: Checked, path: Path) -> None:
    rate = checked.result.accuracy
    notes = (
        f"Found by xray-audit check: {rate.rate:.0%} of {rate.n} samples got their label.",
        *checked.found.notes,
        *(f"PROBLEM: {problem}" for problem in checked.result.problems),
    )
    try:
        write_atomic(path, target_text(checked.table, notes).encode())
    except OSError as error:
        raise AuditError(f"--write {path} cannot be written: {error.strerror}") from error
    checked.written = str(path)
