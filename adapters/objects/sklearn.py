"""A classifier or pipeline of scikit-learn, asked for its own labels on flattened pictures."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.contract import Fit, InputSpec
from adapters.errors import TargetError
from adapters.model_files.loaded_model import ModelFacts


def read(model: Any) -> SklearnObject:
    """``model``, a fitted classifier, as an object that answers. Raises TargetError for one that is
    not fitted, or no classifier.
    """
    return SklearnObject(model)


class SklearnObject:
    """A fitted classifier; its labels are numbered in the order of its ``classes_``."""

    fit: Fit | None = None
    digest = ""

    def __init__(self, model: Any) -> None:
        sklearn = importlib.import_module("sklearn")
        self._model = model
        classes = np.asarray(getattr(model, "classes_", ()))
        if classes.ndim != 1 or len(classes) < 2 or not hasattr(model, "predict"):
            raise TargetError(
                f"{type(model).__name__} is no fitted classifier: it states no classes_ "
                "(call fit first)"
            )
        self._classes = classes
        whole = classes.dtype.kind in "iu" and (classes == np.arange(len(classes))).all()
        self._features: int | None = getattr(model, "n_features_in_", None)
        self.facts = ModelFacts(
            dtype="float64",
            layout="NHWC",  # as pictures lie in memory before they are flattened
            names=None if whole else tuple(str(name) for name in classes.tolist()),
            classes=len(classes),
            format="scikit-learn",
            identity=f"scikit-learn {sklearn.__version__}",
            description={
                "format": "scikit-learn",
                "class": type(model).__name__,
                "runtime": f"scikit-learn {sklearn.__version__}",
                "features": "pictures flattened, channels last unless layout says NCHW",
            },
        )

    def enter(self, spec: InputSpec) -> None:
        """See :class:`adapters.objects.model_object.ModelObject`."""
        if self._features not in (None, spec.size):
            raise TargetError(
                f"the classifier takes {self._features} features, and one picture of shape "
                f"{spec.shape} has {spec.size}: give shape=(c, h, w) of the pictures it was "
                "fitted on"
            )

    def infer(self, tensor: NDArray[Any]) -> NDArray[Any]:
        """See :class:`adapters.objects.model_object.ModelObject`."""
        found = np.asarray(self._model.predict(tensor.reshape(len(tensor), -1)))
        order = np.argsort(self._classes, kind="stable")
        return np.asarray(order[np.searchsorted(self._classes, found, sorter=order)])

    def leave(self) -> None:
        """See :class:`adapters.objects.model_object.ModelObject`."""
