"""Lists of models whose state is known, as ``calibrate`` and ``cohort`` read them.

{"references": [{"name": "clean 1", "model": "clean1.onnx"},
                {"name": "patched", "endpoint": "https://...", "attack": "badnets"}]}
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from adapters.contract import LabelOracle
from adapters.file_kind import why_unreadable
from auditor.errors import UsageError
from auditor.workflows.validation import first_mistake

FIELDS = ("name", "model", "endpoint", "attack")
SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class ReferenceModel:
    """A model whose state is known.

    Attributes:
        name: unique among the references; also the name of its folder of labels.
        attack: name of its attack; empty for a clean one.
    """

    name: str
    attack: str
    open: Callable[[], Awaitable[LabelOracle]]


def _safe(name: str) -> str:
    if not SAFE_NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} is no usable name, since it names a folder too: letters, digits, dots, "
            "dashes and underscores"
        )
    return name


class ListedReference(BaseModel):
    """One entry of a list.

    Attributes:
        name: unique, of letters, digits, dots, dashes and underscores.
        model: a model file, relative to the list.
        url: address of an endpoint instead; the list calls it ``endpoint``.
        attack: name of the model's attack; empty for a clean one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, AfterValidator(_safe)]
    model: str | None = None
    url: str | None = Field(None, alias="endpoint")
    attack: str = ""

    @model_validator(mode="after")
    def _one_address(self) -> ListedReference:
        if (self.model is None) == (self.url is None):
            raise ValueError(f"{self.name} needs either model or endpoint")
        return self

    def file(self, folder: Path) -> Path | None:
        """The model file of a list in ``folder``; None for an endpoint."""
        return None if self.model is None else folder / self.model


class _ReferenceList(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    references: tuple[ListedReference, ...]


def read_references(path: Path) -> tuple[ListedReference, ...]:
    """Read a list of references.

    Raises:
        UsageError: it cannot be read, or an entry is not as it must be; names the entry.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        why = why_unreadable(path, error)
        raise UsageError(f"reference list {path} cannot be read: {why}") from error
    try:
        listed = _ReferenceList.model_validate(data).references
    except ValidationError as error:
        raise UsageError(
            f"reference list {path}: {first_mistake(error, 'entry', FIELDS)}"
        ) from None
    names = [one.name for one in listed]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"reference list {path}: two entries have the name {twice!r}")
    return listed
