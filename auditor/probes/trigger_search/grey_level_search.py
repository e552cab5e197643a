"""Searching for a number of grey levels: there are so few that all are asked at once."""

from __future__ import annotations

import numpy as np

from auditor.probes.trigger_search.sample_set import Asking, Bench
from auditor.probes.trigger_search.settings import TriggerSettings
from auditor.probes.trigger_search.transforms import Dial, Quantise, Turned

LEVELS = (4, 5, 6, 8)  # grey levels tried; fewer disturb every model


class QuantiseSearch:
    """Fewer grey levels, plain and dithered, asked in the first turn; later ones ask nothing."""

    def __init__(self, bench: Bench, settings: TriggerSettings) -> None:
        self.bench = bench
        self.settings = settings
        self.done = False
        self.best: Turned | None = None

    def turn(self, queries: int) -> Asking[Turned | None]:
        """Ask all of them, whatever ``queries``; returns the best where it looks good."""
        del queries
        if self.done:
            return None
        self.done = True
        bench = self.bench
        changes: list[Dial] = [Quantise(n, dither) for n in LEVELS for dither in (True, False)]
        images = bench.pick(self.settings.tally_images)
        labels = yield from bench.labels_of([*changes], images, "screen")
        shares = bench.shares(labels, images)
        number, label = (int(i) for i in np.unravel_index(int(shares.argmax()), shares.shape))
        if shares[number, label] > 0:
            self.best = Turned(changes[number], label, float(shares[number, label]))
        good = self.best is not None and self.best.share >= self.settings.verify_from
        return self.best if good else None

    def final(self) -> Asking[Turned | None]:
        """The one that moved most images to one label; asks nothing."""
        yield from ()
        return self.best
