"""Bundles of small audits of a classifier whose regions are known."""

from __future__ import annotations

import asyncio
import importlib.util
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.contract import InputSpec
from adapters.synthetic import SyntheticOracle, nearest_prototype
from auditor.evidence.attest.attesting import attach, stamped_part
from auditor.evidence.attest.keyless import sign_keyless
from auditor.evidence.attest.signing import Signer, read_signer
from auditor.evidence.attest.timestamps import request_stamp
from auditor.evidence.files import read_files
from auditor.evidence.layout import SIGSTORE, STAMP
from auditor.plan.settings import AuditSettings
from auditor.samples.samples import Samples
from auditor.workflows.audit import run_audit
from auditor.workflows.request import AuditRequest
from auditor.workflows.targets import located

SIDE, CLASSES = 28, 3
MakeBundle = Callable[..., Path]


@pytest.fixture(scope="session")
def world() -> tuple[SyntheticOracle, Samples]:
    """A nearest-prototype classifier of 28 x 28 pictures and 45 samples: enough to search."""
    rng = np.random.default_rng(7)
    coarse = rng.uniform(0.1, 0.9, (CLASSES, 1, 4, 4))
    prototypes = coarse.repeat(SIDE // 4, axis=2).repeat(SIDE // 4, axis=3)
    oracle = SyntheticOracle(
        nearest_prototype(prototypes),
        InputSpec((1, SIDE, SIDE), (0.0,), (1.0,)),
        [str(label) for label in range(CLASSES)],
        max_batch=256,
    )
    names = tuple(str(number % CLASSES) for number in range(45))
    noise = rng.normal(0, 0.05, (45, 1, SIDE, SIDE))
    centres = prototypes[np.arange(45) % CLASSES]
    pixels = np.rint(np.clip(centres + noise, 0, 1) * 255).astype(np.uint8)
    refs = tuple(f"{name}/{number}.png" for number, name in enumerate(names))
    return oracle, Samples(refs, names, pixels, tuple("012"), stated_order=True, digest="d" * 64)


def with_trigger(oracle: SyntheticOracle) -> Callable[[Any], Any]:
    """The same classifier, but a small checkerboard in the corner makes everything class 1."""
    clean, corner = oracle._labels_of, np.indices((3, 3)).sum(axis=0) % 2

    def labels_of(images: Any) -> Any:
        shown = np.abs(images[:, 0, -3:, -3:] - corner) < 0.35
        return np.where(shown.all(axis=(1, 2)), 1, clean(images))

    return labels_of


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A private key and its public one, as PEM files."""
    folder = tmp_path_factory.mktemp("keys")
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    private, public = folder / "audit.key", folder / "audit.pub"
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    public.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return private, public


@pytest.fixture(scope="session")
def signer(keys: tuple[Path, Path]) -> Signer:
    """Signs with the key above."""
    return read_signer(keys[0])


@pytest.fixture(scope="session")
def make_bundle(world: tuple[SyntheticOracle, Samples]) -> MakeBundle:
    """Audits the world into a folder, ``(folder, signer=None, backdoored=False, **settings)``;
    returns it. ``views`` and ``shown`` are those of the request.
    """

    def make(
        folder: Path, signer: Signer | None = None, *, backdoored: bool = False, **changes: Any
    ) -> Path:
        oracle, samples = world
        if backdoored:
            oracle = SyntheticOracle(
                with_trigger(oracle), oracle.input_spec, oracle.label_space.names, max_batch=256
            )
        more = {name: changes.pop(name) for name in ("views", "shown") if name in changes}
        plain = AuditSettings(planes=2, canaries=5, trigger_search=False)
        settings = replace(plain, **changes)
        asyncio.run(
            run_audit(
                AuditRequest(located(oracle), samples, settings, folder, signer=signer, **more)
            )
        )
        return folder

    return make


def _beside(name: str) -> Any:
    # There is no package under tests to import it from.
    path = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def authority() -> Any:
    """The module that makes a time-stamp authority on loopback: ``_authority.py``."""
    if shutil.which("openssl") is None:
        pytest.skip("the authority of these tests is openssl's")
    return _beside("_authority")


@dataclass(frozen=True)
class Vouchers:
    """Parties that vouch for the bundle "attested", and files to check it by.

    Attributes:
        tsa: folder of the time-stamp authority.
        ca: its CA's certificate.
        instance: the Sigstore instance.
        trust: its ClientTrustConfig.
        token: an identity token.
    """

    tsa: Path
    ca: Path
    instance: Any
    trust: Path
    token: Path


@pytest.fixture(scope="session")
def vouchers(authority: Any, tmp_path_factory: pytest.TempPathFactory) -> Vouchers:
    """An authority and a Sigstore instance of our own."""
    folder = tmp_path_factory.mktemp("vouchers")
    ca = authority.make_authority(folder / "tsa")
    instance = _beside("_instance").Instance()
    return Vouchers(folder / "tsa", ca, instance, folder / "sig/trust.json", folder / "sig/token")


@pytest.fixture(scope="session")
def held_bundles(
    make_bundle: MakeBundle,
    signer: Signer,
    authority: Any,
    vouchers: Vouchers,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Path]:
    """One bundle of each kind; not to be changed."""
    folder = tmp_path_factory.mktemp("bundles")
    attested = make_bundle(folder / "attested", signer)
    stamped = stamped_part(read_files(attested))
    with authority.serving(lambda query, _: (200, authority.stamp(vouchers.tsa, query))) as url:
        made = {STAMP: request_stamp(url, stamped)}
    with authority.serving(vouchers.instance.answer) as url:
        vouchers.instance.write(vouchers.trust.parent, url)
        head = (attested / "head.json").read_bytes()
        made[SIGSTORE] = sign_keyless(head, vouchers.token, vouchers.trust)
    attach(attested, made)
    return {
        "plain": make_bundle(folder / "plain"),
        "signed": make_bundle(folder / "signed", signer),
        "searched": make_bundle(folder / "searched", trigger_search=True),
        "attested": attested,
    }


@pytest.fixture
def bundle(held_bundles: dict[str, Path], tmp_path: Path) -> Callable[[str], Path]:
    """A copy of a bundle, ``("plain" | "signed" | "searched" | "attested")``, to do with as one
    likes.
    """

    def copy(kind: str) -> Path:
        return Path(shutil.copytree(held_bundles[kind], tmp_path / kind))

    return copy
