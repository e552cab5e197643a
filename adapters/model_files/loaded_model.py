"""A model in the memory of this process, and what its file says about itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from numpy.typing import NDArray

from adapters.contract import Layout

Dims = tuple[int | None, int | None, int | None]
"""The input's axes after the batch axis, as the model orders them; None if it is free."""

Infer = Callable[[NDArray[Any]], NDArray[Any]]
"""Runs the model: the encoded batch in, its one usable output out."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """A loaded file's account of itself. All of it may be the file's invention.

    Attributes:
        dims: axes after the batch axis.
        dtype: numpy name of the input type.
        batch: fewest and most inputs per call; None for no limit.
        layout: axis order if neither the user nor the dims tell; None asks the user.
        text: True if the model answers with names instead of numbers.
        format: ``onnx``, ``TorchScript`` or ``torch.export``.
        identity: properties of the runtime that decide an answer, in words, for the fingerprint.
        description: facts for the report.
        mean: per-channel mean that the caller must subtract, None if the model states none.
        std: per-channel deviation that the caller must divide by.
        shape: ``(c, h, w)`` that the model was made for, where ``dims`` leaves other sizes open.
    """

    dims: Dims
    dtype: str
    batch: tuple[int, int | None]
    layout: Layout | None
    value_range: tuple[float, float] | None
    names: tuple[str, ...] | None
    classes: int | None
    text: bool
    format: str
    identity: str
    description: dict[str, Any]
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    shape: tuple[int, int, int] | None = None

    def as_json(self) -> dict[str, Any]:
        """A JSON-able copy; see :mod:`adapters.model_files.sandbox.facts` for the way back."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model in the memory of this process, and its account of itself."""

    infer: Infer
    facts: ModelFacts
