"""A trigger search in words: each kind of change beside what clean models show for it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from adapters.contract import jpeg_quality
from auditor.measured import (
    FEW_CLASSES,
    LabelCell,
    by_source_rates,
    label_null_of,
    of_plans_since,
    trigger_null,
)
from auditor.plan.digest import MORE_CLEAN, SMALL_TOLD
from auditor.probes.further_searches import SUREST, may_accuse
from auditor.probes.label_search.judge import (
    WAVE,
    AccusingLimits,
    family_of,
    limits_for,
    told_limits,
)
from auditor.probes.label_search.search import PATCHES, none_found
from auditor.probes.label_search.settings import (
    AFTER_SUCCESS,
    Effort,
    label_effort,
    searched_by_label,
    told_at,
)
from auditor.probes.trigger_search.by_source import SEVERAL
from auditor.probes.trigger_search.judge import (
    ANY_NATURAL,
    LEAST_SUCCESS,
    OPEN_LEVEL,
    SIGNIFICANCE,
)
from auditor.probes.trigger_search.patches import unit_of
from auditor.probes.trigger_search.per_source import PAIR, PAIRS
from auditor.report.result.result import Result
from auditor.report.result.trigger import FindingPart, OtherSearchPart, TriggerPart
from auditor.report.wording.terms import called
from auditor.report.wording.text import percent, safe_text
from auditor.report.wording.triggers import TRIGGER_KINDS, change

NOT_MEASURED = "not measured"
OF_CLASSES = frozenset({PAIR, PAIRS, SEVERAL})
"""Keys of findings of a search class by class, which move samples of some classes only."""


def by_least(finding: FindingPart) -> bool:
    """True if the search sought the least change that carries a label, not the largest success."""
    return family_of(finding.key) in {"weak", "grey", *PATCHES}


def by_label(finding: FindingPart) -> bool:
    """True if the change was found by a search label by label."""
    return by_least(finding) or family_of(finding.key) == "random"


def asked_by_label(result: Result) -> bool:
    """True if the trigger search went label by label."""
    return result.trigger is not None and any(by_label(one) for one in result.trigger.findings)


def effort_by_label(result: Result) -> str:
    """Effort of an audit's search label by label; empty if it has none."""
    effort = result.settings.effort
    found = label_effort(result.input.shape[1:], effort)  # type: ignore[arg-type]  # holds any text
    return found or ""


def level(result: Result) -> str:
    """Chance on a clean model up to which the best finding counts, as a percentage."""
    best = None if result.trigger is None else result.trigger.best
    of_label = asked_by_label(result) if best is None else by_label(best)
    return f"{100 * (limits(result).level if of_label else SIGNIFICANCE):g}%"


def limits(result: Result) -> AccusingLimits:
    """The limits of accusing by the search label by label of an audit of such pictures."""
    shape = result.input.shape
    return told_limits(shape, _effort(result)) if told(result) else limits_for(shape)


def open_patch(result: Result) -> int | None:
    """Largest side, in pixels, of a patch that speaks against an all-clear; None for any side."""
    return patch_pixels(limits(result), result)


def patch_pixels(of: AccusingLimits, result: Result) -> int | None:
    """The same with limits ``of`` another audit of such pictures."""
    cells = 2.0**of.open_patch
    return None if math.isinf(cells) else int(cells * unit_of(result.input.shape))


def told(result: Result) -> bool:
    """True if its clean models were asked what tells planted patches from natural ones."""
    lossless = jpeg_quality(result.input.coding) is None and len(result.labels) >= FEW_CLASSES
    shape = result.input.shape[1:]
    since = MORE_CLEAN if searched_by_label(shape) else SMALL_TOLD
    return lossless and told_at(shape, _effort(result)) and of_plans_since(since)


def _effort(result: Result) -> Effort:
    return result.settings.effort  # type: ignore[return-value]  # reports hold any text


def levels(result: Result) -> str:
    """Such chances of the searches that an audit of such pictures makes at its effort."""
    shape, effort = result.input.shape, effort_by_label(result)
    large, lossy = searched_by_label(shape[1:]), jpeg_quality(result.input.coding) is not None
    of_label = f"{100 * limits(result).level:g}%"
    of_success = f"{100 * SIGNIFICANCE:g}%"
    if not large:
        also = f" (label by label: {of_label})" if effort and not lossy else ""
        return f"{of_success}{also}"
    apart = []
    if effort == "exhaustive" and may_accuse(shape, len(result.labels), lossy=lossy):
        apart.append(f"{100 * SUREST:g}% for the patches of further searches")
    if result.trigger is not None and result.trigger.alone_judged:
        apart.append(f"{of_success} class by class")
    return f"{of_label} ({', '.join(apart)})" if apart else of_label


def control(result: Result, found: TriggerPart) -> str | None:
    """Success of random changes, the control of a search label by label; None without any."""
    tried = [one for one in found.findings if one.key.startswith("random-")]
    if not tried or found.best is None or found.best in tried:
        return None
    same = next((one for one in tried if one.family.endswith(f" {found.best.family}")), None)
    most = same or max(tried, key=lambda one: one.success.rate)
    return (
        f"{TRIGGER_KINDS[most.family].title}, new for each picture: {hits(most)} to "
        f"“{called(result, most.target)}”."
    )


def kinds_tried(found: TriggerPart) -> int:
    """Kinds of change that were tried, by either search."""
    kinds = sum(one.key not in OF_CLASSES for one in found.findings)
    return kinds + (0 if found.other is None else found.other.kinds)


def other_search(result: Result, other: OtherSearchPart) -> str:
    """The other of two searches: its object and what it found."""
    sought = "the least change" if other.by_label else "the change that succeeds most"
    if other.best is None:
        return f"For {sought}: nothing carried a label."
    best = other.best
    rare = other.p is not None and other.p <= OPEN_LEVEL
    beside = "which few clean models show" if rare else "as clean models show too"
    return (
        f"For {sought}: {change(best)}, {hits(best)} to “{called(result, best.target)}”, {beside}."
    )


def hits(finding: FindingPart) -> str:
    """``44 of 46``."""
    return f"{finding.success.hits} of {finding.success.samples}"


def moved(finding: FindingPart) -> str:
    """``44 of 46 fresh samples``, and of which classes, if not of all."""
    said = f"{hits(finding)} fresh samples"
    if not finding.of_some:
        return said
    of_all = "{} of {}".format(*finding.of_all)
    return f"{said} of some classes ({of_all} of all)"


def clean_models(result: Result, finding: FindingPart) -> str:
    """The most that clean models show for this kind of change, in the same search."""
    key = finding.key
    if finding.of_several:
        rates = by_source_rates(result.input.shape)
        return f"{rates.accused} of {rates.clean} held-out ones were accused by such pairs"
    if key in (null := trigger_null()):
        most = f"up to {percent(null[key].highest, 0)}"
        if key in ANY_NATURAL:
            return f"{most}: never counts"
        least = math.ceil(LEAST_SUCCESS.get(key, 1.0) * finding.success.samples)
        return f"{most}; planted: {least} of {finding.success.samples} or more"
    return _least_of_clean(result, finding)


def beside_clean(result: Result, finding: FindingPart) -> str:
    """The same, as a note of its own."""
    said = clean_models(result, finding)
    need = by_least(finding) and said.endswith("or more")
    return f"clean models need {said}" if need else f"clean models: {said}"


def _cell(result: Result, key: str) -> LabelCell | None:
    """Clean models' values of the kind ``key``; None if not measured."""
    nulls = label_null_of(result.input.shape, told=told(result))
    own, begun = (
        nulls.of(effort, len(result.labels))
        for effort in (effort_by_label(result), AFTER_SUCCESS[0])
    )
    # Larger pictures are judged at `exhaustive` by the search that this begins with.
    begins = told(result) or key.startswith(PATCHES[1])
    return own.get(key) or (begun.get(key) if begins else None)


def _least_of_clean(result: Result, finding: FindingPart) -> str:
    """The same of a search label by label: the least change that carries a label."""
    key = finding.key
    cell = _cell(result, key)
    if cell is None:
        return NOT_MEASURED
    kind = family_of(key)
    if kind == "random":
        return f"up to {percent(1 / (1 + math.exp(cell.least)), 0)}"
    if cell.least >= none_found(key) - 1e-3:
        return f"none of {cell.models} had one" if kind == PATCHES[1] else "none had one"
    least = 2.0**cell.least
    if kind in PATCHES:
        return f"{least * unit_of(result.input.shape):.0f} pixels a side or more"
    steady = key == WAVE and not searched_by_label(result.input.shape[1:]) and told(result)
    where = ", if random waves do not turn them" if steady else ""
    return f"{_amount(finding.family, least, result)} or more{where}"


def _amount(family: str, value: float, result: Result) -> str:
    if family == "warp":
        return f"{value * unit_of(result.input.shape):.1f} pixels"
    return f"{value:.0f} grey levels"


def exceeds(result: Result, found: TriggerPart) -> str | None:
    """The best finding beside clean models, as the end of a sentence; None if not measured."""
    best = found.best
    if best is None or (said := clean_models(result, best)) == NOT_MEASURED:
        return None
    if said == "none had one":
        return "no clean model measured had such a change"
    if said.startswith("none of "):
        return f"{said.removesuffix(' had one')} clean models had such a one"
    if by_least(best):
        return f"clean models need {said}"
    most = said.partition(";")[0].partition(":")[0]
    return f"clean models reached {most}"


def ranked_targets(result: Result, found: TriggerPart) -> list[str]:
    """Labels that changes lead to, the most successful first, each with its strongest change."""
    best: dict[int, FindingPart] = {}
    for one in found.findings:
        held = best.get(one.target)
        if one.success.hits and (held is None or one.success.rate > held.success.rate):
            best[one.target] = one
    first = -1 if found.best is None else found.best.target
    order = sorted(best.values(), key=lambda one: (one.target != first, -one.success.rate))
    return [f"{called(result, one.target)}: {hits(one)}, {kind_title(one)}" for one in order]


def strongest(found: TriggerPart) -> FindingPart | None:
    """The change that moves most where none leads anywhere; random ones only without any other."""
    every = [one for one in found.findings if one.key not in OF_CLASSES]
    tried = [one for one in every if not by_label(one) or by_least(one)]
    return max(tried or every, key=lambda one: one.success.rate, default=None)


def kind_title(finding: FindingPart) -> str:
    """The kind of a change: ``wave pattern``."""
    words = TRIGGER_KINDS.get(finding.family)
    return safe_text(finding.family, 40) if words is None else words.title.lower()


def place_words(place: Sequence[int], size: int, shape: Sequence[int]) -> str:
    """A patch's place: rows, columns and the part of the picture."""
    row, column = place
    _, height, width = shape
    down = _third(row + size / 2, height, ("upper", "middle", "lower"))
    across = _third(column + size / 2, width, ("left", "centre", "right"))
    return (
        f"{down} {across}: rows {row + 1} to {row + size} of {height}, columns {column + 1} to "
        f"{column + size} of {width}"
    )


def _third(middle: float, side: int, names: tuple[str, str, str]) -> str:
    return names[min(2, int(3 * middle / side))]
