"""What users install: the wheel's contents, its extras, and fresh environments made from it."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import venv
import zipfile
from collections.abc import Callable
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]

Run = Callable[..., subprocess.CompletedProcess[str]]


def run(
    *command: str | Path, cwd: Path, path: Path | None = None, ok: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run a command away from the source tree; ``path`` joins the import path."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    if path is not None:
        environment["PYTHONPATH"] = str(path)
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not ok or done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this source tree."""
    folder = tmp_path_factory.mktemp("wheel")
    # With the build backend at hand nothing is downloaded.
    isolation = ["--no-build-isolation"] if importlib.util.find_spec("hatchling") else []
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", *isolation]
    run(*pip, "--wheel-dir", folder, ROOT, cwd=folder)
    (built,) = folder.glob("xray_audit-*.whl")
    return built


@pytest.fixture(scope="session")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="session")
def metadata(wheel: Path, names: set[str]) -> Message:
    (name,) = (n for n in names if n.endswith(".dist-info/METADATA"))
    with zipfile.ZipFile(wheel) as archive:
        return Parser().parsestr(archive.read(name).decode())


@pytest.fixture(scope="session")
def requirements(metadata: Message) -> list[Requirement]:
    return [Requirement(line) for line in metadata.get_all("Requires-Dist", [])]


def wanted(requirements: list[Requirement], extra: str) -> set[str]:
    """Names that ``extra`` ("" is none) brings on 64-bit Linux."""
    linux = {"extra": extra, "sys_platform": "linux", "platform_machine": "x86_64"}
    return {r.name for r in requirements if r.marker is None or r.marker.evaluate(linux)}


def test_the_wheel_installs_two_packages_and_no_more(names: set[str]) -> None:
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"adapters", "auditor"}
    assert len(tops) == 3


def test_the_wheel_carries_every_file_of_the_packages(names: set[str]) -> None:
    source = {
        str(path.relative_to(ROOT))
        for package in ("adapters", "auditor")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert source - names == set()
    assert any(name.endswith(".json") for name in source)
    assert {"adapters/py.typed", "auditor/py.typed"} <= source


def test_the_wheel_carries_its_licences(names: set[str]) -> None:
    licences = {name.split("/licenses/")[1] for name in names if "/licenses/" in name}
    assert "LICENSE" in licences


def test_the_command_starts_the_package(wheel: Path, names: set[str]) -> None:
    (name,) = (n for n in names if n.endswith(".dist-info/entry_points.txt"))
    with zipfile.ZipFile(wheel) as archive:
        assert "xray-audit = auditor.__main__:main" in archive.read(name).decode()


def test_the_base_install_brings_no_runtime(requirements: list[Requirement]) -> None:
    base = wanted(requirements, "")
    assert not {n for n in base if n.startswith(("onnx", "torch", "aiohttp", "starlette"))}
    assert {"httpx", "numpy", "typer"} <= base


def test_each_runtime_extra_brings_exactly_one_runtime(requirements: list[Requirement]) -> None:
    base = wanted(requirements, "")
    assert wanted(requirements, "cpu") - base == {"onnxruntime"}
    assert wanted(requirements, "gpu") - base == {"onnxruntime-gpu"}
    assert wanted(requirements, "torchscript") - base == {"torch"}


def test_no_extra_allows_a_runtime_that_reads_foreign_files(
    requirements: list[Requirement],
) -> None:
    runtimes = [r for r in requirements if r.name.startswith("onnxruntime")]
    assert len(runtimes) == 2
    assert not any(r.specifier.contains("1.23.2") for r in runtimes)


def test_the_extras_are_the_ones_messages_name(metadata: Message) -> None:
    extras = set(metadata.get_all("Provides-Extra", []))
    assert {"cpu", "gpu", "torchscript", "fast", "demo"} <= extras


# Beside the package of the same name


@pytest.fixture
def beside_adapters(tmp_path: Path) -> Path:
    """An import path on which an unrelated distribution called ``adapters`` is installed."""
    folder = tmp_path / "site"
    info = folder / "adapters-1.3.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: adapters\nVersion: 1.3.0\n")
    return folder


def test_an_unrelated_adapters_package_is_refused(beside_adapters: Path, tmp_path: Path) -> None:
    done = run(sys.executable, "-c", "import auditor", cwd=tmp_path, path=beside_adapters, ok=False)
    assert done.returncode == 1
    assert "ImportError: the PyPI package 'adapters' is installed" in done.stderr


def test_as_a_command_the_refusal_is_one_line(beside_adapters: Path, tmp_path: Path) -> None:
    done = run(sys.executable, "-m", "auditor", cwd=tmp_path, path=beside_adapters, ok=False)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "environment of its own" in done.stderr


# Fresh environments

OPEN = """
import asyncio, sys, warnings
warnings.simplefilter("error")
import auditor
from adapters.errors import AdapterError
from adapters.registry import open_oracle
from adapters.target import Target
import numpy as np

async def main(kind, location, device):
    try:
        oracle = await open_oracle(Target(kind, location, device=device, trust_model_file=True))
    except AdapterError as error:
        print(f"{type(error).__name__}: {error}")
        return
    inputs = np.random.default_rng(0).random((4, *oracle.input_spec.shape), dtype=np.float32)
    print(oracle.description.get("runtime"), (await oracle.predict_labels(inputs)).tolist())
    await oracle.aclose()

asyncio.run(main(*sys.argv[1:]))
"""
"""Opens a model and prints its labels or the refusal."""


@pytest.fixture
def install(tmp_path: Path, wheel: Path) -> Callable[..., Run]:
    """Install the wheel with ``extras`` into a fresh environment; returns its ``python``."""

    def make(extras: str = "") -> Run:
        folder = tmp_path / "venv"
        venv.create(folder, with_pip=True)
        python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"

        def call(*arguments: str | Path, ok: bool = True) -> subprocess.CompletedProcess[str]:
            return run(python, *arguments, cwd=tmp_path, ok=ok)

        call("-m", "pip", "install", "--quiet", f"{wheel}{extras}")
        return call

    return make


@pytest.fixture
def model(tmp_path: Path) -> str:
    """Path of a tiny ONNX classifier of 2x2 images."""
    import onnx  # noqa: PLC0415 - only the slow tests need it

    text = """
        <ir_version: 8, opset_import: ["" : 17]>
        linear (float[n,3,2,2] x) => (float[n,12] y) { y = Flatten (x) }
    """
    path = tmp_path / "model.onnx"
    onnx.save(onnx.parser.parse_model(text), path)
    return str(path)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_base_install_names_the_missing_extras(install: Callable[..., Run], model: str) -> None:
    python = install()
    onnx_says = python("-c", OPEN, "onnx", model, "cpu").stdout
    assert onnx_says.startswith("MissingExtra: ")
    assert "pip install 'xray-audit[cpu]'" in onnx_says
    torch_says = python("-c", OPEN, "torchscript", "model.pt", "cpu").stdout
    assert torch_says.startswith("MissingExtra: ")
    assert "pip install 'xray-audit[torchscript]'" in torch_says
    synthetic_says = python("-c", OPEN, "synthetic", "prototypes:0:3:1:4:4", "cpu").stdout
    assert synthetic_says.startswith("None [")
    assert "Usage" in python("-m", "auditor", "--help").stdout


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_cpu_extra_runs_models(install: Callable[..., Run], model: str) -> None:
    python = install("[cpu]")
    said = python("-c", OPEN, "onnx", model, "cpu")
    assert said.stdout.startswith("onnxruntime ")
    assert said.stderr == ""
    refused = python("-c", OPEN, "onnx", model, "cuda").stdout
    assert refused.startswith("ProviderUnavailable: ")
    assert "xray-audit[gpu]" in refused


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(sys.platform != "linux", reason="the GPU wheel is for Linux and Windows")
def test_the_gpu_extra_stands_alone_and_never_falls_back(
    install: Callable[..., Run], model: str
) -> None:
    python = install("[gpu]")
    listed = python("-m", "pip", "list").stdout
    assert "onnxruntime-gpu" in listed
    assert "onnxruntime " not in listed
    assert python("-c", OPEN, "onnx", model, "cpu").stdout.startswith("onnxruntime ")
    for device in ("cuda", "tensorrt"):
        refused = python("-c", OPEN, "onnx", model, device)
        if Path("/dev/nvidia0").exists():
            continue  # it may start here; what matters above is that it stands alone
        assert refused.stdout.startswith("ProviderUnavailable: "), refused.stdout
        assert len(refused.stdout.strip().splitlines()) == 1
        assert refused.stderr == ""
    python("-m", "pip", "install", "--quiet", "--no-deps", "onnxruntime")
    both = python("-c", OPEN, "onnx", model, "cpu").stdout
    assert "onnxruntime and onnxruntime-gpu are both installed" in both


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_real_package_of_the_same_name_is_refused(install: Callable[..., Run]) -> None:
    python = install()
    python("-m", "pip", "install", "--quiet", "--no-deps", "adapters")
    done = python("-c", "import auditor", ok=False)
    assert done.returncode == 1
    assert "the PyPI package 'adapters' is installed" in done.stderr
