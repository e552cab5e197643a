"""String labels: an index means the same class in every run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from adapters.contract import LabelSpace
from adapters.errors import AccessDenied
from auditor.engine.store import LabelStore
from auditor.errors import StoreError

PLAN = tuple(float(i) for i in range(200))


def name_of(value: float) -> str:
    return f"class-{int(value) * 37 % 23}"


async def by_name(oracle: Any, batch: NDArray[np.float32]) -> NDArray[Any]:
    if oracle.hints == [] and len(oracle.calls) == 20:
        raise AccessDenied("stop here")
    return np.array([oracle.label_space.index(name_of(v)) for v in batch[:, 0, 0, 0]])


def named(oracle: Any, labels: NDArray[Any]) -> list[str]:
    return [oracle.label_space.name(int(label)) for label in labels]


def test_indices_are_stable_over_a_resume(lab: Any) -> None:
    first = lab.Oracle(by_name, max_batch=1, label_space=LabelSpace(open=True))
    with pytest.raises(AccessDenied):
        lab.run([lab.Probe(PLAN)], first)
    # The second run sees the classes in another order.
    probes = [lab.Probe(PLAN[::-1]), lab.Probe(PLAN)]
    second = lab.Oracle(by_name, label_space=LabelSpace(open=True), hints=[None] * 1000)
    result = lab.run(probes, second)
    assert named(second, result.labels[1]) == [name_of(v) for v in PLAN]
    assert named(second, result.labels[0]) == [name_of(v) for v in PLAN[::-1]]
    third = lab.Oracle(label_space=LabelSpace(open=True))
    again = lab.run([lab.Probe(PLAN)], third)
    assert named(third, again.labels[0]) == [name_of(v) for v in PLAN]
    assert not third.calls


def test_a_name_is_handed_in_before_the_labels_that_use_it(
    lab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    names_known = 0
    real_names, real_record = LabelStore.keep_label_names, LabelStore.record

    def keep(store: LabelStore, fingerprint: str, names: list[str], first: int) -> None:
        nonlocal names_known
        assert first == names_known
        names_known += len(names)
        real_names(store, fingerprint, names, first)

    def record(store: LabelStore, intents: Any, parts: Any) -> None:
        assert max(labels.max() for _, _, labels in parts) < names_known
        real_record(store, intents, parts)

    monkeypatch.setattr(LabelStore, "keep_label_names", keep)
    monkeypatch.setattr(LabelStore, "record", record)
    oracle = lab.Oracle(by_name, label_space=LabelSpace(open=True), hints=[None] * 1000)
    assert lab.run([lab.Probe(PLAN)], oracle).complete


@pytest.mark.parametrize("now", [["b", "a"], ["a"], ["a", "c"]])
def test_classes_in_another_order_are_refused(lab: Any, now: list[str]) -> None:
    async def zeros(_: Any, batch: NDArray[np.float32]) -> NDArray[Any]:
        return np.zeros(len(batch), dtype=np.int64)

    lab.run([lab.Probe(PLAN)], lab.Oracle(zeros, label_space=LabelSpace(["a", "b"])))
    with pytest.raises(StoreError, match="class names differ"):
        lab.run([lab.Probe(PLAN)], lab.Oracle(zeros, label_space=LabelSpace(now)))


def test_names_seen_before_the_run_do_not_shift_stored_ones(lab: Any) -> None:
    first = lab.Oracle(by_name, label_space=LabelSpace(open=True), hints=[None] * 1000)
    lab.run([lab.Probe(PLAN)], first)
    second = lab.Oracle(label_space=LabelSpace(["class-3"], open=True))
    with pytest.raises(StoreError, match="class names differ"):
        lab.run([lab.Probe(PLAN)], second)


def test_names_given_later_are_welcome(lab: Any) -> None:
    lab.run([lab.Probe(PLAN)], lab.Oracle())
    names = [f"class {i}" for i in range(31)]
    assert lab.run([lab.Probe(PLAN)], lab.Oracle(label_space=LabelSpace(names))).complete
    # And a run that is not given them again still knows its labels.
    assert lab.run([lab.Probe(PLAN)], lab.Oracle()).complete
