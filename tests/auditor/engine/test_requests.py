"""Building requests: every missing input, once."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from adapters.contract import Access, InputSpec
from auditor.engine.adaptive import BatchProbe
from auditor.engine.requests import RequestSource
from auditor.engine.store import NOT_ASKED, StoredProbe
from auditor.probes.base import Pictures


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


@pytest.mark.parametrize("access", ["float", "image"])
def test_pictures_are_known_by_their_pixels_and_none_is_asked_twice(access: Access) -> None:
    spec = InputSpec((1, 2, 2), (-1.0,), (3.0,), access)
    pixels = np.arange(24, dtype=np.uint8).reshape(6, 1, 2, 2)[[0, 1, 2, 1, 5, 0]]
    probe = BatchProbe(Pictures(spec, pixels), "trigger")
    labels = np.full(6, NOT_ASKED, dtype=np.uint16)
    labels[5] = 7  # paid for by an earlier run
    source = RequestSource([probe], [StoredProbe(1, labels)], spec, batch=3)
    requests = [one for one in source.steps() if one is not None]
    assert [one.items.tolist() for one in requests] == [[1, 2], [4]]
    keys = [key for one in requests for key in one.keys]
    assert keys == [hashlib.sha256(pixels[item].tobytes()).digest()[:16] for item in (1, 2, 4)]
    number, items, known = source.answered_duplicates()[0]
    assert (number, items.tolist(), known.tolist()) == (0, [0], [7])
