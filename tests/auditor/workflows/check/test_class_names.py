"""Class names and orders that ``check`` recognises, and its remedies, which are run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnx
import pytest

from adapters.contract import LabelSpace
from adapters.target import Target, read_description
from auditor.errors import ExitCode
from auditor.workflows.check.class_names import near_names, other_orders
from auditor.workflows.check.replies import naming
from tests.auditor.workflows.check.conftest import CLASSES, json_field, prototypes

SMALL = ("--planes", "2", "--canaries", "4", "--no-trigger-search", "--quiet", "--output", "out")


class Ran(Protocol):
    code: int
    out: str
    err: str


RunCommand = Callable[..., Ran]
MakeServer = Callable[..., tuple[Any, str]]
Pictures = Callable[..., Path]


def serve_labels(make_server: MakeServer, label: Callable[[int], Any]) -> str:
    """The URL of a server that answers ``{"labels": [...]}`` with ``label(index)``."""
    server, _ = make_server("v1")

    def predict(_: Any, body: bytes) -> Any:
        images = np.asarray(json_field(body, "inputs"), dtype=np.float64)
        return {"labels": [label(int(k)) for k in server.scores(images * 255).argmax(axis=1)]}

    server.routes["POST /named"] = predict
    return f"{server.url}/named"


def description(url: str, *lines: str) -> str:
    shape = '[input]\nshape = [3, 8, 8]\nrange = [0.0, 1.0]\n[response]\npath = "labels"'
    Path("t.toml").write_text("\n".join([f'url = "{url}"', shape, *lines]) + "\n")
    return "t.toml"


def audited(command: RunCommand, folder: Path, target: str) -> float:
    """The accuracy that an audit of ``target`` finds."""
    ran = command("--target", target, "--samples", folder, *SMALL)
    assert ran.code == ExitCode.INCONCLUSIVE, ran.err
    accuracy: float = json.loads(Path("out/report.json").read_text())["samples"]["accuracy"]
    return accuracy


def test_words_for_samples_numbered_in_the_models_order_become_its_list() -> None:
    answers = {"dog": "1", "ant": "2", "cat": "0"}
    model = Target("onnx", "model.onnx")
    assert naming(answers, LabelSpace([], open=True), model) == {"classes": ["cat", "dog", "ant"]}
    holes = {"dog": "1", "ant": "5", "cat": "0"}
    words = {"dog": "hund", "cat": "katze"}
    for unclear in (holes, words):
        assert naming(unclear, LabelSpace([], open=True), model) is None


@pytest.mark.parametrize(
    "spelled",
    [
        lambda name: name + " ",
        str.upper,
        str.title,
        lambda name: " " + name.capitalize(),
        lambda name: name + "\n",
    ],
)
def test_names_that_differ_in_case_or_spaces_are_said_and_mended(
    command: RunCommand,
    make_server: MakeServer,
    pictures: Pictures,
    spelled: Callable[[str], str],
) -> None:
    url = serve_labels(make_server, lambda k: spelled(CLASSES[k]))
    folder, stated = pictures(), description(url, 'kind = "label"')
    assert audited(command, folder, stated) == 0.0
    ran = command("check", "--target", stated, "--samples", folder, "--write", "fixed.toml")
    assert "The labels differ from the samples' classes only in how they are written" in ran.out
    assert f"{spelled('ant')!r} is 'ant'" in ran.out
    assert "Accuracy:    100% of 30" in ran.out
    assert "Other way:" not in ran.out
    assert ran.out.splitlines()[-1] == f"Next: xray-audit --target fixed.toml --samples {folder}"
    assert audited(command, folder, "fixed.toml") == 1.0


def test_an_audit_says_that_the_names_were_near(
    command: RunCommand, make_server: MakeServer, pictures: Pictures
) -> None:
    url = serve_labels(make_server, lambda k: CLASSES[k].upper())
    loud = [part for part in SMALL if part != "--quiet"]
    stated = description(url, 'kind = "label"')
    ran = command("--target", stated, "--samples", pictures(), *loud)
    assert "names are near the samples' but not equal ('" in ran.err
    assert "'ELK' is 'elk'), so they counted as other classes" in ran.err
    assert "run xray-audit check --write FILE" in ran.err


def test_the_list_of_names_that_check_advised_before_works_too(
    command: RunCommand, make_server: MakeServer, pictures: Pictures
) -> None:
    url = serve_labels(make_server, lambda k: CLASSES[k] + " ")
    listed = json.dumps([name + " " for name in CLASSES])
    stated = description(url, 'kind = "label"', f"classes = {listed}")
    folder = pictures()
    assert audited(command, folder, stated) == 1.0
    ran = command("check", "--target", stated, "--samples", folder)
    assert "classes matched by class names apart from case, spaces and dashes: 'ant' is 'ant '" in (
        ran.out
    )


@pytest.mark.parametrize("written", ["{}", "{}.0", "0{}", " {} "])
def test_an_index_as_text(
    command: RunCommand, make_server: MakeServer, pictures: Pictures, written: str
) -> None:
    url = serve_labels(make_server, written.format)
    assert audited(command, pictures(), description(url, 'kind = "index"')) == 1.0


@pytest.mark.parametrize(
    ("label", "listed", "words"),
    [
        (lambda k: k + 1, None, "The labels are one higher than the list says: 24 of 24 samples"),
        (lambda k: k + 1, [*CLASSES, "fox"], "The labels are one higher than the list says"),
        (lambda k: k, ["background", *CLASSES], "The labels are one lower than the list says"),
        (lambda k: k, ["cat", "ant", "elk", "bee", "dog"], "The labels are in alphabetical order"),
    ],
)
def test_a_wrong_class_order_is_recognised_and_mended(
    command: RunCommand,
    make_server: MakeServer,
    pictures: Pictures,
    label: Callable[[int], int],
    listed: list[str] | None,
    words: str,
) -> None:
    url = serve_labels(make_server, label)
    lines = [] if listed is None else [f"classes = {json.dumps(listed)}"]
    folder, stated = pictures(), description(url, 'kind = "index"', *lines)
    ran = command("check", "--target", stated, "--samples", folder, "--write", "fixed.toml")
    assert words in ran.out, ran.out + ran.err
    assert "Accuracy:    100% of 30" in ran.out
    # What the user states is overruled with a problem, what is left open is filled.
    assert ("PROBLEM: As stated, " in ran.out) == (listed is not None)
    assert ran.code == (ExitCode.NO_EVIDENCE if listed is None else ExitCode.INCONCLUSIVE)
    assert listed is not None or "Without that, only 0% of the samples" in ran.out
    classes = read_description(Path("fixed.toml"))["response"]["classes"]
    assert [name for name in classes if name in CLASSES] == list(CLASSES)
    assert audited(command, folder, "fixed.toml") == 1.0


def test_a_list_of_another_length_names_the_shift_for_a_model_file(
    command: RunCommand, pictures: Pictures, onnx_of_pictures: Callable[[int], str]
) -> None:
    """A background class before those that classes.txt lists."""
    folder = pictures()
    (folder / "classes.txt").write_text("\n".join(CLASSES))
    model = onnx_of_pictures(1)
    ran = command("check", "--model", model, "--samples", folder, "--write", "fixed.toml")
    assert "one higher than the list says: 24 of 24" in ran.out, ran.out + ran.err
    classes = read_description(Path("fixed.toml"))["response"]["classes"]
    assert classes == ["background", *CLASSES]
    assert audited(command, folder, "fixed.toml") == 1.0


def test_labels_are_shown_by_the_names_of_classes_txt(
    command: RunCommand, pictures: Pictures, onnx_of_pictures: Callable[[], str]
) -> None:
    folder = pictures()
    (folder / "classes.txt").write_text("\n".join(CLASSES))
    ran = command("check", "--model", onnx_of_pictures(), "--samples", folder)
    assert ran.code == ExitCode.NO_EVIDENCE, ran.out + ran.err
    assert "Classes:     5, 5 seen: ant, bee, cat, dog, elk" in ran.out
    assert "(classes matched by classes.txt)" in ran.out


def test_values_outside_the_range_are_said(
    command: RunCommand, onnx_of_pictures: Callable[[], str], tmp_path: Path
) -> None:
    x = (prototypes(3)[:, None] * 1.001).repeat(2, axis=1).reshape(10, 3, 8, 8)
    np.savez(tmp_path / "s.npz", x=x.astype(np.float32), y=np.arange(5).repeat(2))
    ran = command("check", "--model", onnx_of_pictures(), "--samples", tmp_path / "s.npz")
    assert "of the values lie outside 0 to 1, the range of the target: they go from 0" in ran.out


@pytest.mark.slow
def test_another_output_is_taken_where_it_agrees_with_the_samples(
    command: RunCommand, pictures: Pictures, onnx_of_pictures: Callable[[], str]
) -> None:
    """The first output has as many values as there are classes, and means nothing."""
    model = onnx.load(onnx_of_pictures())
    weight = np.random.default_rng(0).normal(size=(192, 5)).astype(np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(weight, "v"))
    model.graph.node.append(onnx.helper.make_node("MatMul", ["flat", "v"], ["y"]))
    first = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n", 5])
    model.graph.node.append(onnx.helper.make_node("Identity", ["scores"], ["z"]))
    second = onnx.helper.make_tensor_value_info("z", onnx.TensorProto.FLOAT, ["n", 5])
    del model.graph.output[:]
    model.graph.output.extend([first, second])
    onnx.save(model, "two.onnx")
    folder = pictures()
    (folder / "classes.txt").write_text("\n".join(CLASSES))
    ran = command("check", "--model", "two.onnx", "--samples", folder, "--write", "fixed.toml")
    assert "Labels come from the output z: 100%" in ran.out, ran.out + ran.err
    assert read_description(Path("fixed.toml"))["response"] == {"path": "z"}
    assert audited(command, folder, "fixed.toml") == 1.0
    named = command(
        "check", "--model", "two.onnx", "--samples", folder, "--output-name", "z", "--output", "o"
    )
    assert named.code == ExitCode.NO_EVIDENCE, named.out + named.err


def test_near_names_cover_classes_that_were_not_answered() -> None:
    classes = [f"class {n}" for n in range(40)]
    near = near_names(classes, ["CLASS 3", "CLASS 7"])
    assert near == {name.upper(): name for name in classes}
    assert near_names(["a b", "c d"], ["a_b", "C D"]) == {"a_b": "a b", "C D": "c d"}
    assert near_names(["ant", "bee"], ["ant", "wasp"]) == {}


def test_orders_are_of_the_models_size() -> None:
    for size in (None, 3, 4, 5):
        orders = other_orders(("b", "a", "c"), size)
        assert orders
        assert all(size in {None, len(one.names)} for one in orders)
        assert all(len(set(one.names)) == len(one.names) for one in orders)
    assert ("0", "1", "10", "2") in [o.names for o in other_orders(("0", "1", "2", "10"), 4)]


def test_an_answer_that_is_near_the_list_shows_the_line_to_add(
    command: RunCommand, make_server: MakeServer, pictures: Pictures
) -> None:
    url = serve_labels(make_server, lambda k: CLASSES[k].title() + " ")
    lines = ('kind = "label"', f"classes = {json.dumps(CLASSES)}")
    folder, stated = pictures(), description(url, *lines)
    ran = command("--target", stated, "--samples", folder, *SMALL)
    assert ran.code == ExitCode.FAILED
    pairs = {name: f'"{name.title()} " = "{name}"' for name in CLASSES}
    proposed = [
        f"nearest is {n!r}: put rename = {{{pair}}} into [response]" for n, pair in pairs.items()
    ]
    assert any(words in ran.err for words in proposed), ran.err
    rename = f"rename = {{{', '.join(pairs.values())}}}"
    assert audited(command, folder, description(url, *lines, rename)) == 1.0


@pytest.mark.parametrize(
    ("folders", "words"),
    [
        (("1", "2", "3", "4", "5"), "The labels are in the order given"),
        (("1", "10", "2", "20", "3"), "The labels are in alphabetical order"),
    ],
)
def test_numbered_folders_in_another_order(
    command: RunCommand,
    make_server: MakeServer,
    pictures: Pictures,
    folders: tuple[str, ...],
    words: str,
) -> None:
    """Folders that count from one, and the order of their names as texts."""
    url = serve_labels(make_server, lambda k: k)
    folder, stated = pictures(names=folders), description(url, 'kind = "index"')
    ran = command("check", "--target", stated, "--samples", folder, "--write", "fixed.toml")
    assert words in ran.out, ran.out + ran.err
    assert tuple(read_description(Path("fixed.toml"))["response"]["classes"])[:5] == folders
    assert audited(command, folder, "fixed.toml") == 1.0


@pytest.mark.parametrize(
    ("label", "lines", "shown", "fixed"),
    [
        (
            lambda k: "beetle" if k == 1 else CLASSES[k],
            ('kind = "label"',),
            "'beetle' is 'bee'",
            {"rename": {"beetle": "bee"}},
        ),
        (
            lambda k: ("ANT", "bee", "moose", "dog ", "elk")[k],
            ('kind = "label"',),
            "'moose' is 'cat'",
            None,
        ),
        (
            lambda k: k,
            ('kind = "index"', 'classes = ["ant", "cat", "bee", "dog", "elk"]'),
            "'cat' is 'bee', 'bee' is 'cat'",
            {"classes": list(CLASSES)},
        ),
        (
            lambda k: k,
            ('kind = "index"', 'classes = ["ant", "bee", "cat", "hound", "elk"]'),
            "'hound' is 'dog'",
            {"classes": list(CLASSES)},
        ),
    ],
)
def test_names_that_agree_for_some_classes_only_are_shown_and_mended(
    command: RunCommand,
    make_server: MakeServer,
    pictures: Pictures,
    label: Callable[[int], Any],
    lines: tuple[str, ...],
    shown: str,
    fixed: dict[str, Any] | None,
) -> None:
    url = serve_labels(make_server, label)
    folder, stated = pictures(), description(url, *lines)
    ran = command("check", "--target", stated, "--samples", folder, "--write", "fixed.toml")
    assert shown in ran.out, ran.out + ran.err
    assert "Accuracy:    100% of 30" in ran.out
    response = read_description(Path("fixed.toml"))["response"]
    assert fixed is None or {name: response[name] for name in fixed} == fixed
    assert audited(command, folder, "fixed.toml") == 1.0


def test_classes_that_get_another_ones_label_are_shown_and_nothing_is_changed(
    command: RunCommand, make_server: MakeServer, pictures: Pictures
) -> None:
    """A model that takes bees for ants is a weak model, not a wrong name."""
    url = serve_labels(make_server, lambda k: CLASSES[0 if k == 1 else k])
    ran = command(
        "check", "--target", description(url, 'kind = "label"'), "--samples", pictures(),
        "--write", "fixed.toml",
    )  # fmt: skip
    assert "Some classes never got their own label: 'bee' got 'ant' " in ran.out, ran.out + ran.err
    assert "look at those samples, or at the order of the classes" in ran.out
    assert "rename" not in Path("fixed.toml").read_text()
