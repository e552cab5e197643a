"""The forms of a request that are tried: pictures in files and texts, arrays in JSON. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from adapters.target import over

UPLOAD = {"preset": "http", "access": "image"}


@dataclass(frozen=True, slots=True)
class Proposal:
    """A description worth a try, without what the user states, and the evidence for it; ``certain``
    if the server itself named the protocol, so that a failure is worth telling.
    """

    table: dict[str, Any]
    why: str
    certain: bool = False


def dig(value: Any, *steps: str) -> Any:
    """The value that ``steps`` lead to in nested tables, or None."""
    for step in steps:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def table_in(value: Any, *steps: str) -> dict[str, Any]:
    """The table that ``steps`` lead to in nested tables, or an empty one."""
    found = dig(value, *steps)
    return found if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True)
class ArrayForm:
    """Form of an array: the axes of an input, and one input or a list."""

    axes: str = "image"
    layout: str = "NCHW"
    single: bool = False

    @property
    def table(self) -> dict[str, Any]:
        """The form in the terms of a description."""
        request = {} if self.axes == "image" else {"request": {"axes": self.axes}}
        return {**request, "input": {"layout": self.layout}}


def ways(channels: int, depth: int) -> list[ArrayForm]:
    """Ways to write a field of ``depth`` nested lists, the likeliest first; 0 is any."""
    grey = channels == 1
    nested = {
        1: [ArrayForm("flat", single=True)],
        2: [*([ArrayForm("grey", single=True)] if grey else []), ArrayForm("flat")],
        3: [
            *([ArrayForm("grey")] if grey else []),
            ArrayForm(single=True),
            ArrayForm(layout="NHWC", single=True),
        ],
        4: [ArrayForm(), ArrayForm(layout="NHWC")],
    }
    if depth:
        return nested.get(depth, [])
    return [
        *nested[4],
        *([ArrayForm("grey")] if grey else []),
        ArrayForm("flat"),
        ArrayForm(single=True),
    ]


def multipart(url: str, name: str) -> dict[str, Any]:
    """A picture as the form field ``name``."""
    return {"url": url, **UPLOAD, "request": {"body": "multipart", "field": name}}


def urlencoded(url: str, name: str) -> dict[str, Any]:
    """A picture as base64 in the field ``name`` of an urlencoded form."""
    request = {"body": "form", "field": name, "value": "base64"}
    return {"url": url, **UPLOAD, "request": request}


def text(url: str, name: str, value: str) -> dict[str, Any]:
    """A picture as a text in JSON, in the form ``value``."""
    request = {"template": json.dumps({name: "$INPUT"}), "value": value}
    return {"url": url, **UPLOAD, "request": request}


def arrays(url: str, key: str, way: ArrayForm) -> dict[str, Any]:
    """A picture as numbers in JSON."""
    template = json.dumps({key: "$INPUT" if way.single else "$INPUTS"})
    plain = {"url": url, "preset": "http", "request": {"template": template}}
    return over(plain, way.table)
