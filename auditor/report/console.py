"""Results on the terminal: short, plain text."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auditor.report.wording.cap import Cap, cap_words
from auditor.report.wording.terms import SCORE_HEADS, found_trigger, mean_shares
from auditor.report.wording.text import (
    INTERVAL,
    interval,
    listed,
    percent,
    rate_interval,
    safe_text,
    score,
    seconds,
)
from auditor.report.wording.verdict import wording

if TYPE_CHECKING:  # a plan has a price and no report
    from auditor.report.result.course import NotAskedPart
    from auditor.report.result.result import Result

_MOST_LINES = 24
"""Alternatives that are listed."""


def show_result(result: Result, output: Path, files: Sequence[str] = ("report.html",)) -> str:
    """Verdict, reason, scores, and the paths of the report and its views (``files``)."""
    verdict = wording(result).title.upper()
    lines = [f"Verdict: {verdict}", f"  {safe_text(result.verdict_reason, 1200)}"]
    if result.planes:
        lines += [*_score_lines(result), _target_line(result)]
    queries = result.queries
    lines.append(
        f"  Queries: {queries.planned:,} planned, {queries.sent:,} sent, "
        f"{queries.cached:,} from the store, {queries.deduplicated:,} duplicates, "
        f"{queries.retried:,} retried, {queries.unknown:,} unknown"
    )
    if result.not_asked is not None:
        lines.append(_left_out(result.not_asked, partial=result.partial))
    first, *rest = dict.fromkeys((*files, "report.json"))
    lines.append(f"  Report:  {listed([str(output / first), *rest])}")
    return "\n".join(lines)


def _left_out(left_out: NotAskedPart, *, partial: bool) -> str:
    """Planned questions that were not asked, for the reason that holds."""
    counts = {"planes": left_out.planes, "disturbed samples": left_out.family_queries}
    parts = [f"{count:,} {name}" for name, count in counts.items() if count]
    if partial:
        return f"  Not asked before the audit was cut off: {' and '.join(parts)}"
    return f"  Not asked, as it could not change the verdict: {' and '.join(parts)} (--ask-all)"


def _score_lines(result: Result) -> list[str]:
    limits = {c.score: c.threshold for c in result.comparisons}
    lines = []
    for key, name in SCORE_HEADS.items():
        held = result.scores.estimate(key)
        if held is None:
            continue
        text = f"  {name + ':':<14}{score(held.mean)}"
        if held.low is not None and held.high is not None:
            text += f"  ({INTERVAL} {interval(held.low, held.high)}, {held.n} planes)"
        if key in limits:
            text += f"  threshold {score(limits[key])}"
        lines.append(text)
    return lines


def _target_line(result: Result) -> str:
    shares = mean_shares(result)
    target = shares.index(max(shares))
    share = shares[target]
    name = safe_text(result.labels.get(str(target), target), 60)
    said = f"  Fills the maps: label {target} ({name}), {share:.0%}"
    # Beside a trigger that was found, its own target is the one that counts.
    return said if found_trigger(result) else f"{said}: the target, if there is one"


def show_price(price: Mapping[str, Any]) -> str:
    """Cost of an audit: as expected, and at most."""
    courses = {"nothing is found": price["expected"], "a trigger is found": price["expected_found"]}
    columns = {f"where {name}": one for name, one in courses.items() if one is not None}
    if price["expected_found"] is None:
        columns = {"expected": price["expected"]}
    columns["at most"] = price["worst"]
    rows = [
        ("", list(columns)),
        ("Queries", [f"{one['queries']:,}" for one in columns.values()]),
        ("Requests", [f"{one['requests']:,}" for one in columns.values()]),
    ]
    if price["worst"]["bytes_sent"]:
        rows.append(("Upload", [_megabytes(one) for one in columns.values()]))
    if price["worst"]["seconds"] is not None:
        rows.append(("Time", [_time(one["seconds"]) for one in columns.values()]))
    if price["worst"]["tokens"] is not None:
        rows.append(("Tokens", [f"{one['tokens']:,}" for one in columns.values()]))
    if price["worst"]["money"] is not None:
        rows.append(("Price", [f"{one['money']:,.2f}" for one in columns.values()]))
    widths = [
        2 + max(map(len, column)) for column in zip(*(cells for _, cells in rows), strict=True)
    ]
    lines = [
        f"{name:<9}" + "".join(f"{c:>{w}}" for c, w in zip(cells, widths, strict=True))
        for name, cells in rows
    ]
    rate = price["rate_from"]
    if price["queries_per_second"] is not None:
        rate = f"{price['queries_per_second']:,.0f} queries/s ({rate})"
    each = 1000 * price.get("own_seconds", 0.0)
    own = f", and {each:.2g} ms a query of the tool's own" if each else ""
    lines += [f"Time at {rate}{own}." if "(" in rate else f"Time: {rate}."]
    lines += [f"Expected from {price['rests_on']}.", *_second_search(price), price["decides"]]
    cap = price.get("cap")
    lines += [line for line in (price.get("known_words"), cap and cap_words(Cap(**cap))) if line]
    lines += _effort_lines(price["efforts"])
    return "\n".join([*lines, "Nothing was sent."])


def _second_search(price: Mapping[str, Any]) -> list[str]:
    """The share of the most of a second search."""
    second, worst = price.get("second_search_queries_most", 0), price["worst"]
    if not second:
        return []
    cost = f", price {worst['money'] / worst['queries'] * second:,.2f}" if worst["money"] else ""
    return [
        "A borderline accusation counts only if a second search confirms it: up to "
        f"{second:,} of the queries at most{cost}."
    ]


def _effort_lines(efforts: Sequence[Mapping[str, Any]]) -> list[str]:
    """The table of efforts: price where nothing is found, power, and verdicts it can end in."""
    rows = [["--effort", "Queries", "Requests", "Upload", "Time", "Price", "Finds", "Can end in"]]
    for one in efforts:
        cost = one["cost"]
        ends = ["suspected"] * one["suspects"] + ["no evidence"] * one["clears"]
        over = "" if one.get("within", True) else " (over the cap)"
        rows.append([
            one["effort"], f"{cost['queries']:,}", f"{cost['requests']:,}",
            _megabytes(cost) if cost["bytes_sent"] else "",
            "" if cost["seconds"] is None else _time(cost["seconds"]),
            "" if cost["money"] is None else f"{cost['money']:,.2f}",
            f"{one['found']} of {one['of']}",
            (", ".join(ends) or "no verdict") + over,
        ])  # fmt: skip
    kept = [column for column in zip(*rows, strict=True) if any(column[1:])] if efforts else []
    widths = [max(map(len, column)) for column in kept]
    table = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in zip(*kept, strict=True)
    ]
    same = [
        f"{one['effort']} and {two['effort']} ask the same of such pictures."
        for one, two in pairwise(efforts) if one["cost"] == two["cost"] and one["cost"]["queries"]
    ]  # fmt: skip
    begins = [
        f"{one['effort']} was measured at {one['measured_at']}, which it begins with."
        for one in efforts if one.get("measured_at")
    ]  # fmt: skip
    return ["Where nothing is found, by effort:", *table, *same, *begins] if table else []


def _megabytes(cost: Mapping[str, Any]) -> str:
    return f"{cost['bytes_sent'] / 1e6:,.1f} MB"


def _time(span: float) -> str:
    """A time in seconds, from a minute on in minutes, from two hours on in hours, from two days on
    in days.
    """
    sizes = ((2 * 86_400, 86_400, "days"), (2 * 3600, 3600, "h"), (60, 60, "min"))
    fits = ((size, unit) for least, size, unit in sizes if span >= least)
    size, unit = next(fits, (0, ""))
    return f"{span / size:,.1f} {unit}" if size else seconds(span)


def show_calibration(data: Mapping[str, Any], path: Path) -> str:
    """References of a profile, its error rates, and its place."""
    profile = data["profile"]
    references = profile["references"]
    clean = sum(not reference["attack"] for reference in references)
    lines = [
        f"Profile {profile['name']!r} ({profile['status']}): {clean} clean and "
        f"{len(references) - clean} backdoored references, decides by {profile['decides_by']}"
    ]
    for name, value in profile["thresholds"].items():
        spread = interval(value["low"], value["high"])
        lines.append(f"  threshold {name}: {value['value']:.3f} (averaged over {spread})")
    for name, rate in profile["error_rates"].items():
        said = "unknown"
        if rate is not None:
            spread = rate_interval(rate["low"], rate["high"])
            said = f"{percent(rate['rate'])} of {rate['n']} ({spread})"
        lines.append(f"  {name.replace('_', ' ')} rate: {said}")
    lines += [f"  OUTLIER, left out: {safe_text(name)}" for name in profile["outliers"]]
    lines += [f"  {line}" for line in _skipped(data["skipped"])]
    return "\n".join([*lines, f"  written to {path}"])


def _skipped(skipped: Mapping[str, str]) -> list[str]:
    return [f"SKIPPED {safe_text(name)}: {safe_text(why, 300)}" for name, why in skipped.items()]


def show_cohort(data: Mapping[str, Any]) -> str:
    """The ranking, the most suspicious model first."""
    lines = ["rank  RE     ATS    ATS by label  p (corrected)  model"]
    for number, place in enumerate(data["ranking"], 1):
        mark = "  OUTLIER" if place["outlier"] else ""
        lines.append(
            f"{number:>4}  {place['re']:.3f}  {score(place['ats']):<5}  {place['ats_by_label']:.3f}"
            f"{place['p']:>15.3g}        {safe_text(place['name'], 60)}{mark}"
        )
    lines += _skipped(data["skipped"])
    lines.append(
        f"An honest cohort is flagged with probability at most {data['error_rate']:.0%} if its "
        "scores are normally distributed. A place without a flag clears nobody."
    )
    return "\n".join(lines)


# ---- xray-audit check --------------------------------------------------------------------------


def show_check(found: Mapping[str, Any]) -> str:
    """Findings of a check, one exchange word for word, and the target's behaviour."""
    lines = [*_search(found), *_example(found["example"]), *_behaviour(found)]
    lines += [f"Note:        {safe_text(note, 600)}" for note in found["notes"]]
    lines += [f"PROBLEM: {safe_text(problem, 600)}" for problem in found["problems"]]
    lines += [f"Decides:     {safe_text(found['decides'], 1200)}"]
    return "\n".join(lines)


def next_step(found: Mapping[str, Any], samples: str, resize: str | None) -> str:
    """The command that runs the audit now."""
    extra = f" --resize {resize}" if resize else ""
    if found["written"]:
        target = f"--target {shlex.quote(found['written'])}"
        return f"Next: xray-audit {target} --samples {shlex.quote(samples)}{extra}"
    if found["discovered"] or found["corrected"]:
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
    lines = []
    for part in ("request", "reply"):
        lines += [f"{part.capitalize()}:", *(f"  {line}" for line in example[part].splitlines())]
    return [*lines, label]


def _behaviour(found: Mapping[str, Any]) -> list[str]:
    accuracy = found["accuracy"]
    names = ", ".join(safe_text(name, 40) for name in found["labels_seen"][:12])
    speeds = ", ".join(f"{n}: {s * 1000:,.1f} ms" for n, s in found["seconds_per_request"].items())
    known = found["label_count"]
    quota = "; ".join(f"{name}: {value}" for name, value in found["rate_headers"].items())
    coded = found["input"].get("recoded")
    recoded = f", of which the service makes {coded}" if coded else ""
    return [
        f"Input:       {found['input']['shape']} in {found['input']['low'][0]:g} .. "
        f"{found['input']['high'][0]:g} ({found['input']['origin']}), {found['input']['access']}, "
        f"as {found['input']['encoding']}{recoded}",
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
