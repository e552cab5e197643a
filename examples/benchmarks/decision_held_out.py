"""Scorings of the frozen decision rule on the zoo's held-out models, and their tables.

    python -m examples.benchmarks.family_counts --data-dir DATA --labels FOLDER --split held-out \
        --round 3 --roles audited --rule-only
    python -m examples.benchmarks.decision_held_out third --data-dir DATA
    python -m examples.benchmarks.decision_held_out report

``third`` scores the models of the third round, once, with the tool frozen before; none of them took
part in anything. ``fourth`` (and ``--round 4``) does the same, with the same tool, for models that
were planned after the third scoring to narrow its intervals. Rule, families, weights, level and
null are those that ``decision_rule`` froze. Every model is compared with clean *calibration*
models of other recipes (data set, architecture, training); the nulls leave its own recipe out. One
trigger search per model (seed 0); a model that has its row is never searched again. ``report`` asks
nothing: it writes the tables of all scorings, and the error rates that verdicts state. The scorings
of the first two rounds were made by earlier tools and are kept as they are; their models then
served to make the present one.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from auditor.measured.decision import RULE, WITH_REFERENCES
from auditor.verdict.rule import LEVEL, LabelEvidence, ValueNull, p_of, weigh
from auditor.verdict.trigger_weight import LabelTrigger
from examples.benchmarks.decision_data import (
    ATTACKS,
    HERE,
    Mode,
    Model,
    Record,
    excess_of,
    load_models,
    short,
    triggers_of,
)
from examples.benchmarks.decision_rule import ASKED, Candidate, Study, clean_null
from examples.benchmarks.held_out_tables import Scoring, report
from examples.benchmarks.measured_source import Audited, measured_source
from examples.benchmarks.queries_stop import judge as stopping
from examples.benchmarks.rounds import round_of
from examples.benchmarks.trigger_held_out import RATES_FILE as TRIGGER_RATES
from examples.benchmarks.trigger_held_out import rates_module as trigger_rates
from examples.benchmarks.trigger_search import search_one
from examples.benchmarks.white_box_scores import load_white_box
from examples.zoo import default_folder
from examples.zoo.index import collect

FILES = {
    "first": HERE / "decision_held_out.json",
    "second": HERE / "decision_second_round.json",
    "again": HERE / "decision_again.json",
    "earlier": HERE / "decision_second_round_earlier_tool.json",
    "third": HERE / "decision_third_round.json",
    "fourth": HERE / "decision_fourth_round.json",
    "previous": HERE / "decision_third_and_fourth_previous_tool.json",
    "by-first": HERE / "decision_third_and_fourth_first_tool.json",
}
TOGETHER = HERE / "decision_third_and_fourth.md"
RATES = HERE.parent.parent / "auditor" / "decision" / "measured.py"
BASIS = (
    "Rule and null: examples/benchmarks/decision_rule.py, on the development models. Error",
    "rates: examples/benchmarks/decision_held_out.py, held-out models of rounds three and four,",
    "which nothing had seen before: one audit each, beside references of other recipes.",
)
SEED = 0
PRESENT = {"third": 3, "fourth": 4}
"""Rounds that the present tool was scored on."""
DISTURBED = 120
"""Samples that the families disturb, whose own labels are asked as well."""
FROZEN = Candidate(ASKED, RULE.weight, RULE.widening, RULE.apart)
MADE = {
    "first": "Made by `python -m examples.benchmarks.decision_held_out`, once, after the rule was "
    "frozen, by the tool as it was then: {count} models of the first round, one audit each.",
    "second": "Made by `python -m examples.benchmarks.decision_held_out second --data-dir DATA` at "
    "commit 984a98e, once, after rule, search and null were frozen: {count} models of the second "
    "round, one audit each. They were planned before anything that they judge was changed, and no "
    "choice, null or scoring had seen them; their training lengths are no other model's.",
    "again": "Made by the tool that the second round was scored with: the {count} models of the "
    "first round, one audit each. What the first scoring missed was known when the tool was "
    "changed, so these figures are no test of it.",
    "earlier": "Made by checking out commit c0bbff0, with the index and the family counts of the "
    "second round: the same {count} models of the second round by the tool that the first round "
    "was scored with (its search, null and rule, all older than these models), after the second "
    "tool's scoring.",
    "third": "Made by `python -m examples.benchmarks.decision_held_out third --data-dir DATA`, "
    "once, after rule, search and nulls were frozen: {count} models of the third round, one audit "
    "each. They were planned after the second scoring and before any change that followed it "
    "(commit bd88111); no choice, null or scoring had seen them, and their training lengths are no "
    "other model's.",
    "fourth": "Made by `python -m examples.benchmarks.decision_held_out fourth --data-dir DATA`, "
    "once, by the tool that the third round was scored with, frozen at commit 2c3fe9a: {count} "
    "models, one audit each. They were planned after the third scoring (commit 87fba4d), because "
    "its interval of the miss rate was too wide to clear a model by; nothing of the tool was "
    "changed in between, and every model that was planned and came out well counts.",
    "previous": "Made by checking out commit 984a98e, with the index and the family counts of the "
    "third and fourth round, and its `decision_held_out second` for their cells: the same {count} "
    "models by the tool that the second round was scored with, older than all of them, after the "
    "present tool's scorings.",
    "by-first": "Made in the same way by checking out commit c0bbff0: the same {count} models by "
    "the tool that the first round was scored with, older than all of them.",
    "together": "The rows of the [third](decision_third_round.md) and the "
    "[fourth](decision_fourth_round.md) scoring: {count} models that nothing had seen before, by "
    "the same tool, one audit each. The fourth was planned after the third was known, to narrow "
    "the intervals; these take no account of that.",
}
OLD = (
    "References and null are clean calibration models of other recipes (data set, architecture, "
    "training) than the model's own. Queries: those of the search and 1,000 of the families."
)
COMPARED = (
    "References are clean calibration models of other recipes (data set, architecture, "
    "training) than the model's own; nulls are clean development models of other recipes. Queries: "
    "those of the search, and of the families as far as they were asked (none where the search "
    "convinced; else their samples and the mean over four orders of asking)."
)
TITLES = {
    "first": "The decision rule on the held-out models, first round",
    "second": "The decision rule on the held-out models, second round",
    "again": "The first round's models, audited again",
    "earlier": "The second round by the first round's tool",
    "third": "The decision rule on the held-out models, third round",
    "fourth": "The decision rule on the held-out models, fourth round",
    "together": "The decision rule on the held-out models of the third and fourth round",
    "previous": "The third and fourth round by the tool before",
    "by-first": "The third and fourth round by the first tool",
}


def main() -> None:
    """Score one population, or write the tables of all."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("step", choices=(*PRESENT, "dry", "report"))
    parser.add_argument("--models", type=Path, default=default_folder())
    parser.add_argument("--data-dir", type=Path, action="append", default=[])
    parser.add_argument("--samples", type=int, default=120)
    parser.add_argument("--only", default="", help="only models whose name contains this")
    parser.add_argument("--out", type=Path, help="with dry: file for calibration models' rows")
    options = parser.parse_args()
    if FROZEN.rule != RULE:
        raise SystemExit("the package's rule is not the frozen candidate")
    if options.step == "report":
        write_all()
    else:
        score(options)


# ---- scoring ----------------------------------------------------------------------------------


def score(options: argparse.Namespace) -> None:
    """Search what was never searched, judge every model once."""
    dry = options.step == "dry"
    path = options.out if dry else FILES[options.step]
    split = "calibration" if dry else "held-out"
    wanted = [
        model
        for model in collect(options.models)
        if model["split"] == split
        and not model["failed"]
        and options.only in model["name"]
        and (dry or round_of(model) == PRESENT[options.step])
    ]
    study = Study()
    counted = {model.name: model for model in load_models(split)}
    rows: list[Record] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    done = {row["name"] for row in rows}
    for record in wanted:
        name = record["name"]
        if name in done:
            continue
        if name not in counted:
            print(name, "has no family counts")
            continue
        model = counted[name]
        search = short(search_one(record, SEED, study.nulls.of(model.recipe), options=options))
        asked = stopping(study, model, search)
        families = {} if asked is None else {"families_asked": DISTURBED + mean(asked["asked"])}
        rows.append({**judge(study, model, search), **families, "search": search})
        path.write_text(_one_per_line(rows), encoding="utf-8")
        print(name, "scored", flush=True)


def _one_per_line(rows: Sequence[Record]) -> str:
    return "[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n"


def judge(study: Study, model: Model, search: Record) -> Record:
    """One held-out model beside calibration models, in plain numbers."""
    row: Record = {
        "name": model.name,
        "recipe": model.recipe,
        "group": model.group,
        "queries": search["queries"],
        "trigger_suspicious": search["suspicious"],
        "recovered": recovered(model, search),
    }
    alone = triggers_of(search, study.nulls.of(model.recipe))
    row["trigger"] = _outcome(model, weigh(alone, None, RULE), None)
    modes: tuple[Mode, Mode] = ("cross", "same")
    for mode in modes:
        row[mode] = _beside(study, model, study.triggers(model, search, RULE, mode), mode)
    return row


def recovered(model: Model, search: Record) -> bool:
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


# ---- tables and rates -------------------------------------------------------------------------


def write_all() -> None:
    """Write the tables of every scoring that there is, and the rates of the tool as it is."""
    known = _facts()
    rows = {name: _rows(path, known) for name, path in FILES.items() if path.exists()}
    for name, scored in rows.items():
        text = report(_scoring(name, scored))
        FILES[name].with_suffix(".md").write_text(text, encoding="utf-8")
    # Rates speak of the tool as it is, so only of the scorings of that.
    now = [row for name in PRESENT for row in rows.get(name, [])]
    TOGETHER.write_text(report(_scoring("together", now)), encoding="utf-8")
    audits = [Audited.of_row(row) for row in now]
    source = measured_source(BASIS, RULE, WITH_REFERENCES.null, audits)
    RATES.write_text(source, encoding="utf-8")
    TRIGGER_RATES.write_text(trigger_rates([_as_search(row) for row in now]), encoding="utf-8")


def _facts() -> dict[str, dict[str, Any]]:
    index = json.loads((HERE.parent / "zoo" / "index.json").read_text(encoding="utf-8"))
    return {record["name"]: record for record in index["models"]}


def _rows(path: Path, known: Mapping[str, Mapping[str, Any]]) -> list[Record]:
    """The kept rows with what the index says of each model."""
    rows: list[Record] = json.loads(path.read_text(encoding="utf-8"))
    for row in rows:
        record = known[row["name"]]
        mapping = enumerate(record["mapping"])
        row["poison"] = record["poison_rate"]
        row["targets"] = sorted({t for source, t in mapping if t not in {-1, source}})
    return rows


def _scoring(name: str, rows: Sequence[Record]) -> Scoring:
    seen = {m.recipe for m in load_models("calibration")}
    parts: dict[str, Sequence[Record]] = {"all": rows}
    if name == "first":
        parts = {
            "pristine: never scored by anything before": [r for r in rows if r["pristine"]],
            "seen once by the earlier search": [r for r in rows if not r["pristine"]],
            **parts,
        }
    else:
        for dataset in sorted({r["recipe"].partition("/")[0] for r in rows}):
            parts[dataset] = [r for r in rows if r["recipe"].startswith(dataset)]
    parts["recipes without a calibration model"] = [r for r in rows if r["recipe"] not in seen]
    made = MADE[name].format(count=len(rows))
    compared = COMPARED if name in {*PRESENT, "together"} else OLD
    return Scoring(TITLES[name], made, compared, rows, parts, load_white_box())


def _as_search(row: Record) -> Record:
    """A row as the trigger search's own rates take it."""
    kind = row["group"]
    label_map = "none" if kind == "clean" else "all-to-one" if kind in ATTACKS else kind
    return {"attack": kind, "label_map": label_map, "suspicious": row["trigger_suspicious"]}


if __name__ == "__main__":
    main()
