"""The model that a request is about: the way to open it, and its usual concurrency."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from adapters.contract import LabelOracle, OfflineOracle
from adapters.file_kind import kind_of_file
from adapters.model_files.file import why_no_file
from adapters.model_files.folder import is_mlflow, mlflow_file
from adapters.registry import MODEL_FILES, open_oracle
from adapters.target import Target, model_kind
from auditor.engine.contract import EngineLimits
from auditor.engine.progress import Progress
from auditor.engine.retry import open_patiently
from auditor.errors import UsageError
from auditor.samples.samples import Samples

CONCURRENCY = {"http": 8, "files": 1, "function": 1}
"""Requests in flight by kind of target, unless stated. Files are written one after the other, so
that one plan gives one order of inputs; a function is never called twice at a time."""
LOCAL_CONCURRENCY = 2
"""Requests in flight for every other kind."""
SAME_AGAIN = "the same call continues it"


@dataclass(frozen=True)
class LocatedTarget:
    """A model under audit, found but not opened.

    Attributes:
        concurrency: requests in flight, unless stated.
        target: its description; None for an oracle that was open before, which stays open.
        continues: the user's way to continue an audit of it, in words.
    """

    open: Callable[[], Awaitable[LabelOracle]]
    access: str
    concurrency: int
    target: Target | None = None
    continues: str = SAME_AGAIN

    @property
    def is_file(self) -> bool:
        """True for a model file, a folder or a name on a hub."""
        return self.target is not None and self.target.kind in MODEL_FILES

    @contextlib.asynccontextmanager
    async def opened(
        self, limits: EngineLimits | None = None, progress: Progress | None = None
    ) -> AsyncIterator[LabelOracle]:
        """Open the model, and close it again unless it was open before; one that is not ready is
        waited for within ``limits``.

        Raises:
            AdapterError: it cannot be opened.
            OutageError: it was not ready for too long.
            ComeBackError: it asks for a longer pause than that.
        """
        oracle = await open_patiently(self.open, limits or EngineLimits(), progress or Progress())
        try:
            yield oracle
        finally:
            if self.target is not None:
                await oracle.aclose()


def locate(target: Target, samples: Samples) -> LocatedTarget:
    """The model that ``target`` describes.

    A target that answers by files and states no shape takes that of the samples.
    """
    if target.kind == "files" and target.shape is None:
        channels, height, width = samples.images.shape[1:]
        target = dataclasses.replace(target, shape=(channels, height, width))
    concurrency = CONCURRENCY.get(target.kind, LOCAL_CONCURRENCY)
    opening = functools.partial(open_oracle, target)
    return LocatedTarget(opening, target.access, concurrency, target)


def located(oracle: LabelOracle) -> LocatedTarget:
    """An oracle that is open already, as the caller's own: it stays open."""

    async def opening() -> LabelOracle:
        return oracle

    concurrency = CONCURRENCY["files"] if isinstance(oracle, OfflineOracle) else LOCAL_CONCURRENCY
    return LocatedTarget(opening, oracle.input_spec.access, concurrency)


def stated_model(path: Path) -> str:
    """``path`` as a description states a model: a file, a folder or a name on a hub; the model in
    an MLflow folder stands for it.

    Raises:
        UsageError: no such file, or its ending names no known kind.
        ModelFileError: an MLflow folder holds no model that is safe to load.
    """
    if is_mlflow(path):
        path = mlflow_file(path)
    if not is_file(path) and model_kind(str(path)) not in {"snapshot", "savedmodel"}:
        raise UsageError(_why_no_model(path))
    if model_kind(str(path)) is None:
        other = kind_of_file(path)
        if other is not None:
            raise UsageError(f"{path} is {other}")
        raise UsageError(
            f"{path} is of no known kind: expected a file ending in .onnx, .pt, .pt2, .ts, .keras, "
            ".h5, .tflite"
        )
    return str(path)


def _why_no_model(path: Path) -> str:
    if not (path.is_symlink() or path.exists()):
        return f"there is no model file {path}"
    try:
        return f"{path} {why_no_file(path)}"
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"


def is_file(path: Path) -> bool:
    """True if there is a file at ``path``.

    Raises:
        UsageError: the system cannot say: a closed folder, a name that is too long.
    """
    try:
        return path.is_file()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
