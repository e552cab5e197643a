"""Search of each source class by itself, and how plans of up to version 10 judge it.

One class that a patch changes into its look-alike is natural (sneaker to sandal: many clean models
show it), so a single pair never decides; no clean calibration model showed two pairs that a patch
moves fully. Later plans judge by :mod:`.by_source`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from adapters.contract import InputSpec
from auditor.measured import per_source_null
from auditor.probes.base import Pictures
from auditor.probes.trigger_search.judge import SIGNIFICANCE, natural, p_value
from auditor.probes.trigger_search.result import TriggerFinding, TriggerResult
from auditor.probes.trigger_search.sample_set import Asking, Pixels
from auditor.probes.trigger_search.search import search
from auditor.probes.trigger_search.settings import TriggerSettings

PAIR, PAIRS = "patch@pair", "patch@pairs"
LEAST_OF_LABEL = 20
"""Samples that the model gives one label; with fewer it is not searched by itself."""


@dataclass(frozen=True, eq=False)
class Source:
    """One label's samples, and what its search found.

    Attributes:
        label: that the model gives the samples.
        pixels: the samples, ``(n, c, h, w)``.
        result: of the search for patches on them alone.
        found: its best patch that is no large one, or None.
    """

    label: int
    pixels: Pixels
    result: TriggerResult
    found: TriggerFinding | None

    @property
    def low(self) -> float:
        """Lower end of the patch's success; 0 without one."""
        return 0.0 if self.found is None else self.found.success.low


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
    sources = yield from search_labels(samples, spec, settings, seed, LEAST_OF_LABEL)
    asked = len(samples) + sum(one.result.queries for one in sources)
    best = sorted(sources, key=lambda one: -one.low)
    found = [(one.found, one.result) for one in best if one.found is not None]
    return _added(before, found, {**before.spent, "sources": asked})


def search_labels(
    samples: NDArray[np.float32], spec: InputSpec, settings: TriggerSettings, seed: int, least: int
) -> Asking[list[Source]]:
    """Ask for the samples' labels, and search the samples of the most frequent ones that have
    ``least`` or more.
    """
    pixels = spec.to_pixels(samples)
    labels = yield Pictures(spec, pixels)
    names, counts = np.unique(labels, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    often = [int(names[i]) for i in order if counts[i] >= least]
    of_one = replace(
        settings, schedule=(("patch", settings.source_queries),), sources=0,
        budget=settings.source_queries + settings.source_samples, extra_queries=0, polish_queries=0,
    )  # fmt: skip
    sources = []
    for label in sorted(often[: settings.sources]):
        own = pixels[labels == label][: settings.source_samples]
        classes = np.full(len(own), label)
        result = yield from search(spec.from_pixels(own), classes, spec, of_one, seed, {})
        # Natural patches between two classes of few, alike photographs are large.
        found = [
            one for one in result.findings if one.key == "patch" and not (one.large or one.spot)
        ]
        sources.append(Source(label, own, result, next(iter(found), None)))
    return sources


def most_source_queries(settings: TriggerSettings, samples: int) -> int:
    """More than :func:`search_sources` asks of ``samples``: for each class its samples, its turn,
    and three last steps, each with a verification.
    """
    each = settings.source_samples + settings.source_queries + 3 * settings.last_step
    return samples + settings.sources * each if settings.sources else 0


def _added(
    before: TriggerResult,
    classes: Sequence[tuple[TriggerFinding, TriggerResult]],
    spent: dict[str, int],
) -> TriggerResult:
    count = before.comparisons + 1
    p = None if before.best is None or before.best.p is None else min(1.0, count * before.best.p)
    added = replace(
        before, p=p, comparisons=count, spent=spent, queries=sum(spent.values()),
        verifications=before.verifications + sum(one.verifications for _, one in classes),
    )  # fmt: skip
    if not classes:
        return added
    first = replace(classes[0][0], key=PAIR, p=None)
    added = replace(added, findings=(*added.findings, first))
    if len(classes) < 2:
        return added
    second, result = classes[1]
    chance = p_value(second.success, per_source_null())
    found = replace(second, key=PAIRS, p=chance)
    together = min(1.0, count * chance)
    if natural(PAIRS, found.success) or together > SIGNIFICANCE:
        return replace(added, findings=(*added.findings, found))
    return replace(
        added, findings=(found, *added.findings), best=found, suspicious=True, p=together,
        preview=result.preview, preview_clean=result.preview_clean,
        preview_clean_labels=result.preview_clean_labels,
    )  # fmt: skip
