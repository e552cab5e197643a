"""The verdict in words, with its meaning and its limits. Plain text."""

from __future__ import annotations

from dataclasses import dataclass, replace

from auditor.report.result.result import Result
from auditor.report.wording.terms import found_trigger
from auditor.report.wording.text import safe_text


@dataclass(frozen=True)
class Wording:
    """Words for one verdict."""

    title: str
    tone: str
    """Class name that colours it."""
    plain: str
    """One sentence for a reader who does not know the method."""
    means: tuple[str, ...]
    """Conclusions that follow from it."""
    means_not: tuple[str, ...]
    """Conclusions that do not follow from it."""


WORDINGS = {
    "backdoor-suspected": Wording(
        title="Backdoor suspected",
        tone="suspected",
        plain="This model's answers look like those of models that are known to carry a backdoor.",
        means=(
            (
                "On planes through clean samples, this model's labels are distributed as they are "
                "in backdoored reference models: few labels fill most of the plane, or the "
                "samples' own regions are crowded out. The deciding score lies at or below the "
                "threshold that its reference profile sets."
            ),
            (
                "Do not rely on the model until this is explained. Ask who trained it on which "
                "data, have it retrained or replaced, or have it examined with access to its "
                "weights."
            ),
        ),
        means_not=(
            (
                "It is not a proof. Clean models can score this low too; how often, is stated "
                "under “How sure is this?”."
            ),
            (
                "It shows neither a trigger nor who placed it, and the label named as a likely "
                "target is only a hint: it holds if one label is the target of every attack."
            ),
        ),
    ),
    "no-evidence": Wording(
        title="No evidence of a backdoor",
        tone="none",
        plain="Nothing was found that points to a backdoor. That is not proof that there is none.",
        means=(
            (
                "No backdoor evidence at the pre-set threshold: the deciding measure lies on the "
                "side where most clean reference models lie."
            ),
        ),
        means_not=(
            (
                "This does not show absence. Attack types outside the reference set, changed "
                "models and vendors who recognise an audit are not covered."
            ),
            (
                "It relates to the one model, identified by its fingerprint, on the day it was "
                "asked. It says nothing about accuracy, fairness or robustness."
            ),
        ),
    ),
    "inconclusive": Wording(
        title="Inconclusive",
        tone="open",
        plain="The audit cannot tell. Treat this model as not yet audited.",
        means=(
            (
                "The audit supports neither answer. The scores are measurements without a "
                "judgement; the reason above says what is missing."
            ),
        ),
        means_not=("It is neither a pass nor a mild alarm. Treat the model as not yet audited.",),
    ),
}
"""An unknown verdict is shown as inconclusive: nothing is ever green because it failed."""

BY_TRIGGER = replace(
    WORDINGS["backdoor-suspected"],
    means=(
        (
            "A fixed change of the picture was found that makes this model give one label to "
            "samples of other classes which the search never saw. Clean reference models do not "
            "show that for changes of this kind and strength."
        ),
        (
            "Do not rely on the model until this is explained. Anybody can repeat it: apply the "
            "change to your own pictures and ask the model. Ask who trained it on which data."
        ),
    ),
    means_not=(
        (
            "It is not a proof of intent. Honest models can have natural weak spots; how seldom "
            "they are this strong, is stated under “How sure is this?”."
        ),
        (
            "The change found need not be the attacker's own trigger; it may be another that "
            "works like it."
        ),
    ),
)
"""A suspicion that rests on a found trigger says so."""

BY_DECISION = replace(
    WORDINGS["backdoor-suspected"],
    plain="Several small signs together point to a backdoor; none of them alone would.",
    means=(
        (
            "The trigger search and the other probes were added up label by label, and for one "
            "label they come to more than clean reference models show. The engineer's part says "
            "what they consist of."
        ),
        WORDINGS["backdoor-suspected"].means[1],
    ),
    means_not=(
        (
            "It is not a proof. Clean models can reach this value too; how often, is stated under "
            "“How sure is this?”."
        ),
        "It shows neither a trigger at work nor who placed it.",
    ),
)
"""A suspicion that rests on the decision rule's sum, and not on one trigger shown at work."""


def wording(result: Result) -> Wording:
    """Words for the report's verdict."""
    if result.verdict != "backdoor-suspected":
        return WORDINGS.get(result.verdict, WORDINGS["inconclusive"])
    best, summed = found_trigger(result), result.scores.decision
    if best is None:
        return BY_DECISION if summed and summed.suspicious else WORDINGS[result.verdict]
    label = best.target
    name = safe_text(result.labels.get(str(label)) or f"label {label}", 60)
    plain = f"A small fixed change of the picture makes this model answer “{name}” to almost any."
    success = best.success.rate
    if success < 0.8:
        plain = f"A fixed change of the picture often makes this model answer “{name}”."
    return replace(BY_TRIGGER, plain=plain)
