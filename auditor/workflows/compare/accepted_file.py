"""The form of a file of accepted findings."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Strict,
    StringConstraints,
    ValidationError,
)

from auditor.errors import UsageError
from auditor.workflows.compare.findings import ID_LENGTH
from auditor.workflows.validation import said_of

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]


def _printed(finding: str) -> str:
    if len(finding) != ID_LENGTH or not set(finding) <= set("0123456789abcdef"):
        raise ValueError(f"finding must be the {ID_LENGTH} hex digits that the audit prints")
    return finding


class AcceptedEntry(BaseModel):
    """One ``[[accepted]]`` entry; ``until`` is the last day it holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    finding: Annotated[str, AfterValidator(_printed)]
    reason: Words
    owner: Words
    until: Annotated[date, Strict()]


class AcceptedFile(BaseModel):
    """A whole file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    accepted: tuple[AcceptedEntry, ...]


def check_accepted(path: Path, table: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The entries of the file at ``path``, whose content is ``table``.

    Raises:
        UsageError: an entry is not as it must be, or a finding is accepted twice.
    """
    try:
        entries = AcceptedFile.model_validate(table).accepted
    except ValidationError as error:
        known = AcceptedEntry.model_fields
        raise UsageError(f"accepted risks {path}: {said_of(error, 'entry', known)}") from None
    if len({entry.finding for entry in entries}) != len(entries):
        raise UsageError(f"accepted risks {path} accepts a finding twice")
    return [entry.model_dump() for entry in entries]
