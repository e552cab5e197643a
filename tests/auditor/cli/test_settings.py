"""Settings files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from auditor.cli.options import option_types
from auditor.cli.settings import read_settings, user_file
from auditor.errors import UsageError

KNOWN = option_types()


def read() -> dict[str, Any]:
    """All values, as the parser gets them."""
    return {name: value() for name, value in read_settings(KNOWN).items()}


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder and a home of one's own."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


def project(text: str) -> None:
    Path("xray-audit.toml").write_text(text, encoding="utf-8")


def user(text: str) -> None:
    user_file().parent.mkdir(parents=True)
    user_file().write_text(text, encoding="utf-8")


def test_no_files_no_settings() -> None:
    assert read() == {}


def test_the_projects_file_wins_over_the_users() -> None:
    user('planes = 3\noutput = "u"\n')
    project("planes = 4\nats-threshold = 0.25\n")
    assert read() == {"planes": "4", "output": "u", "ats_threshold": "0.25"}


def test_values_arrive_as_they_would_be_typed() -> None:
    project('range = [0, 255.5]\nquiet = true\nrate = 1e3\noutput = "a b"\n')
    assert read() == {
        "range": "0,255.5",
        "quiet": "true",
        "rate": "1000.0",
        "output": "a b",
    }


def test_an_option_that_may_be_repeated_takes_a_list() -> None:
    project('format = ["html", "pdf"]\nframework = "owasp-ml"\n')
    assert read() == {"format": ["html", "pdf"], "framework": ["owasp-ml"]}


def test_the_users_file_lies_in_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", "/somewhere")
    assert user_file() == Path("/somewhere/.config/xray-audit/config.toml")


def test_a_home_we_may_not_enter_holds_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(path: Path) -> bool:
        if path.name == "config.toml":
            raise PermissionError(13, "Permission denied")
        return path.exists()

    monkeypatch.setattr(Path, "is_file", closed)
    project("planes = 4\n")
    assert read() == {"planes": "4"}


@pytest.mark.parametrize("name", ["key", "api_key", "api-key", "API_KEY", "token", "auth-token"])
def test_secrets_are_refused_and_not_repeated(name: str) -> None:
    project(f'{name} = "hunter2"\n')
    with pytest.raises(UsageError, match="secrets never go into a file") as caught:
        read_settings({**KNOWN, name.replace("-", "_"): str})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("name", ["trust-model-file", "trust_model_file"])
def test_a_file_cannot_vouch_for_a_model(name: str) -> None:
    project(f"{name} = true\n")
    with pytest.raises(UsageError, match="only the flag --trust-model-file may say so"):
        read_settings(KNOWN)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("plains = 3\n", "names 'plains', which is no option"),
        ("planes = \n", "cannot be read"),
        ("planes = {a = 1}\n", "planes is {'a': 1}, which is no value"),
        ("planes = []\n", "which is no value"),
        ("planes = [[1]]\n", "which is no value"),
        ("planes = 2024-01-01\n", "which is no value"),
        ("[http]\nplanes = 1\n", "names 'http', which is no option"),
        ("seed = 1\n\nat-thresholds = 3\n", r"\(line 3\) names .* did you mean 'ats_threshold'\?"),
        ("# mine\nplanes = 'many'\n", r"\(line 2\): planes is 'many', it must be a valid integer$"),
        (
            "sampler = 'forest'\n",
            r"\(line 1\): sampler is 'forest', it must be 'paper' or 'frugal'$",
        ),
        ("a = " + "[" * 5000 + "]" * 5000, "cannot be read"),
        ("planes = 3.5\n", r"planes is 3.5, it must be a valid integer$"),
    ],
)
def test_a_bad_file_is_named(text: str, words: str) -> None:
    project(text)
    with pytest.raises(UsageError, match=words) as caught:
        read()
    assert "settings file xray-audit.toml" in str(caught.value)


def test_a_byte_order_mark_before_settings() -> None:
    project("\ufeffplanes = 4\n")
    assert read() == {"planes": "4"}


def test_a_variable_that_is_nearly_an_option_is_not_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("API_KEY", "DEBUG", "SIGN_KEY", "PLANES", "MINE"):
        monkeypatch.setenv(f"XRAY_AUDIT_{name}", "3")
    assert read() == {}
    monkeypatch.setenv("XRAY_AUDIT_MAX_QUERYS", "3")
    with pytest.raises(UsageError, match="did you mean XRAY_AUDIT_MAX_QUERIES"):
        read()


def test_a_file_that_is_no_text() -> None:
    Path("xray-audit.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="cannot be read"):
        read_settings(KNOWN)
