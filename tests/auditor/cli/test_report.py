"""``xray-audit report``: views of a finished audit, made again without the network."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from auditor.__main__ import explain
from auditor.cli.main import app
from auditor.evidence.files import read_files, zip_bytes

Audit = Callable[..., Any]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files that an audit of a shipped model leaves, with three views."""
    folder = tmp_path_factory.mktemp("audit")
    demo = Path(__file__).parents[3] / "auditor" / "workflows" / "demo" / "assets"
    done = subprocess.run(
        [
            sys.executable, "-m", "auditor", "--model", str(demo / "backdoored.onnx"),
            "--samples", str(demo / "fashion-mnist-samples.npz"), "--range", "0,1",
            "--planes", "3", "--no-trigger-search", "--quiet",
            "--format", "html,sarif", "--format", "markdown", "--output", str(folder / "out"),
        ],
        check=False, capture_output=True, text=True, cwd=folder,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    return folder / "out"


def _run(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["report", *map(str, arguments)], standalone_mode=False)
    if result.exception is not None:
        return explain(result.exception)
    return 0, result.stdout


def test_every_view_of_the_audit_comes_out_the_same(bundle: Path, tmp_path: Path) -> None:
    code, out = _run(bundle, "--format", "html,sarif,markdown,json", "--to", tmp_path)
    assert code == 0
    assert out.split() == [
        str(tmp_path / n) for n in ("report.html", "report.sarif", "report.md", "report.json")
    ]
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (bundle / path.name).read_bytes(), path.name


def test_by_default_it_leaves_the_evidence_as_it_is(bundle: Path) -> None:
    before = {p.name: p.read_bytes() for p in bundle.iterdir() if p.is_file()}
    code, _ = _run(bundle, "--format", "junit")
    assert code == 0
    assert (bundle / "views" / "report.junit.xml").exists()
    assert {p.name: p.read_bytes() for p in bundle.iterdir() if p.is_file()} == before


def test_no_connection_is_opened(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a view opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    code, _ = _run(bundle, "--format", "html,cyclonedx", "--to", tmp_path)
    assert code == 0


def test_one_view_can_be_printed(bundle: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "auditor", "report", bundle, "--format", "sarif", "--to", "-"],
        check=True,
        capture_output=True,
    )
    assert done.stdout == (bundle / "report.sarif").read_bytes()
    code, said = _run(bundle, "--format", "sarif,html", "--to", "-")
    assert (code, "prints one view" in said) == (2, True)


def test_a_summary_is_two_files_and_prints_as_markdown(bundle: Path, tmp_path: Path) -> None:
    assert _run(bundle, "--format", "summary", "--to", tmp_path)[0] == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["summary.html", "summary.md"]
    done = subprocess.run(
        [sys.executable, "-m", "auditor", "report", bundle, "--format", "summary", "--to", "-"],
        check=True,
        capture_output=True,
    )
    assert done.stdout == (tmp_path / "summary.md").read_bytes()


def test_frameworks_are_mapped_where_they_are_asked_for(bundle: Path, tmp_path: Path) -> None:
    shown = []
    for words in ([], ["--frameworks"], ["--framework", "owasp-ml"]):
        assert _run(bundle, "--to", tmp_path, *words)[0] == 0
        page = (tmp_path / "report.html").read_text(encoding="utf-8")
        shown.append(("ML02:2023" in page, "AML.M0008" in page))
    assert shown == [(False, False), (True, True), (True, False)]


def test_a_zip_is_read_too(bundle: Path, tmp_path: Path) -> None:
    packed = tmp_path / "bundle.zip"
    packed.write_bytes(zip_bytes(read_files(bundle).content))
    code, said = _run(packed)
    assert code == 2
    assert "--to" in said
    code, _ = _run(packed, "--to", tmp_path / "out")
    assert code == 0
    assert (tmp_path / "out" / "report.html").read_bytes() == (bundle / "report.html").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--format", "docx"], "no view 'docx'"),
        (["--framework", "soc2"], "no framework 'soc2'"),
        (["--location", "a.md"], "--location is for --format sarif"),
        (["--format", "sarif", "--location", "../a"], "inside the repository"),
        (["--format", "junit", "--framework", "owasp-ml"], "--framework has a place in"),
    ],
)
def test_what_does_not_fit_is_said(bundle: Path, arguments: list[str], said: str) -> None:
    code, message = _run(bundle, *arguments)
    assert code == 2
    assert said in message


def test_what_is_no_audit_is_said(tmp_path: Path) -> None:
    code, message = _run(tmp_path / "absent")
    assert code == 2
    assert "absent" in message
    code, message = _run(tmp_path)
    assert code == 4
    assert "report.json" in message


def test_a_report_of_another_shape_is_one_sentence(bundle: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(bundle, tmp_path / "copy"))
    report = json.loads((copied / "report.json").read_text())
    del report["timing"]
    (copied / "report.json").write_text(json.dumps(report))
    code, message = _run(copied, "--to", tmp_path / "out")
    assert code == 4
    assert "not a report as this version reads it: timing" in message
    assert not (tmp_path / "out").exists()


def test_an_unwritable_place_is_said(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, message = _run(bundle, "--to", tmp_path / "file")
    assert code == 4
    assert "cannot be written" in message


def test_a_settings_file_can_name_the_views(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "xray-audit.toml").write_text('format = ["html", "junit"]\nframework = "owasp-ml"')
    done = subprocess.run(
        [sys.executable, "-m", "auditor", "report", bundle, "--to", "out"],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "XDG_CONFIG_HOME": str(tmp_path)},
    )
    assert len(done.stdout.split()) == 2
    assert "AML.M0008" not in (tmp_path / "out" / "report.html").read_text()
