"""A model that the caller holds as an object, as its library's module here reads it."""

from __future__ import annotations

from typing import Any, Protocol

from numpy.typing import NDArray

from adapters.contract import Fit, InputSpec
from adapters.model_files.loaded_model import ModelFacts


class ModelObject(Protocol):
    """One object of one library. Reading it changes nothing of it; between :meth:`enter` and
    :meth:`leave` it is in the mode for inference.

    Attributes:
        facts: the object's account of itself.
        digest: SHA-256 of its weights; empty where the library keeps them out of reach.
        fit: the way in which its own preprocessing brings a picture to its size, None if unknown.
    """

    facts: ModelFacts
    digest: str
    fit: Fit | None

    def enter(self, spec: InputSpec) -> None:
        """Bring the object into the mode for inference. Raises TargetError if it cannot take inputs
        of ``spec``.
        """
        ...

    def infer(self, tensor: NDArray[Any]) -> NDArray[Any]:
        """The output with one label or one row of scores for each input."""
        ...

    def leave(self) -> None:
        """Give the object its own mode back."""
        ...
