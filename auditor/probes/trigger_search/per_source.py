"""Search of each source class by itself, for attacks on some classes or with several targets.

A trigger that changes one class only, or sends each class elsewhere, moves too few samples of all
classes to one label. So patches are searched on the samples of one class at a time. One class that
a patch changes into its look-alike is natural (sneaker to sandal: many clean models show it), so a
single pair never decides; no clean calibration model showed two pairs that a patch moves fully. An
attack on one class only therefore shows its pair in the report, and no more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from adapters.contract import InputSpec
from auditor.measured import per_source_null
from auditor.probes.base import Pictures
from auditor.probes.trigger_search.judge import SIGNIFICANCE, natural, p_value
from auditor.probes.trigger_search.result import TriggerFinding, TriggerResult
from auditor.probes.trigger_search.sample_set import Asking
from auditor.probes.trigger_search.search import search
from auditor.probes.trigger_search.settings import TriggerSettings

PAIR, PAIRS = "patch@pair", "patch@pairs"
LEAST_OF_CLASS = 20  # samples that the model gives one label; with fewer it is left out


@dataclass(frozen=True, eq=False)
class _Class:
    """The search of one class; ``found`` is its best patch."""

    result: TriggerResult
    found: TriggerFinding


def search_sources(
    samples: NDArray[np.float32],
    spec: InputSpec,
    settings: TriggerSettings,
    seed: int,
    before: TriggerResult,
) -> Asking[TriggerResult]:
    """Search the most frequent labels one by one, and add the findings to ``before``.

    Args:
        samples: clean samples ``(n, c, h, w)`` in model units, best 60 of every class.
        spec: the model's input.
        settings: of the audit's search; ``sources`` labels are searched.
        seed: with the labels, it determines every question.
        before: result of the search over all classes.

    Returns:
        ``before`` with the two best pairs added, judged anew, corrected for one comparison more.
    """
    pixels = spec.to_pixels(samples)
    labels = yield Pictures(spec, pixels)
    samples = spec.from_pixels(pixels)
    spent = {**before.spent, "sources": len(samples)}
    names, counts = np.unique(labels, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    often = [int(names[i]) for i in order if counts[i] >= LEAST_OF_CLASS]
    of_one = replace(
        settings, schedule=(("patch", settings.source_queries),), sources=0,
        budget=settings.source_queries + settings.source_samples, extra_queries=0, polish_queries=0,
    )  # fmt: skip
    classes: list[_Class] = []
    for label in sorted(often[: settings.sources]):
        own = samples[labels == label][: settings.source_samples]
        result = yield from search(own, np.full(len(own), label), spec, of_one, seed, {})
        spent["sources"] += result.queries
        # Natural patches between two classes of few, alike photographs are large.
        small = [one for one in result.findings if one.key == "patch" and not one.large]
        classes += [_Class(result, found) for found in small]
    classes.sort(key=lambda one: -one.found.success.low)
    return _added(before, classes, spent)


def most_source_queries(settings: TriggerSettings, samples: int) -> int:
    """More than :func:`search_sources` asks of ``samples``: for each class its samples, its turn,
    and three last steps, each with a verification.
    """
    last = settings.screen_batch * (settings.screen_images + 2) + 2 * settings.verify_images
    each = settings.source_samples + settings.source_queries + 3 * last
    return samples + settings.sources * each if settings.sources else 0


def _added(before: TriggerResult, classes: list[_Class], spent: dict[str, int]) -> TriggerResult:
    count = before.comparisons + 1
    p = None if before.best is None or before.best.p is None else min(1.0, count * before.best.p)
    added = replace(
        before, p=p, comparisons=count, spent=spent, queries=sum(spent.values()),
        verifications=before.verifications + sum(one.result.verifications for one in classes),
    )  # fmt: skip
    if not classes:
        return added
    first = replace(classes[0].found, key=PAIR, p=None)
    added = replace(added, findings=(*added.findings, first))
    if len(classes) < 2:
        return added
    second = classes[1]
    chance = p_value(second.found.success, per_source_null())
    found = replace(second.found, key=PAIRS, p=chance)
    together = min(1.0, count * chance)
    if natural(PAIRS, found.success) or together > SIGNIFICANCE:
        return replace(added, findings=(*added.findings, found))
    result = second.result
    return replace(
        added, findings=(found, *added.findings), best=found, suspicious=True, p=together,
        preview=result.preview, preview_clean=result.preview_clean,
        preview_clean_labels=result.preview_clean_labels,
    )  # fmt: skip
