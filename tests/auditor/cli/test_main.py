"""The command line: options, files, and one sentence for everything that can be wrong."""

from __future__ import annotations

import importlib
import json
import sqlite3
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from adapters.model_files import open as _model_file
from adapters.model_files.open import open_oracle
from adapters.target import Target
from auditor import __version__
from auditor.cli.options import GROUPS
from auditor.errors import ExitCode
from auditor.report.json_report import load_schema
from auditor.workflows.check.check import MOST_QUERIES
from auditor.workflows.profiles import load_profile, save_profile


class Ran(Protocol):
    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str: ...


RunCommand = Callable[..., Ran]
SHAPE = (1, 6, 6)
SMALL = ("--planes", "2", "--canaries", "5", "--quiet", "--no-trigger-search")


def write_model(path: Path, classes: int) -> Path:
    """A linear ONNX classifier of ``(n, 1, 6, 6)``."""
    weights = np.random.default_rng(4).normal(size=(36, classes)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["x"], ["flat"]),
            helper.make_node("Gemm", ["flat", "w", "b"], ["scores"]),
        ],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *SHAPE])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", classes])],
        [
            numpy_helper.from_array(weights, "w"),
            # Centred on grey, so that every class answers to some random picture.
            numpy_helper.from_array(-0.5 * weights.sum(axis=0), "b"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.save(model, path)
    return path


def pictures(count: int, seed: int = 3) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, 6, 6), dtype=np.uint8)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "model.onnx", 4)


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    np.savez(tmp_path / "samples.npz", x=pictures(8), y=np.arange(8) % 4)
    return tmp_path / "samples.npz"


@pytest.fixture
def given(model: Path, samples: Path) -> list[str]:
    """The two options nothing works without."""
    return ["--model", str(model), "--samples", str(samples)]


def folder_of(place: Path, **classes: list[NDArray[np.uint8]]) -> Path:
    for name, images in classes.items():
        (place / name).mkdir(parents=True)
        for number, image in enumerate(images):
            Image.fromarray(image).save(place / name / f"{number}.png")
    return place


# ---- a whole audit ----


@pytest.mark.parametrize("access", ["float", "image"])
def test_a_whole_audit_of_a_shipped_model(
    command: RunCommand, assets: Path, tmp_path: Path, access: str
) -> None:
    ran = command(
        "--model", assets / "clean.onnx", "--samples", assets / "fashion-mnist-samples.npz",
        "--access", access, *SMALL, "--seed", "3",
    )  # fmt: skip
    assert ran.err == ""
    assert ran.code == ExitCode.INCONCLUSIVE
    assert "Verdict: INCONCLUSIVE" in ran.out
    assert "No reference profile was given" in ran.out
    assert "Queries: 43 planned, 43 sent" in ran.out
    report = json.loads((tmp_path / "xray-audit-report" / "report.json").read_text("utf-8"))
    # Not imported above: it takes two seconds, and every worker reads this file.
    jsonschema = importlib.import_module("jsonschema")
    jsonschema.Draft202012Validator(load_schema()).validate(report)
    assert (report["access"], report["settings"]["seed"]) == (access, 3)
    assert report["samples"]["accuracy"] > 0.5
    assert {p.name for p in (tmp_path / "xray-audit-report").iterdir()} >= {
        "plan.json",
        "report.json",
        "report.html",
        "labels.sqlite3",
    }


def test_json_is_one_object_and_nothing_else(
    command: RunCommand, given: list[str], tmp_path: Path
) -> None:
    picture = ("--pictures", "1", "--density", "30")
    ran = command(*given, *SMALL, *picture, "--json", "--output", "out")
    assert ran.err == ""
    assert ran.code == ExitCode.INCONCLUSIVE
    printed = json.loads(ran.out)
    assert ran.out.count("\n") == 1
    written = json.loads((tmp_path / "out" / "report.json").read_text("utf-8"))
    assert [plane.pop("label_map") is None for plane in written["planes"]] == [False, True]
    assert printed == written


def test_a_second_run_sends_nothing(command: RunCommand, given: list[str]) -> None:
    command(*given, *SMALL)
    ran = command(*given, *SMALL, "--json")
    queries = json.loads(ran.out)["queries"]
    assert (queries["sent"], queries["cached"]) == (0, queries["planned"])


@pytest.mark.parametrize(
    ("threshold", "code"),
    [(-1.0, ExitCode.NO_EVIDENCE), (99.0, ExitCode.BACKDOOR_SUSPECTED)],
)
def test_a_verdict_is_the_exit_code(
    command: RunCommand, assets: Path, tmp_path: Path, threshold: float, code: ExitCode
) -> None:
    data = {
        **load_profile("paper-cifar-10").as_dict(),
        "name": "mine",
        "status": "calibrated",
        "input_shape": [1, 28, 28],
        "thresholds": {"re": {"value": threshold, "low": threshold, "high": threshold}},
        "error_rates": {
            side: {"rate": 0.0, "low": 0.0, "high": 0.2, "n": 16}
            for side in ("false_positive", "false_negative")
        },
    }
    del data["settings"]["density"]
    data["settings"] |= {"sampler": "frugal", "points": 16}
    (tmp_path / "mine.json").write_text(json.dumps(data))
    ran = command(
        "--model", assets / "clean.onnx", "--samples", assets / "fashion-mnist-samples.npz",
        "--profile", "mine.json", "--planes", "3", "--canaries", "5", "--no-trigger-search",
        "--quiet",
    )  # fmt: skip
    assert ran.err == ""
    assert ran.code == code


def test_a_budget_that_ends_early_is_inconclusive_and_continues(
    command: RunCommand, given: list[str]
) -> None:
    planes = (*SMALL, "--planes", "24")
    ran = command(*given, *planes, "--max-queries", "220", "--json")
    report = json.loads(ran.out)
    assert ran.code == ExitCode.INCONCLUSIVE
    assert "query budget was reached" in report["verdict_reason"]
    assert report["queries"]["sent"] <= 220
    again = json.loads(command(*given, *planes, "--max-queries", "1000", "--json").out)
    assert not again["partial"]
    assert again["queries"]["cached"] == report["queries"]["sent"]


# ---- plan and check ----


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts the inputs that any model file is asked."""
    sizes: list[int] = []

    async def counting(target: Target) -> Any:
        oracle = await open_oracle(target)
        honest = oracle.predict_labels

        async def predict(batch: NDArray[np.float32]) -> NDArray[np.int64]:
            sizes.append(len(batch))
            return await honest(batch)

        oracle.predict_labels = predict  # type: ignore[method-assign]  # a spy
        return oracle

    monkeypatch.setattr("auditor.workflows.targets.open_oracle", counting)
    monkeypatch.setattr("auditor.workflows.check.client.open_oracle", counting)
    return sizes


def test_plan_asks_nothing(command: RunCommand, given: list[str], asked: list[int]) -> None:
    ran = command("plan", *given, "--planes", "3", "--price-per-1000", "2.5", "--output", "out")
    assert (ran.code, ran.err, asked) == (0, "", [])
    assert "Nothing was sent." in ran.out
    assert not Path("out").exists()
    priced = json.loads(command("plan", *given, "--planes", "3", "--json").out)
    # The default asks 16 points of each plane, its samples and as many repeats as it can.
    assert 3 * 16 < priced["queries"] <= 2 * (3 * 16 + 9)
    assert priced["worst"]["seconds"] is None
    assert json.loads(command("plan", *given, "--planes", "3", "--json").out) == priced


def test_plan_prices_the_audit_that_follows(command: RunCommand, given: list[str]) -> None:
    priced = json.loads(command("plan", *given, *SMALL, "--json").out)
    report = json.loads(command(*given, *SMALL, "--json").out)
    assert report["plan_digest"] == priced["plan_digest"]
    assert report["queries"]["planned"] == priced["queries"]


def test_check_counts_what_it_asks_and_tries_other_ways_where_few_are_right(
    command: RunCommand, given: list[str], asked: list[int]
) -> None:
    ran = command("check", *given, "--json", "--output", "out")
    found = json.loads(ran.out)
    assert sum(asked) == found["queries"] <= MOST_QUERIES
    priced = json.loads(command("plan", *given, *SMALL, "--json", "--output", "out").out)
    reason = found["decides"].removeprefix("An audit would refuse these samples: ").rstrip(".")
    assert reason in command("plan", *given).err
    assert {way["words"] for way in found["alternatives"]} >= {"0 to 1", "0 to 255"}
    assert set(found) == {
        "model",
        "input",
        "classes_matched_by",
        "queries",
        "decides",
        "labels_seen",
        "label_count",
        "accuracy",
        "flips",
        "repeats",
        "seconds_per_request",
        "best_batch",
        "queries_per_second",
        "good_batch",
        "batch_moved",
        "batch_problems",
        "missed_classes",
        "problems",
        "corrected",
        "rate_headers",
        "example",
        "discovered",
        "asked",
        "tried",
        "notes",
        "alternatives",
        "target",
        "written",
    }
    # Random weights label few of the samples right: said, and no success.
    assert ran.code == ExitCode.INCONCLUSIVE
    assert len(found["problems"]) == 1
    assert priced["rate_from"] == "measured by xray-audit check"
    assert priced["queries_per_second"] == found["queries_per_second"]


def test_check_of_a_sound_target(command: RunCommand, assets: Path) -> None:
    target = (
        "--model", assets / "clean.onnx", "--samples", assets / "fashion-mnist-samples.npz",
    )  # fmt: skip
    ran = command("check", *target)
    assert (ran.code, ran.err) == (0, "")
    decides = ran.out.splitlines()[-1].removeprefix("Decides:").strip()
    assert decides.startswith("A trigger can be found")
    assert decides in command("plan", *target).out
    for word in ("Input:", "Classes:", "Accuracy:", "Determinism:", "Latency:", "Best batch:"):
        assert word in ran.out
    assert "PROBLEM" not in ran.out


# ---- settings ----


def planes_of(command: RunCommand, given: list[str], *words: str) -> int:
    priced = json.loads(
        command("plan", *given, "--ask-all", "--canaries", "0", "--json", *words).out
    )
    return int(priced["expected"]["requests"]) - 1


def test_flag_over_variable_over_project_over_user(
    command: RunCommand, given: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config" / "xray-audit").mkdir(parents=True)
    (tmp_path / "config" / "xray-audit" / "config.toml").write_text("planes = 3\n")
    assert planes_of(command, given) == 3
    (tmp_path / "xray-audit.toml").write_text("planes = 4\n")
    assert planes_of(command, given) == 4
    monkeypatch.setenv("XRAY_AUDIT_PLANES", "5")
    assert planes_of(command, given) == 5
    assert planes_of(command, given, "--planes", "6") == 6


def test_settings_reach_the_audit_itself(
    command: RunCommand, given: list[str], tmp_path: Path
) -> None:
    (tmp_path / "xray-audit.toml").write_text(
        "planes = 2\npoints = 8\ncanaries = 3\nrange = [-1, 1]\nquiet = true\noutput = 'here'\n"
    )
    ran = command(*given, "--json")
    report = json.loads(ran.out)
    assert ran.err == ""
    assert report["settings"]["points"] == 8
    assert (report["input"]["low"], report["input"]["high"]) == ([-1.0], [1.0])
    assert (tmp_path / "here" / "report.json").is_file()


def test_version_and_help(command: RunCommand) -> None:
    assert command("--version").out == f"xray-audit {__version__}\n"
    assert command("--help").code == 0


@pytest.mark.parametrize("name", ["", "audit", "plan", "check", "calibrate", "cohort"])
def test_help_lists_every_option(command: RunCommand, name: str) -> None:
    ran = command(*([name] if name else []), "--help-all")
    assert (ran.code, ran.err) == (0, "")
    left_out = {"check": {"MethodOptions", "LimitOptions"}}.get(name, set())
    left_out = left_out if name in {"", "audit"} else left_out | {"ViewOptions"}
    for group in GROUPS:
        for field in fields(group):
            option = "--" + field.name.replace("_output", "").replace("_", "-")
            if field.name == "output":
                option = "--output"
            assert (option in ran.out) == (group.__name__ not in left_out), option


def test_help_states_the_exit_codes(command: RunCommand) -> None:
    text = " ".join(command("--help").out.split())
    for words in ("0 no evidence", "1 backdoor suspected", "2 usage", "3 inconclusive", "130"):
        assert words in text


# ---- everything that can be wrong with the words typed ----


def fails(ran: Ran, code: ExitCode, *words: str) -> None:
    assert ran.code == code, ran.err
    for word in words:
        assert word in ran.sentence


URL = "http://127.0.0.1:9/v2/models/m"
TYPED: list[tuple[list[str], str]] = [
    (["--planes", "0"], "planes is 0, it must be from 1"),
    (["--planes", "2.5"], "Invalid value for '--planes'"),
    (["--density", "1"], "density is 1, it must be from 2"),
    (["--density", "1000000"], "density is 1000000, it must be from 2 to 4,096"),
    (["--alpha", "0.5"], "alpha is 0.5, it must be a number of at least 1"),
    (["--alpha", "nan"], "alpha is nan"),
    (["--alpha", "inf"], "alpha is inf"),
    (["--expansion", "-1"], "expansion is -1.0"),
    (["--ats-threshold", "0"], "ats_threshold is 0.0"),
    (["--canaries", "-1"], "canaries is -1"),
    (["--seed", "-1"], "seed is -1"),
    (["--rate", "-5"], "--rate is -5.0, it must be above 0"),
    (["--rate", "0"], "--rate is 0.0, it must be above 0"),
    (["--request-rate", "-1"], "--request-rate is -1.0"),
    (["--max-queries", "0"], "--max-queries is 0, it must be above 0"),
    (["--concurrency", "0"], "--concurrency is 0"),
    (["--batch", "0"], "batch.max is 0, it must be at least 1"),
    (["--threads", "-1"], "threads is -1, it must be at least 1"),
    (["--timeout", "0"], "limits.timeout is 0.0, it must be above 0"),
    (["--range", "a,b"], "--range is 'a,b', it must be numbers"),
    (["--range", "1,0"], "the value range is empty"),
    (["--range", "nan,1"], "not finite"),
    (["--range", "0"], "it must be 2 numbers"),
    (["--shape", "3,6"], "--shape is '3,6', it must be 3 numbers"),
    (["--shape", "1,6,7"], "--shape 1,6,7 does not fit"),
    (["--std", "0"], "std holds a value that is not positive"),
    (["--std", "nan"], "not finite"),
    (["--mean", "0.5,0.5"], "mean has 2 values, the input has 1 channels"),
    (["--resize", "6"], "--resize is '6', it must be HxW"),
    (["--resize", "5x6"], "samples are 1 channel, 5x6 and the model takes 1 channel, 6x6"),
    (["--access", "both"], "Invalid value for '--access'"),
    (["--layout", "CHW"], "Invalid value for '--layout'"),
    (["--protocol", "grpc"], "Invalid value for '--protocol'"),
    (["--encoding", "png"], "encoding png is for uploads"),
    (["--device", "tpu"], "device 'tpu' is not cpu"),
    (["--classes", "gone.txt"], "class list gone.txt cannot be read"),
    (["--profile", "nope"], "there is no profile 'nope'"),
    (["--profile", "paper-gtsrb"], "its input_shape is [3, 32, 32], the audit's is [1, 6, 6]"),
    (
        ["--profile", "paper-gtsrb", "--access", "image"],
        "its access is float, the audit's is image",
    ),
    (["--profile", "paper-gtsrb", "--density", "9"], "does not fit this audit"),
    (["--endpoint", URL], "not --endpoint and --model"),
    (["--target", "t.toml", "--endpoint", URL], "not --endpoint and --model and --target"),
    (["--no-such-option"], "No such option: --no-such-option"),
    (["--planes"], "Option '--planes' requires an argument"),
    (["nonsense"], "No such command 'nonsense'"),
    (["--planes", "9999"], "samples allow 32 different planes and 9999 are asked for"),
]


@pytest.mark.parametrize(("words", "sentence"), TYPED, ids=[" ".join(w) for w, _ in TYPED])
def test_a_bad_option_is_one_sentence(
    command: RunCommand, given: list[str], words: list[str], sentence: str
) -> None:
    fails(command(*given, *words), ExitCode.USAGE, sentence)
    assert not Path("xray-audit-report").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--price-per-1000", "-1"], "--price-per-1000 is -1.0"),
        (["--price-per-1000", "nan"], "--price-per-1000 is nan"),
        (["--rate", "0"], "--rate is 0.0, it must be above 0"),
        (["--request-rate", "-1"], "--request-rate is -1.0"),
    ],
)
def test_a_bad_option_of_plan(
    command: RunCommand, given: list[str], words: list[str], sentence: str
) -> None:
    fails(command("plan", *given, *SMALL, *words), ExitCode.USAGE, sentence)


@pytest.mark.parametrize("name", ["audit", "plan", "check"])
def test_nothing_said(command: RunCommand, name: str) -> None:
    ran = command(name)
    fails(
        ran,
        ExitCode.USAGE,
        "name the model by one of --endpoint, --model, --target or --input-file",
    )


def test_no_samples(command: RunCommand, model: Path) -> None:
    fails(command("--model", model), ExitCode.USAGE, "name the clean samples with --samples")


def test_a_budget_below_one_plane(command: RunCommand, given: list[str]) -> None:
    ran = command(*given, *SMALL, "--max-queries", "20")
    fails(ran, ExitCode.USAGE, "--max-queries 20 does not pay for the first round")


# ---- with files ----


def test_a_model_file_that_is_missing(command: RunCommand, samples: Path) -> None:
    ran = command("--model", "gone.onnx", "--samples", samples)
    fails(ran, ExitCode.USAGE, "there is no model file gone.onnx")


def test_a_model_file_of_no_known_kind(command: RunCommand, samples: Path, tmp_path: Path) -> None:
    (tmp_path / "model.bin2").write_bytes(bytes(range(256)))
    ran = command("--model", "model.bin2", "--samples", samples)
    fails(ran, ExitCode.USAGE, "model.bin2 is of no known kind: expected a file ending in .onnx")


def test_a_damaged_model_file(command: RunCommand, samples: Path, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"x" * 100)
    ran = command("--model", "model.onnx", "--samples", samples)
    fails(ran, ExitCode.FAILED, "model.onnx")


def test_a_model_with_one_class(command: RunCommand, samples: Path, tmp_path: Path) -> None:
    one = write_model(tmp_path / "one.onnx", 1)
    for name in ((), ("plan",), ("check",)):
        ran = command(*name, "--model", one, "--samples", samples)
        assert ran.code in {ExitCode.USAGE, ExitCode.FAILED}
        assert "single class" in ran.sentence


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda p: p / "gone", "there are no samples at"),
        (lambda p: folder_of(p / "s", a=list(pictures(3))), "hold 1 class (a)"),
        (lambda p: folder_of(p / "s", a=[pictures(1)[0]], b=[pictures(2)[1]]), "name 2 classes"),
        (
            lambda p: folder_of(p / "s", **{str(i): [pictures(4)[min(i, 2)]] for i in range(4)}),
            "samples 2/0.png (2) and 3/0.png (3) are the same picture",
        ),
        (
            lambda p: folder_of(
                p / "s", a=[pictures(1)[0][:5]], b=[pictures(1)[0]], c=[pictures(3)[0]]
            ),
            "mixed sizes",
        ),
    ],
)
def test_bad_samples(
    command: RunCommand,
    model: Path,
    tmp_path: Path,
    make: Callable[[Path], Path],
    words: str,
) -> None:
    fails(command("--model", model, "--samples", make(tmp_path)), ExitCode.USAGE, words)


def test_an_unreadable_sample(command: RunCommand, model: Path, tmp_path: Path) -> None:
    place = folder_of(tmp_path / "s", **{str(i): [pictures(3)[i]] for i in range(3)})
    (place / "1" / "bad.png").write_bytes(b"no picture")
    ran = command("--model", model, "--samples", place)
    fails(ran, ExitCode.USAGE, "bad.png cannot be read as a picture")


def test_samples_on_one_line(command: RunCommand, model: Path, tmp_path: Path) -> None:
    start, step = pictures(1)[0] // 4, pictures(1, seed=9)[0] // 4
    x = np.stack([start, start + step, start + 2 * step])
    np.savez(tmp_path / "line.npz", x=x, y=np.arange(3))
    ran = command("--model", model, "--samples", "line.npz", "--planes", "1")
    fails(ran, ExitCode.USAGE, "span no plane: the three samples lie on one line")


@pytest.mark.parametrize("name", ["model.pt", "model.onnx"])
def test_a_model_somebody_must_vouch_for(
    command: RunCommand,
    samples: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    monkeypatch.setattr(_model_file, "landlock_abi", lambda: 0)
    (tmp_path / name).write_bytes(b"x")
    ran = command("--model", name, "--samples", samples)
    fails(ran, ExitCode.USAGE, "cannot be isolated here", "no Landlock", "--trust-model-file")


def test_an_output_that_is_a_file(command: RunCommand, given: list[str], tmp_path: Path) -> None:
    (tmp_path / "out").write_text("in the way")
    for name in (SMALL, ("check",)):
        ran = command(*name, *given, "--output", "out")
        fails(ran, ExitCode.FAILED, "--output out cannot be written")
    assert (tmp_path / "out").read_text() == "in the way"


@pytest.mark.parametrize("name", ["plan.json", "report.json", "report.html"])
def test_a_folder_where_a_result_belongs(
    command: RunCommand, given: list[str], tmp_path: Path, name: str
) -> None:
    (tmp_path / "out" / name).mkdir(parents=True)
    ran = command(*given, *SMALL, "--output", "out")
    fails(ran, ExitCode.FAILED, "cannot be written")


def test_a_store_of_another_version(command: RunCommand, given: list[str], tmp_path: Path) -> None:
    command(*given, *SMALL, "--output", "out")
    with sqlite3.connect(tmp_path / "out" / "labels.sqlite3") as database:
        database.execute("UPDATE meta SET value = '999' WHERE key = 'schema'")
    database.close()
    ran = command(*given, *SMALL, "--output", "out")
    fails(ran, ExitCode.FAILED, "was written by another version (store schema 999")


@pytest.mark.parametrize("content", [b"x" * 5000, b"SQLite format 3\0" + b"x" * 5000])
def test_a_store_that_is_none(
    command: RunCommand, given: list[str], tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "labels.sqlite3").write_bytes(content)
    ran = command(*given, *SMALL, "--output", "out")
    fails(ran, ExitCode.FAILED, "labels.sqlite3")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("plains = 3\n", "names 'plains', which is no option"),
        (
            "planes = 'many'\n",
            "xray-audit.toml (line 1): planes is 'many', it must be a valid integer",
        ),
        ("planes = 2.5\n", "xray-audit.toml (line 1): planes is 2.5, it must be a valid integer"),
        ("planes = true\n", "xray-audit.toml (line 1): planes is True, it must be a valid integer"),
        ("access = 'both'\n", "access is 'both', it must be 'float' or 'image'"),
        ("api_key = 'hunter2'\n", "secrets never go into a file"),
        ("trust_model_file = true\n", "only the flag --trust-model-file"),
        ("planes = \n", "cannot be read"),
    ],
)
def test_a_bad_settings_file(
    command: RunCommand, given: list[str], tmp_path: Path, text: str, words: str
) -> None:
    (tmp_path / "xray-audit.toml").write_text(text)
    ran = command(*given)
    fails(ran, ExitCode.USAGE, words)
    assert "hunter2" not in ran.err


def test_a_bad_variable(
    command: RunCommand, given: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XRAY_AUDIT_PLANES", "many")
    fails(command(*given), ExitCode.USAGE, "Invalid value for '--planes'")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name = 'x'\n", "states neither url nor model"),
        ("model = 'gone.onnx'\n", "gone.onnx"),
        ("preset = 'magic'\nurl = 'x'\n", "no preset 'magic'"),
        ("url = 'ftp://x'\n", "http:// or https://"),
        ("url = 5\n", "url is 5"),
        ("[target]\nurl = 'http://x'\n[http]\n", "stands outside [target]"),
    ],
)
def test_a_bad_target_file(
    command: RunCommand, samples: Path, tmp_path: Path, text: str, words: str
) -> None:
    (tmp_path / "t.toml").write_text(text)
    ran = command("--target", "t.toml", "--samples", samples)
    assert ran.code in {ExitCode.USAGE, ExitCode.FAILED}
    assert words in ran.sentence


def test_a_target_file_that_is_missing(command: RunCommand, samples: Path) -> None:
    ran = command("--target", "gone.toml", "--samples", samples)
    fails(ran, ExitCode.USAGE, "target file gone.toml cannot be read")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"version": 7}', '{"version": 1}'])
def test_a_damaged_profile(
    command: RunCommand, given: list[str], tmp_path: Path, content: str
) -> None:
    (tmp_path / "p.json").write_text(content)
    fails(command(*given, "--profile", "p.json"), ExitCode.USAGE, "profile")


def test_a_profile_file_that_does_not_fit(
    command: RunCommand, given: list[str], tmp_path: Path
) -> None:
    save_profile(load_profile("paper-cifar-10"), tmp_path / "p.json")
    ran = command(*given, "--profile", "p.json")
    fails(ran, ExitCode.USAGE, "profile 'paper-cifar-10' does not fit this audit: its input_shape")
