from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from adapters.contract import InputSpec, LabelOracle
from adapters.errors import ModelFileError, RetryAdvice, Unreachable
from adapters.synthetic import SyntheticOracle, nearest_prototype, synthetic_prototypes
from auditor.engine.progress import Progress
from auditor.errors import ProfileError
from auditor.plan.settings import AuditSettings
from auditor.samples.load import load_samples
from auditor.samples.samples import Samples
from auditor.workflows.calibrate import run_calibration, score_all
from auditor.workflows.references import ReferenceModel

SETTINGS = AuditSettings(planes=4, canaries=5)
SHAPE = (1, 6, 6)


@pytest.fixture
def samples(tmp_path: Path) -> Samples:
    rng = np.random.default_rng(0)
    prototypes = synthetic_prototypes(0, 5, SHAPE)
    x = np.clip(np.repeat(prototypes, 6, axis=0) + rng.normal(0, 0.02, (30, *SHAPE)), 0, 1)
    path = tmp_path / "samples.npz"
    np.savez(path, x=x.astype(np.float32), y=np.repeat(np.arange(5), 6))
    return load_samples(path)


def _model(
    name: str,
    attack: str = "",
    shift: int = 0,
    names: str = "class",
    spec: InputSpec = InputSpec(SHAPE, (0.0,), (1.0,)),  # noqa: B008 - frozen
) -> ReferenceModel:
    prototypes = synthetic_prototypes(0, 5, SHAPE)
    labels_of = nearest_prototype(prototypes)

    async def opener() -> LabelOracle:
        return SyntheticOracle(
            lambda batch: (labels_of(batch) + shift) % 5,
            spec,
            [f"{names} {i}" for i in range(5)],
            fingerprint=name,
        )

    return ReferenceModel(name, attack, opener)


def _broken(name: str) -> ReferenceModel:
    async def opener() -> LabelOracle:
        raise ModelFileError("the file is cut short")

    return ReferenceModel(name, "", opener)


def _passing(name: str, failures: int) -> ReferenceModel:
    """A model that fails so many times, in a way that may pass, before it opens."""
    model, left = _model(name), [failures]

    async def opener() -> LabelOracle:
        left[0] -= 1
        if left[0] >= 0:
            raise Unreachable("no connection", RetryAdvice("outage"))
        return await model.open()

    return ReferenceModel(name, "", opener)


def _calibrate(models: list[ReferenceModel], samples: Samples, folder: Path):  # type: ignore[no-untyped-def]  # noqa: ANN202 - inferred from the call
    return asyncio.run(
        run_calibration(models, samples, SETTINGS, folder, name="p", task="test", provenance="here")
    )


def test_a_broken_reference_is_named_and_skipped(samples: Samples, tmp_path: Path) -> None:
    made = _calibrate([_model("a"), _broken("b"), _model("c", "badnets")], samples, tmp_path)
    assert made.skipped == {"b": "the file is cut short"}
    assert [r.name for r in made.profile.references] == ["a", "c"]


def test_references_that_fail_for_now_are_put_off_and_asked_after_the_others(
    samples: Samples, tmp_path: Path
) -> None:
    class Notes(Progress):
        said: list[str] = []  # noqa: RUF012 - of this one test

        def note(self, text: str) -> None:
            self.said.append(text)

    models = [_passing("late", 1), _model("a"), _broken("b"), _passing("gone", 9)]
    made = asyncio.run(
        run_calibration(
            models, samples, SETTINGS, tmp_path, name="p", task="t", provenance="h",
            progress=Notes(),
        )
    )  # fmt: skip
    assert [r.name for r in made.profile.references] == ["late", "a"]
    assert made.skipped == {"b": "the file is cut short", "gone": "no connection"}
    assert Notes.said[:3] == [
        "1 of 4 models are dropped before any is asked: b: the file is cut short",
        "2 of 4 models do not answer now and are asked after the others: late: no connection; "
        "gone: no connection",
        "a (clean)",
    ]


def test_a_reference_that_labels_the_samples_wrongly_is_skipped(
    samples: Samples, tmp_path: Path
) -> None:
    made = _calibrate([_model("good"), _model("wrong", shift=1)], samples, tmp_path)
    assert "labels only 0%" in made.skipped["wrong"]


def test_few_clean_references_make_it_provisional(samples: Samples, tmp_path: Path) -> None:
    few = _calibrate([_model(f"m{i}") for i in range(4)], samples, tmp_path / "few")
    enough = _calibrate([_model(f"m{i}") for i in range(5)], samples, tmp_path / "enough")
    assert few.profile.status == "provisional"
    assert enough.profile.status == "calibrated"


def test_references_of_two_tasks_are_refused(samples: Samples, tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="a and b differ in labels"):
        _calibrate([_model("a"), _model("b", names="sign")], samples, tmp_path)


def test_references_through_jpeg_make_a_profile_of_that_quality(
    samples: Samples, tmp_path: Path
) -> None:
    spec = InputSpec(SHAPE, (0.0,), (1.0,), "image", "jpeg:80")
    made = _calibrate([_model("a", spec=spec), _model("b", spec=spec)], samples, tmp_path / "same")
    assert made.profile.coding == "jpeg:80"
    png = InputSpec(SHAPE, (0.0,), (1.0,), "image", "png")
    with pytest.raises(ProfileError, match="a and b differ in picture coding"):
        _calibrate([_model("a", spec=spec), _model("b", spec=png)], samples, tmp_path / "mixed")


def test_nothing_scored_is_refused(samples: Samples, tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="no reference could be scored"):
        _calibrate([_broken("a")], samples, tmp_path)


def test_a_run_that_was_cut_off_asks_nothing_twice(samples: Samples, tmp_path: Path) -> None:
    first, _ = asyncio.run(score_all([_model("a")], samples, SETTINGS, tmp_path))
    second, _ = asyncio.run(score_all([_model("a"), _model("b")], samples, SETTINGS, tmp_path))
    assert first[0].report["queries"]["sent"] > 0
    assert second[0].report["queries"]["sent"] == 0
    assert second[0].reference == first[0].reference
    assert second[1].report["queries"]["sent"] == first[0].report["queries"]["sent"]
