"""How was the decision rule chosen, and how far can it be trusted?

    python -m examples.benchmarks decision_rule ask --data-dir DATA --labels FOLDER
    python -m examples.benchmarks decision_rule [--write-measured]

``ask`` asks trained models every probe family and counts the answers; without a step the page is
written from those counts and the searches of ``trigger_search``. ``--write-measured`` writes the
rule, its null and the study's own error rates into the product; ``held_out --write-measured``
replaces those rates by measured ones.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from auditor.probes.perturbations.catalogue import CATALOGUE
from auditor.verdict.rule import LEVEL
from examples.benchmarks import measured_files
from examples.benchmarks.cells import rate_cell
from examples.benchmarks.decision_rule import families
from examples.benchmarks.decision_rule.study import (
    ASKED,
    CANDIDATES,
    NOISE,
    SETS,
    Candidate,
    Outer,
    Study,
    choose,
    clean_null,
    left_out,
    nested,
)
from examples.benchmarks.decision_rule.tables import (
    attacks_of,
    by_attack_cells,
    family_tables,
    outcome_table,
    re_table,
    rule_table,
    search_table,
)
from examples.benchmarks.stored import write_page
from examples.benchmarks.trigger_search.search import null_of
from examples.benchmarks.zoo_models import add_asking_options, require_data

PAGE = Path(__file__).with_name("README.md")


def main() -> None:
    """Ask, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("step", nargs="?", choices=("ask", "report"), default="report")
    measured_files.add_option(parser)
    add_asking_options(parser)
    families.add_options(parser)
    options = parser.parse_args()
    if options.step == "ask":
        require_data(options)
        families.ask(options)
        return
    found = Found.of(Study())
    write_page(PAGE, report(found))
    if options.write_measured:
        write_measured(found)
    print(f"chosen: {found.chosen.words}")


@dataclass(frozen=True)
class Found:
    """The outcome of the study.

    Attributes:
        study: all models and searches.
        chosen: the rule chosen on all of them.
        outer: every search judged by a choice and a null without its recipe.
        folds: the choice without each recipe.
        alone: every search judged by the trigger search alone.
    """

    study: Study
    chosen: Candidate
    outer: Sequence[Outer]
    folds: Mapping[str, Candidate]
    alone: Sequence[Outer]

    @classmethod
    def of(cls, study: Study) -> Found:
        """Choose, on all and in folds."""
        outer, folds = nested(study)
        alone = left_out(study, Candidate(None), "cross")
        return cls(study, choose(study, lambda _: True), outer, folds, alone)


def write_measured(found: Found) -> None:
    """Write the rule, its null and the study's rates (one audit per model, the searches of the
    first seed), and what clean models show at labels that are no habit.
    """
    p_alone = {one.judged.model.name: one.p for one in found.alone if one.judged.seed == 0}
    audits = [
        measured_files.Audited(
            one.judged.model.group,
            one.judged.model.recipe,
            one.judged.model.poison,
            one.p,
            p_alone[one.judged.model.name],
        )
        for one in found.outer
        if one.judged.seed == 0
    ]
    null = clean_null(found.study.judged(found.chosen, "cross"))
    measured_files.write_rule(found.chosen.rule, null, audits, len(found.outer))
    measured_files.write_rule_rates(measured_files.BY_STUDY, audits)
    elsewhere = found.study.nulls.elsewhere
    measured_files.write_unusual_labels(null_of(elsewhere), elsewhere)


# ---- the page --------------------------------------------------------------------------------


def report(found: Found) -> str:
    """The page."""
    return "\n".join(
        [
            *_opening(found.study),
            "",
            "## Families alone",
            "",
            "The largest standardised excess of any label over clean references of the same data "
            f"set: {len(CATALOGUE)} families and strengths, two access modes, two kinds of "
            f"references. In `float` the inputs may leave the range; in `image` they are clipped "
            "and rounded.",
            "",
            *family_tables(found.study),
            "",
            "## Trigger searches alone",
            "",
            "Weight of the strongest trigger (minus log10 of the one-look p-value; natural "
            "successes count half, at most 1), each judged by clean models of other recipes. "
            "Mean over two seeds, interval of the first. A search that convinced ended early, so "
            "later kinds have fewer chances on backdoored models.",
            "",
            *search_table(found.study),
            "",
            "## Candidates for the rule",
            "",
            *_candidates(found),
            "",
            *_outcomes(found),
            "",
            "## RE and ATS",
            "",
            "On the same models (N = 20, S = 25), and what RE would add to the rule: its distance "
            "below clean references of other recipes.",
            "",
            *re_table(found.study, found.chosen),
            "",
        ]
    )


def _opening(study: Study) -> list[str]:
    """The models and the way they were asked."""
    bad = sum(m.label_map == "all-to-one" for m in study.models)
    return [
        "# The decision rule, on the development models",
        "",
        "    python -m examples.benchmarks decision_rule ask --data-dir DATA --labels FOLDER",
        "    python -m examples.benchmarks decision_rule",
        "",
        f"{len(study.models)} models: {len(study.clean)} clean, {bad} with an all-to-one "
        f"backdoor, {len(study.models) - bad - len(study.clean)} with another label map; "
        f"{len({m.recipe for m in study.models})} recipes (data set, architecture, training). "
        "They are the calibration split and the held-out models that earlier tools were scored "
        "on; the models of the third held-out round took no part. Families alone are shown on "
        f"the {len(study.calibration)} of the calibration split, which were asked all of them, "
        "in both roles; references are its clean ones. Families: 200 queries each; a model is "
        "asked on other samples and directions as an audited model than as a reference. "
        "Trigger search: the saved searches of two seeds per model. AUROC above 0.5 means that "
        "backdoored models score higher. Intervals are 95 %: DeLong for AUROC (too narrow "
        "where separation is perfect), exact for counts. Figures over two searches of one "
        "model are not independent.",
    ]


def _candidates(found: Found) -> list[str]:
    """The rules that competed, and the choice."""
    study, chosen = found.study, found.chosen
    cells = 2 * len(CATALOGUE)
    return [
        f"{len(CANDIDATES)} candidates: {len(SETS)} sets of five families, three weights, "
        "three widenings, and the trigger search alone. Only the set that plans ask and "
        f"shipped profiles hold (**{ASKED}**, chosen when sets last competed) competes for the "
        "package, with a widening above 0, and only where it flags at most "
        f"{LEVEL:.0%} of the clean searches, its stated level (the criterion alone would take "
        f"one that accuses more). Of those within {NOISE:g} of the best criterion, the one "
        "that finds most at that level is taken. **Habits apart**: a trigger for a label that "
        "is no habit of the clean references (it takes no more than its even share of their "
        "answers under any family) is weighed by what clean models show at such labels. The "
        f"sets were put together after seeing the table of {cells} cells above on these same "
        "models; nested cross-validation pays for the choice among them, not for that. About "
        "fifteen variants of the weights of triggers, of the shift and of the spreads were "
        "compared by hand on calibration models, and about twenty of the habits on development "
        "models (thresholds of 1 to 2.5 times the even share, habits taken from the "
        "references' searches instead, strong waves in or out, how far beyond clean models a "
        "success must be, natural patches from 0.3 to 0.5). What was kept has a stated reason: "
        "a strong wave never decides alone (an honest model showed one in full), a target's "
        "own pull is no shift, a patch that clean references show too is natural. The "
        "criterion is AUROC over all all-to-one models plus its mean over attacks, at best 2.",
        "",
        *rule_table(study),
        "",
        f"Chosen on all: **{chosen.words}**: `{' '.join(SETS[chosen.name or 'mixed'])}`. "
        "Chosen in the folds of the nested cross-validation: "
        + "; ".join(f"{recipe}: {pick.words}" for recipe, pick in found.folds.items())
        + ".",
    ]


def _outcomes(found: Found) -> list[str]:
    """The errors of the chosen rule at the stated level, in several ways of judging it."""
    fixed = left_out(found.study, found.chosen, "cross")
    same = left_out(found.study, found.chosen, "same")
    attacks = attacks_of(found.study.models)
    return [
        f"At the stated false-positive rate of {LEVEL:.0%} (p from clean models of the other "
        "recipes):",
        "",
        *outcome_table(
            [
                ("nested: choice and null without the recipe, other recipes", found.outer),
                ("chosen rule, other recipes", fixed),
                ("chosen rule, same recipe", same),
                ("trigger search alone, no references", found.alone),
            ]
        ),
        "",
        "AUROC by attack, single searches:",
        "",
        f"| | all | {' | '.join(attacks)} |",
        f"|---|---|{'---|' * len(attacks)}",
        *(
            f"| {name} | {' | '.join(by_attack_cells([o.judged for o in outers], attacks))} |"
            for name, outers in (
                ("chosen, other recipes", fixed),
                ("chosen, same recipe", same),
                ("trigger search alone", found.alone),
            )
        ),
        "",
        _other_maps(fixed),
        "",
        "By data set, chosen rule, other recipes (few models each):",
        "",
        *outcome_table(_by_dataset(fixed)),
    ]


def _other_maps(fixed: Sequence[Outer]) -> str:
    """The searches flagged by label map, of those that are not all-to-one."""
    kinds = sorted({o.judged.model.label_map for o in fixed} - {"none", "all-to-one"})
    cells = []
    for kind in kinds:
        group = [o for o in fixed if o.judged.model.label_map == kind]
        cells.append(f"{kind} {rate_cell(sum(o.p <= LEVEL for o in group), len(group))}")
    words = "Other label maps, chosen rule, other recipes, searches flagged: "
    return words + "; ".join(cells) + "."


def _by_dataset(fixed: Sequence[Outer]) -> list[tuple[str, list[Outer]]]:
    names = sorted({o.judged.model.dataset for o in fixed})
    return [(name, [o for o in fixed if o.judged.model.dataset == name]) for name in names]
