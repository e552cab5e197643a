"""Chat models that see, from a URL to the price of an audit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapters.target import read_description
from auditor.errors import ExitCode


@pytest.mark.parametrize(
    ("structured", "preset"),
    [("taken", "openai-vision"), ("ignored", "openai-vision"), ("refused", "openai-vision-text")],
)
def test_two_commands_lead_from_a_url_to_a_price_in_tokens_and_an_audit(
    command: Callable[..., Any],
    make_server: Callable[..., tuple[Any, str]],
    pictures: Callable[..., Path],
    structured: str,
    preset: str,
) -> None:
    server, url = make_server("chat", structured=structured, words="The answer is: {}.")
    folder = pictures()
    ran = command("check", url, "--samples", folder, "--write", "t.toml", "--output", "out")
    assert ran.code == ExitCode.NO_EVIDENCE, ran.out + ran.err
    assert "Accuracy:    100% of 30 samples" in ran.out
    assert "Determinism: 0 of 10 samples changed their label" in ran.out
    table = read_description(Path("t.toml"))
    assert (table["preset"], table["request"]) == (preset, {"model": "vision-1"})
    assert table["response"]["no_label"] == "(no label)"
    assert table["response"]["classes"] == ["ant", "bee", "cat", "dog", "elk"]
    asked = server.queries
    prices = "\n[price]\nper_million_input_tokens = 2.5\nper_million_output_tokens = 10\n"
    Path("t.toml").write_text(Path("t.toml").read_text() + prices)
    words = ("plan", "--target", "t.toml", "--samples", folder, "--output", "out")
    price = json.loads(command(*words, "--json").out)
    worst = price["worst"]
    assert worst["tokens"] == 126 * worst["queries"]
    assert worst["money"] == pytest.approx(worst["queries"] * (120 * 2.5 + 6 * 10) / 1e6)
    assert "\nTokens " in command(*words).out
    assert server.queries == asked
    if structured == "taken":
        few = ("--planes", "2", "--canaries", "4", "--no-trigger-search", "--quiet")
        ran = command("--target", "t.toml", "--samples", folder, "--output", "audit", *few)
        assert ran.code == ExitCode.INCONCLUSIVE, ran.err
        assert json.loads(Path("audit/report.json").read_text())["samples"]["accuracy"] == 1.0


def test_a_stated_preset_takes_the_classes_of_the_samples(
    command: Callable[..., Any],
    make_server: Callable[..., tuple[Any, str]],
    pictures: Callable[..., Path],
) -> None:
    _, url = make_server("chat")
    Path("t.toml").write_text(
        f'url = "{url}/v1/chat/completions"\npreset = "openai-vision"\n'
        '[input]\nshape = [3, 8, 8]\n[request]\nmodel = "vision-1"\n'
    )
    ran = command("check", "--target", "t.toml", "--samples", pictures(), "--write", "u.toml")
    assert ran.code == ExitCode.NO_EVIDENCE, ran.out + ran.err
    assert read_description(Path("u.toml"))["response"]["classes"][0] == "ant"


def test_an_answer_that_names_no_class_ends_the_check(
    command: Callable[..., Any],
    make_server: Callable[..., tuple[Any, str]],
    pictures: Callable[..., Path],
) -> None:
    _, url = make_server("chat", structured="ignored", words="I cannot say. {} perhaps, or dog.")
    Path("t.toml").write_text(
        f'url = "{url}/v1/chat/completions"\npreset = "openai-vision"\n'
        '[input]\nshape = [3, 8, 8]\n[request]\nmodel = "vision-1"\n'
    )
    ran = command("check", "--target", "t.toml", "--samples", pictures())
    assert ran.code == ExitCode.FAILED
    assert "the answer is not guessed" in ran.err
