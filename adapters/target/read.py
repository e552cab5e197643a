"""One way from a table to a target: flags, a description file and Python state the same table."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adapters.errors import TargetError
from adapters.target.description import Target
from adapters.target.parse import (
    read_target_file,
    refuse_secrets,
    target_from_table,
    with_fields,
)

Table = Mapping[str, Any]


def read_target(table: Table, *, source: str = "", vouched: bool = False) -> Target:
    """The target that ``table`` describes.

    Args:
        table: everything stated, in the shape of a description. It names the model by ``url``,
            ``model`` or ``preset``; only without a source also by ``input_file``, a target that
            answers by files, with ``labels_file``.
        source: the file in which the description stands; empty if no file has a part in it.
        vouched: the user vouches for a model file, which then runs unchecked in this process.

    Raises:
        TargetError: an unknown or missing field, or a value of the wrong kind; the message names
            ``source`` and the field.
    """
    if "input_file" in table and not source:
        return _by_files(table)
    try:
        target = target_from_table({}, table, vouched=vouched)
    except TargetError as error:
        raise _placed(source, error) from error
    return dataclasses.replace(target, source=source)


def read_description(path: Path) -> dict[str, Any]:
    """The table of the description file at ``path``.

    Raises:
        TargetError: it cannot be read, is not TOML, or holds a secret.
    """
    table = read_target_file(path)
    refuse_described_secrets(table, str(path))
    return table


def refuse_described_secrets(table: Table, source: str) -> None:
    """Refuse what looks like a key in the description ``table`` of the file ``source``.

    Raises:
        TargetError: names the file and the field, never the value.
    """
    try:
        refuse_secrets(table)
    except TargetError as error:
        raise _placed(source, error) from error


def _by_files(table: Table) -> Target:
    """A target without a connection: inputs go out as files, and labels come back as one."""
    given, place = dict(table.get("input", {})), str(table["input_file"])
    if "range" in given:
        given["value_range"] = given.pop("range")
    # Image files hold 8-bit values, so their access mode follows.
    access = {} if Path(place).suffix == ".npz" else {"access": "image"}
    stated = {name: table[name] for name in ("access", "labels_file") if name in table}
    classes = {k: v for k, v in table.get("response", {}).items() if k == "classes"}
    return with_fields(Target("files", place), {**access, **given, **classes, **stated})


def _placed(source: str, error: TargetError) -> TargetError:
    return TargetError(f"{source}: {error}" if source else str(error))
