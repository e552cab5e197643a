"""Building requests: every missing input, once."""

from __future__ import annotations

import numpy as np

from adapters.contract import InputSpec
from auditor.engine.adaptive import BatchProbe
from auditor.engine.requests import RequestSource
from auditor.engine.store import NOT_ASKED, StoredProbe


def test_a_request_of_an_earlier_run_loses_no_input_when_the_target_calls_it_too_large() -> None:
    inputs = np.arange(12, dtype=np.float32).reshape(12, 1, 1, 1)
    probe = BatchProbe(inputs, "batch")
    stored = StoredProbe(1, np.full(probe.size, NOT_ASKED, dtype=np.uint16))
    spec = InputSpec((1, 1, 1), (0.0,), (1.0,))
    again = [[(0, np.arange(12))]]
    source = RequestSource([probe], [stored], spec, batch=4, again=again)
    asked = []
    for request in source.steps():
        assert request is not None
        asked += request.items.tolist()
        source.batch = 2
    assert asked == list(range(12))
