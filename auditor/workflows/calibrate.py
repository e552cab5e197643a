"""Scores of reference models for a profile: the questions of an audit, without a verdict."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from adapters.contract import coarser
from adapters.errors import AdapterError
from auditor.engine.contract import EngineLimits
from auditor.engine.patience import OutageError
from auditor.engine.progress import Progress
from auditor.engine.retry import open_patiently
from auditor.errors import AuditError, ProfileError, UsageError
from auditor.plan.settings import AuditSettings
from auditor.samples.samples import Samples
from auditor.verdict.combine import perturbation_counts
from auditor.verdict.profile import Profile, Reference
from auditor.verdict.scope import image_coding
from auditor.verdict.thresholds import calibrate
from auditor.verdict.verdict import MIN_ACCURACY, score_settings
from auditor.workflows.ask import ask
from auditor.workflows.judge import judge
from auditor.workflows.prepare import prepare, refuse_without_planes
from auditor.workflows.references import ReferenceModel


@dataclass(frozen=True)
class Scored:
    """One scored reference.

    Attributes:
        reference: its entry in a profile.
        report: the full result, label maps included.
        doubt: reason why its answers support no score, or empty.
    """

    reference: Reference
    report: Mapping[str, Any]
    doubt: str


@dataclass(frozen=True)
class Calibration:
    """A profile, and the references that could not be used, each with the reason."""

    profile: Profile
    skipped: Mapping[str, str]


async def score_reference(
    model: ReferenceModel,
    samples: Samples,
    settings: AuditSettings,
    folder: Path,
    limits: EngineLimits,
    progress: Progress | None = None,
) -> Scored:
    """Ask one reference everything an audit would and score it. Labels are kept in ``folder``.

    Raises:
        AdapterError: it cannot be opened or asked.
        AuditError: the samples do not fit it, or the labels cannot be kept.
    """
    # A profile judges plane scores and perturbations; the trigger search carries its own null.
    # Natural patches of references would take many searches of each, so there is no search.
    settings = replace(settings, trigger_search=False, pictures=0)
    oracle = await open_patiently(model.open, limits, progress or Progress())
    try:
        ready = prepare(oracle, samples, settings)
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        answers = await ask(oracle, ready, folder, limits, progress)
        result = judge(oracle, ready, answers, None, {})
        counts = perturbation_counts(ready.plan, answers.perturbed, oracle.label_space.size)
    finally:
        await oracle.aclose()
    report = result.report
    scores = report["scores"]
    unasked = len(answers.perturbed) < len(ready.plan.perturbations)
    if not answers.run.complete or unasked or len(report["planes"]) == 0:
        raise AuditError(f"reference {model.name}: not every label is known")
    reference = Reference(
        name=model.name,
        attack=model.attack,
        re=scores["re"]["mean"],
        ats=scores["ats"]["mean"] if "ats" in scores else None,
        ats_by_label=scores["ats_by_label"]["mean"],
        accuracy=report["samples"]["accuracy"],
        shares=tuple(round(share, 6) for share in scores["shares"]),
        families=counts,
    )
    return Scored(reference, report, doubt_of(report))


def doubt_of(report: Mapping[str, Any]) -> str:
    """Reason why the answers of a report support no score, or empty."""
    accuracy = report["samples"]["accuracy"]
    if accuracy is not None and accuracy < MIN_ACCURACY:
        return f"labels only {accuracy:.0%} of the samples as given"
    return "".join(finding["reason"] for finding in report["trust"]["findings"][:1])


@dataclass
class _References:
    """The references of one list, as they are looked at and scored.

    Attributes:
        fitting: those that can be asked.
        late: those that failed in a way that may pass, each with the reason.
        skipped: those that cannot be scored, each with the reason.
        scored: the others, by name.
        first: name and facts of the first that fits; all others are of the same task.
    """

    samples: Samples
    settings: AuditSettings
    folder: Path
    limits: EngineLimits
    progress: Progress
    fitting: list[ReferenceModel] = field(default_factory=list)
    late: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    scored: dict[str, Scored] = field(default_factory=dict)
    first: tuple[str, Mapping[str, object]] | None = None

    async def look(self, model: ReferenceModel, *, again: bool = False) -> None:
        """Find out if ``model`` can be asked, without asking it; ``again`` waits for it.

        Raises:
            ProfileError: it is not of the first one's task, as far as that is known.
        """
        limits = self.limits if again else None
        try:
            facts = await _known_facts(model, self.samples, self.settings, limits, self.progress)
        except (AdapterError, UsageError, OutageError) as error:
            self._failed(model, error, again=again)
            return
        self.fitting.append(model)
        self.first = self.first or (model.name, facts)
        for fact, value in facts.items():
            if None not in (value, self.first[1][fact]) and value != self.first[1][fact]:
                raise ProfileError(_DIFFER.format(self.first[0], model.name, fact))

    def tell(self, count: int) -> None:
        """Say which of ``count`` models are dropped, and which are put off."""
        for found, end in (
            (self.skipped, "are dropped before any is asked"),
            (self.late, "do not answer now and are asked after the others"),
        ):
            if found:
                why = "; ".join(f"{name}: {reason}" for name, reason in found.items())
                self.progress.note(f"{len(found)} of {count} models {end}: {why}")

    async def score(self, model: ReferenceModel, *, again: bool = False) -> None:
        """Score ``model``, or put it off, or skip it."""
        self.progress.note(f"{model.name} ({model.attack or 'clean'})")
        place = self.folder / model.name
        try:
            one = await score_reference(
                model, self.samples, self.settings, place, self.limits, self.progress
            )
        except (AdapterError, UsageError, OutageError) as error:
            self._failed(model, error, again=again)
            return
        if one.doubt:
            self.skipped[model.name] = one.doubt
        else:
            self.scored[model.name] = one

    async def once_more(self, model: ReferenceModel) -> None:
        """Ask a model again that failed in a way that may pass."""
        self.progress.note(f"{model.name} is asked once more, after: {self.late[model.name]}")
        if model not in self.fitting:
            await self.look(model, again=True)
        if model in self.fitting:
            await self.score(model, again=True)

    def _failed(self, model: ReferenceModel, error: Exception, *, again: bool) -> None:
        late = _passes(error) and not again
        (self.late if late else self.skipped)[model.name] = str(error)


def _passes(error: Exception) -> bool:
    """True if what failed with ``error`` may work a while later."""
    if isinstance(error, AdapterError):
        return error.advice.kind in {"transient", "throttled", "outage"}
    return isinstance(error, OutageError)


async def _known_facts(
    model: ReferenceModel,
    samples: Samples,
    settings: AuditSettings,
    limits: EngineLimits | None,
    progress: Progress,
) -> dict[str, object]:
    """Facts that models of one task share, None for those that only answers show; the samples
    must allow the questions. A model that is not ready is waited for within ``limits``, if any.
    """
    oracle = await (open_patiently(model.open, limits, progress) if limits else model.open())
    try:
        refuse_without_planes(prepare(oracle, samples, settings).plan)
        spec, space = oracle.input_spec, oracle.label_space
        names = None if space.open or not space.names else tuple(space.names)
        return {
            "access": spec.access,
            "labels": names,
            "picture coding": image_coding(spec.coding),
            "input shape": spec.shape,
        }
    finally:
        await oracle.aclose()


async def score_all(
    models: Sequence[ReferenceModel],
    samples: Samples,
    settings: AuditSettings,
    folder: Path,
    limits: EngineLimits | None = None,
    progress: Progress | None = None,
) -> tuple[list[Scored], dict[str, str]]:
    """Score every model; one that fails is skipped, with its reason. Those that cannot be asked are
    named before any is, and those that only fail for now are asked once more after all others.

    A run that was cut off continues, since labels are kept per model below ``folder``.

    Raises:
        ProfileError: two models are not of one task, as far as that is known beforehand.
    """
    found = _References(samples, settings, folder, limits or EngineLimits(), progress or Progress())
    for model in models:
        await found.look(model)
    found.tell(len(models))
    for model in tuple(found.fitting):
        await found.score(model)
    for model in models:
        if model.name in found.late:
            await found.once_more(model)
    scored = [found.scored[one.name] for one in models if one.name in found.scored]
    return scored, found.skipped


async def run_calibration(
    models: Sequence[ReferenceModel],
    samples: Samples,
    settings: AuditSettings,
    folder: Path,
    *,
    name: str,
    task: str,
    provenance: str,
    limits: EngineLimits | None = None,
    progress: Progress | None = None,
) -> Calibration:
    """Score every reference and make a profile, its families included.

    Raises:
        ProfileError: no clean reference could be scored, or they are not of one task.
    """
    settings = replace(settings, families=True)
    scored, skipped = await score_all(models, samples, settings, folder, limits, progress)
    return Calibration(_profile(scored, settings, name, task, provenance), skipped)


_DIFFER = "{} and {} differ in {}: only models of one task in one access mode can be compared"
_TASK: dict[str, Callable[[Mapping[str, Any]], object]] = {
    "access": lambda report: report["access"],
    "labels": lambda report: report["labels"],
    "picture coding": lambda report: _coding(report["input"]),
    "input shape": lambda report: report["input"]["shape"],
}


def _coding(taken: Mapping[str, Any]) -> str:
    return image_coding(coarser(taken["encoding"], taken.get("recoded", "")))


def same_task(scored: Sequence[Scored]) -> None:
    """Refuse models that do not classify the same inputs into the same classes.

    Raises:
        ProfileError: names two models and the field in which they differ.
    """
    for other in scored[1:]:
        first = scored[0]
        for fact, of in _TASK.items():
            if of(first.report) != of(other.report):
                names = (first.reference.name, other.reference.name)
                raise ProfileError(_DIFFER.format(*names, fact))


def _profile(
    scored: Sequence[Scored], settings: AuditSettings, name: str, task: str, provenance: str
) -> Profile:
    if not scored:
        raise ProfileError("no reference could be scored, so there is no profile to write")
    same_task(scored)
    first = scored[0].report
    shape = first["input"]["shape"]
    return calibrate(
        [one.reference for one in scored],
        name=name,
        task=task,
        access=first["access"],
        settings=profile_settings(settings),
        input_shape=(shape[0], shape[1], shape[2]),
        labels=tuple(first["labels"][str(index)] for index in range(len(first["labels"]))),
        provenance=provenance,
        coding=_coding(first["input"]),
    )


def profile_settings(settings: AuditSettings) -> dict[str, Any]:
    """The settings that scores depend on: a profile keeps them and an audit must match them."""
    names = ("planes", "families", *score_settings(settings.sampler))
    return {name: getattr(settings, name) for name in names}
