"""The names of a model's classes: labels are stored as numbers, which mean a class by its name."""

from __future__ import annotations

from adapters.contract import LabelOracle
from auditor.engine.observer import Observer
from auditor.engine.store import LabelStore
from auditor.errors import StoreError


class ClassNames:
    """Keeps the names in the store, and the observer told of them.

    Args:
        oracle: the model, whose open label space may grow with every answer.
        store: remembers the names.
        observer: told about new ones.
        kept: how many names the store has.
    """

    def __init__(
        self, oracle: LabelOracle, store: LabelStore, observer: Observer, kept: int
    ) -> None:
        self._space, self._fingerprint = oracle.label_space, oracle.fingerprint
        self._store, self._observer = store, observer
        self._kept, self._size = kept, self._space.size

    def keep_new(self) -> None:
        """Remember names that the newest answer was the first to use.

        Call it before the labels that use them are recorded: committed labels whose names are
        lost would mean other classes later.
        """
        names, size, kept = self._space.names, self._space.size, self._kept
        if len(names) > kept or size != self._size:
            self._kept, self._size = max(kept, len(names)), size
            self._observer.classes(kept, names[kept:], size)
        if len(names) > kept:
            self._store.keep_label_names(self._fingerprint, names[kept:], kept)


async def learn_names(oracle: LabelOracle, store: LabelStore, observer: Observer) -> ClassNames:
    """Give names the indices that stored labels know them by.

    Raises:
        StoreError: the target's classes are listed in another order than before.
    """
    space = oracle.label_space
    kept = await store.label_names(oracle.fingerprint)
    space.learn(kept)
    if space.names[: len(kept)] != kept and space.names:
        raise StoreError(
            "the target's class names differ from those its stored labels were given under: "
            "name the classes as before, or use another --output"
        )
    observer.classes(0, space.names, space.size)
    return ClassNames(oracle, store, observer, len(kept))
