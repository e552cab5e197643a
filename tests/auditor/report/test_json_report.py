import copy
import importlib
import io
import json
import math
import re
import time
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from auditor import report as report_package
from auditor.errors import AuditError
from auditor.report.json_report import (
    SCHEMA_FILE,
    load_schema,
    read_result,
    report_bytes,
    result_of,
    write_json,
)
from auditor.report.result.planes import GridLabels, PointLabels
from auditor.report.result.result import Result
from auditor.report.result.schema import schema_text
from auditor.scores.intervals import mean_over_planes
from auditor.scores.planes import score_plane

MakeReport = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def validator() -> Any:
    # Not imported above: it takes two seconds, and every worker reads this file.
    jsonschema = importlib.import_module("jsonschema")
    schema = load_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"verdict": "no-evidence", "classes": 43},
        {"verdict": "inconclusive", "profile": False},
        {"verdict": "inconclusive", "planes": 0},
        {"planes": 1, "density": 2},
    ],
)
def test_schema_accepts_reports(
    make_report: MakeReport, validator: Any, arguments: dict[str, Any]
) -> None:
    validator.validate(make_report(**arguments))


def test_schema_accepts_what_is_unknown_where_the_target_or_the_settings_may_add_it(
    report: dict[str, Any], validator: Any
) -> None:
    report["model"]["x-provider"] = {"anything": [1, None]}
    report["settings"]["patience"] = 3
    report["profile"] |= {"status": "provisional", "error_rates": {"false_positive": None}}
    report["planes"][0]["triplet"] = [4, 8, 15]
    report["canaries"] = None
    report["queries"] |= {"throttled": 2, "bytes_received": 7, "budget_reached": True}
    report["scores"] = {"shares": None}
    validator.validate(report)


def _set(report: dict[str, Any], path: str, value: object) -> None:
    *parents, last = path.split(".")
    target: Any = report
    for key in parents:
        target = target[int(key) if key.isdigit() and isinstance(target, list) else key]
    target[int(last) if isinstance(target, list) else last] = value


BROKEN: list[tuple[str, object]] = [
    ("schema_version", "2.0"),
    ("verdict", "clean"),
    ("partial", "no"),
    ("access", "tensor"),
    ("fingerprint", "0F" * 32),
    ("plan_digest", "abc"),
    ("surprise", 1),
    ("target_label", -1),
    ("input.shape", [1, 6]),
    ("settings.alpha", 0.5),
    ("samples.accuracy", 1.2),
    ("labels.first", "a name"),
    ("labels.01", "a name"),
    ("scores.re.mean", "0.6"),
    ("scores.shares", [0.5, -0.5]),
    ("profile.status", "trusted"),
    ("profile.thresholds.accuracy", {"value": 1.0}),
    ("profile.error_rates.false_positive.rate", 1.5),
    ("comparisons.0.score", "accuracy"),
    ("canaries.asked", -1),
    ("queries.sent", 1.5),
    ("queries.by_probe.plane", "many"),
    ("planes.0.triplet_classes", [1, 2]),
    ("planes.0.label_map.0", [0, 70000]),
    ("planes.0.nodes.0", [0]),
    ("planes.0.ats", -0.1),
    ("planes.0.bounds.e3", [0, 1]),
    ("limits", "none"),
    ("timing.seconds", -1.0),
]


@pytest.mark.parametrize(("path", "value"), BROKEN, ids=[path for path, _ in BROKEN])
def test_schema_rejects_a_broken_value(
    report: dict[str, Any],
    validator: Any,
    path: str,
    value: object,
) -> None:
    _set(report, path, value)
    assert not validator.is_valid(report)


def test_schema_rejects_a_missing_key(report: dict[str, Any], validator: Any) -> None:
    for key in report:
        assert not validator.is_valid({k: v for k, v in report.items() if k != key}), key
    for key in report["planes"][0]:
        broken = copy.deepcopy(report)
        del broken["planes"][0][key]
        assert not validator.is_valid(broken), key


def test_schema_describes_every_field() -> None:
    def walk(node: dict[str, Any], path: str) -> None:
        for key, field in node.get("properties", {}).items():
            assert len(field.get("description", "")) > 8, f"{path}.{key}"
            walk(field, f"{path}.{key}")
        for part in node.get("anyOf", []):
            walk(part, path)
        if isinstance(node.get("items"), dict):
            walk(node["items"], f"{path}[]")

    schema = load_schema()
    walk(schema, "report")
    for name, definition in schema["$defs"].items():
        walk(definition, name)


def test_a_written_report_reads_back_equal_and_writes_the_same_bytes(
    report: dict[str, Any], tmp_path: Path
) -> None:
    report["scores"]["re"]["mean"] = 0.1 + 0.2
    report["labels"]["0"] = "\u202eéвil \x1b[31m\x7f\x85\ud800 猫 \U000e0001"
    write_json(report, tmp_path / "a.json")
    read = read_result(tmp_path / "a.json").content
    assert read == report
    assert list(read) == list(report)
    write_json(read, tmp_path / "b.json")
    written = (tmp_path / "a.json").read_bytes()
    assert (tmp_path / "b.json").read_bytes() == written
    text = written.decode("utf-8")
    assert "0.30000000000000004" in text
    assert "éвil" in text
    assert "\x1b" not in text
    assert not re.search("[\x7f-\x9f\u202e\U000e0001]", text)


def test_a_label_map_takes_one_line_per_row(report: dict[str, Any], tmp_path: Path) -> None:
    write_json(report, tmp_path / "report.json")
    lines = (tmp_path / "report.json").read_text(encoding="utf-8").splitlines()
    row = json.dumps(report["planes"][0]["label_map"][0])
    assert any(line.strip().rstrip(",") == row for line in lines)


def test_labels_in_arrays_are_written_as_lists_are_and_kept_as_arrays(
    report: dict[str, Any],
) -> None:
    plane = report["planes"][0]
    labels = np.array(plane["label_map"], dtype=np.uint16)
    held = result_of(report | {"planes": [plane | {"label_map": labels}, *report["planes"][1:]]})
    assert report_bytes(held.content) == report_bytes(report)
    assert held.content["planes"][0]["label_map"] is labels
    assert held.planes[0].grid is not None
    assert held.planes[0].grid.labels.tolist() == plane["label_map"]


def test_scores_recompute_from_a_written_report(report: dict[str, Any], tmp_path: Path) -> None:
    write_json(report, tmp_path / "report.json")
    read = read_result(tmp_path / "report.json").content
    settings, again = read["settings"], []
    for plane in read["planes"]:
        scored = score_plane(
            np.array(plane["label_map"]),
            np.array(plane["nodes"]),
            plane["triplet_classes"],
            len(plane["shares"]),
            settings["alpha"],
            settings["ats_threshold"],
        )
        again.append(scored)
        for name in ("re", "ats", "ats_by_label"):
            assert getattr(scored, name) == pytest.approx(plane[name], abs=1e-12)
        assert scored.shares == pytest.approx(plane["shares"], abs=1e-12)
    for name in ("re", "ats", "ats_by_label"):
        mean = mean_over_planes([getattr(scored, name) for scored in again])
        assert mean.mean == pytest.approx(read["scores"][name]["mean"], abs=1e-12)


def _text_of(path: str, encoding: str) -> io.StringIO:
    return io.StringIO(Path(path).read_text(encoding=encoding))


def test_the_documented_recipe_works(
    report: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    page = Path(report_package.__file__).with_name("README.md").read_text(encoding="utf-8")
    recipe = page.partition("```python\n")[2].partition("```")[0]
    # The recipe leaves closing the file to the interpreter, which is a warning here.
    write_json(report, Path("report.json"))
    exec(recipe, {"open": _text_of})
    report["planes"][-1]["ats"] += 1e-6
    write_json(report, Path("report.json"))
    with pytest.raises(AssertionError):
        exec(recipe, {"open": _text_of})


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_lacks_are_refused_and_leave_the_old_file(
    report: dict[str, Any], tmp_path: Path, value: float
) -> None:
    path = tmp_path / "report.json"
    path.write_text("old", encoding="utf-8")
    report["scores"]["re"]["mean"] = value
    with pytest.raises(ValueError, match="JSON"):
        write_json(report, path)
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_keys_must_be_strings(report: dict[str, Any], tmp_path: Path) -> None:
    report["labels"][3] = "Dress"
    with pytest.raises(TypeError, match="3"):
        write_json(report, tmp_path / "report.json")


def test_a_failed_write_leaves_no_temporary_file(
    report: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.json"
    path.write_text("old", encoding="utf-8")

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_json(report, path)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_text(encoding="utf-8") == "old"


def test_a_missing_folder_is_not_made(report: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_json(report, tmp_path / "absent" / "report.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "damaged"),
        ('{"schema_version": "1.0"', "damaged"),
        ("[]", "no schema_version"),
        ("{}", "no schema_version"),
        ('{"schema_version": 1}', "no schema_version"),
        ('{"schema_version": "2.0"}', "version '2.0'"),
        ('{"schema_version": "1.0", "a": NaN}', "NaN"),
        ('{"schema_version": "1.0", "a": 1e999}', "out of range"),
        ('{"schema_version": "1.0", "a": 1, "a": 2}', "twice"),
        ('{"schema_version": "1.0", "a": ' + "9" * 5000 + "}", "damaged"),
        ("[" * 100_000, "damaged"),
    ],
)
def test_reading_refuses_what_is_no_report(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "report.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(AuditError, match=message):
        read_result(path)


def test_reading_refuses_missing_binary_and_folder(tmp_path: Path) -> None:
    with pytest.raises(AuditError, match="no report at"):
        read_result(tmp_path / "report.json")
    with pytest.raises(AuditError, match="cannot be read"):
        read_result(tmp_path)
    (tmp_path / "b.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(AuditError, match="cannot be read"):
        read_result(tmp_path / "b.json")


def test_a_newer_minor_version_is_read(report: dict[str, Any], tmp_path: Path) -> None:
    report |= {"schema_version": "1.7", "new": 1, "verdict": "doubtful"}
    report["planes"][0]["new"] = {"a": [1]}
    write_json(report, tmp_path / "r.json")
    read = read_result(tmp_path / "r.json")
    assert read.schema_version == "1.7"
    assert read.content["new"] == 1
    write_json(read.content, tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "r.json").read_bytes()


def test_a_report_of_the_first_versions_is_read(report: dict[str, Any]) -> None:
    for key in ("trigger", "trust", "not_asked"):
        del report[key]
    for part, key in (("canaries", "low"), ("settings", "sampler"), ("queries", "by_status")):
        del report[part][key]
    read = result_of(report)
    assert (read.trigger, read.trust, read.not_asked) == (None, None, None)
    assert read.settings.sampler == "paper", "there was no other"
    assert read.queries.by_status == {}


WRONG: list[tuple[str, object, str]] = [
    ("verdict", None, "verdict"),
    ("partial", "no", "partial"),
    ("queries.sent", 1.5, "queries.sent"),
    ("queries.by_probe.plane", "many", "queries.by_probe.plane"),
    ("planes.0.label_map.1", [0, True], "planes.0.label_map.1.1"),
    ("planes.0.label_map.1", [0], "planes.0"),
    ("planes.0.label_map", None, "planes.0"),
    ("planes.0.triplet_classes", [1, 2], "planes.0.triplet_classes.2"),
    ("planes.0.points", {"at": [], "labels": [1]}, "planes.0"),
    ("trigger.best.place", "\x1b[31m", "trigger.best.place"),
    ("labels.0", 3, "labels.0"),
]


@pytest.mark.parametrize(("path", "value", "place"), WRONG)
def test_a_report_of_another_shape_is_one_sentence(
    report: dict[str, Any], path: str, value: object, place: str
) -> None:
    _set(report, path, value)
    with pytest.raises(AuditError) as raised:
        result_of(report, "r.json")
    said = str(raised.value)
    assert said.startswith(f"r.json is not a report as this version reads it: {place} is not as ")
    assert said.isprintable()
    assert len(said) < 300


def test_a_missing_part_is_named(report: dict[str, Any]) -> None:
    del report["timing"]["started"]
    with pytest.raises(AuditError, match=r"timing\.started is not as .* \(field required\)"):
        result_of(report)


def test_a_result_of_our_own_holds_no_key_that_its_schema_lacks(report: dict[str, Any]) -> None:
    assert Result.of(report).content is report
    report["planes"][0]["new"] = 1
    with pytest.raises(ValueError, match=r"planes\.0\.new"):
        Result.of(report)


def test_the_shipped_schema_is_the_one_of_the_typed_result() -> None:
    source = resources.files("auditor.report") / SCHEMA_FILE
    assert source.read_text(encoding="utf-8") == schema_text(), (
        "write it again: python -m auditor.report.result.schema"
    )


REPORTS = sorted((Path(__file__).parents[2] / "data" / "bundles_0_1").glob("*/report.json"))


@pytest.mark.parametrize("path", REPORTS, ids=[path.parent.name for path in REPORTS])
def test_reports_of_release_0_1_are_read_and_written_again_to_the_byte(
    path: Path, validator: Any
) -> None:
    read = read_result(path)
    validator.validate(read.content)
    assert report_bytes(read.content) == path.read_bytes()
    assert Result.of(read.content) == read
    asked = {type(plane.asked) for plane in read.planes}
    assert asked == {GridLabels if read.settings.sampler == "paper" else PointLabels}


def test_checking_a_large_report_costs_no_more_than_a_few_parses(make_report: MakeReport) -> None:
    data = report_bytes(make_report("no-evidence", planes=20, density=100))
    started = time.process_time()
    content = json.loads(data)
    parsed = time.process_time()
    result_of(content)
    # Ten times as long is allowed to a busy machine; each label in Python would take fifty.
    assert time.process_time() - parsed < 10 * (parsed - started)
