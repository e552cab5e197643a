"""Opens a model object as an oracle that answers with hard labels."""

from __future__ import annotations

import importlib
from typing import Any

from adapters.contract import LabelOracle
from adapters.model_files.loaded_model import LoadedModel
from adapters.model_files.oracle import LocalOracle, resolve_facts
from adapters.objects.kinds import READERS, library_of
from adapters.objects.model_object import ModelObject
from adapters.target import Target
from adapters.worker import Worker

ISOLATION = "none: an object of the caller's own process"


def read_object(model: Any) -> ModelObject | None:
    """``model`` as its library's module reads it; None if it is of no library that is known here.
    Raises TargetError for an object of such a library that is no image classifier.
    """
    library = library_of(model)
    if library is None:
        return None
    found: ModelObject = importlib.import_module(READERS[library]).read(model)
    return found


async def open_object(model: ModelObject, target: Target, name: str) -> LabelOracle:
    """Open ``model``, whose identity is ``name`` and, where they can be read, its weights. Raises
    TargetError if shape, layout, classes or encoding do not fit it.
    """
    weights = f" weights sha256:{model.digest}" if model.digest else ""
    account = {"name": name, "isolation": ISOLATION}
    if model.digest:
        account["weights_sha256"] = model.digest
    loaded = LoadedModel(model.infer, model.facts).by_threshold(target.threshold)
    resolved = resolve_facts(target, f"object {name}{weights}", loaded.facts, account)
    model.enter(resolved.plan.spec)
    return LocalOracle(loaded.infer, resolved, Worker("model"), model.leave)
