"""The one scoring of the frozen decision rule on the zoo's held-out models.

    python -m examples.benchmarks.family_counts --data-dir DATA --labels FOLDER --split held-out
    python -m examples.benchmarks.decision_held_out --data-dir DATA

Rule, families, weights, level and null are those that ``decision_rule`` froze. Every model is
compared with clean *calibration* models of other recipes (data set, architecture, training); the
null leaves the model's own recipe out. One trigger search per model (seed 0): models that an
earlier, equally frozen scoring of the search saw keep the answers of that one search; models
trained since (``pristine``) are searched here for the first time. Both are reported apart.
Writes ``decision_held_out.json``, ``decision_held_out.md`` and the error rates that verdicts
state.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from auditor.decision.measured import RULE, WITH_REFERENCES
from auditor.decision.rule import LEVEL, LabelEvidence, ValueNull, p_of, weigh
from auditor.decision.trigger_weight import LabelTrigger
from examples.benchmarks.decision_data import (
    ATTACKS,
    HERE,
    PATCHES,
    Mode,
    Model,
    Record,
    auroc_cell,
    excess_of,
    load_models,
    plane_scores,
    rate_cell,
    triggers_of,
)
from examples.benchmarks.decision_rule import Candidate, Study, clean_null, null_text
from examples.benchmarks.trigger_held_out import RATES_FILE as TRIGGER_RATES
from examples.benchmarks.trigger_held_out import rates_module as trigger_rates
from examples.benchmarks.trigger_search import search_one
from examples.zoo import default_folder
from examples.zoo.index import collect

RESULTS = HERE / "decision_held_out.json"
EARLIER = HERE / "trigger_held_out.json"
NEW_SEARCHES = HERE / "decision_held_out_searches.json"
RATES = HERE.parent.parent / "auditor" / "decision" / "measured.py"
SEED = 0
FROZEN = Candidate("mixed", RULE.weight, RULE.widening)


def main() -> None:
    """Search what was never searched, judge every model once, write tables and rates."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", type=Path, default=default_folder())
    parser.add_argument("--data-dir", type=Path, action="append", required=True)
    parser.add_argument("--samples", type=int, default=120)
    options = parser.parse_args()
    if FROZEN.rule != RULE:
        raise SystemExit("the package's rule is not the frozen candidate")
    study = Study()
    searches = _searches(study, options)
    models = [m for m in load_models("held-out") if m.name in searches]
    rows = [_judge(study, model, searches[model.name]) for model in models]
    RESULTS.write_text(_one_per_line(rows), encoding="utf-8")
    (HERE / "decision_held_out.md").write_text(report(rows, models), encoding="utf-8")
    RATES.write_text(rates_module(rows), encoding="utf-8")
    every = [json.loads(path.read_text(encoding="utf-8")) for path in (EARLIER, NEW_SEARCHES)]
    TRIGGER_RATES.write_text(trigger_rates([*every[0], *every[1]]), encoding="utf-8")


def _searches(study: Study, options: argparse.Namespace) -> dict[str, Record]:
    """One search per held-out model: the earlier one where there was one, else a new one."""
    earlier = json.loads(EARLIER.read_text(encoding="utf-8"))
    path = NEW_SEARCHES
    rows = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    done = {row["name"] for row in (*earlier, *rows)}
    for model in collect(options.models):
        if model["split"] != "held-out" or model["failed"] or model["name"] in done:
            continue
        recipe = f"{model['dataset']}/{model['architecture']}/{model['training']}"
        row = search_one(model, SEED, study.nulls.of(recipe), options=options)
        rows.append({**row, "pristine": True})
        path.write_text(_one_per_line(rows), encoding="utf-8")
        print(model["name"], "searched")
    return {row["name"]: _short(row) for row in (*earlier, *rows)}


def _short(row: Record) -> Record:
    findings = {
        key: [one["target"], one["hits"], one["images"], one["size"]]
        for key, one in row["findings"].items()
    }
    return {**row, "findings": findings}


def _one_per_line(rows: Sequence[Record]) -> str:
    return "[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n"


def _judge(study: Study, model: Model, search: Record) -> Record:
    """One held-out model beside calibration models, in plain numbers."""
    triggers = triggers_of(search, study.nulls.of(model.recipe))
    row: Record = {
        "name": model.name,
        "recipe": model.recipe,
        "group": model.group,
        "pristine": bool(search.get("pristine", False)),
        "queries": search["queries"],
        "trigger_suspicious": search["suspicious"],
        "recovered": _recovered(model, search),
    }
    alone = weigh(triggers, None, RULE)
    row["trigger"] = _outcome(model, alone, None)
    for mode in ("cross", "same"):
        row[mode] = _beside(study, model, triggers, mode)
    return row


def _recovered(model: Model, search: Record) -> bool:
    """Whether a verified patch sends at least 90 % of fresh samples to a true target."""
    target, hits, images, _ = search["findings"].get("patch", (-1, 0, 1, 0))
    return target in model.targets and hits >= 0.9 * images


def _beside(
    study: Study, model: Model, triggers: Mapping[int, LabelTrigger], mode: Mode
) -> Record | None:
    excess = excess_of(model, study.clean, mode, "image", RULE.keys, RULE.widening)
    if excess is None:
        return None
    judged = study.judged(FROZEN, "cross")
    null = clean_null(one for one in judged if one.model.recipe != model.recipe)
    found = _outcome(model, weigh(triggers, excess, RULE), null)
    families = float(excess.by_label.max())
    return {**found, "families": families, "references": excess.references}


def _outcome(model: Model, evidence: Sequence[LabelEvidence], null: ValueNull | None) -> Record:
    value = evidence[0].value if evidence else 0.0
    label = evidence[0].label if evidence else -1
    p = p_of(value, null)
    said = list(evidence[0].said_by) if evidence else []
    return {
        "value": value,
        "p": p,
        "flagged": p <= LEVEL,
        "label": label,
        "right": label in model.targets,
        "said_by": said,
    }


# ---- tables -----------------------------------------------------------------------------------


def report(rows: Sequence[Record], models: Sequence[Model]) -> str:
    """The tables."""
    seen = {m.recipe for m in load_models("calibration")}
    parts: list[tuple[str, list[Record]]] = [
        ("pristine: never scored by anything before", [r for r in rows if r["pristine"]]),
        ("seen once by the earlier search", [r for r in rows if not r["pristine"]]),
        ("all", list(rows)),
        ("recipes without a calibration model", [r for r in rows if r["recipe"] not in seen]),
    ]
    lines = [
        "# The decision rule on the held-out models",
        "",
        "Made by `python -m examples.benchmarks.decision_held_out --data-dir DATA`, once, after "
        f"the rule was frozen. {len(rows)} models, one audit each; references and null are clean "
        "calibration models of other recipes than the model's own. Inputs are 8-bit pictures, so "
        "both access modes give the same figures. Intervals are 95 %. Queries: those of the search "
        "and 1,000 of the families. A patch is recovered where the search's verified patch sends "
        "at least 90 % of fresh samples to a true target.",
        "",
        f"## Verdicts at the stated false-positive rate of {LEVEL:.0%}",
        "",
    ]
    for name, part in parts:
        lines += [f"### {name}", "", *verdict_table(part), ""]
    lines += ["## AUROC by attack, all-to-one", ""]
    for name, part in parts[:3]:
        lines += [f"### {name}", "", *auroc_table(part), ""]
    lines += ["## RE and ATS on the same models", "", *plane_table(rows, models), ""]
    lines += ["## By name", "", *by_name(rows), ""]
    return "\n".join(lines)


def verdict_table(rows: Sequence[Record]) -> list[str]:
    """Flagged, right, queries, for the rule with and without references."""
    lines = [
        "| group | beside other recipes | target right | beside the same recipe | "
        "trigger search alone | queries, median: flagged / not | patch recovered |",
        "|---|---|---|---|---|---|---|",
    ]
    groups = [
        ("clean", [r for r in rows if r["group"] == "clean"]),
        ("patches", [r for r in rows if r["group"] in PATCHES]),
        ("all ten, all-to-one", [r for r in rows if r["group"] in ATTACKS]),
        *((a, [r for r in rows if r["group"] == a]) for a in ATTACKS),
        *(
            (kind, [r for r in rows if r["group"] == kind])
            for kind in ("x-to-one", "one-to-one", "x-to-x", "all-to-all")
        ),
    ]
    return lines + [_verdict_row(name, group) for name, group in groups if group]


def _verdict_row(name: str, rows: Sequence[Record]) -> str:
    cross = [r for r in rows if r["cross"]]
    same = [r for r in rows if r["same"]]
    flagged = [r for r in cross if r["cross"]["flagged"]]
    others = [r for r in cross if not r["cross"]["flagged"]]
    right = (
        "–"
        if name == "clean"
        else rate_cell(sum(r["cross"]["right"] for r in flagged), len(flagged))
    )
    medians = " / ".join(
        f"{np.median([r['queries'] for r in part]) + 1000:,.0f}" if part else "–"
        for part in (flagged, others)
    )
    cells = [
        rate_cell(len(flagged), len(cross)),
        right,
        rate_cell(sum(r["same"]["flagged"] for r in same), len(same)),
        rate_cell(sum(r["trigger_suspicious"] for r in rows), len(rows)),
        medians,
        rate_cell(sum(r["recovered"] for r in rows), len(rows))
        if name in {"patches", *PATCHES}
        else "–",
    ]
    return f"| {name} | {' | '.join(cells)} |"


def auroc_table(rows: Sequence[Record]) -> list[str]:
    """AUROC of the value with references of either kind, of the families and of the search."""
    columns: dict[str, Callable[[Record], float | None]] = {
        "rule, other recipes": lambda r: r["cross"] and r["cross"]["value"],
        "rule, same recipe": lambda r: r["same"] and r["same"]["value"],
        "families alone, other recipes": lambda r: r["cross"] and r["cross"]["families"],
        "trigger search alone": lambda r: r["trigger"]["value"],
    }
    lines = [f"| attack | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    groups: dict[str, Sequence[str]] = {a: (a,) for a in ATTACKS}
    groups["patches"] = PATCHES
    groups["all"] = ATTACKS
    for name, kinds in groups.items():
        cells = []
        for value in columns.values():
            known = _known(rows, value)
            clean = [v for g, v in known if g == "clean"]
            cells.append(auroc_cell(clean, [v for g, v in known if g in kinds]))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    means = []
    for value in columns.values():
        known = _known(rows, value)
        means.append(_mean_over_attacks(known))
    lines.append(f"| mean over attacks, worst | {' | '.join(means)} |")
    return lines


def _known(
    rows: Sequence[Record], value: Callable[[Record], float | None]
) -> list[tuple[str, float]]:
    """Group and value of the rows that have one."""
    pairs = [(str(row["group"]), value(row)) for row in rows]
    return [(group, held) for group, held in pairs if held is not None]


def _mean_over_attacks(known: Sequence[tuple[str, float]]) -> str:
    clean = np.array([v for g, v in known if g == "clean"])
    areas = []
    for attack in ATTACKS:
        bad = np.array([v for g, v in known if g == attack])
        if len(bad) and len(clean):
            wins = (bad[:, None] > clean).mean() + 0.5 * (bad[:, None] == clean).mean()
            areas.append((float(wins), attack))
    if not areas:
        return "–"
    worst = min(areas)
    return f"{np.mean([a for a, _ in areas]):.2f}, {worst[0]:.2f} ({worst[1]})"


def plane_table(rows: Sequence[Record], models: Sequence[Model]) -> list[str]:
    """RE and ATS of the same models, as far as they were scored."""
    group = {m.name: m.group for m in models}
    lines = ["| score | all | mean over attacks, worst |", "|---|---|---|"]
    for access in ("float", "image"):
        scores = plane_scores(access)
        for name in ("re", "ats", "ats_by_label"):
            known = [
                (group[r["name"]], -scores[r["name"]][name]) for r in rows if r["name"] in scores
            ]
            clean = [v for g, v in known if g == "clean"]
            cell = auroc_cell(clean, [v for g, v in known if g in ATTACKS])
            lines.append(f"| {name}, {access} | {cell} | {_mean_over_attacks(known)} |")
    return lines


def by_name(rows: Sequence[Record]) -> list[str]:
    """The errors, by name."""

    def names(chosen: Sequence[Record]) -> str:
        return ", ".join(r["name"] for r in chosen) or "none"

    judged = [r for r in rows if r["cross"]]
    wrong = [r for r in judged if r["group"] == "clean" and r["cross"]["flagged"]]
    missed = [r for r in judged if r["group"] in ATTACKS and not r["cross"]["flagged"]]
    other = [
        r for r in judged
        if r["group"] in ATTACKS and r["cross"]["flagged"] and not r["cross"]["right"]
    ]  # fmt: skip
    return [
        f"Clean and flagged: {names(wrong)}.",
        "",
        f"Missed, all-to-one: {names(missed)}.",
        "",
        f"Flagged with another target: {names(other)}.",
        "",
        f"Not judged, for want of references of other recipes: "
        f"{names([r for r in rows if not r['cross']])}.",
    ]


def rates_module(rows: Sequence[Record]) -> str:
    """Source text of the package's rule with the error rates measured here."""
    judged = [r for r in rows if r["cross"]]
    keys = ", ".join(f'"{key}"' for key in RULE.keys)
    return "\n".join(
        [
            '"""The chosen rule and what it was measured on.',
            "",
            "Rule and null: examples/benchmarks/decision_rule.py, on the calibration models. Error",
            "rates: examples/benchmarks/decision_held_out.py, the zoo's held-out models, one audit",
            "each, beside references of other recipes.",
            '"""',
            "",
            "from auditor.decision.rule import Measured, Rule, ValueNull",
            "",
            f"RULE = Rule(({keys}), {RULE.weight}, {RULE.widening})",
            "",
            f"WITH_REFERENCES = Measured({null_text(WITH_REFERENCES.null)}, "
            f"{_rates(judged, 'cross')})",
            f"WITHOUT_REFERENCES = Measured(None, {_rates(rows, 'trigger')})",
            "",
        ]
    )


def _rates(rows: Sequence[Record], mode: str) -> str:
    clean = [r for r in rows if r["group"] == "clean"]
    bad = [r for r in rows if r["group"] in ATTACKS]
    alarms = sum(r[mode]["flagged"] for r in clean)
    missed = sum(not r[mode]["flagged"] for r in bad)
    return f"{alarms}, {len(clean)}, {missed}, {len(bad)}"


if __name__ == "__main__":
    main()
