"""A model in the memory of this process, and what its file says about itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.contract import Layout
from adapters.errors import BadReply

Dims = tuple[int | None, int | None, int | None]
"""The input's axes after the batch axis, as the model orders them; None if it is free."""

TELLING = re.compile(r"logit|score|prob|softmax|class|label|predict|output", re.IGNORECASE)
"""Names that exporters give to the output of a classifier."""

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

    format: str
    identity: str
    description: dict[str, Any]
    dims: Dims = (None, None, None)
    dtype: str = "float32"
    batch: tuple[int, int | None] = (1, None)
    layout: Layout | None = None
    value_range: tuple[float, float] | None = None
    names: tuple[str, ...] | None = None
    classes: int | None = None
    text: bool = False
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

    def by_threshold(self, threshold: float | None) -> LoadedModel:
        """This model as one of two classes, if a ``threshold`` is stated: its one number for each
        input means the second class from there on.
        """
        if threshold is None:
            return self

        def infer(tensor: NDArray[Any]) -> NDArray[Any]:
            reply, rows = np.asarray(self.infer(tensor)), len(tensor)
            if reply.size != rows or reply.dtype.kind not in "fiu":
                raise BadReply(
                    f"the model returned shape {reply.shape} for {rows} inputs, and a threshold is "
                    "for one number each"
                )
            if np.isnan(reply).any():
                raise BadReply("the model returned NaN instead of a number, so it gave no label")
            return (reply.reshape(rows) >= threshold).astype(np.int64)

        identity = f"{self.facts.identity} second class from {threshold:g}"
        description = {**self.facts.description, "threshold": threshold}
        facts = replace(self.facts, classes=2, identity=identity, description=description)
        return LoadedModel(infer, facts)
