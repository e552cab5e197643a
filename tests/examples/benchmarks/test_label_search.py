"""The page of the search label by label: populations, other methods, fewer samples."""

from __future__ import annotations

from typing import Any

from examples.benchmarks.label_search.sections import beside, fewer_samples
from examples.benchmarks.label_search.tables import Ended


def _ended(name: str, *, attack: str, suspicious: bool, p: float, each: int | None = None) -> Ended:
    row = {"name": name, "effort": "thorough", "classes": 10, "each": each}
    model: dict[str, Any] = {"name": name, "task": "digits", "attack": attack, "care": "usual"}
    model["target"] = 3
    return Ended(row, model, suspicious, not suspicious, 3 if suspicious else None, p, 900, "")


ENDS = [
    _ended("a", attack="clean", suspicious=False, p=0.6),
    _ended("b", attack="clean", suspicious=False, p=0.9),
    _ended("c", attack="sig", suspicious=True, p=1e-6),
    _ended("d", attack="sticker", suspicious=False, p=0.7),
]


def _row(re: float, norms: list[float]) -> dict[str, Any]:
    return {"re": re, "ats": re, "norms": norms, "margins": [1.0, 2.0, 1.5, 1.2, 1.1]}


def test_methods_are_compared_on_the_models_that_all_of_them_saw() -> None:
    even, odd = [50.0, 51.0, 49.0, 50.5, 49.5], [50.0, 51.0, 2.0, 50.5, 49.5]
    rows = {"a": _row(0.5, even), "b": _row(0.6, even), "c": _row(0.1, odd)}
    page = beside(ENDS, rows)
    all_of_them, with_gradients = (line for line in page if line.startswith("| usual |"))
    assert all_of_them.count("1.00 (1)") == 3
    assert with_gradients.count("1.00 (1)") == 4
    assert any("index above 2 | 0 of 2" in line and "1 of 1" in line for line in page)
    assert beside(ENDS, {}) == []


def test_the_curve_counts_by_classes_and_pictures_of_each() -> None:
    ends = [
        _ended("c", attack="sig", suspicious=True, p=1e-6, each=5),
        _ended("d", attack="sig", suspicious=False, p=0.5, each=5),
        _ended("a", attack="clean", suspicious=False, p=0.5, each=20),
    ]
    page = fewer_samples(ends)
    assert any(line.startswith("| thorough | 10 of 10 | 5 | 1 of 2") for line in page)
    assert any(line.startswith("| thorough | 10 of 10 | 20 | – | – | 0 of 1") for line in page)
    assert fewer_samples(ENDS) == []
