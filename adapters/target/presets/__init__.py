"""Presets: target descriptions with everything filled in that a kind of server decides.

Each is one TOML file in this folder, data like any description and read by the same rules; what
the user states goes over it, field by field.
"""

from __future__ import annotations

import difflib
import functools
import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from adapters.errors import TargetError

_OWN = ("about", "alone")
"""Fields of a preset that are no part of a description."""


@functools.cache
def preset_names() -> tuple[str, ...]:
    """Names of all presets, sorted."""
    files = resources.files(__name__).iterdir()
    return tuple(sorted(f.name.removesuffix(".toml") for f in files if f.name.endswith(".toml")))


def preset_table(names: Sequence[str]) -> dict[str, Any]:
    """The description of ``names`` together, later over earlier; TargetError if unknown."""
    tables = [_read(name) for name in names]
    if len(names) == 1 and "alone" in tables[0]:
        tables.insert(0, _read(str(tables[0]["alone"])))
    merged: dict[str, Any] = {}
    for table in tables:
        merged = over(merged, {k: v for k, v in table.items() if k not in _OWN})
    return merged


def over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """``above`` laid over ``below``: tables field by field, everything else as a whole."""
    merged = dict(below)
    for name, value in above.items():
        under = merged.get(name)
        both = isinstance(value, Mapping) and isinstance(under, Mapping)
        merged[name] = over(under, value) if both else value  # type: ignore[arg-type]  # both are
    return merged


SERVERS = {
    "kserve": "v2", "triton": "v2", "seldon": "v2", "openvino": "v2", "huggingface": "hf",
    "tf-serving": "instances", "tfserving": "instances", "tensorflow-serving": "instances",
}  # fmt: skip
"""Names of servers that a preset of another name asks."""


@functools.cache
def _read(name: str) -> dict[str, Any]:
    if name not in preset_names():
        # First those of the same server: triton-servr is meant to be triton-classification.
        kin = [one for one in preset_names() if one.split("-")[0] == name.lower().split("-")[0]]
        known, least = (kin, 0.3) if kin else ([*preset_names(), *SERVERS], 0.6)
        near = difflib.get_close_matches(name.lower(), known, 1, least)
        hint = f"; did you mean {SERVERS.get(near[0], near[0])!r}?" if near else ""
        every = ", ".join(preset_names())
        raise TargetError(f"there is no preset {name!r}; there are {every}{hint}")
    text = resources.files(__name__).joinpath(f"{name}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
