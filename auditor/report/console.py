"""What the terminal shows: short, plain text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from auditor.report.wording.terms import found_trigger
from auditor.report.wording.text import safe_text, score

MEANS = {
    "backdoor-suspected": "BACKDOOR SUSPECTED",
    "no-evidence": "NO EVIDENCE OF A BACKDOOR",
    "inconclusive": "INCONCLUSIVE",
}


def show_result(
    report: Mapping[str, Any], output: Path, files: Sequence[str] = ("report.html",)
) -> str:
    """Verdict, reason, scores and where the report and its views (``files``) are."""
    lines = [
        f"Verdict: {MEANS[report['verdict']]}",
        f"  {safe_text(report['verdict_reason'], 1200)}",
    ]
    if report["planes"]:
        lines += [*_score_lines(report), _target_line(report)]
    queries = report["queries"]
    lines.append(
        f"  Queries: {queries['planned']:,} planned, {queries['sent']:,} sent, "
        f"{queries['cached']:,} from the store, {queries['deduplicated']:,} duplicates, "
        f"{queries['retried']:,} retried, {queries['unknown']:,} unknown"
    )
    lines += _left_out_line(report.get("not_asked"))
    first, *rest = dict.fromkeys((*files, "report.json"))
    also = f"{', '.join(rest[:-1])} and {rest[-1]}" if len(rest) > 1 else " and ".join(rest)
    joined = (", " if len(rest) > 1 else " and ") + also if rest else ""
    lines.append(f"  Report:  {output / first}{joined}")
    return "\n".join(lines)


def _left_out_line(left_out: Mapping[str, Any] | None) -> list[str]:
    """What was planned and not asked."""
    if left_out is None:
        return []
    counts = {"planes": left_out["planes"], "disturbed samples": left_out["family_queries"]}
    parts = [f"{count:,} {name}" for name, count in counts.items() if count]
    return [f"  Not asked, as it could not change the verdict: {' and '.join(parts)} (--ask-all)"]


def _score_lines(report: Mapping[str, Any]) -> list[str]:
    names = {"re": "RE (bits)", "ats": "ATS", "ats_by_label": "ATS by label"}
    limits = {c["score"]: c["threshold"] for c in report["comparisons"]}
    lines = []
    for key, name in names.items():
        held = report["scores"].get(key)
        if held is None:
            continue
        text = f"  {name + ':':<14}{held['mean']:.3f}"
        if held["low"] is not None:
            text += f"  (95 % interval {held['low']:.3f} to {held['high']:.3f}, {held['n']} planes)"
        if key in limits:
            text += f"  threshold {limits[key]:.3f}"
        lines.append(text)
    return lines


def _target_line(report: Mapping[str, Any]) -> str:
    shares = report["scores"]["shares"]
    target = shares.index(max(shares))
    share = shares[target]
    name = safe_text(report["labels"][str(target)], 60)
    said = f"  Fills the maps: label {target} ({name}), {share:.0%}"
    # Beside a trigger that was found, its own target is the one that counts.
    return said if found_trigger(report) else f"{said}: the target, if there is one"


def show_price(price: Mapping[str, Any]) -> str:
    """What an audit would cost: as expected, and at most."""
    courses = {"nothing is found": price["expected"], "a trigger is found": price["expected_found"]}
    columns = {f"where {name}": one for name, one in courses.items() if one is not None}
    if price["expected_found"] is None:
        columns = {"expected": price["expected"]}
    columns["at most"] = price["worst"]
    rows = [
        ("", list(columns)),
        ("Queries", [f"{one['queries']:,}" for one in columns.values()]),
        ("Requests", [f"{one['requests']:,}" for one in columns.values()]),
        ("Upload", [f"{one['bytes_sent'] / 1e6:,.1f} MB" for one in columns.values()]),
    ]
    if price["worst"]["seconds"] is not None:
        rows.append(("Time", [f"{one['seconds'] / 60:,.1f} min" for one in columns.values()]))
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
    lines += [f"Time at {rate}." if "(" in rate else f"Time: {rate}."]
    lines += [f"Expected from {price['rests_on']}.", "Nothing was sent."]
    return "\n".join(lines)


def show_calibration(data: Mapping[str, Any], path: Path) -> str:
    """What a profile was made from, how often it errs, and where it is."""
    profile = data["profile"]
    clean = sum(not reference["attack"] for reference in profile["references"])
    backdoored = len(profile["references"]) - clean
    lines = [
        f"Profile {profile['name']!r} ({profile['status']}): {clean} clean and {backdoored} "
        f"backdoored references, decides by {profile['decides_by']}",
    ]
    for name, value in profile["thresholds"].items():
        spread = f"{value['low']:.3f} to {value['high']:.3f}"
        lines.append(f"  threshold {name}: {value['value']:.3f} (averaged over {spread})")
    for name, rate in profile["error_rates"].items():
        lines.append(f"  {name.replace('_', ' ')} rate: {_rate(rate)}")
    lines += [f"  OUTLIER, left out: {safe_text(name)}" for name in profile["outliers"]]
    lines += [
        f"  SKIPPED {safe_text(n)}: {safe_text(why, 300)}" for n, why in data["skipped"].items()
    ]
    return "\n".join([*lines, f"  written to {path}"])


def _rate(rate: Mapping[str, Any] | None) -> str:
    if rate is None:
        return "unknown"
    return (
        f"{rate['rate']:.1%} of {rate['n']} (95 % interval {rate['low']:.1%} to {rate['high']:.1%})"
    )


def show_cohort(data: Mapping[str, Any]) -> str:
    """The ranking, the most suspicious model first."""
    lines = ["rank  RE     ATS    ATS by label  p (corrected)  model"]
    for number, place in enumerate(data["ranking"], 1):
        mark = "  OUTLIER" if place["outlier"] else ""
        lines.append(
            f"{number:>4}  {place['re']:.3f}  {score(place['ats']):<5}  {place['ats_by_label']:.3f}"
            f"{place['p']:>15.3g}        {safe_text(place['name'], 60)}{mark}"
        )
    lines += [
        f"SKIPPED {safe_text(n)}: {safe_text(why, 300)}" for n, why in data["skipped"].items()
    ]
    lines.append(
        f"An honest cohort is flagged with probability at most {data['error_rate']:.0%} if its "
        "scores are normally distributed. A place without a flag clears nobody."
    )
    return "\n".join(lines)
