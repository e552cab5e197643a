"""The end of one question to a server whose replies may be anything: labels or a typed error."""

from __future__ import annotations

import time

from adapters.contract import Batch, LabelOracle
from adapters.errors import AdapterError

CPU_S = 2.0
"""Most processor time that a reply may cost."""


async def outcome(oracle: LabelOracle, batch: Batch) -> str:
    """``labels``, or the error's kind; anything but labels and typed errors fails the test."""
    began = time.process_time()
    try:
        labels = await oracle.predict_labels(batch)
    except AdapterError as error:
        said = str(error)
        assert len(said) < 1000
        assert said.isprintable()
        return type(error).__name__
    finally:
        assert time.process_time() - began < CPU_S
    assert labels.shape == (len(batch),)
    return "labels"
