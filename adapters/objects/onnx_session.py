"""An open session of ONNX Runtime, as the caller made it: its providers and options stay."""

from __future__ import annotations

import importlib
from typing import Any

from numpy.typing import NDArray

from adapters.contract import Fit, InputSpec
from adapters.model_files.file import Wanted
from adapters.model_files.onnx.runtime import read_session


def read(session: Any) -> SessionObject:
    """``session``, an ``InferenceSession``, as an object that answers. Raises ModelFileError if its
    model is no image classifier.
    """
    return SessionObject(session)


class SessionObject:
    """A session; its weights cannot be read from it, so its name alone identifies it."""

    fit: Fit | None = None
    digest = ""

    def __init__(self, session: Any) -> None:
        loaded = read_session(
            importlib.import_module("onnxruntime"),
            session,
            "of the session",
            {},
            Wanted(threshold=0.0),
        )
        self.facts, self._infer = loaded.facts, loaded.infer

    def enter(self, spec: InputSpec) -> None:
        """See :class:`adapters.objects.model_object.ModelObject`."""

    def infer(self, tensor: NDArray[Any]) -> NDArray[Any]:
        """See :class:`adapters.objects.model_object.ModelObject`."""
        return self._infer(tensor)

    def leave(self) -> None:
        """See :class:`adapters.objects.model_object.ModelObject`."""
