"""A small audit of a classifier whose regions are known."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from adapters.contract import Access, InputSpec
from adapters.synthetic import SyntheticOracle, nearest_prototype, synthetic_prototypes
from auditor.__main__ import _guarded
from auditor.engine.rate import Clock
from auditor.plan.settings import AuditSettings
from auditor.samples.samples import Samples

SHAPE = (1, 4, 4)
CLASSES = 5
PER_CLASS = 4

MakeOracle = Callable[..., SyntheticOracle]


@pytest.fixture
def make_oracle() -> MakeOracle:
    """Opens the known classifier, ``(access, labels_of, max_batch)``."""

    def make(
        access: Access = "float",
        labels_of: Callable[[NDArray[np.float32]], NDArray[np.int64]] | None = None,
        max_batch: int = 64,
    ) -> SyntheticOracle:
        return SyntheticOracle(
            labels_of or nearest_prototype(synthetic_prototypes(1, CLASSES, SHAPE)),
            InputSpec(SHAPE, (0.0,), (1.0,), access, "uint8" if access == "image" else "float32"),
            [str(label) for label in range(CLASSES)],
            max_batch=max_batch,
        )

    return make


@pytest.fixture
def samples() -> Samples:
    """Pixels near the prototypes of their classes."""
    centres = np.repeat(synthetic_prototypes(1, CLASSES, SHAPE), PER_CLASS, axis=0)
    noise = np.random.default_rng(2).normal(0.0, 0.05, centres.shape)
    pixels = np.rint(np.clip(centres + noise, 0.0, 1.0) * 255.0).astype(np.uint8)
    names = tuple(str(i // PER_CLASS) for i in range(len(pixels)))
    refs = tuple(f"{name}/{i}.png" for i, name in enumerate(names))
    return Samples(refs, names, pixels, tuple("01234"), stated_order=True, digest="d" * 64)


@pytest.fixture
def settings() -> AuditSettings:
    """The default, with few planes and repeats."""
    return AuditSettings(planes=16, canaries=10)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time goes by ten times as fast for engines, so that their pauses cost little."""

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(seconds / 10)

    defaults = (lambda: 10 * time.monotonic(), sleep, time.time)
    monkeypatch.setattr(Clock.__init__, "__defaults__", defaults)


@pytest.fixture(scope="session")
def bundles() -> Any:
    """The small world of ``tests/_bundles.py``, and how to write bundles of its audits."""
    # There is no package under tests to import it from.
    path = Path(__file__).parents[1] / "_bundles.py"
    spec = importlib.util.spec_from_file_location("bundles", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class Ran:
    """How one command ended."""

    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The one sentence of a failure; fails the test where there is more or less."""
        assert self.out == ""
        assert self.err.startswith("xray-audit: error: "), self.err
        assert self.err.endswith("\n")
        assert self.err.count("\n") == 1, self.err
        assert self.code not in {0, 1}, "1 is a verdict"
        assert "Traceback" not in self.err
        assert "unexpected" not in self.err
        return self.err.removeprefix("xray-audit: error: ").strip()


RunCommand = Callable[..., Ran]


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> RunCommand:
    """Runs ``xray-audit`` with the given words, in an empty folder and without settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def run(*words: str | Path) -> Ran:
        monkeypatch.setattr(sys, "argv", ["xray-audit", *(str(word) for word in words)])
        capsys.readouterr()
        code = int(_guarded())
        out, err = capsys.readouterr()
        return Ran(code, out, err)

    return run


@pytest.fixture(scope="session")
def assets() -> Path:
    """Models and samples that ship with the tool."""
    return Path(str(resources.files("auditor.workflows.demo"))) / "assets"
