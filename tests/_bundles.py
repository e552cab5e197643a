"""A small world to audit, and one evidence bundle of every kind that an audit of it can write.

    python tests/_bundles.py FOLDER

``tests/data/bundles_0_1`` was made like this by release 0.1.0 (commit de71205) and stays as it is:
whatever later versions write, they must still read those.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from adapters.contract import LabelOracle
from adapters.function import FunctionOracle
from adapters.registry import open_oracle
from adapters.synthetic import nearest_prototype
from adapters.target import Target
from auditor.engine.contract import EngineLimits
from auditor.engine.engine import QueryEngine
from auditor.engine.progress import Progress
from auditor.errors import LabelsPending
from auditor.evidence.attest.signing import read_signer
from auditor.evidence.packing import pack
from auditor.plan.settings import choose_settings
from auditor.samples.arrays import samples_from_arrays
from auditor.samples.samples import Samples
from auditor.scores.intervals import binomial_rate
from auditor.verdict.profile import Profile, Threshold
from auditor.workflows.audit import run_audit
from auditor.workflows.judge import AuditResult
from auditor.workflows.prepare import STORE_NAME
from auditor.workflows.request import AuditRequest
from auditor.workflows.targets import located

SIDE, BLOCK, PATCH = 28, 7, 3
"""28 pixels a side is the least for which a trigger found is known to mean something."""
CLASSES = ("ant", "bee", "cow")
TARGET_CLASS = 1
FEW = {"planes": 8, "canaries": 20}
"""Fewer questions than by default, where the kind of a bundle does not depend on them."""
Classifier = Callable[[NDArray[Any]], NDArray[Any]]

# ---- the world ---------------------------------------------------------------------------------


def prototypes(seed: int = 7) -> NDArray[np.float64]:
    """One picture of coarse blocks for each class, ``(3, 1, 28, 28)``."""
    coarse = np.random.default_rng(seed).uniform(0.1, 0.9, (len(CLASSES), 1, 4, 4))
    return coarse.repeat(BLOCK, axis=2).repeat(BLOCK, axis=3)


def samples(each: int = 15) -> Samples:
    """``each`` samples of every class: its prototype, every block a little brighter or darker."""
    numbers = np.arange(each * len(CLASSES)) % len(CLASSES)
    shades = np.random.default_rng(8).normal(0, 0.05, (len(numbers), 1, 4, 4))
    noise = shades.repeat(BLOCK, axis=2).repeat(BLOCK, axis=3)
    pixels = np.rint(np.clip(prototypes()[numbers] + noise, 0, 1) * 255).astype(np.uint8)
    return samples_from_arrays(pixels, np.array(CLASSES)[numbers])


clean: Classifier = nearest_prototype(prototypes())
"""The label of the nearest prototype."""


def backdoored(images: NDArray[Any]) -> NDArray[Any]:
    """Like :func:`clean`, but a small checkerboard in the corner makes everything a bee."""
    corner = np.indices((PATCH, PATCH)).sum(axis=0) % 2
    shown = np.abs(images[:, 0, -PATCH:, -PATCH:] - corner) < 0.35
    return np.where(shown.all(axis=(1, 2)), TARGET_CLASS, clean(images))


def changed(images: NDArray[Any]) -> NDArray[Any]:
    """A new version of :func:`clean`, whose first class looks a little different."""
    moved = prototypes()
    moved[0, :, : SIDE // 2] += 0.2
    return nearest_prototype(moved)(images)


def unsteady() -> Classifier:
    """A new classifier that gives every fifth input the next label, whatever it shows."""
    asked = 0

    def labels_of(images: NDArray[Any]) -> NDArray[Any]:
        nonlocal asked
        numbers = asked + np.arange(len(images))
        asked += len(images)
        labels: NDArray[Any] = (clean(images) + (numbers % 5 == 0)) % len(CLASSES)
        return labels

    return labels_of


def target(kind: str = "function", location: str = "", **more: Any) -> Target:
    """What the user says about every model of this world."""
    shape = (1, SIDE, SIDE)
    return Target(kind, location, shape=shape, value_range=(0.0, 1.0), classes=CLASSES, **more)


def open_model(classifier: Classifier, name: str, batch: int | None = None) -> LabelOracle:
    """An oracle that asks ``classifier``; its fingerprint follows ``name``."""
    return FunctionOracle(classifier, target(batch=batch), name)


def profile(threshold: float = 0.1) -> Profile:
    """References of this world for the default settings, from which RE alone decides."""
    settings = choose_settings({})
    names = ("sampler", "points", "expansion", "alpha", "ats_threshold")
    return Profile(
        name="world",
        status="calibrated",
        task="ants, bees and cows",
        access="float",
        settings={name: getattr(settings, name) for name in names},
        input_shape=(1, SIDE, SIDE),
        labels=CLASSES,
        decides_by="re",
        thresholds={"re": Threshold(threshold, threshold, threshold)},
        error_rates={
            "false_positive": binomial_rate(0, 20),
            "false_negative": binomial_rate(0, 20),
        },
        provenance="tests/_bundles.py",
    )


def audit(
    folder: Path,
    classifier: Classifier = clean,
    chosen: Mapping[str, Any] | None = None,
    *,
    name: str = "model",
    given: Samples | None = None,
    batch: int | None = None,
    **rest: Any,
) -> AuditResult:
    """Audit ``classifier`` into ``folder`` with the settings of a user who chose ``chosen``."""
    settings = choose_settings(chosen or {})
    oracle, held = open_model(classifier, name, batch), given or samples()
    on_start = rest.pop("on_start", None)
    request = AuditRequest(located(oracle), held, settings, folder, views=(), **rest)
    return asyncio.run(run_audit(request, on_start))


class StopAfter(Progress):
    """Interrupts the audit, as Ctrl-C does, after so many answers."""

    def __init__(self, answers: int) -> None:
        self._left = answers
        self._engine: QueryEngine | None = None

    def take(self, engine: QueryEngine) -> None:
        """The engine to stop."""
        self._engine = engine

    def advance(self, labels: int, *, live: bool) -> None:  # noqa: ARG002 - whichever
        """Count, and stop."""
        self._left -= labels
        if self._left <= 0 and self._engine is not None:
            self._engine.stop()


def stop_after(answers: int) -> dict[str, Any]:
    """Arguments of :func:`audit` for one that is interrupted after so many answers."""
    stop = StopAfter(answers)
    return {"progress": stop, "on_start": stop.take, "limits": EngineLimits(concurrency=1)}


# ---- a bundle of every kind --------------------------------------------------------------------


def make_all(folder: Path) -> None:
    """Write one bundle of every kind to ``folder``, and the public key of the signed one."""
    folder = folder.resolve()
    fixed = {**FEW, "trigger_search": False}
    audit(folder / "default")
    audit(folder / "paper", chosen={**fixed, "sampler": "paper", "planes": 4, "density": 12})
    per_source = {**FEW, "planes": 4, "per_source": True}
    audit(folder / "per_source", chosen=per_source, given=samples(each=21))
    judged = {"planes": 16, "families": True, "pictures": 1, "density": 30}
    audit(folder / "profile", chosen=judged, profile=profile())
    audit(folder / "suspected", backdoored, name="backdoored model")
    audit(folder / "inconclusive", unsteady(), fixed, name="unsteady model")
    audit(folder / "stopped", chosen={**FEW, "planes": 16}, batch=16, **stop_after(180))
    by_files(folder / "files", fixed)
    audit(folder / "signed", chosen=fixed, signer=new_key(folder / "signed.pub"))
    pack(folder / "signed", folder / "handed_over", hand_over=True)
    # A store is no evidence, and a bundle that is handed on comes without it.
    for path in [*folder.glob(f"*/{STORE_NAME}*")]:
        path.unlink()


def by_files(folder: Path, chosen: Mapping[str, Any]) -> AuditResult:
    """Audit :func:`clean` without asking it anything: inputs and labels travel as files."""
    # Relative names, since the bundle says where its inputs were.
    with tempfile.TemporaryDirectory() as place, contextlib.chdir(place):
        described = target("files", "inputs.npz")
        for number in range(1, 10):
            oracle = asyncio.run(open_oracle(described))
            try:
                settings = choose_settings(chosen)
                request = AuditRequest(located(oracle), samples(), settings, folder, views=())
                return asyncio.run(run_audit(request))
            except LabelsPending:
                with np.load(f"inputs-{number:03d}.npz") as archive:
                    labels = clean(archive["x"])
                    np.savez("labels.npz", id=archive["id"], label=labels)
            described = replace(described, labels_file="labels.npz")
    raise AssertionError("the exchange of files does not come to its end")


def new_key(public: Path) -> Any:
    """A signer with a key that nobody keeps; its public half is written to ``public``."""
    key = Ed25519PrivateKey.generate()
    public.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    handle, path = tempfile.mkstemp()
    try:
        os.write(handle, private)
        return read_signer(Path(path))
    finally:
        os.close(handle)
        Path(path).unlink()


if __name__ == "__main__":
    make_all(Path(sys.argv[1]))
