"""Fill the marked parts of the project's pages: ``python -m examples.documents`` (make readme).

A part stands between ``<!-- filled by make readme: NAME -->`` and ``<!-- end -->``. With
``--check`` nothing is written, and the exit code is 1 if a part is stale. The demo's output takes
the demo itself; ``--no-demo`` leaves that part alone.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path

from adapters.contract import jpeg_quality
from auditor.measured import (
    FEW_CLASSES,
    LabelPopulation,
    LabelRates,
    by_source_rates,
    decision_rates,
    label_rates,
    search_queries,
    small_label_rates,
    trigger_clearing,
)
from auditor.plan.settings import AuditSettings
from auditor.probes.label_search.settings import EFFORTS, SUCCESS_SIDES, Effort
from auditor.scores.intervals import binomial_rate
from auditor.verdict.label_scope import accuses_at, clears_at, usual_cleared
from auditor.workflows.profiles import load_profile
from examples.benchmarks.cells import auroc_of
from examples.benchmarks.held_out.tables import areas_by_attack, load_rows
from examples.benchmarks.zoo_models import PATCHES

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "auditor/verdict/README.md")
PART = re.compile(
    r"(<!-- filled by make readme: (?P<name>[\w-]+) -->\n)(?P<text>.*?)(<!-- end -->)", re.DOTALL
)
TASKS = ("fashion-mnist", "cifar-10", "gtsrb")
DEFAULT: Effort = AuditSettings().effort
WIDTH = 96


def of(hits: int, models: int) -> str:
    """A count with its 95 % interval."""
    rate = binomial_rate(hits, models)
    return f"{hits} of {models} ({rate.low:.0%} to {rate.high:.0%})"


def figures() -> str:
    """The table of error rates on held-out models of small pictures."""
    rule, alone = decision_rates().with_references, decision_rates().without_references
    rows = [
        (
            "clean models accused",
            (rule.false_alarms, rule.clean),
            (alone.false_alarms, alone.clean),
        ),
        (
            "all-to-one backdoors missed",
            (rule.missed, rule.backdoored),
            (alone.missed, alone.backdoored),
        ),
    ]
    lines = [
        "| | beside clean references, by an earlier search | without references |",
        "|---|---|---|",
    ]
    lines += [f"| {what} | {of(*beside)} | {of(*searched)} |" for what, beside, searched in rows]
    cleared = f"{_cleared()} {_both_searches()} {_class_by_class()}"
    return "\n".join(lines) + f"\n\n{cleared}\n{_photographs()}\n"


def _cleared() -> str:
    """Small pictures whose model a search clears."""
    rates = trigger_clearing()
    return (
        "Cleared with 100 samples and nothing even unusual, without references: "
        f"{of(rates.cleared, rates.clean)} clean ones and "
        f"{of(rates.missed, rates.backdoored)} with an all-to-one backdoor."
    )


def _both_searches() -> str:
    """Error rates where small pictures are searched in both ways."""
    effort, rates = next(iter(small_label_rates()[0].efforts.items()))
    return (
        f"The same with `--effort {effort}`: {of(rates.accused, rates.clean)} clean ones accused, "
        f"{of(rates.cleared, rates.clean)} cleared; of all-to-one backdoors "
        f"{of(rates.usual_found, rates.usual)} found, {of(rates.usual_cleared, rates.usual)} "
        "cleared."
    )


def _class_by_class() -> str:
    """Error rates where each class is searched by itself."""
    parts = []
    for side in (SUCCESS_SIDES[0], SUCCESS_SIDES[1] + 1):
        rates = by_source_rates((side, side))
        named = of(rates.everywhere_found, rates.everywhere)
        size = "{} to {}".format(*rates.sides)
        parts.append(f"{named} at {size} pixels ({of(rates.accused, rates.clean)} clean accused)")
    return (
        "Backdoors that send every class elsewhere, at `thorough` with 20 samples of each class: "
        f"{' and '.join(parts)} named."
    )


def _photographs() -> str:
    """Error rates on photographs, of the sizes and at the efforts at which a search decides."""
    lines = [
        f"Photographs of {FEW_CLASSES} classes or more, where fewer are not said. Where no share "
        f"of cleared ones stands, none is cleared.{_of_before()}{_careful()}\n",
        "| pixels | effort | clean accused | cleared | usual backdoors found | cleared |",
        "|---|---|---|---|---|---|",
    ]
    for population in label_rates():
        able = [name for name in EFFORTS if name in population.efforts]
        accusing = [name for name in able if accuses_at(population.efforts[name])]
        clearing = [name for name in able if clears_at(population.efforts[name])]
        # Of what accuses the default, if it does, for it is what most will see.
        shown = [DEFAULT if DEFAULT in accusing else accusing[0]] if accusing else []
        # And the cheapest and the surest that clear.
        shown += clearing[:1] + clearing[-1:]
        lines += [_photograph(population, name) for name in dict.fromkeys(shown)]
    return "\n".join(lines)


def _of_before() -> str:
    """Where the last column counts more models than the one before it."""
    said = [
        "{} to {} pixels with `--effort {}`".format(*population.sides, effort)
        for population in label_rates()
        for effort, rates in population.efforts.items()
        if clears_at(rates) and usual_cleared(rates)[1] != rates.usual
    ]
    if not said:
        return ""
    return (
        f" At {' and '.join(said)} the last share is of the same search without its last "
        "questions, asked of more models: it clears no fewer."
    )


def _careful() -> str:
    """What becomes of attackers who train against detection, where a search clears."""
    said = [
        f"at {low} to {high} pixels with `--effort {effort}` {_found(rates, CAREFUL)}, "
        f"{_found(rates, ADAPTIVE)}"
        for population in label_rates()
        for low, high in [population.sides]
        for effort, rates in population.efforts.items()
        if rates.careful and clears_at(rates)
    ]
    return (
        " Attackers who train against detection: careful ones keep other patterns elsewhere from "
        f"working, adaptive ones near misses at the trigger's own place too; {'; '.join(said)}."
    )


CAREFUL, ADAPTIVE = "careful", "adaptive"


def _found(rates: LabelRates, care: str) -> str:
    models = getattr(rates, care)
    found, cleared = (getattr(rates, f"{care}_{end}") for end in ("found", "cleared"))
    return f"{of(found, models)} {care} found and {of(cleared, models)} cleared"


def _photograph(population: LabelPopulation, effort: Effort) -> str:
    rates, (low, high) = population.efforts[effort], population.sides
    quality = jpeg_quality(population.coding)
    size = f"{low} to {high}" + (f", JPEG of quality {quality} or more" if quality else "")
    size += {"many": "", "few": ", three or four classes", "two": ", two classes"}[
        population.classes
    ]
    clears = clears_at(rates)
    if clears and population.backdoored_to:
        size += f", cleared up to {population.backdoored_to}"
    cells = [
        size, f"`{effort}`", of(rates.accused, rates.clean),
        of(rates.cleared, rates.clean) if clears else "–",
        of(rates.usual_found, rates.usual),
        of(*usual_cleared(rates)) if clears else "–",
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def cost() -> str:
    """What trigger searches of reference models asked."""
    found, not_found = search_queries().found, search_queries().not_found
    return (
        "Planes, samples and repeats ask under 1,000 labels. On held-out models of small pictures "
        f"the trigger search took {found.mean:,.0f} queries on average where it found a trigger "
        f"(5 to 95 %: {found.low:,} to {found.high:,}) and {not_found.mean:,.0f} where it did "
        f"not ({not_found.low:,} to {not_found.high:,}). The rule beside references adds at most "
        "1,120.\n"
    )


def profiles() -> str:
    """The table of shipped profiles."""
    lines = [
        "| `--profile` | references, clean / backdoored | access | clean wrongly flagged "
        "| backdoored missed |",
        "|---|---|---|---|---|",
    ]
    for task in TASKS:
        for access in ("float", "image"):
            profile = load_profile(task, access)
            used = [one for one in profile.references if one.name not in profile.outliers]
            clean = sum(not one.backdoored for one in used)
            rates = [profile.error_rates[side] for side in ("false_positive", "false_negative")]
            cells = [f"{r.rate:.0%} [{r.low:.0%}, {r.high:.0%}]" for r in rates if r is not None]
            made_of = f"{clean} / {len(used) - clean}"
            lines.append(f"| `{task}` | {made_of} | {access} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def areas() -> str:
    """Areas under the curve of the decision value on held-out models."""
    known = [(row["group"], row["cross"]["value"]) for row in load_rows()]
    clean = [value for group, value in known if group == "clean"]
    patches = auroc_of(clean, [value for group, value in known if group in PATCHES])
    by_attack = areas_by_attack(known)
    mean = sum(area for area, _ in by_attack) / len(by_attack)
    worst, attack = min(by_attack)
    return (
        f"Its AUROC on {len(known)} held-out models beside references of other recipes is "
        f"{patches:.2f} on patches,\n{mean:.2f} on average over {len(by_attack)} attacks and "
        f"{worst:.2f} on the worst ({attack}).\n"
        "[All figures](../../examples/benchmarks/held_out/README.md).\n"
    )


def demo(printed: str) -> str:
    """The demo's output, shortened to what a newcomer needs."""
    lines = []
    for block in printed.split("\n\n")[1:]:
        said = block.splitlines()
        reason = re.split(r"(?<=[.)]) (?=[A-Z])", said[2].strip())[0]
        queries = next(line for line in said if "Queries:" in line).partition(", in ")[0]
        lines += [*said[:2], *textwrap.wrap(f"{reason} ...", WIDTH, initial_indent="  ",
                                            subsequent_indent="  "), queries, ""]  # fmt: skip
    return "```text\n" + "\n".join(lines).rstrip() + "\n```\n"


def run_demo() -> str:
    """Output of the demo, run once."""
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "auditor", "demo", "--quiet", "--output", folder]
        return subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT).stdout


MAKERS: Mapping[str, Callable[[], str]] = {
    "figures": figures,
    "cost": cost,
    "areas": areas,
    "profiles": profiles,
    "demo": lambda: demo(run_demo()),
}


def filled(page: str, makers: Mapping[str, Callable[[], str]]) -> str:
    """``page`` with the parts that ``makers`` know made anew."""

    def made(part: re.Match[str]) -> str:
        maker = makers.get(part["name"])
        return part.group() if maker is None else part[1] + maker() + part[4]

    return PART.sub(made, page)


def main(words: list[str]) -> int:
    """Fill or check every page."""
    makers = {k: v for k, v in MAKERS.items() if k != "demo" or "--no-demo" not in words}
    stale = []
    for name in PAGES:
        path = ROOT / name
        held = path.read_text(encoding="utf-8")
        now = filled(held, makers)
        if now != held:
            stale.append(name)
            if "--check" not in words:
                path.write_text(now, encoding="utf-8")
    print("\n".join(f"stale: {name}" for name in stale) or "every page is as it should be")
    return 1 if stale and "--check" in words else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
