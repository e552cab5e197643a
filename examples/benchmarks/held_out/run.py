"""How well does the frozen decision rule do on models that nothing had seen before?

    python -m examples.benchmarks decision_rule ask --data-dir DATA --labels FOLDER \
        --split held-out --round 4 --roles audited --rule-only
    python -m examples.benchmarks held_out score --round 4 --data-dir DATA
    python -m examples.benchmarks held_out [--write-measured]

``score`` judges the models of one round, once, by the tool frozen before; none of them took part
in anything. Rule, families, weights, level and null are those that ``decision_rule`` froze. Every
model is compared with clean *calibration* models of other recipes (data set, architecture,
training); the nulls leave its own recipe out. One trigger search per model (seed 0); a model that
has its row is never searched again. Without a step the page is written from the rows;
``--write-measured`` writes the error rates that verdicts state. ``clear`` searches the models of
the fifth round, to know what an all-clear misses. Scorings of earlier tools are in the history of
``examples/benchmarks/README.md``.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean

from auditor.measured import ValueNull, decision_rule
from auditor.verdict.rule import LEVEL, LabelEvidence, combine_by_label, p_of
from auditor.verdict.trigger_weight import LabelTrigger
from examples.benchmarks import measured_files
from examples.benchmarks.decision_rule.evidence import (
    Mode,
    Model,
    excess_of,
    load_models,
    triggers_of,
)
from examples.benchmarks.decision_rule.study import ASKED, Candidate, Study, clean_null
from examples.benchmarks.held_out import clearing
from examples.benchmarks.held_out.tables import ROWS, Scoring, load_rows, report
from examples.benchmarks.queries.stopping import judge as stopping
from examples.benchmarks.stored import Record, read, write, write_page
from examples.benchmarks.trigger_search.search import recovered, search_one, short
from examples.benchmarks.zoo_models import add_asking_options, require_data, round_of
from examples.zoo.index import collect

PAGE = Path(__file__).with_name("README.md")
SEED = 0
ROUNDS = (3, 4)
"""Rounds that the present tool was scored on."""
DISTURBED = 120
"""Samples that the families disturb, whose own labels are asked as well."""
RULE = decision_rule().rule
FROZEN = Candidate(ASKED, RULE.weight, RULE.widening, RULE.apart)
TITLE = "The decision rule on the held-out models of the third and fourth round"
MADE = (
    "    python -m examples.benchmarks held_out score --round 3 --data-dir DATA\n"
    "    python -m examples.benchmarks held_out score --round 4 --data-dir DATA\n"
    "    python -m examples.benchmarks held_out\n\n"
    "{count} models that nothing had seen before, one audit each, by one tool, frozen at commit "
    "2c3fe9a with its rule, search and nulls. The third round was planned at commit bd88111, after "
    "the second scoring and before any change that followed it; no choice, null or scoring had "
    "seen its models, and their training lengths are no other model's. The fourth was planned at "
    "commit 87fba4d, after the third was known, because its interval of the miss rate was too wide "
    "to clear a model by; nothing of the tool was changed in between, and every model that was "
    "planned and came out well counts. The intervals take no account of that. Each round by "
    "itself, and earlier tools: [history](../README.md#history)."
)
COMPARED = (
    "References are clean calibration models of other recipes (data set, architecture, "
    "training) than the model's own; nulls are clean development models of other recipes. Queries: "
    "those of the search, and of the families as far as they were asked (none where the search "
    "convinced; else their samples and the mean over four orders of asking)."
)


def main() -> None:
    """Score one round, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "step", nargs="?", choices=("score", "dry", "clear", "report"), default="report"
    )
    parser.add_argument("--round", type=int, choices=ROUNDS, help="with score: whose models")
    parser.add_argument("--samples", type=int, default=120)
    parser.add_argument("--only", default="", help="only models whose name contains this")
    parser.add_argument("--out", type=Path, help="with dry: file for calibration models' rows")
    measured_files.add_option(parser)
    add_asking_options(parser)
    options = parser.parse_args()
    if FROZEN.rule != RULE:
        raise SystemExit("the package's rule is not the frozen candidate")
    if options.step in {"score", "dry"}:
        require_data(options)
        score(options)
        return
    if options.step == "clear":
        require_data(options)
        clearing.search_round(options)
    rows = load_rows()
    rounds = clearing.every_round(rows)
    ends = clearing.section(rounds)
    write_page(PAGE, "\n".join([report(_scoring(rows)), *ends]))
    if options.write_measured:
        audits = [measured_files.Audited.of_row(row) for row in rows]
        measured_files.write_rule_rates(measured_files.BY_SCORING, audits)
        measured_files.write_trigger_clearing([row for _, own in rounds for row in own])


def _scoring(rows: Sequence[Record]) -> Scoring:
    seen = {m.recipe for m in load_models("calibration")}
    parts: dict[str, Sequence[Record]] = {"all": rows}
    for dataset in sorted({r["recipe"].partition("/")[0] for r in rows}):
        parts[dataset] = [r for r in rows if r["recipe"].startswith(dataset)]
    parts["recipes without a calibration model"] = [r for r in rows if r["recipe"] not in seen]
    return Scoring(TITLE, MADE.format(count=len(rows)), COMPARED, rows, parts)


# ---- scoring ----------------------------------------------------------------------------------


def score(options: argparse.Namespace) -> None:
    """Search the models that were never searched, judge every model once."""
    dry = options.step == "dry"
    if options.out is None if dry else options.round is None:
        raise SystemExit("score needs --round, dry needs --out FILE")
    path = options.out if dry else ROWS
    split = "calibration" if dry else "held-out"
    wanted = [
        model
        for model in collect(options.models)
        if model["split"] == split
        and not model["failed"]
        and options.only in model["name"]
        and (dry or round_of(model) == options.round)
    ]
    study = Study()
    counted = {model.name: model for model in load_models(split)}
    rows: list[Record] = read(path, [])
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
        write(path, rows)
        print(name, "scored", flush=True)


def judge(study: Study, model: Model, search: Record) -> Record:
    """One held-out model beside calibration models, in plain numbers."""
    row: Record = {
        "name": model.name,
        "recipe": model.recipe,
        "group": model.group,
        "queries": search["queries"],
        "trigger_suspicious": search["suspicious"],
        "recovered": recovered(search["findings"], model.targets),
    }
    alone = triggers_of(search, study.nulls.of(model.recipe))
    row["trigger"] = _outcome(model, combine_by_label(alone, None, RULE), None)
    modes: tuple[Mode, Mode] = ("cross", "same")
    for mode in modes:
        row[mode] = _beside(study, model, study.triggers(model, search, RULE, mode), mode)
    return row


def _beside(
    study: Study, model: Model, triggers: Mapping[int, LabelTrigger], mode: Mode
) -> Record | None:
    excess = excess_of(model, study.clean, mode, "image", RULE.keys, RULE.widening)
    if excess is None:
        return None
    judged = study.judged(FROZEN, "cross")
    null = clean_null(one for one in judged if one.model.recipe != model.recipe)
    found = _outcome(model, combine_by_label(triggers, excess, RULE), null)
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
