"""The records of a bundle besides labels: the plan before the first query, the run after the last.

The audit can be judged again from both: ``plan.json`` holds the samples as hashes, ``run.json``
everything else that judging needs of the target and the engine.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from adapters.contract import LabelOracle
from auditor import __version__
from auditor.engine.contract import EngineResult
from auditor.errors import EvidenceError
from auditor.evidence.canonical import parse_object, sha256
from auditor.evidence.layout import EARLIER_PLANS, FORMAT, LOG, PLAN
from auditor.plan.plan import AuditPlan
from auditor.probes.label_search.settings import EFFORTS, Effort
from auditor.samples.samples import Samples
from auditor.verdict.profile import Profile

if TYPE_CHECKING:  # pydantic's types take a tenth of a second, and are needed at the end
    from auditor.evidence.record_types import EndRecord

LIBRARIES = ("numpy", "scipy", "pillow", "httpx", "aiohttp", "onnxruntime", "torch")
ENDING = {
    "budget_reached": "budget_reached",
    "stopped": "stopped",
    "decided": "decided",
    "origins": "server_identity",
    "unknown": "unknown",
    "deferred": "deferred",
}
"""Keys of the record of how a run ended, and the fields of the engine's result that they hold."""


CODE = (
    "*.py", "measured/*.json", "engine/schema.sql", "wording/*.toml", "report/html/*.css",
    "frameworks/*.toml",
)  # fmt: skip
"""Files of the packages that results and their views follow from: the program, the numbers that
were measured, the tables that labels are kept in, the words of a verdict, styles, and the clauses
of frameworks."""


@cache
def tool() -> dict[str, Any]:
    """Name, version and a digest of the code that runs: ``code`` is the SHA-256 over the files of
    the packages that match :data:`CODE`, by name and content.
    """
    state = hashlib.sha256()
    for package in ("adapters", "auditor"):
        folder = Path(str(resources.files(package)))
        for path in sorted({path for pattern in CODE for path in folder.rglob(pattern)}):
            state.update(f"{package}/{path.relative_to(folder).as_posix()}\0".encode())
            state.update(hashlib.sha256(path.read_bytes()).digest())
    return {"name": "xray-audit", "version": __version__, "code": state.hexdigest()}


@cache
def environment() -> dict[str, Any]:
    """Python, platform and the libraries that the numbers depend on."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "libraries": found,
        # Which of them numpy uses decides how it rounds sines and powers.
        "processor": list(np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])),
    }


def image_bytes(images: NDArray[Any]) -> bytes:
    """Values of one or more images, little-endian and in C order."""
    return np.ascontiguousarray(images, dtype=images.dtype.newbyteorder("<")).tobytes()


def image_hash(image: NDArray[Any]) -> str:
    """Hex SHA-256 of one sample's :func:`image_bytes`."""
    return sha256(image_bytes(image))


class Planned(Protocol):
    """An audit before its first query: :class:`auditor.workflows.prepare.Prepared`."""

    @property
    def plan(self) -> AuditPlan: ...  # noqa: D102 - documented there
    @property
    def samples(self) -> Samples: ...  # noqa: D102 - documented there
    @property
    def classes(self) -> NDArray[np.int64]: ...  # noqa: D102 - documented there
    @property
    def matched_by(self) -> str: ...  # noqa: D102 - documented there


def plan_record(
    oracle: LabelOracle,
    ready: Planned,
    profile: Profile | None,
    hashes: Sequence[str] | None = None,
) -> dict[str, Any]:
    """``plan.json``: everything decided before the first query; the same for equal audits.

    ``hashes`` of the samples are made of their images unless they are given.
    """
    plan, samples, classes = ready.plan, ready.samples, ready.classes
    return {
        "format": FORMAT,
        **plan.as_dict(samples.refs),
        "planes": [probe.as_record() for probe in plan.planes],
        "samples_digest": samples.digest,
        "samples": {
            "shape": list(samples.images.shape[1:]),
            "dtype": samples.images.dtype.name,
            "classes_matched_by": ready.matched_by,
            "class_order": list(samples.class_order),
            "stated_order": samples.stated_order,
            "refs": list(samples.refs),
            "classes": list(samples.classes),
            "class_indices": [int(index) for index in classes],
            "kept": [int(index) for index in used_images(plan)],
            "sha256": [image_hash(i) for i in samples.images] if hashes is None else list(hashes),
            **({"notes": list(samples.notes)} if samples.notes else {}),
        },
        "input": oracle.input_spec.as_record(),
        # Without the names: if the target's list is open, answers add to them.
        "labels": {"size": oracle.label_space.size, "open": oracle.label_space.open},
        "fingerprint": sha256(oracle.fingerprint.encode()),
        "profile_digest": None if profile is None else profile.digest,
        "tool": tool(),
    }


def held_plan_digest(folder: Path) -> str | None:
    """Digest of the plan in ``folder``; None without one that can be read."""
    try:
        digest = parse_object((folder / PLAN).read_bytes(), PLAN).get("plan_digest")
    except (OSError, EvidenceError):
        return None
    return digest if isinstance(digest, str) else None


def earlier_searches(
    plans: Iterable[bytes], plan: AuditPlan, fingerprint: str
) -> tuple[Effort, ...]:
    """Efforts of other searches label by label that ``plans`` (contents of ``plan.json``) say were
    asked of the model ``fingerprint``, the lowest first.

    All of them count, interrupted ones and those with another seed or other samples included.

    Raises:
        EvidenceError: one is no plan.
    """
    if plan.by_label is None:
        return ()
    found: dict[str, Effort] = {}
    target = sha256(fingerprint.encode())
    for data in plans:
        held = parse_object(data, PLAN)
        try:
            by_label, effort = held["trigger_search"]["by_label"], held["settings"]["effort"]
            if by_label is not None and held["fingerprint"] == target and effort in EFFORTS:
                found[str(held["plan_digest"])] = effort
        except (KeyError, TypeError):
            continue  # of a version that did not search label by label
    found.pop(plan.digest, None)
    return tuple(sorted(found.values(), key=[*EFFORTS].index))


def held_plans(folder: Path) -> list[bytes]:
    """Contents of all plans that were asked in ``folder``."""
    if not (folder / LOG).exists():
        return []
    paths = [folder / PLAN, *sorted((folder / EARLIER_PLANS).glob("*.json"))]
    return [path.read_bytes() for path in paths if path.exists()]


def holds_another(folder: Path, fingerprint: str) -> bool:
    """True if the audit in ``folder`` was asked of another model than ``fingerprint``, or in
    another form of its inputs.
    """
    try:
        held = parse_object((folder / PLAN).read_bytes(), PLAN).get("fingerprint")
    except (OSError, EvidenceError):
        return False
    return held is not None and held != sha256(fingerprint.encode())


def run_record(
    oracle: LabelOracle,
    engine: EngineResult,
    timing: Mapping[str, Any],
    identity: Mapping[str, Any],
    command: Sequence[str] = (),
) -> dict[str, Any]:
    """``run.json``: everything that judging needs besides the plan, the samples and the labels,
    and the ``command`` that goes on with a run that was cut short.
    """
    space = oracle.label_space
    cut = engine.stopped or engine.budget_reached
    return {
        "format": FORMAT,
        "target": {
            "fingerprint": oracle.fingerprint,
            "description": oracle.description,
            "input": oracle.input_spec.as_record(),
            "labels": {
                "names": list(space.names),
                "size": space.size,
                "open": space.open,
                **({"as_samples": True} if space.shown else {}),
            },
            "wire": asdict(oracle.wire),
        },
        "identity": dict(identity),
        "engine": end_record(engine),
        "ledger": asdict(engine.ledger),
        "timing": dict(timing),
        "tool": tool(),
        "environment": environment(),
        **({"command": list(command)} if command and cut else {}),
    }


def end_record(engine: EngineResult) -> dict[str, Any]:
    """End of a run: everything of its result but labels and ledger."""
    return {key: getattr(engine, name) for key, name in ENDING.items()}


def read_end(end: EndRecord) -> dict[str, Any]:
    """Fields of the :class:`auditor.engine.contract.EngineResult` that ``end`` was made of."""
    record = end.model_dump()
    return {name: record[key] for key, name in ENDING.items()}


def used_images(plan: AuditPlan) -> NDArray[np.int64]:
    """Indices of the samples whose images the plan asks about, ascending."""
    asked = np.union1d(plan.used, plan.search_samples)
    if plan.by_source:
        asked = np.union1d(asked, plan.source_samples)
    return np.union1d(asked, plan.perturbed).astype(np.int64)
