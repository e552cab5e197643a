"""Terminal lines for a comparison and for accepted findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from auditor.report.wording.text import count, percent, safe_text, score
from auditor.workflows.compare.accepted import Acceptance, MatchedFinding

NAMES = {"re": "RE (bits)", "ats": "ATS", "ats_by_label": "ATS by label"}


def show_diff(data: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """A comparison in lines; ``names`` are the second report's class names by index."""
    verdict, held = data["verdict"], data["evidence"]
    lines = [
        f"Verdict: {_arrow(verdict['old'], verdict['new'])}",
        f"  now: {safe_text(data['verdict_reason']['new'], 600)}",
        f"  Evidence: {held['old']}; now {held['new']}",
        "  Model:    "
        + ("the same fingerprint" if data["same_model"] else "another fingerprint than then"),
    ]
    lines += [_score_line(name, data["scores"][name]) for name in NAMES]
    lines += _plane_lines(data["planes"])
    lines += [_label_line(data["labels"], names), _trigger_line(data["trigger"], names)]
    accuracy = data["accuracy"]
    lines.append(f"  Accuracy: {percent(accuracy['old'])} -> {percent(accuracy['new'])}")
    lines += _drift_lines(data)
    lines += _move_lines(data["finding_moves"])
    lines += [_finding_line(finding) for finding in data["findings"]]
    lines += [
        f"  ACCEPTANCE WITHOUT A FINDING: {safe_text(one, 40)} (another model, or out of date)"
        for one in data["unmatched"]
    ]
    if data["spoiled_by"]:
        lines.append("The comparison is not sound, so a difference may not be the model's:")
        lines += [f"  - {safe_text(why, 300)}" for why in data["spoiled_by"]]
    elif _plane_lines(data["planes"]):
        lines.append("What both audits asked was asked in the same way: the comparison is sound.")
    else:
        lines.append("The same questions were asked in the same way: the comparison is sound.")
    return "\n".join(lines)


def show_findings(matched: Sequence[MatchedFinding], unmatched: Sequence[Acceptance] = ()) -> str:
    """The findings of one audit with their ids and acceptances."""
    lines = [_finding_line(one.as_dict()) for one in matched]
    lines += [
        f"  ACCEPTANCE WITHOUT A FINDING: {one.finding} (another model, or out of date)"
        for one in unmatched
    ]
    return "\n".join(lines)


def _arrow(old: object, new: object) -> str:
    return f"{old}, as before" if old == new else f"{old} -> {new}"


def _score_line(name: str, data: Mapping[str, Any]) -> str:
    old, new, change = data["old"], data["new"], data["change"]
    if old is None and new is None:
        return f"  {NAMES[name] + ':':<14}in neither audit"
    text = f"  {NAMES[name] + ':':<14}{_mean(old)} -> {_mean(new)}"
    if change is None and (old is None or new is None):
        return f"{text}  (in one audit only)"
    if change is None:
        return f"{text}  (no plane was asked in both)"
    if change["low"] is None:
        return f"{text}  (change {change['mean']:+.3f} on one plane)"
    return (
        f"{text}  (change {change['mean']:+.3f}, 95 % interval {change['low']:+.3f} to "
        f"{change['high']:+.3f}, {change['n']} planes)"
    )


def _plane_lines(data: Mapping[str, int]) -> list[str]:
    """Planes that each audit asked; no line if both asked the same."""
    old, new, shared = data["old"], data["new"], data["shared"]
    if old == new == shared:
        return []
    return [f"  Planes:   {count(old)} -> {count(new)}, {count(shared)} of them asked in both"]


def _mean(estimate: Mapping[str, Any] | None) -> str:
    return score(None if estimate is None else estimate["mean"])


def _label_line(data: Mapping[str, Any] | None, names: Mapping[str, str]) -> str:
    if data is None:
        return "  Labels:   no input was asked in both"
    text = (
        f"  Labels:   {count(data['changed'])} of {count(data['compared'])} of the same inputs got "
        f"another label ({percent(data['rate'])})"
    )
    moves = [
        f"{_name(names, one)} -> {_name(names, two)} {count(many)}"
        for one, two, many in data["moves"]
    ]
    return f"{text}: {', '.join(moves)}" if moves else text


def _name(names: Mapping[str, str], label: object) -> str:
    return safe_text(names.get(str(label), label), 40)


def _trigger_line(data: Mapping[str, Any], names: Mapping[str, str]) -> str:
    def one(found: Mapping[str, Any] | None) -> str:
        if found is None:
            return "not searched"
        if not found["suspicious"]:
            return "none found"
        return f"{safe_text(found['family'], 20)} to {_name(names, found['target'])}"

    return f"  Trigger:  {_arrow(one(data['old']), one(data['new']))}"


def _drift_lines(data: Mapping[str, Any]) -> list[str]:
    labels = data["labels"]
    if data["same_model"] and labels is not None and labels["changed"]:
        return [
            "  DRIFT: the target calls itself the same and answers differently; either its name "
            "hides a new model, or it does not answer the same question the same way twice."
        ]
    return []


def _move_lines(moves: Mapping[str, Any]) -> list[str]:
    words = {"new": "new", "kept": "as before", "gone": "gone"}
    counts = [f"{count(len(moves[key]))} {word}" for key, word in words.items() if moves[key]]
    return [
        f"  Findings: {', '.join(counts) or 'none, as before'}",
        *(f"  GONE ({one['kind']}): {safe_text(one['text'], 300)}" for one in moves["gone"]),
    ]


def _finding_line(finding: Mapping[str, Any]) -> str:
    held = finding["accepted"]
    text = f"  FINDING {finding['id']} ({finding['kind']})"
    if held is None:
        return f"{text}: nobody accepted it"
    who = f"{safe_text(held['owner'], 100)}: {safe_text(held['reason'], 300)}"
    if held["expired"]:
        return f"{text}: acceptance EXPIRED on {held['until']}, the finding stands ({who})"
    return f"{text}: accepted until {held['until']} by {who}. It is no pass."
