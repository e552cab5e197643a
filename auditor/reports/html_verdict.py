"""The top of the page: the verdict in words, what it means, and how sure it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from auditor.reports import text
from auditor.reports.html_parts import Html, facts, join, label_name, section, table, tag
from auditor.reports.text import safe_text

SCORE_TITLES = {
    "re": "RE",
    "ats": "ATS",
    "ats_by_label": "ATS by label",
}


@dataclass(frozen=True)
class Wording:
    """How one verdict is said.

    Attributes:
        title: the verdict in words.
        tone: class name that colours it.
        icon: shapes of its icon on a 72 by 72 canvas; each verdict has its own outline.
        means: what follows from it.
        means_not: what does not.
    """

    title: str
    tone: str
    icon: Html
    means: tuple[str, ...]
    means_not: tuple[str, ...]


def _glyph(character: str, y: int) -> Html:
    return tag("text", character, x=36, y=y, text_anchor="middle")


WORDINGS = {
    "backdoor-suspected": Wording(
        title="Backdoor suspected",
        tone="suspected",
        icon=join([tag("path", d="M36 5 68 65H4z"), _glyph("!", 57)]),
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
                "below under “How sure is this?”."
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
        icon=join([tag("circle", cx=36, cy=36, r=30), tag("path", d="M22 36h28")]),
        means=(
            (
                "No backdoor evidence at the pre-set threshold: the deciding score lies above it, "
                "where most clean reference models lie."
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
        icon=join([tag("rect", x=8, y=8, width=56, height=56, rx=4), _glyph("?", 50)]),
        means=(
            (
                "The audit supports neither answer. The scores below are measurements without a "
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
            "show that for changes of this kind and strength. The pictures below show it at work."
        ),
        (
            "Do not rely on the model until this is explained. Anybody can repeat it: apply the "
            "change to your own pictures and ask the model. Ask who trained it on which data."
        ),
    ),
    means_not=(
        (
            "It is not a proof of intent. Honest models can have natural weak spots; how seldom "
            "they are this strong, is what the p-value below says."
        ),
        (
            "The change found need not be the attacker's own trigger; it may be another that "
            "works like it."
        ),
    ),
)
"""A suspicion that rests on a found trigger says so."""


def wording(report: Mapping[str, Any]) -> Wording:
    """How the report's verdict is said."""
    verdict = str(report["verdict"])
    if verdict == "backdoor-suspected" and (report.get("trigger") or {}).get("suspicious"):
        return BY_TRIGGER
    return WORDINGS.get(verdict, WORDINGS["inconclusive"])


def model_name(report: Mapping[str, Any]) -> str:
    """The shortest thing that tells a reader which model this is about."""
    model = report["model"]
    keys = ("name", "file", "url", "kind")
    return safe_text(next((model[key] for key in keys if model.get(key)), "a classifier"), 80)


def moment(value: object) -> str:
    """An ISO time stamp as ``2026-11-03 14:02 UTC``; as it is where it is none."""
    try:
        parsed = datetime.fromisoformat(str(value))
    except ValueError:
        return safe_text(value, 40)
    if parsed.tzinfo is None:
        return parsed.strftime("%Y-%m-%d %H:%M")
    return parsed.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def header(report: Mapping[str, Any]) -> Html:
    """The verdict and the figures it rests on."""
    words = wording(report)
    icon = tag("svg", words.icon, class_="icon", viewBox="0 0 72 72", aria_hidden="true")
    partial = "Partial: not every planned query was answered. " if report["partial"] else ""
    lead = tag("strong", partial) if partial else None
    return tag(
        "header",
        tag("p", "Backdoor audit of ", tag("b", model_name(report)), class_="eyebrow"),
        tag("div", icon, tag("h1", words.title), class_="verdict"),
        tag("p", lead, safe_text(report["verdict_reason"], 1200), class_="lede"),
        facts(_key_figures(report), "figures"),
        class_=words.tone,
    )


def _key_figures(report: Mapping[str, Any]) -> list[tuple[object, object]]:
    planes, density = len(report["planes"]), report["settings"].get("density", "?")
    figures: list[tuple[object, object]] = []
    found = report.get("trigger")
    if found and found["suspicious"] and found["best"]:
        success = found["best"]["success"]
        fresh = tag("small", f"{success['hits']} of {success['samples']} fresh samples")
        figures.append(("The trigger works on", [text.percent(success["rate"]), " ", fresh]))
    for item in report["comparisons"]:
        if item["decides"] and report["verdict"] != "inconclusive":
            side = "at or below" if item["at_or_below"] else "above"
            title = f"{score_title(item['score'])}, the deciding score"
            limit = tag("small", f"{side} the threshold {text.score(item['threshold'])}")
            figures.append((title, [with_unit(item["score"], item["value"]), " ", limit]))
    grid = tag("small", f"of {safe_text(density, 10)} × {safe_text(density, 10)} labels each")
    figures.append(("Planes scored", [text.count(planes), " ", grid]))
    sent = report["queries"]["sent_all_runs"]
    figures.append(("Queries sent", [text.count(sent), " ", tag("small", "hard labels only")]))
    day, _, time = moment(report["timing"]["finished"]).partition(" ")
    figures.append(("Finished", [day, " ", tag("small", time)]))
    return figures


def score_title(name: str) -> str:
    """A score's name as the report writes it."""
    return SCORE_TITLES.get(name, safe_text(name, 30))


def with_unit(name: str, value: float | None) -> str:
    """A score with its unit: bits for RE, a share of the plane for the others."""
    return f"{text.score(value)} bits" if name == "re" and value is not None else text.score(value)


def meaning(report: Mapping[str, Any]) -> Html:
    """What the verdict means and what it does not, side by side."""
    words = wording(report)
    columns = [
        tag("div", tag("h3", title), [tag("p", line) for line in lines])
        for title, lines in (
            ("What this means", words.means),
            ("What this does not mean", words.means_not),
        )
    ]
    return section("meaning", "Reading the verdict", tag("div", columns, class_="columns"))


def certainty(report: Mapping[str, Any]) -> Html:
    """How often the rule errs, or why there is no answer."""
    profile = report["profile"]
    parts: list[Html | None] = []
    if report["verdict"] == "inconclusive":
        reasons = _open_questions(report)
        parts.append(tag("ul", [tag("li", reason) for reason in reasons]) if reasons else None)
    found = report.get("trigger")
    if found and found["p"] is not None:
        parts.append(
            tag(
                "p",
                "The trigger search calls a finding suspicious where its chance on a clean model, "
                f"measured on clean reference models, is at most 5%; here it is {found['p']:.2g}. "
                "How often it erred on models it was not made from, stands in the reason above.",
            )
        )
    if profile is None:
        parts.append(tag("p", "Without a reference profile plane scores carry no error rate."))
    else:
        parts += [tag("p", sentence) for sentence in _frequencies(profile)]
        parts += [_rates(profile), tag("p", _status(profile), class_="note")]
    return section("certainty", "How sure is this?", parts)


def _open_questions(report: Mapping[str, Any]) -> list[str]:
    canaries = report["canaries"]
    profile = report["profile"]
    reasons = []
    if profile is None:
        reasons.append(
            "No reference profile was applied. The scores only mean something beside those of "
            "models of the same task whose state is known."
        )
    if report["partial"]:
        reasons.append("Not every planned query was answered. The same audit can be resumed.")
    if not report["planes"]:
        reasons.append("No plane was completely answered, so nothing could be scored.")
    if canaries and canaries["flipped"]:
        asked, flipped = canaries["asked"], canaries["flipped"]
        reasons.append(f"Asked again, {flipped} of {asked} inputs got another label.")
    if profile and profile["status"] == "published":
        reasons.append(
            "Only published thresholds were at hand, and they are known not to transfer."
        )
    return reasons


def _frequencies(profile: Mapping[str, Any]) -> list[str]:
    rates = profile.get("error_rates") or {}
    wordings = (
        ("false_positive", "clean", "wrongly be called suspicious"),
        ("false_negative", "backdoored", "be missed"),
    )
    sentences = []
    for key, kind, what in wordings:
        rate = rates.get(key)
        if rate:
            low, high = rate.get("low"), rate.get("high")
            range_ = (
                ""
                if low is None or high is None
                else f", and {_range(low, high)} cannot be excluded"
            )
            sentences.append(
                f"Of 100 {kind} models like the references, about "
                f"{round(100 * rate['rate'])} would {what}{range_} "
                f"(measured on {text.plural(rate['n'], 'model')})."
            )
    return sentences


def _range(low: float, high: float) -> str:
    return f"anything from {round(100 * low)} to {round(100 * high)}"


def _rates(profile: Mapping[str, Any]) -> Html | None:
    rates = profile.get("error_rates") or {}
    titles = {"false_positive": "Clean, flagged", "false_negative": "Backdoored, not flagged"}
    rows = [
        (
            title,
            text.percent(rates[key]["rate"]),
            f"{text.percent(rates[key].get('low'))} to {text.percent(rates[key].get('high'))}",
            text.count(rates[key]["n"]),
        )
        for key, title in titles.items()
        if rates.get(key)
    ]
    if not rows:
        return tag("p", "The profile states no error rates.")
    caption = "Error rates of the rule on the profile's reference models"
    return table(caption, ("Error", "Rate", "95% interval", "Models"), rows, "numbers")


def _status(profile: Mapping[str, Any]) -> str:
    references = profile.get("references") or {}
    held = ""
    if references:
        clean = text.plural(references["clean"], "clean reference model")
        held = f" It rests on {clean} and {text.count(references['backdoored'])} backdoored."
    name = safe_text(profile["name"], 60)
    sentences = {
        "calibrated": f"Profile “{name}” was calibrated for this task and access mode.",
        "provisional": f"Profile “{name}” is provisional: too few clean references to clear a "
        "model.",
        "published": f"Profile “{name}” holds published thresholds. They belong to other models, "
        "are known not to transfer, and decide nothing here.",
    }
    return sentences.get(profile["status"], f"Profile “{name}”.") + held


def mean_shares(report: Mapping[str, Any]) -> Sequence[float]:
    """Mean share of each label; empty where no plane was scored."""
    return report["scores"]["shares"] or ()


def likely_target(report: Mapping[str, Any]) -> str | None:
    """The conditional sentence about the target label, where there is one."""
    shares = mean_shares(report)
    if not shares:
        return None
    label = max(range(len(shares)), key=lambda index: (shares[index], -index))
    return (
        f"Label {label_name(report, label)} covers the most, {text.percent(shares[label])} of the "
        "planes on average. If the model is backdoored so that every triggered input gets one "
        "label, this is the likely one; otherwise the largest share means nothing."
    )
