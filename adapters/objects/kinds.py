"""The library that a model object belongs to, told by its classes; nothing is imported for it."""

from __future__ import annotations

from typing import Any

READERS = {
    "keras": "adapters.objects.keras",
    "onnxruntime": "adapters.objects.onnx_session",
    "sklearn": "adapters.objects.sklearn",
    "transformers": "adapters.objects.transformers",
    "timm": "adapters.objects.timm",
    "torch": "adapters.objects.torch",
}
"""Library -> the module with ``read(model) -> ModelObject``."""

_CLASSES = (
    # Keras models on its torch backend are torch modules too, so Keras comes first.
    ("keras", "keras", "Model"),
    ("tf_keras", "keras", "Model"),
    ("onnxruntime", "onnxruntime", "InferenceSession"),
    ("sklearn", "sklearn", "BaseEstimator"),
    ("transformers", "transformers", "Pipeline"),
    ("transformers", "transformers", "PreTrainedModel"),
    ("torch", "torch", "Module"),
)
"""Package, library and name of a base class."""


def library_of(model: Any) -> str | None:
    """The library of ``model``, a key of :data:`READERS`; None for any other object. A pair of a
    model and its processor is one of transformers.
    """
    if isinstance(model, tuple):
        return "transformers" if model and library_of(model[0]) == "transformers" else None
    names = {(cls.__module__.partition(".")[0], cls.__name__) for cls in type(model).__mro__}
    for package, library, name in _CLASSES:
        if (package, name) in names:
            timm = library == "torch" and hasattr(model, "pretrained_cfg")
            return "timm" if timm else library
    return None
