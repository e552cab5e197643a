"""The models that ``calibrate`` and ``cohort`` ask, from their list and the shared options."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auditor.cli.options import TargetOptions
from auditor.errors import UsageError

if TYPE_CHECKING:
    from adapters.contract import LabelOracle
    from auditor.workflows.references import ReferenceModel

ReferenceList = Annotated[
    Path,
    typer.Argument(
        help='JSON: {"references": [{"name": .., "model": FILE or "endpoint": URL, '
        '"attack": ..}]}; attack is missing for a clean model.'
    ),
]


def build_references(path: Path, shared: TargetOptions) -> list[ReferenceModel]:
    """The models of the list at ``path``; what ``shared`` says about inputs holds for all.

    Raises:
        UsageError: the list cannot be used, or the options name a model too.
    """
    from auditor.workflows.references import ReferenceModel, read_references

    if shared.endpoint or shared.model or shared.target or shared.input_file:
        raise UsageError(
            f"the models come from {path}: drop --endpoint, --model, --target and --input-file"
        )
    return [
        ReferenceModel(
            entry.name,
            entry.attack,
            functools.partial(
                _open,
                dataclasses.replace(shared, model=entry.file(path.parent), endpoint=entry.url),
            ),
        )
        for entry in read_references(path)
    ]


async def _open(options: TargetOptions) -> LabelOracle:
    """Open one reference; its description is read only now, so a bad one spoils no other."""
    from adapters.registry import open_oracle
    from auditor.cli.target_options import build_target

    return await open_oracle(build_target(options))
