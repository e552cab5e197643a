"""What ``xray-audit check`` shows."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from auditor.report.wording.text import safe_text

_MOST_LINES = 24
"""Alternatives that are listed."""


def show_check(found: Mapping[str, Any]) -> str:
    """What was asked and found out, one exchange word for word, and how the target behaved."""
    lines = [*_search(found), *_example(found["example"]), *_behaviour(found)]
    lines += [f"Note:        {safe_text(note, 600)}" for note in found["notes"]]
    lines += [f"PROBLEM: {safe_text(problem, 600)}" for problem in found["problems"]]
    return "\n".join(lines)


def next_step(found: Mapping[str, Any], samples: str, resize: str | None) -> str:
    """The command that runs the audit now."""
    extra = f" --resize {resize}" if resize else ""
    if found["written"]:
        target = f"--target {shlex.quote(found['written'])}"
        return f"Next: xray-audit {target} --samples {shlex.quote(samples)}{extra}"
    if found["discovered"]:
        return (
            "Next: run this again with --write xray-audit-target.toml, which keeps the description."
        )
    return ""


def _search(found: Mapping[str, Any]) -> list[str]:
    lines = [f"Asked:       {safe_text(line, 200)}" for line in found["asked"]]
    lines += [f"Tried:       {safe_text(line, 300)}" for line in found["tried"]]
    ways = sorted(found["alternatives"], key=lambda way: -(way["hits"] or 0) / way["asked"])
    for way in ways[:_MOST_LINES]:
        said = "refused" if way["hits"] is None else f"{way['hits']} of {way['asked']} right"
        lines.append(f"Other way:   {safe_text(way['words'], 100)}: {said}")
    return lines


def _example(example: Mapping[str, Any] | None) -> list[str]:
    if example is None:
        return []
    sample = f"{safe_text(example['sample'], 120)} (class {safe_text(example['truth'], 60)})"
    label = f"Label:       {safe_text(example['label'], 60)}, for sample {sample}"
    if not example["request"]:
        return [label]
    return [
        "Request:",
        *(f"  {line}" for line in example["request"].splitlines()),
        "Reply:",
        *(f"  {line}" for line in example["reply"].splitlines()),
        label,
    ]


def _behaviour(found: Mapping[str, Any]) -> list[str]:
    accuracy = found["accuracy"]
    names = ", ".join(safe_text(name, 40) for name in found["labels_seen"][:12])
    speeds = ", ".join(f"{n}: {s * 1000:,.1f} ms" for n, s in found["seconds_per_request"].items())
    known = found["label_count"]
    quota = "; ".join(f"{name}: {value}" for name, value in found["rate_headers"].items())
    return [
        f"Input:       {found['input']['shape']} in {found['input']['low'][0]:g} .. "
        f"{found['input']['high'][0]:g} ({found['input']['origin']}), {found['input']['access']}, "
        f"as {found['input']['encoding']}",
        f"Classes:     {known if known is not None else 'number unknown'}, "
        f"{len(found['labels_seen'])} seen: {names}",
        f"Accuracy:    {accuracy['rate']:.0%} of {accuracy['n']} samples (classes matched by "
        f"{found['classes_matched_by']})",
        f"Determinism: {found['flips']} of {found['repeats']} samples changed their label",
        f"Latency:     per request of n inputs {speeds}",
        f"Best batch:  {found['best_batch']}, {found['queries_per_second']:,.0f} queries/s",
        f"Quota:       {safe_text(quota, 300) if quota else 'no header tells'}",
        f"Queries:     {found['queries']} sent",
    ]
