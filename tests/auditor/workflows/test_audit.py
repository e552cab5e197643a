"""Whole audits of a classifier whose regions are known."""

from __future__ import annotations

import asyncio
import dataclasses
import importlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from adapters.contract import LabelSpace
from adapters.synthetic import SyntheticOracle, nearest_prototype, synthetic_prototypes
from auditor.engine.contract import EngineLimits
from auditor.engine.engine import QueryEngine
from auditor.engine.progress import Progress
from auditor.errors import AuditError, ExitCode, ProfileError, SamplesError, UsageError
from auditor.plan.settings import AuditSettings
from auditor.probes.plane import PlaneProbe
from auditor.report.json_report import load_schema, result_of
from auditor.report.wording.reasons import sentences
from auditor.samples.samples import Samples
from auditor.scores.intervals import binomial_rate
from auditor.scores.planes import score_plane, score_points
from auditor.verdict.profile import Profile, Threshold
from auditor.workflows.audit import run_audit
from auditor.workflows.compare.diff import compare_results
from auditor.workflows.judge import AuditResult
from auditor.workflows.prepare import prepare
from auditor.workflows.request import AuditRequest
from auditor.workflows.targets import located
from auditor.workflows.verify.verify import verify_bundle

MakeOracle = Callable[..., SyntheticOracle]


def profile_for(settings: AuditSettings, threshold: float) -> Profile:
    return Profile(
        name="here",
        status="calibrated",
        task="prototypes",
        access="float",
        settings={
            name: getattr(settings, name)
            for name in ("sampler", "points", "expansion", "alpha", "ats_threshold")
        },
        input_shape=(1, 4, 4),
        labels=tuple("01234"),
        decides_by="re",
        thresholds={"re": Threshold(threshold, threshold, threshold)},
        error_rates={
            "false_positive": binomial_rate(0, 20),
            "false_negative": binomial_rate(0, 20),
        },
    )


@pytest.fixture
def audited(
    samples: Samples, settings: AuditSettings, tmp_path: Path
) -> Callable[..., AuditResult]:
    """Runs an audit, ``(oracle, profile=, limits=, folder=)``."""

    def run(oracle: SyntheticOracle, folder: str = "out", **rest: Any) -> AuditResult:
        on_start = rest.pop("on_start", None)
        request = AuditRequest(located(oracle), samples, settings, tmp_path / folder, **rest)
        return asyncio.run(run_audit(request, on_start))

    return run


def without_timing(path: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((path / "report.json").read_text(encoding="utf-8"))
    assert set(report.pop("timing")) == {"started", "finished", "seconds", "queries_per_second"}
    return report


def test_one_plan_gives_one_report(
    audited: Callable[..., AuditResult], make_oracle: MakeOracle, tmp_path: Path
) -> None:
    audited(make_oracle(), "one")
    audited(make_oracle(), "two")
    one, two = without_timing(tmp_path / "one"), without_timing(tmp_path / "two")
    assert json.dumps(one) == json.dumps(two)
    plans = [(tmp_path / name / "plan.json").read_bytes() for name in ("one", "two")]
    assert plans[0] == plans[1]


class Heard(Progress):
    """Keeps what is noted."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def note(self, text: str) -> None:
        self.said.append(text)


def test_a_folder_that_holds_another_models_audit_is_named_before_its_report_is_replaced(
    audited: Callable[..., AuditResult], make_oracle: MakeOracle
) -> None:
    def notes(access: str) -> list[str]:
        heard = Heard()
        audited(make_oracle(access), progress=heard)
        return [line for line in heard.said if "another --output keeps both" in line]

    assert not notes("float")
    assert not notes("float")
    assert len(notes("image")) == 1
    assert len(notes("float")) == 1


@pytest.mark.parametrize("access", ["float", "image"])
def test_the_report_fits_its_schema(
    audited: Callable[..., AuditResult], make_oracle: MakeOracle, tmp_path: Path, access: str
) -> None:
    result = audited(make_oracle(access))
    written = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    # Not imported above: it takes two seconds, and every worker reads this file.
    importlib.import_module("jsonschema").Draft202012Validator(load_schema()).validate(written)
    assert written == json.loads(json.dumps(result.report))
    assert written["access"] == access
    assert (
        (tmp_path / "out" / "report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html")
    )


def test_points_and_scores_are_those_of_the_known_regions(
    audited: Callable[..., AuditResult],
    make_oracle: MakeOracle,
    samples: Samples,
    settings: AuditSettings,
) -> None:
    report = audited(make_oracle()).report
    plan = prepare(make_oracle(), samples, settings).plan
    label_of = nearest_prototype(synthetic_prototypes(1, 5, (1, 4, 4)))
    for number, part in enumerate(report["planes"]):
        labels = label_of(plan.planes[number].inputs(np.arange(16)))
        assert (part["points"]["labels"], part["label_map"]) == (labels.tolist(), None)
        score = score_points(labels, part["triplet_classes"], 5, 10.0, 0.5)
        assert (part["re"], part["ats_by_label"]) == (score.re, score.ats_by_label)
        assert part["triplet"] == [samples.refs[index] for index in plan.triplets[number]]
    assert len(report["planes"]) == settings.planes
    check_what_the_scores_give(report)


def test_the_papers_maps_and_scores_are_those_of_the_known_regions(
    make_oracle: MakeOracle, samples: Samples, tmp_path: Path
) -> None:
    settings = AuditSettings.paper(planes=4, density=8, canaries=10)
    request = AuditRequest(located(make_oracle()), samples, settings, tmp_path)
    report = asyncio.run(run_audit(request)).report
    plan = prepare(make_oracle(), samples, settings).plan
    label_of = nearest_prototype(synthetic_prototypes(1, 5, (1, 4, 4)))
    for number, part in enumerate(report["planes"]):
        probe = plan.planes[number]
        assert isinstance(probe, PlaneProbe)
        expected = label_of(probe.inputs(np.arange(probe.size))).reshape(8, 8)
        assert part["label_map"] == expected.tolist()
        score = score_plane(expected, probe.nodes(), part["triplet_classes"], 5, 10.0, 0.5)
        assert (part["re"], part["ats"], part["ats_by_label"]) == (
            score.re,
            score.ats,
            score.ats_by_label,
        )
        assert part["triplet"] == [samples.refs[index] for index in plan.triplets[number]]
    check_what_the_scores_give(report)


def check_what_the_scores_give(report: dict[str, Any]) -> None:
    """Of the classifier whose regions are known."""
    mean = np.mean([part["re"] for part in report["planes"]])
    assert report["scores"]["re"]["mean"] == pytest.approx(mean, abs=1e-12)
    shares = np.mean([part["shares"] for part in report["planes"]], axis=0)
    assert report["target_label"] == int(shares.argmax())
    assert report["samples"]["accuracy"] == 1.0
    assert report["samples"]["wrong"] == []
    assert report["canaries"] == {
        "asked": 10,
        "flipped": 0,
        "rate": 0.0,
        "low": 0.0,
        "high": pytest.approx(0.308, abs=1e-3),
    }


def test_the_plan_is_on_disk_before_the_first_query(
    make_oracle: MakeOracle, samples: Samples, settings: AuditSettings, tmp_path: Path
) -> None:
    seen: list[str] = []
    honest = nearest_prototype(synthetic_prototypes(1, 5, (1, 4, 4)))

    def spying(batch: NDArray[np.float32]) -> NDArray[np.int64]:
        seen.append((tmp_path / "plan.json").read_text(encoding="utf-8"))
        labels: NDArray[np.int64] = honest(batch)
        return labels

    oracle = make_oracle(labels_of=spying)
    result = asyncio.run(run_audit(AuditRequest(located(oracle), samples, settings, tmp_path)))
    plan = json.loads(seen[0])
    assert plan["plan_digest"] == result.report["plan_digest"]
    assert plan["samples_digest"] == samples.digest
    assert plan["settings"] == dataclasses.asdict(settings)
    assert len(plan["triplets"]) == settings.planes
    assert set(np.ravel(plan["triplets"])) <= set(samples.refs)


def test_a_second_run_asks_nothing_and_reports_the_same_labels(
    audited: Callable[..., AuditResult], make_oracle: MakeOracle
) -> None:
    first = audited(make_oracle()).report
    again = make_oracle()
    second = audited(again).report
    assert again.wire.requests == 0
    assert second["planes"] == first["planes"]
    assert second["queries"]["sent"] == 0
    assert second["queries"]["cached"] == first["queries"]["planned"]
    assert second["canaries"] == first["canaries"]


@pytest.mark.parametrize(
    ("threshold", "verdict", "code"),
    [
        (0.0, "no-evidence", ExitCode.NO_EVIDENCE),
        (9.0, "backdoor-suspected", ExitCode.BACKDOOR_SUSPECTED),
    ],
)
def test_a_profile_decides(
    audited: Callable[..., AuditResult],
    make_oracle: MakeOracle,
    settings: AuditSettings,
    threshold: float,
    verdict: str,
    code: ExitCode,
) -> None:
    result = audited(make_oracle(), profile=profile_for(settings, threshold))
    assert (result.verdict.name, result.verdict.exit_code) == (verdict, code)
    assert result.report["verdict"] == verdict
    assert result.report["profile"]["name"] == "here"


def test_without_a_profile_there_are_scores_and_no_verdict(
    audited: Callable[..., AuditResult], make_oracle: MakeOracle
) -> None:
    result = audited(make_oracle())
    assert result.verdict.name == "inconclusive"
    assert result.report["profile"] is None
    assert set(result.report["scores"]) == {"re", "ats_by_label", "shares", "decision"}
    assert result.report["scores"]["decision"] is None  # 20 samples allow no trigger search


Flaw = Callable[[NDArray[np.int64], int], NDArray[np.int64]]
FLAWS: dict[str, tuple[Flaw, str]] = {
    "one label": (lambda labels, _: labels * 0, "one and the same label"),
    "classes mixed up": (lambda labels, _: (labels + 1) % 5, "labels only 0% of the"),
    "drift": (lambda labels, asked: (labels + (asked > 200)) % 5, "inputs got another label"),
}


@pytest.mark.parametrize("threshold", [0.0, 9.0])
@pytest.mark.parametrize("flaw", FLAWS)
def test_a_flawed_target_is_never_cleared_nor_accused(
    audited: Callable[..., AuditResult],
    make_oracle: MakeOracle,
    settings: AuditSettings,
    flaw: str,
    threshold: float,
) -> None:
    honest = nearest_prototype(synthetic_prototypes(1, 5, (1, 4, 4)))
    asked = [0]

    def flawed(batch: NDArray[np.float32]) -> NDArray[np.int64]:
        asked[0] += len(batch)
        return FLAWS[flaw][0](honest(batch), asked[0])

    result = audited(make_oracle(labels_of=flawed), profile=profile_for(settings, threshold))
    assert result.verdict.exit_code is ExitCode.INCONCLUSIVE
    assert FLAWS[flaw][1] in result.report["verdict_reason"]


def test_a_rare_flip_is_looked_at_again_and_a_replay_judges_the_same(
    audited: Callable[..., AuditResult], make_oracle: MakeOracle, settings: AuditSettings
) -> None:
    """One repeat of ten flips: the second look tells whether that was all."""
    honest = nearest_prototype(synthetic_prototypes(1, 5, (1, 4, 4)))

    def unsteady(share: float) -> SyntheticOracle:
        rng = np.random.default_rng(2)

        def labels_of(batch: NDArray[np.float32]) -> NDArray[np.int64]:
            labels = honest(batch)
            return np.where(rng.random(len(labels)) < share, (labels + 1) % 5, labels)

        return make_oracle(labels_of=labels_of, max_batch=16)

    judged_by = profile_for(settings, 0.0)
    result = audited(unsteady(0.05), profile=judged_by)
    asked = result.report["canaries"]["asked"]
    assert asked > 10  # more than the ten repeats of the plan
    assert result.verdict.exit_code is ExitCode.INCONCLUSIVE
    assert f"of {asked} inputs got another label" in sentences(result.verdict.reasons)
    assert [f["code"] for f in result.report["trust"]["findings"]] == ["unsteady"]
    again = audited(unsteady(0.0), profile=judged_by)  # all from the store
    assert again.report["queries"]["sent"] == 0
    assert again.verdict == result.verdict


class Signed(SyntheticOracle):
    """Says a version with its answers, another one from call ``change`` on."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.change, self.server_identity = 10, {"header server": "one"}
        self.status, self.addresses = "200", ("192.0.2.1",)

    def identity(self) -> dict[str, Any]:
        return {"url": "http://host.invalid"}

    async def predict_labels(self, batch: NDArray[np.float32]) -> NDArray[np.int64]:
        labels = await super().predict_labels(batch)
        if self.wire.requests > self.change:
            self.server_identity = {"header server": "two"}
        return labels


@pytest.mark.parametrize("threshold", [0.0, 9.0])
def test_another_sender_in_the_middle_ends_the_audit_with_that_reason(
    audited: Callable[..., AuditResult],
    make_oracle: MakeOracle,
    settings: AuditSettings,
    threshold: float,
) -> None:
    plain = make_oracle()
    oracle = Signed(
        nearest_prototype(synthetic_prototypes(1, 5, (1, 4, 4))),
        plain.input_spec,
        plain.label_space.names,
        max_batch=8,
    )
    result = audited(
        oracle, profile=profile_for(settings, threshold), limits=EngineLimits(concurrency=1)
    )
    assert result.verdict.exit_code is ExitCode.INCONCLUSIVE
    assert "header server was one and became two" in sentences(result.verdict.reasons)
    assert result.report["trust"]["senders"] == {"header server": ["one", "two"]}
    assert oracle.wire.requests == 11  # nothing was spent after it


@pytest.mark.parametrize("threshold", [0.0, 9.0])
def test_a_spent_budget_is_inconclusive_and_can_be_raised(
    make_oracle: MakeOracle,
    samples: Samples,
    settings: AuditSettings,
    tmp_path: Path,
    threshold: float,
) -> None:
    settings = dataclasses.replace(settings, stop_early=False)  # two rounds of 8 planes
    judged_by = profile_for(settings, threshold)

    def run(folder: str, most: int | None) -> AuditResult:
        limits = EngineLimits(max_queries=most)
        output = tmp_path / folder
        return asyncio.run(
            run_audit(
                AuditRequest(
                    located(make_oracle()),
                    samples,
                    settings,
                    output,
                    profile=judged_by,
                    limits=limits,
                )
            )
        )

    first = run("out", 230)
    assert first.verdict.exit_code is ExitCode.INCONCLUSIVE
    assert "query budget was reached and 8 of 16 planes are complete" in sentences(
        first.verdict.reasons
    )
    assert (first.report["partial"], len(first.report["planes"])) == (True, 8)
    assert first.report["queries"]["sent_all_runs"] <= 230
    second = run("out", 10_000)
    assert second.verdict.name != "inconclusive"
    assert second.report["planes"] == run("whole", None).report["planes"]


def test_an_audit_that_is_stopped_says_so(
    audited: Callable[..., AuditResult], make_oracle: MakeOracle
) -> None:
    result = audited(make_oracle(), on_start=QueryEngine.stop)
    assert result.interrupted
    assert "was interrupted and 0 of 16 planes are complete" in sentences(result.verdict.reasons)
    assert (result.report["planes"], result.report["target_label"]) == ([], None)


def asking_nothing(
    make_oracle: MakeOracle, samples: Samples, settings: AuditSettings, tmp_path: Path, **rest: Any
) -> None:
    oracle = make_oracle()
    try:
        asyncio.run(
            run_audit(AuditRequest(located(oracle), samples, settings, tmp_path / "out", **rest))
        )
    finally:
        assert oracle.wire.requests == 0


def test_a_budget_below_one_plane_is_refused(
    make_oracle: MakeOracle, samples: Samples, settings: AuditSettings, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=r"--max-queries 50 does not pay for the first round"):
        asking_nothing(
            make_oracle, samples, settings, tmp_path, limits=EngineLimits(max_queries=50)
        )


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"access": "image"}, "access"),
        ({"input_shape": (3, 4, 4)}, "input_shape"),
        ({"labels": tuple("43210")}, "labels"),
        ({"settings": {}}, "sampler"),
    ],
)
def test_a_profile_that_does_not_fit_is_refused_before_asking(
    make_oracle: MakeOracle,
    samples: Samples,
    settings: AuditSettings,
    tmp_path: Path,
    changes: dict[str, Any],
    field: str,
) -> None:
    misfit = dataclasses.replace(profile_for(settings, 1.0), **changes)
    with pytest.raises(ProfileError, match=f"its {field} is"):
        asking_nothing(make_oracle, samples, settings, tmp_path, profile=misfit)


def test_samples_of_another_size_are_refused_before_asking(
    make_oracle: MakeOracle, samples: Samples, settings: AuditSettings, tmp_path: Path
) -> None:
    small = dataclasses.replace(samples, images=samples.images[:, :, :3])
    with pytest.raises(SamplesError, match="3x4 and the model takes 1 channel, 4x4"):
        asking_nothing(make_oracle, small, settings, tmp_path)


def test_a_folder_that_cannot_be_written_is_refused_before_asking(
    make_oracle: MakeOracle, samples: Samples, settings: AuditSettings, tmp_path: Path
) -> None:
    (tmp_path / "out").write_text("in the way")
    with pytest.raises(AuditError, match=r"--output .*out cannot be written: File exists"):
        asking_nothing(make_oracle, samples, settings, tmp_path)


def test_a_frugal_audit_scores_scattered_points_and_draws_pictures(
    make_oracle: MakeOracle, samples: Samples, tmp_path: Path
) -> None:
    settings = AuditSettings(planes=10, density=40, pictures=2, canaries=10, trigger_search=False)
    oracle = make_oracle()
    result = asyncio.run(
        run_audit(AuditRequest(located(oracle), samples, settings, tmp_path / "out"))
    )
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    # Not imported above: it takes two seconds, and every worker reads this file.
    importlib.import_module("jsonschema").Draft202012Validator(load_schema()).validate(report)
    assert report == json.loads(json.dumps(result.report))
    plan = prepare(oracle, samples, settings).plan
    label_of = nearest_prototype(synthetic_prototypes(1, 5, (1, 4, 4)))
    for number, part in enumerate(report["planes"]):
        probe = plan.planes[number]
        labels = label_of(probe.inputs(np.arange(16)))
        assert part["points"]["labels"] == labels.tolist()
        again = score_points(labels, part["triplet_classes"], 5, 10.0, 0.5)
        assert (part["re"], part["ats_by_label"]) == (again.re, again.ats_by_label)
        assert (part["label_map"] is None) == (number >= 2)
    assert report["scores"]["re"]["n"] == 10
    assert report["scores"]["ats"]["n"] == 2
    for probe, part in zip(plan.mapped_planes, report["planes"], strict=False):
        dense = label_of(probe.inputs(np.arange(1600))).reshape(40, 40)
        assert (np.array(part["label_map"]) == dense).mean() > 0.98
        asked = [[node == "1" for node in row] for row in part["picture"]["asked"]]
        assert np.sum(asked) == part["picture"]["queries"] <= 400
    by_probe = report["queries"]["by_probe"]
    assert by_probe["plane"] == 160
    assert by_probe["picture"] == sum(p["picture"]["queries"] for p in report["planes"][:2])
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    for part in report["planes"][:2]:
        assert f"{part['picture']['queries']} of 1,600 points asked" in page


def test_a_frugal_audit_continues_where_it_was_cut_off(
    make_oracle: MakeOracle, samples: Samples, tmp_path: Path
) -> None:
    settings = AuditSettings(planes=20, density=30, pictures=1, canaries=5)
    settings = dataclasses.replace(settings, trigger_search=False)

    def run(folder: str, most: int | None) -> dict[str, Any]:
        limits = EngineLimits(max_queries=most)
        ran = run_audit(
            AuditRequest(
                located(make_oracle()), samples, settings, tmp_path / folder, limits=limits
            )
        )
        return asyncio.run(ran).report

    first = run("out", 300)
    assert first["partial"]
    assert 8 <= len(first["planes"]) < 20
    second = run("out", 400)
    assert second["partial"]
    assert (len(second["planes"]), second["planes"][0]["label_map"]) == (20, None)
    third = run("out", None)
    whole = run("whole", None)
    assert not third["partial"]
    assert third["planes"] == whole["planes"]
    total = sum(report["queries"]["sent"] for report in (first, second, third))
    assert total == whole["queries"]["sent"] == third["queries"]["sent_all_runs"]


def test_classes_that_the_model_only_numbers_are_shown_by_the_samples_names(
    make_oracle: MakeOracle,
    samples: Samples,
    settings: AuditSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = ("ant", "bee", "cat", "dog", "elk")
    named = replace(
        samples, classes=tuple(words[int(c)] for c in samples.classes), class_order=words
    )

    def run(most: int | None) -> dict[str, Any]:
        oracle = make_oracle()
        oracle.label_space = LabelSpace(size=5)
        limits = EngineLimits(max_queries=most)
        several = replace(settings, planes=24)
        request = AuditRequest(located(oracle), named, several, tmp_path, limits=limits)
        return asyncio.run(run_audit(request)).report

    with monkeypatch.context() as earlier:  # as versions before showed them
        earlier.setattr("auditor.workflows.prepare.shown_names", lambda *_: ())
        first = run(300)
    assert first["labels"] == {str(n): str(n) for n in range(5)}
    assert verify_bundle(tmp_path).exit_code is ExitCode.NO_EVIDENCE
    second = run(None)
    assert second["labels"] == {str(n): name for n, name in enumerate(words)}
    assert second["samples"]["classes_matched_by"] == "classes.txt"
    assert second["fingerprint"] == first["fingerprint"]
    assert second["queries"]["cached"] == first["queries"]["sent"]
    assert verify_bundle(tmp_path).exit_code is ExitCode.NO_EVIDENCE
    spoiled = compare_results(result_of(first), result_of(second))["spoiled_by"]
    assert not [reason for reason in spoiled if reason.startswith("labels")]
