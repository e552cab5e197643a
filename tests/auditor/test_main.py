"""The guard around everything: one sentence, and never 1 unless a backdoor is suspected."""

from __future__ import annotations

import asyncio
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from adapters.errors import AdapterError, Throttled, Unreachable, UntrustedModel
from auditor import __main__ as program
from auditor.errors import (
    AuditError,
    ExitCode,
    LabelsPending,
    ProfileError,
    SamplesError,
    StoreError,
    UsageError,
)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("sentence"), ExitCode.USAGE),
        (SamplesError("sentence"), ExitCode.USAGE),
        (ProfileError("sentence"), ExitCode.USAGE),
        (StoreError("sentence"), ExitCode.FAILED),
        (LabelsPending("sentence"), ExitCode.LABELS_PENDING),
        (AuditError("sentence"), ExitCode.FAILED),
        (UntrustedModel("sentence"), ExitCode.USAGE),
        (Unreachable("sentence"), ExitCode.FAILED),
        (Throttled("sentence"), ExitCode.FAILED),
        (AdapterError("sentence"), ExitCode.FAILED),
        (ImportError("sentence"), ExitCode.FAILED),
        (ValueError("sentence"), ExitCode.FAILED),
        (MemoryError("sentence"), ExitCode.FAILED),
        (RecursionError("sentence"), ExitCode.FAILED),
    ],
)
def test_every_failure_has_a_code_and_a_sentence(error: BaseException, code: ExitCode) -> None:
    found, message = program.explain(error)
    assert found == code
    assert "sentence" in message


@pytest.mark.parametrize("error", [KeyboardInterrupt(), asyncio.CancelledError()])
def test_interrupting_is_resumable(error: BaseException) -> None:
    code, message = program.explain(error)
    assert code == ExitCode.INTERRUPTED
    assert "run it again to go on" in message


def test_an_unforeseen_failure_says_that_it_is_a_bug() -> None:
    message = program.explain(ZeroDivisionError("x"))[1]
    assert "unexpected ZeroDivisionError" in message
    assert "XRAY_AUDIT_DEBUG=1" in message


def guarded(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> int:
    def failing() -> int:
        raise error

    monkeypatch.setattr(program, "_run", failing)
    return program._guarded()


@pytest.mark.parametrize("code", [0, 1, 2, None, "text"])
def test_an_exit_from_below_is_no_verdict(monkeypatch: pytest.MonkeyPatch, code: Any) -> None:
    assert guarded(monkeypatch, SystemExit(code)) == ExitCode.FAILED


def test_messages_stay_on_one_line_and_obey_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = guarded(monkeypatch, UsageError("two\nlines \x1b[31mred\u202e and\ttabs"))
    assert code == ExitCode.USAGE
    assert capsys.readouterr().err == "xray-audit: error: two lines [31mred and tabs\n"


def test_debugging_shows_where(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XRAY_AUDIT_DEBUG", "1")
    guarded(monkeypatch, ValueError("x"))
    assert "Traceback" in capsys.readouterr().err


# ---- processes of their own ----------------------------------------------------------------------


def start(*words: str, **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        env={**os.environ, **changes},
        cwd=tempfile.gettempdir(),  # in the source tree its own packages would win
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def foreign(tmp_path: Path) -> str:
    """A path with the metadata of the unrelated distribution, as pip leaves it."""
    info = tmp_path / "adapters-1.3.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: adapters\nVersion: 1.3.0\n")
    return str(tmp_path)


def test_a_foreign_adapters_distribution_is_refused(foreign: str) -> None:
    done = start("-m", "auditor", "--version", PYTHONPATH=foreign)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("xray-audit: error: the PyPI package 'adapters' is installed")
    assert done.stderr.count("\n") == 1


def test_a_foreign_adapters_package_is_refused_unimported(tmp_path: Path) -> None:
    (tmp_path / "adapters").mkdir()
    (tmp_path / "adapters" / "__init__.py").write_text("import not_installed_anywhere\n")
    done = start("-m", "auditor", "--version", PYTHONPATH=str(tmp_path))
    assert done.returncode == 2
    assert "overwrites this tool's own 'adapters'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_library_user_gets_an_import_error(foreign: str) -> None:
    code = "try:\n import auditor\nexcept ImportError as e:\n print('refused:', e)"
    done = start("-c", code, PYTHONPATH=foreign)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("refused: the PyPI package 'adapters'")


def test_a_reader_that_leaves_is_no_verdict() -> None:
    """A closed pipe ends typer with 1."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as pipe:
        done = subprocess.run(
            [sys.executable, "-u", "-m", "auditor", "--help"],
            stdout=pipe,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == ExitCode.FAILED
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("streams", "words", "code"),
    [
        (">&-", "--version", ExitCode.NO_EVIDENCE),
        (">&- 2>&- <&-", "--version", ExitCode.NO_EVIDENCE),
        (">&- 2>&-", "--bogus", ExitCode.USAGE),
        ("2>/dev/full", "--bogus", ExitCode.USAGE),
        ("2>/dev/full", "--version", ExitCode.NO_EVIDENCE),
        (">/dev/full", "--version", ExitCode.FAILED),
        (">/dev/full 2>&1", "--version", ExitCode.FAILED),
    ],
)
def test_closed_streams_and_full_disks_are_no_verdict(
    streams: str, words: str, code: ExitCode
) -> None:
    """Python itself ends such a run with 1 or 120."""
    done = subprocess.run(
        ["bash", "-c", f"{shlex.quote(sys.executable)} -m auditor {words} {streams}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert "a bug" not in done.stderr
    if streams == ">/dev/full":
        assert "the output cannot be written: No space left" in done.stderr


def test_a_missing_dependency_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "numpy.py").write_text("raise ImportError('no numpy here')\n")
    words = ("--model", "model.onnx", "--samples", "samples.npz")
    done = start("-m", "auditor", *words, PYTHONPATH=str(tmp_path))
    assert done.returncode == ExitCode.FAILED
    assert "xray-audit: error: this installation is incomplete: no numpy here" in done.stderr
    assert "Traceback" not in done.stderr
