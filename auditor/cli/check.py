"""``xray-audit check``: how a target wants to be asked, and if it behaves."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from auditor.cli import options
from auditor.cli.output import finish, make_progress, show
from auditor.cli.request import note_proxy, samples_path
from auditor.errors import AuditError, ExitCode, UsageError

if TYPE_CHECKING:
    from adapters.contract import Fit
    from auditor.engine.progress import Progress
    from auditor.samples.samples import Samples
    from auditor.workflows.check.check import Checked
    from auditor.workflows.check.nearest_miss import Miss

    Size = tuple[int, int] | None

USUAL_SIZE = (224, 224)
"""Size of pictures of several sizes where the target states none, as most models are trained."""

UrlArgument = Annotated[
    str | None,
    typer.Argument(metavar="[URL]", help="URL of a prediction API; how to ask it is found."),
]
WriteOption = Annotated[
    Path | None,
    typer.Option("--write", help="Write the target description that was found to this file."),
]


TranscriptOption = Annotated[
    Path | None,
    typer.Option(
        "--transcript", help="Save every request and reply, without secrets, to this file."
    ),
]


@options.grouped
def check(
    target: options.TargetOptions,
    samples: options.SampleOptions,
    output: options.OutputOptions,
    url: UrlArgument = None,
    write: WriteOption = None,
    transcript: TranscriptOption = None,
) -> None:
    """Try a target: its format where nobody states it, labels, accuracy, latency, batch.

    A URL alone is asked what it is and tried in the usual formats; the exact request and reply are
    printed, and where few samples get their label, other value ranges, layouts and colours are
    tried. Usually about 100 queries.
    """
    from auditor.cli.target_options import framing_of, stated_table
    from auditor.samples.load import load_samples
    from auditor.workflows.check.check import run_check
    from auditor.workflows.check.trial import Way

    target = _at(url, target)
    stated = stated_table(target)
    place = samples_path(samples)
    _refuse_existing(("--write", write), ("--transcript", transcript))
    size, fit, background = framing_of(samples, stated.get("input", {}), sized=False)

    def loaded(size: tuple[int, int] | None, fit: Fit) -> Samples:
        return load_samples(place, size, fit, background)

    progress = _told_of_proxy(target, stated, output)
    given, size, resize = _at_one_size(loaded, size, fit or "squash", stated, progress)
    with _saved(transcript) as exchanges:
        checked = finish(run_check(
            stated, given, loaded, output.output, vouched=target.trust_model_file,
            way=Way(size, fit), progress=progress,
            transcript=exchanges,
            missed=lambda miss: _show_miss(miss, write, output),
        ))  # fmt: skip
    if write is not None:
        _write(checked, write)
    _show(checked, given, place, samples.resize or resize, output)
    raise typer.Exit(ExitCode.INCONCLUSIVE if checked.result.problems else ExitCode.NO_EVIDENCE)


def _at_one_size(
    loaded: Callable[[Size, Fit], Samples],
    size: Size,
    fit: Fit,
    stated: Mapping[str, Any],
    progress: Progress,
) -> tuple[Samples, Size, str | None]:
    """The samples, their size, and ``--resize`` for it if this program chose one: a target that
    states its size gets each picture anew, from its file.
    """
    from auditor.samples.load import MixedSizesError

    try:
        return loaded(size, fit), size, None
    except MixedSizesError:
        shape = stated.get("input", {}).get("shape")
        height, width = USUAL_SIZE if shape is None else (int(shape[1]), int(shape[2]))
        resize = f"{height}x{width}"
        progress.note(
            f"The samples have mixed sizes, so they are brought to {resize} unless the target "
            "states another size; --resize HxW chooses one."
        )
        return loaded((height, width), fit), (height, width), resize


def _told_of_proxy(
    target: options.TargetOptions, stated: Mapping[str, Any], output: options.OutputOptions
) -> Progress:
    """The progress to show, which begins with a proxy that is set and not used."""
    from auditor.cli.target_options import build_target

    progress = make_progress(output)
    if "url" in stated:
        note_proxy(build_target(target), progress)
    return progress


def _refuse_existing(*named: tuple[str, Path | None]) -> None:
    for option, path in named:
        if path is not None and path.exists():
            raise UsageError(f"{option} {path} exists already: remove it or choose another name")


@contextlib.contextmanager
def _saved(transcript: Path | None) -> Iterator[list[str] | None]:
    """A list of exchanges that is saved as ``transcript`` however the check ends; None for none."""
    exchanges: list[str] | None = None if transcript is None else []
    try:
        yield exchanges
    finally:
        if transcript is not None:
            _save("--transcript", transcript, "\n".join(exchanges or ()))


def _at(url: str | None, target: options.TargetOptions) -> options.TargetOptions:
    """``target`` at ``url``, if the argument names one."""
    if target.input_file is not None or target.labels_file is not None:
        raise UsageError("--input-file asks nobody, so there is nothing to check: drop it")
    if url is None:
        return target
    if target.endpoint is not None:
        raise UsageError("name the endpoint once: as the argument or with --endpoint")
    return dataclasses.replace(target, endpoint=url)


def _show(
    checked: Checked, given: Samples, place: Path, resize: str | None, output: options.OutputOptions
) -> None:
    from auditor.report.console import next_step, show_check

    data = checked.as_dict()
    size = checked.found.samples.images.shape[2:]
    changed = f"{size[0]}x{size[1]}" if size != given.images.shape[2:] else None
    after = next_step(data, str(place), changed or resize)
    show(output, data, "\n".join(part for part in (show_check(data), after) if part))


def _write(checked: Checked, path: Path) -> None:
    from adapters.target import target_text

    rate = checked.result.accuracy
    notes = (
        f"Found by xray-audit check: {rate.rate:.0%} of {rate.n} samples got their label.",
        *checked.found.notes,
        *(f"PROBLEM: {problem}" for problem in checked.result.problems),
    )
    _save("--write", path, target_text(checked.found.table, notes))
    checked.written = str(path)


def _show_miss(miss: Miss, write: Path | None, output: options.OutputOptions) -> None:
    """Show the format that came nearest to a label, and keep its description to finish by hand."""
    if write is not None:
        _save("--write", write, miss.description())
    show(output, miss.as_dict(), miss.text())


def _save(option: str, path: Path, text: str) -> None:
    from auditor.report.files import write_atomic

    try:
        write_atomic(path, text.encode())
    except OSError as error:
        raise AuditError(f"{option} {path} cannot be written: {error.strerror}") from error
