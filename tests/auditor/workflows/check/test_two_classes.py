"""Services that give one answer about two classes, or none: found by ``check`` from a URL."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from adapters.target import read_description
from auditor.errors import ExitCode

Answer = Callable[[float], Any]


@pytest.fixture
def lights(tmp_path: Path) -> Path:
    """Pictures of two classes, ``dark`` and ``light``, twelve of each."""
    rng = np.random.default_rng(3)
    for name, low in (("dark", 0), ("light", 128)):
        (tmp_path / "lights" / name).mkdir(parents=True)
        for number in range(12):
            pixels = rng.integers(low, low + 127, (8, 8, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "lights" / name / f"{number}.png")
    return tmp_path / "lights"


@pytest.fixture
def ask(
    make_server: Callable[..., tuple[Any, str]], command: Callable[..., Any], lights: Path
) -> Callable[..., Any]:
    """Checks a server that answers ``answer(mean brightness)`` to a raw picture; reads it back."""

    def run(answer: Answer, *words: str) -> tuple[Any, dict[str, Any]]:
        _, url = make_server("brightness", answer=answer)
        ran = command("check", url, "--samples", lights, "--write", "t.toml", *words)
        found = Path("t.toml")
        return ran, read_description(found)["response"] if found.exists() else {}

    return run


def test_nothing_found_is_the_class_whose_samples_get_it(ask: Callable[..., Any]) -> None:
    ran, response = ask(lambda m: {"found": [{"class": "light", "p": 0.9}] if m > 0.5 else []})
    assert response.get("no_label") == "dark", ran.out
    assert "Accuracy:    100% of 24 samples" in ran.out, ran.out


def test_words_for_how_likely_it_is_are_learned(ask: Callable[..., Any]) -> None:
    ran, response = ask(lambda m: {"safe": {"light": "LIKELY" if m > 0.5 else "VERY_UNLIKELY"}})
    assert (response["path"], response["kind"]) == ("safe.light", "label")
    assert set(response["rename"].values()) == {"dark", "light"}
    assert "Accuracy:    100% of 24 samples" in ran.out, ran.out


def logit(mean: float) -> float:
    return math.log(max(mean, 1e-6) / max(1 - mean, 1e-6))


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (lambda m: {"score": m}, {"path": "score", "threshold": 0.5}),
        (lambda m: {"dark_probability": 1 - m}, {"threshold": 0.5, "classes": ["light", "dark"]}),
        (lambda m: {"result": {"confidence": f"{100 * m:.1f} %"}}, {"threshold": 0.5}),
        (lambda m: {"percent": 100 * m}, {"threshold": 50.0}),
        (lambda m: {"logit": logit(m)}, {"threshold": 0.0}),
        (lambda m: {"is_light": m > 0.5}, {"path": "is_light"}),
        (lambda m: {"light": "yes" if m > 0.5 else "no"}, {"path": "light"}),
        (lambda m: [[m]], {"path": "*.0", "threshold": 0.5}),
        (lambda m: m, {"path": "", "threshold": 0.5}),
        (lambda m: b"YES\n" if m > 0.5 else b"NO\n", {"body": "text"}),
        (lambda m: {"tags": ["indoor", *(["light"] if m > 0.5 else [])]}, {"tag": "light"}),
    ],
)
def test_one_answer_about_two_classes_is_found(
    ask: Callable[..., Any], answer: Answer, wanted: dict[str, Any]
) -> None:
    ran, response = ask(answer)
    assert response["kind"] == "binary", ran.out + ran.err
    assert {name: response[name] for name in wanted} == wanted
    assert response["classes"] == wanted.get("classes", ["dark", "light"])
    assert "Accuracy:    100% of 24 samples" in ran.out, ran.out
    # One true sentence before anything is paid for.
    assert ran.code == ExitCode.NO_EVIDENCE
    assert "Note:        The samples hold two classes: an audit searches for a trigger" in ran.out
    assert "Next:" in ran.out


def test_another_threshold_is_proposed_and_not_taken(ask: Callable[..., Any]) -> None:
    ran, response = ask(lambda m: {"score": m / 2})
    assert response["threshold"] in {0.0, 0.5}
    assert "State response.threshold = 0.2" in ran.out


@pytest.mark.parametrize("first", [True, False])
def test_an_empty_answer_becomes_a_class_of_its_own(
    command: Callable[..., Any],
    make_server: Callable[..., tuple[Any, str]],
    pictures: Callable[..., Path],
    *,
    first: bool,
) -> None:
    server, url = make_server("torchserve")
    honest = server.routes["POST /predictions/audit"]
    empty: set[bytes] = set()

    def predict(headers: Any, body: bytes) -> Any:
        chances = honest(headers, body)
        best = max(chances, key=chances.get)
        if best == "ant" and (first or server.queries > 12) and len(empty) < 3:
            empty.add(body)
        return {"result": None if body in empty else {"class": best, "score": chances[best]}}

    server.routes = {"POST /classify": predict}
    url = f"{server.url}/classify"
    folder = pictures()
    ran = command("check", url, "--samples", folder, "--write", "t.toml")
    response = read_description(Path("t.toml"))["response"]
    assert (response["path"], response["no_label"]) == ("result.class", "(no label)"), ran.out
    assert empty
    assert "The target may answer without a label" in ran.out
    few = ("--planes", "2", "--canaries", "4", "--no-trigger-search", "--quiet")
    ran = command("--target", "t.toml", "--samples", folder, "--output", "out", *few)
    assert ran.code == ExitCode.INCONCLUSIVE, ran.err


def test_tags_in_any_order_and_percentages(
    command: Callable[..., Any],
    make_server: Callable[..., tuple[Any, str]],
    pictures: Callable[..., Path],
) -> None:
    server, _ = make_server("torchserve")
    honest = server.routes["POST /predictions/audit"]

    def predict(headers: Any, body: bytes) -> Any:
        chances = honest(headers, body)
        return {
            "ok": True,
            "top": {name: f"{100 * chances[name]:.1f}%" for name in sorted(chances)},
        }

    server.routes = {"POST /classify": predict}
    folder = pictures()
    ran = command("check", f"{server.url}/classify", "--samples", folder, "--write", "t.toml")
    assert ran.code == ExitCode.NO_EVIDENCE, ran.out + ran.err
    response = read_description(Path("t.toml"))["response"]
    assert (response["path"], response["kind"]) == ("top", "label-score-dict")


def test_the_first_of_several_names_counts(
    command: Callable[..., Any],
    make_server: Callable[..., tuple[Any, str]],
    pictures: Callable[..., Path],
) -> None:
    server, _ = make_server("torchserve")
    honest = server.routes["POST /predictions/audit"]

    def predict(headers: Any, body: bytes) -> Any:
        chances = honest(headers, body)
        ranked = sorted(chances, key=lambda name: -chances[name])
        return {"tags": ranked[: 1 + server.queries % 3]}

    server.routes = {"POST /classify": predict}
    folder = pictures()
    ran = command("check", f"{server.url}/classify", "--samples", folder, "--write", "t.toml")
    assert ran.code == ExitCode.NO_EVIDENCE, ran.out + ran.err
    assert read_description(Path("t.toml"))["response"] == {"path": "tags.0", "kind": "label"}
