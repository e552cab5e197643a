"""``--input-file`` and ``--labels-file``: an audit through files alone, and everything that can be
wrong with the labels.
"""

from __future__ import annotations

import csv
import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from adapters.synthetic import nearest_prototype, synthetic_prototypes
from auditor import audit
from auditor.samples.samples import Samples

label_of = nearest_prototype(synthetic_prototypes(1, 5, (1, 4, 4)))
METHOD = ("--planes", "3", "--canaries", "8", "--quiet")
RunCommand = Callable[..., Any]
Answers = dict[str, int]


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("something wants to connect")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def ask(command: RunCommand, samples: Samples, tmp_path: Path) -> RunCommand:
    """Runs the audit by files, ``(inputs, *more words)``; the samples number their classes."""
    np.savez(tmp_path / "samples.npz", x=samples.images, y=[int(name) for name in samples.classes])

    def run(inputs: str, *words: str) -> Any:
        return command("--input-file", inputs, "--samples", "samples.npz", *METHOD, *words)

    return run


def of_pictures(folder: Path) -> Answers:
    """Names and pixels in a folder of pictures, as a batch job reads them."""
    answers = {}
    for path in sorted(folder.glob("*.png")):
        pixels = np.asarray(Image.open(path), dtype=np.uint8)
        answers[path.name] = int(label_of((pixels[None, None] / 255.0).astype(np.float32))[0])
    return answers


def of_arrays(path: Path) -> Answers:
    """Names and arrays in an npz, as a batch job reads them."""
    with np.load(path) as archive:
        x, ids = archive["x"], archive["id"]
    x = x.transpose(0, 3, 1, 2) if x.shape[-1] == 1 else x
    values = (x / 255.0).astype(np.float32) if x.dtype == np.uint8 else x
    return dict(zip(ids.tolist(), label_of(values).tolist(), strict=True))


def write_csv(answers: Answers, path: Path = Path("labels.csv")) -> None:
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("id", "label"))
        writer.writerows(answers.items())


def scores_of(folder: str = "xray-audit-report") -> Any:
    report = json.loads(Path(folder, "report.json").read_text())
    return report["scores"], [plane["points"] for plane in report["planes"]], report["canaries"]


def expected(samples: Samples, tmp_path: Path, access: Literal["float", "image"]) -> Any:
    def classify(images: NDArray[Any]) -> NDArray[Any]:
        pixels = images.dtype == np.uint8
        return label_of((images / 255.0).astype(np.float32) if pixels else images)

    output = tmp_path / "expected"
    audit(
        classify, samples, output=output, access=access, planes=3, canaries=8,
        progress=False,
    )  # fmt: skip
    return scores_of(str(output))


def test_pictures_out_labels_in_report(ask: RunCommand, samples: Samples, tmp_path: Path) -> None:
    first = ask("inputs")
    assert first.code == 5
    assert "round 1" in first.err
    assert "error" not in first.err
    assert not Path("xray-audit-report/report.json").exists()
    answers = of_pictures(Path("inputs/round-001"))
    assert f"{len(answers):,} images wait in inputs/round-001" in first.err
    write_csv(answers)
    done = ask("inputs", "--labels-file", "labels.csv")
    assert done.code == 3, done.err
    assert scores_of() == expected(samples, tmp_path, "image")
    again = ask("inputs", "--labels-file", "labels.csv")
    assert again.code == 3
    assert "0 sent" in again.out


@pytest.mark.parametrize("how", [(), ("--access", "image"), ("--layout", "NHWC")])
def test_arrays_out_labels_in_report(
    ask: RunCommand, samples: Samples, tmp_path: Path, how: tuple[str, ...]
) -> None:
    assert ask("inputs.npz", *how).code == 5
    answers = of_arrays(Path("inputs-001.npz"))
    ids, labels = np.array(list(answers)), np.array(list(answers.values()))
    np.savez("labels.npz", id=ids, label=labels)
    done = ask("inputs.npz", *how, "--labels-file", "labels.npz")
    assert done.code == 3, done.err
    assert scores_of() == expected(samples, tmp_path, "image" if "image" in how else "float")


@pytest.mark.slow
def test_the_trigger_search_asks_in_rounds_of_its_own(
    command: RunCommand, assets: Path, tmp_path: Path
) -> None:
    import onnxruntime  # noqa: PLC0415 - this test alone needs it

    session = onnxruntime.InferenceSession(
        assets / "backdoored.onnx", providers=["CPUExecutionProvider"]
    )
    words = (
        "--input-file", "inputs.npz", "--samples", assets / "fashion-mnist-samples.npz",
        "--planes", "2", "--quiet",
    )  # fmt: skip
    ran = command(*words)
    for number in range(1, 60):
        assert ran.code == 5, ran.err
        with np.load(tmp_path / f"inputs-{number:03d}.npz") as archive:
            labels = session.run(None, {session.get_inputs()[0].name: archive["x"]})[0].argmax(1)
            np.savez(tmp_path / "labels.npz", id=archive["id"], label=labels)
        ran = command(*words, "--labels-file", "labels.npz")
        if ran.code != 5:
            break
    assert ran.code == 1, ran.err
    assert number > 3
    trigger = json.loads(Path("xray-audit-report/report.json").read_text())["trigger"]
    straight = audit(
        assets / "backdoored.onnx", assets / "fashion-mnist-samples.npz", progress=False,
        output=tmp_path / "straight", value_range=(0, 1), planes=2,
    ).data["trigger"]  # fmt: skip
    assert trigger["best"] == straight["best"]
    assert trigger["queries"] == straight["queries"]


@pytest.fixture
def handed_out(ask: RunCommand) -> Answers:
    """The first round's right answers; it waits for them."""
    assert ask("inputs").code == 5
    return of_pictures(Path("inputs/round-001"))


def mangle(answers: Answers, how: str) -> dict[str, Any]:
    """Labels with one fault."""
    names = list(answers)
    first = names[0]
    added: dict[str, dict[str, Any]] = {
        "unknown input": {first.replace("000000", "999999"): 1},
        "no name": {"cat.png": 1},
        "a score": {first: 0.93},
        "scores": {first: [0.1, 0.9]},
        "empty": {first: ""},
    }
    if how in added:
        return {**answers, **added[how]}
    renamed = {
        "missing": {name: name for name in names[2:]},
        "another audit": {name: f"{'f' * 6}{name[6:]}" for name in names},
        "a later round": {name: name.replace("-001-", "-002-") for name in names},
    }
    return {new: answers[name] for name, new in renamed[how].items()}


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("missing", "lacks the labels of 2 of the"),
        ("unknown input", "no input"),
        ("another audit", "belongs to another audit"),
        ("a later round", "no input"),
        ("no name", "'cat' is not the name of an input"),
        ("a score", "labels are wanted, not scores"),
        ("scores", "labels are wanted, not scores"),
        ("empty", "empty or not plain text"),
    ],
)
def test_wrong_labels_are_one_sentence_and_nothing_is_lost(
    ask: RunCommand, handed_out: Answers, how: str, message: str
) -> None:
    Path("labels.json").write_text(json.dumps(mangle(handed_out, how)))
    ran = ask("inputs", "--labels-file", "labels.json")
    assert ran.code == 2
    assert message in ran.sentence
    Path("labels.json").write_text(json.dumps(handed_out))
    assert ask("inputs", "--labels-file", "labels.json").code == 3


def test_an_input_labelled_twice_is_refused(ask: RunCommand, handed_out: Answers) -> None:
    lines = ["id,label", *(f"{name},{label}" for name, label in handed_out.items())]
    Path("labels.csv").write_text("\n".join([*lines, lines[1]]) + "\n")
    assert "has a second label" in ask("inputs", "--labels-file", "labels.csv").sentence
    double = ",".join(f'"{name}": {label}' for name, label in [*handed_out.items()] * 2)
    Path("labels.json").write_text(f"{{{double}}}")
    assert "given twice" in ask("inputs", "--labels-file", "labels.json").sentence


def test_labels_of_other_bytes_are_refused(ask: RunCommand, handed_out: Answers) -> None:
    with Path("inputs/round-001/inputs.csv").open(newline="") as stream:
        digests = dict(row[:2] for row in csv.reader(stream))
    rows = [
        {"file": f"s3://bucket/x/{name}", "label": label, "sha256": digests[name]}
        for name, label in handed_out.items()
    ]
    good = "\n".join(json.dumps(row) for row in rows)
    rows[3]["sha256"] = "0" * 64
    Path("labels.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    ran = ask("inputs", "--labels-file", "labels.jsonl")
    assert "line 4" in ran.sentence
    assert "sha256 differs" in ran.sentence
    Path("labels.jsonl").write_text(good)
    assert ask("inputs", "--labels-file", "labels.jsonl").code == 3


def test_class_names_are_labels_and_unknown_ones_are_refused(
    command: RunCommand, samples: Samples, tmp_path: Path
) -> None:
    names = ["ant", "bee", "cat", "dog", "emu"]
    np.savez(tmp_path / "samples.npz", x=samples.images, y=[names[int(n)] for n in samples.classes])
    (tmp_path / "names.txt").write_text("\n".join(names))
    where = ("--input-file", "inputs", "--samples", "samples.npz")
    words = (*where, "--classes", "names.txt", *METHOD)
    assert command(*words).code == 5
    answers = {n: names[i] for n, i in of_pictures(Path("inputs/round-001")).items()}
    wrong = {**answers, next(iter(answers)): "elk"}
    Path("labels.json").write_text(json.dumps(wrong))
    sentence = command(*words, "--labels-file", "labels.json").sentence
    assert "'elk', which is not one of the 5 classes" in sentence
    Path("labels.json").write_text(json.dumps(answers))
    ran = command(*words, "--labels-file", "labels.json")
    assert ran.code == 3, ran.err
    report = json.loads(Path("xray-audit-report/report.json").read_text())
    assert report["samples"]["accuracy"] == 1.0


def test_names_and_numbers_are_never_guessed_into_each_other(
    ask: RunCommand, handed_out: Answers
) -> None:
    Path("labels.json").write_text(json.dumps(dict.fromkeys(handed_out, "cat")))
    sentence = ask("inputs", "--labels-file", "labels.json").sentence
    assert "'cat', a name, and the samples give their classes as numbers" in sentence
    Path("labels.json").write_text(json.dumps({k: f"{v}.0" for k, v in handed_out.items()}))
    assert ask("inputs", "--labels-file", "labels.json").code == 3


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("labels.txt", "", "must end in .csv"),
        ("gone.csv", None, "gone.csv is not there yet"),
        ("labels.csv", "", "is empty"),
        ("labels.csv", "a,b\n1,2\n", "column names"),
        ("labels.csv", "thing,label\n1,2\n", "no column 'id'"),
        ("labels.csv", "id,label\nx\n", "fewer cells"),
        ("labels.json", "[", "cannot be read as JSON"),
        ("labels.json", "3", "must hold an object"),
        ("labels.json", '[{"id": "x"}]', "an object with id and label"),
        ("labels.npz", "PK", "cannot be read as NPZ"),
    ],
)
def test_a_file_that_is_no_list_of_labels(
    ask: RunCommand, handed_out: Answers, name: str, text: str | None, message: str
) -> None:
    assert handed_out
    if text is not None:
        Path(name).write_text(text)
    ran = ask("inputs", "--labels-file", name)
    assert message in ran.err
    assert ran.code == (5 if text is None else 2)


def test_score_matrices_in_an_npz_are_refused(ask: RunCommand, handed_out: Answers) -> None:
    np.savez("labels.npz", id=list(handed_out), label=np.eye(len(handed_out)))
    assert "not scores" in ask("inputs", "--labels-file", "labels.npz").sentence


def test_other_options_do_not_fit_the_inputs_handed_out(
    ask: RunCommand, handed_out: Answers
) -> None:
    write_csv(handed_out)
    labels = ("--labels-file", "labels.csv")
    assert "other samples or settings" in ask("inputs", *labels, "--seed", "1").sentence
    assert "encoding" in ask("inputs", *labels, "--encoding", "jpeg:90").sentence
    assert ask("inputs", *labels).code == 3


def test_one_command_serves_every_round(ask: RunCommand) -> None:
    assert ask("inputs", "--labels-file", "labels.csv").code == 5
    write_csv(of_pictures(Path("inputs/round-001")))
    assert ask("inputs", "--labels-file", "labels.csv").code == 3


def test_two_models_never_share_answers(ask: RunCommand, handed_out: Answers) -> None:
    write_csv(handed_out)
    assert ask("inputs", "--labels-file", "labels.csv").code == 3
    assert ask("other").code == 5
    assert len(of_pictures(Path("other/round-001"))) == len(handed_out)
    sentence = ask("other", "--labels-file", "labels.csv").sentence
    assert "belongs to another audit" in sentence


def test_a_canary_is_an_input_of_its_own(ask: RunCommand, handed_out: Answers) -> None:
    """A model that changes its mind about equal pictures is noticed."""
    seen: dict[bytes, str] = {}
    flipped = dict(handed_out)
    for name in handed_out:
        data = Path("inputs/round-001", name).read_bytes()
        if data in seen:
            flipped[name] = (handed_out[name] + 1) % 5
        seen.setdefault(data, name)
    assert flipped != handed_out
    write_csv(flipped)
    assert ask("inputs", "--labels-file", "labels.csv").code == 3
    assert scores_of()[2]["flipped"] > 0


def test_a_budget_hands_out_no_more_than_it_pays_for(ask: RunCommand) -> None:
    assert ask("inputs", "--max-queries", "130").code == 5
    answers = of_pictures(Path("inputs/round-001"))
    assert len(answers) <= 130
    write_csv(answers)
    ran = ask("inputs", "--max-queries", "130", "--labels-file", "labels.csv")
    whole = len(answers) < 130
    assert ran.code == 3
    assert whole or "budget was reached" in ran.out


def test_what_a_kill_left_behind_is_no_round(ask: RunCommand) -> None:
    Path("inputs").mkdir()
    assert ask("inputs").code == 5
    count = len(of_pictures(Path("inputs/round-001")))
    shutil.rmtree("inputs/round-001")
    Path("inputs/.round-001.partial").mkdir()
    state = json.loads(Path("inputs/exchange.json").read_text())
    Path("inputs/exchange.json").write_text(json.dumps({**state, "rounds": []}))
    Path("inputs/round-001").mkdir()
    Path("inputs/round-001/stale.png").write_bytes(b"")
    assert ask("inputs").code == 5
    assert len(list(Path("inputs/round-001").glob("*.png"))) == count


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--labels-file", "x.csv"), "belongs to --input-file"),
        (("--input-file", "a", "--endpoint", "http://x/"), "drop one of them"),
        (("--input-file", "a", "--access", "float"), "use --access image"),
        (("--input-file", "a.npz", "--encoding", "png"), "a.npz holds arrays"),
        (("--input-file", "a", "--encoding", "uint8"), "is no image"),
        (("--input-file", "full"), "is not empty"),
        (("--input-file", "a", "--labels-file", "samples.npz"), "no inputs were handed out yet"),
        (("--input-file", "broken"), "is not the state of an exchange"),
    ],
)
def test_words_that_do_not_fit_together(
    ask: RunCommand, command: RunCommand, words: tuple[str, ...], message: str
) -> None:
    assert ask is not None
    Path("full").mkdir()
    Path("full/cat.png").write_bytes(b"")
    Path("broken").mkdir()
    Path("broken/exchange.json").write_text("{}")
    sentence = command(*words, "--samples", "samples.npz", *METHOD).sentence
    assert message in sentence
    assert [path.name for path in Path("full").iterdir()] == ["cat.png"]


def test_check_has_nobody_to_ask(ask: RunCommand, command: RunCommand) -> None:
    assert ask is not None
    ran = command("check", "--input-file", "inputs", "--samples", "samples.npz")
    assert "asks nobody, so there is nothing to check" in ran.sentence
    assert not Path("inputs").exists()


def test_plan_prices_it_and_writes_nothing(ask: RunCommand, command: RunCommand) -> None:
    assert ask is not None
    ran = command("plan", "--input-file", "inputs", "--samples", "samples.npz", *METHOD)
    assert ran.code == 0, ran.err
    assert "Queries" in ran.out
    assert not Path("inputs").exists()
