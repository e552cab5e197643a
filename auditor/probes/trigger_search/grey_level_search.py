"""Search for a number of grey levels: there are so few that all are asked at once."""

from __future__ import annotations

import numpy as np

from auditor.probes.trigger_search.kind_search import KindSearch
from auditor.probes.trigger_search.sample_set import Asking
from auditor.probes.trigger_search.transforms import Quantise, TransformCandidate

LEVELS = (4, 5, 6, 8)  # grey levels tried; fewer change every model's labels


class GreyLevelSearch(KindSearch[TransformCandidate]):
    """Fewer grey levels, plain and dithered, asked in the first turn; later ones ask nothing."""

    done = False

    def turn(self, queries: int) -> Asking[TransformCandidate | None]:
        """Ask all of them, whatever ``queries``; returns the best if it is good."""
        del queries
        if self.done:
            return None
        self.done = True
        transforms = [Quantise(n, dither) for n in LEVELS for dither in (True, False)]
        images = self.sample_set.pick(self.settings.tally_images)
        labels = yield from self.sample_set.labels_of([*transforms], images, "screen")
        shares = self.sample_set.shares(labels, images)
        number, label = (int(i) for i in np.unravel_index(int(shares.argmax()), shares.shape))
        if shares[number, label] > 0:
            self.best = TransformCandidate(transforms[number], label, float(shares[number, label]))
        good = self.best is not None and self.best.share >= self.settings.verify_from
        return self.best if good else None
