"""Proxies on the command line: obeyed if asked for, named if they are not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from auditor.errors import ExitCode

NOTE = "HTTP_PROXY is set and not used: --proxy env obeys it."
FAR = "http://models.acme-shop.example/classify"


@pytest.fixture
def run(
    command: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """Runs a command on pictures of its own; a proxy is set that nothing answers for."""
    for name in ("HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", "http://me:s3cret-pw@127.0.0.1:9")
    path = tmp_path / "samples.npz"
    pixels = np.random.default_rng(0).integers(0, 256, (60, 1, 6, 6), np.uint8)
    np.savez(path, x=pixels, y=np.arange(60) % 3)

    def start(*words: str) -> Any:
        return command(*words, "--shape", "1,6,6", "--samples", path)

    return start


def test_a_proxy_that_is_set_and_not_used_is_told_once(run: Callable[..., Any]) -> None:
    done = run("plan", "--endpoint", FAR)
    assert done.code == 0
    assert done.err.count(NOTE) == 1
    assert "s3cret" not in done.err + done.out


@pytest.mark.parametrize("words", [("--proxy", "env"), ("--proxy", "http://127.0.0.1:9")])
def test_nothing_is_told_where_one_is_used(run: Callable[..., Any], words: tuple[str, str]) -> None:
    assert NOTE not in run("plan", "--endpoint", FAR, *words).err


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/x", "http://localhost:1/x"])
def test_nothing_is_told_about_this_machine(run: Callable[..., Any], url: str) -> None:
    assert NOTE not in run("plan", "--endpoint", url).err


def test_nothing_is_told_about_exceptions(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for exception in ("*", "acme-shop.example", ".example:80", "other .acme-shop.example"):
        monkeypatch.setenv("NO_PROXY", exception)
        assert NOTE not in run("plan", "--endpoint", FAR).err
    monkeypatch.setenv("NO_PROXY", "shop.example,acme-shop.example:8080")
    assert NOTE in run("plan", "--endpoint", FAR).err


def test_a_proxy_that_fails_is_named_without_its_password(run: Callable[..., Any]) -> None:
    done = run("check", FAR, "--proxy", "env")
    assert done.code == ExitCode.FAILED
    assert "through the proxy http://127.0.0.1:9: connection refused" in done.sentence
    assert "s3cret" not in done.err + done.out


def test_a_password_is_refused_on_the_command_line(run: Callable[..., Any]) -> None:
    done = run("plan", "--endpoint", FAR, "--proxy", "http://me:pw@127.0.0.1:9")
    assert done.code == ExitCode.USAGE
    assert "put the URL into an environment variable" in done.sentence
